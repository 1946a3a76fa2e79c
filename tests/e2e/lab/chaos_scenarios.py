"""What chaos.py lets happen: scenarios, each with what its policy says and how to tell whether it went so."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from lab import servers, wire

HERE = pathlib.Path(__file__).resolve().parent
QUEUES, WITNESS = "7-8", 9100
SECONDS, EVENT_AT = 9, 2.5
WATCHDOG = 1
TIMES = int(os.environ.get("WEIR_CHAOS_TIMES", "20"))
CROWD = int(os.environ.get("WEIR_CHAOS_CROWD", "500"))

# Addresses in the server's network that nobody has: SYNs pass Weir and are never answered.
FLOOD = """
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    held = []
    for i in range(200):
        s = socket.socket(); s.setblocking(False)
        try: s.connect((sys.argv[1], 1000 + i))
        except BlockingIOError: pass
        held.append(s)
    time.sleep(0.2)
    for s in held: s.close()
"""

# SYNs of one connection with different sequence numbers: one of the ways to have two truths.
TWO_SYNS = """
import random, socket, struct, sys, time
source, target = sys.argv[1:3]
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for port in range(20000, 20050):
    for _ in range(3):
        head = struct.pack("!HHIIBBHHH", port, 80, random.getrandbits(32), 0, 0x50, 2, 64240, 0, 0)
        pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(head))
        s.sendto(head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:], (target, 0))
    time.sleep(0.01)
"""

# Requests whose bodies never end.
HALF_SENT = """
import socket, sys, time
held = []
for i in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    s.sendall(b"POST /small.txt HTTP/1.1\\r\\nHost: lab.test\\r\\nUser-Agent: weir-lab\\r\\nAccept: */*\\r\\n"
              b"Content-Type: application/x-www-form-urlencoded\\r\\nContent-Length: 1000\\r\\n\\r\\nname=Ada&")
    held.append(s)
time.sleep(3)
for s in held:
    try: s.sendall(b"x" * 10)
    except OSError: pass
time.sleep(0.5)
"""


# A request whose last byte arrives when the rest of it has been judged as far as possible; then what became of it.
LAST_BYTE = """
import socket, sys, time
body = b"&".join(b"name%d=value%d" % (i, i) for i in range(20000))
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
s.sendall(b"POST /slow HTTP/1.1\\r\\nHost: lab.test\\r\\nX-Case: slow\\r\\nContent-Type: application/x-www-form-urlencoded\\r\\n"
          b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body[:-1])
time.sleep(0.5)
try:
    s.sendall(body[-1:])
    print("answered" if s.recv(100) else "closed")
except socket.timeout:
    print("nothing")
except OSError:
    print("reset")
"""

# Of 20,000 arguments sixty forms each, which have few steps in common: seconds of work in the packet that completes the body. For others nothing.
SLOW_RULES = """
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 1048576
SecRequestBodyNoFilesLimit 1048576
SecArgumentsLimit 30000
SecRule ARGS "@contains UNION" "id:1,phase:2,deny,status:403,log"
SecRule REQUEST_URI "!@beginsWith /slow" "id:2,phase:2,pass,nolog,skipAfter:END"
""" + "".join(f'SecRule ARGS "!@rx ^[a-f0-9]+$" "id:{10 + i},phase:2,pass,nolog,'
                + "".join("t:md5," if i >> bit & 1 else "t:sha1," for bit in range(6)) + "t:sha1," * 50 + 't:hexEncode"\n' for i in range(60)) + "SecMarker END\n"


COUNTING = """
SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"
SecRule REQUEST_HEADERS:X-Count "@rx ." "id:2,phase:1,pass,nolog,setvar:ip.n=+1"
SecRule REQUEST_HEADERS:X-Count "@rx ." "id:3,phase:1,deny,status:429,log,chain"
  SecRule IP:n "@gt 6"
