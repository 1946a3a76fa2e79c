#!/usr/bin/env python3
"""Weir in the wire between two kernels' TCP stacks: block pages that real clients read, clean traffic that
is the same on both sides. No NFQUEUE: tests/support/tun_bridge has a TUN device in each namespace.

Usage: inline_lab.py TUN_BRIDGE [case …]
"""
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
BRIDGE = ""
RULES = """
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecRequestBodyLimit 134217728
SecRequestBodyNoFilesLimit 134217728
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecRule ARGS|REQUEST_HEADERS|REQUEST_COOKIES "@contains attack" "id:1,phase:1,deny,status:403,log"
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:5,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_BODY|ARGS|ARGS_NAMES "@contains attack" "id:2,phase:2,deny,status:403,log"
SecRule ARGS:go "@streq away" "id:3,phase:1,redirect:https://elsewhere.example/x,status:302,log"
SecRule RESPONSE_BODY "@contains secret" "id:4,phase:4,deny,status:502,log"
"""
PAGE = "<p>refused: {{transaction_id}} {{status}}</p>" + "<!-- filler -->" * 300


class Backend(http.server.BaseHTTPRequestHandler):
    """Runs inside the server's namespace: answers with the digest of what it was sent."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left, digest = int(self.headers.get("Content-Length") or 0), hashlib.sha256()
        while left > 0:
            part = self.rfile.read(min(left, 1 << 16))
            if not part:
                return
            left -= len(part)
            digest.update(part)
        body = digest.hexdigest().encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Wire:
    """Two namespaces, the bridge between, nginx and a backend; all gone afterwards."""
    four = ("10.78.0.2", "10.78.0.1")
    six = ("fd78::2", "fd78::1")

    def __init__(self, *options, page=PAGE):
        tag = f"{os.getpid() % 100000}{Wire.count}"
        Wire.count += 1
        self.client, self.server = f"wtc{tag}", f"wts{tag}"
        self.options, self.page, self.processes = options, page, []
        self.directory = tempfile.TemporaryDirectory(prefix="weir-wire-")
        self.work = pathlib.Path(self.directory.name)

    count = 0

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        os.chmod(self.work, 0o755)
        (self.work / "rules.conf").write_text(RULES)
        (self.work / "page.html").write_text(self.page)
        for ns in (self.client, self.server):
            subprocess.run(["ip", "netns", "add", ns], check=True)
            subprocess.run(["ip", "-n", ns, "link", "set", "lo", "up"], check=True)
        self.events = self.work / "events.json"
        self.bridge = subprocess.Popen(
            [BRIDGE, "--client", self.client, "--server", self.server, "--rules", self.work / "rules.conf",
             "--page", self.work / "page.html", "--events", self.events, *self.options],
            stdout=subprocess.PIPE, text=True)
        self.processes.append(self.bridge)
        if self.bridge.stdout.readline() != "ready\n":
            raise RuntimeError("the bridge did not come up")
        for ns, i in ((self.client, 0), (self.server, 1)):
            subprocess.run(["ip", "-n", ns, "link", "set", "weir0", "up"], check=True)
            subprocess.run(["ip", "-n", ns, "addr", "add", f"{self.four[i]}/24", "dev", "weir0"], check=True)
            subprocess.run(["ip", "-n", ns, "addr", "add", f"{self.six[i]}/64", "dev", "weir0", "nodad"], check=True)
        self.servers()

    def servers(self):
        site = self.work / "site"
        site.mkdir()
        (site / "small.txt").write_text("hello\n")
        (site / "secret.txt").write_text("the secret\n")
        (site / "long-secret.txt").write_text("x" * 100000 + "secret")
        big = hashlib.shake_256(b"weir").digest(20 << 20)
        (site / "big.bin").write_bytes(big)
        self.big = hashlib.sha256(big).hexdigest()
        self.access = self.work / "access.log"
        (self.work / "nginx.conf").write_text(f"""
