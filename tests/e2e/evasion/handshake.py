"""The start of a connection: requirements H1 to H10."""
import struct

from lab import attacker
from lab.attacker import ACK, PSH, RST, SYN

from .case import JUDGED, NOTHING, PAGE, REFUSED, RESET, case, mss_option, pause
from .fragments import both

FAST_OPEN = attacker.option(34, b"\1\2\3\4\5\6\7\x08")


def synack(c, seconds=0.8):
    return c.wait(lambda: c.peer_isn is not None or c.reset, seconds) and c.peer_isn is not None


def half_open(run):
    """A connection whose SYN was answered."""
    c = run.connection()
    c.syn()
    synack(c)
    return c


def honest(run, **fields):
    c = run.open(**fields)
    c.send(run.bad)
    run.answer(c)


def or_honest(run, c):
    """A twin that the server did not answer is played the honest way."""
    if run.is_twin and not c.received:
        honest(run)


@both("syn-again-other-number", "H1", "SYN, a second one with another number before the answer; goes on from the first", [PAGE, NOTHING, RESET])
def _(run):
    c = run.connection()
    c.syn()
    c.syn(seq=c.isn + 77777)
    if synack(c):
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)
    if run.is_twin and not run.connections[0].received:
        honest(run)


@case("syn-again-goes-on-from-second", "H1", "SYN, a second one with another number; goes on from the second", [PAGE, NOTHING, RESET])
def _(run):
    c = run.connection()
    c.syn(seq=c.isn - 50000)
    c.syn()
    if synack(c, 0.5):
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)
    elif run.is_twin:
        honest(run)


@case("syn-low-ttl-first", "H1 O7", "a SYN with another number that dies behind Weir, then the real one", [PAGE])
def _(run):
    c = run.connection()
    c.syn(seq=c.isn + 1000, ip={"ttl": 2})
    pause(0.05)  # connection tracking drops the second of two first packets that are under way at once
    c.syn()
    synack(c)
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)


@case("syn-twelve-numbers", "H1", "twelve SYNs that die behind Weir, each with its number, then the real one", [PAGE, NOTHING])
def _(run):
    c = run.connection()
    for i in range(12):
        c.syn(seq=c.isn + 1000 * (i + 1), ip={"ttl": 2})
    c.syn()
    if synack(c):
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)
    elif run.is_twin:
        honest(run)


@case("syn-bad-checksum-first", "H1 P6", "a SYN with another number and a wrong checksum, then the real one", [PAGE])
def _(run):
    c = run.connection()
    c.syn(seq=c.isn + 1000, bad_checksum=True)
    pause(0.05)
    c.syn()
    synack(c)
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)


@case("ack-of-wrong-synack", "H2", "the handshake's ACK and a decoy with a wrong number, then the right one", [PAGE])
def _(run):
    c = half_open(run)
    c.put(0, run.fake, ack=c.expected + 12345)
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)


@case("synack-from-client", "H2 H4", "SYN, then a SYN/ACK from the client as well", [PAGE, NOTHING, RESET])
def _(run):
    c = half_open(run)
    c.emit(c.segment(SYN | ACK, c.isn, c.expected, options=mss_option()))
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)
    or_honest(run, c)


@case("synack-only", "H2 H4", "a SYN/ACK out of nothing, then the request", [NOTHING, RESET], twin=honest)
def _(run):
    c = run.connection()
    c.emit(c.segment(SYN | ACK, c.isn, 0x12345678, options=mss_option()))
    c.put(0, run.bad, ack=0x12345678)
    run.answer(c, seconds=0.5)


@case("syn-data", "H3", "the request in the SYN, without Fast Open", [NOTHING, PAGE, RESET])
def _(run):
    c = run.connection()
    c.syn(payload=run.bad)
    if synack(c, 0.4):
        c.put(0, flags=ACK)
        run.answer(c, seconds=0.4)
    if run.is_twin:  # an honest sender sends it again without the data
        c.syn()
        synack(c)
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)


@case("syn-data-decoy", "H3", "a decoy in the SYN, then the request at the same place", [PAGE, NOTHING])
def _(run):
    c = run.connection()
    c.syn(payload=run.fake)
    if not synack(c, 0.4):
        if not run.is_twin:
            return
        c.syn()
        synack(c)
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)


