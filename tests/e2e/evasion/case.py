"""What a case of evasion is, and what it is given to play with.

A case sends one attack, a request whose target or body holds `evil`, in a way that is meant to get it past an
inspector; its twin is the same with `good` in its place (or, where the way itself is refused, an honest spelling of
the same) and must be answered with 200.
"""
import dataclasses
import socket
import threading
import time

from lab import attacker
from lab.evasion_lab import PORTS, TUNNEL_SERVER

CASES = []
ANSWER_SECONDS = 1.2

# What may come of an attack with Weir in the wire. In none of them the attack completes at the server.
PAGE = "page"        # the client reads a 403
REFUSED = "refused"  # the client reads another refusal, of Weir's or of the server's
RESET = "reset"      # the connection is reset
NOTHING = "nothing"  # no answer: what would have completed it was dropped
JUDGED = "judged"    # another request completes, which Weir has judged to be that request


@dataclasses.dataclass
class Case:
    name: str
    covers: tuple  # numbers of requirements
    says: str  # what is sent, for the table
    play: object  # play(run): sends, and waits for an answer
    expect: tuple  # outcomes that are right
    twin: object = None  # play(run) of the twin, if it is another
    servers: tuple = ("nginx",)
    six: bool = False
    back: bool = False  # answers go another way, around Weir
    tunnel: bool = False  # inside a tunnel, to the server's address in it
    setting: str = ""  # a name of SETTINGS: played apart, with the server's kernel set otherwise
    midstream: str = ""  # begins before Weir does; "refused": only where Weir is told to refuse such connections
    bare: bool = False  # only where every packet comes to Weir, as it does without connection tracking


SETTINGS = {"cookies": ["net.ipv4.tcp_syncookies=2", "net.ipv4.tcp_fastopen=0"],
            "forgets": ["net.ipv4.tcp_fin_timeout=1"]}  # a connection that it has closed and its client has not


def case(name, covers, says, expect, **more):
    """Decorator of play(run)."""
    def add(play):
        CASES.append(Case(name, tuple(covers.split()), says, play, tuple(expect), **more))
        return play
    return add


class Run:
    """One case, or its twin, against one server, from an address of its own."""
    port = 20000

    def __init__(self, case, twin, server, lab, wire, source):
        self.case, self.is_twin, self.server, self.lab, self.wire, self.source = case, twin, server, lab, wire, source
        self.piece = None
        self.patience = 1  # times as long as otherwise
        self.connections = []
        self.responses = 1  # how many the twin must get
        self.want = "200"
        self.go = threading.Event()  # for cases that begin before Weir does
        self.begun = threading.Event()
        self.error = None
        self.heads = False  # answers have no body, whatever they say
        self.statuses = []
        self.received = b""
        self.was_reset = False
        self.destination = (lab.server6 if case.six else TUNNEL_SERVER if case.tunnel else lab.server4)

    # --- contents ---

    @property
    def word(self):
        return "good" if self.is_twin else "evil"

    def request(self, word, method="GET", headers=(), body=b"", pad=60, version="HTTP/1.1"):
        """Requests that differ in their word only are equally long and differ in these four bytes only."""
        lines = [f"{method} /{self.case.name}/{word} {version}", "Host: lab"]
        if pad:
            lines.append("X-Pad: " + "p" * pad)
        lines += list(headers)
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    @property
    def bad(self):
        """The attack; for the twin the same without it."""
        return self.request(self.word)

    @property
    def good(self):
        """What an inspector is meant to see in its place."""
        return self.request("good")

    @property
    def fake(self):
        """For decoys that no receiver takes: in the twin too, something else than what is meant."""
        return self.request("fake")

    def where(self, data, word=None):
        """Offset of the word in a request."""
        return data.index(f"/{word or self.word} ".encode()) + 1

    # --- connections ---

    def connection(self, **fields):
        Run.port = Run.port + 1 if Run.port < 60000 else 20000
        port = fields.pop("dport", PORTS[self.server])
        c = attacker.Connection(self.wire, fields.pop("source", self.source), fields.pop("sport", Run.port), self.destination,
                                port, **fields)
        self.connections.append(c)
        return c

    def open(self, **fields):
        """A connection past its handshake."""
        handshake = {k: fields.pop(k) for k in ("options", "extra", "ip") if k in fields}
        c = self.connection(**fields)
        c.piece = self.piece
        if not c.open(wait=2.0 * self.patience, **handshake):
            raise RuntimeError("no handshake")
        return c

    def answer(self, c, responses=1, seconds=ANSWER_SECONDS):
        """Waits for so many responses (100 Continue does not count) or the end of the connection."""
        c.wait(lambda: c.over() or len(statuses(c.received, self.heads)) >= responses, seconds * self.patience)
        return statuses(c.received, self.heads)

    def finish(self):
        for c in self.connections:
            self.statuses += statuses(c.received, self.heads)
            self.received += c.received
            self.was_reset |= c.reset
            c.close()


def statuses(data, heads=False):
    """Of the final responses in `data`, by Content-Length; of the last one also if it is not complete. `heads`: the first
    one answers HEAD."""
    out = []
    while True:
        if not data.startswith(b"HTTP/1."):
            if data.startswith(b"seen"):
                out.append("200")  # HTTP/0.9 has no status
            return out
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return out
        status = head[9:12].decode("latin-1")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if status.startswith("1") and status != "101":
            data = rest
            continue
        out.append(status)
        if heads and len(out) == 1:
            data = rest
            continue
        if b"chunked" in head.lower() or (b"content-length" not in head.lower() and status not in ("204", "304", "101")):
            return out
        data = rest[length:] if b"\r\n\r\n" in data and status not in ("304",) else rest


def pieces(data, *cuts):
    """[(offset, bytes)] of data cut at the given offsets."""
    edges = sorted({0, len(data), *(c for c in cuts if 0 < c < len(data))})
    return [(a, data[a:b]) for a, b in zip(edges, edges[1:])]


def mss_option(size=1460):
    return attacker.option(2, size.to_bytes(2, "big"))


def pause(seconds):
    time.sleep(seconds)


def is_six(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET
