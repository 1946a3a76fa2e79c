// GENEVE datagrams for tests.
#pragma once

#include <cstdint>

#include "engine/net/wire.h"
#include "tests/support/packet_builder.h"

namespace weir::test {

// One option of RFC 8926; the data is padded to words.
inline Octets option(std::uint16_t option_class, std::uint8_t type, Octets data) {
  while (data.size() % 4 != 0)
    data.push_back(0);
  Octets out(4);
  net::store16(out.data(), option_class);
  out[2] = type;
  out[3] = static_cast<std::uint8_t>(data.size() / 4);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

inline Octets big_endian(std::uint64_t value, std::size_t size) {
  Octets out(size);
  for (std::size_t i = size; i-- > 0; value >>= 8)
    out[i] = static_cast<std::uint8_t>(value);
  return out;
}

inline Octets joined(std::initializer_list<Octets> parts) {
  Octets out;
  for (const Octets& part : parts)
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

// The three options of AWS.
inline Octets aws_options(std::uint64_t endpoint, std::uint32_t cookie,
                          std::uint64_t attachment = 0) {
  return joined({option(0x0108, 1, big_endian(endpoint, 8)),
                 option(0x0108, 2, big_endian(attachment, 8)),
                 option(0x0108, 3, big_endian(cookie, 4))});
}

// The payload of UDP: header, options, inner packet.
inline Octets geneve(const Octets& options, const Octets& inner, std::uint16_t protocol = 0x0800,
                     std::uint32_t vni = 0) {
  Octets head(8);
  head[0] = static_cast<std::uint8_t>(options.size() / 4);
  net::store16(head.data() + 2, protocol);
  net::store32(head.data() + 4, vni << 8);
  return joined({head, options, inner});
}

inline Octets tcp4(const char* from, std::uint16_t sport, const char* to, std::uint16_t dport,
                   std::string_view text = "x") {
  return PacketBuilder().ipv4(from, to).tcp(sport, dport).payload(text).build();
}

inline Octets tcp6(const char* from, std::uint16_t sport, const char* to, std::uint16_t dport,
                   std::string_view text = "x") {
  return PacketBuilder().ipv6(from, to).tcp(sport, dport).payload(text).build();
}

}  // namespace weir::test
