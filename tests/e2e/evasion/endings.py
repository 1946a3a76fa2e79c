"""Overlaps in number, urgent data, FIN, RST, hops: requirements O1 to O8."""
from lab import attacker
from lab.attacker import ACK, FIN, PSH, RST, URG

from .case import JUDGED, NOTHING, PAGE, REFUSED, RESET, case, pause
from .fragments import both
from .handshake import honest


# --- number of segments ---

@both("one-byte-segments", "O2", "the request in segments of one byte", [PAGE])
def _(run):
    c = run.open()
    c.send(run.bad, size=1)
    run.answer(c)


@case("one-byte-segments-backwards", "O2 O1", "the same, last byte first", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    for i in reversed(range(len(data))):
        c.put(i, data[i:i + 1])
    run.answer(c)


@case("every-overlap", "O2 O1", "segments of 40 bytes, each one byte further than the last", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    for i in range(len(data)):
        c.put(i, data[i:i + 40])
    run.answer(c)


@case("six-thousand-behind-a-hole", "O2", "6,000 one-byte segments behind a hole, then the request before them", [PAGE, NOTHING, RESET])
def _(run):
    c = run.open()
    data = run.bad
    at = len(data)
    for i in range(0, 12000, 2):
        c.put(at + 10 + i, b"x")
    c.put(0, data)
    run.answer(c)


# --- urgent data: the byte at the pointer is not in the stream that the server reads ---

# nginx takes a short read for the last: it stops at the mark until something more comes.
URGENT = ("nginx", "python", "apache")

def urgent(name, says, at_word, pointer, six=False):
    """The request with one byte too many in the word, which the urgent pointer names."""
    def play(run):
        c = run.open()
        data = run.bad
        at = run.where(data) + at_word
        data = data[:at] + b"~" + data[at:]
        start = 20
        c.put(0, data[:start])
        c.put(start, data[start:], flags=PSH | ACK | URG, urgent=pointer(at - start, len(data) - start))
        if run.is_twin:  # with URG cleared the byte is there: /go~od
            return run.answer(c)
        run.answer(c)
    # The byte is there for both: a request for another target, or, in front of the word, still the word.
    case(name, "O3", says, [JUDGED, PAGE], six=six, twin=urgent_twin, servers=URGENT)(play)


def urgent_twin(run):
    c = run.open()
    data = run.bad
    c.put(0, data, flags=PSH | ACK | URG, urgent=len(data))
    c.put(0, data)
    run.answer(c)


urgent("urgent-in-word", "a byte in the middle of the word, which the urgent pointer takes out", 2, lambda at, n: at + 1)
urgent("urgent-in-word-6", "the same, IPv6", 2, lambda at, n: at + 1, six=True)
urgent("urgent-before-word", "the byte in front of the word", 0, lambda at, n: at + 1)


@case("urgent-pointer-zero", "O3", "a segment that begins with the byte too many, pointer 0", [JUDGED], twin=urgent_twin, servers=URGENT)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    c.put(0, data[:at])
    c.put(at, b"~" + data[at:], flags=PSH | ACK | URG, urgent=0)
    run.answer(c)


@case("urgent-at-end", "O3", "the byte too many is the segment's last", [JUDGED], twin=urgent_twin, servers=URGENT)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    c.put(0, data[:at] + b"~", flags=PSH | ACK | URG, urgent=at + 1)
    c.put(at + 1, data[at:])
    run.answer(c)


@case("urgent-beyond", "O3", "pointer beyond the segment: the byte comes with the next, without URG", [JUDGED], twin=urgent_twin, servers=URGENT)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    c.put(0, data[:at], flags=PSH | ACK | URG, urgent=at + 1)
    c.put(at, b"~" + data[at:])
    run.answer(c)


@case("urgent-bare", "O3", "pointer announced by a segment without data; the byte comes later", [JUDGED], twin=urgent_twin, servers=URGENT)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    c.put(0, data[:10])
    c.put(10, flags=ACK | URG, urgent=at + 1 - 10)
    c.put(10, data[10:at] + b"~" + data[at:])
    run.answer(c)


@case("urgent-twice", "O3", "two urgent bytes, of which the server takes out the latest only", [JUDGED], twin=urgent_twin, servers=URGENT)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 1
    c.put(0, data[:at] + b"~", flags=PSH | ACK | URG, urgent=at + 1)
    c.put(at + 1, data[at:at + 1] + b"~" + data[at + 1:], flags=PSH | ACK | URG, urgent=2)
    run.answer(c)


@case("urgent-out-of-order", "O3 O1", "the urgent segment behind a hole", [JUDGED], twin=urgent_twin, servers=URGENT)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    c.put(at, b"~" + data[at:], flags=PSH | ACK | URG, urgent=1)
    c.put(0, data[:at])
    run.answer(c)


@case("urgent-pointer-without-flag", "O3 O8", "an urgent pointer in segments that have no URG flag", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    emit = c.segment(PSH | ACK, c.seq(0), c.expected, data, urgent=at + 1)
    c.emit(emit)
    run.answer(c)


# --- FIN ---

@both("fin-with-request", "O4", "FIN in the segment that completes the request", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:50])
    c.put(50, data[50:], flags=PSH | ACK | FIN)
    run.answer(c)


@both("half-close", "O4", "request, then FIN: the answer comes on the half-closed connection", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.send(data[:-2])
    c.delivered(c.next)
    c.put(c.next, data[-2:])
    c.fin(len(data))
    run.answer(c)


@both("fin-beyond-window", "O4 W2", "a FIN beyond the window, then the request", [PAGE])
def _(run):
    c = run.open()
    c.fin(10_000_000)
    c.send(run.bad)
    run.answer(c)


@case("fin-before", "O4", "a FIN at a number before the next, then the request", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:40])
    c.delivered(40)
    c.fin(20)
    c.fin(39)
    c.put(40, data[40:])
    run.answer(c)


@case("fin-bad-checksum", "O4 P6", "a FIN with a wrong checksum, then the request", [PAGE])
def _(run):
    c = run.open()
    c.fin(0, bad_checksum=True)
    c.send(run.bad)
    run.answer(c)


@case("fin-bad-ack", "O4 W4", "a FIN that acknowledges what was never sent, then the request", [PAGE])
def _(run):
    c = run.open()
    c.fin(0, ack=c.expected + 100000)
    c.send(run.bad)
    run.answer(c)


@case("fin-no-ack-flag", "O4 W4", "a FIN without ACK, then the request", [PAGE])
def _(run):
    c = run.open()
    c.put(0, flags=FIN)
    c.send(run.bad)
    run.answer(c)


@case("fin-low-ttl", "O4 O7", "a FIN that dies behind Weir, then the request: data after the end", [NOTHING, RESET, PAGE], twin=honest)
def _(run):
    c = run.open()
    c.fin(0, ip={"ttl": 2})
    pause(0.05)
    c.send(run.bad)
    run.answer(c)


@case("fin-in-a-hole", "O4", "a FIN behind a hole at the end of a harmless request; the hole is filled with more than there is room for",
      [NOTHING, PAGE, JUDGED, RESET, REFUSED], twin=honest)
def _(run):
    c = run.open()
    c.fin(len(run.good))
    c.put(1, run.good[1:])
    c.put(0, run.good[:1] + run.good[1:] + run.bad)
    run.answer(c, 2)


@case("fin-inside-data", "O4", "a FIN in the middle of data that is there, then the request's rest", [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    data = run.bad
    c.put(40, data[40:])
    c.fin(60)
    c.put(0, data[:40])
    run.answer(c)


@case("fin-at-two-places", "O4", "FINs at two places behind a hole", [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    data = run.bad
    c.fin(60)
    c.fin(len(data))
    c.put(1, data[1:])
    c.put(0, data[:1])
    run.answer(c)


@both("data-after-fin", "O4", "half a request, FIN, the other half", [NOTHING, RESET, REFUSED], twin=honest)
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:60])
    c.fin(60)
    pause(0.05)
    c.put(60, data[60:])
    c.put(61, data[60:])
    run.answer(c)


@case("second-request-after-fin", "O4", "a request, FIN, another request behind the FIN", [JUDGED, PAGE], twin=honest)
def _(run):
    c = run.open()
    c.send(run.good)
    c.fin(c.next)
    c.put(c.next + 1, run.bad)
    run.answer(c, 2)


@case("fin-decoy-data", "O4 W9", "FIN behind other bytes at a place that is taken: the end of the stream, half a request", [REFUSED, NOTHING, RESET], twin=honest)
def _(run):
    c = run.open()
    data, at = run.bad, run.where(run.bad) + 4
    c.put(0, data[:at])
    c.delivered(at)
    c.put(at - 4, b"good", flags=PSH | ACK | FIN)
    pause(0.02)
    c.put(at, data[at:])
    run.answer(c)


# --- RST ---

def reset_decoy(name, covers, says, send, expect=(PAGE,), six=False, stamps=False, twin=None):
    """A reset in the middle of the request which the server does not believe; then the rest."""
    def play(run):
        c = run.open(stamps=stamps)
        data, at = run.bad, run.where(run.bad) + 2
        c.put(0, data[:at])
        c.delivered(at)
        send(c, at)
        pause(0.05)
        c.put(at, data[at:])
        run.answer(c)
    case(name, covers, says, expect, six=six, twin=twin)(play)


for six in (False, True):
    tail, more = ("-6", ", IPv6") if six else ("", "")
    reset_decoy("reset-in-window" + tail, "O5", "a reset within the window, not at the next number" + more, lambda c, at: c.rst(at + 100), six=six)
    reset_decoy("reset-before" + tail, "O5", "a reset one number too low" + more, lambda c, at: c.rst(at - 1), six=six)
    reset_decoy("reset-bad-checksum" + tail, "O5 P6", "a reset at the right number with a wrong checksum" + more,
                lambda c, at: c.rst(at, bad_checksum=True), six=six)
    reset_decoy("reset-low-ttl" + tail, "O5 O7", "a reset at the right number that dies behind Weir" + more,
                lambda c, at: c.rst(at, ip={"ttl": 2}), expect=(NOTHING, RESET, PAGE), six=six, twin=honest)
reset_decoy("reset-beyond-window", "O5", "a reset far beyond the window", lambda c, at: c.rst(at + 10_000_000))
reset_decoy("reset-half-around", "O5 W1", "a reset 2^31 ahead", lambda c, at: c.rst(at + 0x80000000))
reset_decoy("reset-md5", "O5 W11", "a reset at the right number with an MD5 signature",
            lambda c, at: c.rst(at, options=b"\1\1" + attacker.option(19, b"\xbb" * 16)))
reset_decoy("reset-and-syn", "O5 H7", "RST and SYN at once", lambda c, at: c.rst(at + 5, flags=RST | attacker.SYN))


def reset_then(name, covers, says, send, twin=honest, **fields):
    """A reset that the server believes, then the rest."""
    def play(run):
        c = run.open(**fields)
        data, at = run.bad, run.where(run.bad) + 2
        c.put(0, data[:at])
        c.delivered(at)
        send(c, at)
        pause(0.05)
        c.put(at, data[at:])
        c.put(0, data)
        run.answer(c)
    case(name, covers, says, [RESET, NOTHING], twin=twin)(play)


reset_then("reset-exact", "O5 O6", "a reset at the right number, then the rest", lambda c, at: c.rst(at))
reset_then("reset-exact-bad-ack", "O5 O6", "a reset at the right number with an absurd acknowledgement", lambda c, at: c.rst(at, flags=RST | ACK, ack=1))
reset_then("reset-old-timestamp", "O5 W6", "a reset at the right number with an old timestamp", lambda c, at: c.rst(at, stamp=c.clock - 90000), stamps=True)
reset_then("reset-with-payload", "O6 O8", "a reset at the right number that carries the rest",
           lambda c, at: c.put(at, b"x" * 30, flags=RST | ACK))


@case("reset-in-hole", "O5", "a reset at the end of what lies behind a hole, then the hole", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(40, data[40:80])
    c.rst(80)
    pause(0.02)
    c.put(80, data[80:])
    c.put(0, data[:40])
    run.answer(c)


@case("reset-then-syn-then-rest", "O6 H7", "a reset that dies behind Weir, a SYN that dies too, then the rest of the request",
      [NOTHING, RESET, PAGE], twin=honest)
def _(run):
    c = run.open()
    data, at = run.bad, run.where(run.bad) + 2
    c.put(0, data[:at])
    c.delivered(at)
    c.rst(at, ip={"ttl": 2})
    c.syn(seq=c.isn + 9999, ip={"ttl": 2})
    pause(0.05)
    c.put(at, data[at:])
    run.answer(c)


# --- after Weir has refused ---

@both("refused-last-packet-again", "O6 W8", "the attack's last bytes twenty times, and the whole of it twice", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:-8])
    for _ in range(20):
        c.put(len(data) - 8, data[-8:])
    c.put(0, data)
    pause(0.1)
    c.put(0, data)
    run.answer(c)


@case("refused-then-clean", "O6", "behind the refused attack, on the same connection: a clean request, then the attack's last bytes", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data)
    run.answer(c)
    c.put(len(data), run.good)
    c.put(len(data) - 4, data[-4:])
    pause(0.1)


@case("refused-port-again", "H7 O6", "the port of a refused connection again at once, with the attack; the twin: with a clean request", [PAGE])
def _(run):
    c = run.open()
    c.send(run.request("evil"))
    if not c.wait(c.over, 0.6):
        c.rst(c.next)  # it was not refused: make room
    d = run.open(sport=c.sport, isn=(c.isn + 0x200000) & 0xffffffff)
    d.send(run.bad)
    run.answer(d)


@case("refused-behind-a-hole", "O5 O6 O7", "bytes that die behind Weir, then the attack's end: Weir's reset cannot fit the server; then the rest again",
      [PAGE, NOTHING, RESET], twin=honest)
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:20])
    c.delivered(20)
    c.put(20, data[20:40], ip={"ttl": 2})
    c.put(40, data[40:])
    run.answer(c)
    c.put(20, data[20:])
    c.put(20, data[20:40])
    c.put(40, data[40:])
    run.answer(c)


# --- hops ---

@both("ttl-decoy-first", "O7", "harmless bytes that die behind Weir, then the attack's in their place", [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    at = run.where(run.bad) + 4
    c.put(0, run.good[:at], ip={"ttl": 2})
    pause(0.02)
    c.put(0, run.bad)
    run.answer(c)


@case("ttl-decoy-whole", "O7", "a whole harmless request that dies behind Weir, then the attack in its place", [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    c.put(0, run.good, ip={"ttl": 2})
    pause(0.02)
    c.put(0, run.bad)
    run.answer(c)


@case("ttl-decoy-behind-hole", "O7 W9", "out of order: harmless bytes that die behind Weir, the attack's, then the beginning",
      [NOTHING, PAGE, RESET], twin=honest)
def _(run):
    c = run.open()
    c.put(1, run.good[1:], ip={"ttl": 2})
    c.put(1, run.bad[1:])
    c.put(0, run.bad[:1])
    run.answer(c)


@case("ttl-decoy-repeated", "O7", "the twin's content repeated honestly when the first copy died behind Weir", [PAGE])
def _(run):
    c = run.open()
    c.put(0, run.bad[:-2], ip={"ttl": 2})
    pause(0.02)
    c.put(0, run.bad)
    run.answer(c)


@case("ttl-two-hops", "O7 O8", "request with just enough hops left", [PAGE])
def _(run):
    c = run.open()
    c.put(0, run.bad, ip={"ttl": 3})
    run.answer(c)


@case("ttl-dies-before-weir", "O7", "decoy that does not even reach Weir, then the request", [PAGE])
def _(run):
    c = run.open()
    c.put(0, run.good, ip={"ttl": 1})
    c.put(0, run.bad)
    run.answer(c)


@case("pushed-empty", "O8 O2", "empty segments with every mix of flags in between", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:40])
    for flags in (ACK, ACK | PSH, ACK | URG, ACK | attacker.ECE, ACK | attacker.CWR):
        c.put(40, flags=flags)
    c.put(40, data[40:])
    run.answer(c)


@case("pad-options", "O8 W11", "request with no-operation options in every free place", [PAGE])
def _(run):
    c = run.open()
    c.put(0, run.bad, options=b"\1" * 40)
    run.answer(c)


@case("all-flags", "O8 O5", "a decoy with every flag set, then the request", [PAGE, RESET, NOTHING], twin=honest)
def _(run):
    c = run.open()
    c.put(0, run.fake, flags=0xff)
    pause(0.02)
    c.send(run.bad)
    run.answer(c)


@case("two-connections-one-port", "O1 H1", "two connections that differ in the server's port only, by turns", [PAGE])
def _(run):
    c = run.open()
    d = run.open(sport=c.sport, dport=9100)
    data = run.bad
    for a in range(0, len(data), 20):
        d.put(a, run.fake[a:a + 20])
        c.put(a, data[a:a + 20])
    run.answer(c)
