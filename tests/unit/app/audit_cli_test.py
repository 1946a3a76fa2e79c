#!/usr/bin/env python3
"""The audit log of weir inspect: what is written, where, and that nothing hidden is in it.

  audit_cli_test.py WEIR SOURCE_DIR
"""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.parse

WEIR, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests/support"))
from traffic import Capture, request, response  # noqa: E402
from workplace import Workplace  # noqa: E402

FORM = "application/x-www-form-urlencoded"
RULES = """\
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecResponseBodyAccess On
SecComponentSignature "test-set/1"
SecRule ARGS "@contains attack" "id:10,phase:2,deny,status:406,log,msg:'an attack',logdata:'%{MATCHED_VAR}',severity:2,tag:'t'"
"""


def setUpModule():
    global work
    work = Workplace("audit")


def tearDownModule():
    work.remove()


def run(*arguments, user=None):
    done = subprocess.run([str(work.program_for(user, WEIR)), "inspect", "--no-cache", "--no-progress", *map(str, arguments)],
                          capture_output=True, timeout=120, user=user)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def entries(path):
    return [json.loads(line)["transaction"] for line in pathlib.Path(path).read_text().splitlines()]


class Case(unittest.TestCase):
    def setUp(self):
        self.place = work.directory()
        self.log = self.place / "audit.log"

    def rules(self, text=RULES):
        path = self.place / "rules.conf"
        path.write_text(text)
        return path

    def capture(self, exchanges=None):
        capture = Capture()
        exchanges = exchanges or [(request("/?id=attack1"), response()), (request("/?id=fine"), response()),
                                  (request("/broken"), response(503)), (request("/none"), response(404))]
        for i, exchange in enumerate(exchanges):
            capture.connection(f"192.0.2.{i + 1}", [exchange])
        path = self.place / "traffic.pcap"
        path.write_bytes(capture.bytes())
        return path

    def expect(self, result, code, *words):
        got, out, err = result
        self.assertEqual(got, code, f"stdout: {out[-500:]} stderr: {err[-2000:]}")
        for word in words:
            self.assertIn(word, err)
        self.assertNotIn("internal error", err)
        return out


