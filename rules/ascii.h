// ASCII case: SecLang's names and keys ignore it everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weir::rules {

constexpr char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Eight bytes at once: capitals become small letters, all other bytes stay.
constexpr std::uint64_t fold8(std::uint64_t x) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  const std::uint64_t low = x & 0x7f * kOnes;
  const std::uint64_t from_a = low + (0x80 - 'A') * kOnes;      // bit 7: 'A' or more
  const std::uint64_t after_z = low + (0x80 - 'Z' - 1) * kOnes;  // bit 7: more than 'Z'
  return x | ((from_a & ~after_z & ~x & 0x80 * kOnes) >> 2);
}

inline bool fold_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto word = [](const char* p, std::size_t n) {
    std::uint64_t w = 0;
    std::memcpy(&w, p, n);
    return w;
  };
  constexpr std::size_t kWord = 8;
  std::size_t i = 0;
  for (; i + kWord <= a.size(); i += kWord) {
    const std::uint64_t x = word(a.data() + i, kWord);
    const std::uint64_t y = word(b.data() + i, kWord);
    if (x != y && fold8(x) != fold8(y)) return false;
  }
  for (; i < a.size(); ++i) {
    if (fold(a[i]) != fold(b[i])) return false;
  }
  return true;
}

inline bool fold_starts_with(std::string_view s, std::string_view prefix) {
  return s.size() >= prefix.size() && fold_equal(s.substr(0, prefix.size()), prefix);
}

// A hash that ignores case (FNV-1a over folded bytes). Only an index: keys are always compared whole.
constexpr std::uint32_t fold_hash(std::string_view s) {
  std::uint32_t h = 2166136261U;
  for (const char c : s) {
    h ^= static_cast<std::uint8_t>(fold(c));
    h *= 16777619U;
  }
  return h;
}

inline std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = fold(c);
  return out;
}

// C's atoi as ModSecurity uses it: leading blanks, a sign, digits; anything else is 0. Saturates.
constexpr std::int64_t leading_integer(std::string_view s) {
  std::size_t i = 0;
  while (i < s.size() && (s[i] == ' ' || (s[i] >= '\t' && s[i] <= '\r'))) ++i;
  bool negative = false;
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) negative = s[i++] == '-';
  std::int64_t n = 0;
  for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) {
    if (n > (INT64_MAX - 9) / 10) return negative ? INT64_MIN + 1 : INT64_MAX;
    n = n * 10 + (s[i] - '0');
  }
  return negative ? -n : n;
}

}  // namespace weir::rules
