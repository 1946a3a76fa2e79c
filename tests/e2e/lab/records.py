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
    for group in out.values():  # several flows where a client used a port again: in order of their first packet
        first = {}
        for record in group:
            first[record["flow_id"]] = min(first.get(record["flow_id"], record["pcap_cnt"]), record["pcap_cnt"])
        group.sort(key=lambda record: (first[record["flow_id"]], record["tx_id"]))
    return out
