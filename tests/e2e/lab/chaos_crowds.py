"""What chaos.py lets happen with very many connections: memory that is pressed, a million of each kind."""
import json
import os
import pathlib
import subprocess
import sys
import time

from lab import cage, servers
from lab.chaos_scenarios import FLOOD, QUEUES, HalfOpen, Scenario

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = os.environ.get("WEIR_CHAOS_SECONDS")
MEMORY = int(os.environ.get("WEIR_CHAOS_MEMORY", "640"))
MILLION = int(os.environ.get("WEIR_CHAOS_MILLION", "1000000"))
FLOODED = int(SECONDS or 60)
MADE = "0x40000000/0x40000000"  # the mark of packets that Weir makes

# Debian's CRS. For each address that asks: a record of a kilobyte. Answers are read, packed ones too.
KEEPING = """
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 5000000
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecAction "id:9001,phase:1,pass,nolog,initcol:resource=%{REMOTE_ADDR},setvar:resource.seen=+1,setvar:resource.much=""" + 600 * "x" + """"
Include /etc/modsecurity/crs/crs-setup.conf
Include /usr/share/modsecurity-crs/rules/*.conf
"""


class Crowds(Scenario):
    """Connections of raw packets beside those that are real (lab/crowd.py)."""
    watchdog, connections = 5, 64

    def insert(self):
        """Connection tracking would end with 262,144 connections, and put fragments together: it is left out."""
        lab = self.run.lab
        for network, via in (("10.98.0.0/16", lab.client4), ("10.99.0.0/16", lab.server4)):
            subprocess.run(["ip", "-n", lab.weir_ns, "route", "add", network, "via", via], check=True)
        lab.run("weir", "iptables", "-w", "-t", "mangle", "-A", "FORWARD", "-p", "tcp", "-m", "mark", "!", "--mark", MADE, "-j", "NFQUEUE", "--queue-balance",
                QUEUES.replace("-", ":"), *(["--queue-bypass"] if self.run.open else []), check=True)

    def crowd(self, how_long, *what):
        lab = self.run.lab
        return lab.start("weir", sys.executable, str(HERE / "crowd.py"), f"{lab.client_ns}:{lab.client_if}",
                         f"{lab.weir_ns}:{lab.weir_if['client']}:{lab.weir_if['server']}", f"{lab.server_ns}:{lab.server_if}", str(how_long), *what,
                         stdout=subprocess.PIPE, text=True)

    def told(self, crowd, patience):
        out = json.loads(crowd.communicate(timeout=patience)[0])
        self.run.lab.processes.remove(crowd)
        return out

    def undisturbed(self):
        """Yields who noticed something and should not have."""
        # Where the kernel drops what finds a queue full, somebody may have to wait for longer than two seconds.
        if any(n for name, n in self.run.wrk["errors"].items() if name != "timeout" or not self.run.count("port.lost")):
            yield f"wrk was disturbed: {self.run.wrk['errors']}"
        if self.run.wrk["requests"] < 100:
            yield "traffic stands still"
        if self.run.wrk["refused"]:
            yield f"{self.run.wrk['refused']} of wrk's requests were refused"


