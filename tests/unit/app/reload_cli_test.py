#!/usr/bin/env python3
"""SIGHUP while an earlier one is being followed: what was changed between the two is read all the same.

  reload_cli_test.py WEIR
"""
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

WEIR = pathlib.Path(sys.argv[1]).resolve()
MANY = 12000  # rules that take a while to load


def rules(count, first=1):
    return "SecRuleEngine On\n" + "".join(f'SecRule ARGS "@rx (?:attack|evil){i}[a-z]+\\d" "id:{first + i},phase:2,pass,log"\n' for i in range(count))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Reload(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="weir-reload-test-"))
        self.addCleanup(shutil.rmtree, self.place)
        self.rules, self.config, self.log = (self.place / name for name in ("rules.conf", "weir.yaml", "log"))
        self.rules.write_text(rules(3))
        self.config.write_text(f"mode: detect\nrules: [{self.rules}]\nevents: {{file: {self.place}/events.jsonl}}\n"
                               f"inputs: {{geneve: {{sources: [127.0.0.1], address: 127.0.0.1, port: {free_port()}}}}}\n")
        with self.log.open("w") as log:
            self.weir = subprocess.Popen([WEIR, "run", "-c", self.config], stderr=log)
        self.addCleanup(self.end)
        self.wait_for("running:")

    def end(self):
        self.weir.terminate()
        self.assertEqual(self.weir.wait(60), 0, self.log.read_text())

    def wait_for(self, words, times=1):
        end = time.monotonic() + 120
        while self.log.read_text().count(words) < times:
            self.assertIsNone(self.weir.poll(), self.log.read_text())
            self.assertLess(time.monotonic(), end, f"no '{words}': {self.log.read_text()}")
            time.sleep(0.01)

    def reloads(self):
        """Of how many rules, CRS' set-up not counted, each one was."""
        found = [line.split("reloaded: ")[1] for line in self.log.read_text().splitlines() if " reloaded: " in line]
        return [int(words.split()[0]) - self.besides for words in found]

    def ask_twice(self, first=lambda text: text):
        """Asks for very many rules (and `first`, of weir.yaml); while they are loaded, puts five in their place and asks
        again. What was reloaded then."""
        text = self.config.read_text()
        self.weir.send_signal(signal.SIGHUP)
        self.wait_for("reloaded:")
        self.besides = 0
        self.besides = self.reloads()[0] - 3
        self.rules.write_text(rules(MANY))
        self.config.write_text(first(text))
        self.weir.send_signal(signal.SIGHUP)
        time.sleep(0.05)  # it is being read
        (self.place / "other.conf").write_text(rules(5))
        aside = self.place / "aside"
        aside.write_text(text.replace("rules.conf", "other.conf"))
        aside.rename(self.config)
        self.weir.send_signal(signal.SIGHUP)
        self.wait_for("a reload is under way already, another will follow")
        end = time.monotonic() + 120
        while self.reloads()[-1] != 5 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)  # nothing follows that
        return self.reloads()[1:]

    def test_it_follows(self):
        self.assertEqual(self.ask_twice(), [MANY, 5], self.log.read_text())
        self.assertNotIn("not reloaded", self.log.read_text())

    def test_it_follows_one_that_fails(self):
        self.assertEqual(self.ask_twice(lambda text: text.replace("127.0.0.1, port", "127.0.0.2, port")), [5], self.log.read_text())
        self.assertIn("inputs can only be changed by a restart", self.log.read_text())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
