#!/usr/bin/env python3
"""Very many connections made of raw packets, both of their ends, to either side of Weir; nobody is there but this program.

  crowd.py CLIENT-NS:DEVICE WEIR-NS:DEVICE:DEVICE SERVER-NS:DEVICE SECONDS|once WHAT=COUNT...

Clients are 10.98.0.0/16, servers 10.99.0.0/16, which Weir's namespace must route to either side, and connection tracking had better not
know. WHAT: syn, answered (SYN and SYN/ACK), idle (a request and its answer), line, header, body, json, xml (a request that does not go
on), ahead (a megabyte behind a hole), unread (a quarter of one that its client does not acknowledge), packed (an answer, compressed,
that does not go on), fragments (first ones); again, attack (the next request on a connection that was made `idle` with the same `from`). COUNT connections of each, on and on
until the time is over, or once. As fast as Weir takes them: packets wait here while its queues have many, unless WHAT is `flood=1`, SYNs as
fast as the device takes them, until the end. `from=N` keeps the connections of several of these apart.

Prints one JSON object: how many connections were made of each, packets, seconds.
"""
import ctypes
import fcntl
import gzip
import json
import os
import socket
import struct
import sys
import time

WAITING_MOST = 1500
LOOK_EVERY = 64
WINDOW_SHIFT = 8
CLIENT_SEQ, SERVER_SEQ = 1_000_000, 2_000_000
SYN, ACK, PSH, SYNACK = 0x02, 0x10, 0x18, 0x12
MSS = 1460


def enter(namespace):
    with open(f"/run/netns/{namespace}") as f:
        if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), f"no way into {namespace}")


def hardware(device):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return fcntl.ioctl(s, 0x8927, struct.pack("256s", device.encode()))[18:24]


def word_sum(data):
    data += b"\0" * (len(data) % 2)
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def fold(total):
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


class Template:
    """A packet of which only addresses and ports are still to be filled in."""

    def __init__(self, link, seq, ack, flags, payload=b"", options=b"", fragment=0):
        head = 20 + len(options)
        tcp = struct.pack("!HHIIBBHHH", 0, 0, seq & 0xffffffff, ack & 0xffffffff, head << 2, flags, 0xffff, 0, 0) + options + payload
        ip = struct.pack("!BBHHHBBH8x", 0x45, 0, 20 + len(tcp), 0, fragment or 0x4000, 64, 6, 0)
        self.ip_sum, self.tcp_sum = word_sum(ip), word_sum(tcp) + 6 + len(tcp)
        self.frame = bytearray(link + b"\x08\x00" + ip + tcp)

    def between(self, source, target, from_port, to_port):
        words = (source >> 16) + (source & 0xffff) + (target >> 16) + (target & 0xffff)
        struct.pack_into("!HIIHH", self.frame, 24, fold(self.ip_sum + words), source, target, from_port, to_port)
        struct.pack_into("!H", self.frame, 50, fold(self.tcp_sum + words + from_port + to_port))
        return self.frame


class Fragment(Template):
    """The first one of a datagram, with an identification of its own."""

    def numbered(self, source, target, number):
        self.frame[18:20] = struct.pack("!H", number & 0xffff)
        words = (source >> 16) + (source & 0xffff) + (target >> 16) + (target & 0xffff) + (number & 0xffff)
        struct.pack_into("!HII", self.frame, 24, fold(self.ip_sum + words), source, target)
        return self.frame


