#include "engine/http/proxy_protocol.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>

namespace weir::http {
namespace {

constexpr std::string_view kLine = "PROXY ";
constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kFixed = 16;  // version 2, before the addresses

bool begins_like(std::string_view start, std::string_view whole) {
  const std::size_t n = std::min(start.size(), whole.size());
  return start.substr(0, n) == whole.substr(0, n);
}

std::uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }
std::uint16_t word_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(text, at) << 8U | byte_at(text, at + 1));
}

IpAddress address_at(std::string_view text, std::size_t at, bool v6) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data() + at);
  if (v6) return IpAddress::v6(std::span<const std::uint8_t, 16>(bytes, 16));
  return IpAddress::v4(std::span<const std::uint8_t, 4>(bytes, 4));
}

// The next word of a version 1 line: words are separated by exactly one blank.
std::optional<std::string_view> take_word(std::string_view& rest) {
  if (rest.empty() || rest[0] != ' ') return std::nullopt;
  rest.remove_prefix(1);
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest.remove_prefix(word.size());
  if (word.empty()) return std::nullopt;
  return word;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool plain = text.size() == 1 || (!text.empty() && text[0] != '0');
  if (error != std::errc{} || end != text.data() + text.size() || !plain) return std::nullopt;
  return port;
}

// `line` without CR LF.
bool parse_line(std::string_view line, ProxyHeader& header) {
  std::string_view rest = line.substr(kLine.size() - 1);
  const auto family = take_word(rest);
  if (!family) return false;
  if (*family == "UNKNOWN") return true;  // the rest of the line is to be ignored
  if (*family != "TCP4" && *family != "TCP6") return false;
  const std::uint8_t version = *family == "TCP4" ? 4 : 6;
  const auto client = take_word(rest), server = take_word(rest);
  const auto client_port = take_word(rest), server_port = take_word(rest);
  if (!client || !server || !client_port || !server_port || !rest.empty()) return false;
  const auto from = IpAddress::parse(*client), to = IpAddress::parse(*server);
  const auto from_port = port_of(*client_port), to_port = port_of(*server_port);
  if (!from || !to || !from_port || !to_port || from->version != version || to->version != version) return false;
  header.told = true;
  header.client = *from;
  header.server = *to;
  header.client_port = *from_port;
  header.server_port = *to_port;
  return true;
}

ProxyParse parse_v1(std::string_view start) {
  ProxyParse out;
  const std::string_view seen = start.substr(0, kLongestProxyLine);
  const std::size_t end = seen.find('\n');
  if (end == std::string_view::npos) {
    // The last byte could only be the LF.
    out.state = seen.size() == kLongestProxyLine ? ProxyState::Bad : ProxyState::More;
    return out;
  }
  out.header.version = 1;
  out.header.length = static_cast<std::uint32_t>(end + 1);
  const bool whole = seen[end - 1] == '\r' && seen.find('\r') == end - 1 && parse_line(seen.substr(0, end - 1), out.header);
  out.state = whole ? ProxyState::Done : ProxyState::Bad;
  return out;
}

ProxyParse parse_v2(std::string_view start) {
  ProxyParse out;
  if (start.size() < kFixed) {
    // Known as early as a receiver knows it.
    if (start.size() > kSignature.size()) {
      const std::uint8_t command = byte_at(start, kSignature.size());
      if (command != 0x20 && command != 0x21) out.state = ProxyState::Bad;
    }
    return out;
  }
  const std::uint8_t command = byte_at(start, 12), family = byte_at(start, 13);
  const std::uint16_t length = word_at(start, 14);
  out.header.version = 2;
  out.header.length = static_cast<std::uint32_t>(kFixed) + length;
  out.state = ProxyState::Done;
  if (command == 0x20) return out;  // LOCAL: family and addresses are to be ignored
  std::size_t needed = 0;
  bool stream = false;
  switch (family) {
    case 0x00: break;  // UNSPEC
    case 0x11: stream = true; [[fallthrough]];
    case 0x12: needed = 12; break;
    case 0x21: stream = true; [[fallthrough]];
    case 0x22: needed = 36; break;
    case 0x31:
    case 0x32: needed = 216; break;  // UNIX
    default: out.state = ProxyState::Bad; return out;
  }
  if (command != 0x21 || length < needed) {
    out.state = ProxyState::Bad;
    return out;
  }
  if (!stream) return out;
  if (start.size() < kFixed + needed) {
    out.state = ProxyState::More;
    return out;
  }
  const bool v6 = family == 0x21;
  const std::size_t size = v6 ? 16 : 4;
  out.header.told = true;
  out.header.client = address_at(start, kFixed, v6);
  out.header.server = address_at(start, kFixed + size, v6);
  out.header.client_port = word_at(start, kFixed + 2 * size);
  out.header.server_port = word_at(start, kFixed + 2 * size + 2);
  return out;
}

}  // namespace

ProxyParse parse_proxy_header(std::string_view start) noexcept {
  ProxyParse out;
  if (begins_like(start, kLine)) {
    if (start.size() >= kLine.size()) return parse_v1(start);
  } else if (begins_like(start, kSignature)) {
    if (start.size() >= kSignature.size()) return parse_v2(start);
  } else {
    out.state = ProxyState::None;
  }
  return out;
}

bool ProxyReader::committed() const noexcept {
  const std::string_view start = held();
  return skip_ > 0 || (begins_like(start, kLine) && start.size() >= kLine.size()) ||
         (begins_like(start, kSignature) && start.size() >= kSignature.size());
}

ProxyState ProxyReader::feed(std::string_view bytes, std::size_t& used) noexcept {
  used = 0;
  if (skip_ == 0) {
    const std::size_t before = size_;
    const std::size_t room = std::min(bytes.size(), start_.size() - size_);
    if (room > 0) std::memcpy(start_.data() + size_, bytes.data(), room);
    size_ += room;
    const ProxyParse parsed = parse_proxy_header(held());
    if (parsed.state == ProxyState::None) {
      size_ = before;
      return ProxyState::None;
    }
    if (parsed.state != ProxyState::Done) {
      used = room;
      return parsed.state;
    }
    header_ = parsed.header;
    skip_ = header_.length - static_cast<std::uint32_t>(before);
  }
  const std::size_t now = std::min<std::size_t>(skip_, bytes.size());
  skip_ -= static_cast<std::uint32_t>(now);
  used = now;
  return skip_ == 0 ? ProxyState::Done : ProxyState::More;
}

}  // namespace weir::http
