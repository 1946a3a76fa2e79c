#!/usr/bin/env python3
"""The program as its users meet it: exit codes, sentences, records, for good input and bad.

  cli_test.py WEIR SOURCE_DIR
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

import jsonschema

WEIR, SOURCE = None, None
RULES = """\
SecRuleEngine On
SecRequestBodyAccess On
SecAction "id:1,phase:1,pass,nolog,setvar:tx.anomaly_score=0"
SecRule ARGS|REQUEST_URI "@rx (?i)union.+select|\\.\\./|<script" \\
    "id:10,phase:2,deny,status:403,log,msg:'attack',severity:CRITICAL,tag:'t',setvar:tx.anomaly_score=+5"
SecRule REQUEST_HEADERS:User-Agent "@rx ." "id:11,phase:1,pass,log,msg:'agent'"
"""
HTTP_ORDER = ["timestamp", "flow_id", "event_type", "tx_id", "pcap_filename", "pcap_cnt", "src_ip", "src_port",
              "dest_ip", "dest_port", "proto", "app_proto", "http", "waf"]


def setUpModule():
    global work, demo, rules
    work = pathlib.Path(tempfile.mkdtemp(prefix="weir-cli-test-"))
    demo = SOURCE / "tests/pcap/demo.pcap"
    rules = work / "rules.conf"
    rules.write_text(RULES)


def tearDownModule():
    shutil.rmtree(work)


def run(*arguments, stdin=b"", env=None, timeout=120):
    environment = dict(os.environ, XDG_CACHE_HOME=str(work / "cache"), **(env or {}))
    done = subprocess.run([str(WEIR), *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout,
                          env=environment)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def inspect(*arguments, **more):
    return run("inspect", "--no-cache", "--rules", rules, *arguments, **more)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def pcap(packets, link=1):
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for seconds, data in packets:
        out += struct.pack("<IIII", seconds, 0, len(data), len(data)) + data
    return out


class Case(unittest.TestCase):
    def expect(self, result, code, *words):
        got, out, err = result
        self.assertEqual(got, code, f"stdout: {out[-500:]} stderr: {err[-2000:]}")
        for word in words:
            self.assertIn(word, err)
        self.assertNotIn("internal error", err)
        return out

    def file(self, name, data):
        path = work / name
        path.write_bytes(data)
        return path


class GoodInput(Case):
    def test_text(self):
        code, out, err = inspect(demo)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("deny 403", out)
        self.assertIn("transactions", out.splitlines()[-3] + out.splitlines()[-2])
        self.assertNotIn("\x1b", out)
        self.assertIn("\x1b[", inspect("--color", "always", demo)[1])
        self.assertNotIn("\x1b", inspect("--color", "never", demo)[1])

    def test_jsonl_has_every_transaction_and_fits_the_schema(self):
        out = self.expect(inspect("--format", "jsonl", demo), 0)
        schema = json.loads((SOURCE / "docs/event.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        found = records(out)
        self.assertEqual(len(found), 15)
        for record in found:
            validator.validate(record)
            self.assertEqual(list(record), HTTP_ORDER)
            self.assertEqual(record["pcap_filename"], str(demo))
        self.assertTrue(any(not record["waf"]["rules"] or record["waf"]["decision"] == "pass" for record in found))
        self.assertTrue(any(record["waf"]["decision"] == "deny" for record in found))
        keys = ["decision", "mode", "status", "transaction_id", "score", "paranoia", "rules", "violations", "truncated"]
        for record in found:
            self.assertEqual([k for k in keys if k in record["waf"]], list(record["waf"]))

    def test_drop_records_fit_the_schema(self):
        out = self.expect(inspect("--format", "jsonl", "--inline", demo), 0)
        validator = jsonschema.Draft202012Validator(json.loads((SOURCE / "docs/event.schema.json").read_text()))
        kinds = set()
        for record in records(out):
            validator.validate(record)
            kinds.add(record["event_type"])
        self.assertEqual(kinds, {"http", "drop"})

    def test_same_bytes_every_time(self):
        for form in ("text", "jsonl"):
            first = inspect("--format", form, demo)
            for more in ([], ["--workers", "2"], ["--workers", "5"], ["--no-prefilter"]):
                self.assertEqual(inspect("--format", form, *more, demo), first, more)

    def test_standard_input(self):
        code, out, err = inspect("--format", "jsonl", "-", stdin=demo.read_bytes())
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.replace('"pcap_filename":"-"', f'"pcap_filename":"{demo}"'), inspect("--format", "jsonl", demo)[1])

    def test_several_files_count_their_own_packets(self):
        second = self.file("second.pcap", demo.read_bytes())
        out = self.expect(inspect("--format", "jsonl", demo, second), 0)
        by_file = {}
        for record in records(out):
            by_file.setdefault(record["pcap_filename"], []).append(record["pcap_cnt"])
        self.assertEqual(len(by_file[str(demo)]), 15)
        self.assertEqual(by_file[str(demo)], by_file[str(second)])

    def test_filter(self):
        for arguments in ([demo, "tcp port 1"], ["--filter", "tcp port 1", demo], [demo, "udp"]):
            self.assertEqual(self.expect(inspect("--format", "jsonl", *arguments), 0), "")
        self.assertEqual(len(records(inspect("--format", "jsonl", demo, "tcp port 8080")[1])), 15)

    def test_output_file(self):
        path = work / "out.jsonl"
        self.assertEqual(inspect("--format", "jsonl", "--output", path, demo), (0, "", ""))
        self.assertEqual(path.read_text(), inspect("--format", "jsonl", demo)[1])

    def test_fail_on_block(self):
        self.expect(inspect("--fail-on-block", demo), 1)
        self.expect(inspect("--fail-on-block", "--mode", "block", demo), 1)
        self.expect(inspect("--fail-on-block", demo, "tcp port 1"), 0)

    def test_modes(self):
        detect = records(inspect("--format", "jsonl", demo)[1])
        block = records(inspect("--format", "jsonl", "--mode", "block", demo)[1])
        self.assertEqual({r["waf"]["mode"] for r in detect}, {"detect"})
        self.assertEqual({r["waf"]["mode"] for r in block}, {"block"})
        self.assertEqual([r["waf"]["decision"] for r in detect], [r["waf"]["decision"] for r in block])

    def test_inline_forwards_what_it_let_through(self):
        forwarded = work / "forwarded.pcap"
        out = self.expect(inspect("--format", "jsonl", "--inline", "--write-forwarded", forwarded, demo), 0)
        drops = [r for r in records(out) if r["event_type"] == "drop"]
        refused = [r for r in records(out) if r["event_type"] == "http" and r["waf"]["decision"] == "deny"]
        self.assertTrue(refused)
        total = int(inspect(demo)[1].split("capture, ")[1].split(" packets")[0].replace(",", ""))
        # What Weir sent of its own is in the capture too: it is what both ends would have got.
        sent = int(inspect("--inline", demo)[1].split(" sent to answer them")[0].split(", ")[-1])
        self.assertGreater(sent, 0)
        again = inspect("--format", "jsonl", forwarded)
        left = int(inspect(forwarded)[1].split("capture, ")[1].split(" packets")[0].replace(",", ""))
        self.assertEqual(total - len(drops) + sent, left)
        # No refused request got through whole, every other one did.
        for record in records(again[1]):
            self.assertTrue(record["waf"]["decision"] == "pass" or record["waf"]["truncated"], record)
        self.assertEqual(sum(r["waf"]["decision"] == "pass" for r in records(again[1])),
                         sum(r["event_type"] == "http" and r["waf"]["decision"] == "pass" for r in records(out)))
        # In detect mode everything gets through, byte by byte.
        same = work / "same.pcap"
        self.expect(inspect("--inline", "--mode", "detect", "--write-forwarded", same, demo), 0)
        self.assertEqual(inspect("--format", "jsonl", same)[1].replace(str(same), str(demo)), inspect("--format", "jsonl", demo)[1])

    def test_help_and_version(self):
        for words in (["--help"], ["-h"], ["inspect", "--help"], ["check", "--help"], ["version", "--help"]):
            code, out, err = run(*words)
            self.assertEqual((code, err), (0, ""), words)
            self.assertIn("Example", out)
        self.assertTrue(run("version")[1].startswith("weir "))
        self.assertTrue(run("--version")[1].startswith("weir "))

    def test_check_of_a_configuration(self):
        cache = f"cache: {work}/cache\n"
        good = self.file("good.yaml", (cache + "inputs: {nfqueue: {queues: 0-1}}\nrules: [rules.conf]\n"
                                       "sites: [{name: a, mode: block}, {name: b, bodies: {arguments: 7}}]\n").encode())
        code, out, err = run("check", "-c", good)
        self.assertEqual((code, err), (0, ""))
        for words in ("nfqueue, queue 0, 1", "memory ceiling", "site a", "block, 10 rules (the same)", "site b"):
            self.assertIn(words, out)
        quiet = self.file("quiet.yaml", (cache + "rules: [rules.conf]\n").encode())
        self.assertEqual(run("check", "-q", "-c", quiet), (0, "", ""))
        bad = self.file("bad.yaml", b"moed: block\nlimits: {flows: 1}\n")
        self.expect(run("check", "-c", bad), 2, "bad.yaml:1:1: error", "did you mean 'mode'?", "bad.yaml:2:17: error")
        self.expect(run("check", "-c", work / "none.yaml"), 3, "cannot be read")
        self.expect(run("check", "-c", good, "--paranoia", "2"), 2, "configuration file's matter")
        broken = self.file("broken.yaml", (cache + "rules: [broken.conf]\n").encode())
        self.file("broken.conf", b'SecRule ARGS "@rx (" "id:1,phase:2"\n')
        self.expect(run("check", "-c", broken), 2, "broken.conf:1:", "the rules do not load")
        elsewhere = self.file("elsewhere.yaml", (cache + "rules: [rules.conf]\nevents: {file: nowhere/events.jsonl}\n"
                                                 "inputs: {mirror: {interfaces: [a], filter: 'tcp prot 80'}}\n").encode())
        self.expect(run("check", "-c", elsewhere), 2, "no directory", "inputs.mirror.filter")

    def test_run_replaces_nobody_whom_it_cannot_find(self):
        lone = self.file("lone.yaml", f"cache: {work}/cache\ninputs: {{nfqueue: {{queues: 0}}}}\nrules: [rules.conf]\n".encode())
        self.expect(run("run", "--replace", "-c", lone), 2, "by `control`, which is not there")
        gateway = self.file("gateway.yaml", (f"cache: {work}/cache\ncontrol: {work}/control\nrules: [rules.conf]\n"
                                             "inputs: {geneve: {sources: [127.0.0.1/32]}}\n").encode())
        self.expect(run("run", "--replace", "-c", gateway), 2, "behind a gateway load balancer nobody is replaced")

    def test_inspect_with_a_configuration(self):
        """Of the demo's requests some belong to a site that blocks, with a rule of its own."""
        more = self.file("more.conf", (RULES.replace("SecRuleEngine On", "") +
                                       "SecRule REQUEST_METHOD \"@rx .\" \"id:77,phase:1,pass,log,msg:'more'\"\n").encode())
        plain = records(inspect("--format", "jsonl", demo)[1])
        config = self.file("sites.yaml", (f"cache: {work}/cache\nrules: [rules.conf]\nmode: detect\n"
                                          f"sites: [{{name: one, ports: 8080, hosts: [SHOP.example], paths: [/app], rules: [{more.name}], "
                                          "mode: block}]\n").encode())
        validator = jsonschema.Draft202012Validator(json.loads((SOURCE / "docs/event.schema.json").read_text()))
        code, out, err = run("inspect", "-c", config, "--format", "jsonl", demo)
        self.assertEqual((code, err), (0, ""))
        got = records(out)
        self.assertEqual(len(got), len(plain))
        for record in got:
            validator.validate(record)
            own = record["http"]["url"].startswith("/app/")
            self.assertEqual(record["waf"].get("site"), "one" if own else None)
            self.assertEqual(record["waf"]["mode"], "block" if own else "detect")
            self.assertEqual(own, 77 in [r["id"] for r in record["waf"]["rules"]])
        self.assertEqual(out, run("inspect", "-c", config, "--format", "jsonl", "--workers", "3", demo)[1])
        self.expect(run("inspect", "-c", config, "--mode", "block", demo), 2, "matter of the configuration")
        self.expect(run("inspect", "-c", config, "--rules", rules, demo), 2, "matter of the configuration")
        self.expect(run("inspect", "-c", work / "none.yaml", demo), 3, "cannot be read")
        self.expect(run("inspect", "-c", self.file("wrong.yaml", b"moed: block\n"), demo), 2, "did you mean 'mode'?")

    def test_check(self):
        code, out, err = run("check", "--no-cache", "--rules", rules)
        load_time = [line.split() for line in out.splitlines() if line.startswith("load time")][0]
        self.assertGreater(float(load_time[2]), 0)
        memory = [line.split() for line in out.splitlines() if line.startswith("process memory")][0]
        self.assertGreater(float(memory[2]), 1)
        self.assertEqual((code, err), (0, ""))
        for word in ("rules", "patterns", "memory", "load time", "warnings"):
            self.assertIn(word, out)

    def test_profile(self):
        plain = inspect(demo)
        place = work / "profile.json"
        self.assertEqual(inspect("--profile", place, demo), plain)
        profile = json.loads(place.read_text())
        rows = {(row["kind"], row.get("rule"), row["name"]): row for row in profile["rows"]}
        self.assertEqual(sum(row["ns"] for row in profile["rows"]), profile["ns"])
        self.assertGreater(profile["ns"], 0)
        # Rule 11 looks at each request's User-Agent, with and without workers.
        agents = rows["operator", 11, "@rx ."]
        self.assertGreaterEqual(rows["rule", 11, "11"]["calls"], agents["calls"])
        self.assertGreater(agents["calls"], 5)
        inspect("--profile", place, "--workers", "3", demo)
        again = json.loads(place.read_text())
        calls = lambda p: sorted((row["kind"], row["name"], row["calls"]) for row in p["rows"])
        self.assertEqual(calls(again), calls(profile))
        code, out, err = inspect("--profile", "-", demo)
        self.assertEqual((code, out), plain[:2])
        self.assertIn("operators", err)
        self.assertIn("11 @rx .", err)
        code, out, err = inspect("--profile", work / "none" / "x", demo)
        self.assertEqual(code, 3, err)

    def test_cache(self):
        # Debian's CRS: it is what the cache is for.
        place = work / "own-cache"
        fresh = run("inspect", "--cache", place, demo)
        self.assertEqual(fresh[0], 0, fresh[2])
        # So small a capture waits for no compiling, and pays for none.
        self.assertEqual(list(place.glob("hs-*")), [])
        self.assertIn("--compile", run("check", "--cache", place)[1])
        self.assertNotIn("from the cache", run("check", "--cache", place, "--compile")[1])
        self.assertTrue(list(place.glob("hs-*")))
        self.assertIn("from the cache", run("check", "--cache", place)[1])
        self.assertEqual(run("inspect", "--cache", place, demo), fresh)
        for entry in place.iterdir():
            entry.write_bytes(b"damaged" * 100)
        self.assertEqual(run("inspect", "--cache", place, demo), fresh)


