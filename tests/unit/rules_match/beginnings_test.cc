// Where matches may begin, against PCRE2: none begins at a place that is not told.
#include "rules/beginnings.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/linear_search.h"
#include "rules/match_re.h"
#include "tests/unit/rules_match/small_patterns.h"

namespace weir::rules {
namespace {

std::unique_ptr<const Beginnings> of(const std::string& pattern) {
  const auto tree = RegexTree::parse(pattern, false, false);
  return tree ? Beginnings::of(*tree) : nullptr;
}

// A sign of text that is rare in it, or a letter: with letters alone nearly all patterns have too many beginnings to tell.
const std::string kSigns = "~^`{ZQb ";

std::string random_signs(std::mt19937& random, int depth) {
  const auto pick = [&](std::initializer_list<const char*> list) { return std::string(list.begin()[random() % list.size()]); };
  const auto inner = [&] { return random_signs(random, depth - 1); };
  if (depth == 0 || random() % 5 == 0) {
    return pick({"~", "`", "\\^", "\\{", "Z", "Q", "b", " ", "~`", "Zb", "[~`]", "[^~`{^ZQ]", "[Zb]", "\\b", "^", "$", ".", "\\s", "(?i)z", "(?=~)"});
  }
  switch (random() % 5) {
    case 0:
    case 1: return inner() + inner();
    case 2: return "(?:" + inner() + "|" + inner() + ")";
    case 3: return "(?:" + inner() + ")" + pick({"*", "+", "?", "{2}", "{0,2}", "{2,}", "{3,5}", "*?"});
    default: return "(?:" + pick({"~", "`", "Z"}) + inner() + "|" + pick({"\\^", "{", "Q"}) + inner() + ")";
  }
}

std::string random_value(std::mt19937& random, std::size_t most) {
  std::string value;
  for (std::size_t n = random() % (most + 1); n > 0; --n) value += kSigns[random() % kSigns.size()];
  return value;
}

struct Tally {
  std::size_t told = 0, matches = 0, passed_over = 0;
};

void check(const std::string& pattern, const std::vector<std::string>& values, Tally& tally) {
  const auto regex = Regex::compile(pattern, {.jit = false});
  if (!regex) return;
  const auto beginnings = of(pattern);
  if (beginnings == nullptr) return;
  ++tally.told;
  static ReScratch scratch;
  for (const std::string& value : values) {
    for (std::size_t from = 0; from <= value.size(); ++from) {
      const std::size_t next = beginnings->next(value, from);
      ASSERT_TRUE(next >= from || next == std::string::npos);
      tally.passed_over += next > from ? 1U : 0U;
      std::string_view group;
      std::size_t count = 0;
      if ((*regex)->search(value, scratch, {}, &group, 1, &count, from) != ReResult::Match) continue;
      ++tally.matches;
      ASSERT_LE(next, static_cast<std::size_t>(group.data() - value.data())) << pattern << " on '" << value << "' from " << from;
    }
  }
}

// 800 random patterns, each on the values that are made for it.
template <class MakeValues>
Tally check_patterns(unsigned seed, MakeValues values) {
  std::mt19937 random(seed);
  Tally tally;
  for (int i = 0; i < 800 && !::testing::Test::HasFatalFailure(); ++i) {
    const std::vector<std::string> own = values(random);
    check(random_signs(random, 4), own, tally);
  }
  EXPECT_GT(tally.told, 100U);
  return tally;
}

TEST(Beginnings, NoMatchBeginsElsewhere) {
  const std::vector<std::string> all = all_values("~^Zb", 4);
  const Tally tally = check_patterns(3, [&](std::mt19937&) { return all; });
  EXPECT_GT(tally.matches, 4000U);
  EXPECT_GT(tally.passed_over, 20000U);
}

// Where thirty-two places are looked at together, and where the value ends among them.
TEST(Beginnings, InLongerValues) {
  const Tally tally = check_patterns(4, [](std::mt19937& random) {
    std::vector<std::string> values;
    for (int k = 0; k < 4; ++k) values.push_back(random_value(random, 100));
    return values;
  });
  EXPECT_GT(tally.matches, 2000U);
  EXPECT_GT(tally.passed_over, 8000U);
}

// A place is told for its bytes alone, wherever in a value it is looked at.
TEST(Beginnings, ArePlacesOfTheirOwn) {
  std::mt19937 random(5);
  int told = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string pattern = random_signs(random, 3);
    const auto beginnings = of(pattern);
    if (beginnings == nullptr) continue;
    ++told;
    const std::string value = random_value(random, 90);
    for (std::size_t from = 1; from < value.size(); ++from) {
      const std::size_t whole = beginnings->next(value, from);
      const std::string front = " " + value.substr(from);
      const std::size_t alone = beginnings->next(front, 1);
      ASSERT_EQ(whole == std::string::npos ? whole : whole - from, alone == std::string::npos ? alone : alone - 1)
          << pattern << " on '" << value << "' from " << from;
    }
  }
  EXPECT_GT(told, 100);
}

TEST(Beginnings, AreTheFirstBytes) {
  const auto begins = of("(?i)busybox|su(?:do)?\\s|[;`]");
  ASSERT_NE(begins, nullptr);
  const std::string text = "a busy man, sudden, who asks: SUDO make; su me";
  std::vector<std::string> found;
  for (std::size_t at = begins->next(text, 0); at != std::string::npos; at = begins->next(text, at + 1)) found.push_back(text.substr(at, 4));
  EXPECT_EQ(found, (std::vector<std::string>{"SUDO", "; su", "su m"}));
  EXPECT_EQ(begins->next("", 0), std::string::npos);
  EXPECT_EQ(begins->next("su", 0), std::string::npos);
  EXPECT_EQ(begins->next("su ", 0), 0U);

  const auto at_start = of("^(?:json\\.)?ls|;ls");
  ASSERT_NE(at_start, nullptr);
  EXPECT_EQ(at_start->next("any text", 0), 0U);
  EXPECT_EQ(at_start->next("any text", 1), std::string::npos);
  EXPECT_EQ(at_start->next("any;lsx", 1), 3U);
  const auto only = of("^x");
  ASSERT_NE(only, nullptr);
  EXPECT_EQ(only->next("xx", 0), 0U);
  EXPECT_EQ(only->next("xx", 1), std::string::npos);
}

TEST(Beginnings, AreNotToldWhereTextIsFullOfThem) {
  for (const char* pattern : {"a*", "x?", "$", "(?:;|)", "e", "[^;]", "\\w+", "(?:a|~)", "\\s+", "(?=;)", ".*;", "^|e"}) {
    EXPECT_EQ(of(pattern), nullptr) << pattern;
  }
  for (const char* pattern : {";", "~+", "<script", "(?:~|`){2,}", "\\bxyzzy\\b", "\\x00\\xff", "~{0,1}`"}) {
    EXPECT_NE(of(pattern), nullptr) << pattern;
  }
}

// Very many alternatives, and nests of repetitions: bounded in time and memory, whatever is told.
TEST(Beginnings, OfLargePatterns) {
  std::string words = "(?:";
  for (int i = 0; i < 3000; ++i) words += "~" + std::to_string(i * 7919 % 100000) + "|";
  words += "~)";
  const auto begins = of(words);
  if (begins != nullptr) {
    EXPECT_EQ(begins->next("text ~1", 0), 5U);
  }
  std::string nest = "~";
  for (int i = 0; i < 30; ++i) nest = "(?:" + nest + "?|`" + nest.substr(0, 200) + ")";
  const auto of_nest = of(nest);
  if (of_nest != nullptr) {
    EXPECT_EQ(of_nest->next("~", 0), 0U);
  }
}

// The automaton that is asked at such places finds what it finds when it goes through the value.
TEST(Beginnings, LeaveTheFirstMatchWhereItIs) {
  std::mt19937 random(6);
  static ReScratch scratch;
  std::size_t matches = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string pattern = "(?:" + random_signs(random, 3) + ")(?:" + random_signs(random, 2) + ")";
    const auto regex = Regex::compile(pattern, {.jit = false});
    const auto tree = RegexTree::parse(pattern, false, false);
    if (!regex || !tree) continue;
    const auto linear = LinearSearch::compile(*tree);
    if (linear == nullptr || !linear->exact()) continue;
    for (int k = 0; k < 6; ++k) {
      // Long enough for several tries, and for giving up trying.
      std::string value;
      while (value.size() < 3000) value += std::string(random() % 200, 'b') + random_value(random, 5);
      std::string_view group;
      std::size_t count = 0;
      const ReResult result = (*regex)->search(value, scratch, {.match = 100000, .depth = 0}, &group, 1, &count);
      if (result == ReResult::LimitExceeded) continue;
      const bool match = result == ReResult::Match;
      ASSERT_EQ(linear->may_match(value), match) << pattern;
      const std::string_view told = linear->find(value);
      ASSERT_EQ(told.data(), match ? group.data() : nullptr) << pattern << " on '" << value << "'";
      ASSERT_EQ(told.size(), match ? group.size() : 0) << pattern << " on '" << value << "'";
      matches += match ? 1U : 0U;
    }
  }
  EXPECT_GT(matches, 200U);
}

}  // namespace
}  // namespace weir::rules
