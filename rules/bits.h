// Sets of small numbers, a bit for each, in words of 64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::rules {

using Bits = std::vector<std::uint64_t>;

inline bool bit_of(const std::uint64_t* words, std::size_t i) {
  return (words[i / 64] >> (i % 64) & 1U) != 0;
}
inline void set_bit(std::uint64_t* words, std::size_t i) {
  words[i / 64] |= std::uint64_t{1} << (i % 64);
}
inline bool none_of(const std::uint64_t* words, std::size_t n) {
  std::uint64_t any = 0;
  for (std::size_t w = 0; w < n; ++w) any |= words[w];
  return any == 0;
}
inline void clear_bit(std::uint64_t* words, std::size_t i) {
  words[i / 64] &= ~(std::uint64_t{1} << (i % 64));
}

}  // namespace weir::rules
