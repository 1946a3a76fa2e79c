"""Two network namespaces, client and server, joined by a veth pair; made and removed by the test itself.

IPv4 and IPv6. Needs root.
"""
import os
import subprocess


class Lab:
    """Use as a context manager; everything it made is gone afterwards, processes in it included."""

    def __init__(self):
        tag = f"{os.getpid() % 100000}"
        self.client_ns, self.server_ns = f"weir-c-{tag}", f"weir-s-{tag}"
        self.client_if, self.server_if = f"wc{tag}", f"ws{tag}"
        self.client4, self.server4 = "10.77.0.2", "10.77.0.1"
        self.client6, self.server6 = "fd77::2", "fd77::1"
        self.processes = []

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _build(self):
        sh = lambda *words: subprocess.run(words, check=True)
        for ns in (self.client_ns, self.server_ns):
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        sh("ip", "link", "add", self.client_if, "netns", self.client_ns, "type", "veth",
           "peer", "name", self.server_if, "netns", self.server_ns)
        for ns, device, v4, v6 in ((self.client_ns, self.client_if, self.client4, self.client6),
                                   (self.server_ns, self.server_if, self.server4, self.server6)):
            sh("ip", "-n", ns, "link", "set", device, "up")
            sh("ip", "-n", ns, "addr", "add", f"{v4}/24", "dev", device)
            sh("ip", "-n", ns, "addr", "add", f"{v6}/64", "dev", device, "nodad")

    def _namespace(self, where):
        return {"client": self.client_ns, "server": self.server_ns}[where]

    def _inside(self, where, words):
        # Not `ip netns exec`: that remounts /sys, which a chroot (no mount point at its root) refuses.
        return ["nsenter", f"--net=/run/netns/{self._namespace(where)}", "--", *words]

    def start(self, where, *words, **options):
        """Starts a process inside a namespace ("client" or "server"); it is ended with the lab."""
        process = subprocess.Popen(self._inside(where, words), **options)
        self.processes.append(process)
        return process

    def run(self, where, *words, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        options.setdefault("timeout", 120)
        return subprocess.run(self._inside(where, words), **options)

    def stop(self, process, timeout=10):
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process in self.processes:
            self.processes.remove(process)

    def __exit__(self, *_):
        for process in list(reversed(self.processes)):
            self.stop(process)
        for ns in (self.client_ns, self.server_ns):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
