"""Client, Weir and server in network namespaces of their own, made and removed by the test: Weir routes between the
other two, or is a bridge between them, or runs where the server is. IPv4 and IPv6."""
import os
import pathlib
import signal
import subprocess
import time

from . import namespaces

FIREWALL = pathlib.Path(__file__).resolve().parents[3] / "packaging/firewall/weir-firewall"


class WireLab(namespaces.Lab):
    def __init__(self, place):
        super().__init__()
        self.place = place
        tag = f"{os.getpid() % 100000}"
        self.weir_ns = self.server_ns if place == "local" else f"weir-w-{tag}"
        if place == "routed":
            self.client4, self.server4 = "10.78.1.2", "10.78.2.2"
            self.client6, self.server6 = "fd78:1::2", "fd78:2::2"
        self.weir_if = {"client": f"wx{tag}", "server": f"wy{tag}"}

    def _build(self):
        if self.place == "local":
            super()._build()
            return
        sh = lambda *words: subprocess.run(words, check=True)
        spaces = {"client": self.client_ns, "weir": self.weir_ns, "server": self.server_ns}
        devices = {"client": self.client_if, "server": self.server_if}
        addresses = {"client": (self.client4, self.client6), "server": (self.server4, self.server6)}
        for ns in spaces.values():
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        if self.place == "bridged":
            sh("ip", "-n", self.weir_ns, "link", "add", "bridge0", "type", "bridge")
            sh("ip", "-n", self.weir_ns, "link", "set", "bridge0", "up")
        else:
            self.run("weir", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", check=True)
        for end in ("client", "server"):
            ns, device, inner = spaces[end], devices[end], self.weir_if[end]
            sh("ip", "link", "add", device, "netns", ns, "type", "veth", "peer", "name", inner, "netns", self.weir_ns)
            v4, v6 = addresses[end]
            sh("ip", "-n", ns, "addr", "add", f"{v4}/24", "dev", device)
            sh("ip", "-n", ns, "addr", "add", f"{v6}/64", "dev", device, "nodad")
            if self.place == "bridged":
                sh("ip", "-n", self.weir_ns, "link", "set", inner, "master", "bridge0")
            else:
                near4, near6 = v4.rsplit(".", 1)[0] + ".1", v6.replace("::2", "::1")
                sh("ip", "-n", self.weir_ns, "addr", "add", f"{near4}/24", "dev", inner)
                sh("ip", "-n", self.weir_ns, "addr", "add", f"{near6}/64", "dev", inner, "nodad")
            sh("ip", "-n", self.weir_ns, "link", "set", inner, "up")
            sh("ip", "-n", ns, "link", "set", device, "up")
            if self.place == "routed":
                sh("ip", "-n", ns, "route", "add", "default", "via", near4)
                sh("ip", "-n", ns, "route", "add", "default", "via", near6)

    def _namespace(self, where):
        return self.weir_ns if where == "weir" else super()._namespace(where)

    def firewall(self, *words):
        done = self.run("weir", "bash", str(FIREWALL), *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"weir-firewall {' '.join(words)}: {done.stdout}")
        return done.stdout

    def __exit__(self, *what):
        super().__exit__(*what)
        subprocess.run(["ip", "netns", "del", self.weir_ns], stderr=subprocess.DEVNULL)


class NoMirror(RuntimeError):
    """The kernel cannot copy packets."""


class SpanLab(WireLab):
    """Routed, with several addresses for the client, and a fourth namespace, "monitor", to whose interface `span` goes a
    copy of all that the client sends and gets (tc mirred)."""

    def __init__(self, addresses=1):
        super().__init__("routed")
        tag = f"{os.getpid() % 100000}"
        self.monitor_ns, self.span, self.port = f"weir-m-{tag}", f"wm{tag}", f"wp{tag}"
        self.clients4 = [f"10.78.1.{2 + i}" for i in range(addresses)]
        self.clients6 = [f"fd78:1::{2 + i:x}" for i in range(addresses)]

    def _build(self):
        super()._build()
        sh = lambda *words: subprocess.run(words, check=True)
        for v4, v6 in list(zip(self.clients4, self.clients6))[1:]:
            sh("ip", "-n", self.client_ns, "addr", "add", f"{v4}/24", "dev", self.client_if)
            sh("ip", "-n", self.client_ns, "addr", "add", f"{v6}/64", "dev", self.client_if, "nodad")
        sh("ip", "netns", "add", self.monitor_ns)
        self.run("monitor", "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1", check=True)
        sh("ip", "link", "add", self.port, "netns", self.weir_ns, "type", "veth", "peer", "name", self.span, "netns", self.monitor_ns)
        sh("ip", "-n", self.weir_ns, "link", "set", self.port, "up")
        sh("ip", "-n", self.monitor_ns, "link", "set", self.span, "up")
        inner = self.weir_if["client"]

        def mirror(*words):
            done = subprocess.run(words, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise NoMirror(f"tc mirred is not to be had here: {done.stderr.strip()}")

        mirror("tc", "-n", self.weir_ns, "qdisc", "add", "dev", inner, "clsact")
        for way in ("ingress", "egress"):
            mirror("tc", "-n", self.weir_ns, "filter", "add", "dev", inner, way, "protocol", "all", "u32", "match", "u32", "0", "0",
               "action", "mirred", "egress", "mirror", "dev", self.port)

    def _namespace(self, where):
        return self.monitor_ns if where == "monitor" else super()._namespace(where)

    def __exit__(self, *what):
        super().__exit__(*what)
        subprocess.run(["ip", "netns", "del", self.monitor_ns], stderr=subprocess.DEVNULL)


class Pins:
    """A bpf file system of the test's own, for release.requests; `directory` is "" where there can be none."""

    def __init__(self, work):
        self.place = work / "bpf"
        self.directory = ""

    def __enter__(self):
        self.place.mkdir(exist_ok=True)
        if subprocess.run(["mount", "-t", "bpf", "bpf", str(self.place)], stderr=subprocess.DEVNULL).returncode == 0:
            self.directory = f"{self.place}/weir"
        return self

    def input(self):
        """What weir.yaml says of it, behind `queues: …` in inputs.nfqueue."""
        return f", pins: {self.directory}" if self.directory else ""

    def __exit__(self, *_):
        if self.directory:
            subprocess.run(["umount", str(self.place)], check=False)


class Weir:
    """`weir run` in the lab, from a configuration text, until stop()."""

    def __init__(self, lab, program, work, text, name="weir", events=None, where="weir", more=(), told="flow: true"):
        self.lab, self.work, self.name = lab, work, name
        self.config = work / f"{name}.yaml"
        self.log = work / f"{name}.log"
        self.events = events or work / f"{name}.jsonl"
        self.config.write_text(text + f"events: {{file: {self.events}, {told}}}\n")
        self.process = lab.start(where, str(program), "run", *more, "-c", str(self.config), stderr=open(self.log, "w"))
        self.wait_for("running:")

    def wait_for(self, words, seconds=30):
        end = time.monotonic() + seconds
        while words not in self.log.read_text():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"no '{words}' from weir: {self.log.read_text()}")
            time.sleep(0.05)

    def workers(self):
        out = subprocess.run(["pgrep", "-P", str(self.process.pid)], stdout=subprocess.PIPE, text=True).stdout
        return [int(word) for word in out.split()]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self):
        self.lab.stop(self.process, timeout=20)
        if self.process.returncode != 0:
            raise RuntimeError(f"weir left with {self.process.returncode}: {self.log.read_text()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.lab.processes.remove(self.process)