class Written(Case):
    def test_relevant_ones_with_the_standard_fields(self):
        self.expect(run("--rules", self.rules(), "--audit-log", self.log, self.capture()), 0)
        found = entries(self.log)
        self.assertEqual([e["request"]["uri"] for e in found], ["/?id=attack1", "/broken"])
        first = found[0]
        self.assertEqual(first["client_ip"], "192.0.2.1")
        self.assertEqual(first["time_stamp"], "Fri Jan 15 08:00:00 2027")
        self.assertEqual(first["request"]["headers"]["Host"], "shop.example")
        self.assertEqual(first["producer"]["components"], ["test-set/1"])
        message = first["messages"][0]
        self.assertEqual((message["message"], message["details"]["ruleId"]), ("an attack", "10"))
        self.assertEqual(message["details"]["match"], "Matched \"Operator `Contains' with parameter `attack' against "
                                                      "variable `ARGS:id' (Value: `attack1' )")
        self.assertEqual(found[1]["response"]["http_code"], 503)
        self.assertEqual(found[1]["messages"], [])
        self.assertNotIn("body", first["response"])

    def test_appended_and_equal_with_any_number_of_workers(self):
        rules, capture = self.rules(), self.capture([(request(f"/?id=attack{i}"), response()) for i in range(200)])
        self.expect(run("--rules", rules, "--audit-log", self.log, capture), 0)
        once = self.log.read_bytes()
        self.assertEqual(once.count(b"\n"), 200)
        self.expect(run("--rules", rules, "--audit-log", self.log, "--workers", 5, capture), 0)
        self.assertEqual(self.log.read_bytes(), once + once)
        self.assertEqual(self.log.stat().st_mode & 0o777 & ~0o640, 0)

    def test_options_have_the_last_word(self):
        rules = self.rules(RULES + "SecAuditEngine On\nSecAuditLogParts AZ\nSecAuditLogFormat Native\n")
        capture = self.capture()
        self.expect(run("--rules", rules, "--audit-log", self.log, capture), 0)
        text = self.log.read_text()
        self.assertEqual(text.count("-A--\n"), 4)
        self.assertEqual(text.count("-Z--\n"), 4)
        self.assertNotIn("-B--", text)
        self.log.unlink()
        self.expect(run("--rules", rules, "--audit-log", self.log, "--audit-format", "json", "--audit-parts", "ABEZ",
                        "--audit-transactions", "relevant", capture), 0)
        found = entries(self.log)
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0]["response"]["body"], "ok")

    def test_native_sections(self):
        body = b"id=attack&x=%0a--ABCDEFGH-Z--"
        self.expect(run("--rules", self.rules(), "--audit-log", self.log, "--audit-format", "native", "--audit-parts",
                        "ABCEFHKZ", "--mode", "block",
                        self.capture([(request("/", "POST", body, Content_Type=FORM), response(body=b"answer"))])), 0)
        text = self.log.read_text()
        boundary = text.splitlines()[0].split("-")[2]
        self.assertEqual([line.split("-")[3] for line in text.splitlines() if line.startswith("--" + boundary)],
                         list("ABCFHKZ"))  # blocked: there is no response body
        self.assertIn("\nPOST / HTTP/1.1\nHost: shop.example\n", text)
        self.assertIn("Message: Access denied with code 406 (phase 2). ", text)
        self.assertIn("Action: Intercepted (phase 2)\n", text)

    def test_uploads(self):
        body = b"--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a attack.txt\"\r\nContent-Type: text/plain\r\n\r\n" \
               b"12345\r\n--B\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nan attack\r\n--B--\r\n"
        self.expect(run("--rules", self.rules(), "--audit-log", self.log, self.capture(
            [(request("/", "POST", body, Content_Type="multipart/form-data; boundary=B"), response())])), 0)
        entry = entries(self.log)[0]
        self.assertEqual(entry["files"], [{"name": "f", "filename": "a attack.txt", "content_type": "text/plain", "size": 5}])
        self.assertEqual(entry["request"]["body"], "id=an+attack")  # part I: without the files

    def test_concurrent(self):
        store = self.place / "store"
        self.expect(run("--rules", self.rules(), "--audit-log", self.log, "--audit-dir", store, self.capture()), 0)
        lines = self.log.read_text().splitlines()
        self.assertEqual(len(lines), 2)
        files = sorted(str(p.relative_to(store)) for p in store.rglob("*") if p.is_file())
        self.assertEqual(len(files), 2)
        for line in lines:
            name, offset, size, digest = line.split()[-4:]
            self.assertTrue(name.startswith("/20270115/20270115-0800/20270115-080000-"), name)
            self.assertIn(name[1:], files)
            content = (store / name[1:]).read_bytes()
            self.assertEqual((offset, int(size)), ("0", len(content)))
            self.assertEqual(digest, "md5:" + hashlib.md5(content).hexdigest())
            self.assertIn(json.loads(content)["transaction"]["unique_id"], line)
        self.assertEqual(store.stat().st_mode & 0o002, 0)

    def test_places_of_the_rules(self):
        store, log, second = self.place / "store", self.place / "by-rules.log", self.place / "second.log"
        rules = self.rules(RULES + f"SecAuditLog {log}\nSecAuditLog2 {second}\nSecAuditLogType Concurrent\n"
                                   f"SecAuditLogStorageDir {store}\nSecAuditLogFileMode 0600\nSecAuditLogDirMode 0700\n")
        capture = self.capture()
        for options in ([], ["--audit-log", self.log]):
            self.expect(run("--rules", rules, *options, capture), 0)
            self.assertFalse(log.exists() or second.exists() or store.exists(), options)
        self.assertEqual(len(entries(self.log)), 2)
        self.expect(run("--rules", rules, "--audit-as-configured", capture), 0)
        self.assertEqual(len(log.read_text().splitlines()), 2)
        self.assertEqual(log.read_text(), second.read_text())
        files = [p for p in store.rglob("*") if p.is_file()]
        self.assertEqual([p.stat().st_mode & 0o777 for p in files], [0o600, 0o600])
        self.assertEqual([p.stat().st_mode & 0o777 for p in (store / "20270115",)], [0o700])


