// One valid packet of each shape that engine/net knows; all carry the same TCP segment.
#pragma once

#include <string>
#include <vector>

#include "tests/support/packet_builder.h"

namespace weir::test {

struct Sample {
  std::string name;
  LinkType link = LinkType::Ethernet;
  Octets bytes;
};

inline constexpr std::string_view kText = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

inline PacketBuilder& segment(PacketBuilder& b) {
  return b.tcp(40000, 80).seq(7).ack(9).payload(kText);
}
inline Octets over4(PacketBuilder b) {
  return segment(b.ipv4("10.0.0.1", "10.0.0.2")).build();
}
inline Octets over6(PacketBuilder b) {
  return segment(b.ipv6("2001:db8::1", "2001:db8::2")).build();
}
inline PacketBuilder start() {
  return PacketBuilder().eth();
}
inline PacketBuilder outer() {
  return PacketBuilder().eth().ipv4("192.0.2.1", "192.0.2.2");
}

inline const Octets kAmazonOptions{0x01, 0x08, 0x01, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                   0x88, 0x01, 0x08, 0x02, 0x02, 1,    2,    3,    4,    5,    6,
                                   7,    8,    0x01, 0x08, 0x03, 0x01, 9,    9,    9,    9};

inline std::vector<Sample> samples() {
  using B = PacketBuilder;
  std::vector<Sample> all{
      {"ipv4", LinkType::Ethernet, over4(start())},
      {"ipv6", LinkType::Ethernet, over6(start())},
      {"vlan 8100", LinkType::Ethernet, over4(start().vlan(5))},
      {"vlan 88a8 8100", LinkType::Ethernet, over4(start().vlan(5, 0x88a8).vlan(6))},
      {"vlan 9100 9100 8100", LinkType::Ethernet,
       over6(start().vlan(5, 0x9100).vlan(6, 0x9100).vlan(7))},
      {"sll", LinkType::LinuxSll, over4(B().sll())},
      {"sll vlan", LinkType::LinuxSll, over4(B().sll().vlan(5))},
      {"sll2", LinkType::LinuxSll2, over6(B().sll2())},
      {"raw ipv4", LinkType::RawIp, over4(B())},
      {"raw ipv6", LinkType::RawIp, over6(B())},
      {"null little-endian ipv4", LinkType::Null, over4(B().family({2, 0, 0, 0}))},
      {"null big-endian ipv4", LinkType::Null, over4(B().family({0, 0, 0, 2}))},
      {"null macos ipv6", LinkType::Null, over6(B().family({30, 0, 0, 0}))},
      {"null freebsd ipv6", LinkType::Null, over6(B().family({28, 0, 0, 0}))},
      {"loop openbsd ipv6", LinkType::Loop, over6(B().family({0, 0, 0, 24}))},
      {"ppp", LinkType::Ppp, over4(B().ppp())},
      {"ppp ff03", LinkType::Ppp, over6(B().raw({0xff, 0x03}).ppp())},
      {"ppp compressed protocol", LinkType::Ppp, over4(B().raw({0x21}))},
      {"pppoe", LinkType::Ethernet, over4(start().pppoe(0x1234))},
      {"mpls", LinkType::Ethernet, over4(start().mpls(100, false).mpls(200))},
      {"mpls pseudowire", LinkType::Ethernet, over4(start().mpls(100).raw({0, 0, 0, 0}).eth())},
      {"gre", LinkType::Ethernet, over4(outer().gre())},
      {"gre checksum key sequence", LinkType::Ethernet,
       over6(outer().gre().gre_checksum().gre_key(7).gre_sequence(1))},
      {"gre bridging", LinkType::Ethernet, over4(outer().gre().gre_key(7).eth().vlan(3))},
      {"pptp", LinkType::Ethernet, over4(outer().pptp(77).ppp())},
      {"erspan I", LinkType::Ethernet, over4(outer().gre().early16(2, 0x88be).eth())},
      {"erspan II", LinkType::Ethernet, over4(outer().gre().gre_sequence(4).erspan2(33).eth())},
      {"erspan III", LinkType::Ethernet, over4(outer().gre().gre_sequence(4).erspan3(33).eth())},
      {"ip in ip", LinkType::Ethernet, over4(outer())},
      {"6in4", LinkType::Ethernet, over6(outer())},
      {"4in6", LinkType::Ethernet, over4(start().ipv6("2001:db8::8", "2001:db8::9"))},
      {"vxlan", LinkType::Ethernet, over4(outer().udp(50000, 4789).vxlan(0xabcdef).eth())},
      {"vxlan linux port", LinkType::Ethernet,
       over4(outer().udp(50000, 8472, false).vxlan(1).eth().vlan(4))},
      {"geneve", LinkType::Ethernet, over4(outer().udp(50000, 6081).geneve(5, kAmazonOptions))},
      {"geneve bridging", LinkType::Ethernet, over6(outer().udp(50000, 6081).geneve(5).eth())},
      {"hop by hop, destination options", LinkType::Ethernet,
       segment(start().ipv6("2001:db8::1", "2001:db8::2").hop_by_hop().destination_options())
           .build()},
      {"routing done", LinkType::Ethernet,
       segment(start().ipv6("2001:db8::1", "2001:db8::2").routing(0, 0)).build()},
      {"atomic fragment", LinkType::Ethernet,
       segment(start().ipv6("2001:db8::1", "2001:db8::2").fragment6(0, false, 1)).build()},
      {"ipv4 options", LinkType::Ethernet,
       segment(start().ipv4("10.0.0.1", "10.0.0.2").ip_options({1, 1, 7, 7, 4, 0, 0, 0, 0}))
           .build()},
      {"vxlan in gre in ip", LinkType::Ethernet,
       over6(outer()
                 .gre()
                 .gre_key(1)
                 .ipv4("198.51.100.1", "198.51.100.2")
                 .udp(1, 4789)
                 .vxlan(9)
                 .eth())},
  };
  return all;
}

}  // namespace weir::test
