"""What a client may do of bare acknowledgements that Weir lets by while a large answer comes (D3): packets that are nearly
such, and what those that are do to the server."""
from lab.attacker import ACK, M32, URG, option

from .case import JUDGED, NOTHING, PAGE, REFUSED, RESET, case, pause
from .fragments import cut, fragment
from .released import LARGE, download, fill, on_same_ports, whole

ANY = [PAGE, RESET, REFUSED, NOTHING]


def inside(c, end, at=LARGE // 4 + 20_000):
    """The number that acknowledges so much of the large answer: no more than the server has sent when download() is back."""
    return (c.expected - len(c.received) + end - LARGE + at) & M32


def within(name, says, play, expect=ANY, **more):
    """play(run, c, end): while the large answer comes, and acknowledgements of it go by."""
    def over(run):
        run.responses = 2
        c, end = download(run)
        for i in range(1, 8):
            c.put(c.next, flags=ACK, ack=inside(c, end, LARGE // 4 + i * 1000))
        if run.is_twin:
            c.send(run.bad)
        else:
            play(run, c, end)
        fill(run, c, end)
    case("acks-" + name, "D3", says, expect, **more)(over)


def in_one(run, c, end):
    c.put(c.next, run.bad, flags=ACK, ack=inside(c, end))
    c.next += len(run.bad)


def among(run, c, end):
    for i, octet in enumerate(run.bad):
        c.put(c.next, flags=ACK, ack=inside(c, end))
        c.put(c.next, bytes([octet]), flags=ACK, ack=inside(c, end, LARGE // 4 + 20_000 + i))
        c.next += 1


def behind_the_length(run, c, end):
    """IP says that the packet ends before the data does."""
    c.put(c.next, run.bad, flags=ACK, ack=inside(c, end), ip={"total": 40})
    c.send(run.bad)


def with_options(run, c, end):
    for options in (option(30, b"\x10evil evil evil"), b"\1" * 40, option(5, b"\0" * 8), b"\0" * 8, option(8, b"\0" * 4)):
        c.put(c.next, flags=ACK, ack=inside(c, end), options=options)
    c.send(run.bad)


def in_fragments(run, c, end):
    for data, offset, more in cut(c.segment(ACK, c.seq(c.next), inside(c, end), run.bad), 24, 48):
        fragment(c, data, offset, more)
    c.next += len(run.bad)


def header_first(run, c, end):
    """The first fragment has no more than the header: by itself an acknowledgement."""
    segment = c.segment(ACK, c.seq(c.next), inside(c, end), run.bad, b"\1" * 4)
    fragment(c, segment[:24], 0, True)
    fragment(c, segment[24:], 24, False)
    c.next += len(run.bad)


def urgent(run, c, end):
    """A pointer without data: the server would leave an octet of the attack out."""
    at = run.where(run.bad) + 2
    data = run.bad[:at] + b"x" + run.bad[at:]
    c.put(c.next, flags=URG | ACK, urgent=at + 1, ack=inside(c, end))
    pause(0.1)
    c.send(data)


def numbers(run, c, end):
    for at in (0, LARGE, LARGE + 1, -5000, LARGE * 3, 1 << 31):
        c.put(c.next, flags=ACK, ack=inside(c, end, at))
        c.put(c.next + 1, flags=ACK, ack=inside(c, end))
        c.put(c.next - 1, flags=ACK, ack=inside(c, end))
    c.send(run.bad)


def windows(run, c, end):
    for window in (0, 1, 65535, 0, 200, 65535):
        c.put(c.next, flags=ACK, ack=inside(c, end), window=window)
    c.send(run.bad, 200)


def hole_first(run, c, end):
    """The end of the attack, acknowledgements from behind it, its beginning."""
    data, at = run.bad, c.next
    c.put(at + 20, data[20:], flags=ACK, ack=inside(c, end))
    for i in range(5):
        c.put(at, flags=ACK, ack=inside(c, end, LARGE // 4 + 20_000 + i))
        c.put(at + len(data), flags=ACK, ack=inside(c, end, LARGE // 4 + 20_000 + i))
    c.put(at, data[:20], flags=ACK, ack=inside(c, end))
    c.next += len(data)


within("attack-in-one", "the attack in a segment that is else an acknowledgement, while those of a large answer go by", in_one)
within("attack-among", "the attack in segments of one byte among such acknowledgements", among)
within("attack-behind-the-length", "such an acknowledgement with the attack behind the packet's own length, then the attack", behind_the_length)
within("options", "acknowledgements with odd options, then the attack", with_options)
within("fragments", "the attack in such a segment in IP fragments", in_fragments)
within("header-first", "the same, the first fragment no more than an acknowledgement", header_first)
within("urgent", "an acknowledgement with an urgent pointer, then the attack with an octet too many there", urgent, ANY + [JUDGED])
within("numbers", "acknowledgements and sequence numbers around the range, then the attack", numbers)
within("windows", "acknowledgements that close and open the window, then the attack", windows)
within("hole-first", "the end of the attack, acknowledgements, its beginning", hole_first)


@case("acks-stamps", "D3 W4", "an acknowledgement with a timestamp far ahead; a decoy that is old to the server, and the attack in its place", ANY)
def _(run):
    run.responses = 2
    c, end = download(run, stamps=True)
    if run.is_twin:
        c.send(run.bad)
        return fill(run, c, end)
    for i in range(1, 8):
        c.put(c.next, flags=ACK, ack=inside(c, end, LARGE // 4 + i * 1000))
    before, c.clock = c.clock, c.clock + 500_000_000
    c.put(c.next, flags=ACK, ack=inside(c, end))
    pause(0.1)
    c.put(c.next, run.fake, stamp=before)
    pause(0.1)
    c.send(run.bad)
    fill(run, c, end)


@case("acks-then-again", "D3 H7", "a reset while acknowledgements go by, then a connection on the same ports whose first number is theirs", [PAGE])
def _(run):
    c, end = download(run)
    c.rst(flags=4 | ACK, ack=inside(c, end))
    pause(0.3)
    again = on_same_ports(run, c, (c.seq(c.next) - 1) & M32)
    again.send(run.bad)
    run.answer(again)


@case("acks-live-syn", "D3 H7", "a SYN while acknowledgements go by, then the rest of the large answer, and the attack", ANY)
def _(run):
    run.responses = 2
    c, end = download(run)
    if not run.is_twin:
        c.syn(seq=(c.isn + 50_000) & M32)
        pause(0.1)
    whole(run, c, end)
    c.send(run.bad)
    run.answer(c, 2)
