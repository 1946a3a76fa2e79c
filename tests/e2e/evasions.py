#!/usr/bin/env python3
"""A raw-packet attacker against real servers on a real kernel, behind Weir: evasion/ has the cases.

  evasions.py WEIR [--table] [--beside] [--only REGEX] [--keep]
  evasions.py --coverage      no traffic: is every requirement covered?

Each case is played three times: without Weir (would the server have taken the attack?), behind Weir with the shipped
firewall rules (connection tracking puts fragments together), and, but for HTTP, behind Weir with rules that need no
connection tracking (fragments come to Weir as they are). Behind Weir its harmless twin is played too and must be
answered, and what is a matter of HTTP once more in segments of 13 bytes. The servers write down every request that they complete: each must be one that Weir's events say it let
pass, word for word, and none may be an attack. --table writes docs/EVASIONS.md. --beside: another site on the same addresses only
detects, so that Weir knows at the end of a header section only what it may refuse. Exit status 77, with a sentence, where
namespaces or queues are not to be had.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from evasion import case as cases
from evasion import rows
from lab import evasion_lab, wire

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODULES = ("fragments", "handshake", "sequence", "endings", "released", "acks", "framing", "messages")
HTTP_MODULES = ("evasion.framing", "evasion.messages")
QUEUES = "7-8"
AT_ONCE = 28
RULES = r"""
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 134217728
SecRequestBodyNoFilesLimit 134217728
SecAction "id:1,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On"
SecRule REQUEST_URI_RAW "@beginsWith /upload-" "id:2,phase:1,pass,nolog,ctl:requestBodyAccess=Off"
SecRule REQUEST_LINE|REQUEST_HEADERS|REQUEST_HEADERS_NAMES "@contains evil" "id:10,phase:1,deny,status:403,log"
SecRule ARGS|ARGS_NAMES|REQUEST_BODY|FILES|FILES_NAMES|REQUEST_HEADERS "@contains evil" "id:11,phase:2,deny,status:403,log"
SecRule REQUEST_URI_RAW|ARGS|ARGS_NAMES|REQUEST_BODY "@contains evil" \
  "id:12,phase:2,deny,status:403,log,t:urlDecodeUni,t:urlDecodeUni,t:utf8toUnicode,t:urlDecodeUni,t:lowercase"
