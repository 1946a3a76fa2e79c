"""nginx, Apache (with Debian's mod_security2 where rules are given) and HAProxy, each with a configuration
of its own in a directory of the test, started in the foreground so that the lab can end it by pid."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PORTS = {"nginx": 8080, "apache": 8081, "haproxy": 8082, "waf": 8083, "proxied": 8084, "backend": 9000}


def wait_for(lab, address, port, seconds=20):
    probe = (
        "import socket,sys\n"
        "f=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\n"
        "s=socket.socket(f);s.settimeout(1);s.connect((sys.argv[1],int(sys.argv[2])))"
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if lab.run("server", sys.executable, "-c", probe, address, str(port)).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"no server on {address} port {port} after {seconds} s")


def make_site(directory: pathlib.Path):
    """Static files: a page with its parts, a compressible text, a binary."""
    directory.mkdir(parents=True, exist_ok=True)
    words = "the quick brown fox jumps over the lazy dog and runs into the forest".split()
    text = " ".join(words[(i * 7 + i // 13) % len(words)] for i in range(40000))
    (directory / "big.txt").write_text(text)
    (directory / "small.txt").write_text("hello\n")
    (directory / "blob.bin").write_bytes(bytes((i * i + 31 * i) % 251 for i in range(50000)))
    (directory / "style.css").write_text("body { color: #222; font-family: sans-serif }\n" * 40)
    (directory / "page.js").write_text(
        "fetch('/app/echo', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify({name: 'weir', list: [1, 2, 3]})}).then(r => r.text())"
        ".then(t => { document.getElementById('out').textContent = t; document.title = 'loaded'; });\n")
    (directory / "index.html").write_text(
        "<!doctype html><html><head><title>lab</title><link rel=stylesheet href=style.css></head>"
        "<body><h1>Lab</h1><p id=out></p><img src=blob.bin alt=''><script src=page.js></script></body></html>\n")
    for path in directory.rglob("*"):
        path.chmod(0o644)
    directory.chmod(0o755)


def start_backend(lab, address="127.0.0.1", port=PORTS["backend"]):
    process = lab.start("server", sys.executable, str(HERE / "backend.py"), address, str(port))
    wait_for(lab, address, port)
    return process


def start_nginx(lab, work: pathlib.Path, site: pathlib.Path, locations="", more=""):
    """`locations`: text for the server block, `more`: for the http block."""
    base = work / "nginx"
    base.mkdir(parents=True, exist_ok=True)
    (base / "nginx.conf").write_text(f"""
daemon off;
user www-data;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {base}/pid;
error_log {base}/error.log;
events {{ worker_connections 12000; }}
http {{
  types {{ text/html html; text/css css; text/plain txt; application/javascript js; }}
  default_type application/octet-stream;
  access_log off;
  gzip on;
  gzip_types text/plain text/css application/javascript;
  client_max_body_size 100m;
  client_body_temp_path {base}/body;
  proxy_temp_path {base}/proxy;
  fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi;
  scgi_temp_path {base}/scgi;
  server {{
    listen {PORTS["nginx"]};
    listen [::]:{PORTS["nginx"]};
    listen {PORTS["proxied"]} proxy_protocol;
    listen [::]:{PORTS["proxied"]} proxy_protocol;
    root {site};
    location /app/ {{
      proxy_pass http://127.0.0.1:{PORTS["backend"]}/;
      proxy_http_version 1.1;
      proxy_request_buffering off;
    }}
    {locations}
  }}
  {more}
}}
""")
    process = lab.start("server", "nginx", "-p", str(base), "-c", str(base / "nginx.conf"),
                        stderr=open(base / "stderr.log", "w"))
    wait_for(lab, "127.0.0.1", PORTS["nginx"])
    return process


APACHE_MODULES = ["mpm_event", "authz_core", "mime", "dir", "deflate", "filter", "env", "unique_id",
                  "proxy", "proxy_http", "reqtimeout"]


def start_apache(lab, work: pathlib.Path, site: pathlib.Path, port=PORTS["apache"], name="apache", security="", more=""):
    """`security`: configuration text for mod_security2; empty: the module is not loaded. `more`: other text."""
    base = work / name
    base.mkdir(parents=True, exist_ok=True)
    shutil.chown(base, "www-data", "www-data")
    modules = APACHE_MODULES + (["security2"] if security else [])
    loads = "\n".join(
        re.sub(r"(?m)^\s*#.*$", "", pathlib.Path(f"/etc/apache2/mods-available/{module}.load").read_text())
        for module in modules)
    # Everything but /small.txt and friends goes to the backend when the server is the WAF under comparison.
    proxy = (f"ProxyPass / http://127.0.0.1:{PORTS['backend']}/\nAllowEncodedSlashes NoDecode\n" if security else
             f"ProxyPass /app/ http://127.0.0.1:{PORTS['backend']}/\n")
    (base / "apache.conf").write_text(f"""
