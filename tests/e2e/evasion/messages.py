"""HTTP/1 messages: the other rows of section 1.9, named in ROWS (rows.py)."""
import gzip
import zlib

from .case import JUDGED, NOTHING, PAGE, REFUSED, RESET, case, pause
from .framing import ALL, NO, Paths, body_case, chunked, http, shown, twin_post
from .handshake import honest

SOME = ("nginx", "apache", "haproxy", "node")


def simple(run):
    c = run.open()
    c.send(Paths(run).get().encode())
    run.answer(c)


# --- request line and Host ---

http("host-twice", "host", "two Host fields", lambda p: p.get("Host: other"), twin=simple, responses=1)
http("host-none", "host", "no Host field", lambda p: p.get().replace("Host: lab\r\n", ""), twin=simple, responses=1)
http("host-empty-and-body", "host", "Host with a path and a user", lambda p: p.get().replace("Host: lab", "Host: a@lab/x"), twin=simple, responses=1)
http("host-absolute", "host", "absolute target that names another host", lambda p: p.get(target="http://other" + p.bad), NO, simple, responses=1)
http("host-absolute-same", "host", "absolute target that names the same host", lambda p: p.get(target="http://lab" + p.bad), (PAGE,), "same",
     servers=("nginx", "haproxy", "node", "python"), responses=1)
http("http-0.9", "http09", "a line without version", lambda p: f"GET {p.bad}\r\n", twin=simple, responses=1)
http("http-0.9-lf", "http09", "a line without version that ends in LF", lambda p: f"GET {p.bad}\n", twin=simple, responses=1)
http("http-0.9-after", "http09 pipelining", "a clean request, behind it a line without version",
     lambda p: p.get(target=p.good) + f"GET {p.bad}\r\n\r\n", (PAGE, REFUSED, RESET, JUDGED), simple)
for version in ("HTTP/2.0", "HTTP/1.9", "HTTP/1.2", "HTTP/01.1", "http/1.1", "HTTP/1.1x", "HTTP/1,1", "HTTP/0.9", "ICAP/1.0", "HTTP/1.01"):
    http("version-" + version.replace("/", "-").replace(",", "-comma-"), "version", f"version `{version}`", lambda p, version=version: p.get(version=version), twin=simple, responses=1)
http("version-1.0-keep-alive", "version close", "HTTP/1.0 that asks to be kept, the attack behind it",
     lambda p: p.get("Connection: keep-alive", target=p.good, version="HTTP/1.0") + p.hidden, (PAGE, JUDGED), twin=simple)
for method in ("get", "G3T", "FOO", "PATCH", "PROPFIND", "GET\x01", "G=T", "M-SEARCH", "TRACK"):
    http("method-" + method.replace("\x01", "-control").replace("=", "-equals"), "method", f"method {shown(method)}",
         lambda p, method=method: p.get(method=method), twin=simple, responses=1)
http("crlf-before", "leading-crlf", "four empty lines before the request", lambda p: "\r\n" * 4 + p.get(), (PAGE, REFUSED), "same", responses=1,
     servers=("nginx", "node", "haproxy"))
http("crlf-before-many", "leading-crlf", "forty empty lines before the request", lambda p: "\r\n" * 40 + p.get(), twin=simple, responses=1)
http("crlf-between", "leading-crlf pipelining", "empty lines between two requests", lambda p: p.get(target=p.good) + "\r\n\r\n" + p.hidden,
     (PAGE, REFUSED, JUDGED), twin=simple)
http("lf-before", "leading-crlf bare-lf", "an empty line that is a bare LF before the request", lambda p: "\n" + p.get(), twin=simple, responses=1)
for label, line in (("two-blanks", "GET  {} HTTP/1.1"), ("tab", "GET\t{} HTTP/1.1"), ("two-before-version", "GET {}  HTTP/1.1"),
                    ("trailing", "GET {} HTTP/1.1 "), ("leading", " GET {} HTTP/1.1"), ("vertical-tab", "GET {}\x0bHTTP/1.1"),
                    ("form-feed", "GET\x0c{} HTTP/1.1"), ("inside-target", "GET /a {} HTTP/1.1"), ("8-bit", "GET {}\xa0 HTTP/1.1"),
                    ("nul", "GET {}\0x HTTP/1.1"), ("fragment", "GET /x#{} HTTP/1.1"), ("non-breaking", "GET\xa0{} HTTP/1.1")):
    http("whitespace-" + label, "whitespace", f"request line {shown(line.format('…').replace('…', 'T'))}",
         lambda p, line=line: line.format(p.bad) + "\r\nHost: lab\r\n\r\n", twin=simple, responses=1)


