// Text for error messages out of bytes that a client sent.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::rules::body {

inline constexpr std::string_view kArgumentsLimitMessage = "SecArgumentsLimit exceeded";

// Printable ASCII as it is, backslash doubled, every other byte as \xhh (ModSecurity's form in messages).
// Longer values are cut after `limit` bytes, marked with "...".
[[nodiscard]] inline std::string printable(std::string_view bytes, std::size_t limit = 200) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      out += "\\\\";
    } else if (byte >= 0x20U && byte < 0x7FU) {
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  if (bytes.size() > limit) out += "...";
  return out;
}

// isspace() of the C locale, for any byte.
[[nodiscard]] constexpr bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

}  // namespace weir::rules::body
