// The linear search against PCRE2: it may find what is no match, but never misses one, nor one's beginning.
#include "rules/linear_search.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/match_re.h"
#include "tests/unit/rules_match/small_patterns.h"
#include "tests/unit/rules_match/test_context.h"

namespace weir::rules {
namespace {

struct Tally {
  std::size_t matches = 0, ruled_out = 0, patterns = 0;
  std::size_t exact = 0, told = 0;  // patterns, and matches of them
};

void check(const std::string& pattern, bool caseless, bool multiline, const std::vector<std::string>& values,
           Tally& tally) {
  auto regex = Regex::compile(pattern, {.caseless = caseless, .multiline = multiline, .jit = false});
  if (!regex) return;
  const auto tree = RegexTree::parse(pattern, caseless, multiline);
  if (!tree) return;
  const auto linear = LinearSearch::compile(*tree);
  ASSERT_NE(linear, nullptr) << pattern << " as " << linear_pattern(*tree);
  ++tally.patterns;
  tally.exact += linear->exact() ? 1U : 0U;
  static ReScratch scratch;
  for (const std::string& value : values) {
    std::string_view groups[3];
    const std::string_view& group = groups[0];
    std::size_t count = 0;
    const bool match = (*regex)->search(value, scratch, {}, groups, 3, &count) == ReResult::Match;
    const bool may = linear->may_match(value);
    const std::size_t first = linear->first(value);
    ASSERT_EQ(may, first != std::string_view::npos) << pattern << " on '" << value << "'";
    tally.matches += match ? 1U : 0U;
    tally.ruled_out += may ? 0U : 1U;
    if (linear->exact()) {
      ASSERT_EQ(may, match) << pattern << " on '" << value << "'";
      ASSERT_LE(count, 1U) << pattern << " on '" << value << "'";  // nothing but the whole match
      const std::string_view told = linear->find(value);
      ASSERT_EQ(told.data(), group.data()) << pattern << " on '" << value << "'";
      ASSERT_EQ(told.size(), group.size()) << pattern << " on '" << value << "'";
      tally.told += match ? 1U : 0U;
    }
    if (!match) continue;
    ASSERT_TRUE(may) << pattern << " on '" << value << "'";
    ASSERT_LE(first, static_cast<std::size_t>(group.data() - value.data())) << pattern << " on '" << value << "'";
    // So that PCRE2 finds the same from there on.
    std::string_view again;
    ASSERT_EQ((*regex)->search(value, scratch, {}, &again, 1, &count, first), ReResult::Match);
    ASSERT_EQ(again.data(), group.data()) << pattern << " on '" << value << "'";
    ASSERT_EQ(again.size(), group.size()) << pattern << " on '" << value << "'";
  }
}

TEST(LinearSearch, EverySmallPatternOnEveryShortValue) {
  const std::vector<std::string> values = all_values(kAlphabet, 3);
  Tally tally;
  for (const std::string& pattern : small_patterns()) {
    check(pattern, false, false, values, tally);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(tally.patterns, 2000U);
  EXPECT_GT(tally.ruled_out, tally.patterns * values.size() / 8);
  EXPECT_GT(tally.exact, tally.patterns / 2);
  EXPECT_GT(tally.told, 20000U);
}

TEST(LinearSearch, RandomPatterns) {
  const std::vector<std::string> values = all_values(kAlphabet, 3);
  std::mt19937 random(11);
  Tally tally;
  for (int i = 0; i < 1500; ++i) {
    check(random_pattern(random, 4), random() % 4 == 0, random() % 4 == 0, values, tally);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(tally.matches, 20000U);
  EXPECT_GT(tally.ruled_out, 20000U);
  EXPECT_GT(tally.told, 10000U);
}

// What PCRE2 and RE2 take differently as text: bytes, white space, word bytes, sets, bounds of repetition.
// Alternatives that begin with the same bytes, some of them above ASCII, of which RE2 makes a text of its own.
TEST(LinearSearch, BytesAboveAsciiInFrontOfEveryAlternative) {
  const std::vector<std::string> values = all_values("\xff\xfe a", 4);
  Tally tally;
  for (const char* front : {"", "\\A", "^", "\\b", "a", "\\xfe", "(?:\\xfe|a)", "a*", "a?"}) {
    for (const char* one : {"\\xff", "\xff", "\\xff\\xfe", "[\\xff]", "\\xff+", "\\xc3\\xbf"}) {
      for (const char* rest : {" a", "a*", "\\xff", "\\xfea", "$", ""}) {
        const std::string same = std::string(front) + one;
        for (const std::string& pattern : {same + rest + "|" + same, same + "|" + same + rest, "(?:" + same + rest + "|" + same + ")a",
                                           same + "a|" + same + rest + "|" + same + "\\xff"}) {
          for (const bool caseless : {false, true}) check(pattern, caseless, false, values, tally);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  EXPECT_GT(tally.patterns, 1000U);
  EXPECT_GT(tally.matches, 100000U);
}

TEST(LinearSearch, TakesBytesAsPcreDoes) {
  std::vector<std::string> values;
  for (unsigned b = 0; b < 256; ++b) {
    const char c = static_cast<char>(b);
    for (const std::string& s : {std::string(1, c), std::string("a") + c + "b", std::string("A ") + c + "\n"}) {
      values.push_back(s);
    }
  }
  values.emplace_back(2500, 'a');
  values.emplace_back(std::string(1200, ' ') + "b");
  const char* const patterns[] = {"\\s",         "\\S",           "^\\w$",        "\\W",           "\\d",          "\\h",
                                  "\\v",         "[[:space:]]",   "[[:punct:]]", "[^[:alnum:]]",  "\\xe9",        "(?i)\\xe9",
                                  "(?i)[^\\xc9]", "(?i)k",          "(?i)[^k]",    "a.b",           "a\\sb",        "b$",
                                  "^\\W$",       "\\bb",          "\\x{ff}b",    "[\\x80-\\xff]", "a[^\\x00-a]b",  "\\x00",
                                  "a{2000}",     "a{1001,}",      " {0,1500}b",  "[^\\n]{1100}b", "(?:a{40}){40}", "(a)\\1",
                                  "(?<!a)b",     "a(?!b)",        "\\Ba",        "(?m)^b",         "x*",           "a(?>a*)b?"};
  Tally tally;
  for (const char* pattern : patterns) {
    auto regex = Regex::compile(pattern, {});
    ASSERT_TRUE(regex) << pattern;
    const auto tree = RegexTree::parse(pattern, false, false);
    ASSERT_TRUE(tree) << pattern;
    if (LinearSearch::compile(*tree) == nullptr) continue;  // too many repetitions, of which RE2 makes copies
    check(pattern, false, false, values, tally);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(tally.patterns, std::size(patterns) - 3);
}

// A value for which PCRE2 alone takes time by the square, for each of its places looks at all that follows: @rx says what
// PCRE2 says, and the verdict does not wait for a limit.
TEST(LinearSearch, StandsBeforeWhatBacktracks) {
  const std::string pattern = "(?i)(?:[a-z]=[a-z]&?)+(?:[a-z]=[a-z]&?)+[;!]|curl[\\s<>&|]+x";
  TestOperator op("rx", pattern);
  ASSERT_NE(op.op, nullptr) << op.error;
  std::string value;
  for (int i = 0; i < 2000; ++i) value += "a=b&";
  const auto ask = [&](const std::string& text, bool linear) {
    ReScratch re;
    base::Arena arena;
    OperatorContext context{re, arena, {}};
    Captures captures;
    bool limited = false;
    context.captures = &captures;
    context.limits = {.match = 3000, .depth = 0};
    context.limit_exceeded = &limited;
    context.linear = linear;
    const bool matched = op.op->match(text, context);
    return std::tuple(matched, limited, matched ? captures.groups[0].data() - text.data() : -1);
  };
  EXPECT_EQ(ask(value, true), std::tuple(false, false, -1));
  EXPECT_EQ(ask(value, false), std::tuple(false, true, -1));  // else there is nothing to stand before
  const std::string attack = std::string(3000, 'q') + " curl  x";
  EXPECT_EQ(ask(attack, true), std::tuple(true, false, 3001));
  EXPECT_EQ(ask(attack, false), std::tuple(true, false, 3001));
}

// Where two libraries take different ways: who is to go first, and what may be repeated though it is empty.
TEST(LinearSearch, TellsOnlyMatchesThatPcreWouldTell) {
  const std::vector<std::string> values = all_values("ab", 5);
  Tally tally;
  for (const char* one : {"a", "a?", "a??", "a*", "a*?", "|a", "a|", "a|ab", "ab|a", "a|b*", "a*|b", "a?|b??", "(?:a|ab)(?:b|)"}) {
    for (const char* often : {"", "*", "*?", "*+", "+", "+?", "++", "?", "??", "?+", "{2}", "{0,2}", "{1,2}?", "{2,}+", "{3}", "{3,4}", "{3,}?", "{4,}"}) {
      for (const char* rest : {"", "a", "b", "ab", "$", "\b", "|b", "b?"}) {
        check("(?:" + std::string(one) + ")" + often + rest, false, false, values, tally);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(tally.exact, 500U);
  EXPECT_LT(tally.exact, tally.patterns);
}

// A run of bytes of one set: found without an automaton, in values of any length.
TEST(LinearSearch, FindsRuns) {
  std::mt19937 random(5);
  std::vector<std::string> values;
  for (int i = 0; i < 300; ++i) {
    std::string value;
    for (std::size_t n = random() % 40; n > 0; --n) value += kAlphabet[random() % kAlphabet.size()];
    values.push_back(value);
  }
  Tally tally;
  for (const char* set : {".", "a", "[ab]", "\\W", "[^ ]", "(?:b)"}) {
    for (const char* often : {"", "+", "+?", "{2}", "{4}", "{7}", "{3,5}", "{3,5}?", "{6,}", "{2,}?", "{40}"}) {
      const std::string pattern = std::string(set) + often;
      check(pattern, false, false, values, tally);
      if (HasFatalFailure()) return;
      const auto linear = LinearSearch::compile(*RegexTree::parse(pattern, false, false));
      EXPECT_TRUE(linear->quick()) << pattern;
    }
  }
  EXPECT_EQ(tally.exact, tally.patterns);
  EXPECT_FALSE(LinearSearch::compile(*RegexTree::parse("a*", false, false))->quick());
  EXPECT_FALSE(LinearSearch::compile(*RegexTree::parse("(a)", false, false))->quick());
  EXPECT_FALSE(LinearSearch::compile(*RegexTree::parse("a++", false, false))->quick());
  auto regex = Regex::compile("\\W{4}", {});
  ASSERT_TRUE(regex);
  EXPECT_EQ((*regex)->ahead("a ((b").start, std::string_view::npos);
  EXPECT_EQ((*regex)->ahead("a (('b").match, " (('");
}

TEST(LinearSearch, IsNotAskedWhereItSavesNothing) {
  auto regex = Regex::compile("a+b", {});
  ASSERT_TRUE(regex);
  EXPECT_EQ((*regex)->ahead("xxx").start, 0U);
  EXPECT_EQ((*regex)->ahead(std::string(4000, 'x')).start, std::string_view::npos);
  EXPECT_EQ((*regex)->ahead(std::string(4000, 'x') + "aab").start, 4000U);
  auto unknown = Regex::compile("\\Qa\\E+", {});  // no tree
  ASSERT_TRUE(unknown);
  EXPECT_EQ((*unknown)->ahead(std::string(4000, 'x')).start, 0U);
}

}  // namespace
}  // namespace weir::rules
