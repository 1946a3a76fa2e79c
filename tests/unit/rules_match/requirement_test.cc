// What rules operators out: no requirement may fail for a value that matches. Tables, every small
// pattern on every short value, and random ones.
#include "rules/requirement.h"

#include <algorithm>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/ascii.h"
#include "rules/bits.h"
#include "rules/piece_scan.h"
#include "rules/transforms/effect.h"
#include "tests/unit/rules_match/small_patterns.h"
#include "tests/unit/rules_match/test_context.h"

namespace weir::rules {
namespace {

using std::string_literals::operator""s;

Requirement requirement(const std::string& pattern) {
  TestOperator op("rx", pattern);
  EXPECT_NE(op.op, nullptr) << pattern << ": " << op.error;
  return op.op == nullptr ? Requirement{} : requirement_of(*op.op);
}

struct Case {
  const char* pattern;
  std::size_t least;
  const char* absent;   // a value that is ruled out, or null
  const char* present;  // one that survives
};

TEST(Requirement, KnowsWhatAPatternNeeds) {
  const Case cases[] = {
      {"abc", 3, "abd", "xabcx"},
      {"(?i)abc", 3, "abd", "ABC"},
      {"(?:union|select)\\s+x", 7, "union;;y", "union   x"},
      {"a?b*c+", 1, "", "c"},
      {"a{0,3}b{2,}", 2, "b", "bb"},
      {"[^a]", 1, "", "b"},
      {"[(;]x", 2, "ax", "(x"},
      {"\\x41\\x{42}", 2, "ac", "AB"},
      {"a(?=b)", 1, "", "ab"},
      {"(?<=x)y", 1, "", "xy"},
      {"\\bfoo\\b", 3, "xfoo", "a foo."},
      {"\\bfoo\\b", 3, "food", "foo"},
      {"foo\\W", 4, "food", "foo!"},
      {"(a)\\1", 1, "", "aa"},
      {"^$", 0, nullptr, ""},
      {"^get$", 3, "getx", "GET"},
      {"^get", 3, "xget", "getx"},
      {"get$", 3, "getx", "xget"},
      {"\\d+-\\w", 3, "1a2", "1-a"},
      {"[\\]x]{2}", 2, "]", "]x"},
      {"a.c", 3, "ac", "a\nc"},
      {"\\Qa.b\\E", 0, nullptr, "a.b"},  // not understood: survives
      {"a++b", 2, "a", "ab"},
      {"x{,3}", 5, "x{,4}", "x{,3}"},
      {"sleep\\s*\\(", 6, "sleep 5", "SLEEP (5"},
      {"c[\"'\\\\]*a[\"'\\\\]*t", 3, nullptr, "c'a\"t"},
      {"c[\"'\\\\]*a[\"'\\\\]*t", 3, "dog", "cat"},
      {"(?m)^abc$", 3, "abd", "x\nabc\ny"},
      {"\\0ab", 3, "ab", nullptr},
      {"(?:abc|^)def", 3, "adef", "def"},
      {"a\\bb", 0, "ab", nullptr},
  };
  for (const Case& c : cases) {
    const Requirement r = requirement(c.pattern);
    EXPECT_EQ(r.least, c.least) << c.pattern;
    if (c.present != nullptr) {
      EXPECT_TRUE(holds(r, c.present)) << c.pattern << " on " << c.present;
    }
    if (c.absent != nullptr) {
      EXPECT_FALSE(holds(r, c.absent)) << c.pattern << " on " << c.absent;
    }
  }
}

TEST(Requirement, OtherOperatorsToo) {
  const auto of = [](const char* name, const char* argument) {
    return requirement_of(*TestOperator(name, argument).op);
  };
  EXPECT_FALSE(holds(of("pm", "cat dog"), "a cow"));
  EXPECT_TRUE(holds(of("pm", "cat dog"), "hotDOGs"));
  EXPECT_FALSE(holds(of("streq", "GET /"), "GET /x"));
  EXPECT_TRUE(holds(of("streq", "GET /"), "GET /"));
  EXPECT_FALSE(holds(of("beginswith", "app/"), "x app/"));
  EXPECT_TRUE(holds(of("endswith", ".pdf"), "x.pdf"));
  EXPECT_FALSE(holds(of("endswith", ".pdf"), "x.pdf.txt"));
  EXPECT_FALSE(holds(of("contains", "<?php"), "php"));
  EXPECT_FALSE(holds(of("contains", "#"), "abc"));
  EXPECT_TRUE(holds(of("contains", "#"), "a#"));
  EXPECT_TRUE(holds(of("contains", "K"), "k"));
  EXPECT_FALSE(holds(of("validatebyterange", "1-255"), "abc"));
  EXPECT_TRUE(holds(of("validatebyterange", "1-255"), "a\0c"s));
  EXPECT_FALSE(holds(of("validateurlencoding", ""), "abc"));
  EXPECT_FALSE(holds(of("validateutf8encoding", ""), "abc"));
  EXPECT_TRUE(holds(of("validateutf8encoding", ""), "\xff"));
  // An operator of which nothing is known lets everything through.
  EXPECT_TRUE(holds(of("within", "a b"), ""));
  EXPECT_TRUE(holds(of("contains", ""), ""));
}

// Every requirement, and the factors for every set of absent bytes, against PCRE2.
void check(const std::string& pattern, const std::vector<std::string>& values,
           const std::vector<ByteSet>& absent_sets, std::size_t& ruled_out) {
  auto regex = Regex::compile(pattern, {});
  if (!regex) return;
  TestOperator op("rx", pattern);
  const Requirement r = requirement_of(*op.op);
  const auto tree = RegexTree::parse(pattern, false, false);
  std::vector<Factors> factors;
  for (const ByteSet& absent : absent_sets) {
    if (tree) factors.push_back(factors_of(*tree, absent));
  }
  static ReScratch scratch;
  for (const std::string& value : values) {
    const bool match = (*regex)->search(value, scratch, {}) == ReResult::Match;
    if (!match) {
      ruled_out += holds(r, value) ? 0U : 1U;
      continue;
    }
    ASSERT_TRUE(holds(r, value)) << pattern << " on '" << value << "'";
    ByteSet present;
    for (const char c : value)
      present[static_cast<std::uint8_t>(c)] = true;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if ((present & absent_sets[i]).any()) continue;
      const Factors& f = factors[i];
      Requirement own;
      own.least = f.least;
      if (!f.pieces.empty()) own.texts.push_back({0, f.pieces});
      ASSERT_TRUE(f.possible && holds(own, value)) << pattern << " on '" << value << "', set " << i;
      own.texts = {{0, f.second}};
      const bool second = !f.second.empty() || f.second_bytes.any();
      ASSERT_TRUE(!second || (f.second_bytes & present).any() || holds(own, value)) << pattern << " on '" << value << "', set " << i;
      for (ByteSet bytes : f.bytes) {
        fold_case(bytes);
        ASSERT_TRUE((bytes & present).any()) << pattern << " on '" << value << "', set " << i;
      }
    }
  }
}

std::vector<ByteSet> small_sets() {
  std::vector<ByteSet> out(4);
  out[1]['\''] = out[2]['('] = out[3]['\''] = out[3]['('] = out[3][' '] = true;
  return out;
}

TEST(Requirement, EverySmallPatternOnEveryShortValue) {
  const std::vector<std::string> values = all_values(kAlphabet, 4);
  std::size_t ruled_out = 0;
  const std::vector<std::string> patterns = small_patterns();
  for (const std::string& pattern : patterns) {
    check(pattern, values, small_sets(), ruled_out);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(ruled_out, patterns.size() * values.size() / 8);
}

TEST(Requirement, RandomPatterns) {
  const std::vector<std::string> values = all_values(kAlphabet, 4);
  std::mt19937 random(3);
  std::size_t ruled_out = 0;
  for (int i = 0; i < 1500; ++i) {
    check(random_pattern(random, 4), values, small_sets(), ruled_out);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(ruled_out, 100000U);
}

// Patterns of words, of which values hold some.
TEST(Requirement, RandomPatternsOfWords) {
  const std::vector<std::string> words = {"abcd", "bcda", "dcba", "aabb", "0", "7", " ", "'", "\\(", "ab", "_"};
  const std::vector<std::string> sets = {"\\d", "\\d+", "[0-9(]", "[0-9_]+", "[^a-z]", "\\s+", "\\s*", ".*", "\\b", "^", "$", "['( ]", "\\w"};
  const std::vector<std::string> texts = {"abcd", "bcda", "dcba", "aabb", "bxyb", "0", "7", " ", "'", "(", "ab", "_"};
  // Two of them after each other are more than all of whose words are known together.
  std::string many = "(?:abcd|aabb";
  for (char c = 'a'; c <= 'z'; ++c) many += std::string("|") + c + "xy" + c;
  many += ')';
  std::mt19937 random(31);
  const std::function<std::string(int)> pattern = [&](int depth) -> std::string {
    if (depth == 0 || random() % 5 == 0) {
      const auto kind = random() % 8;
      return kind < 2 ? sets[random() % sets.size()] : kind == 2 ? many : words[random() % (kind < 5 ? words.size() : 4)];
    }
    switch (random() % 5) {
      case 0:
      case 1: return pattern(depth - 1) + pattern(depth - 1);
      case 2: return pattern(depth - 1) + sets[random() % 8] + pattern(depth - 1);
      case 3: return "(?:" + pattern(depth - 1) + "|" + pattern(depth - 1) + ")";
      default: return "(?:" + pattern(depth - 1) + ")" + (random() % 2 == 0 ? "?" : "{1,2}");
    }
  };
  std::vector<std::string> values;
  for (int i = 0; i < 400; ++i) {
    std::string value;
    for (std::size_t k = random() % 6; k > 0; --k) value += texts[random() % texts.size()];
    values.push_back(value);
  }
  std::size_t ruled_out = 0, several = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string p = pattern(4);
    check(p, values, small_sets(), ruled_out);
    if (HasFatalFailure()) return;
    several += requirement(p).texts.size() > 1 ? 1U : 0U;
  }
  EXPECT_GT(ruled_out, 300000U);
  EXPECT_GT(several, 300U);
}

TEST(Requirement, KnowsWhatElseAPatternNeeds) {
  // Of what ordinary text holds one thing, but hardly both.
  std::string first, second;
  for (const char c : std::string("bcdfghjklmnpqrstvwxz")) {
    first += std::string(first.empty() ? "" : "|") + c + "aquo" + c;
    second += std::string(second.empty() ? "" : "|") + c + "ixem" + c;
  }
  const struct {
    std::string pattern, absent, present;
  } cases[] = {
      {"(?i)alter\\s*(?:table|group|service)", "the service of a group", "alter the group"},
      {"create\\s+table|drop\\s+index", "the table", "create a table"},
      {"case.+when.*?then", "in any case", "in case when then"},
      {"(?:between|nothing)\\s+\\d+", "between them", "4 between"},
      {"(?:between|nothing)\\s+[0-9_]+x", "between them", "between _ them"},
      {"(?:between|nothing)\\s*\\(", "between them", "between (them)"},
      // Where all words together would be too many.
      {"(?:" + first + ")\\s+(?:" + second + ")", "haquoh daquod", "haquoh dixemd"},
      {"(?:" + first + ")\\s+(?:" + second + ")", "dixemd", "haquoh dixemd"},
      {"(?:(?:" + first + ")\\s+(?:" + second + ")|nothing)", "nixemn", "nothing"},
  };
  for (const auto& c : cases) {
    const Requirement r = requirement(c.pattern);
    EXPECT_FALSE(holds(r, c.absent)) << c.pattern << " on " << c.absent;
    EXPECT_TRUE(holds(r, c.present)) << c.pattern << " on " << c.present;
  }
}

TEST(Requirement, PrefersFewPieces) {
  std::string words;
  for (char c = 'a'; c <= 'z'; ++c) words += std::string("|") + c + "udit" + c + "|" + c + "luster" + c;
  const Requirement r = requirement("alter\\s*(?:group" + words + ")|drop\\s+x");
  ASSERT_FALSE(r.texts.empty());
  EXPECT_EQ(r.texts.front().pieces.size(), 2U);
}

// libinjection itself, on every short value and on many longer ones without the bytes that are
// required.
TEST(Requirement, OfDetectXss) {
  TestOperator op("detectxss");
  const Requirement r = requirement_of(*op.op);
  EXPECT_FALSE(holds(r, "onload alert(1)"));
  EXPECT_TRUE(holds(r, "x onload=alert(1)"));
  EXPECT_TRUE(holds(r, "<script>"));
  const std::string alphabet("on \"'`/>!-?%\0&:x"s);
  for (const std::string& value : all_values(alphabet, 4)) {
    ASSERT_FALSE(op.matches(value)) << "'" << value << "'";
  }
  const char* const words[] = {
      "onload",   "script",   "style",  "href", "javascript:", "!--",  "?xml",
      "![CDATA[", "!doctype", "/",      ">",    "'",           "\"",   "`",
      " ",        "import",   "entity", "svg",  "%",           "xmlns"};
  std::mt19937 random(21);
  for (int i = 0; i < 100000; ++i) {
    std::string value;
    for (std::size_t k = 0; k < 1 + random() % 8; ++k)
      value += words[random() % std::size(words)];
    ASSERT_FALSE(op.matches(value)) << "'" << value << "'";
  }
}

// Which of the pieces the scanner finds.
std::vector<bool> found_by(const PieceScanner& scanner, std::size_t pieces, std::string_view value, bool short_ones) {
  std::vector<bool> found(pieces);
  scanner.scan(value, short_ones, [](std::uint32_t) { return true; }, [&](std::uint32_t p) { found[p] = true; });
  return found;
}

// The scanner, which was made of these pieces, against the definition. Returns which it finds.
std::vector<bool> expect_as_defined(const PieceScanner& scanner, std::span<const Piece> pieces, const std::string& value) {
  std::vector<bool> found = found_by(scanner, pieces.size(), value, true);
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    Requirement one;
    one.texts.push_back({0, {pieces[p]}});
    EXPECT_EQ(found[p], holds(one, value)) << pieces[p].text << " in '" << value << "'";
  }
  return found;
}

TEST(PieceScan, FindsWhatIsThereAndNothingElse) {
  std::mt19937 random(5);
  const std::string alphabet = "abAB_ .\xc3";
  const auto text = [&](std::size_t n) {
    std::string s;
    for (std::size_t i = 0; i < n; ++i)
      s += alphabet[random() % alphabet.size()];
    return s;
  };
  std::size_t found_in_all = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < 1 + random() % 40; ++i) {
      const auto edge = [&] { return static_cast<Piece::Edge>(random() % 3); };
      const std::size_t most = i % 5 == 0 ? 30 : 6;
      pieces.push_back({lower(text(2 + random() % most)), edge(), edge()});
    }
    PieceScanner scanner;
    scanner.build(pieces);
    for (int i = 0; i < 40; ++i) {
      std::string value = text(random() % (i % 8 == 0 ? 300 : 40));
      // Long pieces are never there by chance.
      if (i % 2 == 0) value.insert(random() % (value.size() + 1), pieces[random() % pieces.size()].text);
      const std::vector<bool> found = expect_as_defined(scanner, pieces, value);
      ASSERT_FALSE(HasFailure());
      found_in_all += static_cast<std::size_t>(std::count(found.begin(), found.end(), true));
      const std::vector<bool> of_long = found_by(scanner, pieces.size(), value, false);
      for (std::size_t p = 0; p < pieces.size(); ++p) ASSERT_EQ(of_long[p], found[p] && !pieces[p].is_short());
    }
  }
  EXPECT_GT(found_in_all, 1000U);
}

