#include "rules/match_pm.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace weir::rules {
namespace {

using std::string_literals::operator""s;
using Phrases = std::vector<std::string>;

std::string find(const Phrases& phrases, const std::string& value) {
  const PhraseMatcher m(phrases);
  const auto found = m.find(value);
  return found.found ? std::string(found.text) : "-";
}

TEST(PhraseMatcher, ReportsThePhraseAsWritten) {
  EXPECT_EQ(find({"foo", "BAR"}, "a Bar b"), "BAR");
  EXPECT_EQ(find({"foo", "BAR"}, "ba"), "-");
  EXPECT_EQ(find({"foo"}, ""), "-");
  EXPECT_EQ(find({}, "foo"), "-");
  EXPECT_EQ(find({""}, "foo"), "-");
  EXPECT_EQ(find({"\xc4"}, "\xe4"), "-");  // ASCII case only
  EXPECT_EQ(find({"\xc4"}, "\xc4"), "\xc4");
  EXPECT_EQ(find({"a\0b"s}, "xA\0B"s), "a\0b"s);
}

// The first phrase to end; of those that end together, the longest text under way (ModSecurity 2).
TEST(PhraseMatcher, FirstToEnd) {
  EXPECT_EQ(find({"abcd", "bc"}, "abcd"), "abc");
  EXPECT_EQ(find({"abcd", "bc"}, "xbcd"), "bc");
  EXPECT_EQ(find({"she", "he"}, "she"), "she");
  EXPECT_EQ(find({"he", "hers"}, "hers"), "he");
  EXPECT_EQ(find({"FooBar", "foo"}, "foo"), "Foo");  // the text of the node is the first phrase's
}

// One step along the failure links is not enough here; ModSecurity 2 misses "ce".
TEST(PhraseMatcher, NearMissesHideNothing) {
  EXPECT_EQ(find({"abcd", "bx", "ce"}, "abce"), "ce");
}

TEST(PhraseMatcher, LeavesOutDoublesThatDifferInCaseOnly) {
  const PhraseMatcher m({"Foo", "foo", "", "bar", "FOO"});
  EXPECT_EQ(m.phrases(), (Phrases{"Foo", "bar"}));
}

bool naive(const Phrases& phrases, const std::string& value) {
  const auto lower = [](std::string s) {
    for (char& c : s)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return s;
  };
  return std::any_of(phrases.begin(), phrases.end(), [&](const std::string& p) {
    return lower(value).find(lower(p)) != std::string::npos;
  });
}

TEST(PhraseMatcher, RandomListsAgainstSearching) {
  std::mt19937 random(7);
  const auto text = [&](std::size_t longest) {
    std::string s;
    for (auto n = random() % longest + 1; n > 0; --n)
      s += "abcABC\xff\0"s[random() % 8];
    return s;
  };
  for (int round = 0; round < 3000; ++round) {
    Phrases phrases;
    for (auto n = random() % 12 + 1; n > 0; --n)
      phrases.push_back(text(6));
    const PhraseMatcher m(phrases);
    for (int i = 0; i < 20; ++i) {
      const std::string value = text(24);
      const auto found = m.find(value);
      ASSERT_EQ(found.found, naive(phrases, value)) << round;
      if (found.found) {
        ASSERT_TRUE(naive(Phrases{std::string(found.text)}, value));
      }
    }
  }
}

TEST(PhraseMatcher, ManyPhrasesStaySmall) {
  std::mt19937 random(3);
  Phrases phrases;
  std::size_t bytes = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string p;
    for (auto n = random() % 20 + 5; n > 0; --n)
      p += static_cast<char>('a' + random() % 26);
    bytes += p.size();
    phrases.push_back(p);
  }
  const PhraseMatcher m(phrases);
  EXPECT_LT(m.bytes(), bytes * 24);
  for (const auto& p : phrases)
    ASSERT_TRUE(m.find("." + p).found);
}

TEST(PhraseLists, ArgumentOfPm) {
  EXPECT_EQ(split_phrases("a  b\tc "), (Phrases{"a", "b", "c"}));
  EXPECT_EQ(split_phrases("a|41 42|c d"), (Phrases{"aABc", "d"}));
  EXPECT_EQ(split_phrases("\"a b\""), (Phrases{"a", "b"}));
  EXPECT_EQ(split_phrases("a\\\\b \\:"), (Phrases{"a\\b", ":"}));
  EXPECT_EQ(split_phrases("a\\xb c"), (Phrases{"a\\xb", "c"}));  // unknown escape: as it stands
  EXPECT_EQ(split_phrases("|00|x"), (Phrases{"\0x"s}));
  EXPECT_EQ(split_phrases("  "), Phrases{});
}

TEST(PhraseLists, File) {
  Phrases phrases;
  parse_phrase_file("# comment\n\n  two words \r\n#x\nback\\slash\n../\nx", phrases);
  EXPECT_EQ(phrases, (Phrases{"two words", "back\\slash", "../", "x"}));
}

}  // namespace
}  // namespace weir::rules
