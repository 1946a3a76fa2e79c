#include "rules/byte_classes.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/base/octets.h"

namespace weir::rules {

namespace {

constexpr std::array<ClassMask, 256> table() {
  std::array<ClassMask, 256> out{};
  for (unsigned b = 0; b < 256; ++b)
    out[b] = ClassMask{1} << classes::number(b);
  return out;
}

}  // namespace

constexpr std::array<ClassMask, 256> kClassOf = table();

namespace {

#if defined(__SSE2__)

// The classes of which bytes are found together.
ClassMask common(bool lower, bool upper, bool digit, bool space) {
  ClassMask mask = lower ? classes::kLower : 0;
  if (upper) mask |= classes::kUpper;
  if (digit) mask |= classes::kDigits;
  if (space) mask |= class_of(' ');
  return mask;
}

// Most bytes are letters, digits and spaces, whose classes are found together; the others' are looked up.
ClassMask classes_of_block(__m128i bytes) {
  const __m128i lower = base::octets_within(bytes, 'a', 'z');
  const __m128i upper = base::octets_within(bytes, 'A', 'Z');
  const __m128i digit = base::octets_within(bytes, '0', '9');
  const auto bits = [](__m128i set) { return static_cast<unsigned>(_mm_movemask_epi8(set)); };
  const __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
  ClassMask mask = common(bits(lower) != 0, bits(upper) != 0, bits(digit) != 0, bits(space) != 0);
  unsigned others = bits(_mm_or_si128(_mm_or_si128(lower, upper), _mm_or_si128(digit, space))) ^ 0xffffU;
  if (others == 0) return mask;
  std::array<std::uint8_t, 16> copy;  // NOLINT: filled by the store
  _mm_storeu_si128(reinterpret_cast<__m128i*>(copy.data()), bytes);
  for (; others != 0; others &= others - 1) mask |= kClassOf[copy[static_cast<std::size_t>(std::countr_zero(others))]];
  return mask;
}

#if defined(__x86_64__)

const bool kAvx2 = __builtin_cpu_supports("avx2") != 0;

__attribute__((target("avx2"))) inline __m256i within(__m256i bytes, char first, char last) {
  const __m256i from = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first));
  return _mm256_cmpeq_epi8(_mm256_min_epu8(from, _mm256_set1_epi8(static_cast<char>(last - first))), from);
}

// The same for a text of 32 bytes or more. What was found of letters, digits and spaces is looked at once, at the end.
__attribute__((target("avx2"))) ClassMask classes_of_long(const char* p, std::size_t n) {
  constexpr ClassMask kTogether = classes::kLower | classes::kUpper | classes::kDigits | class_of(' ');
  constexpr ClassMask kOthers = classes::kAll & ~kTogether;
  __m256i lower = _mm256_setzero_si256();
  __m256i upper = lower;
  __m256i digit = lower;
  __m256i space = lower;
  ClassMask mask = 0;
  __m256i sign = _mm256_set1_epi8('a');  // the last that was looked up, if any: text mostly repeats one
  const std::size_t last = n - 32;
  for (std::size_t at = 0;; at = at + 32 < last ? at + 32 : last) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + at));
    const __m256i l = within(bytes, 'a', 'z');
    const __m256i u = within(bytes, 'A', 'Z');
    const __m256i d = within(bytes, '0', '9');
    const __m256i s = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' '));
    lower = _mm256_or_si256(lower, l);
    upper = _mm256_or_si256(upper, u);
    digit = _mm256_or_si256(digit, d);
    space = _mm256_or_si256(space, s);
    auto others = ~static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(l, u), _mm256_or_si256(d, s))));
    if (mask == kOthers) others = 0;  // there is nothing more to find
    if (others != 0) others &= ~static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, sign)));
    // What base64Decode makes of text is full of these.
    if (const auto high = static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes)) & others; high != 0) {
      const __m256i blank = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(static_cast<char>(0xa0)));
      const auto blanks = static_cast<std::uint32_t>(_mm256_movemask_epi8(blank));
      if ((high & blanks) != 0) mask |= class_of(static_cast<char>(0xa0));
      if ((high & ~blanks) != 0) mask |= class_of(static_cast<char>(0x80));
      others &= ~high;
    }
    if (others != 0) {
      char byte = 0;
      for (; others != 0; others &= others - 1) {
        byte = p[at + static_cast<std::size_t>(std::countr_zero(others))];
        mask |= kClassOf[static_cast<std::uint8_t>(byte)];
      }
      sign = _mm256_set1_epi8(byte);
    }
    if (at == last) break;
  }
  return mask | common(_mm256_testz_si256(lower, lower) == 0, _mm256_testz_si256(upper, upper) == 0,
                       _mm256_testz_si256(digit, digit) == 0, _mm256_testz_si256(space, space) == 0);
}

