// P1 to P3, P9, P11, F6: link layers and tunnels; nothing is read outside the packet.
#include "engine/net/decode.h"

#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/net/tcp.h"
#include "tests/support/guard_page.h"
#include "tests/unit/net/samples.h"

namespace weir::net {
namespace {

using test::as_packet;
using test::Octets;
using test::outer;
using test::over4;
using test::over6;
using test::PacketBuilder;
using test::start;

std::string text(Bytes b) {
  return {b.begin(), b.end()};
}

Datagram datagram(const Octets& bytes, LinkType link = LinkType::Ethernet,
                  const DecodeOptions& options = {}) {
  const Decoded decoded = decode(as_packet(bytes, link), options);
  const auto* found = std::get_if<Datagram>(&decoded);
  if (found == nullptr) {
    ADD_FAILURE() << "no datagram";
    return {};
  }
  return *found;
}

Anomaly malformed(const Octets& bytes, LinkType link = LinkType::Ethernet,
                  const DecodeOptions& options = {}) {
  const Decoded decoded = decode(as_packet(bytes, link), options);
  const auto* found = std::get_if<Malformed>(&decoded);
  return found == nullptr ? Anomaly::None : found->reason;
}

TEST(Decode, P1_EverySampleYieldsItsSegment) {
  for (const test::Sample& sample : test::samples()) {
    SCOPED_TRACE(sample.name);
    const Datagram d = datagram(sample.bytes, sample.link);
    EXPECT_EQ(d.protocol, 6);
    EXPECT_EQ(d.ttl, 64);
    EXPECT_FALSE(d.suspicious()) << name(d.anomalies.gravest());
    EXPECT_EQ(sample.bytes.data() + d.transport_at, d.payload.data());
    EXPECT_EQ(d.header_length, d.transport_at - d.ip_at);
    const TcpParsed tcp = parse_tcp(d);
    ASSERT_TRUE(tcp.ok());
    EXPECT_EQ(tcp.checksum, ChecksumVerdict::Right);
    EXPECT_EQ(text(tcp.segment.payload), test::kText);
    EXPECT_EQ(tcp.segment.source.port, 40000);
    EXPECT_EQ(tcp.segment.destination.port, 80);
    const bool six = d.version() == 6;
    EXPECT_EQ(d.source.to_string(), six ? "2001:db8::1" : "10.0.0.1");
    EXPECT_EQ(d.destination.to_string(), six ? "2001:db8::2" : "10.0.0.2");
  }
}

TEST(Decode, P4_PaddingBehindEverySampleIsNotPayload) {
  for (const test::Sample& sample : test::samples()) {
    SCOPED_TRACE(sample.name);
    Octets padded = sample.bytes;
    padded.insert(padded.end(), 13, 'X');
    EXPECT_EQ(text(parse_tcp(datagram(padded, sample.link)).segment.payload), test::kText);
  }
}

TEST(Decode, P1_NothingIsReadOutsideWhereverThePacketEnds) {
  for (const test::Sample& sample : test::samples()) {
    for (std::size_t n = 0; n <= sample.bytes.size(); ++n) {
      const test::GuardedBytes guarded(Bytes(sample.bytes).first(n));
      for (const std::uint32_t wire :
           {static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(sample.bytes.size())}) {
        Packet p = as_packet(sample.bytes, sample.link);
        p.bytes = guarded.bytes();
        p.wire_length = wire;
        DecodeOptions options;
        options.teredo = true;
        options.mirrors_truncate = n % 2 == 0;
        const Decoded decoded = decode(p, options);
        if (const auto* d = std::get_if<Datagram>(&decoded); d != nullptr && d->protocol == 6) {
          const TcpParsed tcp = parse_tcp(*d);
          if (tcp.ok() && n < sample.bytes.size()) {
            EXPECT_GT(tcp.segment.missing, 0U) << sample.name;
          }
        }
      }
    }
  }
}

TEST(Decode, P1_NothingIsReadOutsideWhateverTheBytesSay) {
  std::mt19937_64 random(1);
  const auto all = test::samples();
  for (int round = 0; round < 40000; ++round) {
    const test::Sample& sample = all[random() % all.size()];
    Octets bytes = sample.bytes;
    for (auto k = random() % 5; k-- > 0;)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    bytes.resize(random() % 4 == 0 ? random() % (bytes.size() + 1) : bytes.size());
    const test::GuardedBytes guarded(bytes);
    Packet p = as_packet(bytes, sample.link);
    p.bytes = guarded.bytes();
    const Decoded decoded = decode(p, {});
    const auto* d = std::get_if<Datagram>(&decoded);
    if (d == nullptr) continue;
    if (!d->payload.empty()) {
      EXPECT_GE(d->payload.data(), p.bytes.data());
      EXPECT_LE(d->payload.data() + d->payload.size(), p.bytes.data() + p.bytes.size());
    }
    if (d->protocol == 6 && !d->fragment.present) static_cast<void>(parse_tcp(*d));
    static_cast<void>(decode_reassembled(*d, {}));
  }
}

// All that decode() says, of a datagram behind `before` octets of link header.
std::string said(const Decoded& decoded, const Octets& bytes, std::size_t before) {
  std::ostringstream out;
  if (const auto* m = std::get_if<Malformed>(&decoded)) out << "malformed " << name(m->reason);
  if (const auto* n = std::get_if<NonIp>(&decoded)) out << "no IP " << n->ether_type;
  const auto* d = std::get_if<Datagram>(&decoded);
  if (d == nullptr) return out.str();
  const auto at = d->payload.empty() ? 0 : static_cast<std::size_t>(d->payload.data() - bytes.data()) - before;
  out << d->source.to_string() << ' ' << d->destination.to_string() << ' ' << d->encapsulation.domain << ' '
      << d->encapsulation.network << ' ' << d->encapsulation.vlans[0] << " payload " << at << ' ' << d->payload.size() << ' '
      << d->missing << ' ' << d->ip_at - before << ' ' << d->transport_at - before << ' ' << d->header_length << ' '
      << int{d->protocol} << ' ' << int{d->ttl} << ' ' << int{d->layers} << ' ' << d->reassembled << d->link_broadcast
      << d->enveloped << " fragment " << d->fragment.present << d->fragment.more << ' ' << int{d->fragment.ecn} << ' '
      << d->fragment.offset << ' ' << d->fragment.id << ' ' << name(d->anomalies.gravest()) << ' '
      << static_cast<int>(d->checksum) << ' ' << d->time.ns << ' ' << d->packet_number << ' ' << d->came_by << d->leaves_by;
  return out.str();
}

// One or two octets of the headers changed, more often than not with a checksum that is right again.
Octets mutated(Octets ip, std::mt19937_64& random) {
  for (auto k = random() % 3; k-- > 0;) {
    const std::size_t at = random() % 40;
    ip[at] = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : ip[at] ^ 1U << random() % 8);
  }
  if (random() % 2 == 0) {
    ip[10] = ip[11] = 0;
    const std::uint32_t sum = test::naive_sum(Octets(ip.begin(), ip.begin() + 20));
    ip[10] = static_cast<std::uint8_t>(~sum >> 8);
    ip[11] = static_cast<std::uint8_t>(~sum);
  }
  if (random() % 4 == 0) ip.resize(random() % (ip.size() + 1));
  return ip;
}

// Nearly every packet takes a way of its own through decode(). Behind a link header that does not take it the same
// datagram says the same.
TEST(Decode, P1_PlainPacketsSayWhatTheyWouldSayStepByStep) {
  const Octets whole = PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80).payload("GET /").build();
  const Octets cooked{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0, 8, 0}, none;
  const Octets ethernet{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
  std::mt19937_64 random(3);
  int datagrams = 0;
  for (int round = 0; round < 60000; ++round) {
    const Octets ip = mutated(whole, random);
    const auto beyond = random() % 3 == 0 ? static_cast<std::uint32_t>(random() % 60) : 0;
    const auto through = [&](LinkType link, const Octets& head) {
      Octets bytes = head;
      bytes.insert(bytes.end(), ip.begin(), ip.end());
      Packet p = as_packet(bytes, link, {5}, 6);
      p.wire_length += beyond;
      p.domain = 7;
      p.came_by = 8;
      p.leaves_by = 9;
      p.checksum = static_cast<ChecksumState>(round % 4);
      const Decoded decoded = decode(p, {});
      if (std::holds_alternative<Datagram>(decoded)) ++datagrams;
      return said(decoded, bytes, head.size());
    };
    const std::string expected = through(LinkType::LinuxSll, cooked);
    ASSERT_EQ(through(LinkType::Ethernet, ethernet), expected) << round;
    if (ip.empty() || ip[0] >> 4 != 4) continue;  // nothing else says that it is IPv4
    ASSERT_EQ(through(LinkType::RawIp, none), expected) << round;
  }
  EXPECT_GT(datagrams, 60000);
}

TEST(Decode, P1_VlanTags) {
  using V = std::array<std::uint16_t, 3>;
  const struct {
    const char* description;
    Octets packet;
    V vlans;
    Anomaly reason;
  } table[] = {
      {"none", over4(start()), V{}, Anomaly::None},
      {"one", over4(start().vlan(5)), V{5}, Anomaly::None},
      {"priority bits are no part of the id", over4(start().vlan(0xf005)), V{5}, Anomaly::None},
      {"tag 0 is no VLAN", over4(start().vlan(0xe000).vlan(7)), V{7}, Anomaly::None},
      {"three", over4(start().vlan(1, 0x9100).vlan(2, 0x88a8).vlan(3)), V{1, 2, 3}, Anomaly::None},
      {"four", over4(start().vlan(1).vlan(2).vlan(3).vlan(4)), V{}, Anomaly::VlanTooManyTags},
      {"tags inside a tunnel follow", over4(outer().udp(1, 4789).vxlan(1).eth().vlan(9)), V{9},
       Anomaly::None},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    EXPECT_EQ(malformed(row.packet), row.reason);
    if (row.reason == Anomaly::None) {
      EXPECT_EQ(datagram(row.packet).encapsulation.vlans, row.vlans);
    }
  }
}

TEST(Decode, P3_VlansAreInTheKeyOnlyIfAskedFor) {
  DecodeOptions options;
  options.vlans_in_key = false;
  EXPECT_EQ(datagram(over4(start().vlan(5)), LinkType::Ethernet, options).encapsulation,
            datagram(over4(start().vlan(6)), LinkType::Ethernet, options).encapsulation);
  EXPECT_NE(datagram(over4(start().vlan(5))).encapsulation,
            datagram(over4(start().vlan(6))).encapsulation);
}

TEST(Decode, P2_EqualAddressesInDifferentTunnelsAreDifferent) {
  std::vector<std::pair<std::string, Encapsulation>> seen;
  const auto add = [&](std::string what, const Octets& packet) {
    seen.emplace_back(std::move(what), datagram(packet).encapsulation);
  };
  add("none", over4(start()));
  add("gre", over4(outer().gre()));
  add("gre key 1", over4(outer().gre().gre_key(1)));
  add("gre key 2", over4(outer().gre().gre_key(2)));
  add("ip in ip", over4(outer()));
  add("vxlan 1", over4(outer().udp(1, 4789).vxlan(1).eth()));
  add("vxlan 2", over4(outer().udp(1, 4789).vxlan(2).eth()));
  add("geneve 1", over4(outer().udp(1, 6081).geneve(1)));
  add("geneve endpoint", over4(outer().udp(1, 6081).geneve(1, test::kAmazonOptions)));
  add("vxlan 1 in gre 1",
      over4(outer().gre().gre_key(1).ipv4("1.1.1.1", "1.1.1.2").udp(1, 4789).vxlan(1).eth()));
  add("vxlan 2 in gre 1",
      over4(outer().gre().gre_key(1).ipv4("1.1.1.1", "1.1.1.2").udp(1, 4789).vxlan(2).eth()));
  add("geneve 1 in gre 1",
      over4(outer().gre().gre_key(1).ipv4("1.1.1.1", "1.1.1.2").udp(1, 6081).geneve(1)));
  add("pppoe 1", over4(start().pppoe(1)));
  add("pppoe 2", over4(start().pppoe(2)));
  add("erspan 1", over4(outer().gre().gre_sequence(1).erspan2(1).eth()));
  add("erspan 2", over4(outer().gre().gre_sequence(1).erspan2(2).eth()));
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (std::size_t k = i + 1; k < seen.size(); ++k) {
      EXPECT_NE(seen[i].second, seen[k].second) << seen[i].first << " / " << seen[k].first;
    }
  }
}

