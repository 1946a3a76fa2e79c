#!/usr/bin/env python3
"""What goes wrong with `weir run` under load, and whether it goes as docs/OPERATIONS.md says.

  chaos.py WEIR [WHAT...]      WHAT: kill, stop, reload, disk, flows, half-open, handshake, buffers, transactions,
                               transaction-memory, memory, kills, reloads, restart, replace, keep, poison, poison-passed, rehearse-CAUSE (all, if
                               none), million (only if named)

WEIR_CHAOS_TIMES says how often kills and reloads happen (20), WEIR_CHAOS_CROWD how many connections are open while workers are
killed (500), WEIR_CHAOS_SECONDS how long memory is pressed (30) or SYNs come at the full rate (60), WEIR_CHAOS_MEMORY what
limits.memory is then, in MiB (640), WEIR_CHAOS_MILLION how many connections of each kind there are (1000000). WEIR_CHAOS_EXPLAIN: what is known of each clean
request that failed is printed.

Each once with `on_failure: closed` and once with `open` (WEIR_CHAOS_ON_FAILURE: only that one), in a routed lab with wrk, clean requests
and attacks all the while. Prints a table: what wrk saw, how long traffic stood still, which attacks completed, what was counted. Ends
with 1 where the named policy says otherwise; 77, with a sentence, where namespaces or queues are not to be had.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import live
from lab import servers, wire
from lab import chaos_crowds
from lab.chaos_scenarios import EVENT_AT, QUEUES, WITNESS, Flows, Rehearsal
from lab.chaos_scenarios import SCENARIOS as OTHERS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCENARIOS = {**OTHERS, **chaos_crowds.SCENARIOS}


def answered(record):
    return record["event_type"] == "http" and record["waf"]["decision"] == "pass" and record["http"].get("status") == 200


class Run:
    """One scenario with one position of the switch."""

    def __init__(self, weir, kind, is_open):
        self.program, self.open = weir, is_open
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="weir-chaos-"))
        self.work.chmod(0o755)
        self.events = None
        self.stats, self.broken_lines = {}, 0
        self.told = []  # of connections on which clean requests failed
        self.scenario = kind(self)
        self.book = self.work / "book"

    def configuration(self):
        return (f"mode: block\nmidstream_grace: {self.scenario.grace}\non_failure: {'open' if self.open else 'closed'}\ncache: {ROOT}/build/rule-cache\nstats_interval: 1s\n"
                f"watchdog: {self.scenario.watchdog}s\ninputs: {{nfqueue: {{queues: {QUEUES}}}}}\n" + self.scenario.more)

    def run(self):
        try:
            self.scenario.prepare()
            with wire.WireLab("routed") as self.lab:
                self.serve()
                self.scenario.insert()
                self.weir = wire.Weir(self.lab, self.program, self.work, self.configuration(), events=self.events, told=self.scenario.told_of)
                self.load()
                self.scenario.after()
                self.weir.stop()
                self.read_events()
        finally:
            if hasattr(self.scenario, "remove"):
                self.scenario.remove()
            if os.environ.get("WEIR_LIVE_KEEP"):
                print(f"kept: {self.work}")
            else:
                shutil.rmtree(self.work, ignore_errors=True)

    def serve(self):
        site = self.work / "site"
        servers.make_site(site)
        (site / "noise.bin").write_bytes(os.urandom(1 << 20))
        servers.start_nginx(self.lab, self.work, site)
        self.lab.start("server", sys.executable, str(HERE / "lab/witness.py"), str(WITNESS), str(self.book), stderr=subprocess.DEVNULL)
        servers.wait_for(self.lab, "127.0.0.1", WITNESS)

    def load(self):
        nginx = servers.PORTS["nginx"]
        self.scenario.begin()
        load = self.lab.start("client", "wrk", "-t1", f"-c{self.scenario.connections}", f"-d{self.scenario.seconds}", "--timeout", "2s", "-H", "Host: lab.test",
                              live.url(self.lab.server4, nginx, self.scenario.path), stdout=subprocess.PIPE, text=True)
        self.end = time.monotonic() + self.scenario.seconds
        probe = self.lab.start("client", sys.executable, str(HERE / "lab/chaos_client.py"), self.lab.server4, str(nginx), str(WITNESS),
                               str(self.scenario.seconds), stdout=subprocess.PIPE, text=True)
        time.sleep(EVENT_AT)
        self.happened = time.monotonic()
        self.scenario.happen()
        said = load.communicate(timeout=60 + self.scenario.seconds)[0]
        self.probe = json.loads(probe.communicate(timeout=60 + self.scenario.seconds)[0])
        for process in (load, probe):
            self.lab.processes.remove(process)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        self.wrk = {"requests": int((re.search(r"(\d+) requests in", said) or ["", "0"])[1]),
                    "errors": dict(zip(("connect", "read", "write", "timeout"), map(int, errors.groups()))) if errors else {},
                    "refused": int(refused[1]) if refused else 0}
        self.completed = len([line for line in self.book.read_text().splitlines() if "UNION" in line])

    def gap(self):
        """Seconds for which neither of the two clean askers had an answer, from when it happened on."""
        when = sorted(t for asker in ("kept", "new") for t, status in self.probe[asker]["answers"] if status == 200)
        marks = [self.happened] + [t for t in when if t >= self.happened]
        marks.append(max(self.end, marks[-1]))
        return max((b - a for a, b in zip(marks, marks[1:])), default=float("inf"))

    def failed(self):
        """Clean requests that found no answer."""
        return [{"asker": asker, **failure} for asker in ("kept", "new") for failure in self.probe[asker]["failures"]]

    def read_events(self):
        ports = {failure["port"] for failure in self.failed()}
        with self.weir.events.open() as lines:  # some gigabytes, after a thousand reloads
            for line in lines:
                try:
                    record = json.loads(line, object_pairs_hook=live.members)
                except ValueError:
                    self.broken_lines += 1
                    continue
                if record["event_type"] == "stats":
                    self.stats = record["stats"]
                elif record.get("src_port") in ports and record.get("src_ip") == self.lab.client4 and not answered(record):
                    self.told.append(record)

    def count(self, name):
        found = self.stats
        for part in name.split("."):
            found = found.get(part, {})
        return found or 0

    def passes(self):
        """A cause that passes in either position was rehearsed."""
        return isinstance(self.scenario, Rehearsal) and self.count(f"failure.{self.scenario.cause}.pass")

    def faults(self):
        """What the scenario says, and what holds for all."""
        yield from self.scenario.judge()
        if not self.open and self.completed and not self.passes():
            yield f"closed, and {self.completed} attacks completed"
        refused = [t for t, status in self.probe["attack"]["answers"] if status == 403]
        if not refused:
            yield "no attack was refused"
        elif not self.open and not isinstance(self.scenario, (Flows, Rehearsal)) and self.probe["attack"]["answers"][-1][1] != 403:
            yield "attacks are no longer refused at the end"

    def row(self):
        probe = lambda name: f"{len(self.probe[name]['answers'])}/{len(self.probe[name]['failures'])}"
        errors = ", ".join(f"{name} {n}" for name, n in self.wrk["errors"].items() if n) or "none"
        counters = [f"{cause}.{action} {n}" for cause, actions in self.stats.get("failure", {}).items() for action, n in actions.items()]
        counters += [f"{name} {self.count(name)}" for name in ("worker.restarts", "worker.stuck", "reload.done", "events.lost", "port.lost", "http.evicted",
                                                                 "tcp.half_open_evicted", "tcp.flows_evicted", "tcp.stalled_evicted")
                     if self.count(name)]
        if self.scenario.said():
            counters.append(self.scenario.said())
        refused = sum(status == 403 for _, status in self.probe["attack"]["answers"])
        return (f"| {self.scenario.name} | {'open' if self.open else 'closed'} | {self.wrk['requests']} | {errors} | {probe('kept')} | {probe('new')} "
                f"| {self.gap():.2f} | {refused} / {self.completed} | {', '.join(counters) or 'none'} |")

    def explain(self):
        """What is known of each clean request that failed: by its client, and by Weir's records of that port (of another time, perhaps)."""
        for asker in ("kept", "new"):
            print(f"slowest answers, {asker}: {sorted(self.probe[asker]['took'])[-5:]} s")
        for failure in self.failed():
            print(f"{failure['at'] - self.happened:+.2f} s: {failure}")
            for record in self.told:
                if record["src_port"] == failure["port"]:
                    print(f"    {json.dumps(record)}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    live.look_around()
    weir = pathlib.Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or [name for name in SCENARIOS if name != "million"]
    faults, only = [], os.environ.get("WEIR_CHAOS_ON_FAILURE")
    print("| What | on_failure | wrk: answers | wrk: errors | kept connection: answers/failures | new connections: the same | longest pause, s "
          "| attacks refused / completed | counted |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in names:
        for is_open in (False, True) if only is None else (only == "open",):
            one = Run(weir, SCENARIOS[name], is_open)
            one.run()
            print(one.row(), flush=True)
            if os.environ.get("WEIR_CHAOS_EXPLAIN"):
                one.explain()
            faults += [f"{name}, {'open' if is_open else 'closed'}: {fault}" for fault in one.faults()]
    print("\nThe policies (docs/OPERATIONS.md):")
    for name in names:
        print(f"* {SCENARIOS[name].name}: {SCENARIOS[name].policy}")
    print("\n" + ("\n".join(["what is wrong:", *faults]) if faults else "all as the policies say"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
