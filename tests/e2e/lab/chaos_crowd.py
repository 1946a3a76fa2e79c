#!/usr/bin/env python3
"""Many connections that are mostly idle, and what becomes of them.

  chaos_crowd.py HOST PORT COUNT

Opens COUNT connections, asks once on each, says "ready"; then goes on asking on one after the other, four hundred a second at most, until
a line comes in; asks once more on each that is left, and says how many were lost: {"lost": N, "asked": N}. A connection that is lost is
not opened again.
"""
import json
import resource
import select
import socket
import sys
import time

REQUEST = b"GET /small.txt HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: weir-lab\r\nAccept: */*\r\n\r\n"
PATIENCE = 5.0


def ask(s):
    """False: it is lost."""
    try:
        s.sendall(REQUEST)
        got = b""
        while b"\r\n\r\n" not in got:
            part = s.recv(65536)
            if not part:
                return False
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            part = s.recv(65536)
            if not part:
                return False
            body += part
        return head.startswith(b"HTTP/1.1 200 ")
    except (OSError, StopIteration, ValueError):
        return False


def main():
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, max(count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    crowd, lost, asked = [], 0, 0
    for _ in range(count):
        s = socket.create_connection((host, port), timeout=PATIENCE)
        crowd.append(s)
        lost += not ask(s)
    if lost:
        sys.exit(f"{lost} of {count} connections were lost before anything happened")
    print("ready", flush=True)
    at = 0
    while not select.select([sys.stdin], [], [], 0.0025)[0]:
        if crowd and not ask(crowd[at % len(crowd)]):
            crowd.pop(at % len(crowd)).close()
            lost += 1
        at, asked = at + 1, asked + 1
    time.sleep(0.5)
    for s in crowd:
        lost += not ask(s)
        asked += 1
    json.dump({"lost": lost, "asked": asked}, sys.stdout)


if __name__ == "__main__":
    main()