TEST(Decode, P2_WhatDiffersWithTheDirectionIsNoPartOfTheKey) {
  EXPECT_EQ(datagram(over4(outer().pptp(1).ppp())).encapsulation,
            datagram(over4(outer().pptp(2).ppp())).encapsulation);
  EXPECT_EQ(datagram(over4(start().mpls(1))).encapsulation,
            datagram(over4(start().mpls(2))).encapsulation);
  const auto reverse = PacketBuilder().eth().ipv4("192.0.2.2", "192.0.2.1").gre().gre_key(4);
  EXPECT_EQ(datagram(over4(outer().gre().gre_key(4))).encapsulation,
            datagram(over4(reverse)).encapsulation);
  DecodeOptions options;
  options.tunnels_in_key = false;
  EXPECT_EQ(datagram(over4(outer()), LinkType::Ethernet, options).encapsulation, Encapsulation{});
}

TEST(Decode, P2_GeneveEndpointBecomesTheDomain) {
  EXPECT_EQ(
      datagram(over4(outer().udp(9, 6081).geneve(0, test::kAmazonOptions))).encapsulation.domain,
      0x1122334455667788ULL);
  Octets other = test::kAmazonOptions;
  other[1] = 0x32;  // another class
  EXPECT_EQ(datagram(over4(outer().udp(9, 6081).geneve(0, other))).encapsulation.domain, 0U);
  Octets two = test::kAmazonOptions;
  two.insert(two.begin(), {0x01, 0x32, 0x01, 0x00});  // an unknown option before it
  EXPECT_EQ(datagram(over4(outer().udp(9, 6081).geneve(0, two))).encapsulation.domain,
            0x1122334455667788ULL);
  const Octets bytes = over4(outer().udp(9, 6081).geneve(0, test::kAmazonOptions));
  Packet p = as_packet(bytes);
  p.domain = 42;  // the port's word stands
  EXPECT_EQ(std::get<Datagram>(decode(p, {})).encapsulation.domain, 42U);
}

