// Eight octets at a time, in a word as they lie in memory; sixteen, where the processor has registers for them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

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

// So many octets, at most eight, the first of them the lowest, and zeroes above.
inline std::uint64_t up_to_eight(const char* p, std::size_t n) {
  const auto load = [](const char* from, auto type) {
    std::memcpy(&type, from, sizeof type);
    return static_cast<std::uint64_t>(type);
  };
  if constexpr (std::endian::native == std::endian::little) {
    if (n == 8) return load(p, std::uint64_t{});
    if (n >= 4) return load(p, std::uint32_t{}) | load(p + n - 4, std::uint32_t{}) << (8 * (n - 4));
  }
  std::uint64_t w = 0;
  for (std::size_t i = n; i-- > 0;) w = w << 8 | static_cast<std::uint8_t>(p[i]);
  return w;
}

#if defined(__SSE2__)
// So many octets, at most sixteen, and zeroes behind. (Never by way of memory: what has just been written in parts cannot be
// read as a whole for a dozen cycles.)
inline __m128i up_to_sixteen(const char* p, std::size_t n) {
  if (n == 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const std::size_t first = n < 8 ? n : 8;
  return _mm_set_epi64x(static_cast<long long>(up_to_eight(p + first, n - first)), static_cast<long long>(up_to_eight(p, first)));
}

// All bits of an octet are set in the result if it is one of first … last, of each of sixteen.
inline __m128i octets_within(__m128i sixteen, char first, char last) {
  const __m128i from = _mm_sub_epi8(sixteen, _mm_set1_epi8(first));
  return _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8(static_cast<char>(last - first))), from);
}
#endif

// Copies the octets in front of the first `stop`, or all, with `to` in place of `from`; returns how many those are. There is room
// for in.size() at `out`, which is not in `in`.
inline std::size_t copy_replacing(std::string_view in, char stop, char from, char to, char* out) {
  std::size_t i = 0;
#if defined(__SSE2__)
  for (; i + 16 <= in.size(); i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in.data() + i));
    const __m128i replaced = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(from));
    const auto stops = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(stop))));
    const __m128i change = _mm_and_si128(replaced, _mm_set1_epi8(static_cast<char>(from ^ to)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_xor_si128(bytes, change));
    if (stops != 0) return i + static_cast<std::size_t>(std::countr_zero(stops));
  }
#endif
  for (; i < in.size() && in[i] != stop; ++i) out[i] = in[i] == from ? to : in[i];
  return i;
}

}  // namespace weir::base