# --- exchanges ---

http("pipelined-after-clean", "pipelining", "the attack behind a clean request, in one segment", lambda p: p.get(target=p.good) + p.hidden, (PAGE,), "same")
http("pipelined-after-nine", "pipelining", "the attack as the tenth of ten", lambda p: p.get(target=p.good) * 9 + p.hidden, (PAGE,), "same", responses=10)
http("pipelined-hundred", "pipelining", "a hundred requests at once, the attack last", lambda p: p.get(target=p.good) * 99 + p.hidden,
     (PAGE, REFUSED, RESET, JUDGED), twin=simple, responses=100, servers=("nginx",))
http("pipelined-after-attack", "pipelining", "a clean request behind the attack", lambda p: p.get() + p.get(target=p.good), (PAGE,), "same")


@case("second-request-cut", "pipelining", "a clean request with the attack's first half, the other half after the answer", [PAGE], servers=ALL)
def _(run):
    c = run.open()
    data = run.bad
    at = run.where(data) + 2
    c.send(run.good + data[:at])
    run.answer(c)
    c.send(data[at:])
    run.responses = 2
    run.answer(c, 2)


@case("after-large-upload", "pipelining", "the attack behind an upload of 3 MB, in the segment that ends it", [PAGE], servers=("nginx", "python"))
def _(run):
    c = run.open()
    body = b"0123456789abcdef" * 190_000
    c.send(run.request("good", "POST", ("Content-Type: application/octet-stream",), body) + run.bad)
    run.responses = 2
    run.answer(c, 2, 5)


@case("during-large-download", "pipelining", "the attack while an answer of 2 MB comes", [PAGE, RESET, JUDGED], servers=("nginx", "python"))
def _(run):
    c = run.open()
    c.send(run.request("good").replace(b"/good ", b"/large "))
    c.wait(lambda: len(c.received) > 100_000, 2)
    c.send(run.bad)
    run.responses = 2
    run.answer(c, 2, 5)


@case("after-large-download", "pipelining", "the attack after an answer of 2 MB", [PAGE], servers=("nginx", "apache", "python"))
def _(run):
    c = run.open()
    c.send(run.request("good").replace(b"/good ", b"/large "))
    run.answer(c, 1, 5)
    c.wait(lambda: len(c.received) > 2_000_000, 5)
    c.send(run.bad)
    run.responses = 2
    run.answer(c, 2, 5)


@case("continue-not-awaited", "continue", "Expect: 100-continue, the body at once", [PAGE, REFUSED], servers=ALL)
def _(run):
    c = run.open()
    c.send(run.request("good", "POST", ("Expect: 100-continue", "Content-Type: application/x-www-form-urlencoded"), f"q={run.word}".encode()))
    run.answer(c)


@case("continue-awaited", "continue", "Expect: 100-continue, the body after the 100", [PAGE], servers=("nginx", "apache", "haproxy", "python"))
def _(run):
    c = run.open()
    whole = run.request("good", "POST", ("Expect: 100-continue", "Content-Type: application/x-www-form-urlencoded"), f"q={run.word}".encode())
    c.send(whole[:-6])
    c.wait(lambda: b" 100 " in c.received, 1)
    c.send(whole[-6:])
    run.answer(c)


@case("continue-request-instead", "continue", "Expect: 100-continue, no body but a request after the 100", [NOTHING, PAGE, REFUSED, JUDGED],
      servers=("nginx", "apache", "haproxy", "python"), twin=simple)
def _(run):
    c = run.open()
    body = run.bad
    c.send(run.request("good", "POST", ("Expect: 100-continue",), b"x" * len(body))[:-len(body)])
    c.wait(lambda: b" 100 " in c.received, 1)
    c.send(body)
    run.answer(c, 2)


