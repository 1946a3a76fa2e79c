"""A gateway load balancer between clients and servers, all in network namespaces of the test's own:

    client ns --TUN-- weir-gwlbsim --veth-- appliance ns (one for each appliance)
    server ns --TUN--/

One client and one server namespace for each customer; customers may have the same addresses. Needs root.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

CLIENT4, SERVER4 = "10.10.0.2", "10.20.0.2"
CLIENT6, SERVER6 = "fd10::2", "fd20::2"


def sh(*words, **options):
    return subprocess.run(words, check=True, **options)


class Process:
    """A program in a namespace; ended with the lab."""

    def __init__(self, ns, words, **options):
        self.words = words
        self.popen = subprocess.Popen(["ip", "netns", "exec", ns, *words], **options)

    def stop(self, sig=signal.SIGTERM, timeout=15):
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode


class GatewayLab:
    """`customers`: endpoint ids. `appliances`: how many namespaces for appliances."""

    def __init__(self, gwlbsim, appliances=1, customers=(0x1111,), mtu=9001):
        self.gwlbsim = gwlbsim
        self.tag = f"{os.getpid() % 100000}"
        self.customers = list(customers)
        self.count = appliances
        self.mtu = mtu
        self.processes = []
        self.sim = None
        self.lines = []
        self.namespaces = []
        self.balancer_ns = self._name("b")
        self.balancer = "10.99.0.1"

    def _name(self, part):
        return f"weir-g{part}-{self.tag}"

    def client_ns(self, customer=0):
        return self._name(f"c{customer}")

    def server_ns(self, customer=0):
        return self._name(f"s{customer}")

    def appliance_ns(self, i=0):
        return self._name(f"a{i}")

    def appliance(self, i=0):
        return f"10.99.0.{11 + i}"

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _add_ns(self, ns):
        sh("ip", "netns", "add", ns)
        self.namespaces.append(ns)
        sh("ip", "-n", ns, "link", "set", "lo", "up")

    def _build(self):
        self._add_ns(self.balancer_ns)
        sh("ip", "-n", self.balancer_ns, "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", self.balancer_ns, "link", "set", "br0", "mtu", str(self.mtu), "up")
        sh("ip", "-n", self.balancer_ns, "addr", "add", f"{self.balancer}/24", "dev", "br0")
        for i in range(self.count):
            ns, port = self.appliance_ns(i), f"p{i}"
            self._add_ns(ns)
            sh("ip", "link", "add", "eth0", "netns", ns, "mtu", str(self.mtu), "type", "veth",
               "peer", "name", port, "netns", self.balancer_ns)
            sh("ip", "-n", self.balancer_ns, "link", "set", port, "mtu", str(self.mtu), "master", "br0", "up")
            sh("ip", "-n", ns, "link", "set", "eth0", "up")
            sh("ip", "-n", ns, "addr", "add", f"{self.appliance(i)}/24", "dev", "eth0")
        for c in range(len(self.customers)):
            self._add_ns(self.client_ns(c))
            self._add_ns(self.server_ns(c))

    def start_sim(self, *options, seconds=120):
        words = [self.gwlbsim, "--listen", self.balancer, "--seconds", str(seconds)]
        for i in range(self.count):
            words += ["--target", self.appliance(i)]
        for c, endpoint in enumerate(self.customers):
            words += ["--endpoint", f"{endpoint:x},{self.client_ns(c)}/gw,{self.server_ns(c)}/gw"]
        self.sim = self.start(self.balancer_ns, *words, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
        threading.Thread(target=self._listen, args=(self.sim,), daemon=True).start()
        self._wait_line(1)
        for c in range(len(self.customers)):
            for ns, four, six in ((self.client_ns(c), CLIENT4, CLIENT6), (self.server_ns(c), SERVER4, SERVER6)):
                sh("ip", "-n", ns, "link", "set", "gw", "mtu", "8500", "up")
                sh("ip", "-n", ns, "addr", "add", f"{four}/32", "dev", "gw")
                sh("ip", "-n", ns, "addr", "add", f"{six}/128", "dev", "gw", "nodad")
                sh("ip", "-n", ns, "route", "add", "default", "dev", "gw")
                sh("ip", "-n", ns, "-6", "route", "add", "default", "dev", "gw")

    def _listen(self, process):
        for line in process.popen.stdout:
            self.lines.append(line)

    def _wait_line(self, number, seconds=10):
        end = time.monotonic() + seconds
        while len(self.lines) < number:
            if time.monotonic() > end or self.sim.popen.poll() is not None:
                raise RuntimeError("weir-gwlbsim says nothing")
            time.sleep(0.01)
        return self.lines[number - 1]

    def command(self, text):
        self.sim.popen.stdin.write(text + "\n")
        self.sim.popen.stdin.flush()

    def report(self):
        before = len(self.lines)
        self.command("report")
        return json.loads(self._wait_line(before + 1))

    def start(self, ns, *words, **options):
        process = Process(ns, words, **options)
        self.processes.append(process)
        return process

    def run(self, ns, *words, **options):
        options.setdefault("timeout", 120)
        return subprocess.run(["ip", "netns", "exec", ns, *words], **options)

    def wait_tcp(self, ns, address, port, seconds=20):
        probe = ("import socket,sys\ns=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)\n"
                 "s.settimeout(1);s.connect((sys.argv[1],int(sys.argv[2])))")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.run(ns, sys.executable, "-c", probe, address, str(port), stderr=subprocess.DEVNULL).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"nothing listens on {address} port {port} after {seconds} s")

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        for ns in self.namespaces:
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)


# What must be zero in a report, whatever happened.
WRONG = ("no_geneve", "unknown_cookie", "wrong_target", "wrong_port", "changed_header", "stale_header",
         "returned_too_large", "wrong_flow", "malformed", "unsent")


def faults(report):
    return {k: report[k] for k in WRONG if report[k]} | report["reasons"]


def make_files(directory: pathlib.Path):
    directory.mkdir(parents=True, exist_ok=True)
    for name, size in (("small", 100), ("medium", 50_000), ("large", 20_000_000)):
        (directory / name).write_bytes(bytes((i * 7 + i // 251) % 256 for i in range(min(size, 65_536)))
                                       * (size // 65_536 + 1))
    for path in directory.rglob("*"):
        path.chmod(0o644)
    directory.chmod(0o755)
