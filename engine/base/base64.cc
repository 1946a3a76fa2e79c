#include "engine/base/base64.h"

#include <cstdint>

namespace weir::base {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

std::uint32_t byte_at(std::string_view s, std::size_t i) { return static_cast<unsigned char>(s[i]); }

}  // namespace

void append_base64(std::string& out, std::string_view in) {
  std::size_t i = 0;
  for (; i + 3 <= in.size(); i += 3) {
    const std::uint32_t v = byte_at(in, i) << 16U | byte_at(in, i + 1) << 8U | byte_at(in, i + 2);
    out += kAlphabet[v >> 18U];
    out += kAlphabet[(v >> 12U) & 63U];
    out += kAlphabet[(v >> 6U) & 63U];
    out += kAlphabet[v & 63U];
  }
  if (in.size() - i == 1) {
    const std::uint32_t v = byte_at(in, i) << 16U;
    out += kAlphabet[v >> 18U];
    out += kAlphabet[(v >> 12U) & 63U];
    out += "==";
  } else if (in.size() - i == 2) {
    const std::uint32_t v = byte_at(in, i) << 16U | byte_at(in, i + 1) << 8U;
    out += kAlphabet[v >> 18U];
    out += kAlphabet[(v >> 12U) & 63U];
    out += kAlphabet[(v >> 6U) & 63U];
    out += '=';
  }
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  append_base64(out, bytes);
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::size_t digits = text.size() - padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned have = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const int v = value_of(text[i]);
    if (v < 0) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(v);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>((bits >> have) & 0xFFU);
      bits &= (1U << have) - 1U;
    }
  }
  if (bits != 0) return std::nullopt;
  return out;
}

}  // namespace weir::base
