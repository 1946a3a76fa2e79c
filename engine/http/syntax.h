// Character classes and small pieces of RFC 9110/9112/3986 syntax that the files of this room
// share.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "engine/base/octets.h"

namespace weir::http {

namespace syntax_detail {

enum : std::uint8_t { kToken = 1, kDigit = 2, kHost = 4, kFieldBad = 8, kTargetOdd = 16 };

constexpr std::array<std::uint8_t, 256> classes() {
  std::array<std::uint8_t, 256> t{};
  const auto add = [&t](std::string_view chars, std::uint8_t flags) {
    for (const char c : chars) {
      auto& entry = t[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | flags);
    }
  };
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", kToken | kHost);
  add("0123456789", kToken | kDigit | kHost);
  add("!#$%&'*+-.^_`|~", kToken);
  add("-._~", kHost);
  // What a URI must percent-encode but clients send; '#' is told apart by the caller.
  add("\"<>\\^`{|}#", kTargetOdd);
  for (std::size_t c = 0; c < 256; ++c) {
    if ((c < 0x20 && c != '\t') || c == 0x7f) t[c] = static_cast<std::uint8_t>(t[c] | kFieldBad);
    if (c <= 0x20 || c >= 0x7f) t[c] = static_cast<std::uint8_t>(t[c] | kTargetOdd);
  }
  return t;
}

inline constexpr auto kClasses = classes();

constexpr bool is(char c, std::uint8_t flags) {
  return (kClasses[static_cast<unsigned char>(c)] & flags) != 0;
}

}  // namespace syntax_detail

constexpr bool is_token_char(char c) {
  return syntax_detail::is(c, syntax_detail::kToken);
}
constexpr bool is_digit(char c) {
  return syntax_detail::is(c, syntax_detail::kDigit);
}
constexpr bool is_host_char(char c) {
  return syntax_detail::is(c, syntax_detail::kHost);
}
constexpr bool is_bad_in_value(char c) {
  return syntax_detail::is(c, syntax_detail::kFieldBad);
}
constexpr bool is_odd_in_target(char c) {
  return syntax_detail::is(c, syntax_detail::kTargetOdd);
}
constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
// White space that some servers take between the parts of a request line.
constexpr bool is_any_space(char c) {
  return is_blank(c) || c == '\v' || c == '\f' || c == '\r';
}

// Octets at which text functions that know Unicode part words too (Python's split() and http.server).
constexpr bool is_unicode_space(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 0x1c && u <= 0x1f) || u == 0x85 || u == 0xa0;
}

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

constexpr bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

constexpr bool is_token(std::string_view text) {
  for (const char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}

// No octet below SP, HTAB included, and no DEL: as nearly every value is, many octets at a time.
inline bool is_free_of_controls(std::string_view text) {
  const char* p = text.data();
  std::size_t n = text.size();
#if defined(__SSE2__)
  if (n >= 16) {
    const __m128i del = _mm_set1_epi8(0x7f);
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const auto controls = [&](const char* at) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      return _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v), _mm_cmpeq_epi8(v, del));
    };
    __m128i any = controls(p + n - 16);  // some of them once more
    for (; n > 16; p += 16, n -= 16) any = _mm_or_si128(any, controls(p));
    return _mm_movemask_epi8(any) == 0;
  }
#endif
  const auto any_control = [](std::uint64_t w) { return (base::octets_below(w, 0x20) | base::octets_equal(w, 0x7f)) != 0; };
  std::uint64_t eight = 0;
  if (n < sizeof eight) {
    bool any = false;
    for (; n > 0; --n, ++p) any = any || static_cast<unsigned char>(*p) < 0x20 || *p == 0x7f;
    return !any;
  }
  for (; n >= sizeof eight; p += sizeof eight, n -= sizeof eight) {
    std::memcpy(&eight, p, sizeof eight);
    if (any_control(eight)) return false;
  }
  if (n == 0) return true;
  std::memcpy(&eight, p + n - sizeof eight, sizeof eight);  // some of them once more
  return !any_control(eight);
}

// Octets in front of the first control octet (below SP, HTAB included, or DEL), or all.
inline std::size_t before_control(std::string_view text) {
  std::size_t i = 0;
#if defined(__SSE2__)
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; i + 16 <= text.size(); i += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    const __m128i control = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v), _mm_cmpeq_epi8(v, del));
    if (const int found = _mm_movemask_epi8(control); found != 0) {
      return i + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(found)));
    }
  }
#endif
  while (i < text.size() && static_cast<unsigned char>(text[i]) >= 0x20 && text[i] != 0x7f) ++i;
  return i;
}

// Where the colon of a field line is, if it is among the first sixteen octets and in front of it there are letters,
// digits and "-" only, at least one. Otherwise 0, which says nothing.
inline std::size_t plain_name_length([[maybe_unused]] std::string_view line) {
#if defined(__SSE2__)
  if (line.size() < 16) return 0;
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line.data()));
  const __m128i letters = base::octets_within(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z');
  const __m128i others = _mm_or_si128(base::octets_within(v, '0', '9'), _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
  const auto plain = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(letters, others)));
  const int length = std::countr_one(plain);
  return length < 16 && line[static_cast<std::size_t>(length)] == ':' ? static_cast<std::size_t>(length) : 0;
#else
  return 0;
#endif
}

// Without SP and HTAB at both ends.
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

// Calls f(element) for each element of a comma-separated list, trimmed; also for empty ones.
template <class F>
constexpr void for_each_element(std::string_view list, F&& f) {
  while (true) {
    const std::size_t comma = list.find(',');
    f(trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace weir::http
