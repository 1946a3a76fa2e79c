#!/usr/bin/env python3
"""A server that writes down every request it has read to its end, and answers it. What is not in its book never
completed.

Usage: witness.py PORT BOOK
"""
import http.server
import pathlib
import socket
import socketserver
import sys

BOOK = pathlib.Path(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            return
        with BOOK.open("a") as book:
            book.write(f"{self.command} {self.path} {self.headers.get('X-Case', '-')}\n")
        out = b"seen\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *words):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6
    request_queue_size = 128


BOOK.touch()
Server(("::", int(sys.argv[1])), Handler).serve_forever()
