"""Runs `weir inspect` and reads its JSON records."""
import json
import subprocess


def inspect(weir, captures, *options, check=True):
    done = subprocess.run([str(weir), "inspect", "--format", "jsonl", *options, *map(str, captures)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if check and done.returncode != 0:
        raise RuntimeError(f"weir inspect ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return [record for record in map(json.loads, done.stdout.splitlines()) if record["event_type"] == "http"]


def by_connection(records):
    """{(client, port, server, port): [record, …] in order of the requests}."""
    out = {}
    for record in records:
        key = (record["src_ip"], record["src_port"], record["dest_ip"], record["dest_port"])
        out.setdefault(key, []).append(record)
    for key, group in out.items():
        group.sort(key=lambda r: (r["flow_id"], r["tx_id"]) if len({r["flow_id"] for r in group}) == 1 else r["pcap_cnt"])
    return out
