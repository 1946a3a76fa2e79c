// Shared by the files of this folder: byte classes, the search for the first byte that matters, and
// the output writer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/base/arena.h"
#include "engine/base/octets.h"
#include "rules/transforms/transform.h"

namespace weir::rules::detail {

// ASCII only, whatever the process's locale is (isspace & co. follow it).
constexpr bool is_space(std::uint8_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
inline bool is_digit(std::uint8_t c) {
  return static_cast<std::uint8_t>(c - '0') < 10;
}
inline bool is_octal(std::uint8_t c) {
  return static_cast<std::uint8_t>(c - '0') < 8;
}
inline bool is_alpha(std::uint8_t c) {
  return static_cast<std::uint8_t>((c | 0x20) - 'a') < 26;
}
inline bool is_alnum(std::uint8_t c) {
  return is_digit(c) || is_alpha(c);
}
inline bool is_hex(std::uint8_t c) {
  return is_digit(c) || static_cast<std::uint8_t>((c | 0x20) - 'a') < 6;
}
inline std::uint8_t lower(std::uint8_t c) {
  return static_cast<std::uint8_t>(c | (static_cast<std::uint8_t>(c - 'A') < 26 ? 0x20 : 0));
}
// Value of a hexadecimal digit. For other bytes: what ModSecurity's arithmetic makes of them
// (hexDecode does not check its input).
inline std::uint8_t hex_value(std::uint8_t c) {
  return static_cast<std::uint8_t>(c >= 'A' ? (c & 0xdf) - 'A' + 10 : c - '0');
}
inline std::uint8_t hex_pair(std::uint8_t high, std::uint8_t low) {
  return static_cast<std::uint8_t>(hex_value(high) * 16 + hex_value(low));
}

inline constexpr std::uint8_t kNoBreakSpace = 0xa0;  // counts as white space in ModSecurity
// As compressWhitespace and removeWhitespace see it. Without a branch, for vector code.
constexpr bool is_blank(std::uint8_t c) {
  return (static_cast<int>(c == ' ') | static_cast<int>(static_cast<std::uint8_t>(c - '\t') < 5) |
          static_cast<int>(c == kNoBreakSpace)) != 0;
}

// Bytes with unsigned access and a terminator: reading at or past the end yields NUL, as
// ModSecurity's C strings do.
class Bytes {
 public:
  explicit Bytes(std::string_view s) : s_(s) {}
  [[nodiscard]] std::size_t size() const { return s_.size(); }
  [[nodiscard]] std::uint8_t operator[](std::size_t i) const {
    return i < s_.size() ? static_cast<std::uint8_t>(s_[i]) : std::uint8_t{0};
  }

 private:
  std::string_view s_;
};

// Position of the first byte for which `wanted` holds, or s.size(). The inner loop has a fixed
// length and no branch, so that it becomes vector code; `wanted` should use | and & rather than ||
// and &&.
template <class Wanted>
std::size_t find_first(std::string_view s, Wanted wanted, std::size_t from = 0) {
  constexpr std::size_t kBlock = 32;
  const char* p = s.data();
  const std::size_t n = s.size();
  std::size_t i = from;
  while (i + kBlock <= n) {
    std::uint8_t any = 0;
    for (std::size_t k = 0; k < kBlock; ++k) {
      any = static_cast<std::uint8_t>(
          any | static_cast<std::uint8_t>(wanted(static_cast<std::uint8_t>(p[i + k]))));
    }
    if (any != 0) break;
    i += kBlock;
  }
  while (i < n && !wanted(static_cast<std::uint8_t>(p[i])))
    ++i;
  return i;
}

// Number of bytes for which `wanted` holds.
template <class Wanted>
std::size_t count_bytes(std::string_view s, Wanted wanted) {
  std::size_t n = 0;
  for (const char c : s)
    n += static_cast<std::size_t>(wanted(static_cast<std::uint8_t>(c)));
  return n;
}

// The bytes that removeWhitespace takes away, in one and in sixteen (all bits of those are set).
struct Blanks {
  static constexpr bool has(std::uint8_t c) { return is_blank(c); }
#if defined(__SSE2__)
  static __m128i in(__m128i sixteen) {
    const __m128i no_break = _mm_cmpeq_epi8(sixteen, _mm_set1_epi8(static_cast<char>(kNoBreakSpace)));
    const __m128i space = _mm_cmpeq_epi8(sixteen, _mm_set1_epi8(' '));
    return _mm_or_si128(_mm_or_si128(space, no_break), base::octets_within(sixteen, '\t', '\r'));
  }
#endif
};

// Copies all but the unwanted bytes, which are few; returns how many that are. There is room for in.size() at `out`.
template <class Unwanted>
std::size_t pack(std::string_view in, char* out) {
  std::size_t to = 0;
  std::size_t i = 0;
#if defined(__SSE2__)
  const auto copy = [&](std::size_t from) {  // sixteen bytes, of which perhaps only the first are meant
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + to), _mm_loadu_si128(reinterpret_cast<const __m128i*>(in.data() + from)));
  };
  // What is read begins up to 15 bytes into the block; what is written never is ahead of what was read.
  for (; i + 32 <= in.size(); i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in.data() + i));
    std::size_t from = 0;
    for (auto left = static_cast<unsigned>(_mm_movemask_epi8(Unwanted::in(bytes))); left != 0; left &= left - 1) {
      const auto at = static_cast<std::size_t>(std::countr_zero(left));
      copy(i + from);
      to += at - from;
      from = at + 1;
    }
    copy(i + from);
    to += 16 - from;
  }
