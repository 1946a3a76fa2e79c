// Eight octets at a time, in a word as they lie in memory; sixteen, where the processor has registers for them.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::base {

inline constexpr std::uint64_t kEveryOctet = 0x0101010101010101ULL;  // times a value: that value in each
inline constexpr std::uint64_t kTopBits = kEveryOctet * 0x80;

// The top bit of an octet is set in the result if it is below `limit` (at most 0x80), of the octets up to the first of which
// that is true; behind it more may be. So the result is 0 exactly if none is, and its lowest set bit is right.
constexpr std::uint64_t octets_below(std::uint64_t eight, std::uint8_t limit) {
  return (eight - kEveryOctet * limit) & ~eight & kTopBits;
}
// The same of those that equal `octet`.
constexpr std::uint64_t octets_equal(std::uint64_t eight, std::uint8_t octet) {
  return octets_below(eight ^ kEveryOctet * octet, 1);
}

#if defined(__SSE2__)
// All bits of an octet are set in the result if it is one of first … last, of each of sixteen.
inline __m128i octets_within(__m128i sixteen, char first, char last) {
  const __m128i from = _mm_sub_epi8(sixteen, _mm_set1_epi8(first));
  return _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8(static_cast<char>(last - first))), from);
}
#endif

}  // namespace weir::base
