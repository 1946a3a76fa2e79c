#!/usr/bin/env python3
"""Clean traffic through `weir run`, block mode with Debian's CRS, held to the same traffic without Weir.

  clean.py WEIR [PLACE...] [--mib N] [--seconds N]      PLACE: routed, bridged (both, if none is named)

Large downloads and uploads, thousands of small requests, WebSocket, server-sent events, a browser, HAProxy as the
gateway behind Weir; IPv4 and IPv6. Every byte that comes out is the same, or it is a fault. HTTP/2 in clear text
is refused, as documented. Prints one table and ends with 1 if anything differs from what it should; 77, with a
sentence, where namespaces or queues are not to be had.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import live
from lab import servers, wire

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIVE, HTTP2, QUEUES = 9200, 8090, "7-8"
NOISE = 1 << 20

LOCATIONS = f"""
    location /live/ {{
      proxy_pass http://127.0.0.1:{LIVE}/;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_read_timeout 60s;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      client_max_body_size 0;
    }}
"""
MORE = f"""
  keepalive_requests 100000;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen {HTTP2} http2;
    listen [::]:{HTTP2} http2;
    location / {{ return 200 "over $server_protocol\\n"; }}
  }}
"""
APACHE = f"ProxyPass /live/ http://127.0.0.1:{LIVE}/ flushpackets=on\n"

# As crs-setup.conf says it (900220): CRS refuses other content types.
PARTIAL = """\
SecRequestBodyLimitAction ProcessPartial
SecAction "id:900220,phase:1,nolog,pass,t:none,\
  setvar:'tx.allowed_request_content_type=|multipart/form-data| |application/octet-stream|'"
"""

PAGE = """<!doctype html><html><head><meta charset=utf-8><title>lab</title><link rel=stylesheet href=page.css></head><body>
<h1>Wehr &amp; Weir</h1><p id=script></p><p id=image></p><p id=form></p>
<img src=red.png alt=red><img src=noise.png alt=noise><img src=drawing.svg alt=drawing width=80>
<form method=post action=/live/form target=answer><input name=user value="Ada Lovelace"><input name=city value="Zürich">
<textarea name=text>the first programmer, they say</textarea><input type=submit></form>
<iframe name=answer id=answer></iframe><script src=full.js></script></body></html>
"""
STYLE = "body { color: #224; font-family: sans-serif; background: #eef } img { margin: 4px; border: 1px solid #668 }\n"
DRAWING = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><circle cx="10" cy="10" r="8" fill="teal"/>'
           '<path d="M2 18 L18 2" stroke="white"/></svg>\n')
SCRIPT = """
const say = (id, text) => { document.getElementById(id).textContent = text; };
addEventListener('load', async () => {
  say('image', [...document.images].map(i => i.alt + ' ' + i.naturalWidth + 'x' + i.naturalHeight).join(', '));
  const r = await fetch('/app/echo', {method: 'POST', headers: {'Content-Type': 'application/json'},
                                      body: JSON.stringify({name: 'weir', list: [1, 2, 3]})});
  say('script', r.status + ' ' + await r.text());
  const frame = document.getElementById('answer');
  frame.addEventListener('load', () => { say('form', frame.contentDocument.body.innerText); document.title = 'complete'; });
  document.forms[0].submit();
});
"""


def png(width, height, pixel):
    """A picture in RGB, from a function of x and y."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def make_site(site, mib):
    """The lab's site, and a browser's page, something incompressible for ranges, and one large file."""
    servers.make_site(site)
    dice = random.Random(7)
    (site / "noise.bin").write_bytes(dice.randbytes(NOISE))
    (site / "page.html").write_text(PAGE, encoding="utf-8")
    (site / "page.css").write_text(STYLE)
    (site / "full.js").write_text(SCRIPT)
    (site / "drawing.svg").write_text(DRAWING)
    (site / "red.png").write_bytes(png(40, 30, lambda x, y: (200, 20, 20)))
    (site / "noise.png").write_bytes(png(160, 120, lambda x, y: dice.randbytes(3)))
    whole = hashlib.sha256()
    with (site / "large.bin").open("wb") as out:
        for _ in range(mib):
            piece = dice.randbytes(1 << 20)
            whole.update(piece)
            out.write(piece)
    for path in site.iterdir():
        path.chmod(0o644)
    return whole.hexdigest()


