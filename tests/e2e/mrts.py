#!/usr/bin/env python3
"""Generates the rules and tests of OWASP MRTS as its README says, and runs them with `weir test`.

  mrts.py WEIR [MRTS_FOLDER] [--apache] [--keep DIR]

The folder is WEIR_MRTS_DIR if none is given; exit status 77 without either.
--apache also sends every request to Apache with Debian's mod_security2 and the same rules, and holds the
rule ids of both against each other (needs root: network namespaces). Exit status 0 if every test passes but
those named below, 1 if not. MRTS is not part of this repository.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# Tests that no engine can pass, each with its reason. --apache shows that mod_security2 does not pass them either.
IMPOSSIBLE = {
    f"{rule}-{test}": "wants ARGS_COMBINED_SIZE below 2 for the argument foo=attack or its like, which has 9 bytes"
    for rule in (100016, 100017, 100018, 100019) for test in (1, 2, 3)
}


def generate(mrts: pathlib.Path, work: pathlib.Path):
    rules, tests = work / "rules-mrts", work / "tests-mrts"
    rules.mkdir()
    tests.mkdir()
    tool = mrts / "util/generate_rules"
    data = sorted(str(p.relative_to(tool)) for p in (tool / "data").glob("*.yaml"))
    subprocess.run([sys.executable, "generate-rules.py", "-r", *data, "-e", f"{rules}/", "-t", f"{tests}/"], cwd=tool,
                   check=True, stdout=subprocess.DEVNULL)
    return rules, tests


def run_weir(weir, rules, tests):
    done = subprocess.run([weir, "test", "--no-cache", "--no-progress", "--format", "json", "--rules", rules, tests],
                          capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"weir test: exit status {done.returncode}: {done.stderr}")
    print(done.stderr.strip().splitlines()[-1])
    stages = json.loads(done.stdout)["stages"]
    return {stage["test"] for stage in stages}, {stage["test"] for stage in stages if not stage["ok"]}


def compare_with_apache(weir, rules, tests, work):
    from lab import attack_traffic, ftw, modsec2, namespaces, records, servers
    import compare_modsec2
    files = [modsec2.RECOMMENDED, *map(str, sorted(rules.glob("*.conf")))]
    stages = list(ftw.stages(tests))
    with namespaces.Lab() as lab:
        site = work / "site"
        servers.make_site(site)
        servers.start_backend(lab)
        waf = modsec2.start(lab, work, site, files=files)
        capture = servers.Capture(lab, work / "mrts.pcap", expression=f"tcp port {servers.PORTS['waf']}")
        labels = attack_traffic.send(lab, lab.server4, servers.PORTS["waf"],
                                     [(name, [request]) for name, _, request, _ in stages], timeout=600)
        capture.stop()
        lab.stop(waf)
        logged = modsec2.read_logs(work)
    names = {int(port): name for port, name in labels.items()}
    wanted = {name: set(output.get("log", {}).get("expect_ids", [])) for name, _, _, output in stages}
    failed = set()
    for transaction in logged:
        name = names[transaction["client_port"]]
        transaction["request_line"] = f"[{name}] {transaction['request_line']}"
        if not wanted[name] <= set(transaction["ids"]):
            failed.add(name)
    ours = records.by_connection(records.inspect(weir, [work / "mrts.pcap"], *compare_modsec2.weir_options(files),
                                                 "--mode", "detect"))
    agree, differ = compare_modsec2.compare(ours, logged)
    compare_modsec2.report(agree, differ)
    print(f"mod_security2 fails {len(failed)} of {len(stages)} tests")
    if failed != set(IMPOSSIBLE):
        print(f"not the same that are impossible: {sorted(failed ^ set(IMPOSSIBLE))}")
    return not differ and agree == len(stages) and failed == set(IMPOSSIBLE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weir")
    parser.add_argument("mrts", type=pathlib.Path, nargs="?", default=os.environ.get("WEIR_MRTS_DIR"))
    parser.add_argument("--apache", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, help="work there, and leave it")
    args = parser.parse_args()
    if not args.mrts:
        return 77
    args.mrts = pathlib.Path(args.mrts)
    if not (args.mrts / "util/generate_rules/generate-rules.py").exists():
        sys.exit(f"{args.mrts} is no folder of MRTS")
    work = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="weir-mrts-"))
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)
    try:
        rules, tests = generate(args.mrts.resolve(), work)
        all_tests, failed = run_weir(args.weir, rules, tests)
        for name in sorted(failed | set(IMPOSSIBLE)):
            if name not in failed:
                print(f"{name} passes, but is listed as impossible")
            else:
                print(f"{name} fails: {IMPOSSIBLE.get(name, 'UNEXPECTED')}")
        fine = bool(all_tests) and failed == set(IMPOSSIBLE)
        if args.apache:
            fine = compare_with_apache(args.weir, rules, tests, work) and fine
        return 0 if fine else 1
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
