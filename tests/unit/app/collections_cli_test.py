#!/usr/bin/env python3
"""Persistent collections of weir inspect over runs: kept, expired, bounded by locks, and safe against kill -9.

  collections_cli_test.py WEIR SOURCE_DIR
"""
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time
import unittest

WEIR, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests/support"))
from traffic import Capture, request, response  # noqa: E402
from workplace import Workplace  # noqa: E402

START = 1_800_000_000.0
RULES = """\
SecRuleEngine DetectionOnly
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},initcol:global=all"
SecAction "id:2,phase:1,pass,nolog,setvar:ip.hits=+1,setvar:global.hits=+1"
SecAction "id:3,phase:5,pass,log,msg:'%{ip.hits} %{global.hits}'"
"""


def setUpModule():
    global work
    work = Workplace("collections")


def tearDownModule():
    work.remove()


def arguments(*more, program=WEIR):
    return [str(program), "inspect", "--no-cache", "--no-progress", "--format", "jsonl", *map(str, more)]


def run(*more, **popen):
    program = work.program_for(popen.get("user"), WEIR)
    done = subprocess.run(arguments(*more, program=program), capture_output=True, timeout=120, **popen)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def messages(text):
    """The msg of rule 3 in each record."""
    return [rule["msg"] for line in text.splitlines() for rule in json.loads(line)["waf"]["rules"] if rule["id"] == 3]


class Case(unittest.TestCase):
    def setUp(self):
        self.place = work.directory()
        self.store = self.place / "store"

    def rules(self, text=RULES):
        path = self.place / "rules.conf"
        path.write_text(text)
        return path

    def capture(self, clients=("192.0.2.1",), start=START, target="/"):
        capture = Capture(start)
        for client in clients:
            capture.connection(client, [(request(target), response())])
        path = self.place / "traffic.pcap"
        path.write_bytes(capture.bytes())
        return path

    def expect(self, result, code, *words):
        got, out, err = result
        self.assertEqual(got, code, f"stdout: {out[-500:]} stderr: {err[-2000:]}")
        for word in words:
            self.assertIn(word, err)
        if not words:
            self.assertEqual(err, "")
        return out


