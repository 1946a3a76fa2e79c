// SecLang transformations (t:…): pure functions from bytes to bytes. ModSecurity 2.9.7's results
// are the reference (reference manual, "Transformation functions"; ../RULES.md for every difference
// of v3).
//
// Bounds: time linear in the input; output at most output_bound(input). Thread-safe: no state.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/arena.h"

namespace weir::rules {

enum class Transform : std::uint8_t {
  None,
  Base64Decode,
  Base64DecodeExt,
  Base64Encode,
  CmdLine,
  CompressWhitespace,
  CssDecode,
  EscapeSeqDecode,
  HexDecode,
  HexEncode,
  HtmlEntityDecode,
  JsDecode,
  Length,
  Lowercase,
  Md5,
  NormalisePath,     // also normalizePath
  NormalisePathWin,  // also normalizePathWin
  ParityEven7bit,
  ParityOdd7bit,
  ParityZero7bit,
  PhpArgsNames,      // ModSecurity 3.0.13
  RemoveComments,
  RemoveCommentsChar,
  RemoveNulls,
  RemoveWhitespace,
  ReplaceComments,
  ReplaceNulls,
  Sha1,
  SqlHexDecode,
  Trim,
  TrimLeft,
  TrimRight,
  Uppercase,
  UrlDecode,
  UrlDecodeUni,
  UrlEncode,
  Utf8ToUnicode,
};

// Case-insensitive; knows both spellings of normali[sz]ePath(Win). nullopt: no such transformation.
std::optional<Transform> find_transform(std::string_view name);
std::string_view transform_name(Transform t);  // canonical spelling

// Best-fit table of SecUnicodeMapFile: code point (0..0xffff) to byte, or -1. Null: no mapping.
using UnicodeMap = std::array<std::int16_t, 65536>;
// Parses the code page `code_page` out of a unicode.mapping file's text; false if it is not there.
bool parse_unicode_map(std::string_view text, unsigned code_page, UnicodeMap& out);

struct Transformed {
  std::string_view value;  // `in` itself if nothing changed, else bytes in the arena
  bool changed = false;    // value differs from `in` (what multiMatch asks)
};

// If the arena's limit is reached, the value comes back empty and arena.exhausted() is true.
Transformed apply(Transform t, std::string_view in, base::Arena& arena, const UnicodeMap* unicode);

// Upper bound of the output's length for an input of n bytes.
std::size_t output_bound(Transform t, std::size_t n);

}  // namespace weir::rules
