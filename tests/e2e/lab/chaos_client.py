#!/usr/bin/env python3
"""Asks, again and again, until its time is over; one JSON object of what became of it.

  chaos_client.py HOST PORT WITNESS SECONDS

Three askers side by side: clean requests on one connection that is opened anew when it is lost, clean requests on a
new connection each, attacks on a new connection each to the witness, whose book says what completed. Times are of the
machine's monotonic clock, which the test has as well.
"""
import json
import socket
import sys
import threading
import time

ATTACK = "1'%20UNION%20SELECT%20name,pass%20FROM%20users--"
PATIENCE = 2.0
PAUSE = 0.02


class Asker(threading.Thread):
    def __init__(self, host, port, end, keep, path):
        super().__init__()
        self.host, self.port, self.end, self.keep, self.path = host, port, end, keep, path
        self.answers, self.failures = [], []  # [when, status]; what failed, how, and on which port of the client
        self.took = []  # seconds, of each answer
        self.number = 0

    def connect(self):
        s = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        s.settimeout(PATIENCE)
        return s

    def ask(self, s):
        self.number += 1
        s.sendall(f"GET {self.path} HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: weir-lab\r\nAccept: */*\r\n"
                  f"X-Case: {self.number}\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            part = s.recv(65536)
            if not part:
                raise ConnectionError("closed")
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(body) < length:
            part = s.recv(65536)
            if not part:
                raise ConnectionError("closed")
            body += part
        # nginx ends a connection after 1,000 requests, and says so.
        return int(head.split()[1]), b"\r\nconnection: close" in head.lower()

    def run(self):
        s = None
        while time.monotonic() < self.end:
            began, step = time.monotonic(), "request"
            try:
                if s is None:
                    step, s = "connect", self.connect()
                    s.connect((self.host, self.port))
                    step = "first request"
                status, last = self.ask(s)
                self.answers.append([time.monotonic(), status])
                self.took.append(round(time.monotonic() - began, 6))
                if last or not self.keep:
                    s.close()
                    s = None
            except (OSError, ValueError, IndexError) as e:
                self.failures.append({"at": round(time.monotonic(), 3), "clock": round(time.time(), 3), "took": round(time.monotonic() - began, 3),
                                      "step": step, "error": str(e) or type(e).__name__, "number": self.number,
                                      "port": s.getsockname()[1] if s is not None else 0})
                if s is not None:
                    s.close()
                s = None
            time.sleep(PAUSE)


if __name__ == "__main__":
    host, port, witness, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    end = time.monotonic() + seconds
    askers = {"kept": Asker(host, port, end, True, "/small.txt"), "new": Asker(host, port, end, False, "/small.txt"),
              "attack": Asker(host, witness, end, False, f"/?id={ATTACK}")}
    for asker in askers.values():
        asker.start()
    for asker in askers.values():
        asker.join()
    json.dump({name: {"answers": asker.answers, "failures": asker.failures, "took": asker.took} for name, asker in askers.items()}, sys.stdout)
