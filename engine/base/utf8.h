// UTF-8 (RFC 3629): validation, decoding, encoding. Overlong forms, surrogates and code points beyond
// U+10FFFF are invalid. Pure functions; no allocation except append_utf8's string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::base {

struct Utf8Char {
  char32_t code_point = 0;
  std::uint8_t length = 0;  // bytes used, 1..4; 0 if the bytes at that place are not valid UTF-8
};

// The character that starts at `at`. REQUIRES: at < text.size().
[[nodiscard]] Utf8Char decode_utf8(std::string_view text, std::size_t at);

// Length of the longest prefix that is valid UTF-8 (never ends inside a character).
[[nodiscard]] std::size_t valid_utf8_prefix(std::string_view text);

[[nodiscard]] inline bool is_valid_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == text.size();
}

// The longest prefix of at most `limit` bytes that does not cut a valid character in two.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t limit);

// Appends one code point. Surrogates and values beyond U+10FFFF become U+FFFD.
void append_utf8(std::string& out, char32_t code_point);

}  // namespace weir::base