TEST(Decode, P1_GeneveOptionsAreBoundedEachByEach) {
  const struct {
    const char* description;
    Octets options;
    bool opened;
  } table[] = {
      {"none", {}, true},
      {"one of length 0", {1, 8, 9, 0}, true},
      {"runs over the option area", {1, 8, 1, 2, 0, 0, 0, 0}, false},
      {"the second runs over", {1, 8, 9, 0, 1, 8, 1, 31}, false},
      {"longest possible", Octets{1, 8, 9, 1, 0, 0, 0, 0}, true},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    const Datagram d = datagram(over4(outer().udp(9, 6081).geneve(0, row.options)));
    EXPECT_EQ(d.protocol == 6, row.opened);
    EXPECT_EQ(d.anomalies.has(Anomaly::TunnelPayloadMalformed), !row.opened);
  }
}

TEST(Decode, P1_AUdpPortIsOnlyAHint) {
  const struct {
    const char* description;
    Octets packet;
  } table[] = {
      {"text to 4789",
       outer().udp(53, 4789).payload("an answer of a name server, by chance").build()},
      {"vxlan without its flag", over4(outer().udp(9, 4789).vxlan(1).set16(0, 0).eth())},
      {"vxlan with a wrong inner length", outer()
                                              .udp(9, 4789)
                                              .vxlan(1)
                                              .eth()
                                              .ipv4("10.0.0.1", "10.0.0.2")
                                              .early16(2, 900)
                                              .tcp(1, 2)
                                              .build()},
      {"geneve control packet", over4(outer().udp(9, 6081).geneve(1).set16(0, 0x0080))},
      {"geneve version 1", over4(outer().udp(9, 6081).geneve(1).set16(0, 0x4000))},
      {"an empty datagram", outer().udp(9, 4789).build()},
      {"udp length beyond the packet", over4(outer().udp(9, 4789).set16(4, 9000).vxlan(1).eth())},
      {"udp length below its header", over4(outer().udp(9, 4789).set16(4, 7).vxlan(1).eth())},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    const Datagram d = datagram(row.packet);
    EXPECT_EQ(d.protocol, 17);
    EXPECT_EQ(d.source.to_string(), "192.0.2.1");
    EXPECT_EQ(d.layers, 1);
    EXPECT_EQ(d.encapsulation, Encapsulation{});
  }
}

