#!/usr/bin/env python3
"""Makes the request corpora of the benchmarks, from a seed: the same seed gives the same bytes.

  make_corpus.py OUT [--seed N] [--requests 2400] [--suite CRS_TEST_FOLDER]

  OUT/benign.bin   browser GETs with cookies, forms, JSON of 0.2 to 20 KB, uploads: 2.5 KB on average
  OUT/json.bin     the JSON requests of it alone
  OUT/large.bin    forms, JSON and uploads of 123 KB
  OUT/attack.bin   the requests of a CRS regression suite (only with --suite)

A corpus is a sequence of requests, each a 32-bit little-endian length and the exact bytes.
"""
import argparse
import json
import pathlib
import random
import struct
import sys

WORDS = ("time year people way day man thing woman life child world school state family student group country problem hand part "
         "place case week company system program question work number night point home water room mother area money story "
         "fact month lot right study book eye job word business issue side kind head house service friend father power hour "
         "game line end member law car city community name president team minute idea body information back parent face others "
         "level office door health person art war history party result change morning reason research girl guy moment air "
         "teacher force education green quickly between under several perhaps always order price delivery address street").split()
NAMES = "Ada Grace Alan Edsger Barbara Donald Margaret Linus Dennis Ken Frances Tony Radia Leslie Anita Niklaus".split()
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
]
HOSTS = ["www.shop.example", "api.shop.example", "news.example", "app.intranet.example"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def words(self, least, most):
        return " ".join(self.random.choice(WORDS) for _ in range(self.random.randint(least, most)))

    def token(self, length):
        return "".join(self.random.choice("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(length))

    def headers(self, host):
        pick = self.random.choice
        lines = [f"Host: {host}", f"User-Agent: {pick(AGENTS)}",
                 f"Accept: {pick(['*/*', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'])}",
                 "Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br", "Connection: keep-alive"]
        if self.random.random() < 0.7:
            cookies = [f"session={self.token(32)}", f"_ga=GA1.2.{self.random.randrange(10**9)}.{self.random.randrange(10**9)}"]
            if self.random.random() < 0.5:
                cookies += [f"csrftoken={self.token(64)}", f"theme={pick(['dark', 'light'])}", f"cart={self.token(20)}"]
            lines.append("Cookie: " + "; ".join(cookies))
        if self.random.random() < 0.6:
            lines.append(f"Referer: https://{host}/{pick(WORDS)}/{pick(WORDS)}")
        if self.random.random() < 0.4:
            lines += ["Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin",
                      "Upgrade-Insecure-Requests: 1"]
        if self.random.random() < 0.3:
            lines.append(f"X-Request-Id: {self.token(8)}-{self.token(4)}-{self.token(4)}-{self.token(12)}")
        return lines

    def message(self, method, target, extra=(), body=b""):
        host = self.random.choice(HOSTS)
        lines = [f"{method} {target} HTTP/1.1"] + self.headers(host) + list(extra)
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def get(self):
        path = "/".join(self.random.choice(WORDS) for _ in range(self.random.randint(1, 4)))
        query = "&".join(f"{self.random.choice(WORDS)}={self.random.choice([self.token(8), str(self.random.randrange(10000)), self.words(1, 3).replace(' ', '+')])}"
                         for _ in range(self.random.randint(0, 5)))
        return self.message("GET", f"/{path}{self.random.choice(['', '.html', '.css', '.js', '.png'])}" + (f"?{query}" if query else ""))

    def form(self, size=None):
        fields = [f"name={self.random.choice(NAMES)}+{self.token(6)}", f"email={self.token(7).lower()}%40mail.example",
                  f"street={self.words(2, 3).replace(' ', '+')}+{self.random.randrange(200)}"]
        fields += [f"{self.random.choice(WORDS)}_{i}={self.words(1, 12).replace(' ', '+')}%2C+thanks" for i in range(self.random.randint(2, 8))]
        while size and sum(map(len, fields)) < size:
            fields.append(f"text{len(fields)}={self.words(60, 120).replace(' ', '+')}")
        return self.message("POST", "/" + self.random.choice(WORDS), ["Content-Type: application/x-www-form-urlencoded"], "&".join(fields).encode())

    def value(self, depth):
        kind = self.random.random()
        if kind < 0.35:
            return self.words(1, 10)
        if kind < 0.5:
            return self.random.randrange(10**6)
        if kind < 0.6:
            return round(self.random.random() * 1000, 2)
        if kind < 0.7:
            return self.random.choice([True, False, None])
        if depth == 0:
            return self.token(16)
        if kind < 0.85:
            return [self.value(depth - 1) for _ in range(self.random.randint(1, 4))]
        return {f"{self.random.choice(WORDS)}{i}": self.value(depth - 1) for i in range(self.random.randint(1, 4))}

    def json(self, size=None):
        size = size or int(200 * (100 ** self.random.random()))  # 0.2 to 20 KB, small ones more often
        document = {"user": {"name": self.random.choice(NAMES), "id": self.random.randrange(10**6)}}
        length = 60
        while length < size:
            key, value = f"{self.random.choice(WORDS)}_{len(document)}", self.value(2)
            document[key] = value
            length += len(json.dumps({key: value}))
        return self.message("POST", "/api/v1/" + self.random.choice(WORDS), ["Content-Type: application/json"], json.dumps(document).encode())

    def upload(self, size=None):
        boundary = "----WebKitFormBoundary" + self.token(16)
        size = size or self.random.randint(1000, 12000)
        content = bytes(self.random.randrange(256) for _ in range(size))
        body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n{self.words(1, 6)}\r\n"
                f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{self.random.choice(WORDS)}.png\"\r\n"
                "Content-Type: image/png\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self.message("POST", "/upload", [f"Content-Type: multipart/form-data; boundary={boundary}"], body)


def write(path, requests):
    path.write_bytes(b"".join(struct.pack("<I", len(r)) + r for r in requests))
    print(f"{path.name}: {len(requests)} requests, {sum(map(len, requests)) / max(len(requests), 1):.0f} bytes on average")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=2400)
    parser.add_argument("--suite")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    make = Maker(args.seed)
    kinds = [make.get] * 12 + [make.form] * 3 + [make.json] * 4 + [make.upload]
    benign = [make.random.choice(kinds)() for _ in range(args.requests)]
    write(args.out / "benign.bin", benign)
    write(args.out / "json.bin", [r for r in benign if b"\r\nContent-Type: application/json\r\n" in r])
    write(args.out / "large.bin", [f(123_000) for _ in range(8) for f in (make.form, make.json, make.upload)])
    if args.suite:
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
        from lab import ftw
        write(args.out / "attack.bin", [request for _, _, request, _ in ftw.stages(args.suite)])


if __name__ == "__main__":
    main()
