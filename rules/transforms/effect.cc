#include "rules/transforms/effect.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "rules/transforms/detail.h"

namespace weir::rules {

namespace {

consteval ClassMask of(std::string_view bytes) {
  ClassMask mask = 0;
  for (const char c : bytes)
    mask |= class_of(c);
  return mask;
}

constexpr ClassMask kNul = ClassMask{1} << classes::number(0);
constexpr ClassMask kNoBreak = ClassMask{1} << classes::number(0xa0);
constexpr ClassMask kSpace = of(" ");
constexpr ClassMask kBlanks = of(" \t\n\v\f\r");
constexpr ClassMask kLetters = classes::kUpper | classes::kLower;

// Is there a `first` with one of these behind it (the others may repeat `a`)?
bool pair_of(std::string_view value, char first, char a, char b, char c) {
  const char* const p = value.data();
  const std::size_t n = value.size();
  std::size_t i = 0;
#if defined(__SSE2__)
  constexpr std::size_t kBlock = 16;
  const auto equal = [](__m128i bytes, char to) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(to)); };
  for (; i + kBlock < n; i += kBlock) {
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i + 1));
    const __m128i any = _mm_or_si128(_mm_or_si128(equal(next, a), equal(next, b)), equal(next, c));
    if (_mm_movemask_epi8(_mm_and_si128(equal(here, first), any)) != 0) return true;
  }
#endif
  for (; i + 1 < n; ++i) {
    if (p[i] == first && (p[i + 1] == a || p[i + 1] == b || p[i + 1] == c)) return true;
  }
  return false;
}

bool pair_of(std::string_view value, char first, char second) { return pair_of(value, first, second, second, second); }

// As the transformation itself looks (paths.cc).
bool path_may_change(std::string_view value, ClassMask present) {
  if (value.back() == '.') return true;
  if ((present & of("/")) == 0) return false;
  for (std::size_t i = value.find('/', 1); i != std::string_view::npos;
       i = value.find('/', i + 1)) {
    if (value[i - 1] == '/' || value[i - 1] == '.') return true;
  }
  return false;
}

bool cmd_line_leaves(std::string_view value, ClassMask present) {
  if ((present & of("\"'\\^,;\t\n\v\f\r")) != 0) return false;
  const char slash = (present & of("/")) != 0 ? '/' : ' ';
  const char parenthesis = (present & of("(")) != 0 ? '(' : ' ';
  return !pair_of(value, ' ', ' ', slash, parenthesis);
}

// Is there a percent sign with digits behind it, or, if `uni`, with a u?
bool url_escape(std::string_view value, bool uni) {
  for (std::size_t i = value.find('%'); i != std::string_view::npos; i = value.find('%', i + 1)) {
    const auto at = [&](std::size_t k) { return static_cast<std::uint8_t>(k < value.size() ? value[k] : 0); };
    if (detail::is_hex(at(i + 1)) && detail::is_hex(at(i + 2))) return true;
    if (uni && detail::lower(at(i + 1)) == 'u') return true;
  }
  return false;
}

}  // namespace

bool only_case(Transform t) {
  return t == Transform::None || t == Transform::Lowercase || t == Transform::Uppercase;
}

bool may_change(Transform t, ClassMask present) {
  switch (t) {
    case Transform::None:
    case Transform::Lowercase:
    case Transform::Uppercase:
      return false;
    case Transform::CmdLine:
      return (present & (of("\"'\\^,;") | kBlanks)) != 0;
    case Transform::CompressWhitespace:
    case Transform::RemoveWhitespace:
      return (present & (kBlanks | kNoBreak)) != 0;
    case Transform::CssDecode:
    case Transform::EscapeSeqDecode:
    case Transform::JsDecode:
      return (present & of("\\")) != 0;
    case Transform::HtmlEntityDecode:
      return (present & of("&")) != 0;
    case Transform::NormalisePath:
      return (present & of("/.")) != 0;
    case Transform::NormalisePathWin:
      return (present & of("/.\\")) != 0;
    case Transform::RemoveComments:
    case Transform::RemoveCommentsChar:
      return (present & of("/<-#*")) != 0;
    case Transform::RemoveNulls:
    case Transform::ReplaceNulls:
      return (present & kNul) != 0;
    case Transform::ReplaceComments:
      return (present & of("/")) != 0 && (present & of("*")) != 0;
    case Transform::SqlHexDecode:
      return (present & classes::kDigits) != 0 && (present & kLetters) != 0;
    case Transform::Trim:
    case Transform::TrimLeft:
    case Transform::TrimRight:
      return (present & kBlanks) != 0;
    case Transform::UrlDecode:
    case Transform::UrlDecodeUni:
      return (present & of("%+")) != 0;
    case Transform::UrlEncode:
      return (present & ~(kLetters | classes::kDigits | of("*"))) != 0;
    case Transform::Utf8ToUnicode:
      return (present & (classes::kHigh | kNul)) != 0;
    default:
      return true;
  }
}