TEST(Decode, P1_TunnelsThatAreSwitchedOffStayClosed) {
  DecodeOptions off;
  off.gre = off.ip_in_ip = off.vxlan = off.geneve = off.pppoe = off.mpls = false;
  EXPECT_EQ(datagram(over4(outer().gre()), LinkType::Ethernet, off).protocol, 47);
  EXPECT_EQ(datagram(over4(outer()), LinkType::Ethernet, off).protocol, 4);
  EXPECT_EQ(datagram(over6(outer()), LinkType::Ethernet, off).protocol, 41);
  EXPECT_EQ(datagram(over4(outer().udp(1, 4789).vxlan(1).eth()), LinkType::Ethernet, off).protocol,
            17);
  EXPECT_EQ(datagram(over4(outer().udp(1, 6081).geneve(1)), LinkType::Ethernet, off).protocol, 17);
  for (const Octets& b : {over4(start().pppoe(1)), over4(start().mpls(1))}) {
    EXPECT_TRUE(std::holds_alternative<NonIp>(decode(as_packet(b), off)));
  }
}

TEST(Decode, P1_Teredo) {
  const Octets plain = over6(outer().udp(3544, 50000));
  const Octets origin = over6(outer().udp(3544, 50000).raw({0, 0, 1, 2, 3, 4, 5, 6}));
  const Octets authenticated =
      over6(outer().udp(3544, 50000).raw({0, 1, 1, 1, 'c', 'a', 1, 2, 3, 4, 5, 6, 7, 8, 0}));
  DecodeOptions on;
  on.teredo = true;
  for (const Octets& b : {plain, origin, authenticated}) {
    EXPECT_EQ(datagram(b).protocol, 17);
    EXPECT_EQ(datagram(b, LinkType::Ethernet, on).protocol, 6);
  }
}