class Hidden(Case):
    """Whatever rules say to hide is in no output of weir inspect, in no form."""

    def outputs(self, rules, exchanges):
        rules, capture = self.rules(RULES + "SecAuditEngine On\nSecAuditLogParts ABCEFHIJKZ\n" + rules), self.capture(exchanges)
        out = []
        for form in ("json", "native"):
            for parts in ("ABCEFHJKZ", "ABEFHIJKZ"):
                log, store = self.place / f"{form}-{parts}.log", self.place / f"{form}-{parts}"
                for places in (["--audit-log", log], ["--audit-log", log, "--audit-dir", store]):
                    self.expect(run("--rules", rules, "--audit-format", form, "--audit-parts", parts, *places, capture), 0)
                out += [log.read_text()] + [p.read_text() for p in store.rglob("*") if p.is_file()]
        for form in ("jsonl", "text"):
            out.append(self.expect(run("--rules", rules, "--format", form, capture), 0))
        self.assertGreaterEqual(len(out), 10)
        return out

    def expect_hidden(self, rules, exchange, *secrets):
        texts = self.outputs(rules, [exchange])
        for secret in secrets:
            self.assertIn(secret.encode(), exchange[0] + exchange[1])  # the test can fail
            for text in texts:
                self.assertNotIn(secret, text)
                self.assertNotIn(secret.upper(), text.upper())
                self.assertNotIn(json.dumps(secret)[1:-1], text)
        return texts

    def test_an_argument_everywhere(self):
        password = "Hunter2attack"
        quoted = urllib.parse.quote(password)
        hexed = "".join(f"%{ord(c):02x}" for c in password)
        more = "".join(f"SecRule {target} \"@rx (?i)hunt(er2)\" \"id:{20 + i},phase:2,pass,log,capture,"
                       f"t:none{','.join(['', *chain])},msg:'m %{{TX.1}}',logdata:'%{{TX.0}} in %{{MATCHED_VAR}}'\"\n"
                       for i, (target, chain) in enumerate(
                           (target, chain) for target in ("ARGS", "REQUEST_BODY", "REQUEST_URI_RAW", "QUERY_STRING",
                                                          "REQUEST_LINE", "REQUEST_HEADERS:Referer", "RESPONSE_BODY")
                           for chain in ([], ["t:urlDecodeUni"], ["t:lowercase", "t:urlDecode"])))
        texts = self.expect_hidden(
            "SecAction \"id:1,phase:1,pass,nolog,sanitiseArg:password\"\n" + more +
            "SecRule ARGS:password \"@rx (.*)attack\" \"id:90,phase:2,pass,capture,setvar:tx.kept=%{TX.1},log,chain\"\n"
            "SecRule TX:kept \"@rx er2\" \"capture,setvar:tx.x=1\"\n"
            "SecRule TX:kept \"@rx .\" \"id:91,phase:5,pass,log,msg:'kept %{MATCHED_VAR}',tag:'%{TX.kept}'\"\n",
            (request(f"/login?password={hexed}&next=attack", "POST", f"a=1&password={quoted}&b=2".encode(), Content_Type=FORM,
                     Referer=f"http://shop.example/?password={quoted}", Cookie=f"last={password}"),
             response(body=f"<p>no: {password}".encode(), Location=f"/?password={quoted}")),
            password, hexed, "Hunter2")
        self.assertFalse([text for text in texts if "er2" in text.replace("(er2)", "").replace("`er2'", "")])
        self.assertTrue(all("next=attack" in t for t in texts if "\"transaction\"" in t))

    def test_json_multipart_and_nameless(self):
        hide = "SecAction \"id:1,phase:1,pass,nolog,sanitiseArg:pw\"\n" \
               "SecRule REQUEST_HEADERS:Content-Type \"@contains json\" \"id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n"
        body = b'{"id":"attack","pw":"top\\u0053ecret","user":{"pw":"s2cret!"}}'
        self.expect_hidden(hide + "SecRule ARGS:/pw/ \"@rx .\" \"id:3,phase:2,pass,nolog,sanitiseMatched\"\n",
                           (request("/", "POST", body, Content_Type="application/json"), response()), "s2cret!", "0053ecret")
        part = "--B\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n"
        body = (part % ("pw", "", "topsecret") + part % ("id", "", "attack") +
                part % ("doc", "; filename=\"a.txt\"", "filecontent") + "--B--\r\n").encode()
        self.expect_hidden(hide, (request("/", "POST", body, Content_Type="multipart/form-data; boundary=B"), response()),
                           "topsecret")
        self.expect_hidden("SecRule ARGS \"@contains nameless\" \"id:1,phase:2,pass,log,logdata:'%{MATCHED_VAR}',sanitiseMatched\"\n",
                           (request("/?=namelesssecret&id=attack"), response()), "namelesssecret")

    def test_headers(self):
        self.expect_hidden(
            "SecAction \"id:1,phase:1,pass,nolog,sanitiseRequestHeader:Authorization,sanitiseResponseHeader:Set-Cookie\"\n"
            "SecRule REQUEST_HEADERS \"@rx Basic (.*)\" \"id:2,phase:1,pass,log,capture,msg:'%{TX.1}',logdata:'%{MATCHED_VAR}'\"\n"
            "SecRule REQUEST_HEADERS:Authorization \"@rx Basic\" \"id:3,phase:1,pass,log,t:lowercase,logdata:'%{MATCHED_VAR}'\"\n"
            "SecRule REQUEST_COOKIES:sid \"@rx .\" \"id:4,phase:1,pass,log,sanitiseMatched,logdata:'%{MATCHED_VAR}'\"\n"
            "SecRule RESPONSE_HEADERS:Set-Cookie \"@rx .\" \"id:5,phase:3,pass,log,logdata:'%{MATCHED_VAR}'\"\n",
            (request("/?id=attack", Authorization="Basic Zm9vOmJhcg==", Cookie="sid=cookiesecret; a=b"),
             response(Set_Cookie="sid=freshsecret; path=/")), "Zm9vOmJhcg==", "cookiesecret", "freshsecret")

    def test_whole_bodies(self):
        self.expect_hidden(
            "SecRule REQUEST_HEADERS:Content-Type \"@contains xml\" \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=XML\"\n"
            "SecRule XML:/* \"@contains secret\" \"id:2,phase:2,pass,log,sanitiseMatched,logdata:'%{MATCHED_VAR}'\"\n"
            "SecRule RESPONSE_BODY \"@contains answer\" \"id:3,phase:4,pass,log,sanitiseMatched,logdata:'%{MATCHED_VAR}'\"\n",
            (request("/?id=attack", "POST", b"<a><b>xmlsecret</b></a>", Content_Type="text/xml"),
             response(body=b"the answer is 4711")), "xmlsecret", "4711")