class Memory(Crowds):
    name, policy = ("limits.memory, and traffic that means to take all of it, in a cgroup of a tenth more",
                    "resident memory stays within it, nobody is killed, clean requests pass, and what goes is counted")
    cap, told_of = MEMORY << 20, "http: matched, flow: true"
    pressed = int(SECONDS or 30)
    seconds = pressed + 6
    # Each of these stores runs out, and its policy says what then.
    causes = ("fragment-memory", "stream-memory", "transactions", "transaction-memory")

    def __init__(self, run):
        super().__init__(run)
        rules = run.work / "keeping.conf"
        rules.write_text(KEEPING)
        self.more = f"limits: {{memory: {MEMORY}MiB}}\nrules: [{rules}]\n"

    def prepare(self):
        try:
            self.cage = cage.Cage(f"weir-chaos-{os.getpid()}", self.cap * 11 // 10)
        except OSError as e:
            print(f"chaos.py: skipped: no cgroup of its own: {e}")
            sys.exit(77)
        self.run.program = self.cage.wrap(self.run.program, self.run.work)

    def happen(self):
        for many, size in ((400, 100_000), (60, 4_000_000), (40, 1_000_000)):
            self.run.lab.start("client", sys.executable, "-c", cage.HOSTILE, self.run.lab.server4, str(servers.PORTS["nginx"]), str(many), str(size),
                               str(self.pressed))
        self.run.lab.start("client", sys.executable, "-c", FLOOD, HalfOpen.nobody(self), str(self.pressed))
        # So many as default limits, divided, are for 640 MiB and two workers.
        of = lambda n: max(1, n * MEMORY // 640)
        self.crowds = [self.crowd(self.pressed, f"from={at * 2_000_000}", *what) for at, what in enumerate((
            (f"syn={of(40_000)}", f"idle={of(20_000)}", f"line={of(14_000)}", f"ahead={of(60)}", f"unread={of(150)}"),
            (f"packed={of(600)}", f"fragments={of(4_000)}", f"header={of(600)}", f"body={of(600)}", f"json={of(600)}", f"xml={of(600)}")))]

    def after(self):
        self.made = [self.told(crowd, 60 + self.pressed) for crowd in self.crowds]
        self.taken, self.kills = self.cage.most, self.cage.kills()
        self.drift = self.cage.drift(self.run.happened, self.run.happened + self.pressed)

    def said(self):
        stores = {name: self.run.count(name) for name in ("tcp.half_open", "tcp.flows", "tcp.buffered", "http.memory", "collections.records")}
        return (f"at most {self.taken >> 20} MiB of {self.cap >> 20} ({self.taken * 100 // self.cap} %), {self.kills} killed, mean of the last quarter of the time "
                f"{self.drift:+.1f} % of that of the third; at the end {stores}; raw packets {sum(made['packets'] for made in self.made)}")

    def remove(self):
        self.cage.remove()

    def judge(self):
        action, other = ("pass", "reset") if self.run.open else ("reset", "pass")
        for cause in self.causes:
            named = ("pass" if self.run.open else "drop") if cause in ("fragment-memory", "stream-memory") else action
            if not self.run.count(f"failure.{cause}.{named}"):
                yield f"failure.{cause}.{named} is 0"
        if self.run.count(f"failure.transaction-memory.{other}"):
            yield f"failure.transaction-memory.{other} is not 0"
        yield from self.undisturbed()
        if self.taken > self.cap * 21 // 20 or self.kills:
            yield f"it took {self.taken >> 20} MiB of {self.cap >> 20}, {self.kills} killed"
        if self.taken < self.cap // 2:
            yield f"only {self.taken >> 20} MiB were taken: nothing was tried"


class Million(Crowds):
    """R5 on the wire: half-open ones, idle ones, and then SYNs without end."""
    name, policy = (f"{MILLION} half-open and {MILLION} idle connections, then SYNs for {FLOODED} s", "nobody notices; the oldest of those half open go")
    watchdog, told_of = 10, "http: matched, drop: false"
    # The rate at which they can be made depends on the machine; wrk and the askers go on until all of it is over.
    seconds = int(FLOODED + 60 + MILLION / 4_000)
    sample = min(MILLION // 10, 20_000)

    def __init__(self, run):
        super().__init__(run)
        self.more = (f"limits: {{half_open: {MILLION}, flows: {MILLION + 100_000}, transaction_memory: 256MiB}}\ntimeouts: {{half_open: 30min}}\n")
        self.rows = []

    def prepare(self):
        try:
            self.cage = cage.Cage(f"weir-chaos-{os.getpid()}", 16 << 30)
        except OSError as e:
            print(f"chaos.py: skipped: no cgroup of its own: {e}")
            sys.exit(77)
        self.run.program = self.cage.wrap(self.run.program, self.run.work)

    def remove(self):
        self.cage.remove()

    def stage(self, name, since):
        """What there is when it is over."""
        time.sleep(2.2)  # figures come each second
        lines = subprocess.run(["tail", "-n", "400", str(self.run.weir.events)], stdout=subprocess.PIPE, text=True).stdout.splitlines()
        stats = next((r["stats"] for r in map(json.loads, reversed(lines)) if r["event_type"] == "stats"), {})
        count = lambda path: stats.get(path.split(".")[0], {}).get(path.split(".")[1], 0)
        self.rows.append({"stage": name, "from": since, "to": time.monotonic(), "MiB": self.cage.taken() >> 20,
                          **{name: count(name) for name in ("tcp.half_open", "tcp.flows", "http.transactions", "http.refused", "port.lost", "port.packets")}})
        print(self.rows[-1], file=sys.stderr, flush=True)

    def make(self, name, *what):
        since = time.monotonic()
        self.told(self.crowd("once", *what), 3600)
        self.stage(name, since)

    def happen(self):
        began = self.run.happened
        time.sleep(5)
        self.stage("others alone", began)
        self.make("half-open", f"syn={MILLION // 2}", f"answered={MILLION // 2}")
        self.make("idle", "from=2000000", f"idle={MILLION}")
        self.make("idle ones ask again", "from=2000000", f"again={self.sample}")
        since = time.monotonic()
        flood = self.told(self.crowd(FLOODED / 2, "from=5000000", "syn=1000000"), 600)
        self.stage(f"SYNs as Weir takes them, {flood['packets']}", since)
        since = time.monotonic()
        flood = self.told(self.crowd(FLOODED / 2, "from=30000000", "flood=1"), 600)
        self.stage(f"SYNs as the device takes them, {flood['packets']}", since)
        self.make("idle ones ask again", f"from={2_000_000 + self.sample}", f"again={self.sample}")
        self.make("idle ones attack", f"from={2_000_000 + 2 * self.sample}", f"attack={self.sample}")
        self.lasted = time.monotonic() - began

    def p99(self, row):
        """Of the others' requests in that time, in ms: on the connection that is kept, and on new ones."""
        out = []
        for asker in ("kept", "new"):
            probe = self.run.probe[asker]
            took = sorted(took for (t, _), took in zip(probe["answers"], probe["took"]) if row["from"] <= t < row["to"])
            out.append(f"{took[len(took) * 99 // 100] * 1000:.1f}" if took else "-")
        return out

    def said(self):
        rows = "; ".join(f"{row['stage']}: {row['tcp.half_open']} half-open, {row['tcp.flows']} connections, {row['MiB']} MiB, lost {row['port.lost']}, "
                         f"{row['port.packets']} packets in all, p99 {' and '.join(self.p99(row))} ms, {row['to'] - row['from']:.0f} s" for row in self.rows)
        return f"{rows}; at most {self.cage.most >> 20} MiB"

    def judge(self):
        by = {}
        for row in self.rows:
            by.setdefault(row["stage"].split(",")[0], row)
        if by["half-open"]["tcp.half_open"] < MILLION * 0.99 or by["idle"]["tcp.flows"] < MILLION * 0.99:
            yield f"they did not come together: {by['half-open']}, {by['idle']}"
        if self.rows[-1]["tcp.flows"] < MILLION * 0.99 or self.run.count("tcp.flows_evicted"):
            yield f"connections were lost: {self.rows[-1]}"
        if self.run.count("failure.midstream"):
            yield f"connections were lost: {self.run.count('failure.midstream')}"
        # Beside the askers' own.
        asked = sum(status == 403 for _, status in self.run.probe["attack"]["answers"])
        if self.run.count("http.refused") < asked + self.sample * 0.99:
            yield f"{self.run.count('http.refused') - asked} of {self.sample} attacks on idle connections were refused"
        if self.lasted > self.seconds:
            yield f"the others had gone: it took {self.lasted:.0f} s"
        yield from self.undisturbed()


SCENARIOS = {"memory": Memory, "million": Million}
