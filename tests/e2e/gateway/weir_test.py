#!/usr/bin/env python3
"""`weir run` behind weir-gwlbsim: verdicts through the tunnel, clean traffic, failover, release, a small fleet.

    weir_test.py BUILD_DIRECTORY [TEST…]

Tests are named by the numbers of the conformance list in docs/GATEWAY.md. Needs root; everything happens in
network namespaces that the test makes and removes.
"""
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab as gateway  # noqa: E402
from behind import ATTACKS, HTTP, HTTPS, TCP, Behind, Weir, in_namespace  # noqa: E402
import node_test  # noqa: E402
import servers  # noqa: E402


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

if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