SecRule ARGS "@contains UNION" "id:4,phase:1,deny,status:403,log"
"""


class Scenario:
    """One thing that goes wrong. `limits`: what the configuration has besides; `path`, `connections`: wrk's."""
    path, connections, more, seconds, watchdog = "/small.txt", 32, "", SECONDS, WATCHDOG
    told_of = "flow: true"  # records besides those that there are by default
    grace = "0s"  # without it for what began before Weir did, whoever is forgotten meets the policy at once

    def __init__(self, run):
        self.run = run

    def prepare(self):
        """Before Weir starts."""

    def insert(self):
        """Has packets come to Weir."""
        self.run.lab.firewall("up", "routed", "--queues", QUEUES, *(["--bypass"] if self.run.open else []))

    def begin(self):
        """Weir runs, the load has not begun."""

    def happen(self):
        """Under load."""

    def after(self):
        """When the load is over; Weir still runs."""

    def said(self):
        """What there is to tell besides; empty: nothing."""
        return ""

    def judge(self):
        """Yields what is not as it should be, from run.wrk, run.probe, run.stats, run.completed."""
        return []

    def counted(self, *names):
        return sum(self.run.count(name) for name in names)


class Kill(Scenario):
    name, policy = "SIGKILL of both workers", "others are forked at once; closed: midstream connections are reset, open: taken up"

    def happen(self):
        for worker in self.run.weir.workers():
            os.kill(worker, signal.SIGKILL)

    def judge(self):
        if self.run.count("worker.restarts") != 2:
            yield f"worker.restarts {self.run.count('worker.restarts')}, not 2"
        if self.run.gap() > 2:
            yield f"traffic stood still for {self.run.gap():.2f} s"
        if self.run.open and self.run.wrk["errors"]:
            yield "open, and connections of the dead were lost"
        if not self.run.open and not self.counted("failure.midstream.reset"):
            yield "closed, and no connection of the dead was reset"


class Stop(Kill):
    name, policy = "SIGSTOP of both workers", f"ended after watchdog ({WATCHDOG} s), then as above"

    def happen(self):
        for worker in self.run.weir.workers():
            os.kill(worker, signal.SIGSTOP)

    def judge(self):
        if self.run.count("worker.stuck") != 2:
            yield f"worker.stuck {self.run.count('worker.stuck')}, not 2"
        if self.run.gap() > WATCHDOG + 3:
            yield f"traffic stood still for {self.run.gap():.2f} s"


class Reload(Scenario):
    name, policy = "SIGHUP, 5 times", "all workers or none; nobody notices"
    times = 5

    def happen(self):
        for i in range(self.times):
            self.run.weir.signal(signal.SIGHUP)
            end = time.monotonic() + 10
            while self.run.weir.log.read_text().count("reloaded:") <= i and time.monotonic() < end:
                time.sleep(0.02)

    def judge(self):
        if self.run.count("reload.done") != self.times:
            yield f"reload.done {self.run.count('reload.done')}, not {self.times}"
        if self.run.count("port.lost"):
            yield f"port.lost {self.run.count('port.lost')}"
        if self.run.wrk["errors"] or self.run.probe["kept"]["failures"] or self.run.probe["new"]["failures"]:
            yield "somebody noticed"
        if self.run.probe["attack"]["failures"]:
            yield "an attack found no answer"


