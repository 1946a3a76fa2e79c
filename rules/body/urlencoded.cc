#include "rules/body/urlencoded.h"

#include <cstring>

#include "engine/base/octets.h"
#include "rules/body/message.h"

namespace weir::rules::body {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::size_t find(std::string_view s, char c) {
  const void* at = s.empty() ? nullptr : std::memchr(s.data(), c, s.size());
  return at == nullptr ? s.size()
                       : static_cast<std::size_t>(static_cast<const char*>(at) - s.data());
}

}  // namespace

std::string_view decode_urlencoded(std::string_view text, base::Arena& arena,
                                   std::uint32_t& invalid) {
  if (find(text, '%') == text.size() && find(text, '+') == text.size()) return text;
  char* const out = arena.allocate(text.size());
  if (out == nullptr) return {};
  char* to = out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t plain = base::copy_replacing(text.substr(i), '%', '+', ' ', to);
    to += plain;
    i += plain;
    if (i == text.size()) break;
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low >= 0) {
      *to++ = static_cast<char>(high * 16 + low);
      i += 3;
    } else {
      *to++ = '%';
      ++i;
      ++invalid;
    }
  }
  const auto length = static_cast<std::size_t>(to - out);
  arena.shrink(out, text.size(), length);
  return {out, length};
}

UrlencodedResult parse_urlencoded(std::string_view text, const BodyLimits& limits,
                                  base::Arena& arena, BodySink& sink) {
  UrlencodedResult result;
  bool told = false;
  const auto stop = [&](std::string_view message) {
    result.ok = false;
    sink.on_error(message);
  };
  while (!text.empty()) {
    const std::size_t end = find(text, limits.argument_separator);
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(end == text.size() ? end : end + 1);
    result.work += 2 * piece.size() + 1;

    const std::size_t equals = find(piece, '=');
    const std::string_view name = decode_urlencoded(piece.substr(0, equals), arena, result.invalid);
    std::string_view value;
    if (equals < piece.size()) {
      value = decode_urlencoded(piece.substr(equals + 1), arena, result.invalid);
    }
    if (arena.exhausted()) {
      stop("Request arguments exceed the memory of a transaction");
      break;
    }
    if (result.invalid != 0 && !told) {
      told = true;
      sink.on_urlencoded_error();
    }
    if (result.arguments >= limits.arguments || !sink.on_argument(name, value)) {
      stop(kArgumentsLimitMessage);
      break;
    }
    ++result.arguments;
  }
  return result;
}

}  // namespace weir::rules::body
