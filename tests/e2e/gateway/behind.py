"""What the tests of `weir run` behind weir-gwlbsim share: a Weir, clients, and the lab of a test with both.

The programs that use it are called with the build directory first.
"""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab as gateway  # noqa: E402
import node_test  # noqa: E402
import servers  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
HTTP, HTTPS, TCP = "9080", "9443", "9081"
CONFIG = """
mode: block
ports: "80"
on_failure: {on_failure}
cache: {cache}
control: {control}
bodies:
  request: 64MiB
  request_without_files: 64MiB
drain: {drain}
inputs:
  geneve:
    sources: [10.99.0.1]
    address: {address}
    workers: {workers}
health:
  http_port: {http}
  https_port: {https}
  tcp_port: {tcp}
events:
  file: {events}
limits:
  transactions: 256
timeouts:
  established: {established}
"""


class Weir(node_test.Node):
    """An appliance: weir run in its namespace."""

    def __init__(self, lab, i, work, cache, on_failure="closed", drain="0s", workers=1, established="15min",
                 change=lambda text: text):
        self.lab, self.i = lab, i
        base = work / f"weir{i}"
        base.mkdir()
        self.events = base / "events.jsonl"
        self.config = base / "weir.yaml"
        self.config.write_text(change(CONFIG.format(
            on_failure=on_failure, cache=cache, drain=drain, address=lab.appliance(i), workers=workers, http=HTTP,
            https=HTTPS, tcp=TCP, events=self.events, established=established, control=base / "control")))
        self.log = base / "stderr"
        self.process = lab.start(lab.appliance_ns(i), str(BUILD / "app/weir"), "run", "-c", str(self.config),
                                 stderr=open(self.log, "w"))
        if not self.wait("/readyz", 200, 60):
            raise RuntimeError("weir run is not ready: " + self.log.read_text())

    def bypass(self, word):
        done = subprocess.run([str(BUILD / "app/weir"), "bypass", word, "-c", str(self.config)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"weir bypass {word}: {done.returncode} {done.stderr}")
        return done.stdout

    @property
    def children(self):
        pid = self.process.popen.pid
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def named(self, name):
        return [p for p in self.children if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == name]

    @property
    def workers(self):
        return [p for p in self.children if pathlib.Path(f"/proc/{p}/comm").read_text().startswith("weir-")
                and pathlib.Path(f"/proc/{p}/comm").read_text().strip() != "weir-helper"]

    def records(self, kind="http", at_least=0):
        """The event log so far; waits up to ten seconds for `at_least` of them, since a thread of its own writes it."""
        end = time.monotonic() + 10
        while True:
            lines = self.events.read_text().splitlines(keepends=True) if self.events.exists() else []
            found = [r for r in (json.loads(l) for l in lines if l.endswith("\n")) if r["event_type"] == kind]
            if len(found) >= at_least or time.monotonic() > end:
                return found
            time.sleep(0.1)


class Client(http.client.HTTPConnection):
    """One connection out of a namespace, from this process."""

    def __init__(self, ns, host, port=80):
        super().__init__(host, port, timeout=15)
        self.ns = ns

    def connect(self):
        self.sock = in_namespace(self.ns, lambda: socket.create_connection((self.host, self.port), timeout=15))

    def get(self, path, headers=None):
        self.request("GET", path, headers=headers or {})
        response = self.getresponse()
        return response.status, response.read()


def in_namespace(ns, what):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    try:
        if libc.setns(there, 0x40000000) != 0:
            raise OSError("setns")
        return what()
    finally:
        libc.setns(home, 0x40000000)
        os.close(there)
        os.close(home)


class Behind(node_test.Gateway):
    @classmethod
    def setUpClass(cls):
        cls.cache = BUILD / "rule-cache"

    def begin(self, *sim_options, **weir):
        self.weirs = [Weir(self.lab, i, self.work, self.cache, **weir) for i in range(self.appliances)]
        self.lab.start_sim(*sim_options)
        self.access = [servers.start_nginx(self.lab, self.lab.server_ns(c), self.work, self.site)[1]
                       for c in range(len(self.customers))]

    def client(self, customer=0, address=gateway.SERVER4):
        return Client(self.lab.client_ns(customer), address)

    def report(self, faults=()):
        report = self.lab.report()
        self.assertEqual({k: v for k, v in gateway.faults(report).items() if k not in faults}, {})
        return report

    def load(self, seconds, customer=0, name="medium"):
        return self.lab.start(self.lab.client_ns(customer), "wrk", "-t1", "-c16", f"-d{seconds}s",
                              f"http://{gateway.SERVER4}/{name}", stdout=subprocess.PIPE, text=True)

    def clean_load(self, process):
        out = process.popen.communicate(timeout=60)[0]
        said = [json.dumps(r) for w in self.weirs for r in w.records("drop") + w.records("anomaly")][:20]
        self.assertNotIn("Socket errors", out, said)
        self.assertNotIn("Non-2xx", out)
        self.assertGreater(int(out.split("requests in")[0].split()[-1]), 50)


ATTACKS = {
    "line": ["http://{}/?id=1%27%20union%20select%20password%20from%20users--"],
    "path": ["http://{}/..%2f..%2f..%2fetc%2fpasswd"],
    "header": ["-H", "X-Test: <script>alert(1)</script>", "-A", "sqlmap/1.7", "http://{}/small"],
    "cookie": ["-b", "id=1' or '1'='1' -- ", "http://{}/small"],
    "form": ["-d", "q=1' union select 1,2,3 -- ", "http://{}/upload"],
    "json": ["-H", "Content-Type: application/json", "-d", "{{\"q\": \"<script>alert(document.cookie)</script>\"}}",
             "http://{}/upload"],
    "multipart": ["-F", "q=1' union select password from users -- ", "http://{}/upload"],
}
