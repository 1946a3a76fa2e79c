// What is ruled out in front of libinjection, against libinjection itself.
#include "rules/operators/sqli_filter.h"

#include <array>
#include <cctype>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/ascii.h"
#include "rules/operators/injection.h"
#include "rules/operators/sqli_words.h"
#include "rules/requirement.h"
#include "tests/unit/rules_match/test_context.h"

// libinjection's own, as rules/libinjection.cmake names them. The state is larger than its state by far.
extern "C" {
char weir_libinjection_sqli_lookup_word(void* state, int lookup_type, const char* word, std::size_t length);
void weir_libinjection_sqli_init(void* state, const char* text, std::size_t length, int flags);
const char* weir_libinjection_sqli_fingerprint(void* state, int flags);
}

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
  return weir_libinjection_sqli_lookup_word(nullptr, 1, word.data(), word.size());
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

std::string fingerprint_of(const std::string& value) {
  constexpr int kAsItStands = 1, kAnsi = 8;
  alignas(std::max_align_t) std::array<char, 4096> state{};
  weir_libinjection_sqli_init(state.data(), value.data(), value.size(), kAsItStands | kAnsi);
  return weir_libinjection_sqli_fingerprint(state.data(), kAsItStands | kAnsi);
}

struct Check {
  std::size_t asked = 0, ruled_out = 0, worked_out = 0;

  void operator()(const std::string& value) {
    ++asked;
    const std::optional<std::string> fingerprint = sqli_fingerprint(value);
    if (fingerprint) {
      ++worked_out;
      ASSERT_EQ(*fingerprint, fingerprint_of(value)) << "'" << value << "'";
    }
    const bool out = one_word(value) || !may_be_sqli(value);
    if (!out) return;
    ++ruled_out;
    ASSERT_FALSE(detect_sqli(value).found)
        << "'" << value << "' is " << detect_sqli(value).fingerprint.data();
  }
};

// The table of fingerprints: all of five tokens and fewer, against libinjection's.
TEST(SqliFilter, KnowsEveryFingerprint) {
  std::size_t fingerprints = 0;
  std::size_t wrong = 0;
  std::string text = "0";
  const std::function<void(std::uint32_t)> go = [&](std::uint32_t before) {
    for (std::size_t t = 1; t < kTokenTypes; ++t) {
      const auto type = static_cast<TokenType>(t);
      const std::uint32_t packed = SqlWords::packed(before, type);
      text += kTokenLetters[t];
      const bool known = type_of(text) == 'F';
      fingerprints += known && type != TokenType::Tsql ? 1 : 0;
      EXPECT_FALSE(known && text.size() == 2) << text;
      wrong += known != SqlWords::instance().is_fingerprint(packed) ? 1 : 0;
      if (text.size() < 6) go(packed);
      text.pop_back();
    }
  };
  go(0);
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(fingerprints, 3000U);
  EXPECT_FALSE(SqlWords::instance().is_fingerprint(0));
}

// The letter of the word's type; '\0': no keyword.
char known_type(std::string_view word) {
  const SqlWord* const found = SqlWords::instance().find(word);
  return found == nullptr ? '\0' : kTokenLetters[static_cast<std::size_t>(found->type)];
}

TEST(SqliFilter, KnowsEveryKeyword) {
  const std::vector<std::string> all = keywords();
  EXPECT_GT(all.size(), 900U);
  for (const std::string& k : all) {
    EXPECT_EQ(known_type(k), type_of(k)) << k;
    EXPECT_EQ(known_type(lower(k)), type_of(k)) << k;
    EXPECT_LE(k.size(), SqlWord::kLongest);
    // What differs from a keyword by a byte at either end, or in between.
    for (const char* more : {"a", "s", "_", ".", "1", " x", "\xc1"}) {
      for (const std::string& other : {k + more, more + k, k.substr(1) + more, more + k.substr(1), k.substr(0, k.size() - 1),
                                       k.substr(0, k.size() / 2) + more + k.substr(k.size() / 2 + 1)}) {
        ASSERT_EQ(known_type(other), type_of(other)) << other;
      }
    }
  }
  for (const char* word : {"", "SeLeCt", "selected", "or", "oR", "o", "\xcf\xd2", "group  by", "a_very_long_word_of_more_than_31_bytes"}) {
    EXPECT_EQ(known_type(word), type_of(word)) << word;
  }
  for (int first = 0; first < 256; ++first) {
    if (std::isalnum(first) != 0 || first == '_' || first >= 128) continue;
    for (int second = 0; second < 256; ++second) {
      const std::string both = {static_cast<char>(first), static_cast<char>(second)};
      const char type = kTokenLetters[static_cast<std::size_t>(SqlWords::instance().signs(both[0], both[1]))];
      EXPECT_EQ(type, type_of(both)) << both;
    }
  }
}

