// Classes of bytes: every ASCII sign is one, and so are digits, capitals, small letters and the
// rest in a few lots. Which classes occur in a value says, in 64 bits, most of what the bytes in it
// can say about the patterns of a rule set.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "rules/regex_tree.h"

namespace weir::rules {

using ClassMask = std::uint64_t;

// The class of each byte, as a mask with one bit.
extern const std::array<ClassMask, 256> kClassOf;

// Classes of the bytes of `text`.
[[nodiscard]] ClassMask classes_of(std::string_view text);
// Classes that hold a byte of `set` (also if they hold others).
[[nodiscard]] ClassMask classes_of(const ByteSet& set);
[[nodiscard]] constexpr ClassMask class_of(char c);
// Capitals become small letters.
[[nodiscard]] ClassMask lowered(ClassMask mask);

// The bytes that `mask` stands for.
[[nodiscard]] ByteSet bytes_of(ClassMask mask);

namespace classes {

constexpr unsigned number(unsigned b) {
  if (b == 0) return 0;
  if (b == '\t') return 2;
  if (b == '\n') return 3;
  if (b == '\r') return 4;
  if (b == '\v' || b == '\f') return 5;
  if (b < ' ' || b == 127) return 1;
  if (b >= '0' && b <= '9') return 39;
  if (b >= 'A' && b <= 'Z') return 40;
  if (b >= 'a' && b <= 'z') return 41;
  if (b == 0xa0) return 43;  // white space to some transformations
  if (b >= 128) return 42;
  // Signs: 32 … 47, 58 … 64, 91 … 96, 123 … 126.
  if (b < '0') return 6 + (b - 32);
  if (b < 'A') return 22 + (b - 58);
  if (b < 'a') return 29 + (b - 91);
  return 35 + (b - 123);
}

constexpr ClassMask kUpper = ClassMask{1} << number('A');
constexpr ClassMask kLower = ClassMask{1} << number('a');
constexpr ClassMask kDigits = ClassMask{1} << number('0');
constexpr ClassMask kHigh = ClassMask{1} << number(0x80) | ClassMask{1} << number(0xa0);
constexpr ClassMask kAll = (ClassMask{1} << 44) - 1;

}  // namespace classes

constexpr ClassMask class_of(char c) {
  return ClassMask{1} << classes::number(static_cast<std::uint8_t>(c));
}

}  // namespace weir::rules
