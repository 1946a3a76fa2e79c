#!/usr/bin/env python3
"""Prints what whole_path.sh measured as Markdown, with the ratios that are wanted.

  report.py FACTS CAPTURE RULES_NAME
"""
import pathlib
import statistics
import sys

TEXT = {
    "read_flows": "reading, decoding, finding the flow",
    "weir_none": "weir inspect --rules none",
    "suricata_none": "Suricata 7 without rules, single thread",
    "weir_rules_1": "weir inspect, {rules} PL1, 1 worker",
    "weir_rules_2": "weir inspect, {rules} PL1, 2 workers",
    "weir_side_by_side": "twice weir inspect, {rules} PL1, 1 worker, side by side",
    "tshark": "tshark -Y http.request",
}
WANTED = [  # what, slower, faster, column, bound, at most or at least
    ("without rules, of reading", "weir_none", "read_flows", 1, 5, "at most"),
    ("Suricata, of Weir without rules", "suricata_none", "weir_none", 1, 5, "at least"),
    ("tshark, of Weir with rules", "tshark", "weir_rules_1", 0, 3, "at least"),
    ("one worker, of two", "weir_rules_1", "weir_rules_2", 0, 1.8, "at least"),
]


def main():
    times = {}
    for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
        name, wall, cpu = line.split()
        times.setdefault(name, []).append((float(wall), float(cpu)))
    size = pathlib.Path(sys.argv[2]).stat().st_size
    rules = sys.argv[3]
    middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in times.items()}
    print(f"Capture: {size / 1e6:.0f} MB; medians of {max(map(len, times.values()))} rounds.\n")
    print("| program | seconds | CPU seconds | MB/s |\n|---|--:|--:|--:|")
    for name, text in TEXT.items():
        if name in middle:
            wall, cpu = middle[name]
            print(f"| {text.format(rules=rules)} | {wall:.2f} | {cpu:.2f} | {size / 1e6 / wall:.0f} |")
    print("\n| ratio | measured | wanted |\n|---|--:|--:|")
    for what, slower, faster, column, bound, sense in WANTED:
        if slower not in times or faster not in times:
            continue
        ratios = [a[column] / b[column] for a, b in zip(times[slower], times[faster])]
        print(f"| {what} ({'CPU' if column else 'time'}) | {statistics.median(ratios):.2f} | {sense} {bound} |")
    if "weir_side_by_side" in times:
        most = [2 * one[0] / both[0] for one, both in zip(times["weir_rules_1"], times["weir_side_by_side"])]
        print(f"| two programs side by side, of one after the other (time) | {statistics.median(most):.2f} | the most that two workers could have |")


if __name__ == "__main__":
    main()
