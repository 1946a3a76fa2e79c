#!/usr/bin/env python3
"""The echo of GENEVE in one run, as ratios: what the port does against what the machine can do.

    run.py BUILD_DIRECTORY [--rounds N] [--seconds S] [--flows N] [--inner BYTES…] [--all]

(a) a bare recvmmsg/sendmmsg echo, (b) the same with UDP_GRO and UDP_SEGMENT, and the port: uninspected traffic,
and inspected packets that an engine without cost settles. Inner packets of 100 and 1,400 bytes, sent one by one
and merged (as a network card with UDP GRO, or veth, delivers them). The measure is CPU time of the echo for a packet,
since a machine that is busy with other things says little by packets per second; both are printed, the
ratio is that of CPU time, the median over interleaved rounds. Needs root; a veth pair in namespaces.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time


def sh(*words):
    subprocess.run(words, check=True)


class Veth:
    def __init__(self):
        tag = os.getpid() % 100000
        self.a, self.b = f"weir-ba-{tag}", f"weir-bb-{tag}"

    def __enter__(self):
        for ns in (self.a, self.b):
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        sh("ip", "link", "add", "v", "netns", self.a, "type", "veth", "peer", "name", "v", "netns", self.b)
        for ns, address in ((self.a, "10.88.0.2"), (self.b, "10.88.0.1")):
            sh("ip", "-n", ns, "link", "set", "v", "mtu", "9001", "up")
            sh("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", "v")
        return self

    def __exit__(self, *_):
        for ns in (self.a, self.b):
            subprocess.run(["ip", "netns", "del", ns])


def measure(*arguments):
    for _ in range(4):  # a machine that is very busy may start the echo too late
        try:
            return once(*arguments)
        except LookupError as error:
            print(f"  again: {error}", file=sys.stderr)
    raise SystemExit("run.py: the echo does not answer")


def once(lab, echo, inner, merge, flows, seconds, build):
    cpus = sorted(os.sched_getaffinity(0))
    pin = [["taskset", "-c", str(cpus[0])], ["taskset", "-c", str(cpus[-1])]] if len(cpus) > 1 else [[], []]
    server = subprocess.Popen(["ip", "netns", "exec", lab.b, *pin[1], *echo, str(seconds + 0.8), *echo_tail(echo)],
                              stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)
    flood = subprocess.run(["ip", "netns", "exec", lab.a, *pin[0], str(build / "tests/bench/geneve/geneve_flood"),
                            "10.88.0.2", "10.88.0.1", "--inner", str(inner), "--merge", str(merge), "--flows", str(flows),
                            "--seconds", str(seconds), "--tcp"], stdout=subprocess.PIPE, text=True, check=True)
    out = json.loads(server.communicate(timeout=30)[0])
    back = json.loads(flood.stdout)
    if out["packets"] == 0 or back["back"] == 0:
        raise LookupError(f"{echo}: nothing came back")
    return {"ns": out["cpu"] / out["packets"] * 1e9, "pps": back["back"] / back["seconds"],
            "allocations": out.get("allocations", 0)}


def echo_tail(echo):
    return ["80"] if echo and echo[0].endswith("geneve_port_echo") and getattr(echo, "inspect", False) else []


class Words(list):
    inspect = False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--flows", type=int, default=64)
    parser.add_argument("--inner", type=int, nargs="*", default=[100, 1400])
    parser.add_argument("--all", action="store_true", help="the ways that were rejected, too")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    bare = str(build / "tests/bench/geneve/geneve_bare_echo")
    port = str(build / "tests/bench/geneve/geneve_port_echo")
    modes = {"(a) bare": Words([bare, "10.88.0.1", "bare"]), "(b) merged": Words([bare, "10.88.0.1", "gro"])}
    if arguments.all:
        for mode in ("raw", "rawgro", "ports", "packet"):
            modes[mode] = Words([bare, "10.88.0.1", mode])
    modes["port, echo"] = Words([port, "10.88.0.1", "10.88.0.0/24"])
    modes["port, inspected"] = Words([port, "10.88.0.1", "10.88.0.0/24"])
    modes["port, inspected"].inspect = True
    print(f"{'inner':>6} {'sent':>8}  {'':16} {'ns/packet':>10} {'kpps':>8} {'of (a)':>7} {'of (b)':>7} {'allocations':>12}")
    with Veth() as lab:
        for inner in arguments.inner:
            for merge in (1, 40):
                rounds = [{name: measure(lab, words, inner, merge, arguments.flows, arguments.seconds, build)
                           for name, words in modes.items()} for _ in range(arguments.rounds)]
                for name in modes:
                    median = lambda f: statistics.median(f(r) for r in rounds)
                    print(f"{inner:>6} {'merged' if merge > 1 else 'single':>8}  {name:16} "
                          f"{median(lambda r: r[name]['ns']):>10.0f} {median(lambda r: r[name]['pps']) / 1e3:>8.0f} "
                          f"{median(lambda r: r['(a) bare']['ns'] / r[name]['ns']):>7.2f} "
                          f"{median(lambda r: r['(b) merged']['ns'] / r[name]['ns']):>7.2f} "
                          f"{max(r[name]['allocations'] for r in rounds):>12}")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