// Words that are a keyword together: the first of them say that they begin one.
TEST(SqliFilter, KnowsTheFirstWordsOfKeywords) {
  std::size_t phrases = 0;
  for (const std::string& k : keywords()) {
    for (std::size_t blank = k.find(' '); blank != std::string::npos; blank = k.find(' ', blank + 1)) {
      ++phrases;
      const SqlWord* const first = SqlWords::instance().find(k.substr(0, blank));
      ASSERT_NE(first, nullptr) << k;
      EXPECT_TRUE((first->marks & SqlWord::kBegins) != 0) << k;
    }
  }
  EXPECT_GT(phrases, 100U);
  const SqlWord* const select = SqlWords::instance().find("values");
  EXPECT_TRUE(select == nullptr || (select->marks & SqlWord::kBegins) == 0);
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
  go("a1)(,o-", 6);
  go("@. in(:t", 5);
  go("1(-),+not ", 5);
  EXPECT_GT(check.ruled_out, check.asked / 4);
  EXPECT_GT(check.worked_out, check.asked / 2);
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

// Sentences of keywords with parentheses, signs and blanks: all ways in which tokens are put together.
TEST(SqliFilter, SequencesOfTokens) {
  std::vector<std::string> tokens = keywords();
  std::erase_if(tokens, [](const std::string& k) { return k[0] == '0'; });
  std::map<char, std::vector<std::string>> by_type;
  for (const std::string& k : tokens) by_type[type_of(k)].push_back(k);
  by_type['n'].insert(by_type['n'].end(), {"house", "a_b", "\xc3\xa9t\xc3\xa9", "x.y", "user.name", "1e", "0x", "a$b"});
  by_type['1'] = {"1", "1.5", ".5", "0x1f", "1e5", "true", "7d", "1."};
  by_type['v'].insert(by_type['v'].end(), {"@a", "@@b", "@", "@user"});
  by_type['f'].insert(by_type['f'].end(), {"user", "if", "database", "user_id"});
  by_type['w'] = {"in", "not", "not in", "like", "not like", "user", "password", "current_user", "localtime", "collate",
                  "is", "if", "group", "by", "order", "union", "all", "select", "distinct", "and", "or", "null", "int"};
  by_type['p'] = {"(", "(", ")", ")", ",", ",", ";", ".", ":", "?", "]"};
  by_type['s'] = {"+", "-", "!", "~", "!!", "=", "*", "/", "%", "<=>", "::", "&&", "||", "<", "|", "&", "^"};
  std::vector<const std::vector<std::string>*> kinds;
  for (const auto& [type, of] : by_type) kinds.push_back(&of);
  Check check;
  std::mt19937 random(7);
  for (int i = 0; i < 600000 && !HasFatalFailure(); ++i) {
    std::string value;
    for (std::size_t n = 1 + random() % 11; n > 0; --n) {
      const std::vector<std::string>& of = *kinds[random() % kinds.size()];
      const std::string& token = of[random() % of.size()];
      value += random() % 2 == 0 ? lower(token) : token;
      if (random() % 4 != 0) value += random() % 16 == 0 ? "\n" : " ";
    }
    check(value);
  }
  EXPECT_GT(check.worked_out, check.asked * 9 / 10);
  EXPECT_GT(check.ruled_out, check.asked / 3);
}

// Words are looked for in blocks of bytes: those that go over the end of one, and are read twice, and bytes behind them.
TEST(SqliFilter, LongWords) {
  const std::vector<std::string> words = keywords();
  const std::string bytes = "azAZ09_\x80\xc1\xff\xa0 .@[`{/:$\x7f\x01\n";
  Check check;
  std::mt19937 random(11);
  for (int i = 0; i < 200000 && !HasFatalFailure(); ++i) {
    std::string value;
    while (value.size() < 40 + random() % 120) {
      switch (random() % 5) {
        case 0: value += lower(words[random() % words.size()]); break;
        case 1: value += words[random() % words.size()] + "."; break;
        case 2: value += std::string(random() % 70, "ab_9"[random() % 4]); break;
        case 3: value += bytes[random() % bytes.size()]; break;
        default: value += " ";
      }
    }
    check(value);
  }
  EXPECT_GT(check.worked_out, check.asked / 4);
  std::string long_word(200, 'a');
  for (std::size_t at = 0; at < long_word.size(); ++at) {
    for (int b = 0; b < 256; ++b) {
      std::string value = long_word;
      value[at] = static_cast<char>(b);
      check(value + (b % 2 == 0 ? "" : " or 1=1"));
    }
  }
}

// After the tokens that make up the fingerprint nothing more is looked at, but quotes.
TEST(SqliFilter, ALongSentenceIsHarmlessWhateverFollows) {
  Check check;
  const std::string sentence = "the quick brown fox jumped over every lazy dog ";
  for (const char* evil : {"union select 1,2 from users", "or 1=1 -- ", "; drop table users", "/**/ union select",
                           "sleep(5)", "{``.``.id}", "#\nunion select 1"}) {
    check(sentence + evil);
    check("house " + std::string(evil));
    check("house door " + std::string(evil));
    EXPECT_FALSE(may_be_sqli(sentence + evil)) << evil;
    EXPECT_TRUE(may_be_sqli("1 " + std::string(evil))) << evil;
  }
  EXPECT_TRUE(may_be_sqli(sentence + "' or 1=1 --"));
  EXPECT_TRUE(may_be_sqli(sentence + "\" or 1=1 --"));
  EXPECT_FALSE(may_be_sqli(""));
  EXPECT_FALSE(may_be_sqli("time to change the group order between two cases, thanks"));
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
