// What is ruled out in front of libinjection, against libinjection itself.
#include "rules/operators/sqli_filter.h"

#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/ascii.h"
#include "rules/operators/injection.h"
#include "rules/requirement.h"
#include "tests/unit/rules_match/test_context.h"

extern "C" char libinjection_sqli_lookup_word(void* state, int lookup_type, const char* word, std::size_t length);

namespace weir::rules::operators {
namespace {

// Every piece of text in libinjection's object: among them all keywords of its table.
std::vector<std::string> texts_of_library() {
  std::ifstream in(WEIR_LIBINJECTION_OBJECT, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  std::set<std::string> found;
  std::string text;
  for (const char c : all) {
    if (c >= ' ' && c <= '~') {
      text += c;
      continue;
    }
    if (!text.empty() && text.size() < 64) found.insert(text);
    text.clear();
  }
  return {found.begin(), found.end()};
}

char type_of(const std::string& word) {
  return libinjection_sqli_lookup_word(nullptr, 1, word.data(), word.size());
}

std::vector<std::string> keywords() {
  std::vector<std::string> out;
  for (const std::string& s : texts_of_library()) {
    const char type = type_of(s);
    if (type != '\0' && type != 'F') out.push_back(s);
  }
  return out;
}

bool one_word(std::string_view s) {
  for (const char c : s) {
    if (!word_bytes()[static_cast<std::uint8_t>(c)]) return false;
  }
  return true;
}

struct Check {
  WordTypes types;
  std::size_t asked = 0, ruled_out = 0;

  void operator()(const std::string& value) {
    ++asked;
    const bool out = one_word(value) || !may_be_sqli(value, types);
    if (!out) return;
    ++ruled_out;
    ASSERT_FALSE(detect_sqli(value).found)
        << "'" << value << "' is " << detect_sqli(value).fingerprint.data();
  }
};

// The verdict rests on this: no fingerprint is made up of harmless tokens alone, and none of one
// word but for "X", which words do not give.
TEST(SqliFilter, NoFingerprintIsMadeOfHarmlessTokens) {
  const std::string harmless = "N1OF.,:?%\\";
  const std::string with_variables = "N1VF.,?";
  const std::string all = harmless + "KUBETVSA&C(){};X";
  std::size_t fingerprints = 0;
  std::string text = "0";
  const auto is_fingerprint = [&] { return type_of(text) == 'F'; };
  const std::function<void(const std::string&, bool, bool)> go = [&](const std::string& from, bool all_harmless,
                                                                     bool all_with_variables) {
    for (const char c : from) {
      text += c;
      const bool still = all_harmless && harmless.find(c) != std::string::npos;
      const bool still_with = all_with_variables && with_variables.find(c) != std::string::npos;
      if (is_fingerprint()) {
        ++fingerprints;
        EXPECT_FALSE(still || still_with) << text;
        if (text.size() == 2) {
          EXPECT_EQ(text, "0X");
        }
      }
      if (text.size() < 6) go(from, still, still_with);
      text.pop_back();
    }
  };
  go(all, true, true);
  EXPECT_GT(fingerprints, 8000U);
}

TEST(SqliFilter, KnowsEveryKeyword) {
  WordTypes types;
  std::size_t mattering = 0;
  for (int round = 0; round < 2; ++round) {
    for (const std::string& k : keywords()) {
      if (k.find(' ') != std::string::npos) continue;
      const char type = type_of(k);
      if (type != 'n' && type != 'f' && type != '1') {
        ++mattering;
        EXPECT_TRUE(types.matters(k)) << k;
      }
      EXPECT_EQ(types.ends_at_dot(k), type != 'n') << k;
    }
  }
  EXPECT_GT(mattering, 500U);
}

// Two harmless words that are a keyword together: the first of them is told apart.
TEST(SqliFilter, KnowsTheFirstWordsOfKeywords) {
  WordTypes types;
  std::size_t pairs = 0;
  for (const std::string& k : keywords()) {
    const std::size_t blank = k.find(' ');
    if (blank == std::string::npos) continue;
    ++pairs;
    const std::string rest = k.substr(blank + 1);
    const std::string second = rest.substr(0, rest.find(' '));
    EXPECT_TRUE(types.matters(k.substr(0, blank)) || types.matters(second)) << k;
    EXPECT_LE(k.size(), WordTypes::kLongest);
  }
  EXPECT_GT(pairs, 50U);
  EXPECT_TRUE(types.matters("SeLeCt"));
  EXPECT_TRUE(types.matters("or"));
  EXPECT_FALSE(types.matters("selected"));
}

TEST(SqliFilter, ShortValuesExhaustively) {
  Check check;
  const auto go = [&](const std::string& alphabet, std::size_t longest) {
    std::string value;
    const std::function<void()> rest = [&] {
      check(value);
      if (value.size() == longest || ::testing::Test::HasFatalFailure()) return;
      for (const char c : alphabet) {
        value += c;
        rest();
        value.pop_back();
      }
    };
    rest();
  };
  go("01bxedfnu_.", 6);
  go("1a.-+/ e*", 6);
  go("orOR1 .,=", 6);
  go("a1@ ,.:o", 6);
  go("@a=1.", 7);
  go("a1 -/*#;:%=", 5);
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  go(all, 2);
  EXPECT_GT(check.ruled_out, check.asked / 4);
}

// Keywords, numbers and signs put together at random, with and without something between them.
TEST(SqliFilter, SequencesOfKeywords) {
  const std::vector<std::string> words = keywords();
  ASSERT_GT(words.size(), 900U);
  const std::vector<std::string> plain = {"house", "x", "json", "1", "0", "12.5", "1e5", "0x1f", "0b", "a.b",
                                          "user.name", "json.select.x", "1.", ".5", "\xc3\xa9t\xc3\xa9", "_ga",
                                          "63rd", "4tPefUL", "ab12", "x1", "n", "q", "e", "true"};
  const std::vector<std::string> between = {" ", " ", " ", " ", "  ", ".", ",", ", ", "-", "--", ":", "::", "=", "+",
                                            "/", "//", "?", "%", "<", ">", "<=", ":=", "", "\t", "\n", ";", "(", ")",
                                            "'", "\"", "/*", "*/", "#", "\\", "@", "$", "{", "}", "[", "]", "&",
                                            "|", "!", "~", "^", "*", "`", "\xa0", std::string(1, '\0')};
  Check check;
  std::mt19937 random(5);
  for (int i = 0; i < 400000 && !HasFatalFailure(); ++i) {
    std::string value;
    const std::size_t kinds = random() % 3;  // of what stands between: blanks; signs; everything
    for (std::size_t n = 1 + random() % 10; n > 0; --n) {
      std::string word = random() % 3 == 0 ? words[random() % words.size()] : plain[random() % plain.size()];
      if (random() % 2 == 0) word = lower(word);
      value += word;
      if (n == 1 && random() % 4 != 0) continue;
      value += between[random() % (kinds == 0 ? 5 : kinds == 1 ? 23 : between.size())];
    }
    check(value);
  }
  EXPECT_GT(check.ruled_out, check.asked / 20);
  for (const std::string& w : words) {
    for (const char* before : {"", "1", "0b", "0x", "0b1", "1e", "1e1", "1.", "1d", "0xf", "a ", "1 ", "a.", "n1", "_"}) {
      check(before + w);
      check(before + lower(w) + "1");
    }
  }
}

// After so many bare words nothing more is looked at.
TEST(SqliFilter, ALongSentenceIsHarmlessWhateverFollows) {
  Check check;
  const std::string sentence = "the quick brown fox jumped over every lazy dog ";
  for (const char* evil : {"union select 1,2 from users", "or 1=1 -- ", "; drop table users", "/**/ union select",
                           "sleep(5)", "{``.``.id}", "#\nunion select 1"}) {
    check(sentence + evil);
    check("house " + std::string(evil));
    check("house door " + std::string(evil));
  }
  EXPECT_EQ(check.ruled_out, 6U);  // all sentences but that with quotes
  WordTypes types;
  EXPECT_TRUE(may_be_sqli(sentence + "' or 1=1 --", types));
  EXPECT_FALSE(may_be_sqli("", types));
}

TEST(SqliFilter, TheOperatorAsksFirst) {
  TestOperator op("detectsqli");
  const Requirement r = requirement_of(*op.op);
  EXPECT_FALSE(holds(r, "union"));
  EXPECT_FALSE(holds(r, "4tPefULMj1_"));
  EXPECT_TRUE(holds(r, "1 or 1"));
  EXPECT_TRUE(op.matches("1 or 1=1"));
}

}  // namespace
}  // namespace weir::rules::operators
