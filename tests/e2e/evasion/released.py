"""What a client may do of what Weir has let go: the rest of a large answer, of a large upload, a connection that is not
read (D3)."""
from lab.attacker import ACK, CWR, FIN, M32, PSH, URG

from .case import NOTHING, PAGE, REFUSED, RESET, case, pause
from .fragments import cut, fragment

LARGE = 768 * 1024
LARGE_REQUEST = b"GET /large.bin HTTP/1.1\r\nHost: lab\r\n\r\n"
HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"weir" * 48  # of TLS, as far as it matters


def download(run, within=True, **how):
    """A connection on which the large answer has begun, and with `within` waits in its middle; the offset of its end in the
    server's stream."""
    c = run.open(**how)
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


def on_same_ports(run, c, isn):
    """The connection after `c`, open; on other ports if the server would not have it."""
    after = run.connection(sport=c.sport, isn=isn)
    return after if after.open(wait=3.0 * run.patience) else run.open()


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
        again = on_same_ports(run, c, (c.isn + 1_000_000) & M32)
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


# --- uploads: bodies of requests to /upload-… are not read by the campaign's rules ---

BODY = 512 * 1024
ANY = [PAGE, RESET, REFUSED, NOTHING]


def upload(run, left=0, isn=None, stamps=False):
    """A connection on which an upload has been sent but for its last `left` bytes, most of it past Weir; those bytes."""
    c = run.open(stamps=stamps, **({} if isn is None else {"isn": isn}))
    data = run.request("good", "POST", ("Content-Type: application/octet-stream",), b"0123456789abcdef" * (BODY // 16))
    begin = len(data) - BODY + 20_000
    size = 1400 if stamps else None
    c.send(data[:begin], size)
    c.wait(lambda: c.over() or c.acked == c.seq(begin), 2 * run.patience)
    pause(0.05)
    c.send(data[begin:len(data) - left], size)
    run.responses = 2
    return c, data[len(data) - left:]


def behind(name, says, play, expect=ANY, **more):
    """play(run, c, left, bad): `left` are the body's last 3000 bytes, `bad` follows them."""
    def whole(run):
        c, left = upload(run, 3000, **more)
        if run.is_twin:
            c.send(left + run.bad, 1400)
        else:
            play(run, c, left, run.bad)
        run.answer(c, 2, 5)
    case("upload-" + name, "D3", says, expect)(whole)


behind("attack-behind", "the attack behind a large upload, in the segment that ends it", lambda run, c, left, bad: c.send(left + bad), [PAGE])
behind("attack-behind-wrapped", "the same, where sequence numbers come round within the body", lambda run, c, left, bad: c.send(left + bad), [PAGE],
       isn=M32 - 300_000)
behind("attack-behind-high", "the same, where they change sign", lambda run, c, left, bad: c.send(left + bad), [PAGE], isn=(1 << 31) - 300_000)
behind("attack-behind-stamped", "the same, with timestamps", lambda run, c, left, bad: c.send(left + bad, 1400), [PAGE], stamps=True)
behind("attack-in-bytes", "the attack behind it in segments of one byte", lambda run, c, left, bad: (c.send(left), c.send(bad, size=1)), [PAGE])


@case("upload-clean-one-behind", "D3", "a clean request behind a large upload, then the attack", [PAGE])
def _(run):
    c, left = upload(run, 3000)
    c.send(left + run.good)
    run.responses = 3
    run.answer(c, 2, 5)
    c.send(run.bad)
    run.answer(c, 3, 5)


def overlap(run, c, left, bad):
    c.send(left[:-1])
    c.put(c.next, left[-1:] + bad)


def again(run, c, left, bad):
    c.send(left)
    c.put(c.next - 1, left[-1:] + bad)  # its first byte is there already


def first(run, c, left, bad):
    c.put(c.next + len(left), bad)
    pause(0.2)
    c.send(left)


def around(run, c, left, bad):
    """Of the attack the end first, then its beginning with the body's last bytes."""
    c.put(c.next + len(left) + 20, bad[20:])
    c.send(left[:1400])
    c.send(left[1400:-10])
    c.put(c.next, left[-10:] + bad[:20])


def urgent(run, c, left, bad):
    c.send(left[:-100])
    c.put(c.next, left[-100:] + bad, flags=URG | PSH | ACK, urgent=50)


def congested(run, c, left, bad):
    c.send(left[:-100])
    c.put(c.next, left[-100:] + bad, flags=CWR | PSH | ACK)


def fragments(run, c, left, bad):
    c.send(left[:-100])
    for data, offset, more in cut(c.segment(PSH | ACK, c.seq(c.next), c.expected, left[-100:] + bad), 64, 128):
        fragment(c, data, offset, more)


def decoy(run, c, left, bad):
    c.put(c.next + len(left), run.fake.ljust(len(bad), b"x")[:len(bad)], ack=(c.expected + 100_000) & M32)  # the server discards it
    pause(0.1)
    c.send(left + bad)


def wrong_acks(run, c, left, bad):
    c.put(c.next, left[:1000], ack=(c.expected + 100_000) & M32)
    c.put(c.next, left[:1000], ack=(c.expected - 100_000) & M32)
    c.send(left + bad)


def finish_first(run, c, left, bad):
    c.put(c.next + len(left), flags=FIN | ACK, ack=(c.expected + 100_000) & M32)  # a decoy
    pause(0.1)
    c.send(left + bad)


def other_bytes(run, c, left, bad):
    """The body's end twice, and something behind it: first as the server does not take it."""
    c.put(c.next + len(left) - 100, left[-100:-1] + b"\n" + run.fake[:50], ack=(c.expected + 100_000) & M32)
    c.send(left + bad)


def reset_decoy(run, c, left, bad):
    c.rst(c.next + len(left) + 10)
    c.rst(c.next + 5)
    c.send(left + bad)


behind("overlap-by-one", "the body's last byte and the attack in one segment", overlap, [PAGE])
behind("overlap-again", "the body, then its last byte again and the attack", again, [PAGE])
behind("attack-first", "the attack before the body's last bytes", first)
behind("attack-around", "its end, the body's last bytes, its beginning", around)
behind("urgent", "urgent data across the body's end", urgent)
behind("congestion", "CWR across the body's end", congested, [PAGE])
behind("fragments", "the body's end and the attack in IP fragments", fragments)
behind("decoy", "a decoy with a wrong acknowledgement behind the body's end, then the attack", decoy)
behind("wrong-acks", "wrong acknowledgements within the body, then the attack behind it", wrong_acks)
behind("fin-decoy", "a FIN with a wrong acknowledgement at the body's end, then the attack", finish_first)
behind("other-bytes", "a decoy within the body with other bytes, then the attack behind it", other_bytes)
behind("reset-decoy", "resets that the server discards, then the attack", reset_decoy)


@case("upload-then-again", "D3 H7", "a reset within a large upload, then a connection on the same ports whose numbers lie in the rest of it", [PAGE])
def _(run):
    c, left = upload(run, 60_000)
    c.wait(lambda: c.over() or c.acked == c.seq(c.next), 2 * run.patience)
    c.rst(flags=4 | ACK, ack=c.expected)
    pause(0.3)
    run.responses = 1
    again = on_same_ports(run, c, (c.isn + c.next + 1_000) & M32)
    again.send(run.bad)
    run.answer(again)


@case("upload-live-syn", "D3 H7", "a SYN whose number lies in the rest of a large upload, in its middle; then the rest, and the attack", ANY)
def _(run):
    c, left = upload(run, 30_000)
    if not run.is_twin:
        c.syn(seq=(c.isn + c.next + 1_000) & M32)
        pause(0.1)
    c.send(left + run.bad)
    run.answer(c, 2, 5)