// A piece wherever blocks of the scanner begin and end, with its rarest window first, last and in the middle.
TEST(PieceScan, FindsWhatLiesAcrossBlocks) {
  std::vector<Piece> pieces;
  for (const char* text : {"zqxj", "eeeezqxj", "zqxjeeee", "eezqxjee", "ethereisazqxj", "zqxjthereisa", "ezqx", "eezq", "ezq", "zq"}) {
    pieces.push_back({text, Piece::Edge::Open, Piece::Edge::Open});
  }
  PieceScanner scanner;
  scanner.build(pieces);
  for (std::size_t size = 20; size < 300; size += 7) {
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      const std::string& text = pieces[p].text;
      for (std::size_t at = 0; at + text.size() <= size; ++at) {
        std::string value(size, '.');
        value.replace(at, text.size(), text);
        ASSERT_TRUE(found_by(scanner, pieces.size(), value, true)[p]) << text << " at " << at << " of " << size;
      }
    }
  }
}

// Whatever byte stands beside a window, inside the piece or outside, where the value begins and ends, too.
TEST(PieceScan, TakesEveryByteBesideAWindow) {
  using Edge = Piece::Edge;
  std::vector<Piece> pieces;
  for (const Edge left : {Edge::Open, Edge::Boundary, Edge::End}) {
    for (const Edge right : {Edge::Open, Edge::Boundary, Edge::End}) {
      for (const char* text : {"zqxj", "zqx", "zq"}) pieces.push_back({text, left, right});
    }
  }
  PieceScanner scanner;
  scanner.build(pieces);
  for (int c = 0; c < 256; ++c) {
    const std::string byte(1, static_cast<char>(c));
    const std::vector<Piece> own = {{lower(byte) + "zqxj", Edge::Open, Edge::Open}, {"zqxj" + lower(byte), Edge::Open, Edge::Open}};
    PieceScanner scanner_of_own;
    scanner_of_own.build(own);
    expect_as_defined(scanner_of_own, own, "zqxj");
    for (const std::string window : {"zqxj", "ZQXJ", "zqx", "zq"}) {
      for (const std::string& value : {byte + window, window + byte, byte + window + byte, std::string(70, '.') + byte + window + byte}) {
        expect_as_defined(scanner, pieces, value);
        expect_as_defined(scanner_of_own, own, value);
        ASSERT_FALSE(HasFailure());
      }
    }
  }
  expect_as_defined(scanner, pieces, "zqxj");
}

