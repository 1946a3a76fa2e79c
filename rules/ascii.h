// ASCII case: SecLang's names and keys ignore it everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

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
  const auto same = [&](std::size_t i, std::size_t n) {
    const std::uint64_t x = word(a.data() + i, n);
    const std::uint64_t y = word(b.data() + i, n);
    return x == y || fold8(x) == fold8(y);
  };
  const std::size_t n = a.size();
  if (n >= kWord) {  // the last word may overlap the one before it
    for (std::size_t i = 0; i + kWord < n; i += kWord) {
      if (!same(i, kWord)) return false;
    }
    return same(n - kWord, kWord);
  }
  constexpr std::size_t kHalf = 4;
  if (n >= kHalf) return same(0, kHalf) && same(n - kHalf, kHalf);
  for (std::size_t i = 0; i < n; ++i) {
    if (fold(a[i]) != fold(b[i])) return false;
  }
  return true;
}

inline bool fold_starts_with(std::string_view s, std::string_view prefix) {
  return s.size() >= prefix.size() && fold_equal(s.substr(0, prefix.size()), prefix);
}

// A hash that ignores case. Only an index: keys are always compared whole.
constexpr std::uint32_t fold_hash(std::string_view s) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15ULL;
  constexpr std::size_t kWord = 8;
  const auto word = [s](std::size_t at, std::size_t n) {
    std::uint64_t w = 0;
    if (std::is_constant_evaluated() || n < kWord) {
      for (std::size_t i = n; i-- > 0;)
        w = w << 8 | static_cast<std::uint8_t>(s[at + i]);
    } else {
      std::memcpy(&w, s.data() + at, kWord);
    }
    return fold8(w);
  };
  std::uint64_t h = s.size() * kMix;
  const auto take = [&h](std::uint64_t w) {
    h = (h ^ w) * kMix;
    h ^= h >> 32;
  };
  std::size_t i = 0;
  for (; i + kWord <= s.size(); i += kWord)
    take(word(i, kWord));
  if (i < s.size()) take(s.size() < kWord ? word(i, s.size() - i) : word(s.size() - kWord, kWord));
  return static_cast<std::uint32_t>(h * kMix >> 32);
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