TEST(Decode, P1_NestingHasALimit) {
  PacketBuilder b = PacketBuilder().eth();
  for (int i = 0; i < 5; ++i)
    b.ipv4("1.1.1.1", "2.2.2.2");
  EXPECT_EQ(datagram(over4(b)).layers, 6);
  b.ipv4("1.1.1.1", "2.2.2.2");
  EXPECT_EQ(malformed(over4(b)), Anomaly::TooManyLayers);
  PacketBuilder labels = PacketBuilder().eth();
  for (int i = 0; i < 7; ++i)
    labels.mpls(1, false);
  EXPECT_EQ(malformed(over4(PacketBuilder(labels).mpls(1))), Anomaly::None);
  EXPECT_EQ(malformed(over4(labels.mpls(1, false).mpls(1))), Anomaly::MplsTooManyLabels);
}

TEST(Decode, P1_Gre) {
  EXPECT_TRUE(datagram(over4(outer().gre().gre_checksum().bad_checksum()))
                  .anomalies.has(Anomaly::GreChecksum));
  EXPECT_FALSE(datagram(over4(outer().gre().gre_checksum())).anomalies.has(Anomaly::GreChecksum));
  for (const int flags : {0x4000, 0x0002, 0x0007}) {  // source routing, versions 2 and 7
    const Datagram d = datagram(over4(outer().gre().early16(0, static_cast<std::uint16_t>(flags))));
    EXPECT_EQ(d.protocol, 47);
    EXPECT_TRUE(d.anomalies.has(Anomaly::GreUnsupported));
  }
  EXPECT_EQ(malformed(outer().gre().gre_key(1).build()), Anomaly::None);  // no content: not IP
  EXPECT_EQ(malformed(outer().protocol(47).raw({0x20, 0, 8, 0}).build()), Anomaly::GreHeaderShort);
  // PPTP: a bare acknowledgement, and a payload length that lies
  EXPECT_EQ(
      datagram(outer().protocol(47).raw({0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 1}).build())
          .protocol,
      47);
  EXPECT_EQ(malformed(over4(outer().pptp(1).set16(4, 5000).ppp())), Anomaly::GreHeaderShort);
}

TEST(Decode, P1_ErspanThreeWithSubheader) {
  const Octets b =
      over4(outer().gre().gre_sequence(4).erspan3(33).early16(10, 1).raw(Octets(8, 0)).eth());
  // raw() hides the Ethernet layer from nothing: ERSPAN has no type field
  EXPECT_EQ(datagram(b).protocol, 6);
}

TEST(Decode, P9_WhatIsNotIpIsSaidToBeSo) {
  const struct {
    const char* description;
    Octets packet;
    LinkType link;
    std::uint16_t type;
  } table[] = {
      {"ARP", start().early16(12, 0x0806).raw(Octets(28, 0)).build(), LinkType::Ethernet, 0x0806},
      {"LACP", start().early16(12, 0x8809).raw(Octets(50, 0)).build(), LinkType::Ethernet, 0x8809},
      {"STP (802.3 length)", start().early16(12, 38).raw(Octets(38, 0)).build(), LinkType::Ethernet,
       0},
      {"ARP in a VLAN", start().vlan(4).early16(2, 0x0806).raw(Octets(28, 0)).build(),
       LinkType::Ethernet, 0x0806},
      {"PPPoE discovery", start().early16(12, 0x8863).raw(Octets(20, 0)).build(),
       LinkType::Ethernet, 0x8863},
      {"LCP", PacketBuilder().raw({0xff, 3, 0xc0, 0x21, 1, 1, 0, 4}).build(), LinkType::Ppp,
       0xc021},
      {"netlink in a cooked capture",
       PacketBuilder().sll().early16(2, 824).raw(Octets(40, 0)).build(), LinkType::LinuxSll, 0},
      {"raw, another version", Octets(40, 0x50), LinkType::RawIp, 0},
      {"loopback, another family", Octets{0, 0, 0, 7, 1, 2}, LinkType::Loop, 7},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    const Decoded decoded = decode(as_packet(row.packet, row.link), {});
    const auto* found = std::get_if<NonIp>(&decoded);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->ether_type, row.type);
  }
}

