"""Signatures for Suricata that look for what the CRS looks for in requests: its patterns and phrases, as far as Suricata
takes them, against the URI. (The body of the upload here is none that the CRS looks into.) Nothing of them is kept: they
are made from the CRS that is installed."""
import re

CONFIGURATION = """%YAML 1.1
---
vars:
  address-groups: {{HOME_NET: "any", EXTERNAL_NET: "any"}}
default-log-dir: {work}
stats: {{enabled: no}}
outputs: []
nfq: {{mode: accept, batchcount: 20, fail-open: no}}
app-layer: {{protocols: {{http: {{enabled: yes, libhtp: {{default-config: {{request-body-limit: 128kb, response-body-limit: 512kb}}}}}}}}}}
stream: {{memcap: 1gb, inline: yes, checksum-validation: yes, reassembly: {{memcap: 2gb, depth: 1mb}}}}
flow: {{memcap: 1gb}}
max-pending-packets: 4096
runmode: workers
"""


def from_crs(directory):
    """Text and number of signatures."""
    out, number = [], 0
    for path in sorted(directory.glob("REQUEST-9[3-4]*.conf")):
        text = path.read_text().replace("\\\n", " ")
        for pattern in re.findall(r'^SecRule [^"\n]*(?:ARGS|REQUEST_URI)[^"\n]* "@rx ((?:[^"\\]|\\.)+)"', text, re.M):
            pattern = pattern.replace('\\"', '"')
            if "%{" in pattern or len(pattern) > 4000:
                continue
            pattern = re.sub(r"(?<!\\)/", r"\\/", pattern)
            pattern = pattern.replace(";", r"\x3b").replace('"', r"\x22")
            number += 1
            out.append(f'drop http any any -> any any (msg:"{path.stem}"; flow:established,to_server; http.uri; pcre:"/{pattern}/i"; '
                       f"sid:{number}; rev:1;)")
        for phrases in re.findall(r'"@pmFromFile ([^"\s]+)"', text):
            for line in (directory / phrases).read_text(errors="replace").splitlines():
                word = line.strip()
                if len(word) < 4 or word.startswith("#"):
                    continue
                number += 1
                content = "".join(c if c.isalnum() else "|%02x|" % ord(c) for c in word if ord(c) < 128)
                out.append(f'drop http any any -> any any (msg:"{path.stem}"; flow:established,to_server; http.uri; content:"{content}"; nocase; '
                           f"sid:{number}; rev:1;)")
    return "\n".join(out) + "\n", number