#endif
  for (; i < in.size(); ++i) {
    out[to] = in[i];
    to += Unwanted::has(static_cast<std::uint8_t>(in[i])) ? 0 : 1;
  }
  return to;
}

inline std::size_t find_byte(std::string_view s, char c, std::size_t from = 0) {
  const std::size_t at = s.find(c, from);
  return at == std::string_view::npos ? s.size() : at;
}

// Output of one transformation, in the arena: room for output_bound() is taken at once and the rest
// given back, so that writing needs no checks.
class Writer {
 public:
  Writer(base::Arena& arena, std::string_view in, std::size_t bound)
      : arena_(arena), in_(in), bound_(bound), begin_(arena.allocate(bound)), p_(begin_) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // False: the arena's limit is reached; the caller returns failed().
  [[nodiscard]] bool ok() const { return begin_ != nullptr; }
  [[nodiscard]] static Transformed failed() { return {{}, true}; }

  void put(std::uint8_t c) { *p_++ = static_cast<char>(c); }
  void put(std::string_view s) {
    if (s.empty()) return;
    std::memcpy(p_, s.data(), s.size());
    p_ += s.size();
  }
  void drop() { --p_; }
  // Where the next byte goes; up to the bound anything may be written there. What is meant of it is told by skip().
  [[nodiscard]] char* next() const { return p_; }
  void skip(std::size_t n) { p_ += n; }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(p_ - begin_); }
  [[nodiscard]] char* begin() const { return begin_; }
  void resize(std::size_t n) { p_ = begin_ + n; }

  // The value, or the input where nothing has changed after all.
  [[nodiscard]] Transformed finish() {
    const std::string_view out(begin_, size());
    if (out == in_) {
      arena_.shrink(begin_, bound_, 0);
      return {in_, false};
    }
    arena_.shrink(begin_, bound_, out.size());
    return {out, true};
  }

 private:
  base::Arena& arena_;
  std::string_view in_;
  std::size_t bound_;
  char* begin_;
  char* p_;
};

inline Transformed unchanged(std::string_view in) {
  return {in, false};
}

// simple.cc
Transformed lowercase(std::string_view in, base::Arena& arena);
Transformed uppercase(std::string_view in, base::Arena& arena);
Transformed trim(std::string_view in, bool left, bool right);
Transformed remove_nulls(std::string_view in, base::Arena& arena);
Transformed replace_nulls(std::string_view in, base::Arena& arena);
Transformed remove_whitespace(std::string_view in, base::Arena& arena);
Transformed compress_whitespace(std::string_view in, base::Arena& arena);
Transformed parity_7bit(Transform t, std::string_view in, base::Arena& arena);
Transformed length(std::string_view in, base::Arena& arena);
Transformed md5(std::string_view in, base::Arena& arena);
Transformed sha1(std::string_view in, base::Arena& arena);
Transformed cmd_line(std::string_view in, base::Arena& arena);

// codecs.cc
Transformed base64_encode(std::string_view in, base::Arena& arena);
Transformed base64_decode(std::string_view in, base::Arena& arena);
Transformed base64_decode_ext(std::string_view in, base::Arena& arena);
Transformed hex_encode(std::string_view in, base::Arena& arena);
Transformed hex_decode(std::string_view in, base::Arena& arena);
Transformed sql_hex_decode(std::string_view in, base::Arena& arena);
Transformed url_encode(std::string_view in, base::Arena& arena);
Transformed url_decode(std::string_view in, base::Arena& arena);
Transformed url_decode_uni(std::string_view in, base::Arena& arena, const UnicodeMap* map);

// escapes.cc
Transformed css_decode(std::string_view in, base::Arena& arena);
Transformed js_decode(std::string_view in, base::Arena& arena);
Transformed escape_seq_decode(std::string_view in, base::Arena& arena);
Transformed html_entity_decode(std::string_view in, base::Arena& arena);
Transformed utf8_to_unicode(std::string_view in, base::Arena& arena);

// paths.cc
Transformed normalise_path(std::string_view in, base::Arena& arena, bool windows);

// php_names.cc
Transformed php_args_names(std::string_view in, base::Arena& arena);

// comments.cc
Transformed remove_comments(std::string_view in, base::Arena& arena);
Transformed remove_comments_char(std::string_view in, base::Arena& arena);
Transformed replace_comments(std::string_view in, base::Arena& arena);

}  // namespace weir::rules::detail
