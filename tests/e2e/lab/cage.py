"""A limit of memory around a program and all its children (cgroup v1 or v2), what they take of it, and traffic that means
to take all."""
import pathlib
import threading
import time

ROOT = pathlib.Path("/sys/fs/cgroup")

# Bodies that never end, and many of them: forms, JSON, XML of many names; answers come packed. argv: address, port, how
# many connections, bytes of each, seconds.
HOSTILE = """
import random, socket, sys, time
address, port, many, size, seconds = sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:6])
def form(): return b"&".join(b"n%d=%d" % (i, random.getrandbits(40)) for i in range(size // 18))
def json(): return b'{"a":[' + b",".join(b'{"k%d":"v%d"}' % (i, i) for i in range(size // 18))
def xml(): return b"<r>" + b"".join(b"<e%d a%d='1'/>" % (i, i) for i in range(size // 18))
kinds = [(b"application/x-www-form-urlencoded", form()), (b"application/json", json()), (b"text/xml", xml())]
end = time.monotonic() + seconds
held, at = [], 0
while time.monotonic() < end:
    if len(held) >= many:
        held.pop(0).close()
    kind, body = kinds[at % 3]
    at += 1
    try:
        s = socket.create_connection((address, port), timeout=1)
        s.settimeout(0.3)
        held.append(s)
        s.sendall(b"POST /small.txt HTTP/1.1\\r\\nHost: lab.test\\r\\nUser-Agent: weir-lab\\r\\nAccept: */*\\r\\nContent-Type: " + kind +
                  b"\\r\\nContent-Length: %d\\r\\n\\r\\n" % (len(body) + 1000) + body)
    except OSError:
        pass
"""


class Cage:
    """A cgroup with `limit` bytes; `wrap(program)` is a script that runs the program in it. Raises OSError where none can be made."""

    def __init__(self, name, limit):
        self.v2 = (ROOT / "cgroup.controllers").exists()
        parent = ROOT if self.v2 else ROOT / "memory"
        if self.v2 and "memory" not in (ROOT / "cgroup.subtree_control").read_text().split():
            (ROOT / "cgroup.subtree_control").write_text("+memory")
        self.group = parent / name
        self.group.mkdir()
        (self.group / ("memory.max" if self.v2 else "memory.limit_in_bytes")).write_text(str(limit))
        self.most, self.alive = 0, True
        self.course = []  # [when, how much], twenty times a second
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def wrap(self, program, directory):
        script = directory / "caged"
        script.write_text(f'#!/bin/sh\necho $$ > {self.group}/cgroup.procs && exec {program} "$@"\n')
        script.chmod(0o755)
        return script

    def _numbers(self, file):
        return {k: int(v) for k, v in (line.split() for line in (self.group / file).read_text().splitlines() if len(line.split()) == 2)}

    def taken(self):
        """Without what the kernel can take back, files that were read."""
        stat = self._numbers("memory.stat")
        return stat["anon"] + stat["shmem"] if self.v2 else stat["total_rss"] + stat.get("total_shmem", 0)

    def drift(self, begin, end):
        """By how many per cent more was taken in the last quarter of that time than in the one before it, on average."""
        def mean(a, b):
            some = [taken for t, taken in self.course if begin + (end - begin) * a <= t < begin + (end - begin) * b]
            return sum(some) / max(len(some), 1)
        return 100 * mean(0.75, 1) / max(mean(0.5, 0.75), 1) - 100

    def kills(self):
        return self._numbers("memory.events" if self.v2 else "memory.oom_control").get("oom_kill", 0)

    def _watch(self):
        while self.alive:
            try:
                self.course.append((time.monotonic(), self.taken()))
                self.most = max(self.most, self.course[-1][1])
            except (OSError, ValueError, KeyError):
                return
            time.sleep(0.05)

    def remove(self):
        self.alive = False
        self.watcher.join()
        for _ in range(50):
            try:
                return self.group.rmdir()
            except OSError:
                time.sleep(0.1)
