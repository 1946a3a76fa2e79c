#!/usr/bin/env python3
"""Makes the capture of the whole-path benchmark: benign requests and responses as TCP conversations.

  make_capture.py OUT.pcap [--seed N] [--requests 57600]

The same seed gives the same bytes. Connections of 1 to 12 exchanges, 64 of them under way at a time, with
handshakes, acknowledgements, FINs and right checksums; Ethernet, IPv4, timestamps in nanoseconds. With the
default numbers the file has 217 MB.
"""
import argparse
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from make_corpus import Maker  # noqa: E402

FIN, SYN, PSH, ACK = 1, 2, 8, 16
MSS = 1448
AT_ONCE = 64
TYPES = ["text/html; charset=utf-8", "text/html; charset=utf-8", "application/json", "text/css", "image/png",
         "application/javascript"]


def fold(number):
    """The ones' complement sum of a big number's 16-bit words."""
    return number % 0xFFFF


class Connection:
    """Packets of one conversation, made one after the other."""

    def __init__(self, number, rng, make):
        self.rng, self.make = rng, make
        client = bytes([10, 1 + number // 60000, rng.randrange(256), 1 + rng.randrange(254)])
        server = bytes([198, 51, 100, 1 + rng.randrange(8)])
        self.ends = [(client, 1024 + number % 60000), (server, 80)]
        self.next = [rng.getrandbits(32), rng.getrandbits(32)]
        self.ident = rng.getrandbits(16)

    def packet(self, side, flags, payload=b"", options=b""):
        (source, sport), (target, dport) = self.ends[side], self.ends[1 - side]
        ack = self.next[1 - side] if flags & ACK else 0
        length = 20 + len(options) + len(payload)
        head = struct.pack("!HHIIBBHHH", sport, dport, self.next[side], ack, (5 + len(options) // 4) << 4, flags, 64240, 0, 0)
        tcp = head + options + payload
        total = int.from_bytes(source + target + struct.pack("!BBH", 0, 6, length), "big")
        total += int.from_bytes(tcp + (b"\0" if len(tcp) % 2 else b""), "big")
        check = 0xFFFF ^ (fold(total) or 0xFFFF)
        tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
        self.ident = (self.ident + 1) & 0xFFFF
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, self.ident, 0x4000, 64, 6, 0, source, target)
        ip = ip[:10] + struct.pack("!H", 0xFFFF ^ (fold(int.from_bytes(ip, "big")) or 0xFFFF)) + ip[12:]
        self.next[side] = (self.next[side] + len(payload) + (1 if flags & (SYN | FIN) else 0)) & 0xFFFFFFFF
        macs = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" if side == 0 else b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
        return macs + b"\x08\0" + ip + tcp

    def send(self, side, data):
        for at in range(0, len(data), MSS):
            piece = data[at:at + MSS]
            yield self.packet(side, ACK | (PSH if at + MSS >= len(data) else 0), piece)
        yield self.packet(1 - side, ACK)

    def response(self):
        kind = self.rng.choice(TYPES)
        size = int(40 * (165 ** self.rng.random()))
        if kind == "image/png":
            body = self.rng.randbytes(size)
        else:
            body = f"<p>{self.make.words(size // 6 + 1, size // 6 + 1)}</p>".encode()
        return (f"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\nCache-Control: max-age=60\r\n"
                f"ETag: \"{self.make.token(12)}\"\r\n\r\n").encode() + body

    def packets(self, requests):
        mss = struct.pack("!BBHBBBB", 2, 4, MSS + 12, 3, 3, 7, 0)[:7] + b"\0"
        yield self.packet(0, SYN, options=mss)
        yield self.packet(1, SYN | ACK, options=mss)
        yield self.packet(0, ACK)
        for request in requests:
            yield from self.send(0, request)
            yield from self.send(1, self.response())
        yield self.packet(0, FIN | ACK)
        yield self.packet(1, FIN | ACK)
        yield self.packet(0, ACK)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=57600)
    args = parser.parse_args()
    make, rng = Maker(args.seed), random.Random(args.seed + 1)
    kinds = [make.get] * 12 + [make.form] * 3 + [make.json] * 4 + [make.upload]
    left, number, time, packets = args.requests, 0, 1_700_000_000_000_000_000, 0
    running = []
    with args.out.open("wb", buffering=1 << 20) as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        while left or running:
            while left and len(running) < AT_ONCE:
                count = min(left, rng.randint(1, 12))
                left -= count
                requests = [make.random.choice(kinds)() for _ in range(count)]
                running.append(Connection(number, rng, make).packets(requests))
                number += 1
            at = rng.randrange(len(running))
            for _ in range(rng.randint(1, 4)):  # packets of a connection come in small bursts
                packet = next(running[at], None)
                if packet is None:
                    running[at] = running[-1]
                    running.pop()
                    break
                time += rng.randrange(2_000, 40_000)
                packets += 1
                out.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(packet), len(packet)))
                out.write(packet)
    print(f"{args.out.name}: {args.requests} requests, {number} connections, {packets} packets, {args.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