// Any of the pieces, laid out by themselves: what is found of them is what is found of all.
TEST(PieceScan, FindsOfASelectionWhatItFindsOfAll) {
  std::mt19937 random(17);
  const std::string alphabet = "abcAB_ .\xc3";
  const auto text = [&](const std::string& letters, std::size_t n) {
    std::string s;
    for (std::size_t i = 0; i < n; ++i) s += letters[random() % letters.size()];
    return s;
  };
  PieceScanner::Draft draft;
  std::size_t found = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < 1 + random() % 90; ++i) {
      const auto edge = [&] { return random() % 2 == 0 ? Piece::Edge::Open : static_cast<Piece::Edge>(random() % 3); };
      pieces.push_back({lower(text(alphabet, 2 + random() % 7)), edge(), edge()});
    }
    PieceScanner scanner;
    scanner.build(pieces);
    ASSERT_EQ(scanner.size(), pieces.size());
    for (int turn = 0; turn < 8; ++turn) {
      // None, all, few, many; of some lengths alone.
      Bits chosen((pieces.size() + 63) / 64);
      std::size_t least = SIZE_MAX;
      const std::size_t longest = turn % 3 == 0 ? 3 : 100;
      for (std::size_t p = 0; p < pieces.size(); ++p) {
        const bool in = turn == 0 ? false : turn == 1 || (random() % 8 < static_cast<unsigned>(turn) && pieces[p].text.size() <= longest);
        if (!in) continue;
        set_bit(chosen.data(), p);
        least = std::min(least, pieces[p].text.size());
      }
      // For texts of some letters, and of so many that short pieces have no windows of their own.
      const std::string letters = turn % 2 == 0 ? alphabet : alphabet.substr(random() % 6, 4);
      ByteSet bytes;
      for (const char c : letters) bytes.set(static_cast<std::uint8_t>(c));
      if (turn == 5) bytes.set();
      scanner.draft(chosen.data(), bytes, draft);
      // A block of just the size: nothing may be written behind it.
      const auto memory = std::make_unique<std::byte[]>(draft.bytes());
      std::fill_n(memory.get(), draft.bytes(), std::byte{0xee});
      PieceScanner::Selection selection;
      scanner.select(draft, memory.get(), selection);
      ASSERT_EQ(selection.least(), least);
      for (int i = 0; i < 20; ++i) {
        const std::string value = text(letters, random() % (i % 8 == 0 ? 300 : 40));
        const std::vector<bool> all = found_by(scanner, pieces.size(), value, true);
        for (const bool short_ones : {true, false}) {
          std::vector<bool> some(pieces.size());
          scanner.scan(selection, value, short_ones, [&](std::uint32_t p) { some[p] = true; });
          for (std::size_t p = 0; p < pieces.size(); ++p) {
            if (some[p]) { ASSERT_TRUE(all[p] && bit_of(chosen.data(), p)) << pieces[p].text << " in '" << value << "'"; }
            if (all[p] && bit_of(chosen.data(), p) && (short_ones || !pieces[p].is_short())) {
              ASSERT_TRUE(some[p]) << pieces[p].text << " in '" << value << "'";
            }
            found += some[p] ? 1 : 0;
          }
        }
      }
    }
  }
  EXPECT_GT(found, 1000U);
}

