#!/usr/bin/env python3
"""House rules that a compiler does not hold.

  includes   who may #include whom (docs/ARCHITECTURE.md, the arrows)
  sources    unfinished marks, paths of a machine, over-long files
  names      two types of one qualified name in the program (the one definition rule; only a link-time optimiser tells)
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# room: rooms it may look into, besides itself and engine's shared words (engine/*.h).
ARROWS = {
    "engine": {"engine/base"},  # the words themselves
    "engine/base": set(),
    "engine/net": {"engine/base"},
    "engine/flow": {"engine/net", "engine/base"},
    "engine/http": {"engine/base"},
    "engine/inspect": {"engine/flow", "engine/http", "engine/net", "engine/base", "rules"},
    "rules": {"engine/base"},
    "capture": {"engine/net", "engine/base"},
    "geneve": {"engine/net", "engine/base"},
    "crs": {"engine/inspect", "engine/http", "engine/base", "rules"},
    "app": {"capture", "geneve", "crs", "engine/inspect", "engine/net", "engine/base", "rules"},
}
LONGEST_FILE = 600
LONGEST_TEST = 750  # tables of cases read better in one piece
FORBIDDEN = [
    (re.compile(r"\b(TODO|FIXME)\b|(//|#).*\bXXX\b"), "mark of unfinished work"),
    (re.compile(r"(?<![\w.])/(work|root|farm)/"), "path of one machine"),
]


def room_of(path: str) -> str | None:
    parts = path.split("/")
    if parts[0] == "engine":
        return "engine" if len(parts) == 2 else f"engine/{parts[1]}"
    return parts[0] if parts[0] in ARROWS else None


def tracked(*patterns: str) -> list[str]:
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in sorted(set(out.split())) if (ROOT / name).is_file()]


def check_includes() -> list[str]:
    wrong = []
    for name in tracked("*.h", "*.cc"):
        room = room_of(name)
        if room is None:
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            target = found.group(1)
            other = room_of(target)
            if other is None:
                if target.startswith("weir_"):  # made by CMake
                    continue
                wrong.append(f"{name}:{number}: {target} is not named from the root or is no room")
            elif other not in (room, "engine") and other not in ARROWS[room]:
                wrong.append(f"{name}:{number}: {room} may not look into {other} ({target})")
    return wrong


def check_sources() -> list[str]:
    wrong = []
    for name in tracked("*.h", "*.cc", "*.py", "*.sh", "*.md", "*.yaml", "*.txt", "*.json"):
        if name == "tests/lint/lint.py":
            continue
        lines = (ROOT / name).read_text(errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            for pattern, what in FORBIDDEN:
                if pattern.search(line):
                    wrong.append(f"{name}:{number}: {what}: {line.strip()[:80]}")
        longest = LONGEST_TEST if name.startswith("tests/") else LONGEST_FILE
        if name.endswith((".h", ".cc")) and len(lines) > longest:
            wrong.append(f"{name}: {len(lines)} lines, more than {longest}")
    return wrong


def types_of(text: str) -> list[tuple[int, str]]:
    """Line and qualified name of each type that a file defines in a named namespace, by the layout that the style has."""
    spaces, found = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.match(r"(?:inline )?namespace ([\w:]*) ?\{$", line):
            spaces.append(opened.group(1))
        elif re.match(r"\}  // namespace", line):
            spaces.pop()
        elif "" not in spaces and (
                kind := re.match(r"(?:class|struct|union|enum(?: class)?) (?:alignas\([^)]*\) )?([\w:]+)[^;(]*\{", line)):
            found.append((number, "::".join([*spaces, kind.group(1)])))
    return found


def check_names() -> list[str]:
    wrong, known = [], {}
    for name in tracked("*.h", "*.cc"):
        if room_of(name) is None:
            continue
        for number, qualified in types_of((ROOT / name).read_text()):
            if qualified in known:
                wrong.append(f"{name}:{number}: {qualified} is also defined in {known[qualified]}")
            known[qualified] = f"{name}:{number}"
    return wrong


def main() -> int:
    checks = {"includes": check_includes, "sources": check_sources, "names": check_names}
    wrong = checks[sys.argv[1]]()
    print("\n".join(wrong) if wrong else f"{sys.argv[1]}: fine")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
