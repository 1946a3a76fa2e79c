"""Sequence numbers, acknowledgements, windows, timestamps, options: requirements W1 to W12 (and P6)."""
import struct

from lab import attacker
from lab.attacker import ACK, CWR, ECE, PSH

from .case import JUDGED, NOTHING, PAGE, RESET, case, pause, statuses
from .fragments import both
from .handshake import honest, or_honest


def insertion(name, covers, says, send, expect=(PAGE,), **more):
    """A decoy that the server does not take, in the request's place; then the request. The twin too has the decoy."""
    def play(run):
        c = run.open(**({"stamps": True} if more.get("stamps") else {}))
        send(run, c)
        pause(0.02)
        c.send(run.bad)
        run.answer(c)
    case(name, covers, says, expect, six=more.get("six", False))(play)


insertion("bad-checksum", "P6", "decoy with a wrong TCP checksum", lambda run, c: c.put(0, run.fake, bad_checksum=True))
insertion("bad-checksum-6", "P6", "decoy with a wrong TCP checksum, IPv6", lambda run, c: c.put(0, run.fake, bad_checksum=True), six=True)
insertion("ack-too-high", "W4", "decoy that acknowledges what was never sent", lambda run, c: c.put(0, run.fake, ack=c.expected + 100000))
insertion("ack-too-high-6", "W4", "the same, IPv6", lambda run, c: c.put(0, run.fake, ack=c.expected + 100000), six=True)
insertion("ack-just-too-high", "W4", "decoy that acknowledges one byte too many", lambda run, c: c.put(0, run.fake, ack=c.expected + 1))
insertion("ack-too-low", "W4", "decoy whose acknowledgement is far too old", lambda run, c: c.put(0, run.fake, ack=c.expected - 1000000))
insertion("ack-half-around", "W4 W1", "decoy whose acknowledgement lies 2^31 away", lambda run, c: c.put(0, run.fake, ack=c.expected + 0x80000000))
insertion("no-ack-flag", "W4", "decoy without ACK flag", lambda run, c: c.put(0, run.fake, flags=PSH))
insertion("no-flags", "W4", "decoy without any flag", lambda run, c: c.put(0, run.fake, flags=0))
insertion("before-the-window", "W2", "decoy with old sequence numbers", lambda run, c: c.put(-200000, run.fake))
insertion("beyond-the-window", "W2", "decoy far beyond the window", lambda run, c: c.put(50_000_000, run.fake))
insertion("at-the-window-edge", "W2 W3", "decoy at the byte behind the window",
          lambda run, c: c.put((c.acked - c.isn - 1 & 0xffffffff) + 65160, run.fake))
insertion("half-around", "W1 W2", "decoy 2^31 ahead", lambda run, c: c.put(0x80000000, run.fake))
insertion("old-timestamp", "W6", "decoy with an old timestamp", lambda run, c: c.put(0, run.fake, stamp=c.clock - 5000), stamps=True)
insertion("old-timestamp-6", "W6", "the same, IPv6", lambda run, c: c.put(0, run.fake, stamp=c.clock - 5000), stamps=True, six=True)
insertion("timestamp-half-around", "W6", "decoy with a timestamp 2^31 back", lambda run, c: c.put(0, run.fake, stamp=c.clock - 0x7fffffff), stamps=True)
insertion("md5-option", "W11", "decoy with an MD5 signature that the server has no key for",
          lambda run, c: c.put(0, run.fake, options=b"\1\1" + attacker.option(19, b"\xaa" * 16)))
insertion("md5-option-6", "W11", "the same, IPv6", lambda run, c: c.put(0, run.fake, options=b"\1\1" + attacker.option(19, b"\xaa" * 16)), six=True)
insertion("ao-option", "W11", "decoy with an authentication option (RFC 5925)",
          lambda run, c: c.put(0, run.fake, options=attacker.option(29, b"\1\1" + b"\xaa" * 12)))
insertion("low-ttl-other-place", "O7", "decoy of other bytes that dies behind Weir: the client's own repetition conflicts",
          lambda run, c: c.put(0, run.good, ip={"ttl": 2}), expect=(NOTHING, PAGE, RESET))
