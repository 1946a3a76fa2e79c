#!/usr/bin/env python3
"""`weir run` behind a gateway load balancer at 50,000 packets a second, open loop: what Weir does not read in time is lost.

    full_rate.py BUILD_DIRECTORY [TEST…]

For an optimised build with benchmarks (WEIR_BENCH=ON) and a machine that has two processors to spare; a step of
tests/slow.sh. Needs root; a veth pair in namespaces.
"""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "bench/geneve"))
from run import Veth  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
RATE = 50_000
CONFIG = """
mode: block
ports: "80"
cpus: none
control: {work}/control
inputs:
  geneve:
    sources: [10.88.0.0/24]
    address: 10.88.0.1
health:
  http_port: 9080
stats_interval: 1s
events:
  file: {work}/events.jsonl
  http: none
"""


class FullRate(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="weir-rate-")
        self.work = pathlib.Path(self.temporary.name)
        self.lab = Veth()
        self.lab.__enter__()
        self.addCleanup(self.temporary.cleanup)
        self.addCleanup(self.lab.__exit__)
        (self.work / "weir.yaml").write_text(CONFIG.format(work=self.work))
        self.log = self.work / "log"
        self.weir = subprocess.Popen(["ip", "netns", "exec", self.lab.b, BUILD / "app/weir", "run", "-c", self.work / "weir.yaml"],
                                     stderr=open(self.log, "w"))
        self.addCleanup(self.end)
        for _ in range(600):
            r = subprocess.run(["ip", "netns", "exec", self.lab.b, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                "http://127.0.0.1:9080/readyz"], stdout=subprocess.PIPE, text=True)
            if r.stdout == "200":
                return
            time.sleep(0.1)
        self.fail("not ready: " + self.log.read_text())

    def end(self):
        self.weir.terminate()
        self.weir.wait(20)

    def transfer(self, seconds):
        return subprocess.Popen(["ip", "netns", "exec", self.lab.a, BUILD / "tests/bench/geneve/geneve_transfer", "10.88.0.2",
                                 "10.88.0.1", "--rate", str(RATE * 1.02), "--seconds", str(seconds)],
                                stdout=subprocess.PIPE, text=True)

    def nothing_lost(self, transfer):
        out = json.loads(transfer.communicate(timeout=120)[0])
        stats = [json.loads(l)["stats"] for l in (self.work / "events.jsonl").read_text().splitlines() if '"stats"' in l]
        print(f"\n  {out['sent'] / out['sending']:,.0f} packets a second, {out['sent'] - out['back']} of {out['sent']:,} lost; "
              f"the port's drops {stats[-1]['port']['lost']}")
        self.assertEqual(out["back"], out["sent"])
        self.assertGreater(out["sent"] / out["sending"], RATE)

    def test_C23_reload_of_CRS(self):
        transfer = self.transfer(45)
        time.sleep(2)
        for done in range(1, 4):
            self.weir.send_signal(signal.SIGHUP)
            end = time.monotonic() + 30
            while self.log.read_text().count("reloaded: ") < done and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(1)
        still = transfer.poll() is None
        self.nothing_lost(transfer)
        self.assertEqual(self.log.read_text().count("reloaded: "), 3)
        self.assertTrue(still, "the reloads were not over before the packets were")

    def test_C21_bypass_on_and_off(self):
        transfer = self.transfer(8)
        for word in ("on", "off") * 3:
            time.sleep(1)
            subprocess.run([BUILD / "app/weir", "bypass", word, "-c", self.work / "weir.yaml"], check=True,
                           stdout=subprocess.DEVNULL)
        self.nothing_lost(transfer)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, warnings="ignore")
