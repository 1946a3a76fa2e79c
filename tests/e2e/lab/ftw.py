"""Reads go-ftw YAML suites (the schemas of CRS 3.3 and 4) and builds each stage's request bytes.

Written independently of crs/ftw_*: the two check each other (tests/e2e/compare_suite.py sends these bytes
to Apache and gives their capture to Weir).
"""
import base64
import pathlib
import re
import urllib.parse

import yaml


def quote(data: bytes) -> bytes:
    """Percent-encoding as in a query component: letters, digits and -_.~ stay, a blank becomes +."""
    keep = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"
    return b"".join(b"+" if c == 32 else bytes([c]) if c in keep else b"%%%02X" % c for c in data)


def unescapable(data: bytes):
    """What unescaping gives, or "" if it is malformed (a % without two hexadecimal digits)."""
    if re.search(rb"%(?![0-9A-Fa-f]{2})", data):
        return b""
    return urllib.parse.unquote_to_bytes(data.replace(b"+", b" "))


def encode_form(data: bytes) -> bytes:
    if unescapable(data) != data:
        return data
    pieces = []
    tokens = data.split(b"&")
    if tokens[-1] == b"":
        tokens.pop()
    for token in tokens:
        key, equals, value = token.partition(b"=")
        pieces.append(quote(key) + equals + quote(value))
    return b"&".join(pieces)


TEMPLATE = re.compile(r'\{\{\s*"((?:[^"\\]|\\.)*)"\s*\|\s*repeat\s+(\d+)\s*\}\}|\{\{\s*repeat\s+(\d+)\s+"((?:[^"\\]|\\.)*)"\s*\}\}')


def expand(text: str) -> str:
    return TEMPLATE.sub(lambda m: (m[1] * int(m[2])) if m[1] is not None else (m[4] * int(m[3])), text)


def headers_of(field):
    if not field:
        return []
    if isinstance(field, list):
        return [(str(h["name"]), "" if h.get("value") is None else str(h["value"])) for h in field]
    return [(str(name), "" if value is None else str(value)) for name, value in field.items()]


def build(stage_input) -> bytes:
    encoded = stage_input.get("encoded_request")
    if encoded:
        return base64.b64decode(encoded)
    if stage_input.get("raw_request"):
        return stage_input["raw_request"].encode()
    method = str(stage_input.get("method", "GET"))
    uri = str(stage_input.get("uri", "/"))
    version = str(stage_input.get("version", "HTTP/1.1"))
    headers = headers_of(stage_input.get("headers"))
    data = stage_input.get("data", "")
    if isinstance(data, list):
        data = "\r\n".join(map(str, data))
    data = expand(str(data if data is not None else "")).encode()
    if not data and stage_input.get("encoded_data"):
        data = base64.b64decode(stage_input["encoded_data"])
    complete = stage_input.get("autocomplete_headers", not stage_input.get("stop_magic", False))
    value_of = lambda name: [v for n, v in headers if n.lower() == name]
    if data and complete:
        if not value_of("content-type"):
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        if any(v.lower() == "application/x-www-form-urlencoded" for v in value_of("content-type")):
            data = encode_form(data)
    if any("multipart/form-data;" in v.lower() for v in value_of("content-type")):
        data = data.replace(b"\n", b"\r\n")
    if complete:
        if not value_of("connection"):
            headers.append(("Connection", "close"))
        if not value_of("content-length") and (data or re.search(r"^POST|PUT|PATCH|DELETE$", method)):
            headers.append(("Content-Length", str(len(data))))
    head = f"{method} {uri} {version}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n"
    return head.encode() + data


def stages(folder):
    """Yields (test name, stage number, request bytes, output dict) for a whole suite, in order of the files."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(pathlib.Path(folder).rglob("*.y*ml")):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
        if not document or "tests" not in document:
            continue
        for test in document["tests"]:
            name = test.get("test_title") or f"{document.get('rule_id', path.stem)}-{test['test_id']}"
            for number, stage in enumerate(test["stages"]):
                stage = stage.get("stage", stage)
                yield str(name), number, build(stage["input"]), stage.get("output", {})
