// Cuts a value into tokens as libinjection does, for sqli_filter.cc: words, numbers, signs, variables. At what is rare (strings,
// comments, braces, …) it gives up. Words are found in blocks of bytes, and are what is asked for most; so that is here.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/octets.h"
#include "rules/operators/sqli_words.h"

namespace weir::rules::operators::sqli {

// What begins with a byte.
enum class Kind : std::uint8_t {
  Other,  // quotes, braces, …: left to libinjection
  Space,
  Word,
  Number,
  Sign,   // an operator by itself: % + ^ ~
  Signs,  // an operator, or one of two or three
  Dash,
  Slash,
  Comma,
  Semicolon,
  Open,
  Close,
  Unknown,  // a token of a type that nothing is made of
  At,       // begins a variable
};

struct Byte {
  Kind begins = Kind::Other;
  bool in_word = false;   // goes on with a word
  bool odd = false;       // in a word or variable: left to libinjection
};

inline constexpr std::array<Byte, 256> kBytes = [] {
  std::array<Byte, 256> bytes{};
  const auto kind = [&](std::string_view of, Kind k) {
    for (const char c : of) bytes[static_cast<std::uint8_t>(c)].begins = k;
  };
  for (unsigned b = 0; b < 256; ++b) {
    const bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
    const bool digit = b >= '0' && b <= '9';
    if (letter || b == '_' || (b >= 0x80 && b != 0xa0)) bytes[b].begins = Kind::Word;
    if (digit || b == '.') bytes[b].begins = Kind::Number;
    bytes[b].in_word = bytes[b].begins == Kind::Word || bytes[b].begins == Kind::Number || b == '$';
    // Of the bytes that are blanks between words some are none in a word.
    if (b <= ' ' || b == 0x7f || b == 0xa0) bytes[b].begins = Kind::Space;
    bytes[b].odd = (b < ' ' && b != 0 && (b < '\t' || b > '\r')) || b == 0x7f || b == '`';
  }
  kind("%+^~", Kind::Sign);
  kind("!&*:<=>|", Kind::Signs);
  kind("-", Kind::Dash);
  kind("/", Kind::Slash);
  kind(",", Kind::Comma);
  kind(";", Kind::Semicolon);
  kind("(", Kind::Open);
  kind(")", Kind::Close);
  kind("?]", Kind::Unknown);
  kind("@", Kind::At);
  return bytes;
}();

inline const Byte& byte_of(char c) {
  return kBytes[static_cast<std::uint8_t>(c)];
}

inline constexpr std::size_t kLetters = 64;

// A bit for each of so many bytes.
struct Letters {
  std::uint64_t words = 0;  // letters, digits, underscores, dots, what is above ASCII
  std::uint64_t dots = 0;
};

#if defined(__SSE2__)
inline void add_letters(__m128i v, std::size_t at, Letters& out) {
  const auto bits = [at](__m128i x) { return static_cast<std::uint64_t>(_mm_movemask_epi8(x)) << at; };
  const __m128i dots = _mm_cmpeq_epi8(v, _mm_set1_epi8('.'));
  __m128i in = _mm_or_si128(base::octets_within(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z'), base::octets_within(v, '0', '9'));
  in = _mm_or_si128(_mm_or_si128(in, dots), _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('_')), v));  // top bits count
  in = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(static_cast<char>(0xa0))), in);
  out.words |= bits(in);
  out.dots |= bits(dots);
}

// REQUIRES: text.size() <= kLetters.
inline Letters letters_of(std::string_view text) {
  constexpr std::size_t kBlock = 16;
  const char* const p = text.data();
  const std::size_t n = text.size();
  const auto load = [](const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  Letters out;
  if (n < kBlock) {
    add_letters(base::up_to_sixteen(p, n), 0, out);
    return out;
  }
  add_letters(load(p + n - kBlock), n - kBlock, out);  // some of them twice
  for (std::size_t i = 0; i + kBlock < n; i += kBlock) add_letters(load(p + i), i, out);
  return out;
}
#else
inline Letters letters_of(std::string_view text) {
  Letters out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (byte_of(text[i]).in_word && text[i] != '$') out.words |= std::uint64_t{1} << i;
    if (text[i] == '.') out.dots |= std::uint64_t{1} << i;
  }
  return out;
}
#endif

struct Token {
  const char* text = nullptr;
  TokenType type = TokenType::None;
  std::uint8_t length = 0;
  SqlWord::Marks marks = 0;