class Kept(Case):
    def test_over_runs(self):
        rules = self.rules()
        capture = self.capture(["192.0.2.1", "192.0.2.2", "192.0.2.1"])
        for _ in range(2):  # nothing is kept unless asked for
            self.assertEqual(messages(self.expect(run("--rules", rules, capture), 0)), ["1 1", "1 2", "2 3"])
        for first in (0, 3, 6):
            got = messages(self.expect(run("--rules", rules, "--collections", self.store, capture), 0))
            hits = 2 * first // 3
            self.assertEqual(got, [f"{hits + 1} {first + 1}", f"{first // 3 + 1} {first + 2}", f"{hits + 2} {first + 3}"])
        self.assertEqual({p.name for p in self.place.glob("store*")}, {"store", "store.journal", "store.lock"})
        for path in self.place.glob("store*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0)

    def test_in_a_directory(self):
        self.store.mkdir()
        for hits in (1, 2):
            got = messages(self.expect(run("--rules", self.rules(), "--collections", self.store, self.capture()), 0))
            self.assertEqual(got, [f"{hits} {hits}"])
        self.assertTrue((self.store / "collections").exists())

    def test_inline_and_several_workers(self):
        rules, clients = self.rules(), [f"192.0.2.{i % 50 + 1}" for i in range(1000)]
        capture = self.capture(clients)
        self.expect(run("--rules", rules, "--collections", self.store, "--inline", "--mode", "detect", capture), 0)
        self.expect(run("--rules", rules, "--collections", self.store, "--workers", 4, capture), 0)
        got = messages(self.expect(run("--rules", rules, "--collections", self.store, self.capture(["192.0.2.7"])), 0))
        self.assertEqual(got, ["41 2001"])  # no increment is lost

    def test_all_collections(self):
        names = {"session": "setsid:s-%{ARGS.k}", "user": "setuid:u-%{ARGS.k}", "resource": "setrsc:r-%{ARGS.k}",
                 "global": "initcol:global=g", "ip": "initcol:ip=%{REMOTE_ADDR}"}
        text = "SecRuleEngine DetectionOnly\n"
        for i, (name, action) in enumerate(names.items()):
            text += f"SecAction \"id:{10 + i},phase:1,pass,nolog,{action}\"\n"
            text += f"SecAction \"id:{20 + i},phase:1,pass,nolog,setvar:{name}.n=+{i + 1}\"\n"
        text += "SecAction \"id:3,phase:5,pass,log,msg:'" + " ".join(f"%{{{n}.n}}" for n in names) + "'\"\n"
        rules = self.rules(text)
        for times in (1, 2):
            got = messages(self.expect(run("--rules", rules, "--collections", self.store, self.capture(target="/?k=x")), 0))
            self.assertEqual(got, [" ".join(str(times * (i + 1)) for i in range(5))])
        got = messages(self.expect(run("--rules", rules, "--collections", self.store, self.capture(target="/?k=y")), 0))
        self.assertEqual(got, ["1 2 3 12 15"])

    def test_expiry_is_by_the_time_of_packets(self):
        rules = self.rules("""\
SecRuleEngine DetectionOnly
SecCollectionTimeout 600
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"
SecRule ARGS:set "@eq 1" "id:2,phase:1,pass,nolog,setvar:ip.short=1,setvar:ip.long=1,expirevar:ip.short=60"
SecAction "id:3,phase:5,pass,log,msg:'%{ip.short} %{ip.long}'"
""")
        def at(seconds, target="/"):
            out = run("--rules", rules, "--collections", self.store, self.capture(start=START + seconds, target=target))
            return messages(self.expect(out, 0))[0].split()
        self.assertEqual(at(0, "/?set=1"), ["1", "1"])
        self.assertEqual(at(59), ["1", "1"])
        self.assertEqual(len(at(61)), 1)
        self.assertEqual(at(599), ["1"])
        self.assertEqual(at(1201), [])  # nothing has changed since 0
        self.assertEqual(at(30, "/?set=1"), ["1", "1"])


class Damaged(Case):
    def test_what_is_whole_is_read(self):
        rules, capture = self.rules(), self.capture([f"192.0.2.{i}" for i in range(1, 100)])
        self.expect(run("--rules", rules, "--collections", self.store, capture), 0)
        whole = {p.name: p.read_bytes() for p in self.place.glob("store*")}
        journal = self.place / "store.journal"
        for name, change in (("store.journal", lambda b: b[:-7]), ("store.journal", lambda b: b[:len(b) // 2] + b"x" * 9),
                             ("store", lambda b: b"not a store"), ("store", lambda b: b[:5])):
            for file, content in whole.items():
                (self.place / file).write_bytes(content)
            (self.place / name).write_bytes(change(whole[name]))
            got = messages(self.expect(run("--rules", rules, "--collections", self.store, self.capture()), 0, "damaged"))
            self.assertEqual(len(got), 1)
            again = messages(self.expect(run("--rules", rules, "--collections", self.store, self.capture()), 0))
            self.assertEqual(int(again[0].split()[0]), int(got[0].split()[0]) + 1)  # whole again
        self.assertTrue(journal.exists())

    def test_in_use(self):
        rules = self.rules()
        reader, writer = os.pipe()
        first = subprocess.Popen(arguments("--rules", rules, "--collections", self.store, "-"), stdin=reader,
                                 stdout=subprocess.DEVNULL)
        os.close(reader)
        try:
            deadline = time.monotonic() + 60
            while not (self.place / "store.journal").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            self.expect(run("--rules", rules, "--collections", self.store, self.capture()), 3, "another process uses")
        finally:
            os.write(writer, self.capture().read_bytes())
            os.close(writer)
        self.assertEqual(first.wait(60), 0)
        self.assertEqual(messages(self.expect(run("--rules", rules, "--collections", self.store, self.capture()), 0)), ["2 2"])

    def test_places_that_cannot_be_written(self):
        rules, capture = self.rules(), self.capture()
        self.expect(run("--rules", rules, "--collections", "/nowhere/store", capture), 3, "/nowhere/store")
        self.expect(run("--rules", rules, "--collections", capture, capture), 2, "overwritten")
        if os.geteuid() == 0:
            work.path.chmod(0o755)
            self.place.chmod(0o555)
            self.expect(run("--rules", rules, "--collections", self.store, capture, user="nobody"), 3, str(self.store))

    def test_full_disk(self):
        rules = self.rules()
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write() fails instead
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        out = self.expect(run("--rules", rules, "--collections", self.store, self.capture([f"192.0.2.{i}" for i in range(1, 201)]),
                              preexec_fn=small_files), 3, "the collections are not saved", "File too large")
        self.assertEqual(len(messages(out)), 200)


class Killed(Case):
    def test_what_was_told_is_kept(self):
        """Killed in the middle, again and again: no change that a written record tells of is lost."""
        rules = self.rules()
        capture = Capture(START)
        for i in range(4000):
            capture.connection(f"192.0.2.{i % 3 + 1}", [(request(), response())])
        traffic = self.place / "traffic.pcap"
        traffic.write_bytes(capture.bytes())
        told, killed = 0, 0
        for round_ in range(8):
            output = self.place / f"out-{round_}"
            with traffic.open("rb") as data, output.open("wb") as out:
                process = subprocess.Popen(arguments("--rules", rules, "--collections", self.store, "-"), stdin=data, stdout=out)
                deadline = time.monotonic() + 60
                # Sooner or later, so that it dies in every stage.
                while output.stat().st_size < round_ * 120_000 + 1 and process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.0005)
                process.send_signal(signal.SIGKILL)
                killed += process.wait(60) == -signal.SIGKILL
            whole = output.read_text(errors="replace").rpartition("\n")[0]
            counts = [int(message.split()[1]) for message in messages(whole)]
            self.assertTrue(counts)
            self.assertGreater(counts[0], told)  # begins behind all that was told before
            self.assertEqual(counts, list(range(counts[0], counts[0] + len(counts))))
            told = counts[-1]
        self.assertGreater(killed, 3)
        last = self.capture()
        got = messages(self.expect(run("--rules", rules, "--collections", self.store, last), 0))
        self.assertGreater(int(got[0].split()[1]), told)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
