// Tunnels over IP: GRE (with PPTP, ERSPAN, bridging), VXLAN, GENEVE, Teredo.
//
// A UDP port is only a hint. Where its payload is no packet after all the datagram itself is
// returned, as if the tunnel had not been opened: a DNS answer to port 4789 is no attack.
#include "engine/net/checksum.h"
#include "engine/net/decoder.h"

namespace weir::net {
namespace {

constexpr std::size_t kUdpHeader = 8;
constexpr std::uint32_t kMask24 = 0xffffff;
constexpr std::uint32_t kMask28 = 0xfffffff;
constexpr std::uint16_t kVxlanPort = 4789;
constexpr std::uint16_t kVxlanLinuxPort = 8472;
constexpr std::uint16_t kGenevePort = 6081;
constexpr std::uint16_t kTeredoPort = 3544;
constexpr std::uint16_t kAmazonClass = 0x0108;
constexpr std::uint8_t kAmazonEndpoint = 1;  // GWLB endpoint id, 8 bytes

}  // namespace

// Encapsulation::network: kind (8) | id of the outermost tunnel (28) | kind and id of the next (4 +
// 24). Further ones are mixed into the last part.
void Decoder::enter(TunnelKind kind, std::uint32_t id) {
  datagram_.enveloped = true;
  if (!options_.tunnels_in_key) return;
  const auto number = static_cast<std::uint64_t>(kind);
  std::uint64_t& network = datagram_.encapsulation.network;
  if (tunnels_++ == 0) {
    const std::uint32_t folded = (id ^ id >> 28) & kMask28;
    network = number << 56 | std::uint64_t{folded} << 28;
    return;
  }
  const auto inner = static_cast<std::uint32_t>(network & kMask28);
  const std::uint32_t next = ((id ^ id >> 24) & kMask24) | static_cast<std::uint32_t>(number << 24);
  const std::uint32_t mixed = tunnels_ == 2 ? next : inner * 0x01000193U ^ next;
  network = (network & ~std::uint64_t{kMask28}) | (mixed & kMask28);
}

Decoder::Step Decoder::udp() {
  finish();  // what is returned if this is no tunnel
  if (!has(kUdpHeader)) return Step::Datagram;
  const std::uint8_t* p = here();
  const std::uint16_t source = load16(p);
  const std::uint16_t destination = load16(p + 2);
  Step step = Step::Datagram;
  if (options_.vxlan && (destination == kVxlanPort || destination == kVxlanLinuxPort)) {
    step = Step::Vxlan;
  } else if (options_.geneve && destination == kGenevePort) {
    step = Step::Geneve;
  } else if (options_.teredo && (destination == kTeredoPort || source == kTeredoPort)) {
    step = Step::Teredo;
  }
  const std::size_t length = load16(p + 4);
  if (step == Step::Datagram || length < kUdpHeader || length > end_ - at_) return Step::Datagram;
  outer_udp_ = datagram_;
  has_outer_udp_ = true;
  end_ = at_ + length;
  if (load16(p + 6) != 0 && end_ <= limit_ && datagram_.checksum == ChecksumState::Unknown &&
      verify_transport(datagram_.source, datagram_.destination, kUdp, bytes_.subspan(at_, length),
                       6) == ChecksumVerdict::Wrong) {
    datagram_.anomalies.add(Anomaly::UdpChecksum);
  }
  at_ += kUdpHeader;
  return step;
}

// RFC 7348
Decoder::Step Decoder::vxlan() {
  if (!has(8)) return too_short(8, Anomaly::LinkHeaderShort);
  const std::uint8_t* p = here();
  if ((p[0] & 0x08) == 0) return malformed(Anomaly::TunnelPayloadMalformed);
  enter(TunnelKind::Vxlan, load24(p + 4));
  in_mirror_ = options_.mirrors_truncate;
  at_ += 8;
  return Step::Ethernet;
}

// RFC 8926. Every option's end is checked against the option area, and that against the packet.
Decoder::Step Decoder::geneve() {
  if (!has(8)) return too_short(8, Anomaly::LinkHeaderShort);
  const std::uint8_t* p = here();
  const std::size_t options = (p[0] & 0x3fU) * 4U;
  const bool control = (p[1] & 0x80) != 0;
  if (p[0] >> 6 != 0 || control) return malformed(Anomaly::TunnelPayloadMalformed);
  if (!has(8 + options)) return too_short(8 + options, Anomaly::TunnelPayloadMalformed);
  const std::uint8_t* option = p + 8;
  for (std::size_t i = 0; i < options;) {
    if (options - i < 4) return malformed(Anomaly::TunnelPayloadMalformed);
    const std::uint16_t klass = load16(option + i);
    const std::uint8_t type = option[i + 2];
    const std::size_t length = (option[i + 3] & 0x1fU) * 4U;
    if (length > options - i - 4) return malformed(Anomaly::TunnelPayloadMalformed);
    if (klass == kAmazonClass && type == kAmazonEndpoint && length == 8) {
      // Never over what the port has said: an inner packet must not choose its address space.
      if (datagram_.encapsulation.domain == 0) {
        datagram_.encapsulation.domain = load64(option + i + 4);
      }
    } else if ((type & 0x80) != 0) {
      datagram_.anomalies.add(Anomaly::GeneveCriticalOption);
    }
    i += 4 + length;
  }
  enter(TunnelKind::Geneve, load24(p + 4));
  type_ = load16(p + 2);
  at_ += 8 + options;
  return type_ == kEtherBridge ? Step::Ethernet : Step::EtherType;
}

// RFC 4380: an authentication and an origin indication may precede the IPv6 packet.
Decoder::Step Decoder::teredo() {
  if (has(4) && load16(here()) == 0x0001) {
    const std::size_t length = 4U + here()[2] + here()[3] + 9U;
    if (!has(length)) return malformed(Anomaly::TunnelPayloadMalformed);
    at_ += length;
  }
  if (has(8) && load16(here()) == 0x0000) at_ += 8;
  enter(TunnelKind::Teredo, 0);
  return Step::Ipv6;
}

// RFC 2784, 2890
Decoder::Step Decoder::gre() {
  if (!has(4)) return too_short(4, Anomaly::GreHeaderShort);
  const std::uint8_t* p = here();
  const std::uint16_t flags = load16(p);
  const std::uint16_t type = load16(p + 2);
  if ((flags & 7) == 1 && type == kEtherPpp) return pptp();
  if ((flags & 0x4007) != 0) {  // another version, or RFC 1701 source routing
    datagram_.anomalies.add(Anomaly::GreUnsupported);
    finish();
    return Step::Datagram;
  }
  const bool has_sum = (flags & 0x8000) != 0;
  const bool has_key = (flags & 0x2000) != 0;
  const bool has_sequence = (flags & 0x1000) != 0;
  const std::size_t header =
      4U + (has_sum ? 4U : 0U) + (has_key ? 4U : 0U) + (has_sequence ? 4U : 0U);
  if (!has(header)) return too_short(header, Anomaly::GreHeaderShort);
  if (has_sum && end_ <= limit_ && ones_sum(bytes_.subspan(at_, end_ - at_)) != 0xffff) {
    datagram_.anomalies.add(Anomaly::GreChecksum);
  }
  const bool mirrored = type == kEtherErspan || type == kEtherErspan3;
  const std::uint32_t key = has_key ? load32(p + (has_sum ? 8 : 4)) : 0;
  if (!mirrored) enter(TunnelKind::Gre, key);
  at_ += header;
  if (mirrored) return erspan(type, has_sequence);
  type_ = type;
  return type == kEtherBridge ? Step::Ethernet : Step::EtherType;
}

// Type I has no header of its own, type II one of 8 bytes (and always a GRE sequence number), type
// III one of 12, or 20 with the O bit. The session id is the low 10 bits of the second word.
Decoder::Step Decoder::erspan(std::uint16_t type, bool has_sequence) {
  std::size_t header = 0;
  std::uint32_t session = 0;
  if (type == kEtherErspan3 || has_sequence) {
    header = type == kEtherErspan3 ? 12 : 8;
    if (!has(header)) return too_short(header, Anomaly::GreHeaderShort);
    session = load16(here() + 2) & 0x3ffU;
    if (type == kEtherErspan3 && (here()[11] & 1) != 0) header += 8;
    if (!has(header)) return too_short(header, Anomaly::GreHeaderShort);
  }
  enter(TunnelKind::Erspan, session);
  in_mirror_ = options_.mirrors_truncate;
  at_ += header;
  return Step::Ethernet;
}

// RFC 2637 4.1: key is payload length and call id; no payload in a bare acknowledgement.
Decoder::Step Decoder::pptp() {
  const std::uint16_t flags = load16(here());
  const bool has_sequence = (flags & 0x1000) != 0;
  const std::size_t header = 8U + (has_sequence ? 4U : 0U) + ((flags & 0x0080) != 0 ? 4U : 0U);
  if (!has(header)) return too_short(header, Anomaly::GreHeaderShort);
  const std::size_t length = load16(here() + 4);
  if ((flags & 0x2000) == 0 || length > end_ - at_ - header) {
    return malformed(Anomaly::GreHeaderShort);
  }
  if (!has_sequence || length == 0) {
    finish();
    return Step::Datagram;
  }
  enter(TunnelKind::Pptp, 0);
  at_ += header;
  end_ = at_ + length;
  return Step::Ppp;
}

}  // namespace weir::net