insertion("syn-flag-on-data", "W4 H7", "decoy with SYN and ACK flags", lambda run, c: c.put(0, run.fake, flags=attacker.SYN | ACK))
insertion("fin-with-old-timestamp", "W6 O4", "FIN with an old timestamp", lambda run, c: c.fin(0, stamp=c.clock - 5000), stamps=True)
insertion("data-offset-too-large", "P6 W11", "decoy whose data offset lies beyond the segment",
          lambda run, c: c.emit(bytes(broken_offset(c, run.fake[:8]))))


def broken_offset(c, payload):
    whole = bytearray(c.segment(PSH | ACK, c.seq(0), c.expected, payload))
    whole[12] = 0xf0
    whole[16:18] = b"\0\0"
    s, d = attacker.packed(c.source), attacker.packed(c.destination)
    whole[16:18] = struct.pack("!H", attacker.checksum(s + d + struct.pack("!BBH", 0, 6, len(whole)) + bytes(whole)))
    return whole


# --- wrap-around ---

for label, isn in (("wraps", 0xffffffff - 60), ("wraps-in-handshake", 0xffffffff), ("sign-changes", 0x7fffffff - 60)):
    @both(f"sequence-{label}", "W1", f"initial number {isn:#x}: the numbers {label.split('-')[0]} within the request", [PAGE])
    def _(run, isn=isn):
        c = run.open(isn=isn)
        data = run.bad
        c.put(90, data[90:])
        c.put(40, data[40:90])
        c.put(0, data[:40])
        run.answer(c)


@case("sequence-wraps-conflict", "W1 W9", "numbers wrap; out of order, one byte range with two contents", [PAGE, JUDGED])
def _(run):
    c = run.open(isn=0xffffffff - 40)
    at = run.where(run.bad)
    c.put(1, run.good[1:at + 20])
    c.put(1, run.bad[1:at + 20])
    c.put(at + 20, run.bad[at + 20:])
    c.put(0, run.bad[:1])
    run.answer(c)


@case("timestamps-wrap", "W6", "timestamps that go through 2^32", [PAGE])
def _(run):
    c = run.connection(stamps=True)
    c.clock = 0xffffffff - 1
    c.syn()
    c.wait(lambda: c.peer_isn is not None, 1)
    c.put(0, flags=ACK)
    c.send(run.bad, size=20)
    run.answer(c)


@case("timestamps-left-out", "W6", "segments without timestamp on a connection that agreed on them", [PAGE])
def _(run):
    c = run.open(stamps=True)
    c.put(0, run.bad, stamp=False)
    run.answer(c)


@case("timestamp-left-out-decoy-old", "W6", "the beginning without timestamp, then a decoy with an old one, then the rest", [PAGE])
def _(run):
    c = run.open(stamps=True)
    data, at = run.bad, run.where(run.bad)
    c.put(0, data[:at], stamp=False)
    c.put(at, run.fake[at:], stamp=c.clock - 5000)
    c.put(at, data[at:])
    run.answer(c)


@case("timestamp-poisoned", "W6", "a segment with a timestamp far ahead that dies behind Weir, then the request", [PAGE, NOTHING, RESET], twin=honest)
def _(run):
    c = run.open(stamps=True)
    c.put(0, flags=ACK, stamp=c.clock + 0x40000000, ip={"ttl": 2})
    c.send(run.bad)
    run.answer(c)


@case("timestamp-ahead-decoy", "W6", "a keep-alive with a timestamp far ahead, then the request with a smaller one", [NOTHING, PAGE, RESET])
def _(run):
    c = run.open(stamps=True)
    c.put(-1, flags=ACK, stamp=c.clock + 0x20000000)
    pause(0.02)
    c.put(0, run.good if not run.is_twin else run.bad, stamp=c.clock)
    if run.is_twin:
        c.clock += 0x20000001
    else:
        c.clock += 0x20000001
    c.put(0, run.bad)
    run.answer(c)


# --- windows ---

@case("window-right-edge", "W2 W3", "the request's last byte and much more, reaching beyond the window", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:-4])
    c.delivered(len(data) - 4)
    c.put(len(data) - 4, data[-4:] + b"GET /x HTTP/1.1\r\nX-Fill: " + b"z" * 1200)
    run.answer(c)


@case("segment-larger-than-mss", "W12", "a segment larger than the server's MSS (its SYN said 536)", [PAGE])
def _(run):
    c = run.open(options=attacker.option(2, struct.pack("!H", 536)))
    c.put(0, run.request(run.word, pad=1200))
    run.answer(c)


