"""nginx and HAProxy in a customer's server namespace."""
import pathlib


def start_nginx(lab, ns, work: pathlib.Path, site: pathlib.Path, port=80):
    base = work / ns / "nginx"
    base.mkdir(parents=True, exist_ok=True)
    (base / "nginx.conf").write_text(f"""
daemon off;
user www-data;
worker_processes 1;
pid {base}/pid;
error_log {base}/error.log;
events {{ worker_connections 4096; }}
http {{
  default_type application/octet-stream;
  access_log {base}/access.log;
  client_max_body_size 200m;
  client_body_temp_path {base}/body;
  proxy_temp_path {base}/proxy;
  fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi;
  scgi_temp_path {base}/scgi;
  keepalive_requests 100000;
  keepalive_timeout 600s;
  server {{
    listen {port};
    listen [::]:{port};
    root {site};
    location = /upload {{ proxy_pass http://127.0.0.1:{port + 10000}; }}  # reads all before it answers
  }}
  server {{
    listen 127.0.0.1:{port + 10000};
    location / {{ return 200 "taken\\n"; }}
  }}
}}
""")
    process = lab.start(ns, "nginx", "-p", str(base), "-c", str(base / "nginx.conf"),
                        stderr=open(base / "stderr.log", "w"))
    lab.wait_tcp(ns, "127.0.0.1", port)
    return process, base / "access.log"


def start_haproxy(lab, ns, work: pathlib.Path, port, backend):
    base = work / ns / "haproxy"
    base.mkdir(parents=True, exist_ok=True)
    (base / "haproxy.cfg").write_text(f"""
global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend web
  bind :{port}
  bind :::{port} v6only
  default_backend servers
backend servers
  server one 127.0.0.1:{backend}
""")
    process = lab.start(ns, "haproxy", "-f", str(base / "haproxy.cfg"), stderr=open(base / "stderr.log", "w"))
    lab.wait_tcp(ns, "127.0.0.1", port)
    return process
