#include "engine/net/decode.h"

#include <cstring>

#include "engine/net/decoder.h"

namespace weir::net {
namespace {

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kIpv4 = 20;

// One's complement sum of the header's five words, as a number that is 0xffff if the checksum is right.
bool ipv4_sum_is_right(const std::uint8_t* p) {
  std::array<std::uint32_t, kIpv4 / 4> words;
  std::memcpy(words.data(), p, kIpv4);
  std::uint64_t sum = 0;
  for (const std::uint32_t word : words) sum += word;
  sum = (sum & 0xffffffffU) + (sum >> 32);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  return sum == 0xffff;
}

// What nearly every packet is: TCP in one piece, behind an IPv4 header without options in which nothing is odd, with
// or without an Ethernet header without tags in front of it. The Decoder says the same of it, step by step. False: it
// is another one, and nothing was done.
bool decode_plain(const Packet& packet, const DecodeOptions& options, Decoded& out) {
  const Bytes bytes = packet.bytes;
  const std::size_t at = packet.link == LinkType::Ethernet ? kEthernet : 0;
  if (at == 0 && packet.link != LinkType::RawIp) return false;
  if (bytes.size() < at + kIpv4 || options.max_layers == 0) return false;
  const std::uint8_t* p = bytes.data() + at;
  if (at != 0 && load16(p - 2) != kEtherIpv4) return false;
  const bool whole = (p[6] & 0xbf) == 0 && p[7] == 0;  // "do not fragment" says nothing
  if (p[0] != 0x45 || !whole || p[8] == 0 || p[9] != kTcp) return false;
  const std::size_t total = load16(p + 2);
  const std::size_t wire = std::max<std::size_t>(packet.wire_length, bytes.size());
  if (total < kIpv4 || total > wire - at) return false;
  if (p[12] >= 0xe0 || std::memcmp(p + 12, p + 16, 4) == 0) return false;  // from a group, or to itself
  const bool from_sender = packet.checksum == ChecksumState::NotFilled || packet.checksum == ChecksumState::Ignore;
  if (!from_sender && !ipv4_sum_is_right(p)) return false;

  Datagram& d = out.emplace<Datagram>();
  d.source.version = d.destination.version = 4;
  std::memcpy(d.source.bytes.data(), p + 12, 4);
  std::memcpy(d.destination.bytes.data(), p + 16, 4);
  d.encapsulation.domain = packet.domain;
  const std::size_t seen = std::min(bytes.size(), at + total) - at - kIpv4;
  if (seen != 0) d.payload = bytes.subspan(at + kIpv4, seen);
  d.missing = static_cast<std::uint32_t>(total - kIpv4 - seen);
  d.ip_at = static_cast<std::uint32_t>(at);
  d.transport_at = static_cast<std::uint32_t>(at + kIpv4);
  d.header_length = kIpv4;
  d.protocol = kTcp;
  d.ttl = p[8];
  d.layers = 1;
  if (at != 0) d.link_broadcast = load32(bytes.data()) == 0xffffffffU && load16(bytes.data() + 4) == 0xffff;
  d.fragment.ecn = p[1] & 3;
  d.fragment.id = load16(p + 4);
  d.checksum = packet.checksum;
  d.time = packet.time;
  d.packet_number = packet.number;
  d.came_by = packet.came_by;
  d.leaves_by = packet.leaves_by;
  return true;
}

}  // namespace

Decoder::Decoder(const Packet& packet, const DecodeOptions& options)
    : options_(options), bytes_(packet.bytes), link_(packet.link) {
  limit_ = bytes_.size();
  end_ = std::max<std::size_t>(packet.wire_length, limit_);
  datagram_.encapsulation.domain = packet.domain;
  datagram_.checksum = packet.checksum;
  datagram_.time = packet.time;
  datagram_.packet_number = packet.number;
  datagram_.came_by = packet.came_by;
  datagram_.leaves_by = packet.leaves_by;
}

Decoder::Decoder(const Datagram& reassembled, const DecodeOptions& options)
    : options_(options), bytes_(reassembled.payload), datagram_(reassembled) {
  limit_ = end_ = bytes_.size();
  continued_ = true;
  datagram_.reassembled = true;
  datagram_.missing = 0;
  // Whether any tunnel was entered before is all that enter() needs to know.
  if (datagram_.encapsulation.network != 0) tunnels_ = 1;
}

Decoded Decoder::run() {
  Step step = Step::RawIp;
  if (datagram_.reassembled) {
    step = datagram_.version() == 6 ? Step::Extensions : Step::Transport;
  } else {
    switch (link_) {
      case LinkType::Ethernet:
        step = Step::Ethernet;
        break;
      case LinkType::LinuxSll:
        step = Step::Sll;
        break;
      case LinkType::LinuxSll2:
        step = Step::Sll2;
        break;
      case LinkType::RawIp:
        step = Step::RawIp;
        break;
      case LinkType::Null:
      case LinkType::Loop:
        step = Step::Family;
        break;
      case LinkType::Ppp:
        step = Step::Ppp;
        break;
    }
  }
  for (;;) {
    switch (step) {
      case Step::Ethernet:
        step = ethernet();
        break;
      case Step::EtherType:
        step = ether_type();
        break;
      case Step::Sll:
        step = sll();
        break;
      case Step::Sll2:
        step = sll2();
        break;
      case Step::Family:
        step = family();
        break;
      case Step::Ppp:
        step = ppp();
        break;
      case Step::Pppoe:
        step = pppoe();
        break;
      case Step::Mpls:
        step = mpls();
        break;
      case Step::RawIp:
        step = raw_ip();
        break;
      case Step::Ipv4:
        step = ipv4();
        break;
      case Step::Ipv6:
        step = ipv6();
        break;
      case Step::Extensions:
        step = extensions();
        break;
      case Step::Transport:
        step = transport();
        break;
      case Step::Gre:
        step = gre();
        break;
      case Step::Vxlan:
        step = vxlan();
        break;
      case Step::Geneve:
        step = geneve();
        break;
      case Step::Teredo:
        step = teredo();
        break;
      case Step::Datagram:
        return datagram_;
      case Step::NonIp:
        return NonIp{type_};
      case Step::Malformed:
        if (!has_outer_udp_) return Malformed{reason_};
        outer_udp_.anomalies.add(Anomaly::TunnelPayloadMalformed);
        return outer_udp_;
    }
  }
}

void decode(const Packet& packet, const DecodeOptions& options, Decoded& out) noexcept {
  if (!decode_plain(packet, options, out)) out = Decoder(packet, options).run();
}

Decoded decode(const Packet& packet, const DecodeOptions& options) noexcept {
  Decoded out;
  decode(packet, options, out);
  return out;
}

Decoded decode_reassembled(const Datagram& datagram, const DecodeOptions& options) noexcept {
  return Decoder(datagram, options).run();
}

}  // namespace weir::net