class Course:
    """All the traffic, once; `cells`: {what: (what must be the same, what may differ)}, in order."""

    def __init__(self, lab, work, mib, seconds, large):
        self.lab, self.work, self.mib, self.seconds, self.large = lab, work, mib, seconds, large
        self.site = work / "site"
        self.cells = {}
        self.faults = []

    def address(self, family):
        return self.lab.server4 if family == "IPv4" else self.lab.server6

    def url(self, server, family, path):
        port = {"live": LIVE, "http2": HTTP2}.get(server) or servers.PORTS[server]
        return live.url(self.address(family), port, path)

    def client(self, *words, timeout=900):
        return self.lab.run("client", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)

    def note(self, what, same, figures="", good=True):
        self.cells[what] = (same, figures)
        if not good:
            self.faults.append(f"{what}: {same}")

    def run(self):
        for server, family in (("nginx", "IPv4"), ("apache", "IPv6"), ("haproxy", "IPv4")):
            self.small(server, family)
        self.tools()
        for server, family in (("nginx", "IPv4"), ("haproxy", "IPv6")):
            self.browser(server, family)
        for server, family in (("live", "IPv4"), ("nginx", "IPv6"), ("haproxy", "IPv4")):
            self.first_event(server, family)
        self.long_lived()
        self.http2()
        for server, family in (("nginx", "IPv4"), ("apache", "IPv6")):
            self.down(server, family)
            self.up(server, family, form=server == "apache")

    def speed(self, begin):
        return f"{self.mib / (time.monotonic() - begin):.0f} MiB/s"

    def down(self, server, family):
        begin = time.monotonic()
        got = self.client("bash", "-o", "pipefail", "-c", 'curl -sS -m 800 "$0" | sha256sum', self.url(server, family, "/large.bin"))
        said = got.stdout.split()[0] if got.returncode == 0 else got.stderr.strip()
        self.note(f"{self.mib} MiB down, {server}, {family}", said, self.speed(begin), said == self.large)

    def up(self, server, family, form):
        begin = time.monotonic()
        file = str(self.site / "large.bin")
        body = (["-F", f"photo=@{file};type=application/octet-stream"] if form else
                ["-X", "POST", "-H", "Content-Type: application/octet-stream", "-T", file])
        got = self.client("curl", "-sS", "-m", "800", "-H", "Host: lab.test", *body, self.url(server, family, "/live/sink"))
        good = got.stdout.strip() == f"{self.large} {self.mib << 20}"
        said = got.stdout.split()[0] if good else " ".join((got.stdout + got.stderr).split())[:120] or "nothing"
        self.note(f"{self.mib} MiB up{' in a form' if form else ''}, {server}, {family}", said, self.speed(begin), good)

    def speak(self, kind, server, family, *words):
        """live_client.py; a dictionary of what must be the same, and figures."""
        port = LIVE if server == "live" else servers.PORTS[server]
        done = self.client(sys.executable, str(HERE / "lab/live_client.py"), kind, self.address(family), str(port), *map(str, words))
        said = json.loads(done.stdout) if done.returncode == 0 else {"same": {"problem": done.stderr[-200:]}, "figures": {}}
        return said["same"], ", ".join(f"{name} {value}" for name, value in said["figures"].items())

    @staticmethod
    def flat(same):
        return ", ".join(f"{name} {str(value)[:12] if name == 'digest' else value}" for name, value in same.items())

    def small(self, server, family):
        same, figures = self.speak("requests", server, family, self.site / "noise.bin", 10000)
        self.note(f"10,000 requests, each answer held to the file, {server}, {family}", self.flat(same), figures, same.get("wrong") == 0)

    def tools(self):
        for server, family in (("nginx", "IPv6"), ("apache", "IPv4"), ("haproxy", "IPv6")):
            out = self.client("ab", "-q", "-k", "-n", "10000", "-c", "16", "-H", "Host: lab.test", self.url(server, family, "/small.txt")).stdout
            field = lambda name: (re.search(rf"{name}: +([\d.]+)", out) or ["", "?"])[1]
            said = f"complete {field('Complete requests')}, failed {field('Failed requests')}, octets {field('HTML transferred')}"
            if "Non-2xx" in out:
                said += f", refused {field('Non-2xx responses')}"
            self.note(f"ab, 10,000 over 16 connections, {server}, {family}", said, f"{field('Requests per second')} per second",
                      said == "complete 10000, failed 0, octets 60000")
        for family in ("IPv4", "IPv6"):
            out = self.client("wrk", "-t1", "-c32", "-d5", "--latency", "-H", "Host: lab.test", self.url("nginx", family, "/small.txt")).stdout
            errors = re.findall(r"(?:Socket errors|Non-2xx).*", out)
            count = int((re.search(r"(\d+) requests in", out) or ["", "0"])[1])
            p99 = (re.search(r"99%\s+(\S+)", out) or ["", "?"])[1]
            self.note(f"wrk, 32 connections for 5 s, nginx, {family}", "no error" if not errors else "; ".join(errors),
                      f"{count} requests, p99 {p99}", not errors and count > 1000)

    def chromium(self, address, *words):
        with tempfile.TemporaryDirectory(prefix="weir-browser-") as profile:
            return self.client("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                               "--disable-background-networking", "--disable-component-update", "--disable-sync",
                               "--disable-dev-shm-usage", f"--user-data-dir={profile}", "--virtual-time-budget=20000",
                               "--window-size=800,600", *words, address, timeout=120)

    def browser(self, server, family):
        address = self.url(server, family, "/page.html")
        begin = time.monotonic()
        page = self.chromium(address, "--dump-dom").stdout
        took = f"{time.monotonic() - begin:.1f} s"
        whole = all(part in page for part in ("<title>complete</title>", "noise 160x120", "red 40x30", "Ada Lovelace", "Zürich",
                                              '200 {"name":"weir"', "user: Ada"))
        self.note(f"Chromium, page's DOM, {server}, {family}", f"sha256 {hashlib.sha256(page.encode()).hexdigest()[:12]}, {len(page)} octets"
                  + ("" if whole else ", not complete"), took, whole)
        (self.work / "last-page.html").write_text(page)
        shot = self.work / "shot.png"
        shot.unlink(missing_ok=True)
        self.chromium(address, f"--screenshot={shot}")
        picture = shot.read_bytes() if shot.exists() else b""
        self.note(f"Chromium, screenshot, {server}, {family}", f"sha256 {hashlib.sha256(picture).hexdigest()[:12]}", f"{len(picture)} octets",
                  len(picture) > 5000)

    def path(self, server, name):
        return f"/{name}" if server == "live" else f"/live/{name}"

    def first_event(self, server, family):
        same, figures = self.speak("first", server, family, self.path(server, "events"), 15)
        most = float((re.search(r"median ms ([\d.]+)", figures) or ["", "1e9"])[1])
        # The next event comes after 3 s: whoever holds the first until then is far beyond this.
        self.note(f"first server-sent event, {server}, {family}", self.flat(same), figures, same.get("events") == 15 and most < 500)

    def long_lived(self):
        """Everything that lasts, side by side."""
        ways = [(server, family) for server in ("live", "nginx", "haproxy") for family in ("IPv4", "IPv6")]
        count = self.seconds * 5
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            sockets = [pool.submit(self.speak, "websocket", *way, self.path(way[0], "ws"), self.seconds * 2 // 3) for way in ways]
            streams = [pool.submit(self.speak, "events", *way, self.path(way[0], "events"), count, 200) for way in ways]
            for (server, family), job in zip(ways, sockets):
                same, figures = job.result()
                self.note(f"WebSocket, {self.seconds * 2 // 3} s idle between, {server}, {family}", self.flat(same), figures,
                          same.get("wrong") == 0 and same.get("frames") == 29)
            for (server, family), job in zip(ways, streams):
                same, figures = job.result()
                self.note(f"server-sent events for {self.seconds} s, {server}, {family}", self.flat(same), figures, same.get("events") == count)

    def http2(self):
        for family in ("IPv4", "IPv6"):
            got = self.client("curl", "-sS", "-m", "10", "--http2-prior-knowledge", self.url("http2", family, "/"))
            self.note(f"HTTP/2 in clear text, {family}", got.stdout.strip() if got.returncode == 0 else f"refused, curl says {got.returncode}")


class Place:
    """One place in the wire, without Weir and with it."""

    def __init__(self, weir, place, mib, seconds):
        self.weir, self.place, self.mib, self.seconds = weir, place, mib, seconds
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="weir-clean-"))
        self.work.chmod(0o755)
        self.faults = []

    def configuration(self, pins):
        # A body beyond what rules look at is refused by default; here the rest of it passes. What is no file of a
        # form has a lower limit, which would still refuse it.
        (self.work / "partial.conf").write_text(PARTIAL)
        return (f"mode: block\ncache: {ROOT}/build/rule-cache\nstats_interval: 1s\nrelease: {{responses: true, requests: true}}\n"
                f"inputs: {{nfqueue: {{queues: {QUEUES}{pins.input()}}}}}\n"
                "sites: [{name: uploads, paths: [/live/sink], bodies: {request_without_files: 16MiB},\n"
                "  rules: [partial.conf, /usr/share/modsecurity-crs/owasp-crs.load]}]\n")

    def run(self):
        try:
            large = make_site(self.work / "site", self.mib)
            with wire.Pins(self.work) as pins, wire.WireLab(self.place) as lab:
                self.serve(lab)
                course = lambda: Course(lab, self.work, self.mib, self.seconds, large)
                without = course()
                without.run()
                lab.firewall("up", self.place, "--queues", QUEUES)
                running = wire.Weir(lab, self.weir, self.work, self.configuration(pins))
                if pins.directory:
                    lab.firewall("uploads", pins.directory)
                within = course()
                within.run()
                running.stop()
                self.faults += [f"without Weir: {f}" for f in without.faults] + [f"with Weir: {f}" for f in within.faults]
                self.report(without.cells, within.cells)
                self.judge_records(live.records(running.events))
        finally:
            if os.environ.get("WEIR_LIVE_KEEP"):
                (self.work / "site/large.bin").unlink(missing_ok=True)
                print(f"kept: {self.work}")
            else:
                shutil.rmtree(self.work, ignore_errors=True)

    def serve(self, lab):
        site = self.work / "site"
        servers.start_backend(lab)
        lab.start("server", sys.executable, str(HERE / "lab/live_server.py"), str(LIVE), stderr=subprocess.DEVNULL)
        servers.wait_for(lab, "127.0.0.1", LIVE)
        servers.start_nginx(lab, self.work, site, LOCATIONS, MORE)
        servers.start_apache(lab, self.work, site, more=APACHE)
        servers.start_haproxy(lab, self.work, "option http-no-delay")

    def report(self, without, within):
        print(f"\n### {self.place}\n\n| What | Without Weir | With Weir | |\n|---|---|---|---|")
        for what, (same, figures) in without.items():
            other, others = within[what]
            word = "the same" if same == other else "differs"
            if what.startswith("HTTP/2"):
                word = "as documented" if (same, other[:7]) == ("over HTTP/2.0", "refused") else "NOT AS DOCUMENTED"
            if word in ("differs", "NOT AS DOCUMENTED"):
                self.faults.append(f"{what}: {same} without, {other} with")
            short = lambda text: text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text
            cell = lambda text, more: f"{short(text)} ({more})" if more else short(text)
            print(f"| {what} | {cell(same, figures)} | {cell(other, others)} | {word} |")
        sys.stdout.flush()

    def judge_records(self, records):
        """Nothing but HTTP/2 was refused, and nothing was lost on the way."""
        http = [r for r in records if r["event_type"] == "http"]
        drops = collections.Counter((r["drop"]["reason"], r["drop"].get("detail", "-"), r.get("dest_port") == HTTP2 or r.get("src_port") == HTTP2)
                                    for r in records if r["event_type"] == "drop")
        odd = collections.Counter((r["anomaly"]["type"], r["anomaly"]["event"], r["anomaly"].get("action", "-"))
                                  for r in records if r["event_type"] == "anomaly")
        rules = collections.Counter(rule["id"] for r in http for rule in r["waf"]["rules"])
        decisions = collections.Counter(r["waf"]["decision"] for r in http)
        violations = collections.Counter(v for r in http for v in r["waf"]["violations"])
        stats = [r["stats"] for r in records if r["event_type"] == "stats"][-1]
        print(f"\n{len(http)} transactions, decisions {dict(decisions)}, rules logged {dict(rules)}, violations {dict(violations)}")
        print(f"dropped {dict(drops)}\nodd {dict(odd)}\nlost {stats['port'].get('lost')}, events lost {stats['events'].get('lost')}")
        if set(decisions) != {"pass"}:
            self.faults.append(f"decisions {dict(decisions)}")
        # A browser or client that leaves early resets; what is still under way to it then is for nobody.
        if any(not over_http2 and detail != "after-reset" for _, detail, over_http2 in drops):
            self.faults.append(f"drops {dict(drops)}")
        if not any(event == "http2" and action == "reset" for _, event, action in odd):
            self.faults.append("no record says that HTTP/2 was refused")
        if stats["port"].get("lost"):
            self.faults.append(f"{stats['port']['lost']} packets lost before Weir")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weir", type=pathlib.Path)
    parser.add_argument("places", nargs="*")
    parser.add_argument("--mib", type=int, default=2048)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    live.look_around()
    for tool in ("chromium", "apache2", "sha256sum"):
        if shutil.which(tool) is None:
            live.skip(f"{tool} is not installed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed then, too
    faults = []
    for place in options.places or ("routed", "bridged"):
        one = Place(options.weir.resolve(), place, options.mib, options.seconds)
        one.run()
        faults += [f"{place}: {fault}" for fault in one.faults]
    print("\n" + ("\n".join(["what is wrong:", *faults]) if faults else "nothing differs"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
