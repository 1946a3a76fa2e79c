// decode(): one Packet to the innermost IP datagram in it.
//
// Link header, VLAN tags, PPPoE, MPLS and the tunnels that DecodeOptions opens are passed over;
// what they say of the address space goes into Datagram::encapsulation. Lengths are those of the IP
// header, never of the frame: padding is not payload, and a header that says more than the frame
// carried makes the packet Malformed. Pure, noexcept, no allocation, no recursion; time is linear
// in the header bytes.
//
// Sources: RFC 791, 8200, 7112, 2784, 2890, 2637, 3032, 2516, 4213, 2473, 7348, 8926, IEEE 802.1Q.
// Tested by tests/unit/net/decode_*_test.cc, fuzzed by tests/fuzz/net/decode_fuzz.cc.
#pragma once

#include <cstdint>
#include <variant>

#include "engine/base/ip_address.h"
#include "engine/net/anomaly.h"
#include "engine/net/segment.h"
#include "engine/packet.h"

namespace weir::net {

// First 8 bits of Encapsulation::network: the outermost tunnel.
enum class TunnelKind : std::uint8_t {
  None = 0,
  Gre = 1,
  Pptp = 2,  // its call id differs with the direction and is no part of the key
  Erspan = 3,
  IpInIp = 4,
  Ipv6InIp = 5,
  Vxlan = 6,
  Geneve = 7,
  Teredo = 8,
  Pppoe = 9,
  Mpls = 10,  // labels differ with the direction and are no part of the key
};

struct DecodeOptions {
  std::uint8_t max_layers = 6;       // IP headers within each other
  std::uint8_t max_extensions = 32;  // IPv6 extension headers of one datagram
  bool gre = true;                   // v0 with ERSPAN and bridging, v1 (PPTP)
  bool ip_in_ip = true;              // protocols 4 and 41
  bool vxlan = true;                 // UDP 4789, 8472
  bool geneve = true;                // UDP 6081
  bool teredo = false;               // UDP 3544
  bool pppoe = true;
  bool mpls = true;
  // Whether flows of different VLANs are different flows. Off where the two directions carry
  // different tags.
  bool vlans_in_key = true;
  // Whether flows in different tunnels are different flows. Off where only one direction is
  // tunnelled (direct server return). The GENEVE endpoint id always distinguishes.
  bool tunnels_in_key = true;
  // Mirrors that truncate (VXLAN, ERSPAN): what is missing inside them counts as cut off, not as
  // malformed.
  bool mirrors_truncate = false;
};

struct FragmentInfo {
  bool present = false;  // part of a datagram: an offset, or more to come
  bool more = false;
  std::uint8_t ecn = 0;      // RFC 3168 codepoint, 0..3
  std::uint32_t offset = 0;  // bytes
  std::uint32_t id = 0;
};

struct Datagram {
  IpAddress source;
  IpAddress destination;
  Encapsulation encapsulation;
  // What follows the IP header and its extensions, as far as captured. Of a fragment: its part of
  // it.
  Bytes payload;
  std::uint32_t missing = 0;        // bytes of it that were on the wire but not captured
  std::uint32_t ip_at = 0;          // offset of the IP header in Packet::bytes
  std::uint32_t transport_at = 0;   // offset of `payload` there; 0 if reassembled
  std::uint32_t header_length = 0;  // IP header with options or extensions, up to `payload`
  std::uint8_t protocol =
      0;  // of `payload`; of an IPv6 fragment: next header of the fragment header
  std::uint8_t ttl = 0;
  std::uint8_t layers = 0;  // IP headers up to and with this one
  bool reassembled = false;
  bool link_broadcast = false;  // the frame was addressed to every station
  bool enveloped = false;       // in PPPoE, MPLS or a tunnel
  FragmentInfo fragment;
  AnomalySet anomalies;  // of this and of all outer layers
  ChecksumState checksum = ChecksumState::Unknown;
  Timestamp time;
  std::uint64_t packet_number = 0;
  std::uint16_t came_by = 0;  // of the packet
  std::uint16_t leaves_by = 0;

  [[nodiscard]] std::uint8_t version() const { return source.version; }
  // The receiving host discards it: it carries no data for anybody.
  [[nodiscard]] bool dropped_by_host() const { return anomalies.worst() == Consequence::HostDrops; }
  // As dropped_by_host(), or hosts differ: an inline Weir had better not forward it.
  [[nodiscard]] bool suspicious() const { return anomalies.worst() >= Consequence::Doubtful; }
};

// ARP, LACP, STP, an unknown EtherType: none of Weir's business, bridges pass it.
struct NonIp {
  std::uint16_t ether_type = 0;  // or PPP protocol, or 0 where there is none
};

struct Malformed {
  Anomaly reason = Anomaly::None;
};

using Decoded = std::variant<Datagram, NonIp, Malformed>;

// REQUIRES: wire_length >= bytes.size(), else bytes.size() is taken for it.
// A fragment is returned as such (fragment.present) and not looked into.
[[nodiscard]] Decoded decode(const Packet& packet, const DecodeOptions& options) noexcept;
// The same, made where it is kept.
void decode(const Packet& packet, const DecodeOptions& options, Decoded& out) noexcept;

// Goes on where decode() stopped, with a datagram that Defragmenter put together: the rest of the
// IPv6 header chain, and tunnels. Views of the result point into datagram.payload.
[[nodiscard]] Decoded decode_reassembled(const Datagram& datagram,
                                         const DecodeOptions& options) noexcept;

}  // namespace weir::net
