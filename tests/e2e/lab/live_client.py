#!/usr/bin/env python3
"""Clients for live_server.py and for many requests; each writes one JSON object: `same`, what must not depend on who
is in between, and `figures`, what may.

  live_client.py requests HOST PORT FILE COUNT       ranges of /noise.bin on one connection, each held to FILE
  live_client.py websocket HOST PORT PATH IDLE
  live_client.py events HOST PORT PATH COUNT GAP_MS
  live_client.py download HOST PORT PATH TARGET      a large answer, a small one, then TARGET, all on one connection
  live_client.py first HOST PORT PATH TIMES          how long the first event takes when the next is far away
"""
import base64
import hashlib
import json
import os
import socket
import statistics
import struct
import sys
import time


def connect(host, port, patience=20):
    s = socket.create_connection((host, int(port)), timeout=patience)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_head(stream):
    """Status and fields without what changes by itself."""
    status, fields = stream.readline().strip().decode(), {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        fields[name.lower()] = value.strip()
    kept = {name: value for name, value in fields.items() if name != "date"}
    return status, fields, kept


def requests(host, port, path, count):
    content = open(path, "rb").read()
    s, connections, wrong, all_seen = None, 0, 0, hashlib.sha256()
    begin = time.monotonic()
    for i in range(int(count)):
        if s is None:
            s, connections = connect(host, port), connections + 1
            stream = s.makefile("rb")
        first, size = i * 101 % (len(content) - 3000), 1 + i * 7 % 2900
        s.sendall(f"GET /noise.bin?page={i}&name=caf%C3%A9 HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: weir-lab\r\nAccept: */*\r\n"
                  f"Cookie: session=4f2a{i}; theme=dark\r\nRange: bytes={first}-{first + size - 1}\r\n\r\n".encode())
        status, fields, kept = read_head(stream)
        body = stream.read(int(fields["content-length"]))
        wrong += body != content[first:first + size] or " 206 " not in status
        kept.pop("keep-alive", None)  # counts down
        kept.pop("connection", None)
        all_seen.update(repr((status, kept)).encode() + hashlib.sha256(body).digest())
        if fields.get("connection", "") == "close":
            s = None
    return {"digest": all_seen.hexdigest(), "count": int(count), "wrong": wrong}, {
        "connections": connections, "per second": round(int(count) / (time.monotonic() - begin))}


def download(host, port, path, target):
    s = connect(host, port)
    stream, statuses, seen, octets = s.makefile("rb"), [], hashlib.sha256(), 0
    begin = time.monotonic()
    for wanted in (path, "/small.txt", target):
        s.sendall(f"GET {wanted} HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: weir-lab\r\nAccept: */*\r\n\r\n".encode())
        status, fields, _ = read_head(stream)
        statuses.append(status)
        left = int(fields["content-length"])
        while left > 0 and (piece := stream.read(min(left, 1 << 20))):
            left -= len(piece)
            if wanted == path:
                seen.update(piece)
                octets += len(piece)
        if left > 0:
            raise ConnectionError(f"{left} octets are missing")
    return {"statuses": statuses, "digest": seen.hexdigest(), "octets": octets, "port": s.getsockname()[1]}, {
        "seconds": round(time.monotonic() - begin, 2)}


def frame(code, body, last=True):
    mask = os.urandom(4)
    n = len(body)
    size = bytes([128 | n]) if n < 126 else struct.pack(">BH", 254, n) if n < 65536 else struct.pack(">BQ", 255, n)
    pattern = (mask * (n // 4 + 1))[:n]
    masked = (int.from_bytes(body, "big") ^ int.from_bytes(pattern, "big")).to_bytes(n, "big")
    return bytes([code | (128 if last else 0)]) + size + mask + masked


def read_frame(stream):
    head = stream.read(2)
    if len(head) < 2:
        raise ConnectionError("the connection ended instead of a frame")
    n = head[1]
    if n > 125:
        n = int.from_bytes(stream.read(2 if n == 126 else 8), "big")
    body = stream.read(n)
    if len(body) < n:
        raise ConnectionError("the connection ended inside a frame")
    return head[0], body


def websocket(host, port, path, idle):
    s = connect(host, port)
    stream = s.makefile("rb")
    key = base64.b64encode(b"weir's laboratory"[:16]).decode()
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: weir-lab\r\nAccept: */*\r\nUpgrade: websocket\r\n"
              f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    status, _, kept = read_head(stream)
    seen = hashlib.sha256(repr((status, kept.get("sec-websocket-accept"))).encode())
    frames = octets = wrong = 0
    slowest = 0.0

    def echo(code, body, last=True):
        nonlocal frames, octets, wrong, slowest
        begin = time.monotonic()
        s.sendall(frame(code, body, last))
        first, back = read_frame(stream)
        slowest = max(slowest, time.monotonic() - begin)
        frames, octets = frames + 1, octets + len(back)
        wrong += back != body
        seen.update(bytes([first]) + hashlib.sha256(back).digest())

    def round_of_sizes():
        for n in (0, 1, 125, 126, 1400, 65535, 65536, 1 << 20):
            echo(2, bytes((i * 31 + n) % 256 for i in range(n)))
        echo(1, "ein Wort: Wehr".encode())
        echo(1, b"GET / HTTP/1.1\r\n\r\n")  # what looks like HTTP is none here
        echo(9, b"ping")
        echo(1, b"in three ", last=False)
        echo(0, b"parts, ", last=False)
        echo(0, b"one message")

    if " 101 " in status:
        round_of_sizes()
        time.sleep(float(idle))
        round_of_sizes()
        echo(8, struct.pack(">H", 1000) + b"bye")
        ended = s.recv(1) == b""
        seen.update(b"end" if ended else b"more")
    return {"status": status, "digest": seen.hexdigest(), "frames": frames, "octets": octets, "wrong": wrong}, {
        "slowest echo ms": round(slowest * 1000, 1)}


def open_events(host, port, path):
    begin = time.monotonic()
    s = connect(host, port)
    stream = s.makefile("rb")
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: weir-lab\r\nAccept: text/event-stream\r\n\r\n".encode())
    status, fields, _ = read_head(stream)
    return s, stream, begin, status, fields


def read_event(stream, chunked):
    """The lines of one event, whatever chunks it comes in."""
    out = b""
    while not out.endswith(b"\n\n"):
        line = stream.readline()
        if not line:
            return None
        if chunked:
            size = int(line, 16)
            out += stream.read(size)
            stream.readline()
            if size == 0:
                return None
        else:
            out += line
    return out


def events(host, port, path, count, gap):
    s, stream, begin, status, fields = open_events(host, port, f"{path}?count={count}&gap={gap}")
    chunked = "chunked" in fields.get("transfer-encoding", "")
    seen, arrived, count_seen = hashlib.sha256(status.encode()), [], 0
    while (event := read_event(stream, chunked)) is not None:
        arrived.append(time.monotonic())
        count_seen += event.count(b"\n\n")  # a chunk may have several
        seen.update(event)
    gaps = [b - a for a, b in zip(arrived, arrived[1:])]
    return {"status": status, "digest": seen.hexdigest(), "events": count_seen}, {
        "seconds": round(arrived[-1] - begin, 1) if arrived else 0, "longest gap ms": round(max(gaps, default=0) * 1000)}


def first(host, port, path, times):
    took = []
    for _ in range(int(times)):
        s, stream, begin, status, fields = open_events(host, port, f"{path}?count=2&gap=3000")
        if read_event(stream, "chunked" in fields.get("transfer-encoding", "")) is None:
            raise ConnectionError("no event")
        took.append((time.monotonic() - begin) * 1000)
        s.close()
    return {"events": len(took)}, {"median ms": round(statistics.median(took), 1), "most ms": round(max(took), 1)}


if __name__ == "__main__":
    what = {"requests": requests, "websocket": websocket, "events": events, "download": download, "first": first}[sys.argv[1]]
    try:
        same, figures = what(*sys.argv[2:])
    except (OSError, ValueError, KeyError) as problem:
        same, figures = {"problem": repr(problem)}, {}
    json.dump({"same": same, "figures": figures}, sys.stdout)
