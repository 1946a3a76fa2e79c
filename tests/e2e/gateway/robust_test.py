#!/usr/bin/env python3
"""`weir run` behind weir-gwlbsim where something is wrong or otherwise than most: reload, stuck and killed workers, the bypass,
floods, mirrored traffic, Azure's tunnels.

    robust_test.py BUILD_DIRECTORY [TEST…]

Tests are named by the numbers of the conformance list in docs/GATEWAY.md. Needs root; everything happens in
network namespaces that the test makes and removes.
"""
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lab as gateway  # noqa: E402
from behind import BUILD, HTTP, Behind, Weir, in_namespace  # noqa: E402
import node_test  # noqa: E402
import servers  # noqa: E402


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
