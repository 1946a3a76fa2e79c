#!/usr/bin/env python3
"""A server, alone or behind others, that writes down every request it has read to its end.

Usage: book.py BOOK NAME:PORT…   each NAME is who asked for it (`python` and `slow`: the client itself)

What is not in its book never completed. `slow` has a small receive buffer and waits before it reads.
"""
import http.server
import json
import pathlib
import socket
import socketserver
import sys
import threading
import time

BOOK = pathlib.Path(sys.argv[1])
LOCK = threading.Lock()
SLOW_SECONDS = 0.6


def write(line):
    with LOCK, BOOK.open("a") as book:
        book.write(json.dumps(line) + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        if self.server.name == "slow":
            time.sleep(SLOW_SECONDS)
        super().setup()

    def body(self):
        """None: it did not come whole."""
        if self.server.name not in ("python", "slow") and "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            out = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                out += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return out
        length = int(self.headers.get("Content-Length") or 0)
        out = self.rfile.read(length) if length > 0 else b""
        return out if len(out) >= length else None

    def answer(self):
        body = self.body()
        if body is None:
            self.close_connection = True
            return
        peer = self.client_address[0].removeprefix("::ffff:")
        if self.server.name not in ("python", "slow"):
            peer = self.headers.get_all("X-Forwarded-For", ["-"])[-1].split(",")[-1].strip().removeprefix("::ffff:")
        write({"via": self.server.name, "peer": peer, "method": self.command, "target": self.path,
               "headers": [f"{k}: {v}" for k, v in self.headers.items()], "body": body.decode("latin-1")})
        if self.request_version == "HTTP/0.9":
            self.wfile.write(b"seen\n")
            return
        upgrade = self.headers.get("X-Upgrade") or self.headers.get("Upgrade")
        if self.path.endswith("/switch") and upgrade:
            self.send_response_only(101)
            self.send_header("Upgrade", upgrade)
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        out = b"seen\n" * (400_000 if self.path.endswith("/large") else 1)
        status = 304 if self.path.endswith("/304") else 204 if self.path.endswith("/204") else 200
        self.send_response_only(status)
        if status == 200:
            self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        if self.command != "HEAD" and status == 200:
            self.wfile.write(out)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        pass

    log_error = log_message


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 512

    def __init__(self, name, port):
        self.name = name
        super().__init__(("::", port), Handler, bind_and_activate=False)
        if name == "slow":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        self.server_bind()
        self.server_activate()

    def handle_error(self, *_):
        pass


if __name__ == "__main__":
    running = [threading.Thread(target=Server(name, int(port)).serve_forever)
               for name, port in (word.split(":") for word in sys.argv[2:])]
    for thread in running:
        thread.start()