http("expect-unknown", "continue", "Expect with an unknown word", lambda p: p.get("Expect: 200-maybe"), (PAGE, REFUSED, RESET, NOTHING), simple, responses=1)
http("expect-twice", "continue", "Expect that is not the only word, length of a hidden request",
     lambda p: p.post("Expect: 100-continue, x", f"Content-Length: {len(p.hidden)}", body=p.hidden), (PAGE, REFUSED, RESET, NOTHING, JUDGED))


@case("head-then-attack", "bodiless", "HEAD, then the attack when the answer without body is there", [PAGE], servers=ALL)
def _(run):
    c = run.open()
    run.heads = True
    c.send(run.request("good", "HEAD"))
    run.answer(c)
    c.send(run.bad)
    run.responses = 2
    run.answer(c, 2)


for label in ("304", "204"):
    @case(f"{label}-then-attack", "bodiless", f"a {label}, which has no body, then the attack", [PAGE], servers=("python", "nginx"))
    def _(run, label=label):
        c = run.open()
        c.send(f"GET /{run.case.name}/{label} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
        run.answer(c)
        c.send(run.bad)
        run.answer(c, 2)


http("get-with-body", "bodiless pipelining", "GET with a body that is a request; the attack behind it",
     lambda p: p.get("Content-Length: 5", target=p.good) + "a=1&b" + p.hidden, (PAGE,), "same", servers=("nginx", "apache", "haproxy", "python"))
http("get-length-hides", "bodiless", "GET with a length that covers a request: for those who give GET no body it is one",
     lambda p: p.get(f"Content-Length: {len(p.hidden)}", target=p.good) + p.hidden, (PAGE, REFUSED, JUDGED), "same", responses=1)
http("close-then-attack", "close", "Connection: close, the attack behind it", lambda p: p.get("Connection: close", target=p.good) + p.hidden,
     (PAGE, REFUSED, RESET, JUDGED), twin=simple)
http("http-1.0-then-attack", "close version", "HTTP/1.0, the attack behind it",
     lambda p: p.get(target=p.good, version="HTTP/1.0") + p.hidden, (PAGE, REFUSED, RESET, JUDGED), twin=simple)
http("body-until-close", "close byteranges", "a POST without length, the attack where a body might be",
     lambda p: p.post() + f"q={p.word}&" + p.hidden, NO + (JUDGED,), twin=twin_post)
http("byteranges-request", "byteranges", "multipart/byteranges without length, the attack behind it",
     lambda p: p.post("Content-Type: multipart/byteranges; boundary=x") + "--x\r\n\r\na\r\n--x--\r\n" + p.hidden, NO + (JUDGED,), twin=twin_post)
http("byteranges-hides", "byteranges", "multipart/byteranges without length that holds a request",
     lambda p: p.post("Content-Type: multipart/byteranges; boundary=x") + p.hidden, NO + (JUDGED,), twin=twin_post)


# --- upgrades ---

SETTINGS = "AAMAAABkAARAAAAAAAIAAAAA"
PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0\0\0\x04\0\0\0\0\0"
http("upgrade-early-data", "upgrade", "Upgrade: websocket, the attack behind it at once",
     lambda p: p.get("Upgrade: websocket", "Connection: Upgrade", target=p.good) + p.hidden, NO + (JUDGED,), twin=simple)
http("upgrade-unknown", "upgrade", "Upgrade to something unknown, the attack behind it",
     lambda p: p.get("Upgrade: x/1", "Connection: Upgrade", target=p.good) + p.hidden, NO + (JUDGED,), twin=simple)


@case("upgrade-declined", "upgrade", "Upgrade which the server does not agree to, the attack after its answer", [PAGE], servers=ALL)
def _(run):
    c = run.open()
    c.send(run.request("good", headers=("Upgrade: x/1", "Connection: Upgrade")))
    run.answer(c)
    c.send(run.bad)
    run.responses = 2
    run.answer(c, 2)


@case("upgrade-agreed", "upgrade", "Upgrade which the server agrees to, and closes: what follows is no request", [NOTHING, JUDGED, RESET], servers=("python",),
      twin=simple)
def _(run):
    c = run.open()
    c.send(f"GET /{run.case.name}/switch HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode())
    c.wait(lambda: b" 101 " in c.received, 1)
    c.send(run.bad)
    run.answer(c, 2, 0.5)


http("h2c-upgrade", "upgrade", "Upgrade: h2c with settings, target is the attack",
     lambda p: p.get("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", f"HTTP2-Settings: {SETTINGS}"), (PAGE, REFUSED), "same",
     servers=("nginx", "apache", "haproxy", "python"), responses=1)
http("h2c-upgrade-and-preface", "upgrade", "Upgrade: h2c, HTTP/2 behind it at once",
     lambda p: p.get("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", f"HTTP2-Settings: {SETTINGS}", target=p.good) + PREFACE + p.hidden,
     NO + (JUDGED,), twin=simple)
http("h2-prior-knowledge", "upgrade version", "the preface of HTTP/2, then HTTP/1", lambda p: PREFACE + p.hidden, twin=simple, responses=1)
http("connect-early-data", "upgrade", "CONNECT, the attack behind it at once",
     lambda p: "CONNECT lab:80 HTTP/1.1\r\nHost: lab:80\r\n\r\n" + p.hidden, NO + (JUDGED,), twin=simple)
http("connect-with-length", "upgrade", "CONNECT with a length that covers the hidden request",
     lambda p: f"CONNECT lab:80 HTTP/1.1\r\nHost: lab:80\r\nContent-Length: {len(p.hidden)}\r\n\r\n" + p.hidden, NO + (JUDGED,), twin=simple)


@case("connect-early-data-cut", "upgrade", "CONNECT, the attack behind it at once but for its last line end, then the end of the stream", NO + (JUDGED,),
      servers=ALL, twin=simple)
def _(run):
    c = run.open()
    c.send(b"CONNECT lab:80 HTTP/1.1\r\nHost: lab:80\r\n\r\n" + Paths(run).hidden[:-2].encode())
    c.wait(lambda: b"\r\n\r\n" in c.received or c.over(), 1)
    c.fin()
    run.answer(c, 2)


@case("connect-declined", "upgrade", "CONNECT which the server declines, the attack after its answer", NO + (JUDGED,), servers=ALL, twin=simple)
def _(run):
    c = run.open()
    c.send(b"CONNECT lab:80 HTTP/1.1\r\nHost: lab:80\r\n\r\n")
    run.answer(c)
    c.send(run.bad)
    run.answer(c, 2)


# --- content ---

def coded(name, row, says, coding, make, expect=(PAGE, REFUSED, RESET, NOTHING), servers=("apache", "nginx", "node"), twin="same"):
    """make(word) is the body, which says it has `coding`."""
    def text(p):
        data = make(f"a=1&q={p.word}".encode())
        return p.post("Content-Type: application/x-www-form-urlencoded", f"Content-Encoding: {coding}", f"Content-Length: {len(data)}").encode() + data
    http(name, row, says, text, expect, twin, servers, responses=1)


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


coded("gzip-body", "compression", "the attack in a gzip body", "gzip", gzip.compress)
coded("deflate-body", "compression", "the attack in a deflate body", "deflate", zlib.compress, servers=("nginx", "node"))
coded("gzip-members", "compression", "the attack in the second member of a gzip body", "gzip", lambda d: gzip.compress(b"b=2&") + gzip.compress(d), servers=("nginx", "node"))
coded("gzip-bomb", "compression limits", "the attack behind 64 MiB of zeros in a gzip body", "gzip", lambda d: gzip.compress(b"0" * (64 << 20) + b"&" + d, 9), twin=simple, servers=("nginx",))
coded("gzip-cut", "compression", "a gzip body that ends before its check value", "gzip", lambda d: gzip.compress(d)[:-6], twin=simple)
coded("gzip-trailing", "compression", "the attack behind the end of a gzip body", "gzip", lambda d: gzip.compress(b"a=1") + d, twin=simple)
coded("gzip-twice", "coding-odd", "gzip, gzip", "gzip, gzip", lambda d: gzip.compress(gzip.compress(d)), twin=simple)
coded("x-gzip", "coding-odd", "x-gzip", "x-gzip", gzip.compress)
coded("gzip-is-deflate", "coding-odd", "says gzip, is deflate", "gzip", zlib.compress, twin=simple, servers=("nginx", "node"))
coded("deflate-is-raw", "coding-odd", "says deflate, without zlib's header", "deflate", raw_deflate, twin=simple, servers=("nginx", "node"))
coded("gzip-is-plain", "coding-odd", "says gzip, is plain", "gzip", lambda d: d, twin=simple, servers=("nginx", "node"))
coded("coding-unknown", "coding-odd", "a coding that nobody knows, plain", "rot13", lambda d: d, twin=simple)
coded("identity-gzip", "coding-odd", "identity, gzip", "identity, gzip", gzip.compress, twin=simple)

http("field-20k", "limits", "a field of 20,000 bytes, the attack at its end", lambda p: p.get("X-Pad: " + "a" * 20000 + p.word, target=p.good), twin=simple, responses=1)
http("headers-100k", "limits", "100,000 bytes of fields, the attack in the last", lambda p: p.get(*[f"X-{i}: " + "a" * 990 for i in range(100)], "X-Last: " + p.word, target=p.good), twin=simple, responses=1)
http("fields-200", "limits", "200 fields, the attack in the last", lambda p: p.get(*[f"X-{i}: a" for i in range(199)], "X-Last: " + p.word, target=p.good), twin=simple, responses=1)
http("fields-90", "limits", "90 fields, the attack in the last", lambda p: p.get(*[f"X-{i}: a" for i in range(89)], "X-Last: " + p.word, target=p.good), (PAGE,), "same", responses=1)
http("target-20k", "limits", "a target of 20,000 bytes with the attack at its end", lambda p: p.get(target=p.good + "?" + "a" * 20000 + p.word), twin=simple, responses=1)
body_case("body-200k", "limits", "the attack behind 200,000 bytes of form", lambda n: [f"Content-Length: {n}"], (PAGE, REFUSED), twin="same", body=lambda p: "a=" + "x" * 200000 + "&q=" + p.word)

http("trailer-attack", "trailers", "the attack in a trailer field", lambda p: p.post("Transfer-Encoding: chunked", "Trailer: X-T", body=f"3\r\na=1\r\n0\r\nX-T: {p.word}\r\n\r\n"),
     (PAGE, REFUSED, JUDGED), "same", servers=SOME, responses=1)
@case("trailer-later", "trailers", "the last chunk, then the attack in a trailer field in a packet of its own", [PAGE, JUDGED], servers=SOME)
def _(run):
    c = run.open()
    p = Paths(run)
    c.send(p.post("Transfer-Encoding: chunked", "Trailer: X-T", body="3\r\na=1\r\n0\r\n").encode())
    c.send(f"X-T: {p.word}\r\n".encode())
    c.send(b"\r\n")
    run.answer(c)


http("trailer-length", "trailers", "a length in the trailer section, a request behind it",
     lambda p: p.post("Transfer-Encoding: chunked", body=f"3\r\na=1\r\n0\r\nContent-Length: {len(p.hidden)}\r\n\r\n" + p.hidden), servers=SOME)
http("trailer-coding", "trailers", "a coding in the trailer section, chunks that hold a request behind it",
     lambda p: p.post("Transfer-Encoding: chunked", body="0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(p.hidden)), servers=SOME)
http("trailer-host", "trailers", "a Host in the trailer section", lambda p: p.post("Transfer-Encoding: chunked", body=f"3\r\na=1\r\n0\r\nHost: {p.word}\r\n\r\n"), servers=SOME)
http("trailer-many", "trailers limits", "150 trailer fields, the attack in the last",
     lambda p: p.post("Transfer-Encoding: chunked", body="0\r\n" + "".join(f"X-{i}: a\r\n" for i in range(150)) + f"X-Last: {p.word}\r\n\r\n"), servers=SOME)


@case("early-refusal", "early", "a body that the server refuses before it is there; the attack as the rest of it", NO + (JUDGED,), servers=("nginx",), twin=simple)
def _(run):
    c = run.open()
    c.send(run.request("good", "POST", ("Content-Length: 30000000",)).replace(b"Content-Length: 0\r\n", b""))
    run.answer(c)
    c.send(run.bad)
    run.answer(c, 2)


@case("early-answer-then-attack", "early", "half a body, a pause, the other half with the attack", [PAGE], servers=ALL)
def _(run):
    c = run.open()
    whole = run.request("good", "POST", ("Content-Type: application/x-www-form-urlencoded",), f"a=1&b=2&q={run.word}".encode())
    c.send(whole[:-6])
    pause(0.3)
    c.send(whole[-6:])
    run.answer(c)


for label, target in (("percent-u", "%u0065vil"), ("double", "%2565vil"), ("overlong", "%c1%a5vil"), ("full-width", "%ef%bd%85vil"), ("percent", "%65%76%69%6C"), ("backslash-x", "\\x65vil")):
    http(f"charset-{label}", "charset", f"the word as {shown(target)}", lambda p, target=target: p.get(target=p.good + "?q=" + (target if p.word == "evil" else target[:-3] + "asy")),
         (PAGE, JUDGED, REFUSED), "same" if label != "backslash-x" else simple, responses=1)
body_case("charset-utf-16", "charset", "a form in UTF-16", lambda n: [f"Content-Length: {n}"], (PAGE, JUDGED, REFUSED), body=lambda p: f"q={p.word}".encode("utf-16-le").decode("latin-1"), twin=twin_post)
body_case("charset-percent-body", "charset", "the word percent-encoded in a form", lambda n: [f"Content-Length: {n}"], (PAGE,), body=lambda p: "q=" + ("%65vil" if p.word == "evil" else "%67ood"))


def multipart(name, says, kind, make, expect=(PAGE, REFUSED), twin="same"):
    def text(p):
        body = make(p)
        return p.post("Content-Type: " + kind, f"Content-Length: {len(body)}", body=body)
    http(name, "multipart", says, text, expect, twin, servers=("php", "nginx"), responses=1)


FIELD = 'Content-Disposition: form-data; name="q"'


def part(p, head=FIELD, end="\r\n"):
    return f"--B{end}{head}{end}{end}{p.word}{end}--B--{end}"


KIND = "multipart/form-data; boundary="
multipart("multipart-plain", "the attack in a part", KIND + "B", part)
multipart("multipart-quoted-boundary", "a quoted boundary", KIND + '"B"', part, twin=simple)
multipart("multipart-boundary-twice", "two boundaries, the second counts for some", KIND + "A; boundary=B", lambda p: "--A\r\n" + FIELD + "\r\n\r\nx\r\n--A--\r\n" + part(p), twin=simple)
multipart("multipart-boundary-blank", "a boundary with a blank behind it", KIND + "B ; x=y", part, (PAGE, REFUSED, JUDGED), twin=simple)
multipart("multipart-lf", "lines that end in a bare LF", KIND + "B", lambda p: part(p, end="\n"), twin=simple)
multipart("multipart-no-end", "no closing boundary", KIND + "B", lambda p: part(p)[:-6] + "\r\n", twin=simple)
multipart("multipart-unquoted-name", "a name without quotes", KIND + "B", lambda p: part(p, "Content-Disposition: form-data; name=q"), twin=simple)
multipart("multipart-single-quotes", "a name in single quotes", KIND + "B", lambda p: part(p, "Content-Disposition: form-data; name='q'"), twin=simple)
multipart("multipart-name-twice", "two names in a part", KIND + "B", lambda p: part(p, 'Content-Disposition: form-data; name="x"; name="q"'), twin=simple)
multipart("multipart-file-star", "filename* beside a name", KIND + "B", lambda p: part(p, f"{FIELD}; filename*=UTF-8''{p.word}.txt"), twin=simple)
multipart("multipart-file-name", "the attack in a file name", KIND + "B", lambda p: part(p, f'{FIELD}; filename="{p.word}.txt"'))
multipart("multipart-transfer-encoding", "a part in base64", KIND + "B", lambda p: part(p, FIELD + "\r\nContent-Transfer-Encoding: base64"), twin=simple)
multipart("multipart-folded-header", "a folded part header", KIND + "B", lambda p: part(p, 'Content-Disposition: form-data;\r\n name="q"'), twin=simple)
multipart("multipart-case", "the type in upper case", "MULTIPART/FORM-DATA; BOUNDARY=B", part, twin=simple)
multipart("multipart-boundary-inside", "the boundary's beginning inside the data", KIND + "B", lambda p: part(p).replace(p.word, "--\r\n-B\r\n" + p.word), twin=simple)
