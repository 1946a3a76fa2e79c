// F5 to F8: lengths, limits, tunnels, and random fragments against a naive oracle.
#include "engine/net/fragment.h"

#include <gtest/gtest.h>

#include <list>
#include <random>
#include <set>

#include "tests/unit/net/fragment_oracle.h"
#include "tests/unit/net/fragment_source.h"

namespace weir::net {
namespace {

using namespace fragment_test;

TEST(Fragment, F5_Lengths) {
  struct Row {
    const char* description;
    Piece piece;
    const char* v4_strict;
    const char* v4_linux;
    const char* v6_strict;
    const char* v6_linux;
  };
  const Row table[] = {
      {"zero length, more",
       {64, 0, true},
       "zero-length",
       "zero-length",
       "zero-length",
       "zero-length"},
      {"zero length, last",
       {64, 0, false},
       "zero-length",
       "zero-length",
       "zero-length",
       "zero-length"},
      {"seven bytes, more",
       {64, 7, true},
       "uneven-length",
       "zero-length",
       "uneven-length",
       "uneven-length"},
      {"nine bytes, more",
       {64, 9, true},
       "uneven-length",
       "held",
       "uneven-length",
       "uneven-length"},
      {"ends at 65535 (IPv6) or 65555", {65528, 7, false}, "too-long", "too-long", "held", "held"},
      {"ends at 65536", {65528, 8, false}, "too-long", "too-long", "too-long", "too-long"},
      {"ends at 65515", {65512, 3, false}, "held", "held", "held", "held"},
      {"ends at 65516", {65512, 4, false}, "too-long", "too-long", "held", "held"},
      {"largest offset, large",
       {65528, 60000, false},
       "too-long",
       "too-long",
       "too-long",
       "too-long"},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.description);
    for (const bool six : {false, true}) {
      const Source source(six);
      Runner strict(FragmentPolicy::Strict);
      Runner host(FragmentPolicy::Linux);
      EXPECT_EQ(outcome(strict.add(source.frame(row.piece))), six ? row.v6_strict : row.v4_strict);
      EXPECT_EQ(outcome(host.add(source.frame(row.piece))), six ? row.v6_linux : row.v4_linux);
    }
  }
}

TEST(Fragment, F5_TinyFragments) {
  for (const auto policy : {FragmentPolicy::Strict, FragmentPolicy::Linux}) {
    const bool strict = policy == FragmentPolicy::Strict;
    Runner four(policy);
    EXPECT_EQ(outcome(four.add(Source(false).frame({0, 8}))), strict ? "suspicious" : "held");
    EXPECT_EQ(outcome(four.add(Source(false).frame({8, 212, false}))),
              strict ? "suspicious" : "complete");
    Runner six(policy);
    EXPECT_EQ(outcome(six.add(Source(true).frame({0, 8}))), "host-drops");
  }
}

TEST(Fragment, F5_LargestDatagrams) {
  for (const bool six : {false, true}) {
    const std::size_t most = six ? 65535 - 20 : 65535 - 20 - 20;
    const Source source(six, most);
    Runner runner;
    Defragmented d;
    const std::size_t total = source.transport().size();
    for (std::size_t at = 0; at < total; at += 1480) {
      const std::size_t n = std::min<std::size_t>(1480, total - at);
      d = runner.add(source.frame({static_cast<std::uint32_t>(at), n, at + n < total}));
    }
    ASSERT_EQ(outcome(d), "complete");
    EXPECT_EQ(d.datagram.payload.size(), total);
    EXPECT_TRUE(std::equal(d.datagram.payload.begin(), d.datagram.payload.end(),
                           source.transport().begin()));
  }
}

TEST(Fragment, F5_MixedEcnIsDiscarded) {
  const Source source(false);
  const auto with_ecn = [&](Piece p, std::uint8_t ecn) {
    Octets f = source.frame(p);
    f[15] = ecn;
    const std::uint32_t sum =
        test::naive_sum(Octets(f.begin() + 14, f.begin() + 24),
                        test::naive_sum(Octets(f.begin() + 26, f.begin() + 34)));
    f[24] = static_cast<std::uint8_t>(~sum >> 8);
    f[25] = static_cast<std::uint8_t>(~sum);
    return f;
  };
  for (std::uint8_t a = 0; a < 4; ++a) {
    for (std::uint8_t b = 0; b < 4; ++b) {
      Runner runner(FragmentPolicy::Linux);
      static_cast<void>(runner.add(with_ecn({0, 64}, a)));
      const Defragmented d = runner.add(with_ecn({64, 156, false}, b));
      EXPECT_EQ(outcome(d), (a == 0) != (b == 0) ? "mixed-ecn" : "complete") << int{a} << int{b};
      EXPECT_EQ(d.lost.size(), (a == 0) != (b == 0) ? 1U : 0U);
    }
  }
}

TEST(Fragment, F5_LimitsGiveUpTheOldest) {
  const Source source(false, 60000);
  const auto piece = [](std::uint16_t id, std::uint32_t offset, std::size_t n) {
    return Piece{offset, n, true, id};
  };
  {
    FragmentLimits limits;
    limits.datagrams = 3;
    Runner runner(FragmentPolicy::Strict, limits);
    for (std::uint16_t id = 1; id <= 3; ++id)
      static_cast<void>(runner.add(source.frame(piece(id, 0, 64))));
    const Defragmented d = runner.add(source.frame(piece(4, 0, 64)));
    ASSERT_EQ(d.lost.size(), 1U);
    EXPECT_EQ(d.lost[0].packet.number, 1U);
    EXPECT_EQ(d.lost[0].cause, FragmentLoss::DatagramLimit);
  }
  {
    FragmentLimits limits;
    limits.packets = 4;
    Runner runner(FragmentPolicy::Strict, limits);
    for (std::uint16_t id = 1; id <= 2; ++id) {
      static_cast<void>(runner.add(source.frame(piece(id, 0, 64))));
      static_cast<void>(runner.add(source.frame(piece(id, 64, 64))));
    }
    const Defragmented d = runner.add(source.frame(piece(2, 128, 64)));
    EXPECT_EQ(outcome(d), "held");
    ASSERT_EQ(d.lost.size(), 2U);
    EXPECT_EQ(d.lost[0].cause, FragmentLoss::PacketLimit);
    static_cast<void>(runner.add(source.frame(piece(2, 192, 64))));
    // nothing else to give up but itself
    EXPECT_EQ(outcome(runner.add(source.frame(piece(2, 256, 64)))), "packet-limit");
    EXPECT_EQ(runner.defragmenter.held(), 0U);
  }
  {
    FragmentLimits limits;
    limits.bytes = 32 * 2048;
    Runner runner(FragmentPolicy::Strict, limits);
    static_cast<void>(runner.add(source.frame(piece(1, 0, 20 * 2048))));
    const Defragmented d = runner.add(source.frame(piece(2, 0, 20 * 2048)));
    EXPECT_EQ(outcome(d), "held");
    ASSERT_EQ(d.lost.size(), 1U);
    EXPECT_EQ(d.lost[0].cause, FragmentLoss::ByteLimit);
  }
  EXPECT_LT(Defragmenter({}, FragmentPolicy::Strict, {}).memory(), std::size_t{16} << 20);
}

TEST(Fragment, F5_WhatIsBadMakesNoRoomForItself) {
  const Source source(false);
  FragmentLimits limits;
  limits.datagrams = 1;
  Runner runner(FragmentPolicy::Strict, limits);
  static_cast<void>(runner.add(source.frame({0, 64})));
  const Defragmented bad = runner.add(source.frame({64, 0, true, 9}));
  EXPECT_TRUE(bad.lost.empty());
  EXPECT_EQ(outcome(runner.add(source.frame({64, 156, false}))), "complete");
}

TEST(Fragment, F6_FragmentsOfATunnelAndInATunnel) {
  // A whole VXLAN packet, its outer datagram in three fragments, holding a fragment of the inner
  // datagram.
  const Source source(false);
  Runner runner;
  const auto carried = [&](const Piece& p) {
    const Octets whole =
        source.frame(p, PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").udp(7, 4789).vxlan(5).eth());
    return Octets(whole.begin() + 20, whole.end());
  };
  std::vector<Octets> inner;
  for (const Piece& p : {Piece{0, 64, true}, Piece{64, 156, false}}) {
    const Octets udp = carried(p);
    Defragmented d;
    for (std::size_t at = 0; at < udp.size(); at += 48) {
      const std::size_t n = std::min<std::size_t>(48, udp.size() - at);
      d = runner.add(PacketBuilder()
                         .eth()
                         .ipv4("192.0.2.1", "192.0.2.2")
                         .id(static_cast<std::uint16_t>(77 + p.offset))
                         .fragment(static_cast<std::uint32_t>(at), at + n < udp.size())
                         .protocol(17)
                         .raw({udp.begin() + static_cast<std::ptrdiff_t>(at),
                               udp.begin() + static_cast<std::ptrdiff_t>(at + n)})
                         .build());
    }
    ASSERT_EQ(outcome(d), "complete");
    const Decoded next = decode_reassembled(d.datagram, {});
    const Datagram& fragment = std::get<Datagram>(next);
    EXPECT_TRUE(fragment.fragment.present);
    EXPECT_EQ(fragment.source.to_string(), "10.0.0.1");
    EXPECT_EQ(fragment.layers, 2);
    const Defragmented whole = runner.defragmenter.add(fragment, 0);
    if (p.more) {
      EXPECT_EQ(outcome(whole), "held");
      continue;
    }
    ASSERT_EQ(outcome(whole), "complete");
    const TcpParsed tcp = parse_tcp(std::get<Datagram>(decode_reassembled(whole.datagram, {})));
    EXPECT_EQ(tcp.checksum, ChecksumVerdict::Right);
    EXPECT_EQ(tcp.segment.encapsulation.network >> 56,
              static_cast<std::uint64_t>(TunnelKind::Vxlan));
  }
}

TEST(Fragment, F6_ExtensionHeadersBehindTheFragmentHeader) {
  PacketBuilder rest = PacketBuilder()
                           .ipv6("2001:db8::1", "2001:db8::2")
                           .destination_options()
                           .tcp(1, 80)
                           .raw(Octets(100, 'x'));
  std::list<Runner> runners;  // they own what the datagrams point to
  const auto run = [&](const PacketBuilder& whole, std::uint8_t next) {
    const Octets b = whole.build();
    const Octets part(b.begin() + 40, b.end());
    Runner& runner = runners.emplace_back();
    static_cast<void>(runner.add(PacketBuilder()
                                     .eth()
                                     .ipv6("2001:db8::1", "2001:db8::2")
                                     .hop_by_hop()
                                     .fragment6(0, true, 3)
                                     .protocol(next)
                                     .raw({part.begin(), part.begin() + 64})
                                     .build()));
    const Defragmented d = runner.add(PacketBuilder()
                                          .eth()
                                          .ipv6("2001:db8::1", "2001:db8::2")
                                          .hop_by_hop()
                                          .fragment6(64, false, 3)
                                          .protocol(next)
                                          .raw({part.begin() + 64, part.end()})
                                          .build());
    EXPECT_EQ(outcome(d), "complete");
    return std::get<Datagram>(decode_reassembled(d.datagram, {}));
  };
  const Datagram good = run(rest, 60);
  EXPECT_EQ(good.protocol, 6);
  EXPECT_FALSE(good.suspicious());
  EXPECT_EQ(parse_tcp(good).checksum, ChecksumVerdict::Right);
  const Datagram again = run(PacketBuilder()
                                 .ipv6("2001:db8::1", "2001:db8::2")
                                 .fragment6(0, false, 9)
                                 .tcp(1, 80)
                                 .raw(Octets(100, 'x')),
                             44);
  EXPECT_TRUE(again.anomalies.has(Anomaly::Ipv6SecondFragment));
  const Datagram hop = run(PacketBuilder()
                               .ipv6("2001:db8::1", "2001:db8::2")
                               .hop_by_hop()
                               .tcp(1, 80)
                               .raw(Octets(100, 'x')),
                           0);
  EXPECT_TRUE(hop.anomalies.has(Anomaly::Ipv6HopByHopMisplaced));
}

TEST(Fragment, F7_AnomaliesOfEveryFragmentCount) {
  const Source source(false);
  Runner runner(FragmentPolicy::Linux);
  static_cast<void>(runner.add(source.frame({0, 64})));
  const Octets spoiled = PacketBuilder()
                             .eth()
                             .ipv4("10.0.0.1", "10.0.0.2")
                             .id(1)
                             .fragment(64, false)
                             .protocol(6)
                             .bad_checksum()
                             .raw(Octets(156, 'x'))
                             .build();
  EXPECT_EQ(outcome(runner.add(spoiled)), "host-drops");  // and the datagram waits for the real one
  EXPECT_EQ(outcome(runner.add(source.frame({64, 156, false}))), "complete");
}

TEST(Fragment, F5_CutBySnaplen) {
  const Source source(false);
  const Octets frame = source.frame({0, 64});
  Packet p = as_packet(frame);
  p.bytes = p.bytes.first(frame.size() - 1);
  Defragmenter d({}, FragmentPolicy::Linux, {});
  EXPECT_EQ(outcome(d.add(std::get<Datagram>(decode(p, {})), 0)), "truncated");
}

// F1, F2, F5, F8: random fragments, both policies, against the oracle.
TEST(Fragment, F8_AgreesWithANaiveOracle) {
  for (const auto policy : {FragmentPolicy::Strict, FragmentPolicy::Linux}) {
    for (const bool six : {false, true}) {
      std::mt19937_64 random(six ? 21 : 22);
      const Source source(six, 300);
      Defragmenter d({}, policy, {3, 4});
      test::FragmentOracle oracle(policy);
      std::array<int, 4> kinds{};
      std::int64_t second = 0;
      for (std::uint64_t i = 1; i <= 60000; ++i) {
        if (random() % 50 == 0) second += static_cast<std::int64_t>(random() % 25);
        Piece p;
        p.id = static_cast<std::uint16_t>(random() % 6);
        // Mostly one of a few cuts, so that datagrams complete; sometimes anything.
        if (random() % 8 != 0) {
          const std::size_t cut = p.id % 2 == 0 ? 64 : 80;
          const std::size_t n = (320 + cut - 1) / cut;
          const std::size_t k = random() % n;
          p.offset = static_cast<std::uint32_t>(k * cut);
          p.length = std::min<std::size_t>(cut, 320 - k * cut);
          p.more = k + 1 < n;
        } else {
          p.offset = static_cast<std::uint32_t>(random() % 42) * 8;
          p.length = random() % 3 == 0 ? random() % 90 : random() % 12 * 8;
          p.more = random() % 3 != 0;
          if (random() % 20 == 0) p.offset = static_cast<std::uint32_t>(65440 + random() % 12 * 8);
        }
        const Octets frame = source.frame(p);
        const Packet packet = as_packet(frame, LinkType::Ethernet, {second * 1'000'000'000}, i);
        const Decoded decoded = decode(packet, {});
        const Datagram& f = std::get<Datagram>(decoded);
        if (!f.fragment.present) continue;
        const Defragmented got = d.add(f, packet.token);
        const auto expected = oracle.add(f);
        ASSERT_EQ(static_cast<int>(got.kind), static_cast<int>(expected.kind))
            << i << " " << outcome(got);
        ASSERT_EQ(name(got.cause), name(expected.cause)) << i;
        std::multiset<std::uint64_t> lost;
        for (const LostPacket& l : got.lost)
          lost.insert(l.packet.number);
        ASSERT_EQ(lost, expected.lost) << i;
        ++kinds[static_cast<std::size_t>(got.kind)];
        if (got.kind != Kind::Complete) continue;
        ASSERT_EQ(std::string(got.datagram.payload.begin(), got.datagram.payload.end()),
                  expected.whole);
        std::vector<std::uint64_t> numbers;
        for (const HeldPacket& h : got.packets)
          numbers.push_back(h.number);
        ASSERT_EQ(numbers, expected.packets);
      }
      for (const int n : kinds)
        EXPECT_GT(n, 1000);  // the test reaches every outcome
    }
  }
}

}  // namespace
}  // namespace weir::net
