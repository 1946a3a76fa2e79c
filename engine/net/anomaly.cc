#include "engine/net/anomaly.h"

#include <array>

namespace weir::net {
namespace {

struct Row {
  Anomaly anomaly;
  std::string_view name;
  Consequence consequence;
};

using A = Anomaly;
using C = Consequence;

// In the order of the enum, which the loop below checks at compile time.
constexpr std::array<Row, kAnomalies> kRows{{
    {A::None, "none", C::Note},
    {A::CapturedTooShort, "captured-too-short", C::Malformed},
    {A::LinkHeaderShort, "link-header-short", C::Malformed},
    {A::VlanTooManyTags, "vlan-too-many-tags", C::Malformed},
    {A::PppoeMalformed, "pppoe-malformed", C::Malformed},
    {A::MplsTooManyLabels, "mpls-too-many-labels", C::Malformed},
    {A::TooManyLayers, "too-many-layers", C::Malformed},
    {A::GreHeaderShort, "gre-header-short", C::Malformed},
    {A::Ipv4HeaderShort, "ipv4-header-short", C::Malformed},
    {A::Ipv4Version, "ipv4-version", C::Malformed},
    {A::Ipv4HeaderLength, "ipv4-header-length", C::Malformed},
    {A::Ipv4TotalLength, "ipv4-total-length", C::Malformed},
    {A::Ipv4LongerThanPacket, "ipv4-longer-than-packet", C::Malformed},
    {A::Ipv6HeaderShort, "ipv6-header-short", C::Malformed},
    {A::Ipv6Version, "ipv6-version", C::Malformed},
    {A::Ipv6LongerThanPacket, "ipv6-longer-than-packet", C::Malformed},
    {A::Ipv6ExtensionShort, "ipv6-extension-short", C::Malformed},
    {A::Ipv6TooManyExtensions, "ipv6-too-many-extensions", C::Malformed},
    {A::TcpHeaderShort, "tcp-header-short", C::Malformed},
    {A::TcpDataOffset, "tcp-data-offset", C::Malformed},
    {A::SourceMulticast, "source-multicast", C::HostDrops},
    {A::SourceBroadcast, "source-broadcast", C::HostDrops},
    {A::Ipv4HeaderChecksum, "ipv4-header-checksum", C::HostDrops},
    {A::Ipv4HeaderChecksumZero, "ipv4-header-checksum-zero", C::HostDrops},
    {A::Ipv4OptionMalformed, "ipv4-option-malformed", C::HostDrops},
    {A::Ipv4SourceRoute, "ipv4-source-route", C::HostDrops},
    {A::Ipv6HopByHopMisplaced, "ipv6-hop-by-hop-misplaced", C::HostDrops},
    {A::Ipv6OptionMalformed, "ipv6-option-malformed", C::HostDrops},
    {A::Ipv6OptionDiscard, "ipv6-option-discard", C::HostDrops},
    {A::Ipv6OptionPadding, "ipv6-option-padding", C::HostDrops},
    {A::Ipv6OptionCount, "ipv6-option-count", C::HostDrops},
    {A::Ipv6JumboInvalid, "ipv6-jumbo-invalid", C::HostDrops},
    {A::Ipv6RoutingHeader, "ipv6-routing-header", C::HostDrops},
    {A::Ipv6Authentication, "ipv6-authentication", C::HostDrops},
    {A::Ipv6ExtensionUnknown, "ipv6-extension-unknown", C::HostDrops},
    {A::Ipv6SecondFragment, "ipv6-second-fragment", C::HostDrops},
    {A::Ipv6TinyFragment, "ipv6-tiny-fragment", C::HostDrops},
    {A::GreChecksum, "gre-checksum", C::HostDrops},
    {A::UdpChecksum, "udp-checksum", C::HostDrops},
    {A::TcpGroupAddress, "tcp-group-address", C::HostDrops},
    {A::TcpLinkBroadcast, "tcp-link-broadcast", C::HostDrops},
    {A::TcpMappedSource, "tcp-mapped-source", C::HostDrops},
    {A::Ipv4TinyFragment, "ipv4-tiny-fragment", C::Doubtful},
    {A::Ipv4LengthZero, "ipv4-length-zero", C::Doubtful},
    {A::SecurityOption, "security-option", C::Doubtful},
    {A::Ipv6LengthZero, "ipv6-length-zero", C::Doubtful},
    {A::Ipv6ManyExtensions, "ipv6-many-extensions", C::Doubtful},
    {A::Ipv6RoutingHome, "ipv6-routing-home", C::Doubtful},
    {A::Ipv4Options, "ipv4-options", C::Note},
    {A::Ipv4ReservedFlag, "ipv4-reserved-flag", C::Note},
    {A::TtlZero, "ttl-zero", C::Note},
    {A::SameAddresses, "same-addresses", C::Note},
    {A::Ipv6AtomicFragment, "ipv6-atomic-fragment", C::Note},
    {A::Ipv6RoutingDone, "ipv6-routing-done", C::Note},
    {A::TunnelPayloadMalformed, "tunnel-payload-malformed", C::Note},
    {A::GreUnsupported, "gre-unsupported", C::Note},
    {A::GeneveCriticalOption, "geneve-critical-option", C::Note},
    {A::TcpOptionMalformed, "tcp-option-malformed", C::Note},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].anomaly) != i || kRows[i].name.empty()) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::string_view name(Anomaly anomaly) {
  return kRows[static_cast<std::size_t>(anomaly)].name;
}
Consequence consequence(Anomaly anomaly) {
  return kRows[static_cast<std::size_t>(anomaly)].consequence;
}

Anomaly AnomalySet::gravest() const {
  Anomaly found = Anomaly::None;
  if (empty()) return found;
  for (const Row& row : kRows) {
    if (!has(row.anomaly)) continue;
    if (found == Anomaly::None || row.consequence > consequence(found)) found = row.anomaly;
  }
  return found;
}

Consequence AnomalySet::worst() const {
  return consequence(gravest());
}

}  // namespace weir::net
