#!/usr/bin/env python3
"""Makes a rule set N times as large: variants of the patterns and phrase lists of a CRS that match nothing.

  more_rules.py RULES_FOLDER TIMES SEED > variants.conf

For each rule that looks for a regular expression or a phrase, N-1 rules with the same targets and
transformations, of which every word (three letters or more, outside of classes and escapes) is replaced by
letters of chance. Rules without such a word are left alone: a variant of theirs would match as they do. So are those of the
higher paranoia levels: the variants stand under no condition.
"""
import pathlib
import random
import re
import sys

RULE = re.compile(r'^SecRule\s+(\S+|"[^"]*")\s+"(@rx|@pmFromFile|@pmf|@pm)\s((?:[^"\\]|\\.)*)"\s*\\?\n\s*"((?:[^"\\]|\\.)*)"', re.M | re.S)
TOKEN = re.compile(r"\\x[0-9a-fA-F]{2}|\\x\{[0-9a-fA-F]+\}|\\.|\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\]|\(\?P?<\w+>|\(\?[a-zA-Z^-]*[:)=!<>]?|\{[\d,]*\}|[A-Za-z]+|.", re.S)
LETTERS = "bcdfghjklmnpqrstvwxz"


def word(length, rng):
    return "".join(rng.choice(LETTERS) for _ in range(length))


def variant(pattern, rng):
    """The pattern with other words, or None if it has none."""
    changed = False
    out = []
    for token in TOKEN.findall(pattern):
        if token.isalpha() and len(token) >= 3:
            changed = True
            token = word(len(token), rng)
        out.append(token)
    return "".join(out) if changed else None


def phrases(operator, argument, folder, rng):
    if operator == "@pm":
        listed = argument.split()
    else:
        listed = []
        for name in argument.split():
            lines = (folder / name).read_text(errors="replace").splitlines()
            listed += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    made = [re.sub(r"[A-Za-z]{2,}", lambda m: word(len(m.group()), rng), p) for p in listed]
    made = [p for p in made if re.search(r"[A-Za-z]{3,}", p) and not re.search(r'[\s"\\%]', p)]
    return " ".join(made)


def main():
    folder, times, rng = pathlib.Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    number = 7_000_000
    for path in sorted(folder.glob("*.conf")):
        text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")) + "\n"
        for targets, operator, argument, actions in RULE.findall(text):
            phase = re.search(r"phase:['\"]?(\w+)", actions)
            if phase is None or phase.group(1) not in ("1", "2", "request"):
                continue  # a further link of a chain, or a rule for responses
            level = re.search(r"paranoia-level/(\d)", actions)
            if level and int(level.group(1)) > 1:
                continue  # they would run at every level
            transformations = re.findall(r"\bt:\w+", actions)
            for _ in range(times - 1):
                if operator == "@rx":
                    made = variant(argument, rng)
                else:
                    made = phrases(operator, argument, folder, rng)
                if not made:
                    break
                number += 1
                multi = ",multiMatch" if "multiMatch" in actions else ""
                shown = "@rx" if operator == "@rx" else "@pm"
                print(f'SecRule {targets} "{shown} {made}" "id:{number},phase:{phase.group(1)},pass,nolog'
                      f'{multi},{",".join(transformations) or "t:none"}"')


if __name__ == "__main__":
    main()
