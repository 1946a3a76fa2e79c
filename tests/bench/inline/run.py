#!/usr/bin/env python3
"""Measures what stands between a client and a server, alternately, and prints Markdown. See ../inline.sh.

  run.py BUILD WORK [--rounds N] [--quick] [--only NAME,…] [--nice N] [--crs DIRECTORY] [--suricata PROGRAM]
"""
import argparse
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lab import servers, wire  # noqa: E402

import signatures  # noqa: E402

QUEUE, SINK = 7, 9400
TICK = os.sysconf("SC_CLK_TCK")

TEXT = {
    "plain": "plain forwarding",
    "accept": "accept-all loop",
    "none": "Weir, no rules",
    "none-release": "Weir, no rules, `release.responses` and `.requests`",
    "crs": "Weir, {crs}",
    "crs-release": "Weir, {crs}, `release.responses` and `.requests`",
    "suricata": "Suricata 7, no rules",
    "suricata-rules": "Suricata 7, patterns of {crs}",
}
# Requests of any size and type, as for uploads; a body beyond the limit of the rules passes.
UPLOADS = """\
SecRequestBodyLimitAction ProcessPartial
SecAction "id:900220,phase:1,nolog,pass,t:none,\
  setvar:'tx.allowed_request_content_type=|application/octet-stream| |multipart/form-data|'"
"""
SINK_PROGRAM = r"""
import socket, sys, threading
def serve(s):
    room = bytearray(1 << 20)
    head = b""
    while True:
        while b"\r\n\r\n" not in head:
            got = s.recv(65536)
            if not got:
                return
            head += got
        top, rest = head.split(b"\r\n\r\n", 1)
        length = int([line for line in top.split(b"\r\n") if line.lower().startswith(b"content-length:")][0].split(b":")[1])
        left, head = length - len(rest), b""
        while left > 0:
            got = s.recv_into(room, min(left, len(room)))
            if got == 0:
                return
            left -= got
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n")
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class Middle:
    """What stands in the middle, from start to stop."""

    def __init__(self, bench, name):
        self.bench, self.name, self.weir, self.process, self.firewall = bench, name, None, None, False

    def __enter__(self):
        bench, lab = self.bench, self.bench.lab
        if self.name == "plain":
            return self
        self.firewall = True
        lab.firewall("up", "routed", "--queues", str(QUEUE), "--family", "4")
        if self.name == "accept":
            self.process = lab.start("weir", str(bench.build / "tests/support/accept_all"), str(QUEUE), stdout=subprocess.PIPE, text=True)
            self.process.stdout.readline()
        elif self.name.startswith("suricata"):
            self.start_suricata()
        else:
            rules = [str(bench.uploads), *bench.crs] if self.name.startswith("crs") else [str(bench.nothing)]
            releases = self.name.endswith("release")
            release = "release: {responses: true, requests: true}\n" if releases else ""
            self.weir = wire.Weir(lab, bench.build / "app/weir", bench.work, "mode: block\nbodies: {request_without_files: 16MiB}\ncpus: none\n" + release +
                                  f"cache: {bench.cache}\ninputs: {{nfqueue: {{queues: {QUEUE}{bench.pins.input()}}}}}\nrules: [{', '.join(rules)}]\n",
                                  self.name, events=pathlib.Path("/dev/null"))
            if releases and bench.pins.directory:
                lab.firewall("uploads", bench.pins.directory, "--family", "4")
        return self

    def start_suricata(self):
        bench = self.bench
        log = bench.work / self.name
        log.mkdir(exist_ok=True)
        rules = bench.signatures if self.name == "suricata-rules" else bench.no_signatures
        self.process = bench.lab.start("weir", bench.suricata, "-c", str(bench.suricata_yaml), "-S", str(rules), "-q", str(QUEUE), "-l", str(log),
                                       "--runmode", "workers", stdout=open(log / "out", "w"), stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while "Engine started" not in (log / "out").read_text():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("Suricata does not start: " + (log / "out").read_text()[-2000:])
            time.sleep(0.1)

    def cpu(self):
        """Seconds of processor time so far."""
        if self.name == "plain":
            return 0.0
        pids = [self.weir.process.pid, *self.weir.workers()] if self.weir else [self.process.pid]
        total = 0
        for pid in pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def __exit__(self, *_):
        if self.weir:
            self.weir.stop()
        elif self.process:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.bench.lab.processes.remove(self.process)
        if self.firewall:
            self.bench.lab.firewall("down", "--family", "4")


class Bench:
    def __init__(self, options, work):
        self.build, self.work = pathlib.Path(options.build).resolve(), work
        self.cache = pathlib.Path(options.work).resolve() / "cache"
        self.seconds, self.mib, self.uploads_mib = (2, 256, 128) if options.quick else (5, 1024, 512)
        self.transfers = options.transfers
        self.suricata = options.suricata
        self.crs = [options.crs] if options.crs else ["/usr/share/modsecurity-crs/owasp-crs.load"]
        self.crs_name = "CRS 4" if options.crs else "CRS 3.3.4"
        self.uploads, self.nothing = work / "uploads.conf", work / "nothing.conf"
        self.uploads.write_text(UPLOADS)
        self.nothing.write_text("SecRuleEngine On\nSecRequestBodyAccess Off\nSecRequestBodyLimitAction ProcessPartial\n")
        self.signatures, self.no_signatures = work / "crs.rules", work / "no.rules"
        self.no_signatures.write_text("")
        self.signature_count = 0
        if self.suricata:
            text, self.signature_count = signatures.from_crs(pathlib.Path(options.crs or "/usr/share/modsecurity-crs") / "rules")
            self.signatures.write_text(text)
            self.suricata_yaml = work / "suricata.yaml"
            self.suricata_yaml.write_text(signatures.CONFIGURATION.format(work=work))
        self.upload = work / "upload.bin"
        self.figures = {}

    def serve(self, lab):
        self.lab = lab
        site = self.work / "site"
        servers.make_site(site)
        noise = os.urandom(1 << 20)
        for path, mib in ((site / "large.bin", self.mib), (self.upload, self.uploads_mib)):
            with path.open("wb") as out:
                for _ in range(mib):
                    out.write(noise)
            path.chmod(0o644)
        servers.start_nginx(lab, self.work, site, more="keepalive_requests 1000000000; sendfile on; tcp_nopush on;")
        lab.start("server", sys.executable, "-c", SINK_PROGRAM, str(SINK))
        servers.wait_for(lab, "127.0.0.1", SINK)

    def client(self, *words):
        done = self.lab.run("client", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}{done.stdout}")
        return done.stdout

    def small(self):
        out = self.client("wrk", "-t1", "-c32", f"-d{self.seconds}", "--latency", "-H", "Host: lab.test", "-H", "User-Agent: Mozilla/5.0",
                          "-H", "Accept: */*", f"http://{self.lab.server4}:{servers.PORTS['nginx']}/small.txt")
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError(out)
        number, unit = re.search(r"99% +([\d.]+)(us|ms|s)", out).groups()
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        return float(re.search(r"Requests/sec: +([\d.]+)", out).group(1)), requests, float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]

    def transfer(self, size, *words):
        status, speed, octets = self.client("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total} %{size_download}", "-m", "240",
                                            *words).split()
        if status != "200":
            raise RuntimeError(f"{' '.join(words)}: {status}")
        return size / 1e6 / float(speed)

    def download(self):
        return self.transfer(self.mib << 20, "-H", "Host: lab.test", f"http://{self.lab.server4}:{servers.PORTS['nginx']}/large.bin")

    def upload_speed(self):
        return self.transfer(self.uploads_mib << 20, "-X", "POST", "-H", "Expect:", "-H", "Host: lab.test", "-H", "Content-Type: application/octet-stream", "-T",
                             str(self.upload), f"http://{self.lab.server4}:{SINK}/sink")

    def measure(self, name):
        with Middle(self, name) as middle:
            before = middle.cpu()
            rate, requests, p99 = self.small()
            self.add(name, "small", rate, (middle.cpu() - before) * 1e6 / requests, p99)
            for what, transfer, mib in (("download", self.download, self.mib), ("upload", self.upload_speed, self.uploads_mib)):
                before = middle.cpu()
                speed = statistics.median([transfer() for _ in range(self.transfers)])  # one takes half a second
                self.add(name, what, speed, (middle.cpu() - before) * 1e3 / (self.transfers * mib / 1024))

    def add(self, name, what, *values):
        self.figures.setdefault((name, what), []).append(values)
        print(f"  {name} {what}: " + " ".join(f"{v:.1f}" for v in values), file=sys.stderr)


def median(rows, column):
    return statistics.median(row[column] for row in rows)


def report(bench, names, rounds, load, priority):
    nice = f", all of the lab at nice {priority}" if priority else ""
    print(f"Medians of {rounds} rounds, alternately, one queue; {os.cpu_count()} processors, load {load}{nice}. A download of {bench.mib} MiB, an upload of "
          f"{bench.uploads_mib} MiB, small answers over 32 connections."
          + (f" Suricata's rules: {bench.signature_count} signatures." if "suricata-rules" in names else "") + "\n")
    print("| in the middle | requests/s | of accept-all | p99 ms | CPU µs a request | download MB/s | of accept-all | CPU ms a GiB | upload MB/s "
          "| of accept-all | CPU ms a GiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in names:
        cells = []
        for what in ("small", "download", "upload"):
            rows = bench.figures[(name, what)]
            base = bench.figures.get(("accept", what))
            ratio = f"{statistics.median(a[0] / b[0] for a, b in zip(rows, base)):.2f}" if base else "–"
            cpu = f"{median(rows, 1):.1f}" if what == "small" else f"{median(rows, 1):.0f}"
            cells += [f"{median(rows, 0):.0f}", ratio, *([f"{median(rows, 2):.2f}"] if what == "small" else []), cpu if name != "plain" else "–"]
        print(f"| {TEXT[name].format(crs=bench.crs_name)} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("work")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--transfers", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--crs")
    parser.add_argument("--suricata")
    options = parser.parse_args()
    if options.nice:
        os.nice(options.nice)
    names = options.only.split(",") if options.only else [n for n in TEXT if options.suricata or not n.startswith("suricata")]
    rounds = options.rounds or (2 if options.quick else 5)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as work:
        os.chmod(work, 0o755)
        bench = Bench(options, pathlib.Path(work))
        loads = []
        with wire.Pins(bench.work) as bench.pins, wire.WireLab("routed") as lab:
            bench.serve(lab)
            for number in range(rounds):
                print(f"round {number + 1}", file=sys.stderr)
                loads.append(os.getloadavg()[0])
                # Forwards and backwards in turn, that what drifts does so for all.
                for name in names if number % 2 == 0 else reversed(names):
                    bench.measure(name)
    report(bench, names, rounds, f"{min(loads):.1f} to {max(loads):.1f}, this included", options.nice)


if __name__ == "__main__":
    main()
