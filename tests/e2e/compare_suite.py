#!/usr/bin/env python3
"""Sends every request of a CRS regression suite to Apache with Debian's mod_security2, captures that traffic, and
holds the rule ids that mod_security2 logged against those that Weir finds in the capture.

  compare_suite.py WEIR SUITE_FOLDER [--crs CRS_FOLDER] [--keep DIR] [--again DIR] [--least 99.5]

Without --crs Debian's CRS 3.3.4 is used. --keep leaves capture and logs for a later --again, which only
compares.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lab import attack_traffic, ftw, modsec2, namespaces, records, servers  # noqa: E402
import compare_modsec2  # noqa: E402

# Rules that only sum up what others found; their ids follow from the others'.
SUMMARIES = {949110, 949111, 959100, 959101, 980100, 980110, 980120, 980130, 980140, 980150, 980160, 980170}


def play(work, suite, crs):
    connections = [(f"{name}/{stage}", [request]) for name, stage, request, _ in ftw.stages(suite)]
    with namespaces.Lab() as lab:
        site = work / "site"
        servers.make_site(site)
        servers.start_backend(lab)
        waf = modsec2.start(lab, work, site, paranoia=4, crs_dir=crs)
        capture = servers.Capture(lab, work / "suite.pcap", expression=f"tcp port {servers.PORTS['waf']}")
        labels = attack_traffic.send(lab, lab.server4, servers.PORTS["waf"], connections, timeout=3000)
        capture.stop()
        lab.stop(waf)
        logged = modsec2.read_logs(work)
    (work / "suite.json").write_text(json.dumps({"labels": labels, "transactions": logged}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weir")
    parser.add_argument("suite", nargs="?")
    parser.add_argument("--crs")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--again", type=pathlib.Path)
    parser.add_argument("--least", type=float, default=99.5)
    parser.add_argument("--options", default="", help="further options for weir inspect")
    args = parser.parse_args()
    work = args.again or args.keep or pathlib.Path(tempfile.mkdtemp(prefix="weir-suite-"))
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)
    if not args.again:
        play(work, args.suite, args.crs)
    played = json.loads((work / "suite.json").read_text())
    labels = {int(port): label for port, label in played["labels"].items()}
    for transaction in played["transactions"]:
        transaction["ids"] = [rule for rule in transaction["ids"] if rule not in SUMMARIES]
        transaction["request_line"] = f"[{labels.get(transaction['client_port'])}] {transaction['request_line']}"
    options = compare_modsec2.weir_options(modsec2.rule_files(work, 4, args.crs))
    ours = records.by_connection(records.inspect(args.weir, [work / "suite.pcap"], *options, "--mode", "detect",
                                                 *args.options.split()))
    for group in ours.values():
        for record in group:
            record["waf"]["rules"] = [rule for rule in record["waf"]["rules"] if rule["id"] not in SUMMARIES]
    agree, differ = compare_modsec2.compare(ours, played["transactions"])
    compare_modsec2.report(agree, differ, 100)
    if not (args.keep or args.again):
        shutil.rmtree(work, ignore_errors=True)
    return 0 if agree and 100 * agree / (agree + len(differ)) >= args.least else 1


if __name__ == "__main__":
    sys.exit(main())