@both("zero-window-probe", "W2 W7", "the window filled; a probe with a byte of a decoy, then the request", [PAGE], servers=("slow",))
def _(run):
    c = run.open()
    c.wait(lambda: c.peer_window > 0, 0.2)
    window = c.peer_window or 2000
    filler = run.request("good", pad=0, headers=("X-Fill: " + "f" * 300,))
    sent = b""
    while len(sent) + len(filler) <= window:
        sent += filler
    c.send(sent)
    room = window - len(sent)
    if room > 0:
        c.put(len(sent), run.bad[:min(room, 12)])
    probe = len(sent) + min(room, 12)
    pause(0.1)
    c.put(probe, b"?")  # beyond the window: the receiver does not take it
    c.put(probe, b"?")
    pause(0.9)
    for _ in range(4):
        c.put(len(sent), run.bad)
        if c.wait(lambda: len(statuses(c.received)) > sent.count(b"GET "), 0.5):
            break
    run.answer(c, sent.count(b"GET ") + 1)


@case("beyond-a-small-window", "W2 W3", "attack behind a full window, then the same place with harmless bytes once it opens", [PAGE, NOTHING, JUDGED],
      servers=("slow",), twin=honest)
def _(run):
    c = run.open()
    window = c.peer_window or 2000
    c.send(b"GET /x HTTP/1.1\r\nHost: lab\r\nX-Fill: " + b"f" * (window - 60) + b"\r\n\r\n")
    c.put(c.next + 3000, run.good)
    c.put(c.next + 3000, run.bad)
    pause(0.9)
    c.put(c.next, run.bad)
    run.answer(c, 2)


@both("keep-alive-byte", "W7", "keep-alives with a byte of garbage before the next one, in the middle of the request", [PAGE])
def _(run):
    c = run.open()
    data, at = run.bad, run.where(run.bad) + 2
    c.put(0, data[:at])
    c.delivered(at)
    for byte in b"x\r\n":
        c.put(at - 1, bytes([byte]))
    c.put(at - 1, flags=ACK)
    c.put(at, data[at:])
    run.answer(c)


@case("duplicate-acks", "W7", "forty duplicate acknowledgements and a window update within the request", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:40])
    for i in range(40):
        c.put(40, flags=ACK, window=60000 + i)
    c.put(40, data[40:])
    run.answer(c)


@case("ack-of-nothing-bare", "W5 W4", "bare acknowledgements of bytes that the server never sent, then the request", [PAGE])
def _(run):
    c = run.open()
    for ahead in (1, 5000, 100000, 0x7fffffff):
        c.put(0, flags=ACK, ack=c.expected + ahead)
    c.send(run.bad)
    run.answer(c)


@case("ack-of-response-to-come", "W5", "the request acknowledges the answer that it will get", [PAGE])
def _(run):
    c = run.open()
    c.put(0, run.bad[:-2])
    c.put(len(run.bad) - 2, run.bad[-2:], ack=c.expected + 40)
    pause(0.05)
    c.put(len(run.bad) - 2, run.bad[-2:])
    run.answer(c)


# --- repetitions ---

