#include "engine/net/tcp.h"

#include <algorithm>

#include "engine/net/wire.h"

namespace weir::net {
namespace {

constexpr std::size_t kLeast = 20;
constexpr std::size_t kChecksumAt = 16;
constexpr std::uint8_t kMaxWindowScale = 14;      // RFC 7323 2.3
constexpr std::uint16_t kFastOpenMagic = 0xf989;  // RFC 6994 experiment id of Fast Open

bool is_group(const IpAddress& address) {
  if (address.version == 6) return address.bytes[0] == 0xff;
  return (address.bytes[0] & 0xf0) == 0xe0 || load32(address.bytes.data()) == 0xffffffffU;
}

// One option of a kind that has a length: p[0] kind, p[1] length.
void take_option(const std::uint8_t* p, TcpOptions& options) {
  const std::uint8_t length = p[1];
  switch (p[0]) {
    case 2:
      if (length == 4) options.mss = load16(p + 2);
      break;
    case 3:
      if (length == 3) options.window_scale = std::min(p[2], kMaxWindowScale);
      break;
    case 4:
      if (length == 2) options.sack_permitted = true;
      break;
    case 8:
      if (length == 10) options.timestamps = {load32(p + 2), load32(p + 6)};
      break;
    case 19:
      if (length == 18) options.authentication = true;
      break;
    case 29:
      if (length >= 4) options.authentication = true;
      break;
    case 34:
      options.fast_open = true;
      break;
    case 254:
      if (length >= 4 && load16(p + 2) == kFastOpenMagic) options.fast_open = true;
      break;
    default:
      break;
  }
}

}  // namespace

// Where an option repeats the last one counts, as in the stacks that were measured.
TcpOptions parse_tcp_options(Bytes bytes) noexcept {
  TcpOptions options;
  // No operation, twice, and timestamps: as most come.
  if (bytes.size() == 12 && load32(bytes.data()) == 0x0101080aU) {
    options.timestamps = {load32(bytes.data() + 4), load32(bytes.data() + 8)};
    return options;
  }
  for (std::size_t i = 0; i < bytes.size();) {
    const std::uint8_t kind = bytes[i];
    if (kind == 0) break;
    if (kind == 1) {
      ++i;
      continue;
    }
    const std::size_t rest = bytes.size() - i;
    if (rest < 2 || bytes[i + 1] < 2 || bytes[i + 1] > rest) {
      options.malformed = true;
      break;
    }
    take_option(bytes.data() + i, options);
    i += bytes[i + 1];
  }
  return options;
}

TcpParsed parse_tcp(const Datagram& datagram) noexcept {
  TcpParsed out;
  parse_tcp(datagram, out);
  return out;
}

void parse_tcp(const Datagram& datagram, TcpParsed& out) noexcept {
  out = TcpParsed{};
  out.anomalies = datagram.anomalies;
  const Bytes bytes = datagram.payload;
  const std::size_t whole = bytes.size() + datagram.missing;
  if (bytes.size() < kLeast) {
    out.malformed = whole >= kLeast ? Anomaly::CapturedTooShort : Anomaly::TcpHeaderShort;
    return;
  }
  const std::uint8_t* p = bytes.data();
  const std::size_t header = (p[12] >> 4) * 4U;
  if (header < kLeast || header > whole) {
    out.malformed = Anomaly::TcpDataOffset;
    return;
  }
  if (header > bytes.size()) {
    out.malformed = Anomaly::CapturedTooShort;
    return;
  }
  TcpSegment& segment = out.segment;
  segment.source = {datagram.source, load16(p)};
  segment.destination = {datagram.destination, load16(p + 2)};
  segment.encapsulation = datagram.encapsulation;
  segment.seq = load32(p + 4);
  segment.ack = load32(p + 8);
  segment.flags = p[13];
  segment.window = load16(p + 14);
  segment.urgent = load16(p + 18);
  if (header > kLeast) segment.options = parse_tcp_options(bytes.subspan(kLeast, header - kLeast));
  segment.payload = bytes.subspan(header);
  segment.missing = datagram.missing;
  segment.ttl = datagram.ttl;
  segment.time = datagram.time;
  segment.packet_number = datagram.packet_number;
  segment.came_by = datagram.came_by;
  segment.leaves_by = datagram.leaves_by;

  if (segment.options.malformed) out.anomalies.add(Anomaly::TcpOptionMalformed);
  if (is_group(datagram.destination)) out.anomalies.add(Anomaly::TcpGroupAddress);
  // ::ffff:0:0/96 is how programs write IPv4 addresses, not what comes over a wire.
  if (datagram.source.version == 6 && datagram.source.mapped_v4()) out.anomalies.add(Anomaly::TcpMappedSource);
  if (datagram.link_broadcast && !datagram.enveloped) {
    out.anomalies.add(Anomaly::TcpLinkBroadcast);
  }
  if (datagram.checksum == ChecksumState::Unknown && datagram.missing == 0) {
    out.checksum =
        verify_transport(datagram.source, datagram.destination, kTcp, bytes, kChecksumAt);
    segment.checksum_bad = out.checksum != ChecksumVerdict::Right;
  }
}

void judge_offload(TcpParsed& parsed, OffloadDetector& detector) {
  if (!parsed.ok()) return;
  TcpSegment& segment = parsed.segment;
  const bool telling = segment.has(kSyn) || !segment.payload.empty();
  segment.checksum_bad = !detector.accept(segment.source.address, parsed.checksum, telling);
  if (parsed.anomalies.has(Anomaly::Ipv4HeaderChecksumZero) &&
      detector.offloads(segment.source.address)) {
    parsed.anomalies.remove(Anomaly::Ipv4HeaderChecksumZero);
  }
}

}  // namespace weir::net