class BadInput(Case):
    def test_captures(self):
        empty = self.file("empty.pcap", b"")
        text = self.file("text.pcap", b"this is no capture, it is a text of some length\n" * 10)
        unknown = self.file("unknown.pcap", pcap([(1, b"abc")], link=147))
        short = self.file("short.pcap", demo.read_bytes()[:10])
        cases = [(work / "missing.pcap", "missing.pcap"), (empty, "empty"), (text, "text.pcap"), (unknown, "147"), (short, "short.pcap"),
                 (work, str(work))]
        for path, word in cases:
            out = self.expect(inspect(path), 3, "weir: ", word)
            self.assertEqual(out, "", path)
            # What can be read is read all the same, in either order.
            for order in ([path, demo], [demo, path]):
                out = self.expect(inspect("--format", "jsonl", *order), 3, word)
                self.assertEqual(len(records(out)), 15, path)
        self.expect(inspect("-", stdin=b""), 3, "weir: ")
        self.expect(inspect("-", stdin=b"nonsense"), 3, "weir: ")

    def test_damaged_captures_are_read_up_to_the_damage(self):
        data = demo.read_bytes()
        for keep in (0.3, 0.5, 0.9):
            path = self.file("cut.pcap", data[:int(len(data) * keep)])
            out = self.expect(inspect("--format", "jsonl", path), 3, "cut.pcap")
            self.assertTrue(records(out))
        absurd = bytearray(data)
        absurd[24 + 8:24 + 12] = struct.pack("<I", 0x7fffffff)
        self.expect(inspect(self.file("absurd.pcap", bytes(absurd))), 3, "absurd.pcap")

    def test_random_damage_never_crashes(self):
        import random
        data = demo.read_bytes()
        source = random.Random(7)
        for i in range(40):
            broken = bytearray(data)
            for _ in range(source.randrange(1, 60)):
                broken[source.randrange(24, len(broken))] = source.randrange(256)
            code, out, err = inspect("--format", "jsonl", self.file("broken.pcap", bytes(broken)))
            self.assertIn(code, (0, 3), err)
            for record in records(out):
                self.assertIn(record["event_type"], ("http",))

    def test_rules(self):
        def check(text, *words):
            path = self.file("bad.conf", text.encode())
            for command in (["check", "--no-cache"], ["inspect", "--no-cache", demo]):
                out = self.expect(run(*command, "--rules", path), 2, *words)
                self.assertEqual(out, "")
        check('SecRule ARGS "@rx x" "id:1,phase:2,severty:2"\n', "bad.conf:1:", "error", "severity", "^")
        check('SecRule ARGS "@rx (" "id:1,phase:2"\n', "bad.conf:1:", "error")
        check('SecRule ARG "@rx x" "id:1,phase:2"\nSecRule ARGS "@foo x" "id:2,phase:2"\nSecFoo On\n',
              "bad.conf:1:", "bad.conf:2:", "bad.conf:3:", "3 errors")
        check('SecRule ARGS "@pmFromFile nowhere.data" "id:1,phase:2"\n', "nowhere.data", "bad.conf:1:")
        check('Include /nowhere/at/all.conf\n', "/nowhere/at/all.conf")
        self.expect(run("check", "--no-cache", "--rules", work / "no-rules"), 2, "no-rules")
        self.expect(run("inspect", "--no-cache", "--rules", work / "no-rules", demo), 2, "no-rules")

    def test_filters(self):
        self.expect(inspect(demo, "tcp prot 80"), 2, "weir: ")
        self.expect(inspect("--filter", "((", demo), 2, "weir: ")

    def test_command_line(self):
        for words in ([], ["inspcet"], ["inspect"], ["inspect", "--fromat", "text", demo], ["inspect", "--paranoia", "9", demo],
                      ["inspect", "--workers", "x", demo], ["check", "word"], ["inspect", "--write-forwarded", "x", demo]):
            code, out, err = run(*words)
            self.assertEqual(code, 2, words)
            self.assertEqual(out, "")
            self.assertEqual(err.count("\n"), 1, err)

    def test_outputs(self):
        self.expect(inspect("--output", work / "no/such/dir/out", demo), 3, "cannot write", "no/such/dir/out")
        self.expect(inspect("--output", "/dev/full", demo), 3, "/dev/full")
        self.expect(inspect("--inline", "--write-forwarded", work / "no/such/dir/f.pcap", demo), 3, "no/such/dir/f.pcap")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(WEIR), "inspect", "--no-cache", "--rules", rules, demo], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"standard output", done.stderr)

    def test_a_reader_that_goes_away_is_no_error(self):
        for command in (["inspect", "--format", "jsonl", "--no-cache", "--rules", rules, demo], ["inspect", "--help"], ["version"],
                        ["check", "--no-cache", "--rules", rules]):
            read, write = os.pipe()
            os.close(read)
            done = subprocess.run([str(WEIR), *map(str, command)], stdout=write, stderr=subprocess.PIPE)
            os.close(write)
            self.assertEqual((done.returncode, done.stderr), (0, b""), command)


