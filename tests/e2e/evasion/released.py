"""What a client may do of what Weir has let go: the rest of a large answer, a connection that is not read (D3)."""
from lab.attacker import ACK, M32, PSH

from .case import NOTHING, PAGE, REFUSED, RESET, case, pause

LARGE = 768 * 1024
LARGE_REQUEST = b"GET /large.bin HTTP/1.1\r\nHost: lab\r\n\r\n"
HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"weir" * 48  # of TLS, as far as it matters


def download(run, within=True):
    """A connection on which the large answer has begun, and with `within` waits in its middle; the offset of its end in the
    server's stream."""
    c = run.open()
    c.most = LARGE // 4 if within else None
    c.send(LARGE_REQUEST)
    c.wait(lambda: c.over() or len(c.received) > LARGE // 4, 5 * run.patience)
    pause(0.05)
    return c, c.received.index(b"\r\n\r\n") + 4 + LARGE


def whole(run, c, end):
    if c.most is not None:
        c.most = None
        c.put(c.next, flags=ACK, seq=c.acked)
    c.wait(lambda: c.over() or len(c.received) >= end, 8 * run.patience)


def fill(run, c, end):
    """For the twin: after its request nothing is held back any more."""
    whole(run, c, end)
    run.answer(c, 2)


@case("released-then-attack", "D3", "the attack behind a large answer, most of which left the queue", [PAGE])
def _(run):
    run.responses = 2
    c, end = download(run, within=False)
    whole(run, c, end)
    c.send(run.bad)
    run.answer(c, 2)


@case("released-attack-within", "D3", "the attack while the large answer comes", [PAGE, RESET, NOTHING])
def _(run):
    run.responses = 2
    c, end = download(run)
    c.send(run.bad)
    fill(run, c, end)


@case("released-attack-in-bytes", "D3 O2", "the same in segments of one byte", [PAGE, RESET, NOTHING])
def _(run):
    run.responses = 2
    c, end = download(run)
    c.send(run.bad, size=1)
    fill(run, c, end)


@case("released-behind-a-clean-one", "D3", "a clean request and the attack in one segment while the large answer comes", [PAGE, RESET, NOTHING])
def _(run):
    run.responses = 3
    c, end = download(run)
    c.send(run.good + run.bad)
    whole(run, c, end)
    run.answer(c, 3)


def claims(name, says, beyond, expect):
    def play(run):
        run.responses = 2
        c, end = download(run)
        if run.is_twin:
            c.send(run.bad)
            return fill(run, c, end)
        start = (c.expected - len(c.received)) & M32
        c.put(c.next, run.fake, ack=(start + end + beyond) & M32)  # the server has not sent so much: it is to discard it
        pause(0.1)
        c.send(run.bad)
        fill(run, c, end)
    case(name, "D3 W4", says, expect)(play)


claims("released-ack-of-the-end", "a decoy that acknowledges all of the large answer while it comes, then the attack", 0, [PAGE, RESET, NOTHING])
claims("released-ack-beyond-the-end", "the same, with an acknowledgement beyond the end", 4000, [PAGE, RESET, NOTHING])


@case("released-hole-first", "D3 O2", "the end of the attack first, its beginning when the large answer is there", [PAGE, RESET, NOTHING])
def _(run):
    run.responses = 2
    c, end = download(run)
    data, at = run.bad, c.next
    c.put(at + 20, data[20:])
    whole(run, c, end)
    c.put(at, data[:20])
    c.next += len(data)
    run.answer(c, 2)


def successor(name, says, setting=""):
    """What is no HTTP leaves the queue as a whole; the server closes, and forgets; then another connection on the same ports."""
    def play(run):
        c = run.open()
        c.send(HELLO)
        c.wait(c.over, 3 * run.patience)
        pause(2.5 if setting else 0.2)
        c.piece = None
        sport, isn = c.sport, (c.isn + 1_000_000) & M32
        again = run.connection(sport=sport, isn=isn)
        if not again.open(wait=3.0 * run.patience):
            again = run.open()  # the server would not have it
        again.send(run.bad)
        run.answer(again)
    case(name, "D3 H7", says, [PAGE, RESET, NOTHING], setting=setting)(play)


successor("released-then-again", "a TLS hello; when the server has closed, a new connection on the same ports with the attack")
successor("released-then-forgotten", "the same, when the server has forgotten the first one and connection tracking has not", "forgets")


@case("released-live-syn", "D3 H7", "a SYN on a connection that is not read, and the attack behind it", [RESET, REFUSED, NOTHING, PAGE])
def _(run):
    if run.is_twin:
        c = run.open()
        c.send(run.bad)
        run.answer(c)
        return
    c = run.open()
    c.send(HELLO[:20])
    pause(0.2)
    c.syn(seq=(c.isn + 50_000) & M32)
    pause(0.1)
    c.put(c.next, run.bad, flags=PSH | ACK)
    run.answer(c)