bool keeps(Transform t, ClassMask present) {
  switch (t) {
    case Transform::Lowercase:
      return (present & classes::kUpper) == 0;
    case Transform::Uppercase:
      return (present & classes::kLower) == 0;
    case Transform::CmdLine:
      return (present & classes::kUpper) == 0 && !may_change(t, present);
    default:
      return !may_change(t, present);
  }
}

// (Text has spaces, for which alone cmdLine would go through it.)
bool keeps(Transform t, std::string_view value, ClassMask present) {
  if (keeps(t, present)) return true;
  return t == Transform::CmdLine && (present & classes::kUpper) == 0 && cmd_line_leaves(value, present);
}

bool leaves(Transform t, std::string_view value, ClassMask present) {
  if (!may_change(t, present)) return true;
  if (value.empty()) return false;
  switch (t) {
    case Transform::CmdLine:
      return cmd_line_leaves(value, present);
    case Transform::CompressWhitespace:
      return (present & ((kBlanks & ~kSpace) | kNoBreak)) == 0 &&
             !pair_of(value, ' ', ' ');
    case Transform::NormalisePath:
      return !path_may_change(value, present);
    case Transform::NormalisePathWin:
      return (present & of("\\")) == 0 && !path_may_change(value, present);
    case Transform::RemoveCommentsChar:
    case Transform::RemoveComments:
      return (present & of("#")) == 0 && ((present & of("-")) == 0 || !pair_of(value, '-', '-')) &&
             ((present & of("/")) == 0 || (present & of("*")) == 0 || (!pair_of(value, '/', '*') && !pair_of(value, '*', '/')));
    case Transform::ReplaceComments:
      return !pair_of(value, '/', '*');
    case Transform::Trim:
      return !detail::is_space(static_cast<std::uint8_t>(value.front())) && !detail::is_space(static_cast<std::uint8_t>(value.back()));
    case Transform::TrimLeft:
      return !detail::is_space(static_cast<std::uint8_t>(value.front()));
    case Transform::TrimRight:
      return !detail::is_space(static_cast<std::uint8_t>(value.back()));
    case Transform::UrlDecode:
    case Transform::UrlDecodeUni:
      return (present & of("+")) == 0 && !url_escape(value, t == Transform::UrlDecodeUni);
    default:
      return false;
  }
}

bool told_by_classes(Transform t) {
  switch (t) {
    case Transform::CmdLine:
    case Transform::CompressWhitespace:
    case Transform::NormalisePath:
    case Transform::NormalisePathWin:
    case Transform::RemoveCommentsChar:
    case Transform::RemoveComments:
    case Transform::ReplaceComments:
    case Transform::Trim:
    case Transform::TrimLeft:
    case Transform::TrimRight:
    case Transform::UrlDecode:
    case Transform::UrlDecodeUni:
      return false;
    default:
      return true;
  }
}

bool nothing_encoded(std::string_view value, ClassMask present) {
  const bool percent = (present & of("%")) != 0;
  if (percent && url_escape(value, true)) return false;
  if ((present & of("\\")) == 0) return true;
  for (std::size_t i = value.find('\\'); i != std::string_view::npos && i + 1 < value.size(); i = value.find('\\', i + 1)) {
    constexpr std::string_view kMeant = "01234567abfnrtvux\\";
    if (kMeant.find(value[i + 1]) != std::string_view::npos) return false;
    // Without the backslash there may be an escape: "%\\8c".
    if (percent && ((i > 0 && value[i - 1] == '%') || (i > 1 && value[i - 2] == '%'))) return false;
  }
  return true;
}

std::size_t result_bound(Transform t, std::string_view value) {
  if (t != Transform::Base64Decode) return output_bound(t, value.size());
  return output_bound(t, base64_reach(value));
}

ClassMask outcome(Transform t, ClassMask present) {
  switch (t) {
    case Transform::None:
    case Transform::NormalisePath:
    case Transform::RemoveCommentsChar:
    case Transform::RemoveNulls:
    case Transform::Trim:
    case Transform::TrimLeft:
    case Transform::TrimRight:
      return present;
    case Transform::RemoveWhitespace:
      return present & ~(kBlanks | kNoBreak);
    case Transform::CmdLine:
    case Transform::CompressWhitespace:
    case Transform::ReplaceComments:
    case Transform::ReplaceNulls:
      return lowered(present) | present | kSpace;
    case Transform::RemoveComments:
      return present | kSpace | kNul;
    case Transform::NormalisePathWin:
      return present | of("/");
    case Transform::Lowercase:
      return lowered(present);
    case Transform::Uppercase:
      return present | classes::kUpper;
    case Transform::Length:
      return classes::kDigits;
    case Transform::HexEncode:
      return classes::kDigits | classes::kLower;
    case Transform::Utf8ToUnicode:
      return present | of("%") | classes::kDigits | classes::kLower;
    case Transform::UrlEncode:
      return present | of("%+") | classes::kDigits | classes::kLower;
    default:
      return classes::kAll;
  }
}

}  // namespace weir::rules
