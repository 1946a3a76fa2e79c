// The short look inside: it may be unsure, it may not be wrong.
#include "geneve/inner.h"

#include <random>

#include <gtest/gtest.h>

#include "engine/net/decode.h"
#include "tests/unit/geneve/envelopes.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using test::Octets;
using test::PacketBuilder;

Inner look_at(const Octets& ip) {
  return look(ip, ip[0] >> 4 == 6 ? 0x86dd : 0x0800);
}

TEST(GeneveInner, SeesTcpBehindOptionsAndExtensionHeaders) {
  const Octets plain = test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80);
  const Octets options = PacketBuilder()
                             .ipv4("10.0.0.1", "10.0.0.2")
                             .ip_options({7, 7, 4, 0, 0, 0, 0})
                             .tcp(1000, 80)
                             .build();
  const Octets six = test::tcp6("fd00::1", 1000, "fd00::2", 80);
  const Octets extended = PacketBuilder()
                              .ipv6("fd00::1", "fd00::2")
                              .hop_by_hop()
                              .routing(4, 0)
                              .destination_options({1, 4, 0, 0, 0, 0})
                              .authentication()
                              .tcp(1000, 80)
                              .build();
  for (const Octets& ip : {plain, options, six, extended}) {
    const Inner inner = look_at(ip);
    EXPECT_EQ(inner.kind, InnerKind::Tcp);
    EXPECT_EQ(inner.source_port, 1000);
    EXPECT_EQ(inner.destination_port, 80);
  }
}

TEST(GeneveInner, OtherProtocolsAreNotTcp) {
  EXPECT_EQ(
      look_at(PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").udp(53, 80).payload("x").build()).kind,
      InnerKind::NotTcp);
  for (const int protocol : {1, 4, 41, 47, 50, 132, 253}) {
    EXPECT_EQ(look_at(PacketBuilder()
                          .ipv4("10.0.0.1", "10.0.0.2")
                          .protocol(static_cast<std::uint8_t>(protocol))
                          .raw(Octets(40))
                          .build())
                  .kind,
              InnerKind::NotTcp);
  }
  EXPECT_EQ(look(Octets(60), 0x0806).kind, InnerKind::NotTcp);  // ARP
}

TEST(GeneveInner, FragmentsOfTcpAreTold) {
  const Octets first = PacketBuilder()
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .id(7)
                           .fragment(0, true)
                           .tcp(1000, 80)
                           .raw(Octets(4))
                           .build();
  EXPECT_EQ(look_at(first).kind, InnerKind::FirstFragment);
  EXPECT_EQ(look_at(first).destination_port, 80);
  EXPECT_EQ(look_at(first).fragment_id, 7U);
  const Octets later = PacketBuilder()
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .id(7)
                           .protocol(6)
                           .fragment(24, false)
                           .raw(Octets(9))
                           .build();
  EXPECT_EQ(look_at(later).kind, InnerKind::LaterFragment);
  const Octets first6 = PacketBuilder()
                            .ipv6("fd00::1", "fd00::2")
                            .fragment6(0, true, 99)
                            .destination_options({1, 4, 0, 0, 0, 0})
                            .tcp(1000, 80)
                            .raw(Octets(4))
                            .build();
  EXPECT_EQ(look_at(first6).kind, InnerKind::FirstFragment);
  EXPECT_EQ(look_at(first6).fragment_id, 99U);
  EXPECT_EQ(look_at(first6).source_port, 1000);
  Octets later6 = first6;
  test::Octets offset = test::big_endian(8, 2);
  std::copy(offset.begin(), offset.end(), later6.begin() + 42);
  EXPECT_EQ(look_at(later6).kind, InnerKind::LaterFragment);
  const Octets atomic =
      PacketBuilder().ipv6("fd00::1", "fd00::2").fragment6(0, false, 99).tcp(1000, 80).build();
  EXPECT_EQ(look_at(atomic).kind, InnerKind::Tcp);
}

TEST(GeneveInner, EveryTruncationIsUnclearOrStillRight) {
  const Octets whole =
      PacketBuilder().ipv6("fd00::1", "fd00::2").hop_by_hop().tcp(1000, 80).build();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const Inner inner = look(Bytes(whole).first(n), 0x86dd);
    EXPECT_EQ(inner.kind, n < 52 ? InnerKind::Unclear : InnerKind::Tcp) << n;
  }
  Octets short_header = test::tcp4("10.0.0.1", 1, "10.0.0.2", 2);
  short_header[0] = 0x44;
  EXPECT_EQ(look_at(short_header).kind, InnerKind::Unclear);
  EXPECT_EQ(look(test::tcp6("fd00::1", 1, "fd00::2", 2), 0x0800).kind, InnerKind::Unclear);
}

