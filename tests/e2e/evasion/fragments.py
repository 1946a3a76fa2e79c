"""IP fragments: requirements F1 to F8; P4 and P5 where the IP header itself is the trick."""
import struct

from lab import attacker
from lab.attacker import ACK, PSH
from lab.evasion_lab import TUNNEL_FROM

from .case import JUDGED, NOTHING, PAGE, REFUSED, RESET, case, pause

IDENT = 0x4d1e


def segment_of(c, payload, offset=0, **fields):
    return c.segment(PSH | ACK, c.seq(offset), c.expected, payload, **fields)


def fragment(c, data, offset, more, ident=IDENT, before=(), after=(), **ip):
    """One fragment: `data` at `offset` (bytes) of the datagram."""
    if c.six:
        extensions = [*before, (44, attacker.fragment_header(offset, more, ident)), *after]
        c.wire.send(c.packet(data, extensions=extensions, **ip))
    else:
        c.wire.send(c.packet(data, offset=offset, more=more, ident=ident, **ip))


def cut(data, *at):
    """[(data, offset, more)] at multiples of eight."""
    edges = [0, *sorted(a // 8 * 8 for a in at if 0 < a < len(data)), len(data)]
    return [(data[a:b], a, b != len(data)) for a, b in zip(edges, edges[1:]) if a < b]


def send_all(c, parts, **more):
    for data, offset, follows in parts:
        fragment(c, data, offset, follows, **more)


def both(name, covers, says, expect, **more):
    """The same over IPv4 and IPv6."""
    def add(play):
        case(name + "-4", covers, says, expect, **more)(play)
        case(name + "-6", covers, says + ", IPv6", expect, six=True, **more)(play)
        return play
    return add


def plain(run):
    """The twin of what no receiver puts together: honest fragments of the same request."""
    c = run.open()
    send_all(c, cut(segment_of(c, run.bad), 64, 96))
    run.answer(c)


@both("fragments-in-order", "F1 F3", "request in fragments of 64, 32 and the rest", [PAGE])
def _(run):
    plain(run)


@both("fragments-reversed", "F1 F3", "the same, last fragment first", [PAGE])
def _(run):
    c = run.open()
    send_all(c, reversed(cut(segment_of(c, run.bad), 32, 64, 96)))
    run.answer(c)


@both("fragments-shuffled", "F1 F3 F7", "eight bytes each but the first, odd ones first", [PAGE])
def _(run):
    c = run.open()
    parts = cut(segment_of(c, run.bad), *range(24, 200, 8))
    send_all(c, parts[1::2] + parts[::2])
    run.answer(c)


@case("fragments-of-8", "F5", "fragments of eight bytes: the first has no whole TCP header", [PAGE, NOTHING])
def _(run):
    c = run.open()
    send_all(c, cut(segment_of(c, run.bad), *range(8, 200, 8)))
    if run.is_twin and not run.answer(c):  # an honest sender repeats itself otherwise, should Weir not take it
        c.put(0, run.bad)
    run.answer(c)


@case("fragments-of-8-6", "F5 P5", "the same over IPv6, where a receiver drops them (RFC 7112)", [NOTHING], six=True, twin=plain)
def _(run):
    c = run.open()
    send_all(c, cut(segment_of(c, run.bad), *range(8, 200, 8)))
    run.answer(c)


@both("fragments-duplicate", "F2", "every fragment twice", [PAGE])
def _(run):
    c = run.open()
    for part in cut(segment_of(c, run.bad), 32, 64, 96):
        send_all(c, [part, part] if part[2] else [part])
    run.answer(c)


def overlap(name, first, second, says, expect, six=False):
    """first and second: (bytes before, bytes after) that the two copies have beyond the word's eights."""
    for order in ("good first", "attack first"):
        def play(run, order=order):
            c = run.open()
            a, b = (run.good, run.bad) if order == "good first" else (run.bad, run.good)
            one, two = segment_of(c, a), segment_of(c, b)
            at = run.where(run.bad) + 20
            low, high = at // 8 * 8, (at + 11) // 8 * 8
            edges = [(low - x * 8, high + y * 8) for x, y in (first, second)]
            (low1, high1), (low2, high2) = edges
            fragment(c, one[:min(low1, low2)], 0, True)
            fragment(c, one[low1:high1], low1, True)
            fragment(c, two[low2:high2], low2, True)
            for left, right in ((min(low1, low2), low1), (high1, max(high1, high2))):
                if left < right and (left, right) != edges[1]:
                    fragment(c, one[left:right], left, True)
            end = max(high1, high2)
            fragment(c, one[end:], end, False)
            run.answer(c)
        label = f"fragments-{name}-{order.split()[0]}" + ("-6" if six else "")
        case(label, "F2 F3", f"{says}; {order}" + (", IPv6" if six else ""), expect, six=six, twin=plain)(play)


for six in (False, True):
    overlap("same-range", (0, 0), (0, 0), "two fragments of one range that differ", [NOTHING, PAGE, JUDGED], six)
    overlap("overlap-inside", (1, 1), (0, 0), "the second within the first", [NOTHING, PAGE, JUDGED], six)
    overlap("overlap-around", (0, 0), (1, 1), "the second around the first", [NOTHING], six)
overlap("overlap-left", (0, 0), (1, 0), "the second begins before the first", [NOTHING])
overlap("overlap-right", (0, 0), (0, 1), "the second ends after the first", [NOTHING])


@case("fragments-two-ends", "F2 F8", "two last fragments, of different length", [NOTHING, PAGE, JUDGED], twin=plain)
def _(run):
    c = run.open()
    whole = segment_of(c, run.bad)
    short = segment_of(c, run.good[:60] + b"\r\n\r\n")
    fragment(c, short[64:], 64, False)
    fragment(c, whole[64:], 64, False)
    fragment(c, whole[:64], 0, True)
    run.answer(c)


@case("fragments-beyond-end", "F5 F8", "a fragment beyond the last one", [NOTHING, PAGE], twin=plain)
def _(run):
    c = run.open()
    whole = segment_of(c, run.bad)
    fragment(c, whole[64:], 64, False)
    fragment(c, b"x" * 16, (len(whole) + 23) // 8 * 8, True)
    fragment(c, whole[:64], 0, True)
    run.answer(c)


@both("fragments-over-65535", "F5 F8", "decoy fragment that ends beyond 65535, then the request with the same identification",
      [NOTHING, PAGE], twin=plain)
def _(run):
    c = run.open()
    whole = segment_of(c, run.bad)
    fragment(c, whole[:64], 0, True)
    fragment(c, b"x" * 64, 65528, True)
    fragment(c, whole[64:], 64, False)
    run.answer(c)


@both("fragments-empty", "F5", "an empty fragment before the request's", [PAGE, NOTHING], twin=plain)
def _(run):
    c = run.open()
    parts = cut(segment_of(c, run.bad), 64)
    fragment(c, b"", 64, True)
    send_all(c, parts)
    run.answer(c)


@both("fragments-odd-length", "F5 F8", "a fragment that is not the last, of a length that is no multiple of eight",
      [NOTHING, PAGE, REFUSED], twin=plain)
def _(run):
    c = run.open()
    whole = segment_of(c, run.bad)
    fragment(c, whole[:61], 0, True)
    fragment(c, whole[56:], 56, False)
    run.answer(c)


@case("fragments-other-protocol", "F1", "the same identification, used by a UDP datagram at the same time", [PAGE])
def _(run):
    c = run.open()
    whole = segment_of(c, run.bad)
    other = segment_of(c, run.fake)
    fragment(c, other[:64], 0, True, protocol=17)
    fragment(c, whole[:64], 0, True)
    fragment(c, other[64:], 64, False, protocol=17)
    fragment(c, whole[64:], 64, False)
    run.answer(c)


@both("fragments-other-source", "F1 F7", "the same identification, used by another sender at the same time", [PAGE])
def _(run):
    c = run.open()
    other = run.connection(source="fd79::ffff:1" if run.case.six else "10.79.255.1")
    whole, decoy = segment_of(c, run.bad), segment_of(c, run.fake)
    fragment(other, decoy[:64], 0, True)
    fragment(c, whole[:64], 0, True)
    fragment(other, decoy[64:], 64, False)
    fragment(c, whole[64:], 64, False)
    run.answer(c)


@both("fragments-late", "F4", "half a decoy; the same identification again when the server has forgotten it", [PAGE, NOTHING, JUDGED])
def _(run):
    c = run.open()
    whole, decoy = segment_of(c, run.bad), segment_of(c, run.fake)
    fragment(c, decoy[:64], 0, True)
    pause(1.6)
    send_all(c, cut(whole, 64))
    if run.is_twin and not run.answer(c, seconds=0.5):
        send_all(c, cut(whole, 64), ident=IDENT + 1)  # an honest sender's repetition has another number
    run.answer(c)


@case("fragments-late-tail", "F4", "half a decoy, its tail, pause; then the attack's first half with the same identification",
      [PAGE, NOTHING, JUDGED], twin=plain)
def _(run):
    c = run.open()
    whole, decoy = segment_of(c, run.bad), segment_of(c, run.fake)
    fragment(c, decoy[64:], 64, False)
    pause(1.6)
    fragment(c, whole[:64], 0, True)
    fragment(c, whole[64:], 64, False)
    run.answer(c)


@case("fragments-interleaved", "F1 F3", "two segments of one connection, their fragments by turns", [PAGE])
def _(run):
    c = run.open()
    bad = run.bad
    one, two = segment_of(c, bad[:80]), segment_of(c, bad[80:], 80)
    for a, b in zip(cut(one, 32, 64), cut(two, 24, 40)):
        fragment(c, *a, ident=1)
        fragment(c, *b, ident=2)
    run.answer(c)


@case("fragments-many", "F5 F7", "300 unfinished datagrams before it", [PAGE])
def _(run):
    c = run.open()
    decoy = segment_of(c, run.fake)
    for ident in range(300):
        fragment(c, decoy[:64], 0, True, ident=0x6000 + ident)
    send_all(c, cut(segment_of(c, run.bad), 64))
    run.answer(c)


@case("fragments-tos", "F1 F3", "fragments of one datagram with different TTL and type of service", [PAGE])
def _(run):
    c = run.open()
    a, b = cut(segment_of(c, run.bad), 64)
    fragment(c, *a, ttl=200, tos=0x10)
    fragment(c, *b, ttl=33)
    run.answer(c)


@case("fragments-ttl-decoy", "F2 F3 O7", "a last fragment that dies behind Weir, then the real one", [NOTHING, PAGE, JUDGED], twin=plain)
def _(run):
    c = run.open()
    whole, decoy = segment_of(c, run.bad), segment_of(c, run.good)
    at = (run.where(run.bad) + 20) // 8 * 8
    fragment(c, decoy[:at], 0, True)
    fragment(c, decoy[at:], at, False, ttl=2)
    fragment(c, whole[at:], at, False)
    run.answer(c)


@case("fragments-of-syn", "F3 F5 H1", "the SYN in fragments", [PAGE, NOTHING])
def _(run):
    c = run.connection()
    syn = c.segment(attacker.SYN, c.isn, 0, options=attacker.option(2, struct.pack("!H", 1460)) + b"\1" * 20)
    send_all(c, cut(syn, 24))
    if not c.wait(lambda: c.peer_isn is not None, 0.6):
        if not run.is_twin:
            return
        c.syn()
        c.wait(lambda: c.peer_isn is not None, 1)
    c.put(0, run.bad)
    run.answer(c)


@case("fragment-atomic-6", "F1 P5", "a fragment header on a datagram that is whole", [PAGE], six=True)
def _(run):
    c = run.open()
    fragment(c, segment_of(c, run.bad), 0, False)
    run.answer(c)


@case("fragments-options-6", "F1 P5", "destination options before and behind the fragment header", [PAGE, NOTHING], six=True)
def _(run):
    c = run.open()
    data = segment_of(c, run.bad)
    options = bytes([6]) + attacker.padded_options()
    fragment(c, options + data[:64], 0, True, before=[(60, attacker.padded_options())], protocol=60)
    fragment(c, data[64:], 72, False, before=[(60, attacker.padded_options())], protocol=60)
    run.answer(c)


# --- tunnels: fragments inside, and of the tunnel's own packets ---

def outer(packet, **fields):
    return attacker.ipv4(TUNNEL_FROM, "10.78.2.2", packet, protocol=17, **fields)


class Tunnelled:
    """Sends what a connection makes through the tunnel."""

    def __init__(self, wire):
        self.wire, self.ends = wire, wire.ends

    def send(self, packet):
        self.wire.send(outer(attacker.vxlan(packet)))


def through_tunnel(run):
    run.wire = Tunnelled(run.wire)
    return run.open()


@case("tunnel-plain", "F6 P1", "request inside VXLAN", [PAGE, RESET, NOTHING], tunnel=True, bare=True)
def _(run):
    c = through_tunnel(run)
    c.send(run.bad)
    run.answer(c)


@case("tunnel-fragments-inside", "F6", "fragments inside the tunnel", [PAGE, RESET, NOTHING], tunnel=True, bare=True)
def _(run):
    c = through_tunnel(run)
    send_all(c, cut(segment_of(c, run.bad), 64, 96))
    run.answer(c)


@case("tunnel-fragments-outside", "F6", "fragments of the tunnel's packet", [PAGE, RESET, NOTHING], tunnel=True, bare=True)
def _(run):
    c = through_tunnel(run)
    packet = attacker.vxlan(c.packet(segment_of(c, run.bad), ident=77))
    for data, offset, more in cut(packet, 64, 96):
        c.wire.wire.send(outer(data, offset=offset, more=more, ident=c.sport))
    run.answer(c)


@case("tunnel-fragments-both", "F6", "fragments inside the tunnel, each in fragments itself", [PAGE, RESET, NOTHING], tunnel=True, bare=True)
def _(run):
    c = through_tunnel(run)
    for i, (data, offset, more) in enumerate(cut(segment_of(c, run.bad), 64, 128)):
        packet = attacker.vxlan(c.packet(data, ident=78, offset=offset, more=more))
        for piece, at, follows in reversed(cut(packet, 40)):
            c.wire.wire.send(outer(piece, offset=at, more=follows, ident=c.sport + 20000 * i))
    run.answer(c)


# --- the IP header ---

def decoy(name, covers, says, make, six=False, expect=(PAGE,)):
    """A decoy that no receiver takes, in the place of the request, then the request."""
    def play(run):
        c = run.open()
        make(run, c)
        pause(0.02)
        c.send(run.bad)
        run.answer(c)
    case(name, covers, says, expect, six=six)(play)


decoy("ip-bad-header-checksum", "P4", "decoy with a wrong IP header checksum", lambda run, c: c.put(0, run.fake, ip={"bad_checksum": True}))
decoy("ip-source-route", "P4", "decoy with a loose source route",
      lambda run, c: c.put(0, run.fake, ip={"options": b"\x83\x07\x08" + attacker.packed("10.78.2.2") + b"\0"}))
decoy("ip-length-beyond-packet", "P4", "decoy whose total length is more than there is",
      lambda run, c: c.put(0, run.fake, ip={"total": 20 + 20 + len(run.fake) + 100}))
decoy("ipv6-two-hop-by-hop", "P5", "decoy with two hop-by-hop headers",
      lambda run, c: c.put(0, run.fake, ip={"extensions": [(0, attacker.padded_options()), (0, attacker.padded_options())]}), six=True)
decoy("ipv6-discard-option", "P5", "decoy with a destination option that says discard",
      lambda run, c: c.put(0, run.fake, ip={"extensions": [(60, attacker.padded_options(bytes([0x5e, 2, 0, 0])))]}), six=True)
decoy("ipv6-authentication", "P5", "decoy with an authentication header that the server has no key for",
      lambda run, c: c.put(0, run.fake, ip={"extensions": [(51, bytes([4]) + b"\0\0" + b"\0\0\1\0" + b"\0\0\0\1" + b"\0" * 12)]}), six=True)


@case("ipv4-trailing-bytes", "P4", "packet with bytes behind its total length, which are no payload", [PAGE])
def _(run):
    c = run.open()
    packet = c.packet(segment_of(c, run.bad[:40]))
    c.wire.send(packet + b"X" * 30)
    c.put(40, run.bad[40:])
    run.answer(c)


@case("ipv6-routing-header", "P5", "request behind a routing header with nothing left to visit", [PAGE, NOTHING, RESET], six=True)
def _(run):
    c = run.open()
    c.put(0, run.bad, ip={"extensions": [(43, bytes([2, 0, 0]) + b"\0" * 4 + attacker.packed(c.destination))]})
    if run.is_twin and not run.answer(c, seconds=0.5):
        c.put(0, run.bad)
    run.answer(c)


@case("ipv6-destination-options", "P5", "request behind five destination options headers", [PAGE, NOTHING], six=True)
def _(run):
    c = run.open()
    c.put(0, run.bad, ip={"extensions": [(60, attacker.padded_options())] * 5})
    if run.is_twin and not run.answer(c, seconds=0.5):
        c.put(0, run.bad)
    run.answer(c)
