#!/usr/bin/env python3
"""Each number of the conformance list, C1 to C30, is in the name of a test, and docs/GATEWAY.md names tests that exist.

    numbers_test.py SOURCE_DIRECTORY
"""
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
names = {}
for path in [*source.glob("tests/unit/geneve/*_test.cc"), source / "tests/unit/app/health_test.cc",
             *source.glob("tests/e2e/gateway/*.py")]:
    text = path.read_text()
    for name in re.findall(r"^TEST(?:_F|_P)?\(\w+, (\w+)\)", text, re.M) + re.findall(r"^    def (test_\w+)\(", text, re.M):
        names.setdefault(name, path)
shown = {int(n) for name in names for n in re.findall(r"C(\d\d)(?![0-9])", name)}
wrong = [f"no test is named C{n:02}" for n in range(1, 31) if n not in shown]
document = (source / "docs/GATEWAY.md").read_text()
table = document[document.index("\n## Conformance"):document.index("\n## What only a live cloud")]
rows = re.findall(r"^\| (C\d+) \|(.*)$", table, re.M)
wrong += [f"docs/GATEWAY.md does not speak of C{n}" for n in range(1, 31) if f"C{n}" not in {r[0] for r in rows}]
for number, row in rows:
    tests = re.findall(r"`(\w+)`", row.split("|")[1])
    padded = f"C{int(number[1:]):02}"
    wrong += [f"{number}: there is no test {t}" for t in tests if t not in names]
    if not any(padded in t for t in tests):
        wrong.append(f"{number}: no test of that number is named")
print("\n".join(wrong) or f"{len(names)} tests, {len(rows)} numbers")
sys.exit(1 if wrong else 0)
