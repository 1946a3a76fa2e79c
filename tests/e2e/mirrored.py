#!/usr/bin/env python3
"""The same traffic in the wire, on a `tc mirred` copy of it, and in a capture of that copy: the same alerts.

  mirrored.py WEIR [--small] [--mode detect|block] [--crs FOLDER] [--suite FOLDER]...

`weir run` stands between clients and servers; a second one listens on the copy, and tcpdump does; `weir inspect` then
reads what it wrote, passive and --inline. Compared is, for each transaction of each connection, which rules matched, in
order, and both scores. With mode block Weir ends connections: what went before must be the same, and of what it refused
the rules must be a part of what the others found; but for requests that it refused for their framing, of which it judges
what was there, and the others what a server may make of the whole: there the violations must be a part.

The traffic: clean (lab/clean_traffic.py), hand-made attacks one by one, many on a connection, and in chunks, and the
requests of CRS regression suites (--suite), over IPv4 and IPv6, from several addresses, so that all workers have
their share. --small: a part of it, for continuous integration. Exit status 77, with a sentence, where namespaces or
queues are not to be had.
"""
import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import live
from lab import attack_traffic, clean_traffic, ftw, servers, wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUEUES = "4-7"
ADDRESSES = 6
SHOWN = 20

Found = collections.namedtuple("Found", "rules inbound outbound decision facts")


def transactions(records):
    """{(client, port, server, port, n-th connection of these, number of the transaction): Found}."""
    flows = collections.defaultdict(list)
    for r in records:
        if r["event_type"] == "http":
            flows[(r["src_ip"], r["src_port"], r["dest_ip"], r["dest_port"]), r["flow_id"]].append(r)
    begun = collections.defaultdict(list)
    for (ends, flow), group in flows.items():
        begun[ends].append((min(r["timestamp"] for r in group), flow))
    out = {}
    for ends, those in begun.items():
        for n, (_, flow) in enumerate(sorted(those)):
            for r in flows[ends, flow]:
                waf = r["waf"]
                facts = {"url": r["http"].get("url"), "status": r["http"].get("status"), "violations": waf["violations"],
                         "truncated": waf["truncated"]}
                out[(*ends, n, r["tx_id"])] = Found(tuple(rule["id"] for rule in waf["rules"]), waf["score"]["inbound"],
                                                   waf["score"]["outbound"], waf["decision"], facts)
    return out


class Traffic:
    """What is sent, in parts that are sent side by side."""

    def __init__(self, lab, work, args):
        self.lab, self.work, self.args = lab, work, args
        self.parts, self.labels = [], {}
        singles = attack_traffic.handmade()[::9 if args.small else 1]
        backend, nginx = servers.PORTS["backend"], servers.PORTS["nginx"]
        messages = [m for _, connection in singles for m in connection]
        self.add(4, nginx, singles)
        self.add(6, backend, singles)
        rows = [(f"row-{i}", messages[i:i + 12]) for i in range(0, len(messages), 12)]
        self.add(6, nginx, rows)
        bodies = [m for m in messages if m.partition(b"\r\n\r\n")[2]]
        pieces = [attack_traffic.chunked(m, 1 + i * 7 % 50) for i, m in enumerate(bodies)]
        self.add(4, backend, [(f"chunked-{i}", pieces[i:i + 5]) for i in range(0, len(pieces), 5)])
        for n, suite in enumerate(args.suite):
            stages = [(f"{name}/{stage}", [request]) for name, stage, request, _ in ftw.stages(suite)]
            self.add(4 if n % 2 == 0 else 6, backend, stages)
            self.add(6 if n % 2 == 0 else 4, nginx, stages[::3])

    def add(self, family, port, connections):
        """Spread over the client's addresses."""
        host, sources = (self.lab.server4, self.lab.clients4) if family == 4 else (self.lab.server6, self.lab.clients6)
        for i, source in enumerate(sources):
            share = connections[i::len(sources)]
            if share:
                self.parts.append((host, port, share, source))

    def send(self):
        """Returns how many connections the hand-made part had; the clean one is besides."""
        problems, lists = [], collections.defaultdict(list)
        for part in self.parts:  # one address's parts one after the other: ports are not shared
            lists[part[3]].append(part)

        def play(parts):
            first = 10_000
            for host, port, connections, source in parts:
                try:
                    ports = attack_traffic.send(self.lab, host, port, connections, first_port=first, timeout=3000, source=source, patience=3)
                    first = max(ports, default=first) + 1
                    self.labels.update({(source, own): label for own, label in ports.items()})
                except (OSError, RuntimeError, subprocess.SubprocessError) as problem:
                    problems.append(problem)

        threads = [threading.Thread(target=play, args=(parts,)) for parts in lists.values()]
        for thread in threads:
            thread.start()
        if not self.args.small:
            clean_traffic.send(self.lab, self.work, browser=shutil.which("chromium") is not None)
        for thread in threads:
            thread.join()
        if problems:
            raise problems[0]
        return sum(len(part[2]) for part in self.parts)


