// Names, bounds and dispatch of the transformations.
#include "rules/transforms/transform.h"

#include <algorithm>
#include <string>

#include "rules/transforms/detail.h"

namespace weir::rules {

namespace {

struct Name {
  std::string_view text;
  Transform transform;
};

// Sorted by the lower-case name; of two names of one transformation the canonical one comes first.
constexpr std::array kNames = {
    Name{"base64Decode", Transform::Base64Decode},
    Name{"base64DecodeExt", Transform::Base64DecodeExt},
    Name{"base64Encode", Transform::Base64Encode},
    Name{"cmdLine", Transform::CmdLine},
    Name{"compressWhitespace", Transform::CompressWhitespace},
    Name{"cssDecode", Transform::CssDecode},
    Name{"escapeSeqDecode", Transform::EscapeSeqDecode},
    Name{"hexDecode", Transform::HexDecode},
    Name{"hexEncode", Transform::HexEncode},
    Name{"htmlEntityDecode", Transform::HtmlEntityDecode},
    Name{"jsDecode", Transform::JsDecode},
    Name{"length", Transform::Length},
    Name{"lowercase", Transform::Lowercase},
    Name{"md5", Transform::Md5},
    Name{"none", Transform::None},
    Name{"normalisePath", Transform::NormalisePath},
    Name{"normalisePathWin", Transform::NormalisePathWin},
    Name{"normalizePath", Transform::NormalisePath},
    Name{"normalizePathWin", Transform::NormalisePathWin},
    Name{"parityEven7bit", Transform::ParityEven7bit},
    Name{"parityOdd7bit", Transform::ParityOdd7bit},
    Name{"parityZero7bit", Transform::ParityZero7bit},
    Name{"phpArgsNames", Transform::PhpArgsNames},
    Name{"removeComments", Transform::RemoveComments},
    Name{"removeCommentsChar", Transform::RemoveCommentsChar},
    Name{"removeNulls", Transform::RemoveNulls},
    Name{"removeWhitespace", Transform::RemoveWhitespace},
    Name{"replaceComments", Transform::ReplaceComments},
    Name{"replaceNulls", Transform::ReplaceNulls},
    Name{"sha1", Transform::Sha1},
    Name{"sqlHexDecode", Transform::SqlHexDecode},
    Name{"trim", Transform::Trim},
    Name{"trimLeft", Transform::TrimLeft},
    Name{"trimRight", Transform::TrimRight},
    Name{"uppercase", Transform::Uppercase},
    Name{"urlDecode", Transform::UrlDecode},
    Name{"urlDecodeUni", Transform::UrlDecodeUni},
    Name{"urlEncode", Transform::UrlEncode},
    Name{"utf8toUnicode", Transform::Utf8ToUnicode},
};

bool equal_caseless(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return detail::lower(static_cast<std::uint8_t>(x)) ==
                  detail::lower(static_cast<std::uint8_t>(y));
         });
}

}  // namespace

std::optional<Transform> find_transform(std::string_view name) {
  for (const Name& n : kNames) {
    if (equal_caseless(n.text, name)) return n.transform;
  }
  return std::nullopt;
}

std::string_view transform_name(Transform t) {
  for (const Name& n : kNames) {
    if (n.transform == t) return n.text;
  }
  return {};
}

std::size_t output_bound(Transform t, std::size_t n) {
  switch (t) {
    case Transform::Base64Decode:
    case Transform::Base64DecodeExt:
      return n / 4 * 3 + n % 4;
    case Transform::Base64Encode:
      return (n + 2) / 3 * 4;
    case Transform::HexDecode:
      return n / 2;
    case Transform::HexEncode:
      return 2 * n;
    case Transform::UrlEncode:
      return 3 * n;
    case Transform::Utf8ToUnicode:
      return 4 * n;  // worst: an overlong pair, "%uXXXX" and one byte
    case Transform::Length:
    case Transform::Sha1:
      return 20;
    case Transform::Md5:
      return 16;
    default:
      return n;
  }
}

Transformed apply(Transform t, std::string_view in, base::Arena& arena, const UnicodeMap* unicode) {
  switch (t) {
    case Transform::None:
      return detail::unchanged(in);
    case Transform::Base64Decode:
      return detail::base64_decode(in, arena);
    case Transform::Base64DecodeExt:
      return detail::base64_decode_ext(in, arena);
    case Transform::Base64Encode:
      return detail::base64_encode(in, arena);
    case Transform::CmdLine:
      return detail::cmd_line(in, arena);
    case Transform::CompressWhitespace:
      return detail::compress_whitespace(in, arena);
    case Transform::CssDecode:
      return detail::css_decode(in, arena);
    case Transform::EscapeSeqDecode:
      return detail::escape_seq_decode(in, arena);
    case Transform::HexDecode:
      return detail::hex_decode(in, arena);
    case Transform::HexEncode:
      return detail::hex_encode(in, arena);
    case Transform::HtmlEntityDecode:
      return detail::html_entity_decode(in, arena);
    case Transform::JsDecode:
      return detail::js_decode(in, arena);
    case Transform::Length:
      return detail::length(in, arena);
    case Transform::Lowercase:
      return detail::lowercase(in, arena);
    case Transform::Md5:
      return detail::md5(in, arena);
    case Transform::NormalisePath:
      return detail::normalise_path(in, arena, false);
    case Transform::NormalisePathWin:
      return detail::normalise_path(in, arena, true);
    case Transform::ParityEven7bit:
    case Transform::ParityOdd7bit:
    case Transform::ParityZero7bit:
      return detail::parity_7bit(t, in, arena);
    case Transform::PhpArgsNames:
      return detail::php_args_names(in, arena);
    case Transform::RemoveComments:
      return detail::remove_comments(in, arena);
    case Transform::RemoveCommentsChar:
      return detail::remove_comments_char(in, arena);
    case Transform::RemoveNulls:
      return detail::remove_nulls(in, arena);
    case Transform::RemoveWhitespace:
      return detail::remove_whitespace(in, arena);
    case Transform::ReplaceComments:
      return detail::replace_comments(in, arena);
    case Transform::ReplaceNulls:
      return detail::replace_nulls(in, arena);
    case Transform::Sha1:
      return detail::sha1(in, arena);
    case Transform::SqlHexDecode:
      return detail::sql_hex_decode(in, arena);
    case Transform::Trim:
      return detail::trim(in, true, true);
    case Transform::TrimLeft:
      return detail::trim(in, true, false);
    case Transform::TrimRight:
      return detail::trim(in, false, true);
    case Transform::Uppercase:
      return detail::uppercase(in, arena);
    case Transform::UrlDecode:
      return detail::url_decode(in, arena);
    case Transform::UrlDecodeUni:
      return detail::url_decode_uni(in, arena, unicode);
    case Transform::UrlEncode:
      return detail::url_encode(in, arena);
    case Transform::Utf8ToUnicode:
      return detail::utf8_to_unicode(in, arena);
  }
  return detail::unchanged(in);
}

}  // namespace weir::rules
