// What a transformation can do to a value, told from the classes of bytes in it: most leave most
// values as they are, and then the value need not be looked at again.
//
// "But for case": capitals and small letters count as the same here, because what asks
// (prefilter.h) does not tell them apart either.
#pragma once

#include <array>
#include <string_view>

#include "rules/byte_classes.h"
#include "rules/transforms/transform.h"

namespace weir::rules {

// Changes letters' case and nothing else.
[[nodiscard]] bool only_case(Transform t);

// False: `t` leaves every value with these classes of bytes as it is, but for case.
[[nodiscard]] bool may_change(Transform t, ClassMask present);

// True: `t` leaves every value with these classes of bytes exactly as it is.
[[nodiscard]] bool keeps(Transform t, ClassMask present);

// True: `t` leaves this value, whose classes these are, exactly as it is. Quick, and may say false where nothing would change.
[[nodiscard]] bool keeps(Transform t, std::string_view value, ClassMask present);

// True: `t` leaves this value as it is, but for case. `present` are its classes. Quick, and may say
// false where nothing would change.
[[nodiscard]] bool leaves(Transform t, std::string_view value, ClassMask present);

// True: leaves() says no more of `t` than may_change() does, for any value.
[[nodiscard]] bool told_by_classes(Transform t);

// True: urlDecode, urlDecodeUni and jsDecode, however often and in whatever order they come, find nothing in the value
// to decode. They make spaces of plus signs then, and take backslashes away, and no more. `present` are its classes.
[[nodiscard]] bool nothing_encoded(std::string_view value, ClassMask present);
[[nodiscard]] constexpr bool decodes_url_or_js(Transform t) {
  return t == Transform::UrlDecode || t == Transform::UrlDecodeUni || t == Transform::JsDecode;
}

// A bound of the result's length, closer than output_bound() where a look at the value tells more.
[[nodiscard]] std::size_t result_bound(Transform t, std::string_view value);

// What base64Decode makes of a value, told without making it; `solid`: after removeWhitespace. What comes to less than `least`
// bytes (at most kLeast) is not looked into: its classes are not told.
struct Glimpse {
  static constexpr std::size_t kLeast = 64;
  std::size_t length = 0;
  ClassMask mask = 0;
  std::array<char, 1024> begins;  // NOLINT: filled as far as there is anything
};
void decode_base64(std::string_view value, bool solid, std::size_t least, Glimpse& out);

// No more bytes than these come of it, as its first sixteen tell; `solid`: after removeWhitespace.
struct Base64Bound {
  std::size_t plain = 0;
  std::size_t solid = 0;
};
[[nodiscard]] Base64Bound base64_bound(std::string_view value);

// How many characters of base64 the value begins with.
[[nodiscard]] std::size_t base64_reach(std::string_view value);

// Classes of bytes that the result may hold, for a value that holds (some of) `present`.
[[nodiscard]] ClassMask outcome(Transform t, ClassMask present);

// True: for a value that holds all of `present` the result holds all of outcome().
[[nodiscard]] constexpr bool tells_classes(Transform t) {
  return t == Transform::Lowercase || t == Transform::RemoveWhitespace;
}

}  // namespace weir::rules