class Run:
    def __init__(self, weir, args):
        self.weir, self.args = weir, args
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="weir-mirrored-"))
        self.work.chmod(0o755)

    def policy(self, mode):
        rules = f"rules: [{self.args.crs}]\n" if self.args.crs else ""
        level = 1 if self.args.small else 4
        return f"mode: {mode}\n{rules}paranoia: {level}\ncache: {ROOT}/build/rule-cache\nstats_interval: 1s\n"

    def play(self):
        with wire.SpanLab(ADDRESSES) as lab:
            site = self.work / "site"
            servers.make_site(site)
            servers.start_backend(lab, "::")
            servers.start_nginx(lab, self.work, site)
            if not self.args.small:
                servers.start_apache(lab, self.work, site)
                servers.start_haproxy(lab, self.work)
            lab.firewall("up", "routed", "--queues", QUEUES)
            inline = wire.Weir(lab, self.weir, self.work, self.policy(self.args.mode) + f"inputs: {{nfqueue: {{queues: {QUEUES}}}}}\n")
            mirror = wire.Weir(lab, self.weir, self.work, self.policy("detect") +
                               f"inputs: {{mirror: {{interfaces: [{lab.span}], workers: 3, buffer: 128MiB}}}}\n", "mirror", where="monitor")
            capture = servers.Capture(lab, self.work / "mirrored.pcap", interface=lab.span, where="monitor")
            traffic = Traffic(lab, self.work, self.args)
            self.connections = traffic.send()
            self.labels = traffic.labels
            time.sleep(1)
            capture.stop()
            mirror.stop()
            inline.stop()
        self.compared = {"weir run in the wire": live.records(inline.events), "weir run on the mirror": live.records(mirror.events)}
        for name, more in (("weir inspect", ()), ("weir inspect --inline", ("--inline",))):
            self.compared[name] = self.inspect(*more)

    def inspect(self, *more):
        """With mode detect, whatever the one in the wire did."""
        done = subprocess.run([str(self.weir), "inspect", "--format", "jsonl", "-c", str(self.work / "mirror.yaml"), "--workers", "2", *more,
                               str(self.work / "mirrored.pcap")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"weir inspect ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def stats(self, name, *path):
        found = [r for r in self.compared[name] if r["event_type"] == "stats"][-1]["stats"]
        for part in path:
            found = found.get(part, {})
        return found or 0

    def same(self, wire_one, other):
        """What the two found is the same, as far as the one in the wire let it come."""
        if wire_one[:3] == other[:3]:
            return True
        if self.args.mode != "block" or wire_one.decision == "pass":
            return False
        if wire_one.facts["violations"]:
            self.framing += 1
            return set(wire_one.facts["violations"]) <= set(other.facts["violations"])
        return other.decision != "pass" and set(wire_one.rules) <= set(other.rules)

    def compare(self, name, reference, found):
        """[(key, what the wire had, what the other had)] of those that differ."""
        differ, self.framing = [], 0
        for key in sorted(set(reference) | set(found), key=str):
            a, b = reference.get(key), found.get(key)
            if a is None and self.args.mode == "block" and self.behind_a_refusal(key, reference):
                continue
            if a is None or b is None or not self.same(a, b):
                differ.append((key, a, b))
        print(f"{name}: {len(found)} transactions, {sum(bool(f.rules) for f in found.values())} with alerts, {len(differ)} differ"
              + (f", {self.framing} refused in the wire for their framing" if self.framing else ""), flush=True)
        for key, a, b in differ[:SHOWN]:
            print(f"  {self.labels.get(key[:2], '')} {key}\n    in the wire: {a}\n    {name}: {b}")
        return differ

    @staticmethod
    def behind_a_refusal(key, reference):
        """Weir had refused an earlier one of the connection: this one it never judged."""
        return any(reference[(*key[:5], n)].decision != "pass" for n in range(key[5]) if (*key[:5], n) in reference)

    def faults(self):
        reference = transactions(self.compared["weir run in the wire"])
        alerts = collections.Counter(rule for found in reference.values() for rule in found.rules)
        v6 = sum(":" in key[0] for key in reference)
        print(f"{self.connections} connections of ours and {len(reference) and len({key[:5] for key in reference})} in all, {len(reference)} transactions in the wire ({v6} over IPv6, "
              f"{sum(key[5] > 0 for key in reference)} not the first of their connection), {sum(bool(f.rules) for f in reference.values())} with alerts, "
              f"{sum(f.decision != 'pass' for f in reference.values())} refused or would be, {sum(alerts.values())} alerts of {len(alerts)} rules; "
              f"with HTTP violations {sum(bool(f.facts['violations']) for f in reference.values())}", flush=True)
        for name, path in (("weir run in the wire", ("port", "lost")), ("weir run on the mirror", ("port", "lost")), ("weir run on the mirror", ("tcp", "gaps"))):
            if self.stats(name, *path):
                yield f"{name}: {'.'.join(path)} is {self.stats(name, *path)}: nothing can be compared"
        shares = collections.Counter(r.get("in_iface") for r in self.compared["weir run in the wire"] if r["event_type"] == "http")
        print(f"workers in the wire: {dict(shares)}")
        if len(shares) < 2:
            yield f"only {len(shares)} worker had something to judge"
        if len(reference) < (200 if self.args.small else 2000):
            yield f"only {len(reference)} transactions"
        if not any(f.decision == "deny" for f in reference.values()):
            yield "nothing was or would be refused"
        for name, records in self.compared.items():
            if name != "weir run in the wire" and self.compare(name, reference, transactions(records)):
                yield f"{name} differs"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weir", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--mode", choices=("detect", "block"), default="detect")
    parser.add_argument("--crs", help="an unpacked CRS release; Debian's, if not given")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    live.look_around()
    run = Run(args.weir, args)
    try:
        run.play()
        faults = list(run.faults())
    except wire.NoMirror as problem:
        live.skip(str(problem))
    finally:
        if args.keep:
            print(f"kept: {run.work}")
        else:
            shutil.rmtree(run.work, ignore_errors=True)
    print("\n".join(["what is wrong:", *faults]) if faults else "the same everywhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
