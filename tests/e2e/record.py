#!/usr/bin/env python3
"""Records the captures that the end-to-end tests use, with real clients and servers in namespaces of its own.

  record.py OUT [--clean] [--attack] [--demo] [--no-browser]

  OUT/clean.pcap    curl, wget, http.client, ab, wrk and Chromium against nginx, Apache and HAProxy
  OUT/tagged.pcap   clean.pcap with an 802.1Q tag on IPv4 and two tags (802.1ad) on IPv6 frames, added to the
                    recorded frames: not every kernel has VLAN devices
  OUT/proxied.pcap  the leg between HAProxy (or nginx) and what is behind it, on the loopback interface
  OUT/attack.pcap   sqlmap and hand-made attacks against Apache with Debian's mod_security2, which only detects
  OUT/demo.pcap     the capture of the quick start (tests/pcap/demo.pcap), only with --demo
  OUT/attack.json   what mod_security2 logged: see lab/modsec2.py
"""
import argparse
import json
import pathlib
import shutil
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lab import attack_traffic, clean_traffic, modsec2, namespaces, servers  # noqa: E402


def tag(source: pathlib.Path, target: pathlib.Path):
    data = source.read_bytes()
    if struct.unpack("<I", data[:4])[0] != 0xA1B23C4D:
        raise RuntimeError("tcpdump wrote no little-endian nanosecond pcap")
    out, at = [data[:24]], 24
    while at < len(data):
        seconds, nanoseconds, kept, length = struct.unpack("<IIII", data[at:at + 16])
        frame = data[at + 16:at + 16 + kept]
        tags = b"\x81\x00\x00\x64" if frame[12:14] == b"\x08\x00" else b"\x88\xa8\x00\xc8\x81\x00\x00\x64"
        out.append(struct.pack("<IIII", seconds, nanoseconds, kept + len(tags), length + len(tags)))
        out.append(frame[:12] + tags + frame[12:])
        at += 16 + kept
    target.write_bytes(b"".join(out))


def record_clean(out: pathlib.Path, work: pathlib.Path, browser: bool):
    with namespaces.Lab() as lab:
        site = work / "site"
        servers.make_site(site)
        servers.start_backend(lab)
        servers.start_nginx(lab, work, site)
        servers.start_apache(lab, work, site)
        servers.start_haproxy(lab, work)
        front = servers.Capture(lab, out / "clean.pcap", expression="tcp")
        behind = servers.Capture(lab, out / "proxied.pcap", interface="lo",
                                 expression=f"tcp port {servers.PORTS['nginx']} or tcp port {servers.PORTS['backend']}")
        clean_traffic.send(lab, work, browser)
        front.stop()
        behind.stop()
    tag(out / "clean.pcap", out / "tagged.pcap")


def record_attack(out: pathlib.Path, work: pathlib.Path):
    with namespaces.Lab() as lab:
        site = work / "site"
        servers.make_site(site)
        servers.start_backend(lab)
        waf = modsec2.start(lab, work, site, paranoia=4)
        capture = servers.Capture(lab, out / "attack.pcap", expression=f"tcp port {servers.PORTS['waf']}")
        labels = attack_traffic.send(lab, lab.server4, servers.PORTS["waf"], attack_traffic.handmade())
        attack_traffic.sqlmap(lab, work, lab.server4)
        capture.stop()
        lab.stop(waf)
        logged = modsec2.read_logs(work)
    (out / "attack.json").write_text(json.dumps({"labels": labels, "transactions": logged}, indent=1))


def record_demo(out: pathlib.Path, work: pathlib.Path):
    """The small capture of the quick start: a person, a script, and somebody who tries the doors."""
    with namespaces.Lab() as lab:
        site = work / "site"
        servers.make_site(site)
        servers.start_backend(lab)
        servers.start_nginx(lab, work, site)
        capture = servers.Capture(lab, out / "demo.pcap", expression="tcp")
        port = servers.PORTS["nginx"]
        clean_traffic.browse(lab, work, lab.server4, port, "shop.example")
        agent = ["-H", "Host: shop.example", "-s", "-m", "10", "-o", "/dev/null"]
        base = f"http://{lab.server4}:{port}"
        for words in (
            [f"{base}/style.css", f"{base}/small.txt?q=red+shoes&page=2"],
            ["-d", "name=Ada+Lovelace&comment=Where%27s+my+order%3F", f"{base}/app/contact"],
            ["-H", "Content-Type: application/json", "-d", '{"item":7,"note":"gift wrap, please"}', f"{base}/app/cart"],
            [f"{base}/app/item?id=1%27%20UNION%20SELECT%20user,password%20FROM%20users--%20-"],
            ["-d", "comment=%3Cscript%3Ealert(document.cookie)%3C/script%3E", f"{base}/app/contact"],
            ["--path-as-is", f"{base}/app/download?file=../../../../etc/passwd"],
            ["-A", "() { :;}; /bin/bash -c 'id'", f"{base}/app/cgi/status"],
            ["-H", "Content-Type: application/json", "-d", '{"host":"127.0.0.1; cat /etc/passwd"}', f"{base}/app/ping"],
        ):
            browser = [] if "-A" in words else ["-A", attack_traffic.AGENT]
            lab.run("client", "curl", *agent, *browser, *words)
        capture.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--attack", action="store_true")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--no-browser", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    both = not (args.clean or args.attack or args.demo)
    work = pathlib.Path(tempfile.mkdtemp(prefix="weir-lab-"))
    work.chmod(0o755)
    try:
        if args.clean or both:
            record_clean(args.out, work, not args.no_browser)
        if args.attack or both:
            record_attack(args.out, work)
        if args.demo:
            record_demo(args.out, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
