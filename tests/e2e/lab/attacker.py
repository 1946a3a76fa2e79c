"""TCP/IP as an attacker speaks it: packets made byte by byte and sent as Ethernet frames from addresses that no
kernel owns, so that no kernel answers in between. Nothing is sent that a case did not ask for, but for plain
acknowledgements of what comes in.

Numbers: sequence and acknowledgement numbers are modulo 2^32, offsets count the bytes of the connection's own
stream from 0, times are seconds. One thread reads; connections may be used from one other thread each.
"""
import ctypes
import os
import select
import socket
import struct
import subprocess
import json
import threading
import time

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
NEWNET = 0x40000000
ETH_ALL = 3
MOST_PIECES = 400
VXLAN = 4789
TUNNEL_STATION = "02:00:00:00:81:01"  # of the server, inside the tunnel
M32 = 0xffffffff


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def tcp_options(*parts):
    """Options as bytes, padded to a multiple of four with end-of-list."""
    out = b"".join(parts)
    return out + b"\0" * (-len(out) % 4)


def option(kind, body=b""):
    return bytes([kind, len(body) + 2]) + body


def timestamps(value, echo):
    return b"\1\1" + option(8, struct.pack("!II", value & M32, echo & M32))


def tcp(source, destination, sport, dport, seq, ack, flags, payload=b"", window=65535, options=b"", urgent=0,
        bad_checksum=False, reserved=0):
    """A TCP segment with its checksum. `reserved`: the three bits beside the data offset."""
    header = struct.pack("!HHIIBBHHH", sport, dport, seq & M32, ack & M32, (5 + len(options) // 4) << 4 | reserved,
                         flags, window, 0, urgent) + options
    whole = header + payload
    s, d = packed(source), packed(destination)
    pseudo = s + d + (struct.pack("!BBH", 0, 6, len(whole)) if len(s) == 4 else struct.pack("!II", len(whole), 6))
    value = checksum(pseudo + whole)
    if bad_checksum:
        value ^= 0x5a5a
    return whole[:16] + struct.pack("!H", value) + whole[18:]


def ipv4(source, destination, payload, ttl=64, ident=0, offset=0, more=False, dont=False, protocol=6, options=b"",
         tos=0, total=None, bad_checksum=False):
    """`offset` in bytes, as the field counts eights. `total`: what the length field says instead of the truth."""
    length = 20 + len(options) + len(payload)
    field = (0x2000 if more else 0) | (0x4000 if dont else 0) | (offset >> 3) & 0x1fff
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | (5 + len(options) // 4), tos, length if total is None else total,
                         ident, field, ttl, protocol, 0, packed(source), packed(destination)) + options
    value = checksum(header) ^ (0x1111 if bad_checksum else 0)
    return header[:10] + struct.pack("!H", value) + header[12:] + payload


def ipv6(source, destination, payload, ttl=64, protocol=6, extensions=(), label=0, tos=0, total=None):
    """`extensions`: (type, body without next-header) in order; a length field is the caller's business."""
    out = payload
    following = protocol
    for kind, body in reversed(extensions):
        out = bytes([following]) + body + out
        following = kind
    return struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(out) if total is None else total, following,
                       ttl) + packed(source) + packed(destination) + out


def vxlan(packet):
    """An IPv4 packet in VXLAN in UDP: payload of the outer IP packet."""
    frame = bytes.fromhex(TUNNEL_STATION.replace(":", "")) + b"\2\0\0\0\x81\2\x08\0" + packet
    return struct.pack("!HHHH", 50000, VXLAN, 16 + len(frame), 0) + b"\x08\0\0\0\0\0\7\0" + frame


def fragment_header(offset, more, ident):
    """The body of an IPv6 fragment header, for `extensions`."""
    return struct.pack("!BHI", 0, offset & 0xfff8 | (1 if more else 0), ident)


