// IPv4, IPv6 and its extension headers.
#include "engine/net/checksum.h"
#include "engine/net/decoder.h"

namespace weir::net {
namespace {

constexpr std::size_t kIpv4Least = 20;
constexpr std::size_t kIpv6Fixed = 40;
constexpr std::size_t kTcpLeast = 20;
constexpr std::size_t kUdpLeast = 8;
constexpr std::uint8_t kManyExtensions = 8;
constexpr int kMostOptions = 8;  // Linux max_hbh_opts_number, max_dst_opts_number
constexpr int kMostPadding = 7;  // as much as alignment can ask for

}  // namespace

void Decoder::check_addresses() {
  const IpAddress& source = datagram_.source;
  AnomalySet& found = datagram_.anomalies;
  if (source.version == 4) {
    if ((source.bytes[0] & 0xf0) == 0xe0) found.add(Anomaly::SourceMulticast);
    if (load32(source.bytes.data()) == 0xffffffffU) found.add(Anomaly::SourceBroadcast);
  } else {
    if (source.bytes[0] == 0xff) found.add(Anomaly::SourceMulticast);
  }
  if (source == datagram_.destination) found.add(Anomaly::SameAddresses);
  if (datagram_.ttl == 0) found.add(Anomaly::TtlZero);
}

Decoder::Step Decoder::ipv4() {
  if (datagram_.layers >= options_.max_layers) return malformed(Anomaly::TooManyLayers);
  if (!has(kIpv4Least)) return too_short(kIpv4Least, Anomaly::Ipv4HeaderShort);
  const std::uint8_t* p = here();
  if (p[0] >> 4 != 4) return malformed(Anomaly::Ipv4Version);
  const std::size_t header = (p[0] & 0x0fU) * 4U;
  if (header < kIpv4Least || header > end_ - at_) return malformed(Anomaly::Ipv4HeaderLength);
  if (!has(header)) return malformed(Anomaly::CapturedTooShort);
  const bool from_sender =
      datagram_.checksum == ChecksumState::NotFilled || datagram_.checksum == ChecksumState::Ignore;
  std::size_t total = load16(p + 2);
  if (total == 0 && from_sender) {
    total = end_ - at_;
    datagram_.anomalies.add(Anomaly::Ipv4LengthZero);
  }
  if (total < header) return malformed(Anomaly::Ipv4TotalLength);
  if (total > end_ - at_ && !in_mirror_) return malformed(Anomaly::Ipv4LongerThanPacket);
  limit_ = std::min(limit_, end_);
  end_ = at_ + total;

  continued_ = false;
  ++datagram_.layers;
  datagram_.ip_at = static_cast<std::uint32_t>(at_);
  datagram_.header_length = static_cast<std::uint32_t>(header);
  datagram_.source = IpAddress::v4(std::span<const std::uint8_t, 4>(p + 12, 4));
  datagram_.destination = IpAddress::v4(std::span<const std::uint8_t, 4>(p + 16, 4));
  datagram_.ttl = p[8];
  datagram_.protocol = p[9];
  check_addresses();
  if (!from_sender && ones_sum({p, header}) != 0xffff) {
    datagram_.anomalies.add(load16(p + 10) == 0 ? Anomaly::Ipv4HeaderChecksumZero
                                                : Anomaly::Ipv4HeaderChecksum);
  }
  if (header > kIpv4Least) ipv4_options(p + kIpv4Least, header - kIpv4Least);

  const std::uint16_t flags = load16(p + 6);
  if ((flags & 0x8000) != 0) datagram_.anomalies.add(Anomaly::Ipv4ReservedFlag);
  FragmentInfo& fragment = datagram_.fragment;
  fragment = {};
  fragment.ecn = p[1] & 3;
  fragment.id = load16(p + 4);
  fragment.more = (flags & 0x2000) != 0;
  fragment.offset = (flags & 0x1fffU) * 8U;
  fragment.present = fragment.more || fragment.offset != 0;
  at_ += header;
  if (!fragment.present) return Step::Transport;

  if (datagram_.protocol == kTcp) {
    const std::size_t here_bytes = end_ - at_;
    const bool split = fragment.offset == 0 ? here_bytes < kTcpLeast : fragment.offset < kTcpLeast;
    if (split) datagram_.anomalies.add(Anomaly::Ipv4TinyFragment);
  }
  finish();
  return Step::Datagram;
}

// RFC 791 3.1. Unknown options are passed over; what cannot be walked, and pointers and lengths
// that do not fit their option, make a host discard the packet.
void Decoder::ipv4_options(const std::uint8_t* p, std::size_t n) {
  AnomalySet& found = datagram_.anomalies;
  found.add(Anomaly::Ipv4Options);
  for (std::size_t i = 0; i < n;) {
    const std::uint8_t kind = p[i];
    if (kind == 0) return;
    if (kind == 1) {
      ++i;
      continue;
    }
    if (n - i < 2 || p[i + 1] < 2 || p[i + 1] > n - i) {
      found.add(Anomaly::Ipv4OptionMalformed);
      return;
    }
    const std::uint8_t length = p[i + 1];
    switch (kind) {
      case 131:  // loose source route
      case 137:  // strict
        found.add(Anomaly::Ipv4SourceRoute);
        break;
      case 7:  // record route: pointer from 4, whole addresses
        if (length < 3 || p[i + 2] < 4 || (p[i + 2] <= length && p[i + 2] + 3 > length)) {
          found.add(Anomaly::Ipv4OptionMalformed);
        }
        break;
      case 68:  // timestamp: pointer from 5
        if (length < 4 || p[i + 2] < 5 || (p[i + 2] <= length && p[i + 2] + 3 > length)) {
          found.add(Anomaly::Ipv4OptionMalformed);
        }
        break;
      case 148:  // router alert
        if (length < 4) found.add(Anomaly::Ipv4OptionMalformed);
        break;
      case 134:  // CIPSO
        found.add(Anomaly::SecurityOption);
        break;
      default:
        break;
    }
    i += length;
  }
}

Decoder::Step Decoder::ipv6() {
  if (datagram_.layers >= options_.max_layers) return malformed(Anomaly::TooManyLayers);
  if (!has(kIpv6Fixed)) return too_short(kIpv6Fixed, Anomaly::Ipv6HeaderShort);
  const std::uint8_t* p = here();
  if (p[0] >> 4 != 6) return malformed(Anomaly::Ipv6Version);
  const std::size_t length = load16(p + 4);
  const std::size_t available = end_ - at_ - kIpv6Fixed;
  if (length > available && !in_mirror_) return malformed(Anomaly::Ipv6LongerThanPacket);
  // 0 with a hop-by-hop header: the length is in its jumbo option, or the frame's.
  length_zero_ = length == 0 && p[6] == kHopByHop;
  jumbo_seen_ = false;
  limit_ = std::min(limit_, end_);
  if (!length_zero_) end_ = at_ + kIpv6Fixed + length;
  continued_ = false;

  ++datagram_.layers;
  datagram_.ip_at = static_cast<std::uint32_t>(at_);
  datagram_.source = IpAddress::v6(std::span<const std::uint8_t, 16>(p + 8, 16));
  datagram_.destination = IpAddress::v6(std::span<const std::uint8_t, 16>(p + 24, 16));
  datagram_.ttl = p[7];
  datagram_.protocol = p[6];
  datagram_.fragment = {};
  datagram_.fragment.ecn = static_cast<std::uint8_t>(p[1] >> 4 & 3);
  fragment_seen_ = false;
  extensions_ = 0;
  check_addresses();
  at_ += kIpv6Fixed;
  return Step::Extensions;
}

Decoder::Step Decoder::extensions() {
  for (;;) {
    const std::uint8_t kind = datagram_.protocol;
    std::size_t length = 8;
    switch (kind) {
      case kHopByHop:
        if (extensions_ != 0 || continued_) {
          datagram_.anomalies.add(Anomaly::Ipv6HopByHopMisplaced);
        }
        break;
      case kDestinationOptions:
      case kRouting:
      case kFragmentHeader:
        break;
      case kAuthentication:
        datagram_.anomalies.add(Anomaly::Ipv6Authentication);
        break;
      case kMobility:
      case kHostIdentity:
      case kShim6:
        datagram_.anomalies.add(Anomaly::Ipv6ExtensionUnknown);
        break;
      default:
        return Step::Transport;
    }
    if (++extensions_ > options_.max_extensions) {
      return malformed(Anomaly::Ipv6TooManyExtensions);
    }
    if (extensions_ > kManyExtensions) datagram_.anomalies.add(Anomaly::Ipv6ManyExtensions);
    if (!has(8)) return too_short(8, Anomaly::Ipv6ExtensionShort);
    const std::uint8_t* p = here();
    if (kind == kAuthentication) {
      length = (p[1] + 2U) * 4U;
    } else if (kind != kFragmentHeader) {
      length = (p[1] + 1U) * 8U;
    }
    if (!has(length)) return too_short(length, Anomaly::Ipv6ExtensionShort);
    datagram_.protocol = p[0];
    const std::size_t header_at = at_;
    at_ += length;
    if (kind == kHopByHop || kind == kDestinationOptions) {
      ipv6_options(p, length, kind == kHopByHop);
    } else if (kind == kRouting) {
      routing(p);
    } else if (kind == kFragmentHeader && !fragment_header(p)) {
      finish();
      return Step::Datagram;
    }
    if (kind != kHopByHop || !length_zero_) continue;
    length_zero_ = false;
    if (!jumbo_seen_) {
      datagram_.anomalies.add(Anomaly::Ipv6LengthZero);
      continue;
    }
    // RFC 2675: the length counts from behind the IPv6 header.
    const std::size_t from = header_at;
    if (jumbo_length_ > end_ - from) return malformed(Anomaly::Ipv6LongerThanPacket);
    if (jumbo_length_ < length) return malformed(Anomaly::Ipv6ExtensionShort);
    end_ = from + jumbo_length_;
  }
}

// p: the whole header, n bytes.
void Decoder::ipv6_options(const std::uint8_t* p, std::size_t n, bool hop_by_hop) {
  AnomalySet& found = datagram_.anomalies;
  int padding = 0;
  int count = 0;
  for (std::size_t i = 2; i < n;) {
    if (p[i] == 0) {
      if (++padding > kMostPadding) found.add(Anomaly::Ipv6OptionPadding);
      ++i;
      continue;
    }
    if (n - i < 2 || p[i + 1] + 2U > n - i) {
      found.add(Anomaly::Ipv6OptionMalformed);
      return;
    }
    const std::size_t length = p[i + 1] + 2U;
    if (p[i] == 1) {
      padding += static_cast<int>(length);
      const bool zero = std::all_of(p + i + 2, p + i + length, [](auto b) { return b == 0; });
      if (padding > kMostPadding || !zero) found.add(Anomaly::Ipv6OptionPadding);
    } else {
      padding = 0;
      if (++count > kMostOptions) found.add(Anomaly::Ipv6OptionCount);
      known_option(p, i, hop_by_hop);
    }
    i += length;
  }
}

void Decoder::known_option(const std::uint8_t* p, std::size_t at, bool hop_by_hop) {
  AnomalySet& found = datagram_.anomalies;
  const std::uint8_t kind = p[at];
  const std::uint8_t length = p[at + 1];
  if (hop_by_hop && kind == 0x05) {  // router alert, RFC 2711
    if (length != 2) found.add(Anomaly::Ipv6OptionMalformed);
  } else if (hop_by_hop && kind == 0xc2) {  // jumbo payload, RFC 2675: at 4n+2, only with length 0
    if (length != 4 || (at & 3) != 2 || !length_zero_ || load32(p + at + 2) <= 0xffff) {
      found.add(Anomaly::Ipv6JumboInvalid);
    } else {
      jumbo_seen_ = true;
      jumbo_length_ = load32(p + at + 2);
    }
  } else if (hop_by_hop && kind == 0x07) {  // CALIPSO, RFC 5570
    found.add(Anomaly::SecurityOption);
  } else if (kind >> 6 != 0) {  // RFC 8200 4.2: 01, 10, 11 discard
    found.add(Anomaly::Ipv6OptionDiscard);
  }
}

// Types 2 (RFC 6275), 3 (RFC 6554) and 4 (RFC 8754) are for hosts that are configured for them.
void Decoder::routing(const std::uint8_t* p) {
  const std::uint8_t type = p[2];
  const std::uint8_t segments_left = p[3];
  if (segments_left != 0 || type == 3 || type == 4) {
    datagram_.anomalies.add(Anomaly::Ipv6RoutingHeader);
  } else {
    datagram_.anomalies.add(type == 2 ? Anomaly::Ipv6RoutingHome : Anomaly::Ipv6RoutingDone);
  }
}

bool Decoder::fragment_header(const std::uint8_t* p) {
  AnomalySet& found = datagram_.anomalies;
  if (fragment_seen_ || continued_) found.add(Anomaly::Ipv6SecondFragment);
  if (jumbo_seen_) found.add(Anomaly::Ipv6JumboInvalid);
  fragment_seen_ = true;
  const std::uint16_t flags = load16(p + 2);
  FragmentInfo& fragment = datagram_.fragment;
  fragment.more = (flags & 1) != 0;
  fragment.offset = flags & 0xfff8U;
  fragment.id = load32(p + 4);
  fragment.present = fragment.more || fragment.offset != 0;
  if (!fragment.present) {
    found.add(Anomaly::Ipv6AtomicFragment);  // RFC 6946: a datagram by itself
    return true;
  }
  if (fragment.offset == 0 && !first_fragment_is_whole(datagram_.protocol, at_)) {
    found.add(Anomaly::Ipv6TinyFragment);
  }
  return false;
}

// RFC 7112: all headers up to and with the transport's are in the first fragment.
bool Decoder::first_fragment_is_whole(std::uint8_t next, std::size_t at) const {
  for (int i = 0; i <= options_.max_extensions; ++i) {
    const std::size_t rest = end_ - at;
    const std::size_t seen = at < captured_end() ? captured_end() - at : 0;
    switch (next) {
      case kTcp:
        return rest >= kTcpLeast;
      case kUdp:
      case kIcmpv6:
        return rest >= kUdpLeast;
      case kHopByHop:
      case kRouting:
      case kDestinationOptions:
      case kMobility:
      case kHostIdentity:
      case kShim6:
      case kFragmentHeader:
      case kAuthentication:
        break;
      default:
        return true;
    }
    if (rest < 8) return false;
    if (seen < 2) return true;  // cut off by the snaplen: not known to be missing
    const std::uint8_t* p = bytes_.data() + at;
    std::size_t length = (p[1] + 1U) * 8U;
    if (next == kAuthentication) length = (p[1] + 2U) * 4U;
    if (next == kFragmentHeader) length = 8;
    if (length > rest) return false;
    next = p[0];
    at += length;
  }
  return true;
}

// at_ .. end_ is the payload.
void Decoder::finish() {
  const std::size_t seen = captured();
  const std::size_t whole = end_ > at_ ? end_ - at_ : 0;
  datagram_.payload = seen == 0 ? Bytes() : bytes_.subspan(at_, seen);
  datagram_.missing = static_cast<std::uint32_t>(whole - seen);
  if (datagram_.reassembled) {
    datagram_.transport_at = 0;
    return;
  }
  datagram_.transport_at = static_cast<std::uint32_t>(at_);
  datagram_.header_length = static_cast<std::uint32_t>(at_ - datagram_.ip_at);
}

Decoder::Step Decoder::transport() {
  switch (datagram_.protocol) {
    case kIpInIp:
      if (!options_.ip_in_ip) break;
      enter(TunnelKind::IpInIp, 0);
      return Step::Ipv4;
    case kIpv6InIp:
      if (!options_.ip_in_ip) break;
      enter(TunnelKind::Ipv6InIp, 0);
      return Step::Ipv6;
    case kGre:
      if (!options_.gre) break;
      return Step::Gre;
    case kUdp:
      return udp();
    default:
      break;
  }
  finish();
  return Step::Datagram;
}

}  // namespace weir::net
