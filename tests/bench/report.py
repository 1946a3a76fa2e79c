#!/usr/bin/env python3
"""Prints what compare.sh found out as Markdown tables. Never a ratio without both of its numbers.

  report.py FACTS
"""
import pathlib
import platform
import statistics
import subprocess
import sys


def facts(path):
    for line in pathlib.Path(path).read_text().splitlines():
        head, _, text = line.partition("text=")
        fact = dict(word.split("=", 1) for word in head.split() if "=" in word)
        if text:
            fact["text"] = text
        yield fact


def table(heading, rows):
    if not rows:
        return
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [heading] + rows) for i in range(len(heading))]
    line = lambda row: "| " + " | ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) + " |"
    print(line(heading))
    print("|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|")
    print("\n".join(line(row) for row in rows) + "\n")


def us(value):
    value = float(value)
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal")) >> 20
    cores = sum(line.startswith("processor") for line in open("/proc/cpuinfo"))
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    library = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libmodsecurity3"], capture_output=True, text=True).stdout
    print(f"Machine: {model}, {cores} cores, {memory} GiB, Linux {platform.release()}; load when done {load}; "
          f"libmodsecurity {library or '?'}.\n")


def spread(ratios):
    return statistics.median(ratios), min(ratios), max(ratios)


def main():
    all_facts = list(facts(sys.argv[1]))
    of = lambda key: [f for f in all_facts if key in f]
    name = lambda f: f"{f['version']} PL{f['level']}"
    machine()
    compared = [f for f in of("weir_mean") if "growth" not in f]
    coraza = {(f["version"], f["level"], f["corpus"]): f for f in of("coraza_mean")}
    heading = ["CRS, corpus", "requests", "Weir us", "p50", "p99", "max", "libmodsecurity us", "p50", "p99", "max", "ratio"]
    rows = []
    for f in compared:
        row = [f"{name(f)} {f['corpus']}", f["requests"]] + [us(f[f"weir_{k}"]) for k in ("mean", "p50", "p99", "max")]
        row += [us(f[f"modsecurity_{k}"]) for k in ("mean", "p50", "p99", "max")] + [f["ratio"]]
        if coraza:
            c = coraza.get((f["version"], f["level"], f["corpus"]))
            row += [us(c["coraza_mean"]), f"{float(c['coraza_mean']) / float(f['weir_mean']):.1f}"] if c else ["", ""]
        rows.append(row)
    table(heading + (["Coraza us", "ratio"] if coraza else []), rows)
    table(["CRS, corpus", "size class", "p50", "p99", "p99 of p50"],
          [[f"{name(f)} {f['spread']}", f["bytes"], us(f["p50"]), us(f["p99"]), f"{float(f['p99']) / float(f['p50']):.1f}"]
           for f in of("spread") if "growth" not in f])
    table(["CRS, corpus", "engine", "instructions per request"],
          [[f"{name(f)} {f['corpus']}", f["engine"], f"{int(f['instructions']):,}"] for f in of("instructions")])
    loads = {}
    for f in of("state"):
        loads.setdefault((name(f), f["load"], f["state"]), []).append(f)
    table(["CRS, engine", "state", "ready ms", "its CPU ms", "scanners CPU s", "databases MiB", "resident MiB"],
          [[f"{key[0]} {key[1]}", key[2], us(statistics.median(float(f["ready_ms"]) for f in group)),
            us(statistics.median(float(f["ready_cpu_ms"]) for f in group)),
            group[-1].get("scanners_s", ""), group[-1].get("databases_mib", ""), group[-1]["mib"]] for key, group in loads.items()])
    growth = {}
    for f in of("growth"):
        if "weir_mean" in f:
            growth.setdefault((f["growth"], f["rules"]), []).append(float(f["weir_mean"]))
    table(["rules", "more rules", "benign us", "of 1x, medians of turns", "from", "to"],
          [[f"{times}x", rules, us(statistics.median(means))] + [f"{r:.2f}" for r in spread([m / one for m, one in zip(means, next(iter(growth.values())))])]
           for (times, rules), means in growth.items()])
    for f in of("text"):
        print(f"{name(f)}: {f['text']}")
    table(["CRS", "requests", "64 KB over 20 ms", "not linear"],
          [[name(f), f["requests"], f["over_20ms"], f["not_linear"]] for f in of("dos")])


if __name__ == "__main__":
    main()
