#include "rules/lexer.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace weir::rules::syntax {
namespace {

std::vector<std::string> lines(std::string_view text) {
  Lexer lexer(text, 0);
  LogicalLine line;
  std::vector<std::string> out;
  while (lexer.next(line))
    out.push_back(line.text());
  return out;
}

using Strings = std::vector<std::string>;

TEST(Lexer, LogicalLines) {
  const std::vector<std::pair<std::string, Strings>> cases = {
      {"", {}},
      {"\n\n  \n\t\r\n", {}},
      {"a", {"a"}},
      {"a\nb\n", {"a", "b"}},
      {"a\r\nb\r\n", {"a", "b"}},
      {"  a  \n\tb\t\n", {"a", "b"}},
      {"# c\na", {"a"}},
      {"  # c\na", {"a"}},
      {"a # c", {"a # c"}},
      {"a \\\n b", {"a  b"}},
      {"a\\\nb", {"ab"}},
      {"a\\\r\nb", {"ab"}},
      {"a \\\\\nb", {"a \\b"}},     // only the last backslash goes
      {"a \\ \nb", {"a \\", "b"}},  // a blank behind it: no continuation
      {"a \\\n# no comment", {"a # no comment"}},
      {"# comment \\\nstill comment\na", {"a"}},
      {"a \\\n\\\n\\\nb", {"a b"}},
      {"a \\\n\nb", {"a", "b"}},  // the empty line ends it
      {"\\\n\\\na", {"a"}},
      {"a\\", {"a"}},
      {"\xEF\xBB\xBF"
       "a\n",
       {"a"}},
      {"a\rb\n", {"a\rb"}},
      {"a\v\f\n", {"a"}},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(lines(text), expected) << text;
}

TEST(Lexer, Flags) {
  {
    Lexer lexer("a\\", 0);
    LogicalLine line;
    ASSERT_TRUE(lexer.next(line));
    EXPECT_TRUE(lexer.dangling_backslash());
  }
  {
    Lexer lexer(std::string_view("a\0b\nc", 5), 0);
    LogicalLine line;
    ASSERT_TRUE(lexer.next(line));
    EXPECT_TRUE(lexer.has_nul());
    ASSERT_TRUE(lexer.next(line));
    EXPECT_FALSE(lexer.has_nul());
  }
  {
    const std::string text = std::string(30, 'x') + "\\\n" + std::string(30, 'y') + "\nz";
    Lexer lexer(text, 0, LexerLimits{50});
    LogicalLine line;
    ASSERT_TRUE(lexer.next(line));
    EXPECT_TRUE(lexer.too_long());
    EXPECT_EQ(line.begin().line, 1U);
    ASSERT_TRUE(lexer.next(line));
    EXPECT_FALSE(lexer.too_long());
    EXPECT_EQ(line.text(), "z");
  }
  {
    Lexer lexer("# a \\\nSecRule b\n# \\\nSecond\nx", 0);
    LogicalLine line;
    ASSERT_TRUE(lexer.next(line));
    const auto swallowed = lexer.take_swallowed();
    ASSERT_EQ(swallowed.size(), 1U);
    EXPECT_EQ(swallowed[0].line, 2U);
    EXPECT_EQ(swallowed[0].column, 1U);
  }
}

// Every byte of a logical line is found again at its place, whatever the text.
TEST(Lexer, PositionsPointAtTheirBytes) {
  std::mt19937 random(1);
  const std::string_view alphabet = "ab \\\\\\\n\n\r\t#\"'";
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto n = random() % 40; n > 0; --n)
      text.push_back(alphabet[random() % alphabet.size()]);
    Strings physical(1);
    for (const char c : text) {
      if (c == '\n') {
        physical.emplace_back();
      } else {
        physical.back().push_back(c);
      }
    }
    Lexer lexer(text, 7);
    LogicalLine line;
    while (lexer.next(line)) {
      for (std::size_t i = 0; i < line.text().size(); ++i) {
        const Position at = line.position(i);
        ASSERT_EQ(at.file, 7U);
        ASSERT_GE(at.line, 1U);
        ASSERT_LE(at.line, physical.size());
        ASSERT_GE(at.column, 1U);
        ASSERT_LE(at.column, physical[at.line - 1].size()) << text;
        ASSERT_EQ(physical[at.line - 1][at.column - 1], line.text()[i]) << text;
      }
      ASSERT_GE(line.end().line, line.begin().line);
    }
  }
}

