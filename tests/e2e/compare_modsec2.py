#!/usr/bin/env python3
"""Holds the rule ids that Weir logs against those that Apache with Debian's mod_security2 logged for the
same requests (OUT/attack.json of record.py).

  compare_modsec2.py WEIR OUT [--least 100]

Prints every transaction that differs, grouped by what differs; exit 1 if fewer than --least per cent agree.
"""
import argparse
import collections
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lab import modsec2, records  # noqa: E402


def weir_options(files):
    return [word for name in files for word in ("--rules", name)]


def compare(ours, theirs):
    """ours: records by connection; theirs: read_logs(). Returns (agreeing, [(transaction, extra, missing)])."""
    by_port = {}
    for key, group in ours.items():
        by_port.setdefault(key[1], []).extend(group)
    agree, differ = 0, []
    for transaction in theirs:
        group = by_port.get(transaction["client_port"], [])
        if transaction["order"] >= len(group):
            differ.append((transaction, ["no such transaction"], []))
            continue
        seen = {rule["id"] for rule in group[transaction["order"]]["waf"]["rules"]}
        wanted = set(transaction["ids"])
        if seen == wanted:
            agree += 1
        else:
            differ.append((transaction, sorted(seen - wanted), sorted(wanted - seen)))
    return agree, differ


def report(agree, differ, most=40):
    total = agree + len(differ)
    kinds = collections.Counter((tuple(extra), tuple(missing)) for _, extra, missing in differ)
    print(f"{agree} of {total} transactions log the same rule ids ({100 * agree / max(total, 1):.2f} %)")
    for (extra, missing), count in kinds.most_common(most):
        sample = next(t for t, e, m in differ if tuple(e) == extra and tuple(m) == missing)
        print(f"  {count} x  only Weir: {list(extra)}  only mod_security2: {list(missing)}"
              f"  e.g. port {sample['client_port']}: {sample['request_line'][:100]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weir")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--paranoia", type=int, default=4)
    parser.add_argument("--least", type=float, default=100.0)
    args = parser.parse_args()
    theirs = json.loads((args.out / "attack.json").read_text())["transactions"]
    options = weir_options(modsec2.rule_files(args.out, args.paranoia))
    ours = records.by_connection(records.inspect(args.weir, [args.out / "attack.pcap"], *options, "--mode", "detect"))
    agree, differ = compare(ours, theirs)
    report(agree, differ)
    return 0 if theirs and 100 * agree / (agree + len(differ)) >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())
