"""Requests as people and programs make them, sent with real clients from the client namespace."""
import pathlib
import sys

from . import servers

HTTP_CLIENT = r"""
import http.client, json, sys
host, port = sys.argv[1], int(sys.argv[2])
c = http.client.HTTPConnection(host, port, timeout=20)
for i in range(4):                                  # one connection, several requests
    c.request("GET", f"/small.txt?page={i}&q=caf%C3%A9+au+lait", headers={"X-Request": str(i)})
    c.getresponse().read()
c.request("POST", "/app/echo", body=json.dumps({"user": "ada", "tags": ["a", "b"], "n": 7}),
          headers={"Content-Type": "application/json", "Cookie": "session=4f2a; theme=dark"})
c.getresponse().read()
c.request("POST", "/app/echo", body=iter([b"one " * 50, b"two " * 300, b"three"]),   # chunked upload
          headers={"Content-Type": "text/plain"}, encode_chunked=True)
c.getresponse().read()
c.request("PUT", "/app/item/7", body=b"<item><name>brush</name></item>", headers={"Content-Type": "application/xml"})
c.getresponse().read()
c.request("HEAD", "/big.txt"); c.getresponse().read()
c.request("OPTIONS", "/app/"); c.getresponse().read()
c.request("DELETE", "/app/item/7"); c.getresponse().read()
c.close()
"""

PIPELINED = r"""
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
s = socket.create_connection((host, port), timeout=20)
n = 6
s.sendall(b"".join(b"GET /small.txt?p=%d HTTP/1.1\r\nHost: lab.test\r\nUser-Agent: pipeline\r\n%s\r\n"
                   % (i, b"Connection: close\r\n" if i == n - 1 else b"") for i in range(n)))
while s.recv(65536):
    pass
"""


def url(host, port, path):
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


def curl(lab, work, host, port):
    upload = work / "upload.bin"
    if not upload.exists():
        upload.write_bytes(bytes((i * 7) % 256 for i in range(70000)))
    base = ["curl", "-s", "-m", "20", "-o", "/dev/null"]
    get = lambda *more: lab.run("client", *base, *more)
    # Several URLs: one keep-alive connection.
    get(url(host, port, "/"), url(host, port, "/style.css"), url(host, port, "/blob.bin"), url(host, port, "/missing"))
    get("--compressed", url(host, port, "/big.txt"))
    get("-0", url(host, port, "/small.txt"))                                      # HTTP/1.0, closed by the server
    get("-I", url(host, port, "/big.txt"))
    get("-r", "100-299", url(host, port, "/big.txt"))
    get("-d", "name=Ada+Lovelace&comment=first%20programmer&x=1", url(host, port, "/app/echo"))
    get("-F", "title=holiday", "-F", f"photo=@{upload};type=image/png;filename=photo 1.png", url(host, port, "/app/echo"))
    get("-H", "Expect: 100-continue", "-T", str(upload), url(host, port, "/app/put"))
    get("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{upload}", url(host, port, "/app/echo"))
    get(url(host, port, "/app/chunked"))
    get("-L", url(host, port, "/app/reflect"), "-d", '{"status":204}', "-H", "Content-Type: application/json")
    get("-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", url(host, port, "/small.txt"))   # 304
    get("-A", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "-b", "sid=abc123; lang=de",
        "-H", "Accept: text/html", "-e", "http://lab.test/start", url(host, port, "/?q=two+words&lang=de"))


def browse(lab, work, host, port, name=None):
    """Loads the page as a person would; `name`: what the address bar says instead of the address."""
    profile = work / "chromium"
    lab.run("client", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", *([f"--host-resolver-rules=MAP {name} {host}"] if name else []), f"--user-data-dir={profile}", "--virtual-time-budget=4000", "--dump-dom",
            url(name or host, port, "/index.html"), timeout=90)


def load(lab, work, host, port):
    lab.run("client", "ab", "-q", "-k", "-n", "60", "-c", "4", url(host, port, "/small.txt"))
    script = work / "slow.lua"
    script.write_text("function delay() return 25 end\n")
    lab.run("client", "wrk", "-t1", "-c2", "-d1s", "-s", str(script), url(host, port, "/small.txt"))


def send(lab, work: pathlib.Path, browser=True):
    """All of it, against all three servers, over IPv4 and IPv6."""
    hosts = [lab.server4, lab.server6]
    ports = [servers.PORTS["nginx"], servers.PORTS["apache"], servers.PORTS["haproxy"]]
    for host in hosts:
        for port in ports:
            curl(lab, work, host, port)
            lab.run("client", "wget", "-q", "-T", "20", "-O", "/dev/null", url(host, port, "/big.txt"))
            lab.run("client", sys.executable, "-c", HTTP_CLIENT, host, str(port))
            lab.run("client", sys.executable, "-c", PIPELINED, host, str(port))
    for port in ports:
        load(lab, work, lab.server4, port)
    if browser:
        browse(lab, work, lab.server4, ports[0])
        browse(lab, work, lab.server6, ports[2])
