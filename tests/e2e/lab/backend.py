#!/usr/bin/env python3
"""The application behind the servers of the lab.

  /reflect   answers as its JSON request body says: {status, headers, body | encodedBody}
  /vuln?id=  a small page with a real SQL injection (SQLite, in memory), for sqlmap
  /echo      answers with the request body
  /chunked   answers with a chunked body
  else       200 with an empty body, whatever was sent

Usage: backend.py ADDRESS PORT
"""
import base64
import http.server
import json
import socket
import socketserver
import sqlite3
import sys
import threading
import urllib.parse


def make_database():
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("create table goods (id integer, name text, price integer)")
    database.executemany("insert into goods values (?, ?, ?)", [(1, "brush", 5), (2, "paint", 7), (3, "canvas", 19)])
    return database


DATABASE = make_database()
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    return body
                self.rfile.readline()
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = 0
        return self.rfile.read(length)

    def answer(self, status, body=b"", headers=()):
        self.send_response_only(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def vulnerable(self):
        wanted = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("id", ["1"])[0]
        try:
            with LOCK:  # the injection: the value goes into the statement as it is
                rows = DATABASE.execute(f"select name, price from goods where id = {wanted}").fetchall()
            text = "".join(f"<li>{name}: {price}</li>" for name, price in rows)
            self.answer(200, f"<html><ul>{text}</ul></html>".encode(), [("Content-Type", "text/html")])
        except sqlite3.Error as problem:
            self.answer(500, f"<html>SQLite error: {problem}</html>".encode(), [("Content-Type", "text/html")])

    def chunked(self):
        self.send_response_only(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(5):
            piece = f"piece {number}\n".encode() * 40
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def reflect(self, body):
        try:
            wish = json.loads(body)
            content = base64.b64decode(wish["encodedBody"]) if wish.get("encodedBody") else wish.get("body", "").encode()
            self.answer(int(wish.get("status", 200)), content, list((wish.get("headers") or {}).items()))
        except (ValueError, TypeError, AttributeError):
            self.answer(400)

    def any_method(self):
        body = self.read_body()
        path = urllib.parse.urlsplit(self.path).path
        if path.endswith("/reflect"):
            self.reflect(body)
        elif path.endswith("/vuln"):
            self.vulnerable()
        elif path.endswith("/echo"):
            self.answer(200, body, [("Content-Type", "text/plain")])
        elif path.endswith("/chunked"):
            self.chunked()
        else:
            self.answer(200)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.any_method
        raise AttributeError(name)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):  # a client that is gone, perhaps in the middle of a body
            super().handle_error(request, client_address)


if __name__ == "__main__":
    Server.address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