Strings words(std::string_view line, Semantics semantics = Semantics::ModSecurity2) {
  Strings out;
  std::size_t offset = 0;
  while (auto word = next_word(line, offset, semantics)) {
    out.push_back(word->unterminated ? word->text + "<open>" : word->text);
  }
  return out;
}

TEST(Words, ApachesQuoting) {
  const std::vector<std::pair<std::string, Strings>> cases = {
      {"", {}},
      {"   ", {}},
      {"a b", {"a", "b"}},
      {"  a   b  ", {"a", "b"}},
      {R"("a b" c)", {"a b", "c"}},
      {R"('a b' c)", {"a b", "c"}},
      {R"("")", {""}},
      {R"("" '')", {"", ""}},
      {R"("a\"b")", {R"(a"b)"}},
      {R"("a\\b")", {R"(a\b)"}},
      {R"("a\\\\b")", {R"(a\\b)"}},
      {R"("a\\\"b")", {R"(a\"b)"}},
      {R"("a\'b")", {R"(a\'b)"}},
      {R"("a\db")", {R"(a\db)"}},
      {R"("\\")", {R"(\)"}},
      {R"('a\'b')", {"a'b"}},
      {R"('a\"b')", {R"(a\"b)"}},
      {R"('a"b')", {R"(a"b)"}},
      {R"(a\\b)", {R"(a\b)"}},
      {R"(a\ b)", {"a\\", "b"}},
      {R"(a"b c"d)", {"a\"b", "c\"d"}},
      {R"("a"b)", {"a", "b"}},
      {R"("a""b")", {"a", "b"}},
      {R"("a)", {"a<open>"}},
      {R"("a\")", {"a\"<open>"}},
      {R"("a\\)", {"a\\<open>"}},
      {R"('a)", {"a<open>"}},
      {R"(SecRule ARGS "@rx ^\d+\\x5c\"$" "id:1,msg:'it\'s'")",
       {"SecRule", "ARGS", R"(@rx ^\d+\x5c"$)", R"(id:1,msg:'it\'s')"}},
  };
  for (const auto& [line, expected] : cases)
    EXPECT_EQ(words(line), expected) << line;
}

TEST(Words, ModSecurity3KeepsBackslashes) {
  const std::vector<std::pair<std::string, Strings>> cases = {
      {R"("a\"b")", {R"(a"b)"}},
      {R"("a\\b")", {R"(a\\b)"}},
      {R"(a\\b)", {R"(a\\b)"}},
      {R"("[\\/]+" x)", {R"([\\/]+)", "x"}},
  };
  for (const auto& [line, expected] : cases) {
    EXPECT_EQ(words(line, Semantics::ModSecurity3), expected) << line;
  }
}

// Un-escaped text is found again in the line, byte for byte.
TEST(Words, OffsetsPointAtTheirBytes) {
  std::mt19937 random(2);
  const std::string_view alphabet = "ab \\\\\\\"'";
  for (int round = 0; round < 20000; ++round) {
    std::string line;
    for (auto n = random() % 30; n > 0; --n)
      line.push_back(alphabet[random() % alphabet.size()]);
    for (const Semantics semantics : {Semantics::ModSecurity2, Semantics::ModSecurity3}) {
      std::size_t offset = 0;
      std::size_t previous_end = 0;
      while (auto word = next_word(line, offset, semantics)) {
        ASSERT_GE(word->begin, previous_end);
        ASSERT_LE(word->end, line.size());
        previous_end = word->end;
        for (std::size_t i = 0; i < word->text.size(); ++i) {
          const std::size_t there = word->line_offset(i);
          ASSERT_LT(there, line.size());
          // An escaped byte may be found at its backslash or at itself.
          ASSERT_TRUE(line[there] == word->text[i] ||
                      (line[there] == '\\' && line[there + 1] == word->text[i]))
              << line;
        }
      }
      ASSERT_EQ(offset, line.size());
    }
  }
}

}  // namespace
}  // namespace weir::rules::syntax