def padded_options(*options, size=8):
    """The body of a hop-by-hop or destination options header: its length, options, padding."""
    body = b"".join(options)
    lack = -(len(body) + 2) % size
    if lack == 1:
        body += b"\0"
    elif lack:
        body += bytes([1, lack - 2]) + b"\0" * (lack - 2)
    return bytes([(len(body) + 2) // 8 - 1]) + body


def opened_in(namespace, make):
    """make() called in a network namespace; what it opens stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(there, NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        return make()
    finally:
        libc.setns(here, NEWNET)
        os.close(here)
        os.close(there)


def hardware_address(namespace, device):
    out = subprocess.run(["ip", "-n", namespace, "-j", "link", "show", device], capture_output=True, check=True).stdout
    return bytes.fromhex(json.loads(out)[0]["address"].replace(":", ""))


class Wire:
    """The attacker's end of the link: `device` in `namespace`, towards the station `towards`. `also`: other
    devices on which answers come in."""

    def __init__(self, namespace, device, towards, also=()):
        def open_socket(name):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            s.bind((name, ETH_ALL))
            return s
        self.sockets = [opened_in(namespace, lambda name=name: open_socket(name)) for name in (device, *also)]
        self.header = towards + hardware_address(namespace, device)
        self.ends = {}
        self.alive = True
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def close(self):
        self.alive = False
        self.reader.join()
        for s in self.sockets:
            s.close()

    def send(self, packet):
        self.sockets[0].send(self.header + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet)

    def _read(self):
        while self.alive:
            for s in select.select(self.sockets, [], [], 0.05)[0]:
                data, where = s.recvfrom(1 << 17)
                if where[2] != socket.PACKET_OUTGOING:
                    self._arrived(data[14:], data[12:14])

    def _arrived(self, packet, kind):
        try:
            if kind == b"\x08\x00":
                if packet[9] == 17 and packet[22:24] == VXLAN.to_bytes(2, "big"):  # what is inside counts
                    return self._arrived(packet[50:], packet[48:50])
                if packet[9] != 6:
                    return
                total = struct.unpack("!H", packet[2:4])[0] or len(packet)
                segment = packet[(packet[0] & 15) * 4:total]
                key = (packet[12:16], packet[16:20])
            elif kind == b"\x86\xdd" and packet[6] == 6:
                segment = packet[40:]
                key = (packet[8:24], packet[24:40])
            else:
                return
            sport, dport = struct.unpack("!HH", segment[:4])
            end = self.ends.get((key[1], dport, key[0], sport))
            if end is not None:
                end.arrived(segment)
        except (IndexError, struct.error):
            pass


def parse_options(data):
    out, i = {}, 0
    while i < len(data):
        if data[i] == 0:
            break
        if data[i] == 1:
            i += 1
            continue
        if i + 1 >= len(data) or data[i + 1] < 2:
            break
        out[data[i]] = data[i + 2:i + data[i + 1]]
        i += data[i + 1]
    return out


class Connection:
    """One connection of the attacker's. `next` is the offset of the next byte that send() takes."""

    def __init__(self, wire, source, sport, destination, dport, isn=None, stamps=False, ttl=64, window=65535):
        self.wire, self.source, self.sport, self.destination, self.dport = wire, source, sport, destination, dport
        self.six = ":" in source
        self.isn = int.from_bytes(os.urandom(4), "big") if isn is None else isn
        self.stamps, self.ttl, self.window = stamps, ttl, window
        self.clock = 1_000_000  # the latest timestamp sent
        self.changed = threading.Condition()
        self.next = 0
        self.peer_isn = self.echo = None
        self.expected = 0  # the server's next byte, a sequence number
        self.acked = 0  # the server's latest acknowledgement, a sequence number
        self.peer_window = 0
        self.received = b""
        self.segments = []  # (flags, seq, ack, payload, options) of everything that came
        self.reset = self.finished = False
        self.mss, self.scale = 536, 0
        self.answering = True
        self.most = None  # of what was received that is acknowledged by itself
        self.ident = int.from_bytes(os.urandom(2), "big")
        self.hold = {}
        self.piece = None  # what send() sends at a time, if not as much as the server takes
        wire.ends[(packed(source), sport, packed(destination), dport)] = self

    # --- sending ---

    def segment(self, flags, seq, ack, payload=b"", options=b"", stamp=None, window=None, **fields):
        """Bytes of a segment of this connection; a timestamp is added if the connection has them."""
        if self.stamps and stamp is not False:
            options = timestamps(self.clock if stamp is None else stamp, self.echo or 0) + options
        return tcp(self.source, self.destination, self.sport, self.dport, seq, ack, flags, payload,
                   self.window if window is None else window, tcp_options(options), **fields)

    def packet(self, segment, ttl=None, **fields):
        make = ipv6 if self.six else ipv4
        return make(self.source, self.destination, segment, ttl=self.ttl if ttl is None else ttl, **fields)

    def emit(self, segment, **fields):
        if not self.six and "ident" not in fields:
            self.ident = (self.ident + 1) & 0xffff
            fields["ident"] = self.ident
        self.wire.send(self.packet(segment, **fields))

    def seq(self, offset):
        return (self.isn + 1 + offset) & M32

    def put(self, offset, payload=b"", flags=PSH | ACK, seq=None, ack=None, ip=None, **fields):
        """One segment with `payload` at `offset` of the stream. `ip`: fields of the IP header."""
        self.emit(self.segment(flags, self.seq(offset) if seq is None else seq, self.expected if ack is None else ack,
                               payload, **fields), **(ip or {}))

    def send(self, data, size=None, pause=0.0):
        """In order, in segments of at most `size` bytes (default: `piece`, or the server's maximum)."""
        size = size or (self.piece if self.piece and len(data) < MOST_PIECES * self.piece else self.mss)
        for i in range(0, len(data), size):
            part = data[i:i + size]
            self.clock += 1
            ahead = self.seq(self.next + len(part))
            if not self.wait(lambda: self.reset or (ahead - self.acked) & M32 <= self.peer_window, 2) or self.reset:
                return
            self.put(self.next, part)
            self.next += len(part)
            if pause:
                time.sleep(pause)

    def syn(self, options=None, flags=SYN, payload=b"", seq=None, ack=0, extra=b"", **fields):
        if options is None:
            options = option(2, struct.pack("!H", 1440 if self.six else 1460)) + option(3, b"\7")
        ip = fields.pop("ip", {})
        self.emit(self.segment(flags, self.isn if seq is None else seq, ack, payload, options + extra, **fields), **ip)

    def open(self, wait=2.0, **fields):
        """The three-way handshake; whether it came about."""
        for _ in range(3):
            self.syn(**fields)
            if self.wait(lambda: self.peer_isn is not None or self.reset, wait / 3):
                break
        if self.peer_isn is None:
            return False
        self.put(0, flags=ACK)
        return True

    def fin(self, offset=None, **fields):
        self.put(self.next if offset is None else offset, flags=FIN | ACK, **fields)

    def rst(self, offset=None, flags=RST, ack=0, **fields):
        self.put(self.next if offset is None else offset, flags=flags, ack=ack, **fields)

    # --- receiving ---

    def arrived(self, segment):
        sport, dport, seq, ack, at, flags, window, _, _ = struct.unpack("!HHIIBBHHH", segment[:20])
        header = (at >> 4) * 4
        options = parse_options(segment[20:header])
        payload = segment[header:]
        with self.changed:
            self.segments.append((flags, seq, ack, payload, options))
            self._take(flags, seq, ack, payload, options, window)
            self.changed.notify_all()

    def _take(self, flags, seq, ack, payload, options, window):
        if flags & RST:
            self.reset = True
            return
        if flags & SYN:
            if flags & ACK and (ack - self.isn) & M32 < 1 << 16 and ack != self.isn:
                self.peer_isn, self.expected = seq, (seq + 1) & M32
                self.mss = struct.unpack("!H", options[2])[0] if 2 in options else 536
                self.scale = options[3][0] if 3 in options else 0
                self.stamps = self.stamps and 8 in options
                self._stamp(options)
                self.acked, self.peer_window = ack, max(window, 1)
            return
        self._stamp(options)
        self.peer_window = window << self.scale
        if (ack - self.acked) & M32 < 1 << 31:
            self.acked = ack
        if not payload and not flags & FIN:
            return
        self.hold[seq] = (payload, bool(flags & FIN))
        while self.expected in self.hold and not self.finished:
            payload, fin = self.hold.pop(self.expected)
            self.received += payload
            self.expected = (self.expected + len(payload) + (1 if fin else 0)) & M32
            self.finished = fin
        if self.answering and (self.most is None or len(self.received) < self.most):
            # What the server has acknowledged is a number that it takes, whatever a case made of the stream.
            self.clock += 1
            self.emit(self.segment(ACK, self.acked, self.expected))

    def _stamp(self, options):
        if len(options.get(8, b"")) == 8:
            self.echo = struct.unpack("!I", options[8][:4])[0]

    def wait(self, true, seconds):
        with self.changed:
            return self.changed.wait_for(true, seconds)

    def delivered(self, offset, seconds=1.0):
        """Waits until the server has acknowledged everything before `offset`."""
        return self.wait(lambda: (self.acked - self.seq(offset)) & M32 < 1 << 31, seconds)

    def over(self):
        return self.reset or self.finished

    def close(self):
        """Leaves nothing behind at the server."""
        if not self.reset and self.peer_isn is not None:
            self.emit(self.segment(RST, self.acked, 0, stamp=False))
        self.wire.ends.pop((packed(self.source), self.sport, packed(self.destination), self.dport), None)