// The same for one of 16 to 32 bytes: both ends of it, which may overlap, together.
__attribute__((target("avx2"))) ClassMask classes_of_both(const char* p, std::size_t n) {
  const auto end = [&](std::size_t at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at)); };
  const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(end(0)), end(n - 16), 1);
  const auto bits = [](__m256i set) __attribute__((target("avx2"))) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(set));
  };
  const std::uint32_t lower = bits(within(bytes, 'a', 'z'));
  const std::uint32_t upper = bits(within(bytes, 'A', 'Z'));
  const std::uint32_t digit = bits(within(bytes, '0', '9'));
  const std::uint32_t space = bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' ')));
  ClassMask mask = common(lower != 0, upper != 0, digit != 0, space != 0);
  for (std::uint32_t others = ~(lower | upper | digit | space); others != 0; others &= others - 1) {
    const auto at = static_cast<std::size_t>(std::countr_zero(others));
    mask |= kClassOf[static_cast<std::uint8_t>(p[at < 16 ? at : n - 32 + at])];
  }
  return mask;
}

#endif

// Both ends of a text, which may overlap, are a block.
ClassMask classes_of_ends(const char* p, std::size_t n) {
  std::int64_t first = 0;
  std::int64_t last = 0;
  if (n >= 8) {
    std::memcpy(&first, p, 8);
    std::memcpy(&last, p + n - 8, 8);
  } else {
    std::int32_t head = 0;
    std::int32_t tail = 0;
    std::memcpy(&head, p, 4);
    std::memcpy(&tail, p + n - 4, 4);
    first = last = static_cast<std::int64_t>(static_cast<std::uint64_t>(static_cast<std::uint32_t>(head)) << 32 |
                                             static_cast<std::uint32_t>(tail));
  }
  return classes_of_block(_mm_set_epi64x(last, first));
}

#endif

}  // namespace

ClassMask classes_of(std::string_view text) {
  ClassMask mask = 0;
#if defined(__x86_64__)
  if (kAvx2 && text.size() >= 32) return classes_of_long(text.data(), text.size());
  if (kAvx2 && text.size() >= 16) return classes_of_both(text.data(), text.size());
#endif
#if defined(__SSE2__)
  constexpr std::size_t kBlock = 16;
  const auto block = [&](std::size_t at) {
    return classes_of_block(_mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at)));
  };
  if (text.size() >= kBlock) {
    for (std::size_t at = 0; at + kBlock <= text.size(); at += kBlock) mask |= block(at);
    return mask | block(text.size() - kBlock);
  }
  if (text.size() >= 4) return classes_of_ends(text.data(), text.size());
#endif
  for (const char c : text) mask |= kClassOf[static_cast<std::uint8_t>(c)];
  return mask;
}

ClassMask classes_of(const ByteSet& set) {
  ClassMask mask = 0;
  for (std::size_t b = 0; b < 256; ++b) {
    if (set[b]) mask |= kClassOf[b];
  }
  return mask;
}

ClassMask lowered(ClassMask mask) {
  return (mask & classes::kUpper) == 0 ? mask : (mask & ~classes::kUpper) | classes::kLower;
}

ByteSet bytes_of(ClassMask mask) {
  ByteSet set;
  for (std::size_t b = 0; b < 256; ++b)
    set[b] = (kClassOf[b] & mask) != 0;
  return set;
}

}  // namespace weir::rules