SecRule REQBODY_ERROR "!@eq 0" "id:13,phase:2,deny,status:400,log"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:14,phase:2,deny,status:400,log"
SecRule MULTIPART_UNMATCHED_BOUNDARY "!@eq 0" "id:15,phase:2,deny,status:400,log"
SecRule REQUEST_BODY "@unconditionalMatch" "id:20,phase:2,pass,log,msg:'the body that was judged'"
"""
BODY_RULE = 20
ATTACK, TWIN, CUT = "attack", "twin", "attack in small segments"  # kinds of run
PIECE = 13
LONGEST_VALUE = 4096  # of a value in a record


def skip(sentence):
    print(f"evasions.py: skipped: {sentence}")
    sys.exit(77)


def look_around():
    if os.geteuid() != 0:
        skip("network namespaces and raw sockets need root")
    for tool in ("ip", "iptables", "ip6tables", "nginx", "nsenter"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")
    reason = evasion_lab.impossible()
    if reason:
        skip(reason)


def load():
    for name in MODULES:
        importlib.import_module("evasion." + name)
    return cases.CASES


def is_http(case):
    return case.play.__module__ in HTTP_MODULES


@dataclasses.dataclass
class Result:
    case: object
    server: str
    kind: str
    source: str
    statuses: list
    reset: bool
    error: str
    want: int  # answers that the twin needs
    completed: list = dataclasses.field(default_factory=list)  # what the servers wrote down
    judged: list = dataclasses.field(default_factory=list)  # Weir's records
    faults: list = dataclasses.field(default_factory=list)

    def attack_completed(self):
        return any(has_attack(entry) for entry in self.completed)

    def outcome(self):
        if self.attack_completed():
            return "completed"
        if "403" in self.statuses:
            return cases.PAGE
        if any(s.startswith(("4", "5")) for s in self.statuses):
            return cases.REFUSED
        if self.completed:
            return cases.JUDGED
        return cases.RESET if self.reset else cases.NOTHING

    def disappoints(self):
        """Something other than an attack that completed is not as it should be."""
        if self.kind == TWIN:
            return bool(self.error) or self.statuses.count("200") < self.want
        return bool(self.error) or self.outcome() not in self.case.expect

    def label(self):
        return f"{self.case.name} ({self.kind}) at {self.server}"


class Attack:
    """All runs of one pass: lab and servers are there; Weir is, or is not."""
    count = 0

    def __init__(self, lab, wire_, chosen, servers, book, twins):
        self.lab, self.wire, self.book, self.results = lab, wire_, book, []
        self.repeated = 0
        self.every = []  # as `results`, with those that were played again
        kinds = (ATTACK, TWIN, CUT) if twins else (ATTACK,)
        self.runs = [(case, server, kind) for case in chosen for server in case.servers if server in servers
                     for kind in kinds if kind != CUT or is_http(case) and server != "php"]  # it gives up on small pieces
        self.waiting = []
        self.guard = threading.Lock()

    def source(self, case, twin):
        Attack.count += 1
        n = Attack.count
        if case.six:
            return f"fd79::{n:x}"
        return f"10.{81 if case.tunnel else 80 if case.back and not twin else 79}.{n >> 8}.{n & 255}"

    def new_run(self, case, server, kind):
        run = cases.Run(case, kind == TWIN, server, self.lab, self.wire, self.source(case, kind == TWIN))
        run.piece = PIECE if kind == CUT else None
        return run

    def play(self, case, server, kind, run=None):
        run = run or self.new_run(case, server, kind)
        try:
            (case.twin if run.is_twin and case.twin else case.play)(run)
        except Exception as e:
            run.error = f"{type(e).__name__}: {e}"
        run.begun.set()
        run.finish()
        result = Result(case, server, kind, run.source, run.statuses, run.was_reset, run.error, run.responses)
        with self.guard:
            self.results.append(result)
            self.every.append(result)

    def begin_midstream(self):
        """Cases that begin before Weir: returns when they wait for it."""
        for case, server, kind in self.runs:
            if case.midstream and kind == ATTACK:
                run = self.new_run(case, server, kind)
                thread = threading.Thread(target=self.play, args=(case, server, kind, run))
                thread.start()
                self.waiting.append((run, thread))
        for run, _ in self.waiting:
            run.begun.wait(20)

    def go_on(self):
        for run, _ in self.waiting:
            run.go.set()
        self.together([(c, s, k) for c, s, k in self.runs if not c.setting and (k != ATTACK or not c.midstream)])
        for name, values in cases.SETTINGS.items():
            apart = [(c, s, k) for c, s, k in self.runs if c.setting == name]
            if not apart:
                continue
            keys = [value.partition("=")[0] for value in values]
            before = self.lab.run("server", "sysctl", *keys, stdout=subprocess.PIPE, text=True).stdout.replace(" = ", "=").splitlines()
            self.lab.run("server", "sysctl", "-qw", *values, check=True)
            self.together(apart)
            self.lab.run("server", "sysctl", "-qw", *before, check=True)
        for _, thread in self.waiting:
            thread.join()

    def repeat(self):
        """Once more, with time, what may have gone wrong because this machine was busy. Never an attack that completed."""
        time.sleep(0.5)
        join(self.results, read_lines(self.book), None)
        again = [r for r in self.results if not r.attack_completed() and not r.case.midstream and not r.case.setting and r.disappoints()]
        if not again or len(again) > len(self.results) // 4:
            return
        self.repeated = len(again)
        self.results = [r for r in self.results if r not in again]
        self.together([(r.case, r.server, r.kind) for r in again], 4, 4)

    def together(self, runs, at_once=AT_ONCE, patience=1):
        def one(case, server, kind):
            run = self.new_run(case, server, kind)
            run.patience = patience
            self.play(case, server, kind, run)
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for done in [pool.submit(one, *words) for words in runs]:
                done.result()


def read_lines(path):
    return [json.loads(line) for line in path.read_text(errors="replace").splitlines() if line.strip()]


def origin_form(target):
    return re.sub(r"^[a-zA-Z]+://[^/]*", "", target)


def same_request(entry, record):
    """Is what the server completed what Weir judged and let pass?"""
    http, waf = record["http"], record["waf"]
    answer_refused = "connect-answer-doubtful" in waf["violations"]  # the request itself had passed
    if (waf["decision"] != "pass" and not answer_refused) or waf["mode"] != "block":
        return False
    if entry["method"] == "CONNECT":  # a server behind another sees no target
        return http.get("http_method") == "CONNECT"
    if http.get("http_method") != entry["method"] or origin_form(http.get("url", "")) != origin_form(entry["target"]):
        return False
    if entry["via"] == "php" or any(h.lower().startswith("content-encoding") for h in entry["headers"]):
        return True
    bodies = [rule["value"].get("text") for rule in waf["rules"] if rule["id"] == BODY_RULE]
    if entry["body"] and bodies and bodies[0] is not None and len(entry["body"]) < LONGEST_VALUE:
        return bodies[0] == entry["body"]
    return entry["via"] == "apache" or http["request_body_len"] == len(entry["body"])


def has_attack(entry):
    return "evil" in json.dumps([entry["target"], entry["headers"], entry["body"], entry.get("trailers")])


def strays(results, book, records):
    """Requests whose client the server could not name any more: none may be an attack or unjudged."""
    known = {r.source for r in results}
    passed = [record for record in records if record["event_type"] == "http"]
    return [f"of an unknown client, via {entry['via']}: {entry['method']} {entry['target']}" for entry in book if entry["peer"] not in known and
            (has_attack(entry) or not any(same_request(entry, record) for record in passed))]


def client_of(entry, results):
    """A proxy that relays a tunnel names no client. It is clear all the same where a case was played once at a server."""
    if entry["peer"] != "-":
        return entry["peer"]
    those = [r.source for r in results if r.server == entry["via"] and entry["target"].startswith(f"/{r.case.name}/")]
    return those[0] if len(those) == 1 else "-"


def join(results, book, records):
    """Gives each run what servers and Weir say about it, and finds what must not be."""
    by_peer, by_client = collections.defaultdict(list), collections.defaultdict(list)
    for entry in book:
        by_peer[client_of(entry, results)].append(entry)
    for record in records or []:
        if record["event_type"] == "http":
            by_client[record["src_ip"]].append(record)
    for r in results:
        r.completed, r.judged = by_peer[r.source], by_client[r.source]
        r.faults = [r.error] if r.error else []
        if records is None:
            continue
        left = list(r.judged)
        for entry in r.completed:
            match = next((record for record in left if same_request(entry, record)), None)
            if match is None and r.case.midstream == "any" and entry["target"].endswith("/good"):
                pass  # its beginning was not seen
            elif match is None:
                r.faults.append(f"completed without a judgement: {entry['method']} {entry['target']} {entry['body'][:80]!r}")
            else:
                left.remove(match)
        if r.kind == TWIN:
            good = [s for s in r.statuses if s == "200"]
            if len(good) < r.want:
                r.faults.append(f"the twin got {r.statuses or 'no answer'}{', a reset' if r.reset else ''}, not {r.want} times 200")
        else:
            if r.attack_completed():
                r.faults.append("the attack completed")
            elif r.outcome() not in r.case.expect:
                r.faults.append(f"outcome {r.outcome()}, expected {' or '.join(r.case.expect)}")


class Campaign:
    def __init__(self, weir, chosen, keep, beside=False):
        self.weir, self.chosen, self.keep, self.beside = weir, chosen, keep, beside
        self.passes = {}
        self.strays = []
        self.servers = []

    def run(self):
        work = pathlib.Path(tempfile.mkdtemp(prefix="weir-evasions-"))
        work.chmod(0o755)
        try:
            with evasion_lab.EvasionLab() as lab:
                self.book, self.servers = evasion_lab.start_servers(lab, work)
                if not lab.tunnel():
                    print("the kernel has no VXLAN: cases with tunnels are left out")
                    self.chosen = [c for c in self.chosen if not c.tunnel]
                air = lab.wire()
                lab.warm_up()
                try:
                    self.one(lab, air, work, "plain")
                    self.one(lab, air, work, "bare")
                    self.one(lab, air, work, "tracked")
                finally:
                    air.close()
        finally:
            if self.keep or self.faults() or self.strays:
                print(f"kept: {work}")
            else:
                shutil.rmtree(work, ignore_errors=True)

    def one(self, lab, air, work, name):
        with wire.Pins(work) as pins:
            self.play(lab, air, work, name, pins)

    def play(self, lab, air, work, name, pins):
        begun = time.monotonic()
        chosen = [c for c in self.chosen if name == "plain" or (not c.bare if name == "tracked" else not is_http(c) and c.midstream != "refused")]
        self.book.write_text("")
        attack = Attack(lab, air, chosen, self.servers, self.book, name != "plain")
        attack.begin_midstream()
        weir = None
        if name != "plain":
            rules = work / "rules.conf"
            rules.write_text(RULES)
            if name == "bare":
                lab.queue_everything(QUEUES)
            else:
                lab.firewall("up", "routed", "--queues", QUEUES)
            grace = "0s" if name == "tracked" else "60s"
            sites = "sites: [{name: watched, hosts: [watched.test], mode: detect}]\n" if self.beside else ""
            weir = wire.Weir(lab, self.weir, work, f"mode: block\n{sites}rules: [{rules}]\nmidstream_grace: {grace}\nrelease: {{responses: true, requests: true}}\n"
                             f"inputs: {{nfqueue: {{queues: {QUEUES}{pins.input()}}}}}\n", name)
            if name == "tracked" and pins.directory:
                lab.firewall("uploads", pins.directory)
        attack.go_on()
        if weir is not None:
            attack.repeat()
        time.sleep(0.5)
        records = None
        if weir is not None:
            weir.stop()
            records = read_lines(weir.events)
            if name == "bare":
                lab.queue_nothing()
        book = read_lines(self.book)
        shutil.copy(self.book, work / f"{name}.book")
        join(attack.results, book, records)
        for fault in strays(attack.every, book, records or []) if weir is not None else []:
            self.strays.append(f"{name}: {fault}")
        self.passes[name] = attack.results
        print(f"{name}: {len(attack.results)} runs in {time.monotonic() - begun:.0f} s, {attack.repeated} repeated", flush=True)

    def faults(self):
        return [(name, r, fault) for name, results in self.passes.items() for r in results for fault in r.faults]


WORDS = {cases.PAGE: "403 page", cases.REFUSED: "refused", cases.RESET: "reset", cases.NOTHING: "nothing completes",
         cases.JUDGED: "another request completes, judged", "completed": "**the attack completes**"}


def without(results):
    """What the server alone made of the attack."""
    took = sorted(r.server for r in results if r.attack_completed())
    if not took:
        return "not taken"
    return "taken" if len(results) == 1 else "taken by " + ", ".join(took)


def table(campaign):
    groups = {}
    for name, results in campaign.passes.items():
        for r in results:
            groups.setdefault(r.case.name, collections.defaultdict(list))[name if r.kind != TWIN else TWIN].append(r)
    lines = []
    for case in campaign.chosen:
        group = groups.get(case.name)
        if not group:
            continue
        outcomes = [r.outcome() for name in ("bare", "tracked") for r in group[name]]
        order = [o for o in WORDS if o in outcomes]
        twins = group[TWIN]
        answered = sum(1 for r in twins if not r.faults)
        lines.append(f"| {case.name} | {' '.join(case.covers)} | {case.says[0].upper() + case.says[1:]} | {without(group['plain'])} | "
                     f"{', '.join(WORDS[o] for o in order)} | {'200' if answered == len(twins) else f'{answered} of {len(twins)}'} |")
    return lines


HEAD = """# Evasions