ServerRoot {base}
ServerName lab.test
PidFile {base}/pid
Listen {port}
User www-data
Group www-data
{loads}
TypesConfig /etc/mime.types
StartServers 1
ServerLimit 2
ThreadsPerChild 25
MaxRequestWorkers 50
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
LimitRequestBody 0
HttpProtocolOptions Strict
TraceEnable Off
ErrorLog {base}/error.log
LogLevel error
DocumentRoot {site}
<Directory {site}>
  Require all granted
</Directory>
ProxyTimeout 30
{proxy}
{'' if security else 'AddOutputFilterByType DEFLATE text/plain text/css application/javascript'}
{security}
{more}
""")
    check = lab.run("server", "apache2", "-t", "-f", str(base / "apache.conf"), stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True)
    if check.returncode != 0:
        raise RuntimeError(f"Apache refuses its configuration: {check.stdout}")
    process = lab.start("server", "apache2", "-D", "FOREGROUND", "-f", str(base / "apache.conf"),
                        stderr=open(base / "stderr.log", "w"))
    wait_for(lab, "127.0.0.1", port)
    return process


def start_haproxy(lab, work: pathlib.Path, more=""):
    base = work / "haproxy"
    base.mkdir(parents=True, exist_ok=True)
    (base / "haproxy.cfg").write_text(f"""
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  {more}
frontend lab
  bind :::{PORTS["haproxy"]} v4v6
  default_backend nginx
backend nginx
  server one 127.0.0.1:{PORTS["nginx"]}
""")
    process = lab.start("server", "haproxy", "-db", "-f", str(base / "haproxy.cfg"),
                        stderr=open(base / "stderr.log", "w"))
    wait_for(lab, "127.0.0.1", PORTS["haproxy"])
    return process


class Capture:
    """tcpdump on one interface, of the server's namespace if nothing else is said, whole packets, until stop()."""

    def __init__(self, lab, path: pathlib.Path, interface=None, expression="tcp", where="server"):
        self.lab, self.path = lab, path
        log = open(str(path) + ".log", "w")
        self.process = lab.start(where, "tcpdump", "-i", interface or lab.server_if, "-s", "0", "-U", "-B", "65536",
                                 "--nano", "-w", str(path), expression, stderr=log, stdout=log)
        end = time.monotonic() + 10
        while "listening" not in pathlib.Path(str(path) + ".log").read_text():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("tcpdump does not start: " + pathlib.Path(str(path) + ".log").read_text())
            time.sleep(0.05)

    def _settle(self, quiet=1.0, most=30):
        """Waits until nothing more is written: on a busy machine tcpdump lags behind the traffic."""
        size, since, end = -1, time.monotonic(), time.monotonic() + most
        while time.monotonic() < end and time.monotonic() - since < quiet:
            time.sleep(0.1)
            if self.path.stat().st_size != size:
                size, since = self.path.stat().st_size, time.monotonic()

    def stop(self):
        self._settle()
        self.lab.stop(self.process)
        log = pathlib.Path(str(self.path) + ".log").read_text()
        lost = re.search(r"(\d+) packets dropped by kernel", log)
        if lost and int(lost.group(1)) > 0:
            raise RuntimeError(f"tcpdump lost {lost.group(1)} packets; the capture cannot be compared")