class Kills(Scenario):
    """R7, R8: one worker after the other, while the rest goes on."""
    name, policy = f"SIGKILL of a worker, {TIMES} times", "as above each time; open: nobody is lost; closed: no attack completes"
    connections, every, watchdog = 64, 0.4, 5
    seconds = SECONDS + int(TIMES * every)

    def begin(self):
        lab = self.run.lab
        self.crowd = lab.start("client", sys.executable, str(HERE / "chaos_crowd.py"), lab.server4, str(servers.PORTS["nginx"]), str(CROWD),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.crowd.stdout.readline() != "ready\n":
            raise RuntimeError("the crowd did not come together")

    def happen(self):
        for i in range(TIMES):
            workers = self.run.weir.workers()
            if workers:
                os.kill(workers[i % len(workers)], signal.SIGKILL)
            time.sleep(self.every)

    def after(self):
        self.of_crowd = json.loads(self.crowd.communicate("now\n", timeout=120)[0])
        self.run.lab.processes.remove(self.crowd)

    def said(self):
        return f"{CROWD} idle connections, {self.of_crowd['lost']} lost, {self.of_crowd['asked']} requests"

    def judge(self):
        if self.run.open and self.of_crowd["lost"] * 1000 > CROWD:
            yield f"open, and {self.of_crowd['lost']} of {CROWD} idle connections were lost"
        if not self.run.open and not self.of_crowd["lost"]:
            yield "closed, and no idle connection of the dead was reset"
        if self.run.count("worker.restarts") < TIMES * 9 // 10:
            yield f"worker.restarts {self.run.count('worker.restarts')}, not {TIMES}"
        if self.run.gap() > 2:
            yield f"traffic stood still for {self.run.gap():.2f} s"
        if self.run.open and self.run.wrk["errors"]:
            yield "open, and connections of the dead were lost"


class Reloads(Reload):
    """R9."""
    name = f"SIGHUP, {TIMES} times"
    seconds = SECONDS + TIMES
    times = TIMES
    told_of = "http: matched"  # of millions of requests


class Restart(Scenario):
    """R10: another program in the same place."""
    watchdog = 5
    name, policy = "weir run ends and is started again", "without --bypass packets wait for it, or are lost and come again; with it they pass meanwhile; open: connections stay"

    def happen(self):
        self.run.weir.stop()
        self.run.weir = wire.Weir(self.run.lab, self.run.program, self.run.work, self.run.configuration(), events=self.run.events)

    def judge(self):
        if self.run.gap() > 5:
            yield f"traffic stood still for {self.run.gap():.2f} s"
        if self.run.open and self.run.wrk["errors"]:
            yield "open, and connections were lost"


class Replace(Scenario):
    """R10: another program in the same place, which is given the queues when it is ready."""
    watchdog, grace = 5, "60s"
    name, policy = "weir run --replace", "begins when everything is loaded; packets wait for it; within midstream_grace nobody notices"

    def __init__(self, run):
        super().__init__(run)
        self.more = f"control: {run.work}/control\n"

    def happen(self):
        old = self.run.weir
        self.run.weir = wire.Weir(self.run.lab, self.run.program, self.run.work, self.run.configuration(), name="weir2", events=old.events, more=("--replace",))
        self.status = old.process.wait(20)
        self.run.lab.processes.remove(old.process)

    def judge(self):
        if self.status != 0:
            yield f"the old one left with {self.status}"
        if self.run.gap() > 2:
            yield f"traffic stood still for {self.run.gap():.2f} s"
        if self.run.count("port.lost"):
            yield f"port.lost {self.run.count('port.lost')}"
        if self.run.wrk["errors"] or self.run.probe["kept"]["failures"] or self.run.probe["new"]["failures"]:
            yield "somebody noticed"
        if self.run.completed:
            yield f"{self.run.completed} attacks completed"


class Keep(Replace):
    """What rules count of a client, over both ways to put another program in the place."""
    name, policy = "weir run --replace, then ended and started anew, collections.file", "what rules have counted is there again"

    def __init__(self, run):
        super().__init__(run)
        rules = run.work / "counting.conf"
        rules.write_text(COUNTING)
        self.more += f"rules: [{rules}]\ncollections: {{file: {run.work}/collections}}\n"
        self.answers = []

    def ask(self, times):
        url = f"http://{self.run.lab.server4}:{servers.PORTS['nginx']}/small.txt"
        for _ in range(times):
            self.answers.append(self.run.lab.run("client", "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: lab.test", "-H",
                                                 "X-Count: 1", url, stdout=subprocess.PIPE, text=True).stdout)

    def happen(self):
        self.ask(4)
        super().happen()
        self.ask(3)
        self.run.weir.stop()
        self.run.weir = wire.Weir(self.run.lab, self.run.program, self.run.work, self.run.configuration(), name="weir3", events=self.run.weir.events)
        self.ask(1)
        self.complaints = [line for line in self.run.weir.log.read_text().splitlines() if "collections" in line]

    def judge(self):
        if self.answers != ["200"] * 6 + ["429"] * 2:
            yield f"the client that counts saw {self.answers}"
        yield from self.complaints


class Poison(Scenario):
    """A request that keeps its worker busy until the watchdog strikes. Its last byte comes again, to another worker."""
    name, policy = "a request that takes longer than watchdog, midstream: pass", "its worker is ended; its connection is reset (poisoned) and never completes"
    choices, gone = "midstream: pass", ("reset",)

    def __init__(self, run):
        super().__init__(run)
        rules = run.work / "slow.conf"
        rules.write_text(SLOW_RULES)
        self.more = f"failures: {{{self.choices}}}\nrules: [{rules}]\n"

    def happen(self):
        self.asked = self.run.lab.run("client", sys.executable, "-c", LAST_BYTE, self.run.lab.server4, str(WITNESS), str(SECONDS - EVENT_AT),
                                      stdout=subprocess.PIPE, text=True).stdout.strip()

    def after(self):
        self.completed = "POST /slow slow" in self.run.book.read_text().splitlines()

    def judge(self):
        if not self.run.count("worker.stuck"):
            yield "no worker was ended: the request was judged in time"
        if self.completed:
            yield "the request completed"
        if self.asked not in self.gone:
            yield f"its client saw: {self.asked}"
        if not self.run.count("failure.poisoned.reset"):
            yield "failure.poisoned.reset is 0"
        if self.run.count("worker.stuck") > 1:
            yield f"worker.stuck {self.run.count('worker.stuck')}: the connection was taken up again"


class PoisonPassed(Poison):
    """That the other one can fail: nothing else keeps such a request from its server."""
    name, policy = "the same, poisoned: pass", "as the operator wants: it completes, unjudged"
    choices = "midstream: pass, poisoned: pass"

    def judge(self):
        if not self.run.count("worker.stuck"):
            yield "no worker was ended: the request was judged in time"
        if not self.completed or self.asked != "answered":
            yield f"the request did not complete; its client saw: {self.asked}"
        if not self.run.count("failure.poisoned.pass") and not self.run.open:
            yield "failure.poisoned.pass is 0"


class Disk(Scenario):
    name, policy = "full disk under events.file", "inspection goes on; events.lost counts; whole lines only"

    def prepare(self):
        self.disk = self.run.work / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "weir-chaos", str(self.disk)], check=True)
        self.run.events = self.disk / "events.jsonl"
        (self.disk / "ballast").write_bytes(b"x" * (1 << 20))

    def after(self):
        self.left = os.statvfs(self.disk).f_bavail * os.statvfs(self.disk).f_frsize
        (self.disk / "ballast").unlink()
        time.sleep(2.5)  # records come through again, stats among them

    def remove(self):
        if os.path.ismount(self.disk):
            subprocess.run(["umount", str(self.disk)], check=True)

    def judge(self):
        if self.left > 8192:
            yield f"the disk was not full: {self.left} octets left"
        if not self.run.count("events.lost"):
            yield "events.lost is 0"
        if self.run.wrk["errors"] or self.run.probe["kept"]["failures"] or self.run.probe["new"]["failures"]:
            yield "somebody noticed"
        if self.run.completed:
            yield f"{self.run.completed} attacks completed"
        if self.run.broken_lines:
            yield f"{self.run.broken_lines} lines are no whole records"


