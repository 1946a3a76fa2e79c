// TcpSegment: what engine/net makes of one packet and engine/flow takes. A plain value whose views
// point into the packet's (or the reassembled datagram's) bytes; valid during the call only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>

#include "engine/base/ip_address.h"
#include "engine/packet.h"

namespace weir::net {

// What else must be equal for two packets to belong to one flow: customers behind different tunnels
// and VLANs may use the same addresses. Whole-key comparison, never a hash as identity.
struct Encapsulation {
  std::uint64_t domain = 0;  // Packet::domain, or the GENEVE endpoint id found inside a capture
  std::uint64_t network =
      0;  // tunnel kind (8 bits) | outer id (28: GRE key folded, VNI) | inner id (28)
  std::array<std::uint16_t, 3> vlans{};  // VLAN ids, outermost first, 0 = none
  auto operator<=>(const Encapsulation&) const = default;
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

// RFC 9293 header flags.
enum TcpFlag : std::uint8_t {
  kFin = 0x01,
  kSyn = 0x02,
  kRst = 0x04,
  kPsh = 0x08,
  kAck = 0x10,
  kUrg = 0x20,
  kEce = 0x40,
  kCwr = 0x80,
};

struct TcpOptions {
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;  // as sent, 0..14 after clamping (RFC 7323 2.3)
  struct Timestamps {
    std::uint32_t value = 0;
    std::uint32_t echo = 0;
  };
  std::optional<Timestamps> timestamps;  // RFC 7323
  bool sack_permitted = false;
  bool fast_open =
      false;  // RFC 7413 option (kind 34), with or without cookie, or the experimental one
  bool authentication = false;  // TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925)
  bool malformed = false;       // a length of 0 or 1, or past the end: parsing stopped there
};

struct TcpSegment {
  Endpoint source;
  Endpoint destination;
  Encapsulation encapsulation;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint8_t flags = 0;    // TcpFlag bits
  std::uint16_t window = 0;  // as sent, unscaled
  std::uint16_t urgent = 0;
  TcpOptions options;
  Bytes payload;
  std::uint32_t missing = 0;  // payload bytes that were on the wire but cut off by the snaplen
  std::uint8_t ttl = 0;       // IPv4 TTL or IPv6 hop limit
  bool checksum_bad =
      false;  // verified and wrong (never set where the checksum state forbids the test)
  Timestamp time;
  std::uint64_t packet_number = 0;
  std::uint16_t came_by = 0;  // interfaces, see Packet
  std::uint16_t leaves_by = 0;

  [[nodiscard]] bool has(TcpFlag f) const { return (flags & f) != 0; }
};

}  // namespace weir::net