TEST(Decode, P9_PppoeLengthIsChecked) {
  EXPECT_EQ(malformed(over4(start().pppoe(1).set16(4, 2000))), Anomaly::PppoeMalformed);
  EXPECT_EQ(malformed(over4(start().pppoe(1).set16(0, 0x2100))), Anomaly::PppoeMalformed);
}

TEST(Decode, P11_SnaplenIsToldFromMalformation) {
  const Octets whole = over4(start());
  Packet p = as_packet(whole);
  p.bytes = p.bytes.first(14 + 20 + 20 + 5);
  const Datagram d = std::get<Datagram>(decode(p, {}));
  EXPECT_EQ(d.missing, test::kText.size() - 5);
  const TcpParsed tcp = parse_tcp(d);
  ASSERT_TRUE(tcp.ok());
  EXPECT_EQ(text(tcp.segment.payload), test::kText.substr(0, 5));
  EXPECT_EQ(tcp.segment.missing, test::kText.size() - 5);
  EXPECT_EQ(tcp.checksum, ChecksumVerdict::NotVerified);
  EXPECT_FALSE(tcp.segment.checksum_bad);
  p.bytes = p.bytes.first(30);
  EXPECT_EQ(std::get<Malformed>(decode(p, {})).reason, Anomaly::CapturedTooShort);
  p.bytes = Bytes(whole).first(45);
  p.wire_length = 45;
  EXPECT_EQ(std::get<Malformed>(decode(p, {})).reason, Anomaly::Ipv4LongerThanPacket);
  p.bytes = p.bytes.first(20);
  p.wire_length = 20;
  EXPECT_EQ(std::get<Malformed>(decode(p, {})).reason, Anomaly::Ipv4HeaderShort);
}

TEST(Decode, P11_MirrorsThatTruncate) {
  Octets b = outer()
                 .udp(9, 4789, false)
                 .vxlan(1)
                 .eth()
                 .ipv4("10.0.0.1", "10.0.0.2")
                 .early16(2, 900)
                 .tcp(1, 2)
                 .payload("begin")
                 .padding(9)
                 .build();
  EXPECT_EQ(datagram(b).protocol, 17);
  DecodeOptions options;
  options.mirrors_truncate = true;
  const Datagram d = datagram(b, LinkType::Ethernet, options);
  EXPECT_EQ(d.protocol, 6);
  EXPECT_EQ(text(d.payload.subspan(20)), "begin");  // not the padding of the outer frame
  EXPECT_EQ(d.missing, 900U - 20 - 20 - 5);
}

TEST(Decode, F6_FragmentsOfATunnelAreNotLookedInto) {
  const Octets b = over4(PacketBuilder()
                             .eth()
                             .ipv4("192.0.2.1", "192.0.2.2")
                             .fragment(0, true)
                             .udp(1, 4789)
                             .vxlan(1)
                             .eth());
  const Datagram d = datagram(b);
  EXPECT_TRUE(d.fragment.present);
  EXPECT_EQ(d.protocol, 17);
}

TEST(AnomalyNames, AreKebabCaseAndDifferent) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kAnomalies; ++i) {
    const std::string_view n = name(static_cast<Anomaly>(i));
    EXPECT_TRUE(names.insert(n).second) << n;
    for (const char c : n)
      EXPECT_TRUE(c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) << n;
  }
  AnomalySet set;
  EXPECT_EQ(set.worst(), Consequence::Note);
  set.add(Anomaly::TtlZero);
  set.add(Anomaly::GreChecksum);
  set.add(Anomaly::Ipv4TinyFragment);
  EXPECT_EQ(set.gravest(), Anomaly::GreChecksum);
  EXPECT_EQ(set.worst(), Consequence::HostDrops);
}

}  // namespace
}  // namespace weir::net