class Refused(Case):
    def test_mistakes_of_the_command_line(self):
        capture, rules = self.capture(), self.rules()
        for options, word in ((["--audit-format", "json"], "needs --audit-log"), (["--audit-parts", "AZ"], "needs --audit-log"),
                              (["--audit-log", self.log, "--audit-parts", "AXZ"], "ABCDEFGHIJKZ"),
                              (["--audit-log", self.log, "--audit-format", "xml"], "json or native"),
                              (["--audit-log", self.log, "--audit-transactions", "some"], "relevant or all"),
                              (["--audit-log", capture], "overwritten"),
                              (["--audit-log", self.log, "--output", self.log], "same file"),
                              (["--audit-as-configured"], "no SecAuditLog")):
            self.expect(run("--rules", rules, *options, capture), 2, word)
        before = capture.read_bytes()
        link = self.place / "link"
        link.symlink_to(capture)
        self.expect(run("--rules", rules, "--audit-log", link, capture), 2, "overwritten")
        self.assertEqual(capture.read_bytes(), before)

    def test_places_that_rules_name_and_weir_does_not_use(self):
        for text, word in (("SecAuditLog \"|/usr/bin/mlogc\"\n", "Weir starts none"), ("SecAuditLogType HTTPS\n", "HTTPS"),
                           ("SecAuditLogType Concurrent\nSecAuditLog x\n", "SecAuditLogStorageDir")):
            self.expect(run("--rules", self.rules(RULES + text), "--audit-as-configured", self.capture()), 2, word)

    def test_switched_off(self):
        rules = self.rules(RULES + "SecAuditEngine Off\n")
        self.expect(run("--rules", rules, "--audit-log", self.log, self.capture()), 0, "SecAuditEngine Off")
        self.assertEqual(self.log.read_bytes(), b"")
        self.expect(run("--rules", rules, "--audit-log", self.log, "--audit-transactions", "all", self.capture()), 0)
        self.assertEqual(len(entries(self.log)), 4)

    def test_places_that_cannot_be_written(self):
        capture, rules = self.capture(), self.rules()
        self.expect(run("--rules", rules, "--audit-log", "/nowhere/audit.log", capture), 3, "/nowhere/audit.log")
        self.expect(run("--rules", rules, "--audit-log", self.place, capture), 3, str(self.place))
        self.expect(run("--rules", rules, "--audit-dir", rules, capture), 3, str(rules))
        self.expect(run("--rules", rules, "--audit-dir", "/proc/nowhere", capture), 3, "/proc/nowhere")
        if os.geteuid() == 0:  # root may write everywhere
            work.path.chmod(0o755)
            self.place.chmod(0o555)
            for options in (["--audit-log", self.log], ["--audit-dir", self.place]):
                self.expect(run("--rules", rules, *options, capture, user="nobody"), 3, str(self.place))

    def test_full_disk(self):
        out = self.expect(run("--rules", self.rules(), "--format", "jsonl", "--audit-log", "/dev/full", self.capture()), 3,
                          "/dev/full", "No space left", "2 entries are missing in the audit log")
        self.assertEqual(len(out.splitlines()), 4)  # the records are whole

    def test_a_link_in_the_place_of_an_entry_is_not_followed(self):
        capture, rules, store = self.capture(), self.rules(), self.place / "store"
        self.expect(run("--rules", rules, "--audit-dir", store, capture), 0)
        victim = self.place / "victim"
        victim.write_text("mine")
        for path in [p for p in store.rglob("*") if p.is_file()]:
            path.unlink()
            path.symlink_to(victim)
        self.expect(run("--rules", rules, "--audit-dir", store, capture), 3, "missing in the audit log")
        self.assertEqual(victim.read_text(), "mine")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
