#include "engine/base/utf8.h"

#include <cstring>

namespace weir::base {
namespace {

bool continuation(std::string_view s, std::size_t at) {
  return at < s.size() && (static_cast<unsigned char>(s[at]) & 0xC0U) == 0x80U;
}

char32_t low6(char c) { return static_cast<unsigned char>(c) & 0x3FU; }

}  // namespace

Utf8Char decode_utf8(std::string_view s, std::size_t at) {
  const auto first = static_cast<unsigned char>(s[at]);
  if (first < 0x80U) return {first, 1};
  if (first < 0xC2U) return {};  // continuation byte, or an overlong two-byte form
  if (first < 0xE0U) {
    if (!continuation(s, at + 1)) return {};
    return {(static_cast<char32_t>(first & 0x1FU) << 6U) | low6(s[at + 1]), 2};
  }
  if (first < 0xF0U) {
    if (!continuation(s, at + 1) || !continuation(s, at + 2)) return {};
    const char32_t c = (static_cast<char32_t>(first & 0x0FU) << 12U) | (low6(s[at + 1]) << 6U) |
                       low6(s[at + 2]);
    if (c < 0x800U || (c >= 0xD800U && c <= 0xDFFFU)) return {};
    return {c, 3};
  }
  if (first < 0xF5U) {
    if (!continuation(s, at + 1) || !continuation(s, at + 2) || !continuation(s, at + 3)) return {};
    const char32_t c = (static_cast<char32_t>(first & 0x07U) << 18U) | (low6(s[at + 1]) << 12U) |
                       (low6(s[at + 2]) << 6U) | low6(s[at + 3]);
    if (c < 0x10000U || c > 0x10FFFFU) return {};
    return {c, 4};
  }
  return {};
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    // Eight ASCII bytes at a time: nearly all traffic is ASCII.
    while (at + 8 <= text.size()) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, 8);
      if ((word & 0x8080808080808080ULL) != 0) break;
      at += 8;
    }
    if (at >= text.size()) break;
    const Utf8Char c = decode_utf8(text, at);
    if (c.length == 0) return at;
    at += c.length;
  }
  return text.size();
}

std::string_view cut_utf8(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  // Only a character that starts in the last three bytes before the limit can reach over it.
  for (std::size_t back = 1; back <= 3 && back <= limit; ++back) {
    const Utf8Char c = decode_utf8(text, limit - back);
    if (c.length > back) return text.substr(0, limit - back);
    if (c.length != 0) break;
  }
  return text.substr(0, limit);
}

void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10FFFFU || (c >= 0xD800U && c <= 0xDFFFU)) c = 0xFFFDU;
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80U) {
    put(c);
  } else if (c < 0x800U) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000U) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

}  // namespace weir::base
