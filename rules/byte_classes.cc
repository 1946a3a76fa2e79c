#include "rules/byte_classes.h"

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

ClassMask classes_of(std::string_view text) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(text.data());
  const std::uint8_t* const end = p + text.size();
  ClassMask a = 0;
  ClassMask b = 0;
  for (; end - p >= 4; p += 4) {
    a |= kClassOf[p[0]] | kClassOf[p[1]];
    b |= kClassOf[p[2]] | kClassOf[p[3]];
  }
  for (; p < end; ++p)
    a |= kClassOf[*p];
  return a | b;
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