  [[nodiscard]] bool is(std::uint32_t of) const { return (types(type) & of) != 0; }
  [[nodiscard]] bool marked(SqlWord::Marks mark) const { return (marks & mark) != 0; }
  [[nodiscard]] bool unary() const { return type == TokenType::Operator && marked(SqlWord::kUnary); }
};

// Cuts a value into tokens.
class Reader {
 public:
  Reader(std::string_view value, const SqlWords& words) : value_(value), words_(words) { look(0); }

  // Is all of the value one token, and a word, or empty? (Not all such values are told.)
  [[nodiscard]] bool is_one_word() const;
  // False at the end of the value, or where the rest is left to libinjection.
  bool next(Token& token);
  // The word that is next, if it is one of letters, digits, underscores and dots; or nothing. `dot` is its length up to a dot.
  std::string_view plain_word(std::size_t& dot);
  // Goes on behind that.
  void take_plain_word(std::string_view word) { at_ += word.size(); }
  [[nodiscard]] bool at_end() const { return at_ == value_.size(); }
  [[nodiscard]] bool gave_up() const { return gave_up_; }
  [[nodiscard]] std::string_view rest() const { return value_.substr(at_); }

 private:
  bool give_up() {
    gave_up_ = true;
    return false;
  }
  // Takes `length` bytes as a token.
  bool take(Token& token, TokenType type, std::size_t length, SqlWord::Marks marks = 0);
  bool word(Token& token);
  bool number(Token& token);
  bool signs(Token& token);
  bool variable(Token& token);
  // Prepares for after_letters() from `at` on.
  void look(std::size_t at) {
    letters_at_ = at;
    letters_count_ = std::min(value_.size() - at, kLetters);
    letters_ = letters_of(value_.substr(at, letters_count_));
  }
  // Where letters, digits, underscores and dots, from `at` on, end. `dot` is where the first dot is, or the end.
  std::size_t after_letters(std::size_t at, std::size_t& dot);
  std::size_t after_letters_of_blocks(std::size_t at, std::size_t& dot);
  // Where digits, from `at` on, end.
  [[nodiscard]] std::size_t after_digits(std::size_t at, std::string_view digits) const;
  [[nodiscard]] std::size_t after_exponent(std::size_t at, bool& is_number) const;
  [[nodiscard]] char at(std::size_t i) const { return i < value_.size() ? value_[i] : '\0'; }

  std::string_view value_;
  const SqlWords& words_;
  std::size_t at_ = 0;
  Letters letters_;              // of so many bytes from here on
  std::size_t letters_at_ = 0;
  std::size_t letters_count_ = 0;
  bool gave_up_ = false;
};

inline bool Reader::is_one_word() const {
  if (static_cast<std::size_t>(std::countr_one(letters_.words)) < value_.size()) return false;
  if (value_.empty()) return true;
  if (byte_of(value_[0]).begins != Kind::Word) return false;
  if (letters_.dots == 0) return true;
  // In front of a dot a keyword is a word.
  const SqlWord* const first = words_.find(value_.substr(0, static_cast<std::size_t>(std::countr_zero(letters_.dots))));
  return first == nullptr || (!first->is_keyword() && (first->marks & SqlWord::kDots) == 0);
}

inline std::size_t Reader::after_letters(std::size_t at, std::size_t& dot) {
  const std::size_t from = at - letters_at_;
  if (from < letters_count_) {
    const std::uint64_t words = letters_.words >> from;
    const std::uint64_t dots = letters_.dots >> from;
    const auto count = static_cast<std::size_t>(std::countr_one(words));
    if (from + count < letters_count_) {
      dot = at + std::min(count, static_cast<std::size_t>(std::countr_zero(dots)));
      return at + count;
    }
  }
  return after_letters_of_blocks(at, dot);
}

inline std::string_view Reader::plain_word(std::size_t& dot) {
  while (at_ < value_.size() && byte_of(value_[at_]).begins == Kind::Space) ++at_;
  if (at_ == value_.size() || byte_of(value_[at_]).begins != Kind::Word) return {};
  const std::size_t end = after_letters(at_, dot);
  if (end < value_.size() && (byte_of(value_[end]).in_word || byte_of(value_[end]).odd)) return {};
  dot -= at_;
  return value_.substr(at_, end - at_);
}

}  // namespace weir::rules::operators::sqli
