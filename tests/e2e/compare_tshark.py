#!/usr/bin/env python3
"""Holds Weir's requests and responses against what tshark makes of the same captures, field by field.

  compare_tshark.py WEIR CAPTURE…

Exit 1 with every difference if there is one.
"""
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lab import records  # noqa: E402


def field(proto, name):
    found = proto.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def body_length(proto):
    """Length after chunk and content decoding; 0 without a body."""
    found = proto.find(".//field[@name='http.file_data']")
    return 0 if found is None else int(found.get("size"))


def tshark(capture):
    """{connection: [{request fields…, response fields…}]}, requests and responses paired in order."""
    process = subprocess.Popen(
        ["tshark", "-2", "-r", str(capture), "-o", "tcp.reassemble_out_of_order:TRUE", "-o", "tcp.relative_sequence_numbers:FALSE",
         "-o", "http.tcp.port:80,8080-8083,9000", "-Y", "http", "-T", "pdml"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    requests, responses = {}, {}
    for _, packet in ElementTree.iterparse(process.stdout):
        if packet.tag != "packet":
            continue
        tcp = packet.find("./proto[@name='tcp']")
        ip = packet.find("./proto[@name='ip']")
        six = packet.find("./proto[@name='ipv6']")
        source = field(ip, "ip.src") if ip is not None else field(six, "ipv6.src")
        target = field(ip, "ip.dst") if ip is not None else field(six, "ipv6.dst")
        stream = int(field(tcp, "tcp.stream"))
        here = (source, int(field(tcp, "tcp.srcport")))
        there = (target, int(field(tcp, "tcp.dstport")))
        for http in packet.findall("./proto[@name='http']"):
            if field(http, "http.request.method"):
                requests.setdefault((stream, here + there), []).append({
                    "http_method": field(http, "http.request.method"), "url": field(http, "http.request.uri"),
                    "protocol": field(http, "http.request.version"), "hostname": field(http, "http.host"),
                    "http_user_agent": field(http, "http.user_agent"), "request_body_len": body_length(http)})
            elif field(http, "http.response.code") and not field(http, "http.response.code").startswith("1"):
                responses.setdefault((stream, there + here), []).append({
                    "status": int(field(http, "http.response.code")), "http_content_type": field(http, "http.content_type"),
                    "response_body_len": body_length(http)})
        packet.clear()
    process.wait()
    out = {}
    for key in sorted(requests.keys() | responses.keys(), key=lambda k: k[0]):
        asked, answers = requests.get(key, []), responses.get(key, [])
        for index in range(max(len(asked), len(answers))):  # a server may answer what was never asked (HAProxy's 400)
            out.setdefault(key[1], []).append((asked[index] if index < len(asked) else {"http_method": None}) |
                                              (answers[index] if index < len(answers) else {}))
    return out



def compare(weir, capture):
    theirs = tshark(capture)
    ours = records.by_connection(records.inspect(weir, [capture]))
    wrong, fields = [], 0
    for key in sorted(set(theirs) | set(ours)):
        a, b = theirs.get(key, []), ours.get(key, [])
        if len(a) != len(b):
            wrong.append(f"{key}: tshark sees {len(a)} requests, Weir {len(b)}")
            continue
        for index, (expected, record) in enumerate(zip(a, b)):
            http = record["http"]
            for name, value in expected.items():
                fields += 1
                seen = http.get(name)
                if name == "response_body_len" and expected["http_method"] == "HEAD":
                    value = 0
                if seen != value and not (value is None and seen in (None, "")):
                    wrong.append(f"{key} request {index} {name}: tshark {value!r}, Weir {seen!r}")
    return wrong, sum(map(len, theirs.values())), fields


def main():
    weir, captures = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
    failed = False
    for capture in captures:
        wrong, requests, fields = compare(weir, capture)
        print(f"{capture.name}: {requests} requests, {fields} fields, {len(wrong)} differences")
        for line in wrong[:50]:
            print("  " + line)
        failed |= bool(wrong) or requests == 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
