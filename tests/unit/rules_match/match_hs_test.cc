#include "rules/match_hs.h"

#include <random>

#include <gtest/gtest.h>

#include "rules/match_re.h"

namespace weir::rules {
namespace {

using std::string_literals::operator""s;
using How = HsDatabase::Compiled::How;

std::vector<bool> scan(const HsDatabase& db, std::string_view value, std::size_t patterns) {
  HsScratch scratch;
  EXPECT_TRUE(db.prepare(scratch));
  std::vector<std::uint64_t> hits((patterns + 63) / 64);
  EXPECT_TRUE(db.scan(value, scratch, hits));
  std::vector<bool> out;
  for (std::size_t i = 0; i < patterns; ++i)
    out.push_back((hits[i / 64] >> (i % 64) & 1) != 0);
  return out;
}

// The contract, for one pattern and value, against PCRE2.
void expect_contract(const HsPattern& p, const std::vector<std::string>& values) {
  const auto compiled = HsDatabase::compile(std::span(&p, 1), true);
  auto re = Regex::compile(p.pattern, {.caseless = p.caseless, .multiline = p.multiline});
  ASSERT_TRUE(re) << p.pattern;
  if (compiled.how[0] == How::Left) return;
  ReScratch scratch;
  for (const std::string& v : values) {
    const bool hit = scan(*compiled.database, v, 1)[0];
    const bool match = (*re)->search(v, scratch, {}) == ReResult::Match;
    if (match) {
      EXPECT_TRUE(hit) << p.pattern << " on " << v;
    }
    if (compiled.how[0] == How::Exact) {
      EXPECT_EQ(hit, match) << p.pattern << " on " << v;
    }
  }
}

// Trap 2 and the rewriting of `$`: each place where a dollar is, or is not, an anchor.
TEST(HsDatabase, DollarMeansTheVeryEnd) {
  const std::vector<std::string> values = {"",    "a",    "a\n", "a\n\n", "\n",  "a$",
                                           "$",   "a\nb", "b\n", "x$\n",  "a]$", "]\n",
                                           "\\E", "a\\z", "az",  "$\n"};
  for (const char* pattern :
       {"^a$",    "a$|b$",  "$",       "[$]",        "[^$]$",    "[]$]",         "[^]$]$",
        "[\\]$]", "\\$",    "\\\\$",   "\\Qa$\\E",   "\\Qa\\E$", "[[:alpha:]$]", "[[:alpha:]]$",
        "[a[:$]", "(?:a$)", "(?m)a$",  "(?m:a$)b?$", "(?i)A$",   "(?s-m:a$)",    "(?x) a $ # [",
        "\\Z",    "a\\Z",   "a\\z",    "$\\n",       "a$\\n",    "[\\Q]\\E$]",   "(a|$)",
        "^$",     "a\\Q$",  "[a\\\\]$"}) {
    for (const bool multiline : {false, true}) {
      expect_contract({pattern, false, multiline}, values);
    }
  }
}

TEST(HsDatabase, EmptyMatchesAndCase) {
  const std::vector<std::string> values = {"", "a", "A", "\xe4", "\xc4", "\0"s, "a\0b"s};
  for (const char* pattern : {"", "a*", "a?b?", "^", "(?i)a", "\\x00", "a.b", "\xe4", "(?i)\xe4"}) {
    expect_contract({pattern, false, false}, values);
    expect_contract({pattern, true, false}, values);
  }
}

TEST(HsDatabase, WhatHyperscanCannotTakeIsToldApart) {
  const HsPattern patterns[] = {{"abc"},  {"(?<=x)y"},       {"(a)\\1"}, {"(*ANYCRLF)a"},
                                {"def$"}, {"(?:x|$){1,7}$"}, {"(?m)^a$"}};
  const auto compiled = HsDatabase::compile(patterns, true);
  ASSERT_NE(compiled.database, nullptr);
  EXPECT_EQ(compiled.how[0], How::Exact);
  EXPECT_EQ(compiled.how[1], How::Prefilter);
  EXPECT_EQ(compiled.how[2], How::Prefilter);
  EXPECT_EQ(compiled.how[3], How::Left);
  EXPECT_EQ(compiled.how[4], How::Exact);
  EXPECT_EQ(compiled.how[5], How::Left);
  EXPECT_EQ(compiled.how[6], How::Prefilter);  // inline m: the dollar's meaning is not known
  EXPECT_EQ(scan(*compiled.database, "xxabcdef", 7)[4], true);
  EXPECT_EQ(scan(*compiled.database, "xxabcdef\n", 7)[4], false);

  const auto strict = HsDatabase::compile(patterns, false);
  EXPECT_EQ(strict.how[1], How::Left);
  EXPECT_EQ(strict.how[6], How::Left);
  const HsPattern hopeless[] = {{"(?<=x)y"}};
  EXPECT_EQ(HsDatabase::compile(hopeless, false).database, nullptr);
  EXPECT_EQ(HsDatabase::compile({}, true).database, nullptr);
}

TEST(HsDatabase, LiteralsMatchThemselves) {
  std::string all;
  for (int c = 0; c < 256; ++c)
    all.push_back(static_cast<char>(c));
  std::vector<std::string> escaped;
  std::vector<HsPattern> patterns;
  for (int c = 0; c < 256; ++c)
    escaped.push_back(hs_escape("x" + std::string(1, static_cast<char>(c)) + "y"));
  for (const std::string& e : escaped)
    patterns.push_back({e});
  const auto compiled = HsDatabase::compile(patterns, false);
  ASSERT_NE(compiled.database, nullptr);
  for (int c = 0; c < 256; ++c) {
    const auto hits =
        scan(*compiled.database, "x" + std::string(1, static_cast<char>(c)) + "y", 256);
    for (int i = 0; i < 256; ++i)
      ASSERT_EQ(hits[static_cast<std::size_t>(i)], i == c) << c;
  }
}

TEST(HsDatabase, SerialisedFormIsChecked) {
  const HsPattern patterns[] = {{"abc"}, {"d.f", true}};
  const auto compiled = HsDatabase::compile(patterns, true);
  ASSERT_NE(compiled.database, nullptr);
  const std::string bytes = compiled.database->serialise();
  const auto restored = HsDatabase::restore(bytes);
  ASSERT_NE(restored, nullptr);
  EXPECT_EQ(restored->patterns(), 2U);
  EXPECT_EQ(scan(*restored, "xabc", 2), (std::vector<bool>{true, false}));
  EXPECT_EQ(scan(*restored, "D\nF", 2), (std::vector<bool>{false, true}));
  EXPECT_GT(restored->bytes(), 0U);
  // Truncated anywhere, or with a byte more: refused. (Damage inside is the caller's digest's
  // matter.)
  for (std::size_t n = 0; n < bytes.size(); n += 1 + n / 16) {
    EXPECT_EQ(HsDatabase::restore(bytes.substr(0, n)), nullptr) << n;
  }
  EXPECT_EQ(HsDatabase::restore(bytes + "x"), nullptr);
}

TEST(HsDatabase, ScanRefusesWhatDoesNotFit) {
  std::vector<HsPattern> patterns(70, HsPattern{"abc"});
  const auto compiled = HsDatabase::compile(patterns, true);
  ASSERT_NE(compiled.database, nullptr);
  HsScratch scratch;
  std::vector<std::uint64_t> hits(2);
  EXPECT_FALSE(compiled.database->scan("abc", scratch, hits));  // not prepared
  ASSERT_TRUE(compiled.database->prepare(scratch));
  EXPECT_FALSE(compiled.database->scan("abc", scratch, std::span(hits).first(1)));
  EXPECT_TRUE(compiled.database->scan("abc", scratch, hits));
  EXPECT_EQ(hits[0], ~std::uint64_t{0});
  EXPECT_EQ(hits[1], 63U);
  // One scratch for several databases.
  const HsPattern other[] = {{"x.*y.*z"}};
  const auto second = HsDatabase::compile(other, true);
  ASSERT_TRUE(second.database->prepare(scratch));
  hits = {0, 0};
  EXPECT_TRUE(second.database->scan("x1y2z", scratch, hits));
  EXPECT_EQ(hits[0], 1U);
}

// Random patterns of the constructs that rules use.
TEST(HsDatabase, RandomPatternsKeepTheContract) {
  std::mt19937 random(11);
  const char* const atoms[] = {"a",   "b",     ".",      "[ab]", "[^a]",  "\\b",
                               "\\s", "\\w",   "^",      "$",    "\\n",   "\\d",
                               "\\W", "(a|b)", "(?:ab)", "\\Z",  "\\x00", "[\\s\\d]"};
  const char* const repeats[] = {"", "", "", "*", "+", "?", "{1,3}", "*?", "{2}"};
  std::vector<std::string> values = {""};
  for (int i = 0; i < 60; ++i) {
    std::string v;
    for (auto n = random() % 10; n > 0; --n)
      v += "ab \n1_\0\xff"s[random() % 8];
    values.push_back(v);
  }
  for (int i = 0; i < 400; ++i) {
    std::string pattern;
    for (auto n = random() % 5 + 1; n > 0; --n) {
      pattern += atoms[random() % std::size(atoms)];
      const char last = pattern.back();
      const bool anchor =
          last == '^' || last == '$' || pattern.ends_with("\\b") || pattern.ends_with("\\Z");
      if (!anchor) pattern += repeats[random() % std::size(repeats)];
      if (random() % 8 == 0 && n > 1) pattern += "|";
    }
    expect_contract({pattern, random() % 2 == 0, random() % 4 == 0}, values);
  }
}

}  // namespace
}  // namespace weir::rules
