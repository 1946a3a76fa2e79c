// Everything odd that can be said of one packet below TCP's state, with the name it has in events
// and metrics and with what follows from it.
//
// The consequences describe a current Linux host with default settings, measured where the tests
// say so (tests/unit/net/host_rules_test.cc): what such a host discards is a decoy if it is taken
// for data, and a hole in the inspection if real data is taken for a decoy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::net {

enum class Consequence : std::uint8_t {
  Note,       // hosts accept it
  Doubtful,   // hosts differ: inline it is best dropped, passively it counts as data
  HostDrops,  // the receiving host discards the packet: never data
  Malformed,  // not a packet of the kind it says it is; no Datagram is made of it
};

enum class Anomaly : std::uint8_t {
  None,
  // Malformed
  CapturedTooShort,  // the snaplen cut a header off; the packet itself may be fine
  LinkHeaderShort,
  VlanTooManyTags,
  PppoeMalformed,
  MplsTooManyLabels,
  TooManyLayers,  // DecodeOptions::max_layers
  GreHeaderShort,
  Ipv4HeaderShort,
  Ipv4Version,
  Ipv4HeaderLength,  // IHL below 20 bytes or beyond the packet
  Ipv4TotalLength,   // total length below the header's
  Ipv4LongerThanPacket,
  Ipv6HeaderShort,
  Ipv6Version,
  Ipv6LongerThanPacket,
  Ipv6ExtensionShort,
  Ipv6TooManyExtensions,
  TcpHeaderShort,
  TcpDataOffset,
  // HostDrops
  SourceMulticast,
  SourceBroadcast,
  Ipv4HeaderChecksum,
  Ipv4HeaderChecksumZero,  // as wrong, but what a sending host with checksum offload shows a
                           // capture
  Ipv4OptionMalformed,
  Ipv4SourceRoute,
  Ipv6HopByHopMisplaced,  // a second one, or not directly after the IPv6 header
  Ipv6OptionMalformed,
  Ipv6OptionDiscard,  // an unknown option whose action bits ask to discard
  Ipv6OptionPadding,  // more than seven bytes of padding in a row, or padding that is not zero
  Ipv6OptionCount,    // more than eight options in one header
  Ipv6JumboInvalid,
  Ipv6RoutingHeader,     // segments left, or a type that hosts refuse
  Ipv6Authentication,    // AH without a security association
  Ipv6ExtensionUnknown,  // mobility, HIP, shim6: no handler
  Ipv6SecondFragment,    // a fragment header in a reassembled datagram, or after another one
  Ipv6TinyFragment,      // RFC 7112: the first fragment lacks part of the header chain
  GreChecksum,
  UdpChecksum,       // of a tunnel
  TcpGroupAddress,   // TCP to a multicast or broadcast address
  TcpLinkBroadcast,  // TCP in a frame to every station
  TcpMappedSource,   // TCP from ::ffff:0:0/96
  // Doubtful
  Ipv4TinyFragment,    // the TCP header is spread over fragments
  Ipv4LengthZero,      // taken as "up to the end": segmentation offload of a sending host
  SecurityOption,      // CIPSO, CALIPSO: dropped where labelled networking is compiled in
  Ipv6LengthZero,      // without the jumbo option: Linux reads up to the end of the frame
  Ipv6ManyExtensions,  // more than eight extension headers
  Ipv6RoutingHome,     // type 2 without segments left: dropped where mobile IPv6 is compiled in
  // Note
  Ipv4Options,
  Ipv4ReservedFlag,
  TtlZero,
  SameAddresses,  // source and destination are equal
  Ipv6AtomicFragment,
  Ipv6RoutingDone,         // a routing header without segments left
  TunnelPayloadMalformed,  // what a UDP tunnel carries is no packet: perhaps not that tunnel
  GreUnsupported,
  GeneveCriticalOption,  // of a class that is not known here
  TcpOptionMalformed,
  Count,
};
inline constexpr std::size_t kAnomalies = static_cast<std::size_t>(Anomaly::Count);

// kebab-case, stable: "ipv4-longer-than-packet". "none" for None.
[[nodiscard]] std::string_view name(Anomaly anomaly);
[[nodiscard]] Consequence consequence(Anomaly anomaly);

class AnomalySet {
 public:
  void add(Anomaly a) { bits_ |= bit(a); }
  void remove(Anomaly a) { bits_ &= ~bit(a); }
  void add(AnomalySet other) { bits_ |= other.bits_; }
  [[nodiscard]] bool has(Anomaly a) const { return (bits_ & bit(a)) != 0; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  // The heaviest consequence of all members; Note for the empty set.
  [[nodiscard]] Consequence worst() const;
  // A member with that consequence, for a reason to show; None for the empty set.
  [[nodiscard]] Anomaly gravest() const;
  friend bool operator==(AnomalySet, AnomalySet) = default;

 private:
  static_assert(kAnomalies <= 64);
  static constexpr std::uint64_t bit(Anomaly a) {
    return std::uint64_t{1} << static_cast<unsigned>(a);
  }
  std::uint64_t bits_ = 0;
};

}  // namespace weir::net