// The complete decoder is the oracle: where it finds TCP, the look may not say that there is none.
TEST(GeneveInner, NeverDeniesTcpThatTheDecoderFinds) {
  std::mt19937_64 random(7);
  const std::vector<Octets> seeds{
      test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80), test::tcp6("fd00::1", 1000, "fd00::2", 80),
      PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").ip_options({1, 1, 1, 1}).tcp(5, 6).build(),
      PacketBuilder()
          .ipv6("fd00::1", "fd00::2")
          .hop_by_hop()
          .routing(4, 0)
          .authentication()
          .tcp(9, 8)
          .build(),
      PacketBuilder().ipv6("fd00::1", "fd00::2").fragment6(0, false, 4).tcp(9, 8).build()};
  net::DecodeOptions options;
  options.max_layers = 1;
  std::size_t found = 0;
  for (int i = 0; i < 200'000; ++i) {
    Octets ip = seeds[random() % seeds.size()];
    for (auto n = random() % 4; n > 0; --n)
      ip[random() % ip.size()] = static_cast<std::uint8_t>(random());
    const std::uint16_t type = ip[0] >> 4 == 6 ? 0x86dd : 0x0800;
    Packet packet = test::as_packet(ip, LinkType::RawIp);
    const net::Decoded decoded = net::decode(packet, options);
    const auto* datagram = std::get_if<net::Datagram>(&decoded);
    if (datagram == nullptr || datagram->protocol != 6 || datagram->layers != 1) continue;
    const Inner inner = look(ip, type);
    ASSERT_NE(inner.kind, InnerKind::NotTcp);
    if (inner.kind != InnerKind::Tcp || datagram->payload.size() < 4) continue;
    ++found;
    ASSERT_EQ(inner.tcp_at, datagram->transport_at);
  }
  EXPECT_GT(found, 50'000U);
}

TEST(GeneveInner, BothDirectionsHaveOneHash) {
  const SteerKey key{0x12345679, 0x9abcdef1};
  const auto hash = [&key](const Octets& ip) { return steer_hash(ip, look_at(ip), key); };
  EXPECT_EQ(hash(test::tcp4("10.0.0.1", 1000, "10.9.0.2", 80)),
            hash(test::tcp4("10.9.0.2", 80, "10.0.0.1", 1000)));
  EXPECT_EQ(hash(test::tcp6("fd00::1", 1000, "fd00::2", 80)),
            hash(test::tcp6("fd00::2", 80, "fd00::1", 1000)));
  EXPECT_NE(hash(test::tcp4("10.0.0.1", 1000, "10.9.0.2", 80)),
            hash(test::tcp4("10.0.0.1", 1001, "10.9.0.2", 80)));
  const Octets extended =
      PacketBuilder().ipv6("fd00::1", "fd00::2").hop_by_hop().tcp(1000, 80).build();
  EXPECT_EQ(hash(extended), hash(test::tcp6("fd00::1", 1000, "fd00::2", 80)));
}

TEST(GeneveInner, FlowsSpreadEvenly) {
  for (const std::uint32_t workers : {2U, 3U, 8U}) {
    std::vector<int> share(workers);
    for (unsigned host = 0; host < 32; ++host) {
      for (unsigned port = 0; port < 64; ++port) {
        const std::string from = "10.1.7." + std::to_string(host);
        const Octets ip =
            test::tcp4(from.c_str(), static_cast<std::uint16_t>(32768 + port), "10.9.0.2", 443);
        ++share[steer(steer_hash(ip, look_at(ip), {}), workers)];
      }
    }
    for (const int n : share)
      EXPECT_GT(n, static_cast<int>(2048 / workers * 8 / 10));
  }
}

}  // namespace