class Flows(Scenario):
    name, policy = "flow table of 16, 64 connections", "closed: the packet is dropped, open: passes uninspected (flow-table)"
    connections, more = 64, "limits: {flows: 16, half_open: 1024}\n"
    cause = "flow-table"

    def judge(self):
        action = "pass" if self.run.open else "drop"
        if not self.run.count(f"failure.{self.cause}.{action}"):
            yield f"failure.{self.cause}.{action} is 0"
        other = "drop" if self.run.open else "pass"
        if self.run.count(f"failure.{self.cause}.{other}"):
            yield f"failure.{self.cause}.{other} is {self.run.count(f'failure.{self.cause}.{other}')}"
        if self.run.open and (self.run.wrk["errors"] or self.run.probe["new"]["failures"]):
            yield "open, and somebody was refused"


class HalfOpen(Scenario):
    name, policy = "half-open table of 16, a flood of SYNs", "the oldest is forgotten (tcp.half_open_evicted), connections past the handshake stay"
    connections, more = 8, "limits: {half_open: 16}\n"

    def nobody(self):
        return self.run.lab.server4.rsplit(".", 1)[0] + ".99"

    def happen(self):
        self.run.lab.start("client", sys.executable, "-c", FLOOD, self.nobody(), "3")

    def judge(self):
        if not self.run.count("tcp.half_open_evicted"):
            yield "tcp.half_open_evicted is 0"
        # nginx ends a connection after 1,000 requests: the handshake of the next one may be among those that are forgotten.
        if sum(self.run.wrk["errors"].values()) > self.run.wrk["requests"] // 1000 or self.run.probe["kept"]["failures"]:
            yield "established connections noticed"


