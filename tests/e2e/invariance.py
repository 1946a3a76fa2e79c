#!/usr/bin/env python3
"""Segmentation invariance on whole captures: however the same streams are cut, Weir's records are the same.

  invariance.py WEIR RESEGMENT CAPTURE… [-- options for weir inspect]

Each capture is rewritten byte by byte, in random pieces, reordered, duplicated, overlapped with equal data,
and all of it together (tests/support/resegment.cc). What may differ is the number of the packet that completed
a transaction and, where segments change places, the time at which its first byte arrived; nothing else.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lab import records  # noqa: E402

MODES = [("bytes", 0), ("pieces", 1), ("reorder", 2), ("duplicate", 3), ("overlap", 4), ("mixed", 5), ("mixed", 6)]


def comparable(found, timed):
    """Records without what names packets or the file; sorted, since completion order follows the packets."""
    out = []
    for record in found:
        record = dict(record)
        record.pop("pcap_cnt", None)
        record.pop("pcap_filename", None)
        if not timed:
            record.pop("timestamp")
        out.append(json.dumps(record, sort_keys=True))
    return sorted(out)


def main():
    words = sys.argv[1:]
    options = words[words.index("--") + 1:] if "--" in words else []
    words = words[:words.index("--")] if "--" in words else words
    weir, resegment, captures = words[0], words[1], words[2:]
    failed = False
    for capture in captures:
        whole = records.inspect(weir, [capture], *options)
        for mode, seed in MODES:
            timed = mode not in ("reorder", "mixed")
            plain = comparable(whole, timed)
            with tempfile.TemporaryDirectory() as folder:
                target = pathlib.Path(folder) / "cut.pcap"
                subprocess.run([resegment, mode, str(seed), capture, str(target)], check=True)
                cut = comparable(records.inspect(weir, [target], *options), timed)
            same = cut == plain and len(plain) > 0
            failed |= not same
            print(f"{pathlib.Path(capture).name} {mode}-{seed}: {len(plain)} records, {'identical' if same else 'DIFFERENT'}")
            if not same:
                ours, theirs = set(plain), set(cut)
                for line in sorted(ours - theirs)[:3]:
                    print(f"  only whole: {line[:600]}")
                for line in sorted(theirs - ours)[:3]:
                    print(f"  only cut:   {line[:600]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
