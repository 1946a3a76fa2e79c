"""client - Weir - router - server, where the client is an attacker with addresses of its own (10.79.0.0/16,
fd79::/64) and a second way back for some of them (10.80.0.0/16). The router behind Weir is where packets with
few hops left end."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

from . import attacker, namespaces, servers, wire

HERE = pathlib.Path(__file__).resolve().parent
PORTS = {"nginx": 8080, "apache": 8081, "haproxy": 8082, "node": 8084, "php": 8085, "python": 9100, "slow": 9101}
TUNNEL_FROM, TUNNEL_SERVER = "10.79.254.1", "10.81.0.1"
BEHIND = {"nginx": 9001, "apache": 9002, "haproxy": 9003}  # where their requests end
# Of the server's and of the machines between: what is not a default says why.
SERVER = ["net.ipv4.tcp_fastopen=1539",  # all listeners, without a cookie
          "net.ipv4.ipfrag_time=1", "net.ipv6.ip6frag_time=1",  # an endpoint that forgets sooner than Weir
          "net.ipv4.tcp_max_syn_backlog=4096"]


def impossible():
    """Why there can be no lab here, or nothing."""
    name = f"weir-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return "network namespaces are not allowed here: " + made.stderr.strip()
    try:
        rule = ["-t", "mangle", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "7"]
        for command in ("iptables", "ip6tables"):
            tried = subprocess.run(["nsenter", f"--net=/run/netns/{name}", "--", command, *rule], capture_output=True, text=True)
            if tried.returncode != 0:
                return "NFQUEUE is not allowed here: " + tried.stderr.strip()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
    return "" if pathlib.Path("/proc/net/netfilter/nfnetlink_queue").exists() else "the kernel has no nfnetlink_queue"


class EvasionLab(wire.WireLab):
    def __init__(self):
        super().__init__("routed")
        tag = self.client_if[2:]
        self.hop_ns = f"weir-h-{tag}"
        self.hop_if = {"weir": f"wh{tag}", "server": f"wi{tag}"}
        self.back_if = {"client": f"wd{tag}", "server": f"we{tag}"}

    def _namespace(self, where):
        return self.hop_ns if where == "hop" else super()._namespace(where)

    def _link(self, ends):
        """ends: two of (namespace, device, IPv4, IPv6)."""
        sh = lambda *words: subprocess.run(words, check=True)
        (a, device_a, *_), (b, device_b, *_) = ends
        sh("ip", "link", "add", device_a, "netns", a, "type", "veth", "peer", "name", device_b, "netns", b)
        for ns, device, v4, v6 in ends:
            sh("ip", "-n", ns, "addr", "add", f"{v4}/24", "dev", device)
            sh("ip", "-n", ns, "addr", "add", f"{v6}/64", "dev", device, "nodad")
            sh("ip", "-n", ns, "link", "set", device, "up")

    def _build(self):
        sh = lambda *words: subprocess.run(words, check=True)
        spaces = {"client": self.client_ns, "weir": self.weir_ns, "hop": self.hop_ns, "server": self.server_ns}
        for ns in spaces.values():
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        self._link([(self.client_ns, self.client_if, self.client4, self.client6),
                    (self.weir_ns, self.weir_if["client"], "10.78.1.1", "fd78:1::1")])
        self._link([(self.weir_ns, self.weir_if["server"], "10.78.3.1", "fd78:3::1"),
                    (self.hop_ns, self.hop_if["weir"], "10.78.3.2", "fd78:3::2")])
        self._link([(self.hop_ns, self.hop_if["server"], "10.78.2.1", "fd78:2::1"),
                    (self.server_ns, self.server_if, self.server4, self.server6)])
        self._link([(self.server_ns, self.back_if["server"], "10.78.4.1", "fd78:4::1"),
                    (self.client_ns, self.back_if["client"], "10.78.4.2", "fd78:4::2")])
        for where in ("weir", "hop"):
            self.run(where, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", check=True)
        for where in spaces:
            self.run(where, "sh", "-c", "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done")
        self.run("server", "sysctl", "-qw", *SERVER, check=True)
        self._routes()

    def _routes(self):
        def route(ns, network, via):
            subprocess.run(["ip", "-n", ns, "route", "add", network, "via", via], check=True)
        for four, six, ways in (
                ("10.79.0.0/16", "fd79::/64", ((self.weir_ns, "10.78.1.2", "fd78:1::2"), (self.hop_ns, "10.78.3.1", "fd78:3::1"),
                                               (self.server_ns, "10.78.2.1", "fd78:2::1"))),
                ("10.80.0.0/16", None, ((self.weir_ns, "10.78.1.2", None), (self.server_ns, "10.78.4.2", None))),
                ("10.78.2.0/24", "fd78:2::/64", ((self.weir_ns, "10.78.3.2", "fd78:3::2"),))):
            for ns, via4, via6 in ways:
                route(ns, four, via4)
                if six and via6:
                    route(ns, six, via6)

    def tunnel(self):
        """VXLAN between the attacker and the server; False if the kernel has none."""
        made = subprocess.run(["ip", "-n", self.server_ns, "link", "add", "inner0", "address", attacker.TUNNEL_STATION, "type", "vxlan",
                               "id", "7", "dstport", str(attacker.VXLAN), "local", self.server4, "remote", TUNNEL_FROM],
                              stderr=subprocess.DEVNULL)
        if made.returncode != 0:
            return False
        for words in (["link", "set", "inner0", "arp", "off", "up"], ["addr", "add", f"{TUNNEL_SERVER}/16", "dev", "inner0"]):
            subprocess.run(["ip", "-n", self.server_ns, *words], check=True)
        return True

    def warm_up(self):
        """Neighbours are known, and link-local addresses usable, before anything is measured."""
        for where, address in (("weir", self.client6), ("hop", "fd78:3::1"), ("server", "fd78:2::1"), ("server", self.client6),
                               ("weir", self.client4), ("server", self.client4), ("server", "10.78.4.2")):
            probe = f"import socket; socket.create_connection(('{address}', 9), 5)"  # refused, when it gets there
            self.run(where, sys.executable, "-c", probe)

    def wire(self):
        return attacker.Wire(self.client_ns, self.client_if,
                             attacker.hardware_address(self.weir_ns, self.weir_if["client"]), [self.back_if["client"]])

    def queue_everything(self, queues):
        """Packets to Weir without connection tracking: fragments come as they are. Until queue_nothing()."""
        for command in ("iptables", "ip6tables"):
            self.run("weir", command, "-w", "-t", "mangle", "-A", "FORWARD", "-m", "mark", "!", "--mark",
                     "0x40000000/0x40000000", "-j", "NFQUEUE", "--queue-balance", queues.replace("-", ":"), check=True)

    def queue_nothing(self):
        for command in ("iptables", "ip6tables"):
            self.run("weir", command, "-w", "-t", "mangle", "-F", "FORWARD", check=True)

    def __exit__(self, *what):
        super().__exit__(*what)
        subprocess.run(["ip", "netns", "del", self.hop_ns], stderr=subprocess.DEVNULL)


def start_servers(lab, work):
    """Every server that is installed; their requests end in one book. Returns (book, names)."""
    book = work / "book.jsonl"
    book.touch()
    book.chmod(0o666)
    ports = [f"{name}:{port}" for name, port in BEHIND.items()] + ["python:9100", "slow:9101"]
    lab.start("server", sys.executable, str(HERE / "book.py"), str(book), *ports, stderr=subprocess.DEVNULL)
    started = ["python", "slow"]
    if shutil.which("nginx"):
        _nginx(lab, work)
        started.append("nginx")
    if shutil.which("apache2"):
        _apache(lab, work)
        started.append("apache")
    if shutil.which("haproxy"):
        _haproxy(lab, work)
        started.append("haproxy")
    if shutil.which("node"):
        lab.start("server", "node", str(HERE / "book.js"), str(book), str(PORTS["node"]))
        started.append("node")
    if shutil.which("php"):
        lab.start("server", "php", "-S", f"[::]:{PORTS['php']}", str(HERE / "book.php"), stderr=subprocess.DEVNULL,
                  stdout=subprocess.DEVNULL, env={**os.environ, "BOOK": str(book), "PHP_CLI_SERVER_WORKERS": "4"})
        started.append("php")
    for name in started:
        servers.wait_for(lab, "127.0.0.1", PORTS[name])
    return book, started


def _nginx(lab, work):
    base = work / "nginx"
    base.mkdir()
    (base / "large.bin").write_bytes(os.urandom(768 * 1024))
    (base / "nginx.conf").write_text(f"""