daemon off;
user www-data;
worker_processes 1;
pid {self.work}/nginx.pid;
error_log {self.work}/error.log;
events {{ worker_connections 512; }}
http {{
  default_type text/plain;
  log_format plain '$status $request_method $request_uri';
  access_log {self.access} plain;
  client_max_body_size 200m;
  client_body_temp_path {self.work}/body;
  proxy_temp_path {self.work}/proxy;
  fastcgi_temp_path {self.work}/f;
  uwsgi_temp_path {self.work}/u;
  scgi_temp_path {self.work}/s;
  keepalive_requests 100000;
  server {{
    listen 80;
    listen [::]:80;
    root {site};
    location /app/ {{
      proxy_pass http://127.0.0.1:9000/;
      proxy_http_version 1.1;
      proxy_request_buffering off;
    }}
  }}
}}
""")
        for name in ("body", "proxy"):
            (self.work / name).mkdir()
            os.chmod(self.work / name, 0o777)
        self.start(self.server, sys.executable, str(HERE / "inline_lab.py"), "--backend")
        self.start(self.server, "nginx", "-p", str(self.work), "-c", str(self.work / "nginx.conf"),
                   stderr=subprocess.DEVNULL)
        for port in (80, 9000):
            for _ in range(200):
                probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
                if self.run(self.server, sys.executable, "-c", probe).returncode == 0:
                    break
                time.sleep(0.05)

    def start(self, ns, *words, **options):
        process = subprocess.Popen(["ip", "netns", "exec", ns, *words], **options)
        self.processes.append(process)
        return process

    def run(self, ns, *words, **options):
        return subprocess.run(["ip", "netns", "exec", ns, *map(str, words)], capture_output=True, timeout=120, **options)

    def curl(self, *words):
        return self.run(self.client, "curl", "-sS", "--max-time", "60", *words)

    def raw(self, parts, wait=0.05, six=False, read_all=True):
        """Sends the parts with pauses between, reads until the end; (bytes, how it ended)."""
        program = (
            "import socket, sys, time, json\n"
            "host, wait, parts = json.loads(sys.argv[1])\n"
            "s = socket.create_connection((host, 80), 20)\n"
            "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
            "out, how = b'', 'eof'\n"
            "try:\n"
            "  for p in parts:\n"
            "    s.sendall(p.encode('latin-1')); time.sleep(wait)\n"
            "  while True:\n"
            "    d = s.recv(65536)\n"
            "    if not d: break\n"
            "    out += d\n"
            "except ConnectionResetError: how = 'reset'\n"
            "except socket.timeout: how = 'timeout'\n"
            "sys.stdout.write(json.dumps([out.decode('latin-1'), how]))\n")
        host = (self.six if six else self.four)[1]
        done = self.run(self.client, sys.executable, "-c", program, json.dumps([host, wait, parts]), text=True)
        return json.loads(done.stdout)

    def connections(self):
        out = self.run(self.server, "ss", "-Htn", "state", "established", "( sport = :80 )", text=True).stdout
        return [line for line in out.splitlines() if "127.0.0.1" not in line]

    def counters(self):
        self.bridge.terminate()
        out, _ = self.bridge.communicate(timeout=20)
        return json.loads(out)

    def records(self):
        return [json.loads(line) for line in self.events.read_text().splitlines()]

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout:
                process.stdout.close()
        for ns in (self.client, self.server):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)
        self.directory.cleanup()


def parse(text):
    """The responses in `text` that have a Content-Length: (status, headers, body), and what is left."""
    found = []
    while text.startswith("HTTP/1.1 "):
        head, _, rest = text.partition("\r\n\r\n")
        fields = dict(re.findall(r"(?m)^([A-Za-z-]+): (.*?)\r?$", head))
        length = int(fields.get("Content-Length", 0))
        found.append((int(head.split()[1]), fields, rest[:length]))
        text = rest[length:]
    return found, text


class Cases:
    """With and without segmentation offload."""
    options = ()

    def expect_page(self, wire, response, status=403):
        got, fields, body = response
        self.assertEqual(got, status)
        self.assertEqual(fields.get("Connection"), "close")
        shown = re.search(r"<p>refused: ([0-9a-f]+-\d+) (\d+)</p>", body)
        self.assertTrue(shown, body[:200])
        self.assertEqual(len(body), int(fields["Content-Length"]))
        self.assertNotIn("attack", body)
        return shown.group(1)

    def test_clean_traffic_is_the_same_on_both_sides(self):
        with Wire(*self.options) as wire:
            for host in (wire.four[1], f"[{wire.six[1]}]"):
                small = wire.curl(f"http://{host}/small.txt")
                self.assertEqual(small.stdout, b"hello\n", small.stderr)
                big = wire.curl(f"http://{host}/big.bin")
                self.assertEqual(hashlib.sha256(big.stdout).hexdigest(), wire.big)
                up = wire.curl("--data-binary", f"@{wire.work}/site/big.bin", "-H", "Content-Type: application/octet-stream",
                               f"http://{host}/app/sink")
                self.assertEqual(up.stdout.decode(), wire.big, up.stderr)
            many = wire.run(wire.client, "ab", "-k", "-n", "2000", "-c", "8", f"http://{wire.four[1]}/small.txt", text=True)
            self.assertIn("Failed requests:        0", many.stdout)
            counters = wire.counters()
            self.assertEqual(counters["dropped"], 0, "an honest client's packets all pass")
            self.assertEqual(counters["injected"], 0)

    def test_attacks_read_a_page(self):
        with Wire(*self.options) as wire:
            for six in (False, True):
                host = f"[{wire.six[1]}]" if six else wire.four[1]
                cases = [
                    ["-G", "-d", "q=attack"], ["-H", "X-Note: attack"], ["-b", "c=attack"],
                    ["-d", "a=b&c=attack"], ["-H", "Content-Type: application/json", "-d", '{"a": "attack"}'],
                    ["-F", "f=attack"], ["-X", "PUT", "-d", "attack"],
                ]
                for words in cases:
                    got = wire.curl("-i", f"http://{host}/app/x", *words)
                    self.assertEqual(got.returncode, 0, (words, got.stderr))
                    text = got.stdout.decode()
                    if "100 Continue" in text:
                        text = text.partition("\r\n\r\n")[2]
                    responses, rest = parse(text)
                    self.assertEqual((len(responses), rest), (1, ""), text[:300])
                    self.expect_page(wire, responses[0])
                head = wire.curl("-I", f"http://{host}/x?q=attack")
                self.assertEqual(head.returncode, 0, head.stderr)
                self.assertTrue(head.stdout.startswith(b"HTTP/1.1 403 "))
                moved = wire.curl("-i", f"http://{host}/x?go=away")
                self.assertIn(b"\r\nLocation: https://elsewhere.example/x\r\n", moved.stdout)
            self.assertEqual(wire.connections(), [], "every connection of the server's was reset")
            log = wire.access.read_text()
            for line in log.splitlines():
                self.assertTrue(re.match(r"(400|499) ", line), f"a request was completed: {line}")
            counters = wire.counters()
            self.assertEqual(counters["pages"], 2 * (len(cases) + 2))
            self.assertEqual(counters["pages_read"], counters["pages"])
            refused = [r for r in wire.records() if r["event_type"] == "http" and r["waf"]["decision"] != "pass"]
            self.assertEqual(len(refused), counters["pages"])

    def test_the_page_names_the_record(self):
        with Wire(*self.options) as wire:
            responses, _ = parse(wire.curl("-i", f"http://{wire.four[1]}/?q=attack").stdout.decode())
            shown = self.expect_page(wire, responses[0])
            wire.counters()
            self.assertEqual([r["waf"]["transaction_id"] for r in wire.records() if r["event_type"] == "http"], [shown])

    def test_an_upload_is_refused_while_it_runs_and_at_its_last_byte(self):
        with Wire(*self.options) as wire:
            large = wire.work / "large"
            large.write_bytes(b"a=" + b"x" * (50 << 20) + b"&b=")
            last = wire.work / "last"
            last.write_bytes(large.read_bytes() + b"attack")
            for words in (["--data-binary", f"@{large}", f"http://{wire.four[1]}/app/x?q=attack"],
                          ["-H", "Expect:", "--data-binary", f"@{large}", f"http://{wire.four[1]}/app/x?q=attack"],
                          ["-H", "Expect:", "--data-binary", f"@{last}", f"http://{wire.four[1]}/app/x"]):
                got = wire.curl("-i", *words)
                text = got.stdout.decode()
                if text.startswith("HTTP/1.1 100"):
                    text = text.partition("\r\n\r\n")[2]
                responses, _ = parse(text)
                self.assertTrue(responses, (words, got.stderr))
                self.expect_page(wire, responses[0])
            fine = wire.curl("-H", "Expect:", "--data-binary", f"@{large}", f"http://{wire.four[1]}/app/x")
            self.assertEqual(fine.stdout.decode(), hashlib.sha256(large.read_bytes()).hexdigest(), fine.stderr)

    def test_pipelined_and_second_requests(self):
        clean = "GET /small.txt HTTP/1.1\r\nHost: h\r\n\r\n"
        slow = "GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n"
        attack = "GET /?q=attack HTTP/1.1\r\nHost: h\r\n\r\n"
        with Wire(*self.options) as wire:
            for six in (False, True):
                for parts, before in (([clean + attack], 1), ([clean, attack], 1), ([clean + clean + attack + clean], 2),
                                      ([clean + attack[:20], attack[20:]], 1), ([slow + attack], 1), ([attack + clean], 0)):
                    text, how = wire.raw(parts, six=six)
                    self.assertEqual(how, "eof", parts)
                    responses, rest = parse(text)
                    self.assertEqual((len(responses), rest), (before + 1, ""), (parts, text[:300]))
                    for status, _, body in responses[:before]:
                        self.assertEqual(status, 200)
                        whole = body == "hello\n" or hashlib.sha256(body.encode("latin-1")).hexdigest() == wire.big
                        self.assertTrue(whole)
                    self.expect_page(wire, responses[-1])
            self.assertEqual(wire.connections(), [])
            self.assertNotIn("attack", "".join(l for l in wire.access.read_text().splitlines(True) if l.startswith("2")))

    def test_responses_are_replaced_or_reset(self):
        with Wire(*self.options) as wire:
            responses, rest = parse(wire.curl("-i", f"http://{wire.four[1]}/secret.txt").stdout.decode())
            self.assertEqual((len(responses), rest), (1, ""))
            self.expect_page(wire, responses[0], 502)
            text, how = wire.raw(["GET /long-secret.txt HTTP/1.1\r\nHost: h\r\n\r\n"])
            if how == "eof":  # all of it in one segment: nothing had been let through
                self.expect_page(wire, parse(text)[0][0], 502)
            else:
                self.assertEqual(how, "reset")
            self.assertNotIn("secret", text)

    def test_what_is_not_http1_is_reset(self):
        with Wire(*self.options) as wire:
            text, how = wire.raw(["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
            self.assertEqual((text, how), ("", "reset"))
            text, how = wire.raw(["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
            self.expect_page(wire, parse(text)[0][0], 400)
            self.assertEqual(how, "eof")


class Plain(Cases, unittest.TestCase):
    pass


class Offload(Cases, unittest.TestCase):
    options = ("--gso",)


class Lossy(unittest.TestCase):
    def test_pages_and_files_arrive_over_bad_lines(self):
        for seed in (1, 2, 3):
            with self.subTest(seed=seed), Wire("--loss", "30", "--seed", str(seed)) as wire:
                big = wire.curl(f"http://{wire.four[1]}/big.bin")
                self.assertEqual(hashlib.sha256(big.stdout).hexdigest(), wire.big, big.stderr)
                for _ in range(20):
                    got = wire.curl("-i", f"http://{wire.four[1]}/?q=attack")
                    responses, rest = parse(got.stdout.decode())
                    self.assertEqual((len(responses), rest), (1, ""), got.stderr)
                    self.assertIn("refused", responses[0][2])
                text, how = wire.raw(["GET /small.txt HTTP/1.1\r\nHost: h\r\n\r\n" * 3 + "GET /?q=attack HTTP/1.1\r\nHost: h\r\n\r\n"])
                responses, rest = parse(text)
                self.assertEqual(([r[0] for r in responses], rest, how), ([200, 200, 200, 403], "", "eof"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--backend"]:
        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
        Server(("127.0.0.1", 9000), Backend).serve_forever()
    BRIDGE = os.path.abspath(sys.argv.pop(1))
    if os.geteuid() != 0:
        print("needs root: skipped")
        sys.exit(77)
    unittest.main(verbosity=2)