class Crowd:
    def __init__(self, client, weir, server):
        self.sockets = []
        for namespace, device in (client.split(":"), server.split(":")):
            enter(namespace)
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            s.bind((device, 0))
            self.sockets.append((s, hardware(device)))
        namespace, *devices = weir.split(":")
        enter(namespace)
        self.links = [hardware(inner) + own for inner, (_, own) in zip(devices, self.sockets)]
        self.queues = open(f"/proc/thread-self/net/netfilter/nfnetlink_queue")
        self.to_server, self.to_client = (s.send for s, _ in self.sockets)
        self.packets, self.number, self.paced = 0, 0, True
        self.made = {}
        self.prepare()

    def up(self, offset, payload=b"", flags=ACK, seen=0):
        return Template(self.links[0], CLIENT_SEQ + 1 + offset, SERVER_SEQ + 1 + seen, flags, payload)

    def down(self, offset, payload=b"", flags=ACK, seen=0):
        return Template(self.links[1], SERVER_SEQ + 1 + offset, CLIENT_SEQ + 1 + seen, flags, payload)

    def prepare(self):
        options = struct.pack("!BBHBBBx", 2, 4, MSS, 3, 3, WINDOW_SHIFT)
        self.syn_packet = Template(self.links[0], CLIENT_SEQ, 0, SYN, options=options)
        self.synack_packet = Template(self.links[1], SERVER_SEQ, CLIENT_SEQ + 1, SYNACK, options=options)
        host = b"Host: lab.test\r\nUser-Agent: weir-lab\r\nAccept: */*\r\n"
        request = b"GET /small.txt HTTP/1.1\r\n" + host + b"\r\n"
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
        post = lambda kind, size: b"POST /small.txt HTTP/1.1\r\n" + host + b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n\r\n" % size
        form = b"&".join(b"name%d=value%d" % (i, i * i) for i in range(60))
        packed = gzip.compress(os.urandom(40_000))[:1000]
        self.request, self.answer = self.up(0, request, PSH), self.down(0, answer, PSH, len(request))
        self.completes, self.opens_window = self.up(0), self.down(0)
        self.thanks = self.up(len(request), seen=len(answer))
        attack = request.replace(b"/small.txt", b"/?id=1%27%20UNION%20SELECT%20name,pass%20FROM%20users--")
        self.again = (self.up(len(request), request, PSH, len(answer)), self.down(len(answer), answer, PSH, 2 * len(request)),
                      self.up(2 * len(request), seen=2 * len(answer)))
        self.attack = self.up(len(request), attack, PSH, len(answer))
        self.starts = {"line": b"GET /small.txt?" + b"q" * 60, "header": b"GET /small.txt HTTP/1.1\r\n" + host + b"X-Pad: " + b"p" * 1200,
                       "body": post(b"application/x-www-form-urlencoded", 90_000) + form,
                       "json": post(b"application/json", 90_000) + b'{"a":[' + b",".join(b'{"k%d":"v"}' % i for i in range(90)),
                       "xml": post(b"text/xml", 90_000) + b"<r>" + b"".join(b"<e%d a='1'/>" % i for i in range(80))}
        self.starts = {name: self.up(0, data, PSH) for name, data in self.starts.items()}
        piece = bytes(range(97, 117)) * (MSS // 20)
        self.ahead_packets = [self.up(MSS + at * MSS, piece) for at in range((1 << 20) // MSS)]
        long_answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000000\r\n\r\n"
        self.unread_packets = [self.down(0, long_answer, PSH, len(request))]
        self.unread_packets += [self.down(len(long_answer) + at * MSS, piece, ACK, len(request)) for at in range((1 << 18) // MSS)]
        zipped = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n" + packed
        self.packed_answer = self.down(0, zipped, PSH, len(request))
        self.fragment = Fragment(self.links[0], 1, 1, ACK, b"f" * 1380, fragment=0x2000)

    def look(self):
        """Waits while many packets do. Columns: queue, port, waiting, …"""
        while self.paced:
            self.queues.seek(0)
            if max((int(line.split()[2]) for line in self.queues.read().splitlines()), default=0) < WAITING_MOST:
                return
            time.sleep(0.002)

    def send(self, way, frame):
        self.packets += 1
        if self.packets % LOOK_EVERY == 0:
            self.look()
        try:
            way(frame)
        except OSError:  # the device has no room
            time.sleep(0.001)

    def connection(self):
        self.number += 1
        n = self.number
        return 0x0a620000 + (n & 0xffff), 0x0a630001 + (n >> 16 & 0xff), 1024 + (n >> 24), 80

    def there(self, template, ends):
        self.send(self.to_server, template.between(*ends))

    def back(self, template, ends):
        source, target, from_port, to_port = ends
        self.send(self.to_client, template.between(target, source, to_port, from_port))

    def opened(self):
        ends = self.connection()
        self.there(self.syn_packet, ends)
        self.back(self.synack_packet, ends)
        return ends

    def make(self, what):
        """One of them."""
        if what in ("syn", "answered"):
            ends = self.connection()
            self.there(self.syn_packet, ends)
            if what == "answered":
                self.back(self.synack_packet, ends)
        elif what == "idle":
            ends = self.opened()
            self.there(self.request, ends)
            self.back(self.answer, ends)
            self.there(self.thanks, ends)
        elif what == "again":
            ends = self.connection()
            for one, way in zip(self.again, (self.there, self.back, self.there)):
                way(one, ends)
        elif what == "attack":
            self.there(self.attack, self.connection())
        elif what in self.starts:
            self.there(self.starts[what], self.opened())
        elif what == "ahead":
            ends = self.opened()
            self.there(self.completes, ends)
            self.back(self.opens_window, ends)
            for one in self.ahead_packets:
                self.there(one, ends)
        elif what in ("unread", "packed"):
            ends = self.opened()
            self.there(self.request, ends)
            for one in self.unread_packets if what == "unread" else [self.packed_answer]:
                self.back(one, ends)
        elif what == "fragments":
            self.number += 1
            self.send(self.to_server, self.fragment.numbered(0x0a620000 + (self.number >> 4 & 0xffff), 0x0a630001, self.number))
        self.made[what] = self.made.get(what, 0) + 1

    def flood(self, end):
        self.paced = False
        while time.monotonic() < end:
            for _ in range(1000):
                self.there(self.syn_packet, self.connection())
            self.made["flood"] = self.made.get("flood", 0) + 1000


def main():
    crowd = Crowd(*sys.argv[1:4])
    began = time.monotonic()
    once = sys.argv[4] == "once"
    end = float("inf") if once else began + float(sys.argv[4])
    kinds = [(name, int(count)) for name, count in (word.split("=") for word in sys.argv[5:])]
    while True:
        for name, count in kinds:
            if name == "from":
                crowd.number, count = max(crowd.number, count) if not once else count, 0
            elif name == "flood":
                crowd.flood(end)
                break
            for _ in range(count):
                if time.monotonic() >= end:
                    break
                crowd.make(name)
        if once or time.monotonic() >= end:
            break
    json.dump({"made": crowd.made, "packets": crowd.packets, "seconds": round(time.monotonic() - began, 1)}, sys.stdout)


if __name__ == "__main__":
    main()