constexpr std::size_t kTransforms = static_cast<std::size_t>(Transform::Utf8ToUnicode) + 1;

void check_effect(Transform t, const std::string& value, std::size_t& left) {
  base::Arena arena;
  const ClassMask present = classes_of(value);
  const Transformed out = apply(t, value, arena, nullptr);
  if (told_by_classes(t)) { ASSERT_EQ(leaves(t, value, present), !may_change(t, present)) << transform_name(t); }
  ASSERT_LE(out.value.size(), result_bound(t, value))
      << transform_name(t) << " of '" << value << "'";
  const bool same = fold_equal(out.value, value);
  if (!may_change(t, present)) {
    ASSERT_TRUE(same) << transform_name(t) << " of '" << value << "'";
  }
  if (keeps(t, present)) {
    ASSERT_EQ(out.value, value) << transform_name(t);
    ASSERT_FALSE(out.changed) << transform_name(t) << " of '" << value << "'";
  }
  if (keeps(t, value, present)) {
    ASSERT_EQ(out.value, value) << transform_name(t);
    ASSERT_FALSE(out.changed) << transform_name(t) << " of '" << value << "'";
  }
  if (leaves(t, value, present)) {
    ASSERT_TRUE(same) << transform_name(t) << " of '" << value << "'";
    ++left;
  }
  if (!same) {
    ASSERT_EQ(lowered(classes_of(out.value)) & ~lowered(present | outcome(t, present)), 0U)
        << transform_name(t) << " of '" << value << "'";
  }
}

