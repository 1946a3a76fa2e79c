#!/usr/bin/env python3
"""Damaged copies of captures: Weir must end by itself, with a plain exit code, inside its memory ceiling.

  damage.py WEIR COUNT CAPTURE… [--ceiling-mib 1024] [--seconds 60] [-- options for weir inspect]

Copy n of a run is always damaged in the same way: bytes changed, inserted, removed, blocks swapped or
repeated, the file cut off. Exit codes 0 (read, perhaps up to the damage), 2 and 3 are fine; a signal, a time-out, exit code
70 or too much memory is not.
"""
import pathlib
import random
import resource
import subprocess
import sys
import tempfile


def damage(data: bytes, chance: random.Random) -> bytes:
    data = bytearray(data)
    for _ in range(chance.choice([1, 3, 10, 60, 400])):
        at = chance.randrange(len(data)) if data else 0
        # Half of the damage near a packet's headers of the beginning of the file, where parsers live.
        if chance.random() < 0.3:
            at = chance.randrange(min(len(data), 2000)) if data else 0
        kind = chance.randrange(7)
        if kind <= 2 and data:
            data[at] = chance.randrange(256)
        elif kind == 3 and data:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 4:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
        elif kind == 5:
            del data[at:at + chance.randrange(1, 9)]
        else:
            other = chance.randrange(len(data)) if data else 0
            piece = data[other:other + chance.randrange(1, 200)]
            data[at:at + len(piece)] = piece
    if chance.random() < 0.2:
        del data[chance.randrange(len(data) + 1):]
    return bytes(data)


def main():
    words = sys.argv[1:]
    options = words[words.index("--") + 1:] if "--" in words else []
    words = words[:words.index("--")] if "--" in words else words
    ceiling, seconds = 1024, 60
    while len(words) > 2 and words[-2].startswith("--"):
        value, name = words.pop(), words.pop()
        if name == "--ceiling-mib":
            ceiling = int(value)
        else:
            seconds = int(value)
    weir, count, captures = words[0], int(words[1]), [pathlib.Path(w).read_bytes() for w in words[2:]]
    codes, worst, wrong = {}, 0, []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "damaged.pcap"
        for number in range(count):
            chance = random.Random(number)
            path.write_bytes(damage(captures[number % len(captures)], chance))
            mode = [["--inline"], [], ["--workers", "2"]][number % 3]
            try:
                done = subprocess.run([weir, "inspect", "--format", "jsonl", *mode, *options, str(path)], timeout=seconds,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = "time-out"
            worst = max(worst, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
            codes[code] = codes.get(code, 0) + 1
            if code not in (0, 2, 3):
                tail = b"" if code == "time-out" else done.stderr[-600:]
                wrong.append(f"copy {number}: {code} {tail.decode(errors='replace')}")
    print(f"{count} damaged copies, exit codes {codes}, at most {worst // 1024} MiB of {ceiling} MiB")
    print("\n".join(wrong[:10]))
    return 1 if wrong or worst > ceiling * 1024 else 0


if __name__ == "__main__":
    sys.exit(main())
