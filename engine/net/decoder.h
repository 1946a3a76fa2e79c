// Decoder: the state of one decode() call; inner part of engine/net. Every step reads one header at
// `at_`, moves `at_` behind it (so the number of steps is bounded by the bytes) and names the next
// step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "engine/net/decode.h"
#include "engine/net/wire.h"

namespace weir::net {

class Decoder {
 public:
  Decoder(const Packet& packet, const DecodeOptions& options);
  Decoder(const Datagram& reassembled, const DecodeOptions& options);

  [[nodiscard]] Decoded run();

 private:
  enum class Step : std::uint8_t {
    Ethernet,
    EtherType,  // type_
    Sll,
    Sll2,
    Family,  // BSD loopback
    Ppp,
    Pppoe,
    Mpls,
    RawIp,
    Ipv4,
    Ipv6,
    Extensions,  // IPv6 header chain from datagram_.protocol on
    Transport,   // datagram_.protocol at at_
    Gre,
    Vxlan,
    Geneve,
    Teredo,
    Datagram,   // done
    NonIp,      // done
    Malformed,  // done
  };

  // link.cc
  Step ethernet();
  Step ether_type();
  Step sll();
  Step sll2();
  Step family();
  Step ppp();
  Step pppoe();
  Step mpls();
  Step raw_ip();
  // ip.cc
  Step ipv4();
  void ipv4_options(const std::uint8_t* p, std::size_t n);
  Step ipv6();
  Step extensions();
  Step hop_by_hop_or_destination(bool hop_by_hop);
  void ipv6_options(const std::uint8_t* p, std::size_t n, bool hop_by_hop);
  void known_option(const std::uint8_t* p, std::size_t at, bool hop_by_hop);
  void routing(const std::uint8_t* p);
  bool fragment_header(const std::uint8_t* p);  // false: a fragment, stop here
  [[nodiscard]] bool first_fragment_is_whole(std::uint8_t next, std::size_t at) const;
  void check_addresses();
  Step transport();
  void finish();
  // tunnel.cc
  Step udp();
  Step gre();
  Step pptp();
  Step erspan(std::uint16_t type, bool has_sequence);
  Step vxlan();
  Step geneve();
  Step teredo();

  void enter(TunnelKind kind, std::uint32_t id);
  void add_vlan(std::uint16_t id);

  [[nodiscard]] std::size_t captured_end() const { return std::min(end_, limit_); }
  [[nodiscard]] std::size_t captured() const {
    return at_ < captured_end() ? captured_end() - at_ : 0;
  }
  [[nodiscard]] bool has(std::size_t n) const { return captured() >= n; }
  [[nodiscard]] const std::uint8_t* here() const { return bytes_.data() + at_; }
  Step malformed(Anomaly reason) {
    reason_ = reason;
    return Step::Malformed;
  }
  // A header of n bytes is not there: cut off by the snaplen, or never sent.
  Step too_short(std::size_t n, Anomaly reason) {
    return malformed(end_ >= n && at_ <= end_ - n ? Anomaly::CapturedTooShort : reason);
  }
  Step non_ip(std::uint16_t type) {
    type_ = type;
    return Step::NonIp;
  }

  const DecodeOptions& options_;
  Bytes bytes_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;  // of the enclosing layer, on the wire; may lie beyond limit_
  std::size_t limit_ =
      0;  // of what was captured: the end of bytes_, or of a mirror's truncated packet
  LinkType link_ = LinkType::RawIp;
  std::uint16_t type_ = 0;
  Anomaly reason_ = Anomaly::None;
  Datagram datagram_;
  Datagram outer_udp_;  // what remains if a UDP tunnel's payload is no packet
  bool has_outer_udp_ = false;
  bool in_mirror_ = false;
  std::uint8_t tunnels_ = 0;
  std::uint8_t extensions_ = 0;
  bool continued_ = false;  // the header chain began in a fragment
  bool fragment_seen_ = false;
  bool length_zero_ = false;  // IPv6 payload length 0: a jumbogram, or odd
  bool jumbo_seen_ = false;
  std::size_t jumbo_length_ = 0;
};

}  // namespace weir::net
