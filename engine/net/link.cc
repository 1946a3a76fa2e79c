// Link layers: Ethernet with VLAN tags, Linux cooked, BSD loopback, PPP, PPPoE, MPLS.
#include "engine/net/decoder.h"

namespace weir::net {
namespace {

constexpr std::size_t kMaxTags = 3;
constexpr std::size_t kMaxLabels = 8;

bool is_vlan(std::uint16_t type) {
  return type == kEtherVlan || type == kEtherServiceVlan || type == kEtherOldVlan;
}

}  // namespace

Decoder::Step Decoder::ethernet() {
  if (!has(14)) return too_short(14, Anomaly::LinkHeaderShort);
  const std::uint8_t* p = here();
  if (datagram_.layers == 0) {
    datagram_.link_broadcast = std::all_of(p, p + 6, [](std::uint8_t b) { return b == 0xff; });
  }
  type_ = load16(p + 12);
  at_ += 14;
  return Step::EtherType;
}

Decoder::Step Decoder::ether_type() {
  for (std::size_t tags = 0; is_vlan(type_); ++tags) {
    if (tags == kMaxTags) return malformed(Anomaly::VlanTooManyTags);
    if (!has(4)) return too_short(4, Anomaly::LinkHeaderShort);
    add_vlan(load16(here()) & 0x0fff);
    type_ = load16(here() + 2);
    at_ += 4;
  }
  switch (type_) {
    case kEtherIpv4:
      return Step::Ipv4;
    case kEtherIpv6:
      return Step::Ipv6;
    case kEtherMpls:
    case kEtherMplsMulticast:
      return options_.mpls ? Step::Mpls : non_ip(type_);
    case kEtherPppoe:
      return options_.pppoe ? Step::Pppoe : non_ip(type_);
    default:
      return non_ip(type_ < 0x0600 ? std::uint16_t{0} : type_);  // below: 802.3 length and LLC
  }
}

Decoder::Step Decoder::sll() {
  if (!has(16)) return too_short(16, Anomaly::LinkHeaderShort);
  const std::uint16_t hardware = load16(here() + 2);
  datagram_.link_broadcast = load16(here()) == 1;
  type_ = load16(here() + 14);
  at_ += 16;
  return hardware == 824 ? non_ip(0) : Step::EtherType;  // ARPHRD_NETLINK: no EtherType there
}

Decoder::Step Decoder::sll2() {
  if (!has(20)) return too_short(20, Anomaly::LinkHeaderShort);
  const std::uint16_t hardware = load16(here() + 8);
  datagram_.link_broadcast = here()[10] == 1;
  type_ = load16(here());
  at_ += 20;
  return hardware == 824 ? non_ip(0) : Step::EtherType;
}

// LINKTYPE_NULL is in the byte order of the capturing host, which may be the other one; families
// are small.
Decoder::Step Decoder::family() {
  if (!has(4)) return too_short(4, Anomaly::LinkHeaderShort);
  const std::uint32_t big = load32(here());
  const std::uint32_t little = std::uint32_t{here()[3]} << 24 | std::uint32_t{here()[2]} << 16 |
                               std::uint32_t{here()[1]} << 8 | here()[0];
  at_ += 4;
  switch (std::min(big, little)) {
    case 2:
      return Step::Ipv4;
    case 10:  // Linux
    case 23:  // Windows
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // macOS
      return Step::Ipv6;
    default:
      return non_ip(static_cast<std::uint16_t>(std::min(big, little)));
  }
}

// RFC 1661, 1662: address and control (ff 03) may be compressed away, the protocol's first byte
// too.
Decoder::Step Decoder::ppp() {
  if (has(2) && here()[0] == 0xff && here()[1] == 0x03) at_ += 2;
  if (!has(1)) return too_short(1, Anomaly::LinkHeaderShort);
  std::uint16_t protocol = here()[0];
  if ((protocol & 1) == 0) {
    if (!has(2)) return too_short(2, Anomaly::LinkHeaderShort);
    protocol = load16(here());
    at_ += 1;
  }
  at_ += 1;
  switch (protocol) {
    case 0x0021:
      return Step::Ipv4;
    case 0x0057:
      return Step::Ipv6;
    case 0x0281:
    case 0x0283:
      return options_.mpls ? Step::Mpls : non_ip(protocol);
    default:
      return non_ip(protocol);
  }
}

// RFC 2516
Decoder::Step Decoder::pppoe() {
  if (!has(6)) return too_short(6, Anomaly::LinkHeaderShort);
  const std::uint8_t* p = here();
  const std::size_t length = load16(p + 4);
  if (p[0] != 0x11 || p[1] != 0 || length > end_ - at_ - 6) {
    return malformed(Anomaly::PppoeMalformed);
  }
  enter(TunnelKind::Pppoe, load16(p + 2));
  at_ += 6;
  end_ = at_ + length;
  return Step::Ppp;
}

// RFC 3032. What follows the stack is told by its first nibble: an IP version, or 0 for a
// pseudowire's control word (RFC 4385) before an Ethernet frame.
Decoder::Step Decoder::mpls() {
  for (std::size_t labels = 0;; ++labels) {
    if (labels == kMaxLabels) return malformed(Anomaly::MplsTooManyLabels);
    if (!has(4)) return too_short(4, Anomaly::LinkHeaderShort);
    const bool bottom = (here()[2] & 1) != 0;
    at_ += 4;
    if (bottom) break;
  }
  if (!has(1)) return too_short(1, Anomaly::LinkHeaderShort);
  enter(TunnelKind::Mpls, 0);
  switch (here()[0] >> 4) {
    case 4:
      return Step::Ipv4;
    case 6:
      return Step::Ipv6;
    case 0:
      if (!has(4)) return too_short(4, Anomaly::LinkHeaderShort);
      at_ += 4;
      return Step::Ethernet;
    default:
      return non_ip(kEtherMpls);
  }
}

Decoder::Step Decoder::raw_ip() {
  if (!has(1)) return too_short(1, Anomaly::LinkHeaderShort);
  switch (here()[0] >> 4) {
    case 4:
      return Step::Ipv4;
    case 6:
      return Step::Ipv6;
    default:
      return non_ip(0);
  }
}

// Tag 0 is a priority, not a VLAN. Of more than three (tags within tunnels) the last place holds a
// mixture.
void Decoder::add_vlan(std::uint16_t id) {
  if (!options_.vlans_in_key || id == 0) return;
  auto& vlans = datagram_.encapsulation.vlans;
  for (std::uint16_t& vlan : vlans) {
    if (vlan == 0) {
      vlan = id;
      return;
    }
  }
  vlans.back() = static_cast<std::uint16_t>(0x8000U | (vlans.back() * 31U + id));
}

}  // namespace weir::net
