"""What the cases must cover: the numbers of the requirements on fragments (F), the handshake (H), sequence numbers (W),
endings (O) and on what leaves the queue (D3), and the rows of what servers do with ambiguous HTTP/1."""

NUMBERS = [f"{letter}{i}" for letter, most in (("F", 8), ("H", 10), ("W", 12), ("O", 8)) for i in range(1, most + 1)] + ["D3"]
ROWS = {
    "cl-te": "Content-Length and Transfer-Encoding", "te-value": "Transfer-Encoding that is not exactly chunked",
    "cl-duplicate": "several lengths", "cl-junk": "lengths that are no number", "chunk-size": "chunk sizes and extensions",
    "chunk-crlf": "ends of chunks", "bare-lf": "bare LF", "bare-cr": "bare CR", "fold": "folded fields", "colon": "blank before the colon",
    "name-bytes": "octets in names and values", "host": "Host", "http09": "HTTP/0.9", "version": "versions", "method": "methods",
    "leading-crlf": "empty lines before a request", "whitespace": "white space in the request line", "pipelining": "pipelining",
    "continue": "100-continue", "bodiless": "HEAD, 204, 304", "close": "end at the connection's end", "byteranges": "multipart/byteranges",
    "upgrade": "Upgrade, CONNECT, h2c", "compression": "content codings", "coding-odd": "content codings that are odd",
    "limits": "limits", "trailers": "trailers", "early": "answers before the request's end", "charset": "encodings of characters",
    "multipart": "multipart forms"}


def lacking(cases):
    covered = {number for case in cases for number in case.covers}
    return [number for number in [*NUMBERS, *ROWS] if number not in covered]


def unknown(cases):
    known = {*NUMBERS, *ROWS, *(f"P{i}" for i in range(1, 12))}
    return sorted({number for case in cases for number in case.covers} - known)
