"""Captures made of HTTP exchanges, for tests of the program: whole TCP connections over Ethernet and IPv4.

  capture = Capture()
  capture.connection("192.0.2.1", [(request, response), …])     # one connection, exchanges one after the other
  path.write_bytes(capture.bytes())
"""
import socket
import struct

FIN, SYN, PSH, ACK = 1, 2, 8, 16
SEGMENT = 1400


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Capture:
    def __init__(self, start: float = 1_800_000_000.0, step: float = 0.001):
        self.time, self.step = start, step
        self.packets: list[tuple[float, bytes]] = []
        self.port = 20000

    def add(self, source, target, flags, seq, ack, payload=b""):
        (source_ip, source_port), (target_ip, target_port) = source, target
        addresses = socket.inet_aton(source_ip) + socket.inet_aton(target_ip)
        tcp = struct.pack(">HHIIBBHHH", source_port, target_port, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags,
                          65535, 0, 0) + payload
        total = checksum(addresses + struct.pack(">BBH", 0, 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack(">H", total) + tcp[18:]
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + addresses
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        self.packets.append((self.time, b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + header + tcp))
        self.time += self.step

    def connection(self, client, exchanges, server="198.51.100.2", server_port=80):
        self.port = self.port + 1 if self.port < 60000 else 20000
        a, b = (client, self.port), (server, server_port)
        seq, ack = 1000, 5000
        self.add(a, b, SYN, seq, 0)
        self.add(b, a, SYN | ACK, ack, seq + 1)
        seq, ack = seq + 1, ack + 1
        self.add(a, b, ACK, seq, ack)
        for request, response in exchanges:
            for at in range(0, len(request), SEGMENT):
                self.add(a, b, PSH | ACK, seq, ack, request[at:at + SEGMENT])
                seq += len(request[at:at + SEGMENT])
            for at in range(0, len(response), SEGMENT):
                self.add(b, a, PSH | ACK, ack, seq, response[at:at + SEGMENT])
                ack += len(response[at:at + SEGMENT])
        self.add(a, b, FIN | ACK, seq, ack)
        self.add(b, a, FIN | ACK, ack, seq + 1)
        self.add(a, b, ACK, seq + 1, ack + 1)

    def bytes(self) -> bytes:
        out = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1)]
        for time, data in self.packets:
            seconds = int(time)
            out.append(struct.pack("<IIII", seconds, int((time - seconds) * 1e6), len(data), len(data)) + data)
        return b"".join(out)


def request(target="/", method="GET", body=b"", **headers) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.example"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def response(status=200, body=b"ok", **headers) -> bytes:
    headers = {"Content_Type": "text/html", **headers}
    lines = [f"HTTP/1.1 {status} Word"] + [f"{n.replace('_', '-')}: {v}" for n, v in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