class Handshake(Flows):
    name, policy = "no room for a second SYN, 50 connections with three", "closed: dropped, open: passes (handshake-memory)"
    connections, more = 8, "limits: {handshake_extras: 0}\n"
    cause = "handshake-memory"

    def happen(self):
        self.run.lab.start("client", sys.executable, "-c", TWO_SYNS, self.run.lab.client4, HalfOpen.nobody(self))


class Buffers(Flows):
    name, policy = "limits.buffered of 1 MiB, 32 downloads of 1 MiB", "closed: dropped (comes again), open: passes uninspected (stream-memory)"
    path, more = "/noise.bin", "limits: {buffered: 1MiB, direction_buffered: 1MiB}\n"
    cause = "stream-memory"

    def judge(self):
        yield from super().judge()
        if self.run.wrk["requests"] < 20 or not self.run.probe["new"]["answers"]:
            yield "traffic stands still"


class Transactions(Flows):
    name, policy = ("limits.transactions of 4, 20 requests half sent",
                    "the one idle longest is judged as it stands; closed: its rest is refused, open: passes (transactions)")
    connections, more = 32, "limits: {transactions: 4}\n"
    cause, half_sent = "transactions", 20

    def happen(self):
        self.run.lab.start("client", sys.executable, "-c", HALF_SENT, self.run.lab.server4, str(servers.PORTS["nginx"]),
                           str(self.half_sent))

    def judge(self):
        action, other = ("pass", "reset") if self.run.open else ("reset", "pass")
        if not self.run.count(f"failure.{self.cause}.{action}"):
            yield f"failure.{self.cause}.{action} is 0"
        if self.run.count(f"failure.{self.cause}.{other}"):
            yield f"failure.{self.cause}.{other} is not 0"
        if self.run.open and self.run.wrk["errors"]:
            yield "open, and connections were lost"


class TransactionMemory(Transactions):
    name, policy = ("limits.transaction_memory of 4 MiB, 300 requests half sent",
                    "those idle longest are judged as they stand; closed: their rest is refused, open: passes (transaction-memory)")
    connections, more = 8, "limits: {transaction_memory: 4MiB}\n"
    cause, half_sent = "transaction-memory", 300


class Rehearsal(Scenario):
    """R12 on the wire: every 500th packet meets the failure."""
    connections, seconds, watchdog = 16, 4, 5

    def __init__(self, run):
        super().__init__(run)
        self.more = f"rehearse: {{failure: {self.cause}, every: 500}}\n"

    def judge(self):
        seen = {action: self.run.count(f"failure.{self.cause}.{action}") for action in ("pass", "drop", "reset")}
        if sum(seen.values()) < 3 or max(seen.values()) != sum(seen.values()):
            yield f"failure.{self.cause} is {seen}"
        if self.run.wrk["requests"] < 100:
            yield "traffic stands still"


def rehearsals():
    for cause in ("malformed-packet", "bad-checksum", "fragment-memory", "flow-table", "handshake-memory", "stream-memory", "stream-limit", "midstream", "poisoned",
                  "asymmetric", "unseen", "not-http", "tls", "http2", "proxy-protocol", "http-violation", "http-limit", "decode-limit", "transactions",
                  "transaction-memory", "rule-limit", "rule-error", "overload", "queue-full"):
        yield f"rehearse-{cause}", type("Rehearse", (Rehearsal,), {"cause": cause, "name": f"rehearse: {cause}",
                                                                   "policy": "what failures." + cause + " says, counted"})


SCENARIOS = {"kill": Kill, "stop": Stop, "reload": Reload, "disk": Disk, "flows": Flows, "half-open": HalfOpen,
             "handshake": Handshake, "buffers": Buffers, "transactions": Transactions,
             "transaction-memory": TransactionMemory, "kills": Kills, "reloads": Reloads, "restart": Restart, "replace": Replace, "keep": Keep, "poison": Poison,
             "poison-passed": PoisonPassed, **dict(rehearsals())}
