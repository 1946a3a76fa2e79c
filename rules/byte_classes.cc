#include "rules/byte_classes.h"

#include <bit>
#include <cstring>

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

// Most bytes are letters and digits, whose classes are found together; the others' are looked up.
ClassMask classes_of_block(__m128i bytes) {
  const __m128i lower = base::octets_within(bytes, 'a', 'z');
  const __m128i upper = base::octets_within(bytes, 'A', 'Z');
  const __m128i digit = base::octets_within(bytes, '0', '9');
  const auto bits = [](__m128i set) { return static_cast<unsigned>(_mm_movemask_epi8(set)); };
  ClassMask mask = bits(lower) != 0 ? classes::kLower : 0;
  if (bits(upper) != 0) mask |= classes::kUpper;
  if (bits(digit) != 0) mask |= classes::kDigits;
  unsigned others = bits(_mm_or_si128(_mm_or_si128(lower, upper), digit)) ^ 0xffffU;
  if (others == 0) return mask;
  std::array<std::uint8_t, 16> copy;  // NOLINT: filled by the store
  _mm_storeu_si128(reinterpret_cast<__m128i*>(copy.data()), bytes);
  for (; others != 0; others &= others - 1) mask |= kClassOf[copy[static_cast<std::size_t>(std::countr_zero(others))]];
  return mask;
}

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
