// Frames that Weir makes: whole TCP packets (block pages, resets), and packets that are passed on
// with a small change. They are written into the caller's buffer; 0 means that it does not fit or
// cannot be done. Pure, noexcept, no allocation. Tested by tests/unit/net/build_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/net/decode.h"
#include "engine/net/segment.h"

namespace weir::net {

struct TcpFrame {
  Endpoint source;
  Endpoint destination;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint8_t flags = 0;  // TcpFlag bits
  std::uint16_t window = 0;
  std::uint16_t urgent = 0;
  std::optional<std::uint16_t> mss;
  std::optional<std::uint8_t> window_scale;
  std::optional<TcpOptions::Timestamps> timestamps;
  bool sack_permitted = false;
  Bytes payload;
  std::uint8_t ttl = 64;
  std::uint8_t traffic_class = 0;
  std::uint16_t ip_id = 0;  // IPv4; "don't fragment" is always set
};

// Most that build_tcp() adds to the payload: IPv6, TCP with all options above.
inline constexpr std::size_t kMostTcpHeaders = 40 + 20 + 24;

// An IP packet without link header (LinkType::RawIp), all lengths and checksums filled in.
[[nodiscard]] std::size_t build_tcp(std::span<std::uint8_t> out, const TcpFrame& frame) noexcept;

enum class LinkDirection : std::uint8_t {
  Same,     // goes where `like` goes
  Reverse,  // goes back to where `like` came from: Ethernet addresses are exchanged
};

// As build_tcp(), behind a copy of the link header of `like`, VLAN tags included. `decoded` is what
// decode() made of `like` (or the Defragmenter, with `like` as the last fragment). 0 also if `like`
// is in a tunnel, PPPoE or MPLS, or of the other IP version.
[[nodiscard]] std::size_t build_like(std::span<std::uint8_t> out, const Packet& like,
                                     const Datagram& decoded, LinkDirection direction,
                                     const TcpFrame& frame) noexcept;

struct TcpEdit {
  bool clear_urgent = false;     // URG and the urgent pointer
  bool strip_fast_open = false;  // the option becomes NOPs
};

// A copy of a packet with its TCP header changed, same length. The checksum is adapted (RFC 1624),
// never computed anew: what was wrong before stays wrong, so no decoy is repaired. A partial sum
// (NotFilled) stays. 0 if the packet is cut off, a fragment, reassembled, or in an envelope with
// sums of its own. REQUIRES: parse_tcp() took the datagram.
[[nodiscard]] std::size_t rewrite_tcp(std::span<std::uint8_t> out, const Packet& packet,
                                      const Datagram& decoded, const TcpEdit& edit) noexcept;

}  // namespace weir::net
