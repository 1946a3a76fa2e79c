// Any bytes as a packet of any link type: decode(), parse_tcp(), decode_reassembled() and the two
// builders. Input: one byte for the link type and switches, two for the wire length, then the
// packet.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/net/build.h"
#include "engine/net/tcp.h"

namespace {

using namespace weir;
using namespace weir::net;

void require(bool condition) {
  if (!condition) std::abort();
}

bool inside(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void tcp(const Packet& packet, const Datagram& d) {
  if (d.protocol != 6 || d.fragment.present) return;
  const TcpParsed t = parse_tcp(d);
  if (!t.ok()) return;
  require(inside(t.segment.payload, d.payload));
  require(t.segment.missing == d.missing);
  require(t.segment.options.window_scale.value_or(0) <= 14);
  std::vector<std::uint8_t> out(packet.bytes.size() + 200);
  const std::size_t n = rewrite_tcp(out, packet, d, {true, true});
  require(n == 0 || n == packet.bytes.size());
  if (n != 0) {
    // What was right stays right, what was wrong stays wrong.
    Packet again = packet;
    again.bytes = Bytes(out).first(n);
    const Decoded decoded = decode(again, {});
    require(std::holds_alternative<Datagram>(decoded));
    const TcpParsed u = parse_tcp(std::get<Datagram>(decoded));
    require(u.ok() && !u.segment.has(kUrg) && !u.segment.options.fast_open);
    require((u.checksum == ChecksumVerdict::Right) == (t.checksum == ChecksumVerdict::Right));
  }
  TcpFrame frame;
  frame.source = t.segment.destination;
  frame.destination = t.segment.source;
  frame.mss = 1;
  const std::size_t m = build_like(out, packet, d, LinkDirection::Reverse, frame);
  if (m == 0) return;
  Packet back = packet;
  back.bytes = Bytes(out).first(m);
  back.wire_length = static_cast<std::uint32_t>(m);
  const Decoded decoded = decode(back, {});
  require(std::holds_alternative<Datagram>(decoded));
  const Datagram& b = std::get<Datagram>(decoded);
  require(b.source == d.destination && b.encapsulation == d.encapsulation);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  static constexpr std::array<LinkType, 7> kLinks{
      LinkType::Ethernet, LinkType::LinuxSll, LinkType::LinuxSll2, LinkType::RawIp,
      LinkType::Null,     LinkType::Loop,     LinkType::Ppp};
  const std::vector<std::uint8_t> bytes(data + 3,
                                        data + size);  // its own block, so that ASan sees its ends
  Packet packet;
  packet.bytes = bytes;
  packet.link = kLinks[data[0] % kLinks.size()];
  packet.wire_length =
      static_cast<std::uint32_t>(bytes.size() + (data[0] >= 128 ? data[1] * 256U + data[2] : 0));
  DecodeOptions options;
  options.teredo = (data[0] & 8) != 0;
  options.mirrors_truncate = (data[0] & 16) != 0;
  const Decoded decoded = decode(packet, options);
  if (const auto* m = std::get_if<Malformed>(&decoded)) {
    require(m->reason != Anomaly::None && (consequence(m->reason) == Consequence::Malformed ||
                                           m->reason == Anomaly::TunnelPayloadMalformed));
  }
  const auto* d = std::get_if<Datagram>(&decoded);
  if (d == nullptr) return 0;
  require(inside(d->payload, packet.bytes));
  require(d->ip_at <= d->transport_at && d->transport_at <= packet.wire_length);
  require(d->layers >= 1 && d->layers <= options.max_layers);
  require(!d->fragment.present || d->fragment.more || d->fragment.offset != 0);
  if (options.teredo || options.mirrors_truncate) return 0;
  tcp(packet, *d);
  const Decoded rest = decode_reassembled(*d, options);
  if (const auto* r = std::get_if<Datagram>(&rest)) require(inside(r->payload, d->payload));
  return 0;
}