def fast_open(run, whole):
    c = run.connection()
    data = run.bad
    c.syn(payload=data if whole else data[:30], extra=FAST_OPEN)
    if synack(c, 0.4):
        c.put(0 if c.acked == c.isn + 1 & 0xffffffff else len(data), flags=ACK)
        if (c.acked - c.isn - 1) & 0xffffffff == 0:
            c.send(data)  # the server did not take it
        elif not whole:
            c.put(30, data[30:])
        run.answer(c)
    or_honest(run, c)


@both("fast-open", "H3", "the request in the SYN, with Fast Open", [NOTHING, PAGE])
def _(run):
    fast_open(run, True)


@case("fast-open-first-part", "H3", "the request's beginning in the SYN, with Fast Open, the rest after it", [NOTHING, PAGE])
def _(run):
    fast_open(run, False)


@case("fast-open-option-only", "H3", "a SYN with the Fast Open option and no data (the option is taken off)", [PAGE])
def _(run):
    c = run.open(extra=attacker.option(34))
    c.send(run.bad)
    run.answer(c)


@case("fast-open-experimental", "H3", "the request in the SYN, with Fast Open's experimental option", [NOTHING, PAGE])
def _(run):
    c = run.connection()
    c.syn(payload=run.bad, extra=attacker.option(254, b"\xf9\x89\1\2\3\4\5\6\7\x08"))
    if synack(c, 0.4):
        c.put(len(run.bad) if (c.acked - c.isn - 1) & 0xffffffff else 0, flags=ACK)
        if c.acked == (c.isn + 1) & 0xffffffff:
            c.send(run.bad)
        run.answer(c)
    elif run.is_twin:
        honest(run)


@case("simultaneous-open", "H4", "a second SYN in answer to the SYN/ACK, as in simultaneous open", [PAGE, NOTHING, RESET])
def _(run):
    c = half_open(run)
    c.syn()
    c.emit(c.segment(SYN | ACK, c.isn, c.expected, options=mss_option()))
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)
    or_honest(run, c)


@case("split-handshake", "H4", "SYN answered by the server; the client acknowledges without SYN and sends its SYN again",
      [PAGE, NOTHING, RESET])
def _(run):
    c = half_open(run)
    c.put(-1, flags=ACK)
    c.syn()
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)
    or_honest(run, c)


@both("data-completes-handshake", "H5", "the handshake's ACK brings the request", [PAGE])
def _(run):
    c = half_open(run)
    c.put(0, run.bad)
    run.answer(c)


@case("data-before-synack", "H5", "data right after the SYN, with a guessed acknowledgement, then the request", [PAGE, RESET, NOTHING])
def _(run):
    c = run.connection()
    c.syn()
    c.put(0, run.fake, ack=0x1234)
    if synack(c):
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)
    or_honest(run, c)


@case("data-before-ack-no-flag", "H5 W4", "data without ACK flag in the handshake, then the request", [PAGE])
def _(run):
    c = half_open(run)
    c.put(0, run.fake, flags=PSH)
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)


@case("server-data-first", "H5", "request while the handshake's ACK is held back (data only, out of order first)", [PAGE])
def _(run):
    c = half_open(run)
    data = run.bad
    c.put(40, data[40:])
    c.put(0, data[:40])
    run.answer(c)


@case("cookies", "H6", "server under SYN cookies: options are those that it remembers", [PAGE], setting="cookies")
def _(run):
    honest(run)


@case("cookies-scale-lost", "H6", "SYN cookies, scale offered without timestamps: windows mean what the SYN/ACK says", [PAGE], setting="cookies")
def _(run):
    c = run.connection(window=400)
    c.syn(options=mss_option() + attacker.option(3, b"\x0e"))
    synack(c)
    c.put(0, run.bad)
    run.answer(c)


@case("cookies-late-ack", "H6 H1", "SYN cookies: the ACK of an earlier SYN's answer completes it", [PAGE, RESET, NOTHING], setting="cookies")
def _(run):
    c = half_open(run)
    first = c.expected
    c.syn(seq=c.isn + 500000)
    pause(0.1)
    c.put(0, run.bad, ack=first)
    run.answer(c)
    or_honest(run, c)


@both("syn-on-open-connection", "H7", "a SYN with another number on the open connection, then the request goes on", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:30])
    c.syn(seq=c.isn + 300000)
    pause(0.05)
    c.put(30, data[30:])
    run.answer(c)


