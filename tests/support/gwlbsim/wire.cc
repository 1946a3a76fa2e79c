#include "tests/support/gwlbsim/wire.h"

#include <initializer_list>

namespace gwlbsim {
namespace {

void append(Octets& out, unsigned klass, unsigned type,
            std::initializer_list<std::uint32_t> words) {
  const std::size_t at = out.size();
  out.resize(at + 4 + words.size() * 4);
  put16(&out[at], klass);
  out[at + 2] = static_cast<std::uint8_t>(type);
  out[at + 3] = static_cast<std::uint8_t>(words.size());
  std::size_t i = at + 4;
  for (const std::uint32_t word : words) {
    put32(&out[i], word);
    i += 4;
  }
}

// Over the extension headers of IPv6. false: none of TCP, UDP, ICMP was reached.
bool walk6(const std::uint8_t* p, std::size_t size, Inner& inner) {
  unsigned next = p[6];
  std::size_t at = 40;
  for (int i = 0; i < 20; ++i) {
    if (next == 44) {
      if (at + 8 > size) return false;
      inner.fragment = get16(p + at + 2) / 8 != 0;
      next = p[at];
      at += 8;
      if (inner.fragment) break;
    } else if (next == 0 || next == 43 || next == 60 || next == 51) {
      if (at + 2 > size) return false;
      const std::size_t length = next == 51 ? (p[at + 1] + 2U) * 4U : (p[at + 1] + 1U) * 8U;
      next = p[at];
      at += length;
    } else {
      break;
    }
  }
  inner.protocol = next;
  inner.transport_at = at;
  return at <= size;
}

}  // namespace

Inner read_inner(const std::uint8_t* p, std::size_t size) {
  Inner inner;
  if (size < 20) return inner;
  inner.version = p[0] / 16;
  if (inner.version == 4) {
    inner.protocol = p[9];
    inner.fragment = (get16(p + 6) & 0x1fff) != 0;
    inner.transport_at = (p[0] & 15U) * 4U;
    inner.length = get16(p + 2);
    std::memcpy(inner.source.address.data(), p + 12, 4);
    std::memcpy(inner.destination.address.data(), p + 16, 4);
  } else if (inner.version == 6 && size >= 40) {
    inner.length = 40 + get16(p + 4);
    std::memcpy(inner.source.address.data(), p + 8, 16);
    std::memcpy(inner.destination.address.data(), p + 24, 16);
    if (!walk6(p, size, inner)) return inner;
  } else {
    return inner;
  }
  inner.ip = true;
  const bool ports = inner.protocol == 6 || inner.protocol == 17;
  if (ports && !inner.fragment && inner.transport_at + 4 <= size) {
    inner.source.port = get16(p + inner.transport_at);
    inner.destination.port = get16(p + inner.transport_at + 2);
  }
  return inner;
}

bool well_formed(const std::uint8_t* p, std::size_t size, std::string& why) {
  const Inner inner = read_inner(p, size);
  if (!inner.ip)
    why = "no IP packet";
  else if (inner.length != size)
    why = "the length in the IP header is not the packet's";
  else if (inner.version == 4 && finish(add_words(p, inner.transport_at, 0)) != 0)
    why = "IP checksum";
  else if (inner.protocol != 6)
    why = "neither sent by anybody nor TCP";
  else if (inner.transport_at + 20 > size)
    why = "TCP header cut off";
  if (!why.empty()) return false;
  const std::size_t address = inner.version == 4 ? 4 : 16;
  const std::size_t length = size - inner.transport_at;
  std::uint64_t sum = 6 + length;
  sum = add_words(inner.source.address.data(), address, sum);
  sum = add_words(inner.destination.address.data(), address, sum);
  if (finish(add_words(p + inner.transport_at, length, sum)) != 0) why = "TCP checksum";
  return why.empty();
}

Octets geneve_header(Options kind, std::uint64_t endpoint, std::uint32_t cookie, unsigned version) {
  Octets out(8);
  put16(&out[2], version == 6 ? 0x86dd : 0x0800);
  const auto high = static_cast<std::uint32_t>(endpoint >> 32);
  const auto low = static_cast<std::uint32_t>(endpoint);
  switch (kind) {
    case Options::Bare:
      append(out, 0x0108, 3, {cookie});
      break;
    case Options::Reordered:
      append(out, 0x0108, 3, {cookie});
      append(out, 0x0108, 2, {0, 7});
      append(out, 0x0108, 1, {high, low});
      break;
    default:
      if (kind == Options::Extra) append(out, 0x0fff, 5, {0x01020304, cookie});
      append(out, 0x0108, 1, {high, low});
      append(out, 0x0108, 2, {0, 0});
      append(out, 0x0108, 3, {cookie});
      if (kind == Options::Extra) append(out, 0x0108, 9, {});
      if (kind == Options::Long) {
        for (int i = 0; i < 7; ++i)
          append(out, 0x0fff, 5, {1, 2, 3, 4, 5, 6});
      }
  }
  out[0] = static_cast<std::uint8_t>((out.size() - 8) / 4);
  return out;
}

std::size_t read_header(const std::uint8_t* p, std::size_t size, bool& has_cookie,
                        std::uint32_t& cookie) {
  has_cookie = false;
  if (size < 8 || p[0] >= 64) return 0;
  const std::size_t end = 8 + p[0] * 4U;
  if (end > size) return 0;
  for (std::size_t at = 8; at + 4 <= end;) {
    const std::size_t length = (p[at + 3] & 31U) * 4U;
    if (at + 4 + length > end) return 0;
    if (get16(p + at) == 0x0108 && p[at + 2] == 3 && length == 4) {
      has_cookie = true;
      cookie = get32(p + at + 4);
    }
    at += 4 + length;
  }
  return end;
}

}  // namespace gwlbsim