Made by `tests/e2e/evasions.py WEIR --table`; do not edit. An attacker who makes packets himself, from addresses that no kernel
owns, against real servers ({servers}) on Linux {kernel}, with Weir ({weir}) in the wire and a router between Weir and the server.

* *Without Weir*: whether the server completed the attack when nothing but a router was in between. Where it did not, the case
  shows that the trick itself does no harm, on this kernel and with these servers.
* *With Weir*: `403 page`: Weir saw the attack. `refused`: a refusal of Weir's or the server's, `reset`: of the connection.
  `nothing completes`: Weir (or the server) dropped what would have completed it. `another request completes, judged`: the server
  read what Weir read. Behind Weir no attack completed, and every request that a server completed is one that Weir's event log says
  was judged and let pass: method, target and body compared (of coded bodies, and of what PHP made of forms, method and target; of
  CONNECT the method; a request that began before Weir did is not held to it).
* *Twin*: the same without the attack (or, where the way itself is refused, an honest spelling of it) gets its 200.

{cases} cases, {taken} of which servers take without Weir. {runs} runs with Weir: {faults}.
Requirements: F fragments, H handshake, W sequence numbers and windows, O overlaps and endings, P packets, D3 what leaves the queue; words are kinds of HTTP/1 ambiguity.

| Case | Covers | What is sent | Without Weir | With Weir | Twin |
|---|---|---|---|---|---|
"""


def write_table(campaign):
    taken = {r.case.name for r in campaign.passes["plain"] if r.attack_completed()}
    runs = sum(len(results) for name, results in campaign.passes.items() if name != "plain")
    faults = campaign.faults()
    version = subprocess.run([campaign.weir, "version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]
    head = HEAD.format(servers=", ".join(sorted(s for s in campaign.servers if s != "slow")), kernel=os.uname().release.split("-")[0],
                       weir=version, cases=len(campaign.chosen), taken=len(taken), runs=runs,
                       faults="none let an attack through" if not faults else f"{len(faults)} faults")
    (ROOT / "docs/EVASIONS.md").write_text(head + "\n".join(table(campaign)) + "\n")


def coverage():
    chosen = load()
    names = [c.name for c in chosen]
    assert len(set(names)) == len(names), [n for n, k in collections.Counter(names).items() if k > 1]
    assert not rows.unknown(chosen), f"no such requirement: {rows.unknown(chosen)}"
    assert not rows.lacking(chosen), f"not covered: {rows.lacking(chosen)}"
    assert len(chosen) >= 120, len(chosen)
    print(f"{len(chosen)} cases cover {len(rows.NUMBERS)} requirements and {len(rows.ROWS)} kinds of ambiguous HTTP")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weir", nargs="?")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    options = parser.parse_args()
    coverage()
    if options.coverage:
        return 0
    look_around()
    chosen = [c for c in cases.CASES if not options.only or re.search(options.only, c.name)]
    campaign = Campaign(os.path.abspath(options.weir), chosen, options.keep, options.beside)
    campaign.run()
    if options.verbose:
        print("\n".join(table(campaign)))
    faults = campaign.faults()
    for name, r, fault in faults:
        print(f"{name}: {r.label()}: {fault}")
    print("\n".join(campaign.strays), end="\n" if campaign.strays else "")
    taken = {r.case.name for r in campaign.passes["plain"] if r.attack_completed()}
    print(f"{len(chosen)} cases, {len(taken)} of which a server takes without Weir; {len(faults)} faults")
    if options.table and not options.only:
        write_table(campaign)
    return 1 if faults or campaign.strays else 0


if __name__ == "__main__":
    sys.exit(main())