@case("syn-in-window", "H7", "a SYN within the window, then the request goes on", [PAGE])
def _(run):
    c = run.open()
    data = run.bad
    c.put(0, data[:30])
    c.syn(seq=c.seq(100))
    pause(0.05)
    c.put(30, data[30:])
    run.answer(c)


@case("syn-with-data-on-open-connection", "H7 H3", "a SYN with a decoy at the request's place, then the request", [PAGE])
def _(run):
    c = run.open()
    c.syn(seq=c.seq(-1), payload=run.fake)
    pause(0.05)
    c.send(run.bad)
    run.answer(c)


@case("port-again-after-close", "H7", "the same port again after an orderly end, higher number: attack on the second", [PAGE])
def _(run):
    c = run.open()
    c.send(run.good)
    run.answer(c)
    c.fin()
    c.wait(c.over, 1)
    pause(0.1)
    d = run.open(sport=c.sport, isn=(c.isn + 0x100000) & 0xffffffff)
    d.send(run.bad)
    run.answer(d)


@case("port-again-after-reset", "H7 O6", "the same port again after a reset, lower number", [PAGE])
def _(run):
    c = run.open()
    c.send(run.good)
    run.answer(c)
    c.rst(c.next)
    d = run.open(sport=c.sport, isn=(c.isn - 0x100000) & 0xffffffff)
    d.send(run.bad)
    run.answer(d)


@case("port-again-fake-close", "H7 O4", "a FIN and a reset that the server never sees, a SYN with the same numbers, then the request",
      [PAGE, NOTHING, RESET])
def _(run):
    c = run.open()
    c.fin(0, ip={"ttl": 2})
    c.rst(0, ip={"ttl": 2})
    c.syn(ip={"ttl": 2})
    pause(0.05)
    c.send(run.bad)
    run.answer(c)
    or_honest(run, c)


@both("midstream-request", "H8 H10", "connection opened before Weir was there; then the request", [RESET, NOTHING, PAGE], midstream="any", twin=honest)
def _(run):
    c = run.open()
    run.begun.set()
    run.go.wait(60)
    c.send(run.bad)
    run.answer(c)


@case("midstream-in-request", "H8 H10", "half a request before Weir was there, the other half after", [RESET, NOTHING], midstream="refused", twin=honest)
def _(run):
    c = run.open()
    data = run.bad
    c.send(data[:run.where(data) + 2])
    c.delivered(c.next)
    run.begun.set()
    run.go.wait(60)
    c.send(data[c.next:])
    run.answer(c)


@case("midstream-in-body", "H10", "a body under way when Weir comes; the attack is pipelined behind it", [RESET, NOTHING, JUDGED, PAGE], midstream="any", twin=honest)
def _(run):
    c = run.open()
    c.send(run.request("good", method="POST", body=b"x" * 50)[:-20])
    c.delivered(c.next)
    run.begun.set()
    run.go.wait(60)
    c.send(b"x" * 20)
    c.send(run.bad)
    run.answer(c, 2)


@case("data-without-handshake", "H8", "a request out of nothing", [RESET, NOTHING], twin=honest)
def _(run):
    c = run.connection()
    c.put(0, run.bad, ack=0x4711)
    run.answer(c, seconds=0.5)


@case("answers-around-weir", "H9", "the server's answers take another way", [NOTHING, RESET], back=True, twin=honest)
def _(run):
    c = run.open()
    c.send(run.bad)
    run.answer(c)


@case("answers-around-weir-later", "H9", "the same, with the handshake's ACK lost before Weir: data first", [NOTHING, RESET], back=True, twin=honest)
def _(run):
    c = half_open(run)
    c.put(0, run.bad)
    run.answer(c)


@case("synack-forged", "H2 H9", "a SYN/ACK in the server's name from the client's side, another number, before the real one",
      [PAGE, NOTHING, RESET])
def _(run):
    c = run.connection()
    c.syn()
    forge(c, SYN | ACK, 0x01020304, c.isn + 1, options=attacker.tcp_options(mss_option()))
    synack(c)
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)
    or_honest(run, c)


