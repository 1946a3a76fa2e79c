#!/usr/bin/env python3
"""The appliance without an engine behind weir-gwlbsim: tunnel, health, stand-in, drain, bounds.

    node_test.py BUILD_DIRECTORY [TEST…]

Tests are named by the numbers of the conformance list in docs/GATEWAY.md. Needs root; everything happens in
network namespaces that the test makes and removes.
"""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab as gateway  # noqa: E402
import servers  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
SIM = BUILD / "tests/support/gwlbsim/weir-gwlbsim" if BUILD else None
NODE = BUILD / "tests/support/gateway_node" if BUILD else None
HTTP, HTTPS, TCP = "9080", "9443", "9081"


class Node:
    def __init__(self, lab, i, *options):
        self.lab, self.i = lab, i
        self.process = lab.start(lab.appliance_ns(i), str(NODE), lab.appliance(i), "10.99.0.0/24", "--http", HTTP,
                                 "--https", HTTPS, "--tcp", TCP, *options, stdout=subprocess.PIPE, text=True)
        self.workers = json.loads(self.process.popen.stdout.readline())["workers"]

    def get(self, path, port=HTTP, scheme="http", *options):
        r = self.lab.run(self.lab.balancer_ns, "curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-m", "3",
                         *options, f"{scheme}://{self.lab.appliance(self.i)}:{port}{path}", stdout=subprocess.PIPE,
                         text=True)
        return int(r.stdout or 0)

    def wait(self, path, status, seconds=5):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.get(path) == status:
                return True
            time.sleep(0.05)
        return False

    def rss_mib(self):
        return rss_mib(self.workers)

    def finish(self):
        self.process.stop()
        return [json.loads(line) for line in self.process.popen.stdout]


def rss_mib(processes):
    total = 0
    for pid in processes:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
    return total / 1024


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Gateway(unittest.TestCase):
    appliances, customers, sim_options, node_options = 1, (0x0a1b2c3d4e5f6071,), (), ()

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="weir-gateway-")
        self.work = pathlib.Path(self.temporary.name)
        self.work.chmod(0o755)
        self.site = self.work / "site"
        gateway.make_files(self.site)
        self.lab = gateway.GatewayLab(str(SIM), self.appliances, self.customers)
        self.lab.__enter__()

    def tearDown(self):
        self.lab.__exit__(None, None, None)
        self.temporary.cleanup()

    def begin(self, *sim_options, node=()):
        self.nodes = [Node(self.lab, i, *node) for i in range(self.appliances)]
        for n in self.nodes:
            self.assertTrue(n.wait("/readyz", 200), "not ready")
        self.lab.start_sim(*sim_options)
        for c in range(len(self.customers)):
            servers.start_nginx(self.lab, self.lab.server_ns(c), self.work, self.site)

    def curl(self, customer, *options, seconds=30):
        return self.lab.run(self.lab.client_ns(customer), "curl", "-sS", "-m", str(seconds), *options,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self, name, customer=0, address=gateway.SERVER4):
        out = self.work / f"out-{customer}"
        r = self.curl(customer, "-o", str(out), f"http://{address}/{name}")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(digest(out), digest(self.site / name))

    def assert_clean(self, invented=0):
        report = self.lab.report()
        self.assertEqual(gateway.faults(report), {})
        self.assertEqual(report["invented"], invented)
        return report


class Tunnel(Gateway):
    """Clean traffic comes through whatever the header holds, and the simulator finds every byte in its place."""

    def clean(self, *sim_options, node=()):
        self.begin(*sim_options, node=node)
        for address in (gateway.SERVER4, f"[{gateway.SERVER6}]"):
            self.fetch("small", address=address)
            self.fetch("large", address=address)
        upload = self.work / "upload"
        upload.write_bytes(os.urandom(3_000_000))
        r = self.curl(0, "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{upload}",
                      f"http://{gateway.SERVER4}/upload")
        self.assertEqual(r.stdout, "200", r.stderr)
        report = self.assert_clean()
        self.assertGreater(report["returned"], 3000)

    def test_C01_C02_every_byte_comes_back(self):
        self.clean()

    def test_C03_unknown_options(self):
        self.clean("--options", "extra")

    def test_C03_long_headers(self):
        self.clean("--options", "long")

    def test_C04_options_in_another_order(self):
        self.clean("--options", "reordered")

    def test_C05_without_the_options_of_aws(self):
        self.clean("--options", "bare")

    def test_C19_other_ports_and_cookies_each_way_and_two_workers_that_inspect(self):
        self.clean("--ports", "different", "--cookies", "different", node=("--workers", "2", "--inspect", "80"))

    def test_C27_zero_checksums(self):
        self.clean("--checksums", "zero")


