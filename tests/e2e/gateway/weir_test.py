#!/usr/bin/env python3
"""`weir run` behind weir-gwlbsim: verdicts through the tunnel, failover, drain, reload.

    weir_test.py BUILD_DIRECTORY [TEST…]

Tests are named by the numbers of the conformance list in docs/GATEWAY.md. Needs root; everything happens in
network namespaces that the test makes and removes.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

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


class Behind(unittest.TestCase):
    appliances, customers = 1, (0x0a1b2c3d4e5f6071,)

    @classmethod
    def setUpClass(cls):
        cls.cache = BUILD / "rule-cache"

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="weir-gateway-")
        self.work = pathlib.Path(self.temporary.name)
        self.work.chmod(0o755)
        self.site = self.work / "site"
        gateway.make_files(self.site)
        self.lab = gateway.GatewayLab(str(BUILD / "tests/support/gwlbsim/weir-gwlbsim"), self.appliances, self.customers)
        self.lab.__enter__()

    def tearDown(self):
        self.lab.__exit__(None, None, None)
        self.temporary.cleanup()

    def begin(self, *sim_options, **weir):
        self.weirs = [Weir(self.lab, i, self.work, self.cache, **weir) for i in range(self.appliances)]
        self.lab.start_sim(*sim_options)
        self.access = [servers.start_nginx(self.lab, self.lab.server_ns(c), self.work, self.site)[1]
                       for c in range(len(self.customers))]

    def client(self, customer=0, address=gateway.SERVER4):
        return Client(self.lab.client_ns(customer), address)

    def curl(self, customer, *options, seconds=30):
        return self.lab.run(self.lab.client_ns(customer), "curl", "-sS", "-m", str(seconds), *options,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self, name, customer=0, address=gateway.SERVER4):
        out = self.work / f"out-{customer}"
        r = self.curl(customer, "-o", str(out), f"http://{address}/{name}")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(node_test.digest(out), node_test.digest(self.site / name))

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


class Verdicts(Behind):
    customers = (0x1111, 0x2222)

    def completed(self, customer=0):
        return self.access[customer].read_text().splitlines()

    def test_C15_every_attack_is_answered_through_the_tunnel(self):
        self.begin("--ports", "different", "--cookies", "different", workers=2)
        for address in (gateway.SERVER4, f"[{gateway.SERVER6}]"):
            for name, words in ATTACKS.items():
                for customer in (0, 1):
                    r = self.curl(customer, "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is",
                                  *[w.format(address) for w in words])
                    self.assertEqual(r.stdout, "403", f"{name} {address} {customer}: {r.stderr}")
        # nginx logs a request that was cut off as 400.
        self.assertEqual([l for l in self.completed(0) + self.completed(1) if '" 400 ' not in l], [])
        report = self.report()
        self.assertGreater(report["invented"], 2 * len(ATTACKS))
        self.assertEqual(report["invented_other_header"], 0)

    def test_C15_second_request_and_pipelined(self):
        self.begin("--ports", "different", workers=2)
        for customer in (0, 1):
            for address in (gateway.SERVER4, gateway.SERVER6):
                with self.subTest(customer=customer, address=address):
                    self.second_and_pipelined(customer, address)
        self.assertEqual([l for l in self.completed(0) + self.completed(1) if "union" in l and '" 400 ' not in l], [])
        self.report()

    def second_and_pipelined(self, customer, address):
        c = self.client(customer, address)
        self.assertEqual(c.get("/small")[0], 200)
        self.assertEqual(c.get("/?id=1%27%20union%20select%20password%20from%20users--")[0], 403)
        c.close()
        sock = in_namespace(self.lab.client_ns(customer), lambda: socket.create_connection((address, 80), timeout=10))
        sock.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"
                     b"GET /?id=1%27%20union%20select%20password%20from%20users-- HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            data += part
        self.assertEqual(data.count(b"HTTP/1.1 200"), 1)
        self.assertEqual(data.count(b"HTTP/1.1 403"), 1)

    def test_C16_the_server_is_reset_and_the_client_reads_the_page_to_its_end(self):
        self.weirs = [Weir(self.lab, 0, self.work, self.cache)]
        self.lab.start_sim()
        listener = in_namespace(self.lab.server_ns(), lambda: socket.create_server((gateway.SERVER4, 80)))
        sock = in_namespace(self.lab.client_ns(), lambda: socket.create_connection((gateway.SERVER4, 80), timeout=10))
        server, _ = listener.accept()
        server.settimeout(10)
        sock.sendall(b"GET /?id=1%27%20union%20select%20password%20from%20users-- HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while True:
            part = sock.recv(65536)
            if not part:
                break
            data += part
        self.assertTrue(data.startswith(b"HTTP/1.1 403 "), data[:60])
        head, body = data.split(b"\r\n\r\n", 1)
        length = [l for l in head.split(b"\r\n") if l.lower().startswith(b"content-length:")]
        self.assertEqual(int(length[0].split(b":")[1]), len(body))
        with self.assertRaises(ConnectionResetError):
            server.recv(65536)
        self.report()

    def test_C13_equal_addresses_are_judged_apart(self):
        self.begin()
        self.fetch("medium", 0)
        r = self.curl(1, "-o", "/dev/null", "-w", "%{http_code}", "http://10.20.0.2/?id=1%27%20union%20select%20a%20from%20b--")
        self.assertEqual(r.stdout, "403")
        self.fetch("large", 0)
        self.fetch("large", 1)
        self.report()

    def test_C12_a_new_cookie_is_used_at_once(self):
        self.begin("--ports", "different", "--cookies", "different")
        c = self.client()
        self.assertEqual(c.get("/small")[0], 200)
        self.lab.command("recookie")
        self.assertEqual(c.get("/small")[0], 200)  # both directions in new envelopes
        self.assertEqual(c.get("/?id=1%27%20union%20select%20password%20from%20users--")[0], 403)
        self.assertGreater(self.report()["invented"], 0)

    def test_C18_requests_alone_are_judged(self):
        self.begin("--return", "direct")
        self.fetch("medium")
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "http://10.20.0.2/?id=1%27%20union%20select%20a%20from%20b--")
        self.assertIn(r.stdout, ("403", "000"))
        self.assertEqual([l for l in self.completed() if "union" in l], [])
        self.assertEqual(self.report()["from_servers"] > 0, True)

    def test_C15_last_byte_of_a_large_upload(self):
        """50 MB, judged when the last byte is there; the same upload without it is clean. All of it is arguments, which a
        build without optimisation looks at for longer than a worker may stand still by default."""
        self.begin("--ports", "different", workers=2, change=lambda text: text + "watchdog: 60s\n")
        clean, attack = self.work / "clean", self.work / "attack"
        with open(clean, "wb") as f:
            for _ in range(50):
                f.write(b"a=" + b"x" * 999_997 + b"&")
            f.write(b"q=1' or 2=")
        attack.write_bytes(clean.read_bytes() + b"2")
        for customer in (0, 1):
            for upload, wanted in ((clean, "200"), (attack, "403")):
                r = self.curl(customer, "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "--data-binary",
                              f"@{upload}", f"http://{gateway.SERVER4}/upload", seconds=100)
                self.assertEqual(r.stdout, wanted, f"{customer} {upload.name}: {r.stderr}")
            done = [l for l in self.completed(customer) if "/upload" in l and '" 400 ' not in l and '" 499 ' not in l]
            # The clean one, by nginx and by the server behind it.
            self.assertEqual([l.split('"')[2].split()[0] for l in done], ["200", "200"])
        self.report()


class Clean(Behind):
    customers = (0x1111, 0x2222)

    def test_C19_clean_traffic_is_the_same_with_the_engine(self):
        self.begin("--ports", "different", "--cookies", "different", workers=2)
        for customer in (0, 1):
            for address in (gateway.SERVER4, f"[{gateway.SERVER6}]"):
                for name in ("small", "medium", "large"):
                    self.fetch(name, customer, address)
        upload = self.work / "upload"
        upload.write_bytes(b"field=" + b"abc" * 1_000_000)
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "-F", f"file=@{upload}",
                      f"http://{gateway.SERVER4}/upload")
        self.assertEqual(r.stdout, "200", r.stderr)
        self.assertEqual(self.report()["invented"], 0)

    def test_C19_packets_that_overtake_each_other(self):
        self.begin("--reorder", "5", "--ports", "different")
        for address in (gateway.SERVER4, f"[{gateway.SERVER6}]"):
            for name in ("medium", "large"):
                self.fetch(name, address=address)
        upload = self.work / "upload"
        upload.write_bytes(b"field=" + b"abc" * 1_000_000)
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "-F", f"file=@{upload}",
                      f"http://{gateway.SERVER4}/upload")
        self.assertEqual(r.stdout, "200", r.stderr)
        self.assertEqual(self.report()["invented"], 0)
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "-F", f"file=@{upload}", "-F",
                      "q=1' union select password from users -- ", f"http://{gateway.SERVER4}/upload")
        self.assertEqual(r.stdout, "403", r.stderr)

    def test_haproxy_behind_it(self):
        self.begin()
        self.lab.run(self.lab.server_ns(0), "true")
        servers.start_haproxy(self.lab, self.lab.server_ns(0), self.work, 8080, 80)
        # 8080 is not inspected: echoed; 80 is.
        out = self.work / "out"
        r = self.curl(0, "-o", str(out), f"http://{gateway.SERVER4}:8080/large")
        self.assertEqual(node_test.digest(out), node_test.digest(self.site / "large"), r.stderr)
        self.report()

    def test_C24_idle_connections_go_on(self):
        """AWS forgets after 350 s; here Weir forgets after 2 s, and data after 4 s must pass."""
        self.begin(established="2s")
        c = self.client()
        self.assertEqual(c.get("/small")[0], 200)
        time.sleep(4)
        self.assertEqual(c.get("/small")[0], 200)
        self.report()


class Failover(Behind):
    appliances = 2

    def test_C17_picked_up_without_SYN_and_judged_from_the_next_request(self):
        self.begin()
        c = self.client()
        self.assertEqual(c.get("/small")[0], 200)
        self.lab.command(f"deregister {self.lab.appliance(self.busy())}")
        self.assertEqual(c.get("/small")[0], 200)
        self.assertEqual(c.get("/?id=1%27%20union%20select%20password%20from%20users--")[0], 403)
        self.assertGreater(self.report()["rebalanced"], 0)

    def busy(self):
        """Which appliance the flow is at."""
        time.sleep(0.5)
        return 0 if self.weirs[0].records() else 1

    def test_C26_rebalance_during_requests(self):
        self.begin()
        load = self.load(5, name="small")
        time.sleep(2)
        self.lab.command("rebalance")
        self.clean_load(load)
        self.assertGreater(self.report()["rebalanced"], 3)

    def test_C22_C26_moved_in_the_middle_of_a_response(self):
        """Whose remainder is bytes without a line end: the next response must be found again."""
        self.begin()
        load = self.load(8)
        time.sleep(1)
        self.lab.command(f"deregister {self.lab.appliance(0)}")
        self.clean_load(load)

    def test_C26_flows_that_come_back(self):
        """To where half of them were before: what is remembered of them there is old."""
        self.begin()
        load = self.load(6)
        for _ in range(5):
            time.sleep(0.9)
            self.lab.command("rebalance")
        self.clean_load(load)
        self.assertGreater(self.report()["rebalanced"], 5)

    def test_C22_SIGTERM_drains_and_resets_nobody(self):
        self.begin("--health", "http", "--health-port", HTTP, "--health-path", "/readyz", "--interval", "200",
                   drain="4s")
        load = self.load(8, name="small")
        time.sleep(1.5)
        self.weirs[0].process.popen.send_signal(signal.SIGTERM)
        self.assertTrue(self.weirs[0].wait("/readyz", 503, 1))
        self.assertEqual(self.weirs[0].get("/livez"), 200)
        self.clean_load(load)
        self.assertEqual(self.weirs[0].process.popen.wait(10), 0)
        report = self.report()
        self.assertFalse(report["targets"][0]["healthy"])
        self.assertGreater(report["rebalanced"], 0)

    def test_kill_nine_of_an_appliance(self):
        """Fails over within two health checks; what was under way there may break, the rest may not."""
        self.begin("--health", "tcp", "--health-port", TCP, "--interval", "200")
        os.kill(self.weirs[0].process.popen.pid, signal.SIGKILL)
        time.sleep(1.5)
        self.fetch("large")
        self.assertFalse(self.lab.report()["targets"][0]["healthy"])


class Released(Behind):
    """What the engine does not want to see is echoed by the port, and comes back when it must."""

    def port(self, what):
        self.weirs[0].bypass("show")
        before = len(self.weirs[0].records("stats"))
        return self.weirs[0].records("stats", at_least=before + 2)[-1]["stats"]["port"][what]

    def begin_released(self, more=""):
        self.begin(change=lambda text: text + "stats_interval: 1s\nrelease:\n  responses: true\n" + more)

    def test_the_rest_of_a_large_response_and_the_next_request(self):
        self.begin_released()
        c = self.client()
        for _ in range(3):
            status, body = c.get("/large")
            self.assertEqual(status, 200)
            self.assertTrue(body == (self.site / "large").read_bytes())
            self.assertEqual(c.get("/medium")[0], 200)  # comes back for it
        self.assertEqual(c.get("/?id=1%27%20union%20select%20password%20from%20users--")[0], 403)
        forwarded, delivered = self.port("forwarded"), self.port("packets")
        self.assertLess(delivered, forwarded * 0.6, "acknowledgements and beginnings alone are inspected")
        self.assertGreaterEqual(self.port("released"), 3)
        self.assertGreaterEqual(self.port("resumed"), 3)
        records = [r for r in self.weirs[0].records(at_least=7) if r["http"]["url"] == "/large"]
        self.assertEqual([r["http"]["response_body_len"] for r in records], [(self.site / "large").stat().st_size] * 3)
        self.report()

    def test_a_whole_connection_until_the_next_with_its_addresses(self):
        """TLS that a policy passes is echoed; HTTP from the same port, to the same one, is judged."""
        self.begin_released("failures:\n  tls: pass\n")
        nginx = self.lab.processes[-1]
        nginx.stop()
        base = self.work / "tls"
        base.mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=x", "-days", "2", "-keyout", base / "key", "-out", base / "certificate"],
                       check=True, stderr=subprocess.DEVNULL)
        server = self.lab.start(self.lab.server_ns(), "openssl", "s_server", "-accept", "80", "-cert", str(base / "certificate"),
                                "-key", str(base / "key"), "-WWW", cwd=self.site, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        self.lab.wait_tcp(self.lab.server_ns(), gateway.SERVER4, 80)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secret = context.wrap_socket(self.from_port_45000(), server_hostname="x")
        secret.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        data = b"".join(iter(lambda: secret.recv(1 << 20), b""))
        self.assertTrue(data.endswith((self.site / "large").read_bytes()))
        secret.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        secret.close()  # a reset: the port is free at once
        self.assertGreaterEqual(self.port("released"), 1)
        self.assertLess(self.port("packets"), self.port("forwarded") * 0.2)
        server.stop()
        servers.start_nginx(self.lab, self.lab.server_ns(), self.work, self.site)
        plain = self.from_port_45000()
        plain.sendall(b"GET /?id=1%27%20union%20select%20a%20from%20b-- HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(plain.recv(65536)[:13], b"HTTP/1.1 403 ")
        self.report()

    def from_port_45000(self):
        def connect():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.settimeout(20)
            s.bind(("", 45000))
            s.connect((gateway.SERVER4, 80))
            return s
        return in_namespace(self.lab.client_ns(), connect)


class Lab(Behind):
    """Two customers with the same addresses, HAProxy before nginx each; the load balancer; two appliances of two
    workers; everything that a fleet goes through, under load of both."""
    appliances, customers = 2, (0x1111, 0x2222)

    def begin_lab(self, **weir):
        self.weirs = [Weir(self.lab, i, self.work, self.cache, workers=2, **weir) for i in range(self.appliances)]
        self.lab.start_sim("--ports", "different", "--cookies", "different", "--health", "https", "--health-port", HTTPS,
                           "--health-path", "/readyz", "--interval", "200")
        self.access = []
        for c in (0, 1):
            ns = self.lab.server_ns(c)
            self.access.append(servers.start_nginx(self.lab, ns, self.work, self.site, 8080)[1])
            servers.start_haproxy(self.lab, ns, self.work, 80, 8080)

    def everything_refused(self):
        for name, words in ATTACKS.items():
            for customer in (0, 1):
                r = self.curl(customer, "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is",
                              *[w.format(gateway.SERVER4) for w in words])
                self.assertEqual(r.stdout, "403", f"{name} {customer}: {r.stderr}")

    def test_rebalance_and_drain_under_load_reset_no_clean_connection(self):
        self.begin_lab(drain="5s")
        load = [self.load(12, customer=c, name=name) for c, name in ((0, "medium"), (1, "small"))]
        for _ in range(3):
            time.sleep(0.8)
            self.lab.command("rebalance")
            for c in (0, 1):
                self.fetch("large", c)
        self.everything_refused()
        self.weirs[0].process.popen.send_signal(signal.SIGTERM)
        self.assertTrue(self.weirs[0].wait("/readyz", 503, 1))
        for c in (0, 1):
            self.fetch("large", c)
        self.everything_refused()
        for one in load:
            self.clean_load(one)
        self.assertEqual(self.weirs[0].process.popen.wait(15), 0)
        for c in (0, 1):  # by the other one alone
            self.fetch("large", c)
        self.everything_refused()
        report = self.report()
        self.assertFalse(report["targets"][0]["healthy"])
        self.assertGreater(report["rebalanced"], 10)
        self.assertEqual([l for a in self.access for l in a.read_text().splitlines() if "union" in l or "passwd" in l], [])


class Robust(Behind):
    def unreturned(self):
        time.sleep(1)
        report = self.report()
        return report["sent"] - report["returned"]

    def test_C23_reload_under_load_loses_nothing(self):
        self.begin(workers=2)
        self.clean_load(self.load(3, name="small"))
        # wrk leaves with resets: what its servers still send then belongs to nobody.
        usual = self.unreturned()
        load = self.load(20, name="small")
        for done in range(1, 3):
            self.weirs[0].process.popen.send_signal(signal.SIGHUP)
            end = time.monotonic() + 25
            while self.weirs[0].log.read_text().count("reloaded: ") < done and time.monotonic() < end:
                time.sleep(0.1)
        self.clean_load(load)
        self.assertLessEqual(self.unreturned() - usual, usual + 16)
        log = self.weirs[0].log.read_text()
        self.assertGreaterEqual(log.count("reloaded: "), 1, log)
        self.assertNotIn("not reloaded", log)

    def test_C21_a_stopped_worker_is_stood_in_for_when_failing_open(self):
        self.begin(on_failure="open")
        self.fetch("medium")
        os.kill(self.weirs[0].workers[0], signal.SIGSTOP)
        time.sleep(1)
        self.fetch("medium")
        self.assertEqual(self.weirs[0].get("/readyz"), 200)
        self.assertIn("echoed without inspection", self.weirs[0].log.read_text())
        time.sleep(6)  # the watchdog has replaced it
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "http://10.20.0.2/?id=1%27%20union%20select%20a%20from%20b--")
        self.assertEqual(r.stdout, "403")

    ATTACK = "http://10.20.0.2/small?id=1%27%20union%20select%20a%20from%20b--"

    def status(self):
        return self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", self.ATTACK).stdout

    def test_C21_the_operator_switches_inspection_off_and_on(self):
        """Under load, which does not notice; told by health, records and counters; also while a worker is stuck."""
        self.begin(workers=2)
        weir = self.weirs[0]
        self.assertIn("bypass is off; 0 packets", weir.bypass("show"))
        self.assertEqual(self.status(), "403")
        load = self.load(6, name="small")
        time.sleep(1)
        self.assertIn("bypass is on", weir.bypass("on"))
        time.sleep(0.3)
        self.assertEqual(self.status(), "200")
        health = self.lab.run(self.lab.balancer_ns, "curl", "-s", f"http://{self.lab.appliance()}:{HTTP}/readyz",
                              stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(json.loads(health), {"status": "ok", "bypass": True})
        self.fetch("large")  # more than could be made up for
        c = self.client()
        self.assertEqual(c.get("/large")[0], 200)
        os.kill(weir.workers[0], signal.SIGKILL)  # whoever takes its place heeds it too
        time.sleep(1)
        self.assertEqual(self.status(), "200")
        self.assertGreater(int(weir.bypass("show").split("; ")[1].split()[0]), 500)
        self.assertIn("bypass is off", weir.bypass("off"))
        time.sleep(0.3)
        self.assertEqual(self.status(), "403")
        self.assertEqual(c.get("/medium")[0], 200)  # this connection goes on, and is judged again
        self.assertEqual(c.get("/?id=1%27%20union%20select%20password%20from%20users--")[0], 403)
        out = load.popen.communicate(timeout=60)[0]
        self.assertNotIn("Non-2xx", out)
        self.assertNotIn("Socket errors", out)
        stats = [r["stats"]["bypass"] for r in weir.records("stats", at_least=2)]
        self.assertEqual([(s["on"], s["switched"]) for s in stats[-2:]], [(1, 1), (0, 2)])
        self.assertGreater(stats[-1]["packets"], 500)
        self.assertIn("bypass: nothing is inspected", weir.log.read_text())
        self.report()

    def test_C21_the_bypass_serves_where_a_worker_is_stuck(self):
        self.begin(on_failure="closed")
        weir = self.weirs[0]
        weir.bypass("on")
        os.kill(weir.workers[0], signal.SIGSTOP)
        time.sleep(1)
        self.assertEqual(self.status(), "200")
        weir.bypass("off")
        self.assertEqual(weir.records("stats", at_least=2)[-1]["stats"]["bypass"]["taken_over"], 1)
        self.assertGreater(weir.records("stats")[-1]["stats"]["bypass"]["stood_in"], 5)
        self.assertTrue(weir.wait("/readyz", 200, 10))  # the watchdog has replaced it
        self.assertEqual(self.status(), "403")

    def test_C20_C21_and_unhealthy_when_failing_closed(self):
        self.begin(on_failure="closed")
        os.kill(self.weirs[0].workers[0], signal.SIGSTOP)
        start = time.monotonic()
        self.assertTrue(self.weirs[0].wait("/readyz", 503, 3))
        self.assertLess(time.monotonic() - start, 2)
        self.assertTrue(self.weirs[0].wait("/readyz", 200, 10))  # the watchdog has replaced it

    def rss_of_workers(self):
        return node_test.rss_mib(self.weirs[0].workers)

    # Small tables, and bodies that do not count, so that the ceiling means something.
    @staticmethod
    def small(text):
        text = re.sub(r"bodies:\n(  .*\n)+", "", text).replace("transactions: 256", "transactions: 8")
        return text.replace("timeouts:", "  flows: 4096\n  half_open: 2048\n  buffered: 8MiB\ntimeouts:")

    def flood(self, kind, flags):
        """Strangers' connections, faster than they time out, while a customer's downloads go on."""
        self.begin(change=self.small)
        said = subprocess.run([str(BUILD / "app/weir"), "check", "-c", str(self.weirs[0].config)], stdout=subprocess.PIPE,
                              text=True, check=True).stdout
        line = [l for l in said.splitlines() if "memory ceiling" in l][0]
        ceiling = float(re.search(r"([\d.]+) MiB", line).group(1))
        self.fetch("medium")
        flood = self.lab.start(self.lab.balancer_ns, sys.executable, "-c", node_test.Bounds.FLOOD, self.lab.balancer,
                               self.lab.appliance(), kind, "120000", str(flags))
        during, most = 0, 0
        while flood.popen.poll() is None:
            self.fetch("medium")
            during += 1
            most = max(most, self.rss_of_workers())
        self.assertGreater(during, 2)
        print(f"\n  resident {most:.0f} MiB, ceiling {ceiling:.0f} MiB, {during} downloads meanwhile")
        self.assertLess(most, ceiling)
        self.fetch("large")
        self.assertEqual(self.status(), "403")
        time.sleep(1.2)
        self.weirs[0].bypass("on")  # writes a stats record
        stats = self.weirs[0].records("stats", at_least=1)[-1]["stats"]
        self.assertGreater(stats["port"]["packets"], 60_000)
        return stats, most, ceiling

    def test_C28_ten_thousand_endpoints_stay_within_the_ceiling(self):
        stats, most, ceiling = self.flood("endpoints", 0x10)  # data without a SYN: taken up midstream
        self.assertGreater(stats["flow"]["midstream"], 10_000)
        self.assertGreater(stats["tcp"]["flows_evicted"], 1_000)
        self.assertLessEqual(stats["tcp"]["flows"], 4096)

    def test_C29_a_flood_of_handshakes_stays_within_the_ceiling(self):
        stats, most, ceiling = self.flood("flows", 0x02)
        self.assertGreater(stats["tcp"]["half_open_evicted"], 10_000, stats)
        self.assertLessEqual(stats["tcp"]["half_open"], 2048)

    def test_the_ports_are_free_for_the_next_as_soon_as_it_is_gone(self):
        self.begin()
        for _ in range(3):
            weir = self.weirs[0]
            weir.process.popen.send_signal(signal.SIGTERM)
            self.assertEqual(weir.process.popen.wait(15), 0)
            again = self.lab.start(self.lab.appliance_ns(0), str(BUILD / "app/weir"), "run", "-c", str(weir.config),
                                   stderr=open(weir.log, "a"))
            weir.process = again
            self.assertTrue(weir.wait("/readyz", 200, 60), weir.log.read_text())
            self.assertIsNone(again.popen.poll(), weir.log.read_text())
        self.fetch("medium")

    def test_killed_worker_and_killed_helper_come_back(self):
        self.begin()
        os.kill(self.weirs[0].workers[0], signal.SIGKILL)
        os.kill(self.weirs[0].named("weir-helper")[0], signal.SIGKILL)
        self.fetch("medium")
        self.assertTrue(self.weirs[0].wait("/readyz", 200, 10))
        self.report()


def checksum(data):
    total = sum(int.from_bytes(data[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff ^ total


def ipv4(source, destination, protocol, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(source, destination, sport, dport, seq, ack, flags, data=b""):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 65000, 0, 0) + data
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, 6, len(head))
    return ipv4(source, destination, 6, head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:])


class Mirror(Behind):
    """C30: VPC traffic mirroring through an endpoint, VXLAN in GENEVE. Detection only."""

    def test_C30_nested_mirror_is_judged_and_never_answered(self):
        weir = Weir(self.lab, 0, self.work, self.cache, change=lambda text: text.replace(
            "mode: block", "mode: detect").replace("  geneve:\n", "  geneve:\n    profile: mirror\n"))
        client, server = "10.1.0.2", "10.2.0.2"
        request = b"GET /?id=1%27%20union%20select%20password%20from%20users-- HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        there = lambda *a: tcp(client, server, 40000, 80, *a)
        back = lambda *a: tcp(server, client, 80, 40000, *a)
        packets = [there(100, 0, 2), back(900, 101, 0x12), there(101, 901, 0x10), there(101, 901, 0x18, request),
                   back(901, 101 + len(request), 0x18, answer), there(101 + len(request), 901 + len(answer), 0x11),
                   back(901 + len(answer), 102 + len(request), 0x11), there(102 + len(request), 902 + len(answer), 0x10)]
        here = in_namespace(self.lab.balancer_ns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        here.bind((self.lab.balancer, 6081))
        here.settimeout(1)
        for packet in packets:
            ethernet = bytes(12) + b"\x08\x00" + packet
            udp = struct.pack("!HHHH", 50000, 4789, 16 + len(ethernet), 0) + b"\x08\0\0\0\0\0\x07\0" + ethernet
            geneve = bytes.fromhex("0800080000000000010801020000000000001111010802020000000000000000010803010000abcd")
            here.sendto(geneve + ipv4("10.5.0.1", "10.6.0.1", 17, udp), (self.lab.appliance(), 6081))
        with self.assertRaises(TimeoutError):
            here.recv(2048)
        records = weir.records(at_least=1)
        self.assertEqual(len(records), 1)
        self.assertEqual((records[0]["src_ip"], records[0]["dest_ip"]), (client, server))
        self.assertIn("942", json.dumps(records[0]["waf"]["rules"]))


class Azure(Behind):
    """C30: the pair of VXLAN tunnels, with the kernel's own VXLAN devices in the load balancer's place."""

    def test_C30_external_to_internal_and_back(self):
        lab = self.lab
        weir = Weir(lab, 0, self.work, self.cache,
                    change=lambda text: text.replace("  geneve:\n", "  geneve:\n    profile: azure\n"))
        b = lab.balancer_ns
        for vni, port, ns, address in ((901, 10801, lab.client_ns(), "10.30.0.2"), (900, 10800, lab.server_ns(), "10.30.0.1")):
            gateway.sh("ip", "-n", b, "link", "add", f"vx{vni}", "type", "vxlan", "id", str(vni), "dstport", str(port),
                       "local", lab.balancer, "remote", lab.appliance(), "nolearning")
            gateway.sh("ip", "-n", b, "link", "add", f"br{vni}", "type", "bridge")
            gateway.sh("ip", "link", "add", "eth0", "netns", ns, "mtu", "1450", "type", "veth", "peer", "name", f"v{vni}", "netns", b)
            for device in (f"vx{vni}", f"v{vni}"):
                gateway.sh("ip", "-n", b, "link", "set", device, "master", f"br{vni}", "up")
            gateway.sh("ip", "-n", b, "link", "set", f"br{vni}", "up")
            in_namespace(ns, lambda: without_offload("eth0"))
            gateway.sh("ip", "-n", ns, "link", "set", "eth0", "up")
            gateway.sh("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", "eth0")
        access = servers.start_nginx(lab, lab.server_ns(), self.work, self.site)[1]
        self.fetch("small", address="10.30.0.1")
        self.fetch("large", address="10.30.0.1")
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "http://10.30.0.1/?id=1%27%20union%20select%20a%20from%20b--")
        self.assertEqual(r.stdout, "403", r.stderr)
        self.assertEqual([l for l in access.read_text().splitlines() if "union" in l], [])
        self.assertGreater(len(weir.records(at_least=3)), 2)


def without_offload(device):
    """Checksums are filled in at once: what is inside a tunnel must be whole."""
    import ctypes
    import fcntl
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for command in (0x17, 0x1f, 0x24):  # ETHTOOL_STXCSUM, STSO, SGSO
        value = ctypes.create_string_buffer(struct.pack("II", command, 0))
        fcntl.ioctl(s, 0x8946, struct.pack("16sQ", device.encode(), ctypes.addressof(value)) + bytes(16))
    s.close()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