@both("repeated-same", "W8", "every segment three times, also after its acknowledgement", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    for a, b in ((0, 30), (30, 70), (0, 70), (0, 30), (70, len(data))):
        c.put(a, data[a:b])
        c.delivered(b, 0.3) if b < len(data) else None
        c.put(a, data[a:b])
    run.answer(c)


@both("repeated-other-after-ack", "W8 W9", "acknowledged bytes repeated with the attack's, then the rest", [JUDGED, PAGE])
def _(run):
    c = run.open()
    at = run.where(run.bad) + 10
    c.put(0, run.good[:at])
    c.delivered(at)
    c.put(0, run.bad[:at])
    c.put(0, run.bad)  # and with new bytes behind
    pause(0.05)
    c.put(at, run.bad[at:])
    run.answer(c)


@case("repeated-harmless-after-ack", "W8 W9", "the attack's bytes acknowledged, then repeated as harmless ones, then the rest", [PAGE])
def _(run):
    c = run.open()
    at = run.where(run.bad) + 10
    c.put(0, run.bad[:at])
    c.delivered(at)
    c.put(0, run.good[:at])
    pause(0.02)
    c.put(at, run.bad[at:])
    run.answer(c)


@case("repeated-other-before-ack", "W9", "in order, twice in a row with different bytes before any acknowledgement", [PAGE, JUDGED])
def _(run):
    c = run.open()
    at = run.where(run.bad) + 10
    c.put(0, run.good[:at])
    c.put(0, run.bad[:at])
    c.put(at, run.bad[at:])
    run.answer(c)


def geometry(name, first, second, six):
    """Two out-of-order segments around the word; first, second: bytes beyond it on the left and on the right."""
    for order in ("good", "attack"):
        def play(run, order=order):
            c = run.open()
            a, b = (run.good, run.bad) if order == "good" else (run.bad, run.good)
            at, end = run.where(run.bad), len(a)
            low1, high1 = at - first[0], at + 4 + first[1]
            low2, high2 = at - second[0], at + 4 + second[1]
            c.put(low1, a[low1:high1])
            c.put(low2, b[low2:high2])
            c.put(high1, b[high1:])
            c.put(1, b[1:low1])
            c.put(0, b[:1])
            run.answer(c)
            if run.is_twin and not c.received:
                c.put(0, b[:end])
                run.answer(c)
        case(f"overlap-{name}-{order}-first" + ("-6" if six else ""), "W9 O1", f"behind a hole: {says}; {order} first" + (", IPv6" if six else ""),
             [PAGE] if order == "attack" else [JUDGED], six=six)(play)


SIDES = {"begins": {"at-once": (2, 2), "later": (4, 1), "earlier": (1, 4)}, "ends": {"at-once": (3, 3), "later": (2, 6), "earlier": (6, 2)}}
for left, (l1, l2) in SIDES["begins"].items():
    for right, (r1, r2) in SIDES["ends"].items():
        says = f"second segment begins {left.replace('-', ' ')}, ends {right.replace('-', ' ')}"
        geometry(f"begins-{left}-ends-{right}", (l1, r1), (l2, r2), False)
for left, right in (("at-once", "at-once"), ("earlier", "later"), ("later", "earlier")):
    says = f"second segment begins {left.replace('-', ' ')}, ends {right.replace('-', ' ')}"
    geometry(f"begins-{left}-ends-{right}", tuple(SIDES[k][v][0] for k, v in (("begins", left), ("ends", right))),
             tuple(SIDES[k][v][1] for k, v in (("begins", left), ("ends", right))), True)


@case("overlap-of-three", "W9 O1 O2", "three contents over two pieces behind a hole", [JUDGED, PAGE, NOTHING])
def _(run):
    c = run.open()
    at = run.where(run.bad)
    c.put(at, run.good[at:at + 2])
    c.put(at + 2, run.good[at + 2:at + 4])
    c.put(at - 1, run.bad[at - 1:at + 5])
    c.put(at + 4, run.good[at + 4:])
    c.put(0, run.good[:at])
    run.answer(c)


# --- flags and options ---

@case("ecn-bits", "W10", "request with ECE, CWR and the reserved bits set", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:50], flags=PSH | ACK | ECE | CWR, reserved=1)
    c.put(50, data[50:], flags=PSH | ACK | CWR, reserved=7, ip={"tos": 3})
    run.answer(c)


@case("unknown-options", "W11", "request with options that nobody knows", [PAGE])
def _(run):
    c = run.open()
    c.put(0, run.bad, options=attacker.option(200, b"abcd") + attacker.option(76, b""))
    run.answer(c)


@both("option-length-zero", "W11", "request with an option of length 0, which the server takes", [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    c.put(0, run.bad, options=b"\x08\x00\1\1")
    run.answer(c)


@case("option-length-beyond", "W11", "request with an option that ends beyond the header, which the server takes", [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    c.put(0, run.bad, options=b"\1\1\x08\x20")
    run.answer(c)


@case("option-timestamp-cut", "W11 W6", "request with a timestamp option of a wrong length", [PAGE, NOTHING, RESET], twin=honest)
def _(run):
    c = run.open(stamps=True)
    c.put(0, run.bad, stamp=False, options=attacker.option(8, b"\0\0\0\1\0\0"))
    run.answer(c)


@case("option-timestamp-twice", "W11 W6", "request with two timestamp options, the old one last", [PAGE, NOTHING, RESET])
def _(run):
    c = run.open(stamps=True)
    c.put(0, run.fake, options=attacker.timestamps(c.clock - 5000, 0))
    pause(0.02)
    c.send(run.bad)
    run.answer(c)
    or_honest(run, c)