class TwoCustomers(Gateway):
    appliances, customers = 2, (0x1111, 0x2222)

    def test_C13_equal_addresses(self):
        self.begin("--ports", "different", node=("--workers", "2", "--inspect", "80"))
        names = {0: "small", 1: "medium"}
        for c, name in names.items():
            self.fetch(name, c)
        # The same connection of both, at the same time.
        both = [threading.Thread(target=self.fetch, args=("large", c)) for c in names]
        for t in both:
            t.start()
        for t in both:
            t.join()
        self.assert_clean()

    def test_C26_rebalance_under_load(self):
        self.begin(node=("--inspect", "80"))
        load = self.lab.start(self.lab.client_ns(), "wrk", "-t1", "-c20", "-d6s", f"http://{gateway.SERVER4}/medium",
                              stdout=subprocess.PIPE, text=True)
        for _ in range(5):
            time.sleep(0.8)
            self.lab.command("rebalance")
            self.lab.command("recookie")
        out = load.popen.communicate(timeout=30)[0]
        self.assertNotIn("Socket errors", out)
        self.assertGreater(int(out.split("requests in")[0].split()[-1]), 100)
        report = self.lab.report()
        self.assertGreater(report["rebalanced"], 5)
        # Packets that were under way when the cookie changed twice are the simulator's to forget.
        self.assertEqual(gateway.faults(report), {})

    def test_C22_drain_under_load_resets_nobody(self):
        self.begin("--health", "http", "--health-port", HTTP, "--health-path", "/readyz", "--interval", "200",
                   node=("--drain", "4"))
        load = self.lab.start(self.lab.client_ns(), "wrk", "-t1", "-c20", "-d8s", f"http://{gateway.SERVER4}/medium",
                              stdout=subprocess.PIPE, text=True)
        time.sleep(1.5)
        self.nodes[0].process.popen.send_signal(signal.SIGTERM)
        self.assertTrue(self.nodes[0].wait("/readyz", 503, 1))
        self.assertEqual(self.nodes[0].get("/livez"), 200)  # it still echoes
        out = load.popen.communicate(timeout=30)[0]
        self.assertNotIn("Socket errors", out)
        report = self.lab.report()
        self.assertFalse(report["targets"][0]["healthy"])
        self.assertTrue(report["targets"][1]["healthy"])
        self.assertGreater(report["rebalanced"], 0)
        self.assertEqual(gateway.faults(report), {})


