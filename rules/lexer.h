// Bytes of a rule file to logical lines, and logical lines to words, as Apache reads its
// configuration (ap_cfg_getline, ap_getword_conf), because that is what SecLang's authors write
// for: a rule's `\\` is one backslash inside quotes (Semantics::ModSecurity3: it stays two).
//
// Invariants: linear time; every byte of a word can be traced to its physical line and column.
// Tested by tests/unit/rules_syntax/lexer_test.cc and the fuzz target of the parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/diagnostic.h"
#include "rules/ruleset.h"

namespace weir::rules::syntax {

// One directive with its continuation lines joined; without surrounding white space.
class LogicalLine {
 public:
  // Adds a run of bytes that stands at `at` in one physical line.
  void append(std::string_view bytes, Position at);
  void trim();
  void clear();

  [[nodiscard]] const std::string& text() const { return text_; }
  // The place of byte `offset`; one past the end is allowed.
  [[nodiscard]] Position position(std::size_t offset) const;
  [[nodiscard]] Position begin() const { return position(0); }
  // The last physical line, continued or not.
  [[nodiscard]] Position end() const;

 private:
  struct Piece {
    std::size_t offset;
    Position at;
  };
  std::string text_;
  std::vector<Piece> pieces_;
};

struct LexerLimits {
  std::size_t line_bytes = std::size_t{1} << 20;  // of a logical line
};

class Lexer {
 public:
  // `text` must outlive the lexer. A byte-order mark at its start is skipped.
  Lexer(std::string_view text, std::uint32_t file, LexerLimits limits = {});

  // The next line that is neither empty nor a comment; false at the end of the text.
  bool next(LogicalLine& out);

  // Set by next(): the line was longer than the limit (its rest was skipped), or held a NUL byte.
  [[nodiscard]] bool too_long() const { return too_long_; }
  [[nodiscard]] bool has_nul() const { return has_nul_; }
  // Set by next(): the text ended with a backslash, with nothing left to continue with.
  [[nodiscard]] bool dangling_backslash() const { return dangling_; }
  // Comment lines that ended with a backslash and so swallowed a directive, since the last call.
  std::vector<Position> take_swallowed() { return std::move(swallowed_); }

 private:
  bool read_joined(LogicalLine& out);

  std::string_view text_;
  std::size_t offset_ = 0;
  std::uint32_t file_;
  std::uint32_t line_ = 0;
  LexerLimits limits_;
  bool too_long_ = false;
  bool has_nul_ = false;
  bool dangling_ = false;
  std::vector<Position> swallowed_;
};

// A word of a logical line after un-quoting.
struct Word {
  struct Jump {
    std::size_t word_offset;
    std::size_t line_offset;
  };
  std::string text;
  std::size_t begin = 0;  // in the logical line, with the quote
  std::size_t end = 0;    // one past the last byte, with the quote
  char quote = 0;         // '"', '\'' or 0
  bool unterminated = false;
  std::vector<Jump> jumps;  // where un-escaping shifted the offsets

  // The offset in the logical line of byte `offset` of `text`.
  [[nodiscard]] std::size_t line_offset(std::size_t offset) const;
};

// The word at or after `offset`, which is moved behind it and following white space; nullopt at the
// end.
std::optional<Word> next_word(std::string_view line, std::size_t& offset, Semantics semantics);

[[nodiscard]] inline bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace weir::rules::syntax
