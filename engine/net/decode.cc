#include "engine/net/decode.h"

#include "engine/net/decoder.h"

namespace weir::net {

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

Decoded decode(const Packet& packet, const DecodeOptions& options) noexcept {
  return Decoder(packet, options).run();
}

Decoded decode_reassembled(const Datagram& datagram, const DecodeOptions& options) noexcept {
  return Decoder(datagram, options).run();
}

}  // namespace weir::net