class Health(Gateway):
    def test_C20_every_kind_of_probe(self):
        self.begin()
        n = self.nodes[0]
        for version in ("1.2", "1.3"):
            self.assertEqual(n.get("/readyz", HTTPS, "https", f"--tlsv{version}", "--tls-max", version), 200)
        self.assertEqual(n.get("/readyz", HTTPS, "https", "--tls-max", "1.1"), 0)
        codes = []
        probes = [threading.Thread(target=lambda i=i: codes.append(
            n.get("/readyz", *((HTTP, "http") if i % 2 else (HTTPS, "https"))))) for i in range(20)]
        for p in probes:
            p.start()
        for p in probes:
            p.join()
        self.assertEqual(codes, [200] * 20)
        self.lab.wait_tcp(self.lab.balancer_ns, self.lab.appliance(), int(TCP), 2)
        # Only this machine may drain.
        self.assertEqual(n.get("/drain", HTTP, "http", "-X", "POST"), 403)
        self.assertEqual(n.get("/readyz"), 200)

    def test_C20_the_simulator_checks_over_https(self):
        self.begin("--health", "https", "--health-port", HTTPS, "--health-path", "/readyz", "--interval", "100")
        time.sleep(1)
        target = self.lab.report()["targets"][0]
        self.assertTrue(target["healthy"])
        self.assertGreater(target["checks"], 3)

    def test_C20_C21_a_stopped_worker_is_unhealthy_within_two_seconds(self):
        self.begin(node=("--workers", "2"))
        n = self.nodes[0]
        os.kill(n.workers[1], signal.SIGSTOP)
        start = time.monotonic()
        self.assertTrue(n.wait("/livez", 503, 3))
        self.assertLess(time.monotonic() - start, 2)
        self.assertEqual(n.get("/readyz"), 503)
        os.kill(n.workers[1], signal.SIGCONT)
        self.assertTrue(n.wait("/readyz", 200))

    def test_C21_with_bypass_a_stopped_worker_is_stood_in_for(self):
        self.begin(node=("--on-stuck", "open", "--inspect", "80"))
        n = self.nodes[0]
        self.fetch("medium")
        os.kill(n.workers[0], signal.SIGSTOP)
        time.sleep(1)
        self.fetch("large")
        self.assertEqual(n.get("/readyz"), 200)
        time.sleep(2)
        self.assertEqual(n.get("/livez"), 200)
        os.kill(n.workers[0], signal.SIGCONT)
        self.fetch("medium")
        self.assert_clean()


class Bounds(Gateway):
    """Nothing grows with what strangers send; echoing goes on."""

    # Packets of ever new connections, whole in every respect, whose TCP flags the caller chooses.
    FLOOD = r"""
import random, socket, struct, sys, time
here, there, kind, count, flags = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return 0xffff ^ ((total & 0xffff) + (total >> 16))

data = b"" if flags == 2 else b"abcd"
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
r = random.Random(1)
for i in range(count):
    endpoint = i % 10000 if kind == "endpoints" else 5
    both = struct.pack("!I", 0x0a000000 + r.randrange(1 << 24)) + bytes([10, 20, 0, 2])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(data), i & 65535, 0, 64, 6, 0) + both
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    tcp = struct.pack("!HHIIBBHHH", r.randrange(1024, 65536), 80, i, 0 if flags == 2 else 1, 0x50, flags, 1000, 0, 0) + data
    inner = head + tcp[:16] + struct.pack("!H", checksum(both + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    g = bytes.fromhex("0800080000000000") + bytes.fromhex("01080102") + struct.pack("!Q", endpoint)
    g += bytes.fromhex("010802020000000000000000") + bytes.fromhex("01080301") + struct.pack("!I", i)
    udp = struct.pack("!HHHH", 20000 + i % 30000, 6081, 8 + len(g) + len(inner), 0)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(g) + len(inner), 0, 0x4000, 64, 17, 0)
    ip += socket.inet_aton(here) + socket.inet_aton(there)
    raw.sendto(ip + udp + g + inner, (there, 0))
    if i % 200 == 0: time.sleep(0.002)
"""

    def flood(self, kind, count):
        self.begin(node=("--inspect", "80"))
        n = self.nodes[0]
        self.fetch("medium")
        before = n.rss_mib()
        flood = self.lab.start(self.lab.balancer_ns, sys.executable, "-c", self.FLOOD, self.lab.balancer,
                               self.lab.appliance(), kind, str(count), "2")
        during = 0
        while flood.popen.poll() is None:
            self.fetch("medium")
            during += 1
        self.assertGreater(during, 0)
        after = n.rss_mib()
        self.fetch("large")
        # The table of connections fills up once (65,536 of about 0.4 KiB) and stays.
        self.assertLess(after - before, 40, f"{before} -> {after} MiB")
        counters = n.finish()[0]
        self.assertGreater(counters["delivered"], count * 0.5)
        report = self.lab.report()
        # What the flood got back is no flow of the simulator's.
        self.assertGreater(report["unknown_cookie"], 0)
        return before, after

    def test_C28_ten_thousand_endpoints(self):
        self.flood("endpoints", 100_000)

    def test_C29_flood_of_unknown_flows(self):
        self.flood("flows", 150_000)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[2:], verbosity=2, warnings="ignore")
