#!/usr/bin/env python3
"""What stays alive for long, or is large: behind the servers of the lab, or by itself.

  POST /sink                     answers with the SHA-256 and the length of the body, or of the one file in a form
  GET  /ws                       WebSocket (RFC 6455): sends every message back as it came, frame by frame
  GET  /events?count=N&gap=MS    server-sent events: the first at once, then one every MS milliseconds
  POST /form                     a small page that says what the form said

Usage: live_server.py PORT
"""
import base64
import hashlib
import html
import http.server
import socket
import socketserver
import struct
import sys
import time
import urllib.parse

BLOCK = 1 << 20
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def pieces(self):
        """The body, piece by piece, in whichever framing it comes."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                left = size = int(self.rfile.readline().split(b";")[0], 16)
                while left > 0:
                    piece = self.rfile.read(min(left, BLOCK))
                    left -= len(piece)
                    yield piece
                self.rfile.readline()
                if size == 0:
                    return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            piece = self.rfile.read(min(left, BLOCK))
            if not piece:
                raise ConnectionError("the body ends early")
            left -= len(piece)
            yield piece

    def file_of_form(self):
        """Without what surrounds it, which has a boundary of the client's making."""
        tail = len("\r\n----\r\n" + self.headers["Content-Type"].split("boundary=")[1])
        pieces, held = self.pieces(), b""
        while b"\r\n\r\n" not in held:
            held += next(pieces)
        held = held.split(b"\r\n\r\n", 1)[1]
        for piece in pieces:
            held += piece
            yield held[:-tail]
            held = held[-tail:]
        yield held[:-tail]

    def answer(self, body, kind="text/plain"):
        self.send_response_only(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        path = urllib.parse.urlsplit(self.path).path
        if path.endswith("/form"):
            fields = urllib.parse.parse_qsl(b"".join(self.pieces()).decode(), keep_blank_values=True)
            items = "".join(f"<li>{html.escape(name)}: {html.escape(value)}</li>" for name, value in fields)
            return self.answer(f"<!doctype html><html><body><ul>{items}</ul></body></html>\n".encode(), "text/html")
        seen, length = hashlib.sha256(), 0
        for piece in self.file_of_form() if "boundary=" in self.headers["Content-Type"] else self.pieces():
            seen.update(piece)
            length += len(piece)
        self.answer(f"{seen.hexdigest()} {length}\n".encode())

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        if parts.path.endswith("/ws"):
            return self.websocket()
        wish = dict(urllib.parse.parse_qsl(parts.query))
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Accel-Buffering", "no")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        begin, gap = time.monotonic(), int(wish.get("gap", 200)) / 1000
        for number in range(int(wish.get("count", 1))):
            time.sleep(max(0, begin + number * gap - time.monotonic()))
            self.wfile.write(f"id: {number}\nevent: tick\ndata: number {number} of the lab\n\n".encode())

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response_only(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            length = head[1] & 127
            if length > 125:
                length = int.from_bytes(self.rfile.read(2 if length == 126 else 8), "big")
            mask = self.rfile.read(4)
            body = self.rfile.read(length)
            code = head[0] & 15
            size = (bytes([length]) if length < 126 else struct.pack(">BH", 126, length) if length < 65536
                    else struct.pack(">BQ", 127, length))
            first = head[0] & 0xF0 | (10 if code == 9 else code)  # a ping is answered with a pong
            self.wfile.write(bytes([first]) + size + unmask(body, mask))
            if code == 8:
                return

    def log_message(self, *_):
        pass


def unmask(body, mask):
    """Whole words at once: a megabyte byte by byte takes seconds."""
    n = len(body)
    pattern = mask * (n // 4 + 1)
    return (int.from_bytes(body, "big") ^ int.from_bytes(pattern[:n], "big")).to_bytes(n, "big")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, *_):
        pass  # a client that is gone


if __name__ == "__main__":
    Server(("::", int(sys.argv[1])), Handler).serve_forever()
