// Frames that Weir makes: whole TCP packets (block pages, resets), and packets that are passed on
// with a small change. They are written into the caller's buffer; 0 means that it does not fit or
// cannot be done. Pure, noexcept, no allocation. Tested by tests/unit/net/build_test.cc.
#pragma once

#include <array>
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

// The way to one end of a connection: the link header, VLAN tags included, of a packet that went there
// or came from there. A value: it outlives the packet.
struct Route {
  static constexpr std::size_t kMost = 40;
  LinkType link = LinkType::RawIp;
  std::uint8_t version = 4;  // of IP
  std::uint8_t length = 0;
  std::array<std::uint8_t, kMost> header{};
};

// `decoded` is what decode() made of `like` (or the Defragmenter, with `like` as the last fragment).
// nullopt if `like` is in a tunnel, PPPoE or MPLS.
[[nodiscard]] std::optional<Route> route_of(const Packet& like, const Datagram& decoded,
                                            LinkDirection direction) noexcept;

// As build_tcp(), behind the link header of `route`. 0 also if the frame is of the other IP version.
[[nodiscard]] std::size_t build_on(std::span<std::uint8_t> out, const Route& route,
                                   const TcpFrame& frame) noexcept;
// Both in one.
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
