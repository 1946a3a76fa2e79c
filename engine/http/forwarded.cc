#include "engine/http/forwarded.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "engine/http/syntax.h"

namespace weir::http {
namespace {

using Kind = ForwardedNode::Kind;

// What may stand behind an address: nothing, or a colon and a number. 0: nothing.
std::optional<std::uint16_t> port_behind(std::string_view text) {
  if (text.empty()) return std::uint16_t{0};
  if (text[0] != ':' || text.size() < 2 || text[1] == '0') return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// address, address:port, [address], [address]:port; `bare6`: also an IPv6 address without brackets.
ForwardedNode node_of(std::string_view text, bool bare6) {
  ForwardedNode node;
  std::optional<IpAddress> address;
  std::string_view behind;
  if (!text.empty() && text[0] == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return node;
    address = IpAddress::parse(text.substr(1, end - 1));
    if (address && address->version != 6) return node;
    behind = text.substr(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    const bool v6 = bare6 && colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos;
    const std::size_t end = v6 ? text.size() : std::min(colon, text.size());
    address = IpAddress::parse(text.substr(0, end));
    if (address && !v6 && address->version != 4) return node;
    behind = text.substr(end);
  }
  const auto port = port_behind(behind);
  if (!address || !port) return node;
  node.kind = Kind::Address;
  node.address = *address;
  node.port = *port;
  return node;
}

// The value of a forwarded-pair at the start of `rest`, which it is taken from: token or quoted-string. Escapes are
// not undone: no address has any.
bool take_value(std::string_view& rest, std::string_view& value, bool& quoted) {
  quoted = !rest.empty() && rest[0] == '"';
  if (!quoted) {
    std::size_t n = 0;
    while (n < rest.size() && is_token_char(rest[n])) ++n;
    value = rest.substr(0, n);
    rest.remove_prefix(n);
    return n > 0;
  }
  for (std::size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '\\') {
      ++at;
    } else if (rest[at] == '"') {
      value = rest.substr(1, at - 1);
      rest.remove_prefix(at + 1);
      return true;
    }
  }
  return false;
}

// RFC 7239 4: pairs separated by semicolons, each name at most once.
ForwardedNode element(std::string_view rest) {
  ForwardedNode node;
  bool found = false;
  for (bool first = true; first || !rest.empty(); first = false) {
    if (!first) {
      if (rest[0] != ';') return {};
      rest = trim(rest.substr(1));
    }
    std::size_t n = 0;
    while (n < rest.size() && is_token_char(rest[n])) ++n;
    const std::string_view name = rest.substr(0, n);
    rest.remove_prefix(n);
    if (name.empty() || rest.empty() || rest[0] != '=') return {};
    rest.remove_prefix(1);
    std::string_view value;
    bool quoted = false;
    if (!take_value(rest, value, quoted)) return {};
    rest = trim(rest);
    if (!equals_ignoring_case(name, "for")) continue;
    if (found) return {};
    found = true;
    const std::string_view who = value.substr(0, value.find(':'));
    if (equals_ignoring_case(who, "unknown") || (who.size() > 1 && who[0] == '_')) {
      node.kind = Kind::Hidden;
      continue;
    }
    node = node_of(value, false);
    if (node.kind == Kind::Bad) return {};
  }
  if (!found) node.kind = Kind::Hidden;
  return node;
}

// Where the last element of a Forwarded value begins: behind the last comma outside quotes, seen from the end.
std::size_t last_element(std::string_view value) {
  bool quoted = false;
  for (std::size_t at = value.size(); at > 0; --at) {
    const char c = value[at - 1];
    if (c == ',' && !quoted) return at;
    if (c != '"') continue;
    std::size_t escapes = at - 1;
    while (escapes > 0 && value[escapes - 1] == '\\') --escapes;
    const bool escaped = (at - 1 - escapes) % 2 == 1;
    if (!(quoted && escaped)) quoted = !quoted;
    at = escapes + 1;
  }
  return 0;
}

}  // namespace

bool ForwardedElements::next(ForwardedNode& node) noexcept {
  if (over_) return false;
  const std::size_t comma = rest_.rfind(',');
  const std::size_t from = field_ == ForwardedField::Forwarded          ? last_element(rest_)
                           : comma == std::string_view::npos ? 0
                                                             : comma + 1;
  const std::string_view text = trim(rest_.substr(from));
  node = field_ == ForwardedField::Forwarded ? element(text) : node_of(text, true);
  over_ = from == 0;
  if (!over_) rest_ = rest_.substr(0, from - 1);
  return true;
}

}  // namespace weir::http