// What more there is in a value makes no transformation leave it alone: the prefilter counts on it (Decoding::sparks).
TEST(TransformEffect, MoreClassesChangeNoLess) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) {
    const ClassMask some = random() & random() & classes::kAll;
    const ClassMask more = some | (random() & random() & random() & classes::kAll);
    for (std::size_t t = 0; t < kTransforms; ++t) {
      if (may_change(static_cast<Transform>(t), some)) { ASSERT_TRUE(may_change(static_cast<Transform>(t), more)); }
    }
  }
}

TEST(TransformEffect, IsNeverLessThanTold) {
  const std::string alphabet("aA0 \t%+/.\\*&#x-\0\xc3\xa0\",(<!u=^"s);
  std::size_t left = 0;
  for (const std::string& value : all_values(alphabet, 2)) {
    for (std::size_t t = 0; t < kTransforms; ++t)
      check_effect(static_cast<Transform>(t), value, left);
  }
  std::mt19937 random(9);
  for (int i = 0; i < 20000; ++i) {
    // Few kinds of bytes at a time, so that much of what could happen does not.
    std::string few;
    for (std::size_t k = 0; k < 1 + random() % 4; ++k)
      few += alphabet[random() % alphabet.size()];
    std::string value;
    for (std::size_t k = 0; k < random() % 40; ++k)
      value += few[random() % few.size()];
    for (std::size_t t = 0; t < kTransforms; ++t)
      check_effect(static_cast<Transform>(t), value, left);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(left, 20000U * kTransforms / 4);
}

// Selectors that are only text are not given to PCRE2: they have to say the same.
TEST(PlainText, MatchesAsItsPatternDoes) {
  std::vector<std::string> patterns = small_patterns();
  for (const char* p : {"^ab", "ab$", "^ab$", "a'b", "^_pk_ref", "AB", "^A'$", "(?-i)ab", "(?-i)^'$", "^", "$", "^$", "a^b",
                        "\\x41b", "(?:ab)", "a|b", "ab(?=a)", "[aA]b", "\\bab", "ab.*", "ab'*", "ab.*+", ".*+ab", "^ab.*$", "ab(?:a|b)?", "a(?=b)*", "ab$'*", "a.*b*"}) {
    patterns.emplace_back(p);
  }
  const std::vector<std::string> values = all_values("aAb'", 4);
  ReScratch scratch;
  std::size_t plain = 0;
  for (const std::string& pattern : patterns) {
    const auto tree = RegexTree::parse(pattern, true, false);
    const auto text = tree ? tree->plain_text() : std::nullopt;
    if (!text) continue;
    ++plain;
    auto regex = Regex::compile(pattern, {.caseless = true});
    ASSERT_TRUE(regex) << pattern;
    for (const std::string& value : values) {
      ASSERT_EQ(text->matches(value), (*regex)->search(value, scratch, {}) == ReResult::Match)
          << pattern << " on '" << value << "'";
    }
  }
  EXPECT_GT(plain, 20U);
  EXPECT_TRUE(RegexTree::parse("^_pk_ref", true, false)->plain_text());
  EXPECT_FALSE(RegexTree::parse("^_ga(?:_\\w+)?$", true, false)->plain_text());
  EXPECT_TRUE(RegexTree::parse("paramcounter_.*", true, false)->plain_text());
  EXPECT_FALSE(RegexTree::parse(".*+ab", true, false)->plain_text());
}

TEST(ByteClasses, EverySignIsItsOwn) {
  ClassMask all = 0;
  for (unsigned b = 0; b < 256; ++b) {
    const ClassMask mask = kClassOf[b];
    EXPECT_EQ(mask & (mask - 1), 0U);
    all |= mask;
    const bool sign = b > ' ' && b < 127 && !std::isalnum(static_cast<int>(b));
    if (sign || b == ' ' || b == 0) {
      EXPECT_EQ(bytes_of(mask).count(), 1U) << b;
    }
    EXPECT_TRUE(bytes_of(mask)[b]);
  }
  EXPECT_EQ(all, classes::kAll);
  EXPECT_EQ(classes_of("aZ9"), classes::kLower | classes::kUpper | classes::kDigits);
  EXPECT_EQ(lowered(classes::kUpper), classes::kLower);
}

// Texts of every length up to a few blocks, most of them letters and digits as values are, against byte for byte.
TEST(ByteClasses, OfATextAreThoseOfItsBytes) {
  std::mt19937 random(9);
  for (std::size_t length = 0; length < 140; ++length) {
    for (int i = 0; i < 400; ++i) {
      std::string text(length, 'a');
      for (char& c : text) {
        c = static_cast<char>(random() % 8 == 0 ? random() : static_cast<unsigned>("azAZ09 .m"[random() % 9]));
        if (i % 4 == 0 && random() % 3 == 0) c = "+&+=+++"[random() % 7];  // much of a form is that
      }
      ClassMask mask = 0;
      for (const char c : text) mask |= class_of(c);
      ASSERT_EQ(classes_of(text), mask) << text;
    }
  }
  for (unsigned b = 0; b < 256; ++b) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{15}, std::size_t{16}, std::size_t{19}}) {
      for (const std::size_t length : {std::size_t{20}, std::size_t{45}, std::size_t{96}}) {
        std::string text(length, 'x');
        text[length - 1 - at] = static_cast<char>(b);
        ASSERT_EQ(classes_of(text), class_of('x') | class_of(static_cast<char>(b))) << b << " at " << at;
      }
    }
  }
}

}  // namespace
}  // namespace weir::rules
