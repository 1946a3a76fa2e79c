#!/usr/bin/env python3
"""The cache of compiled patterns, through the program: whatever is done to its files, they are noticed, not used,
and made anew, and the verdicts stay the same.

  cache_cli_test.py WEIR SOURCE_DIR
"""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

WEIR, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests/support"))
from traffic import Capture, request, response  # noqa: E402


def rule_text(words):
    text = "SecRuleEngine DetectionOnly\n"
    for i, word in enumerate(words):
        text += f"SecRule ARGS \"@rx (?i)[a-z]+{word}\\s*[0-9]+\" \"id:{i + 1},phase:2,pass,log,t:none\"\n"
    return text


class Cache(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="weir-cache-test-"))
        self.addCleanup(shutil.rmtree, self.place)
        self.cache = self.place / "cache"
        self.rules = self.place / "rules.conf"
        self.words = [f"word{i}x" for i in range(40)]
        self.rules.write_text(rule_text(self.words))
        capture = Capture()
        for word in ("word3x", "word17x", "none"):
            capture.connection("192.0.2.1", [(request(f"/?a=aaa{word}%2012"), response())])
        self.traffic = self.place / "traffic.pcap"
        self.traffic.write_bytes(capture.bytes())

    def weir(self, *arguments, **more):
        program = WEIR
        if "user" in more:  # who may not be allowed where the program was built
            program = self.place / "weir"
            shutil.copy(WEIR, program)
        done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, timeout=120, **more)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout.decode()

    def check(self, *more, rules=None, cache=None):
        """(databases there are, how many of them the cache gave)"""
        out = self.weir("check", "--compile", "--rules", rules or self.rules, "--cache", cache or self.cache, *more)
        wanted = re.search(r"scanners +(\d+) of (\d+) databases", out)
        cached = re.search(r"(\d+) from the cache", out)
        self.assertEqual(wanted[1], wanted[2])
        return int(wanted[1]), int(cached[1]) if cached else 0

    def verdicts(self, cache=None):
        return self.weir("inspect", "--format", "jsonl", "--rules", self.rules, "--cache", cache or self.cache, self.traffic)

    def prepare(self):
        total, cached = self.check()
        self.assertGreater(total, 0)
        self.assertEqual(cached, 0)
        self.assertEqual(self.check(), (total, total))
        files = sorted(self.cache.glob("hs-*"))
        self.assertEqual(len(files), total)
        self.assertEqual(len(sorted(self.cache.iterdir())), total + 2)
        return total, files[0], files[0].read_bytes(), self.verdicts()

    def expect_made_anew(self, total, verdicts, why):
        self.assertEqual(self.verdicts(), verdicts, why)
        self.assertEqual(self.check(), (total, total - 1), why)
        self.assertEqual(self.check(), (total, total), why)

    def test_requirements(self):
        """What patterns require of values is cached too, on the same terms."""
        self.of_patterns("requirements-*")

    def test_patterns(self):
        """So is that they are right."""
        self.of_patterns("patterns-*")

    def of_patterns(self, kind):
        total, _, _, verdicts = self.prepare()
        [file] = self.cache.glob(kind)
        whole = file.read_bytes()
        other = self.place / "other.conf"
        other.write_text(rule_text([word.replace("word", "what") for word in self.words]))
        self.check(rules=other, cache=self.place / "aside")
        [theirs] = (self.place / "aside").glob(kind)
        self.assertNotEqual(theirs.name, file.name)
        for why, content in {"cut": whole[:-1], "empty": b"", "changed": whole[:-9] + b"?" + whole[-8:],
                             "another rule set's": theirs.read_bytes()}.items():
            file.write_bytes(content)
            self.assertEqual(self.verdicts(), verdicts, why)
            self.assertEqual(file.read_bytes(), whole, why)
            self.assertEqual(self.check(), (total, total), why)

    def test_truncated(self):
        total, file, whole, verdicts = self.prepare()
        for length in sorted({0, 1, 8, 9, 10, 42, 74, 75, 100, len(whole) // 3, len(whole) // 2, len(whole) - 8, len(whole) - 1}):
            file.write_bytes(whole[:length])
            self.expect_made_anew(total, verdicts, f"cut to {length} of {len(whole)}")

    def test_corrupted(self):
        total, file, whole, verdicts = self.prepare()
        chance = random.Random(1)
        places = [*range(0, 130, 7), len(whole) - 1] + [chance.randrange(len(whole)) for _ in range(40)]
        for at in places:
            changed = bytearray(whole)
            changed[at] ^= 1 << chance.randrange(8)
            file.write_bytes(changed)
            self.expect_made_anew(total, verdicts, f"bit flipped at {at} of {len(whole)}")
        for name, content in {"longer": whole + b"\0", "other": b"damaged" * 1000, "doubled": whole + whole,
                              "zeroes": bytes(len(whole))}.items():
            file.write_bytes(content)
            self.expect_made_anew(total, verdicts, name)

    def test_foreign(self):
        """Well-formed files that hold something else than their name says."""
        total, file, whole, verdicts = self.prepare()
        other = self.place / "other.conf"
        # As many patterns of the same length: only their content differs.
        other.write_text(rule_text([word.replace("word", "what") for word in self.words]))
        aside = self.place / "aside"
        self.check(rules=other, cache=aside)
        for theirs in aside.iterdir():
            file.write_bytes(theirs.read_bytes())
            self.expect_made_anew(total, verdicts, "another rule set's")
        magic = whole[:whole.index(b"\n") + 1]
        self.assertTrue(magic.startswith(b"weir-hs-"), magic)
        file.write_bytes(b"weir-hs-0\n" + whole[len(magic):])
        self.expect_made_anew(total, verdicts, "another version's")

    def test_not_to_be_trusted(self):
        total, file, whole, verdicts = self.prepare()
        file.chmod(0o666)
        self.expect_made_anew(total, verdicts, "others may write")
        if os.geteuid() == 0:
            os.chown(file, 65534, 65534)
            self.expect_made_anew(total, verdicts, "another user's")
        elsewhere = self.place / "elsewhere"
        file.rename(elsewhere)
        file.symlink_to(elsewhere)
        self.expect_made_anew(total, verdicts, "a link")
        self.assertEqual(elsewhere.read_bytes(), whole)
        os.remove(file)
        os.mkfifo(file)
        self.expect_made_anew(total, verdicts, "a pipe")

    def test_cannot_be_made(self):
        total, file, whole, verdicts = self.prepare()
        file.unlink()
        file.mkdir()  # nothing can be put in its place
        self.assertEqual(self.verdicts(), verdicts)
        self.assertEqual(self.check(), (total, total - 1))
        if os.geteuid() == 0:
            shutil.rmtree(self.cache)
            self.cache.mkdir(0o555)
            self.place.chmod(0o755)
            for path in (self.rules, self.traffic):
                path.chmod(0o644)
            self.assertEqual(self.weir("check", "--compile", "--rules", self.rules, "--cache", self.cache, user="nobody").count("from the cache"), 0)
            self.assertEqual(list(self.cache.iterdir()), [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