daemon off;
worker_processes 1;
pid {base}/pid;
error_log {base}/error.log;
user root;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {base}/body;
  client_max_body_size 16m;
  proxy_temp_path {base}/proxy;
  fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi;
  scgi_temp_path {base}/scgi;
  keepalive_timeout 20;
  server {{
    listen {PORTS["nginx"]};
    listen [::]:{PORTS["nginx"]};
    location = /large.bin {{ root {base}; default_type application/octet-stream; }}
    location / {{
      proxy_pass http://127.0.0.1:{BEHIND["nginx"]};
      proxy_http_version 1.1;
      proxy_ignore_client_abort on;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Upgrade $http_upgrade;
    }}
  }}
}}
""")
    lab.start("server", "nginx", "-p", str(base), "-c", str(base / "nginx.conf"), stderr=subprocess.DEVNULL)


def _apache(lab, work):
    base = work / "apache"
    base.mkdir()
    modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "filter", "deflate"]
    loads = "\n".join(line for module in modules
                      for line in pathlib.Path(f"/etc/apache2/mods-available/{module}.load").read_text().splitlines()
                      if not line.lstrip().startswith("#"))
    (base / "apache.conf").write_text(f"""
ServerRoot {base}
ServerName lab
PidFile {base}/pid
Listen {PORTS["apache"]}
User www-data
Group www-data
{loads}
StartServers 1
ServerLimit 4
ThreadsPerChild 32
MaxRequestWorkers 128
KeepAliveTimeout 20
ErrorLog {base}/error.log
<Location />
  SetInputFilter DEFLATE
</Location>
AllowEncodedSlashes NoDecode
ProxyPass / http://127.0.0.1:{BEHIND["apache"]}/ nocanon
""")
    lab.start("server", "apache2", "-D", "FOREGROUND", "-f", str(base / "apache.conf"), stderr=subprocess.DEVNULL)


def _haproxy(lab, work):
    base = work / "haproxy"
    base.mkdir()
    (base / "haproxy.cfg").write_text(f"""
global
  maxconn 1024
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend lab
  bind :::{PORTS["haproxy"]} v4v6
  default_backend book
backend book
  server one 127.0.0.1:{BEHIND["haproxy"]}
""")
    lab.start("server", "haproxy", "-db", "-f", str(base / "haproxy.cfg"), stderr=subprocess.DEVNULL)