def big_capture(connections):
    """pcap bytes of short connections, chunk by chunk."""
    def frame(source, target, sport, dport, seq, ack, flags, payload):
        tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 65535, 0, 0) + payload
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, source, target)
        total = sum(struct.unpack(">10H", ip))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        return ip[:10] + struct.pack(">H", ~total & 0xffff) + ip[12:] + tcp
    yield struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101)
    server = bytes([10, 0, 0, 1])
    for n in range(connections):
        client = bytes([11, n >> 16 & 255, n >> 8 & 255, n & 255])
        request = b"GET /page?n=%d HTTP/1.1\r\nHost: h\r\n\r\n" % n
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000
        out = b""
        for source, target, sp, dp, seq, ack, flags, payload in (
                (client, server, 1000, 80, 1, 0, 2, b""), (server, client, 80, 1000, 1, 2, 18, b""),
                (client, server, 1000, 80, 2, 2, 24, request),
                (server, client, 80, 1000, 2, 2 + len(request), 24, answer)):
            data = frame(source, target, sp, dp, seq, ack, flags, payload)
            out += struct.pack("<IIII", 1000 + 2 * n, 0, len(data), len(data)) + data
        yield out  # never closed: only time ends these connections


class Memory(Case):
    def test_a_long_capture_takes_no_more_than_a_short_one(self):
        def peak(connections):
            out = work / "big.jsonl"
            script = ("import resource,subprocess,sys;"
                      "p=subprocess.run(sys.argv[1:],stdin=sys.stdin);"
                      "print(p.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
            process = subprocess.Popen([sys.executable, "-c", script, str(WEIR), "inspect", "--format", "jsonl", "--no-cache",
                                        "--checksums", "ignore", "--rules", str(rules), "--output", str(out), "-"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for chunk in big_capture(connections):
                process.stdin.write(chunk)
            code, kilobytes = map(int, process.communicate()[0].split())
            self.assertEqual(code, 0)
            self.assertEqual(out.read_bytes().count(b"\n"), connections)
            return kilobytes
        # 10 MB, then 60 MB of captures; in the second most connections have timed out before the end.
        short, long = peak(1000), peak(6000)
        self.assertLess(long, short + 48 * 1024, f"{short} KiB, then {long} KiB")


class RegressionTests(Case):
    SUITE = """\
rule_id: 10
tests:
  - test_id: 1
    stages: [{input: {uri: "/?q=../x", headers: {Host: a}}, output: {log: {expect_ids: [10]}}}]
  - test_id: 2
    stages: [{input: {uri: "/?q=fine", headers: {Host: a}}, output: {log: {%s: [10]}}}]
  - test_id: 3
    stages: [{input: {uri: "/#x", headers: {Host: a}}, output: {status: 400}}]
"""

    def suite(self, passes=True):
        return self.file("10.yaml", (self.SUITE % ("no_expect_ids" if passes else "expect_ids")).encode())

    def run_suite(self, *arguments):
        return run("test", "--no-cache", "--rules", rules, *arguments)

    def test_summary_is_the_last_line(self):
        out = self.expect(self.run_suite(self.suite()), 0)
        self.assertEqual(out.splitlines()[-1], "3 passed, 0 failed, 0 skipped")
        out = self.expect(self.run_suite("--include", "-[12]$", "--exclude", "-2$", self.suite()), 0)
        self.assertEqual(out.splitlines()[-1], "2 passed, 0 failed, 1 skipped")

    def test_failures(self):
        out = self.expect(self.run_suite("--show-failures-only", self.suite(False)), 1)
        self.assertIn("10-2", out)
        self.assertNotIn("10-1", out)
        self.assertIn("rule 10 is not logged", out)
        out = self.expect(self.run_suite("--fail-fast", self.suite(False)), 1)
        self.assertEqual(out.splitlines()[-1], "1 passed, 1 failed, 0 skipped")
        self.assertIn("::error file=", self.expect(self.run_suite("--format", "github", self.suite(False)), 1))

    def test_json(self):
        stages = json.loads(self.expect(self.run_suite("--format", "json", self.suite(False)), 1))["stages"]
        self.assertEqual([(s["test"], s["stage"], s["ok"], s["ids"], s["status"], s["decision"]) for s in stages],
                         [("10-1", 1, True, [10, 10], 200, "deny"), ("10-2", 1, False, [], 200, "pass"),
                          ("10-3", 1, True, [], 400, "deny")])

    def test_junit(self):
        root = ElementTree.fromstring(self.expect(self.run_suite("--format", "junit", self.suite(False)), 1))
        self.assertEqual((root.tag, root.get("tests"), root.get("failures")), ("testsuites", "3", "1"))
        self.assertEqual([case.get("name") for case in root.iter("testcase")], ["10-1", "10-2", "10-3"])
        self.assertEqual(len(list(root.iter("failure"))), 1)

    def test_overrides(self):
        good = self.file("o.yaml", b"overrides: [{test: 10-2, reason: so be it, output: {status: 200}}]")
        self.expect(self.run_suite("--overrides", good, self.suite(False)), 0)
        bad = self.file("o.yaml", b"overrides: [{test: 10-2, output: {status: 200}}]")
        self.expect(self.run_suite("--overrides", bad, self.suite(False)), 2, "o.yaml:1: ", "has no reason")

    def test_mistakes(self):
        self.expect(run("test"), 2, "name at least one")
        self.expect(self.run_suite(work / "nowhere.yaml"), 3, "nowhere.yaml")
        self.expect(self.run_suite("--include", "(", self.suite()), 2, "regular expression (")
        self.expect(self.run_suite(self.file("bad.yaml", b"tests: [{stages: 1}]")), 2, "bad.yaml:1:")


class Semantics(Case):
    def test_whom_to_follow(self):
        json_rules = self.file("json.conf", b"""SecRuleEngine On
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_BODY "@contains here" "id:2,phase:2,pass,log,msg:'body'"
SecRule ARGS:json.a.a "@streq here" "id:3,phase:2,pass,log,msg:'as in 2'"
SecRule ARGS:json.a.array_0 "@streq here" "id:4,phase:2,pass,log,msg:'as in 3'"
""")
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"a\":[\"here\"]}"
        for engine, ids in ((None, {3}), ("modsecurity2", {3}), ("modsecurity3", {2, 4})):
            option = ["--semantics", engine] if engine else []
            out = self.expect(run("explain", "--no-cache", *option, "--rules", json_rules, "--format", "json", "--request", "-",
                                  stdin=request), 0)
            self.assertEqual({rule["id"] for rule in records(out)[-1]["waf"]["rules"]}, ids, engine)
        self.expect(run("check", "--semantics", "apache"), 2, "modsecurity2 or modsecurity3")


class Explain(Case):
    def explain(self, *arguments, **more):
        return run("explain", "--no-cache", "--rules", rules, *arguments, **more)

    def test_request_with_bare_line_feeds(self):
        out = self.expect(self.explain("--request", "-", stdin=b"GET /?q=<script HTTP/1.1\nHost: a\n\n"), 0)
        self.assertIn("rule 10  attack", out)
        self.assertIn('ARGS:q "<script"', out)
        self.assertIn("setvar TX:anomaly_score = 5", out)
        self.assertIn("deny 403 (not carried out)", out)
        self.assertNotIn("no match", out)

    def test_one_rule(self):
        out = self.expect(self.explain("--rule", "10", "--curl", "curl -A x 'http://a/?q=fine'"), 0)
        self.assertIn('no match: ARGS:q "fine"', out)
        self.assertNotIn("rule 11", out)
        lines = records(self.expect(self.explain("--rule", 10, "--format", "json", "--curl", "curl http://a/?q=1"), 0))
        steps = [line for line in lines if line.get("step") == "evaluation"]
        self.assertEqual({step["rule"] for step in steps}, {10})
        self.assertIn("ARGS:q", [step["target"] for step in steps])

    def test_transaction_of_a_capture(self):
        wanted = records(self.expect(inspect("--format", "jsonl", demo), 0))[2]
        for option in ("--transaction", "--tx"):
            told = records(self.expect(self.explain(option, "3", "--format", "json", demo), 0))[-1]
            self.assertEqual(told["http"], wanted["http"])
        self.expect(self.explain("--tx", "100000", demo), 2, "transactions")

    def test_mistakes(self):
        self.expect(run("explain"), 2, "name one of")
        self.expect(self.explain("--curl", "curl", "--request", "x"), 2, "name one of")
        self.expect(self.explain("--curl", "curl --no-such-option http://a/"), 2, "--no-such-option")
        self.expect(self.explain("--request", work / "nowhere"), 3, "nowhere")


if __name__ == "__main__":
    WEIR, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
