#include "rules/body/cookies.h"

#include <algorithm>
#include <cstring>

#include "rules/body/message.h"

namespace weir::rules::body {
namespace {

// How much of a cookie's name goes into the names of its attributes: without a bound, one long name and
// many attributes would cost the square of the header's length.
constexpr std::size_t kPrefixBytes = 256;

void trim_end(std::string_view& s) {
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
}

void trim_start(std::string_view& s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
}

// Takes everything up to one of `stops` (or all) off the front of `rest`.
std::string_view take_until(std::string_view& rest, std::string_view stops) {
  const std::size_t end = std::min(rest.find_first_of(stops), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end);
  return taken;
}

// The value behind '=' of a version 1 cookie; leaves `rest` behind it.
std::string_view take_v1_value(std::string_view& rest) {
  trim_start(rest);
  if (!rest.empty() && rest.front() == '"') {
    rest.remove_prefix(1);
    const std::string_view value = take_until(rest, "\"");
    if (!rest.empty()) rest.remove_prefix(1);
    return value;
  }
  std::string_view value = take_until(rest, ",;");
  trim_end(value);
  return value;
}

}  // namespace

CookieResult parse_cookies_v0(std::string_view header, char separator, CookieSink& sink) {
  CookieResult result;
  result.work = header.size();
  if (separator == kAutomaticSeparator) {
    separator = ';';
    const std::size_t comma = header.find(',');
    if (comma + 1 < header.size() && comma != std::string_view::npos && header[comma + 1] == ' ' &&
        header.find(';') == std::string_view::npos) {
      separator = ',';
    }
  }
  while (!header.empty()) {
    std::string_view piece = header.substr(0, header.find(separator));
    header.remove_prefix(piece.size());
    if (!header.empty()) header.remove_prefix(1);
    trim_start(piece);
    const std::string_view name = piece.substr(0, piece.find('='));
    if (name.empty()) continue;
    std::string_view value;
    if (name.size() < piece.size()) value = piece.substr(name.size() + 1);
    ++result.cookies;
    if (!sink.on_cookie(name, value)) break;
  }
  return result;
}

CookieResult parse_cookies_v1(std::string_view header, base::Arena& arena, CookieSink& sink) {
  CookieResult result;
  result.work = header.size();
  std::string_view rest = header;
  std::string_view last;  // the cookie that an attribute belongs to
  while (!rest.empty()) {
    trim_start(rest);
    std::string_view name = take_until(rest, "=;,");
    std::string_view value;
    if (!rest.empty()) {
      const bool has_value = rest.front() == '=';
      rest.remove_prefix(1);
      if (has_value) value = take_v1_value(rest);
    }
    trim_end(name);
    if (!name.empty()) {
      if (name.front() == '$' && !last.empty()) {
        const std::size_t size = last.size() + name.size() + 1;
        char* const joined = arena.allocate(size);
        if (joined == nullptr) break;
        joined[0] = '$';
        std::memcpy(joined + 1, last.data(), last.size());
        joined[1 + last.size()] = '_';
        std::memcpy(joined + 2 + last.size(), name.data() + 1, name.size() - 1);
        name = {joined, size};
        result.work += size;
      }
      ++result.cookies;
      if (!sink.on_cookie(name, value)) break;
      if (name.front() != '$') last = name.substr(0, kPrefixBytes);
    }
    while (!rest.empty() && (rest.front() == ',' || rest.front() == ';' || is_space(rest.front()))) {
      rest.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace weir::rules::body
