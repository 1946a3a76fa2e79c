#!/usr/bin/env python3
"""Large downloads through `weir run` with the Core Rule Set, against a bare echo of the same packets, in one run.

    run_engine.py BUILD_DIRECTORY [--rounds N] [--seconds S] [--body BYTES] [--inner BYTES…]

CPU time of the echo, or of Weir's one worker, for a packet; the ratio to (a), a bare recvmmsg/sendmmsg echo, and
(b), the same merged, is the median over interleaved rounds. Segments make inner packets of 100 and 1,400 bytes. The client and the server are played by one
program, which keeps a window: nothing is lost. "Released": `release.responses`, of bodies in which no rule takes an
interest the port echoes the rest. Needs root.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from run import Veth  # noqa: E402

CONFIG = """
mode: block
ports: "80"
cpus: none
inputs:
  geneve:
    sources: [10.88.0.0/24]
    address: 10.88.0.1
health:
  http_port: 9080
"""


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pins():
    cpus = sorted(os.sched_getaffinity(0))
    return [["taskset", "-c", str(cpus[0])], ["taskset", "-c", str(cpus[-1])]]


def transfer(lab, build, merge, seconds, shape):
    out = subprocess.run(["ip", "netns", "exec", lab.a, *pins()[0], str(build / "tests/bench/geneve/geneve_transfer"),
                          "10.88.0.2", "10.88.0.1", "--merge", str(merge), "--seconds", str(seconds), *shape],
                         stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(out.stdout)
    if result["stuck"]:
        print("  warning: some packets did not come back:", result, file=sys.stderr)
    return result


def of_echo(lab, build, words, merge, seconds, shape):
    server = subprocess.Popen(["ip", "netns", "exec", lab.b, *pins()[1], *words], stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)
    if server.poll() is not None:  # what was there before has not let go of the port yet
        time.sleep(0.5)
        return of_echo(lab, build, words, merge, seconds, shape)
    back = transfer(lab, build, merge, seconds, shape)
    out = json.loads(server.communicate(timeout=30)[0])
    return {"ns": out["cpu"] / out["packets"] * 1e9, "mbit": back["payload"] * 8e-6 / back["seconds"]}


def of_weir(lab, build, work, merge, seconds, shape, more=""):
    config = work / "weir.yaml"
    config.write_text(CONFIG + more)
    server = subprocess.Popen(["ip", "netns", "exec", lab.b, *pins()[1], str(build / "app/weir"), "run", "-c", str(config)],
                              stderr=open(work / "log", "w"))
    try:
        for _ in range(600):
            ready = subprocess.run(["ip", "netns", "exec", lab.b, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                    "http://127.0.0.1:9080/readyz"], stdout=subprocess.PIPE, text=True).stdout
            if ready == "200":
                break
            time.sleep(0.1)
        children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        worker = [p for p in children if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == "weir-0"][0]
        transfer(lab, build, merge, 0.3, shape)  # warm
        before = cpu_seconds(worker)
        back = transfer(lab, build, merge, max(seconds, 1.5), shape)
        used = cpu_seconds(worker) - before
        return {"ns": used / back["back"] * 1e9, "mbit": back["payload"] * 8e-6 / back["seconds"]}
    finally:
        server.terminate()
        server.wait(20)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8)
    parser.add_argument("--body", type=int, default=4 << 20)
    parser.add_argument("--inner", type=int, nargs="*", default=[100, 1400])
    a = parser.parse_args()
    build = a.build.resolve()
    bare = str(build / "tests/bench/geneve/geneve_bare_echo")
    port = str(build / "tests/bench/geneve/geneve_port_echo")
    length = str(a.seconds + 1.0)
    print(f"{'inner':>6} {'sent':>8}  {'':18} {'ns/packet':>10} {'Mbit/s':>8} {'of (a)':>7} {'of (b)':>7}")
    with Veth() as lab, tempfile.TemporaryDirectory() as work:
        for inner, merge in [(i, m) for i in a.inner for m in (1, 16)]:
            shape = ["--body", str(a.body), "--segment", str(inner - 40)]
            rounds = []
            for _ in range(a.rounds):
                rounds.append({
                    "(a) bare": of_echo(lab, build, [bare, "10.88.0.1", "bare", length], merge, a.seconds, shape),
                    "(b) merged": of_echo(lab, build, [bare, "10.88.0.1", "gro", length], merge, a.seconds, shape),
                    "port, no engine": of_echo(lab, build, [port, "10.88.0.1", "10.88.0.0/24", length, "80"], merge,
                                               a.seconds, shape),
                    "weir run, CRS": of_weir(lab, build, pathlib.Path(work), merge, a.seconds, shape),
                    "   , released": of_weir(lab, build, pathlib.Path(work), merge, a.seconds, shape,
                                              "release:\n  responses: true\n"),
                })
            for name in rounds[0]:
                median = lambda f: statistics.median(f(r) for r in rounds)
                print(f"{inner:>6} {'merged' if merge > 1 else 'single':>8}  {name:18} {median(lambda r: r[name]['ns']):>10.0f} "
                      f"{median(lambda r: r[name]['mbit']):>8.0f} {median(lambda r: r['(a) bare']['ns'] / r[name]['ns']):>7.2f} "
                      f"{median(lambda r: r['(b) merged']['ns'] / r[name]['ns']):>7.2f}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