def forge(c, flags, seq, ack, payload=b"", **fields):
    """A packet in the server's name, sent from the client's side of Weir."""
    data = attacker.tcp(c.destination, c.source, c.dport, c.sport, seq, ack, flags, payload, **fields)
    if c.six:
        c.wire.send(attacker.ipv6(c.destination, c.source, data))
    else:
        c.wire.send(attacker.ipv4(c.destination, c.source, data, ident=1))


@both("forged-switch", "H2 H9", "an Upgrade, and 101 in the server's name from the client's side; then the attack", [PAGE, RESET, REFUSED, NOTHING],
      twin=honest)
def _(run):
    c = run.open()
    c.send(run.request("good", headers=("Upgrade: websocket", "Connection: Upgrade"))[:-2])
    c.delivered(c.next)
    forge(c, PSH | ACK, c.expected, c.seq(c.next), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    pause(0.1)
    c.send(b"\r\n" + run.bad)
    run.answer(c, 2)


@case("forged-switch-early", "H2 H9 upgrade", "Upgrade, 101 in the server's name from the client's side, attack", [PAGE, RESET, REFUSED, NOTHING],
      servers=("nginx", "apache", "python"), twin=honest)
def _(run):
    c = run.open()
    c.answering = False
    c.send(run.request("good", headers=("Upgrade: websocket", "Connection: Upgrade")))
    # As many bytes as the server's answer has, so that its acknowledgements fit.
    forge(c, PSH | ACK, c.expected, c.seq(c.next), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    pause(0.1)
    c.put(c.next, run.bad)
    run.answer(c, 2)


@both("forged-reset", "H2 O5 O6", "a reset in the server's name from the client's side; then the request", [PAGE, RESET, NOTHING], twin=honest)
def _(run):
    c = run.open()
    forge(c, RST | ACK, c.expected, c.seq(0))
    pause(0.05)
    c.send(run.bad)
    run.answer(c)


@case("forged-fin", "H2 O4", "a FIN in the server's name from the client's side; then the request", [PAGE, RESET, NOTHING], twin=honest)
def _(run):
    c = run.open()
    forge(c, attacker.FIN | ACK, c.expected, c.seq(0))
    pause(0.05)
    c.send(run.bad)
    run.answer(c)


@case("forged-acknowledgement", "H2 W4 W9", "fake in a segment that dies behind Weir, acknowledged in the server's name; then the attack in its place",
      [PAGE, RESET, NOTHING], twin=honest)
def _(run):
    c = run.open()
    decoy = run.fake
    c.put(0, decoy, ip={"ttl": 2})
    forge(c, ACK, c.expected, c.seq(len(decoy)))
    pause(0.05)
    c.put(0, run.bad)
    run.answer(c)


@case("forged-response", "H2 W9", "request of HEAD, an answer in the server's name, then the attack in the place of bytes acknowledged",
      [PAGE, RESET, NOTHING], twin=honest)
def _(run):
    c = run.open()
    decoy = run.fake
    c.put(0, decoy, ip={"ttl": 2})
    forge(c, PSH | ACK, c.expected, c.seq(len(decoy)), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    pause(0.05)
    c.put(0, run.bad)
    run.answer(c)


@case("handshake-then-silence-of-window", "H1 W3", "SYN with window 0, then the request", [PAGE])
def _(run):
    c = run.connection(window=0)
    c.syn()
    synack(c)
    c.window = 65535
    c.put(0, flags=ACK)
    c.send(run.bad)
    run.answer(c)


@case("syn-odd-flags", "H1 W10", "SYN with ECE, CWR, URG and PSH; then the request", [PAGE, NOTHING])
def _(run):
    c = run.connection()
    c.syn(flags=SYN | attacker.ECE | attacker.CWR | PSH, urgent=0)
    if synack(c):
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)
    elif run.is_twin:
        honest(run)


@case("syn-fin", "H1 O4", "SYN with FIN, then the request", [PAGE, NOTHING, RESET])
def _(run):
    c = run.connection()
    c.syn(flags=SYN | attacker.FIN)
    if synack(c, 0.4):
        c.put(0, flags=ACK)
        c.send(run.bad)
        run.answer(c)
    or_honest(run, c)


@case("syn-mss-tiny", "H1 W12", "SYN that announces an MSS of 48 and no options else", [PAGE])
def _(run):
    c = run.open(options=struct.pack("!BBH", 2, 4, 48))
    c.send(run.bad)
    run.answer(c)
