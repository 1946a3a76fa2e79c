// F1 to F4: what belongs together, overlaps, held packets, timeouts.
#include "engine/net/fragment.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/unit/net/fragment_source.h"

namespace weir::net {
namespace {

using namespace fragment_test;

TEST(Fragment, F1_InEveryOrder) {
  for (const bool six : {false, true}) {
    const Source source(six);
    std::vector<Piece> pieces{{0, 64, true}, {64, 64, true}, {128, 64, true}, {192, 28, false}};
    std::vector<std::size_t> order{0, 1, 2, 3};
    do {
      Runner runner;
      Defragmented last;
      for (const std::size_t i : order)
        last = runner.add(source.frame(pieces[i]));
      ASSERT_EQ(outcome(last), "complete");
      EXPECT_EQ(Octets(last.datagram.payload.begin(), last.datagram.payload.end()),
                source.transport());
      ASSERT_EQ(last.packets.size(), 4U);
      for (std::uint64_t n = 0; n < 4; ++n)
        EXPECT_EQ(last.packets[n], (HeldPacket{n + 1, n + 1001}));
      const Decoded whole = decode_reassembled(last.datagram, {});
      const TcpParsed tcp = parse_tcp(std::get<Datagram>(whole));
      ASSERT_TRUE(tcp.ok());
      EXPECT_EQ(tcp.checksum, ChecksumVerdict::Right);
      EXPECT_EQ(tcp.segment.payload.size(), 200U);
      EXPECT_EQ(runner.defragmenter.held(), 0U);
      EXPECT_EQ(runner.defragmenter.datagrams(), 0U);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(Fragment, F1_WhatMakesDatagramsDifferent) {
  const Source source(false);
  const Octets first = source.frame({0, 64, true});
  const Octets rest = source.frame({64, 156, false});
  const struct {
    const char* description;
    Octets other;
    bool same;
  } table[] = {
      {"the same", rest, true},
      {"another id", source.frame({64, 156, false, 2}), false},
      {"another VLAN", source.frame({64, 156, false}, PacketBuilder().eth().vlan(5)), false},
      {"another tunnel", source.frame({64, 156, false}, test::outer().gre()), false},
      {"another protocol",
       PacketBuilder()
           .eth()
           .ipv4("10.0.0.1", "10.0.0.2")
           .id(1)
           .fragment(64, false)
           .protocol(17)
           .raw(Octets(156, 0))
           .build(),
       false},
      {"another source",
       PacketBuilder()
           .eth()
           .ipv4("10.0.0.3", "10.0.0.2")
           .id(1)
           .fragment(64, false)
           .protocol(6)
           .raw(Octets(156, 0))
           .build(),
       false},
      {"the other direction",
       PacketBuilder()
           .eth()
           .ipv4("10.0.0.2", "10.0.0.1")
           .id(1)
           .fragment(64, false)
           .protocol(6)
           .raw(Octets(156, 0))
           .build(),
       false},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    Runner runner;
    static_cast<void>(runner.add(first));
    EXPECT_EQ(outcome(runner.add(row.other)), row.same ? "complete" : "held");
  }
}

TEST(Fragment, F1_Ipv6IgnoresTheNextHeaderOfLaterFragments) {
  const Source source(true);
  Runner runner;
  static_cast<void>(runner.add(source.frame({0, 64, true})));
  const Octets transport = source.transport();
  const Octets rest(transport.begin() + 64, transport.end());
  const Defragmented done = runner.add(PacketBuilder()
                                           .eth()
                                           .ipv6("2001:db8::1", "2001:db8::2")
                                           .fragment6(64, false, 1)
                                           .protocol(17)
                                           .raw(rest)
                                           .build());
  ASSERT_EQ(outcome(done), "complete");
  EXPECT_EQ(done.datagram.protocol, 6);
}

TEST(Fragment, F2_OverlapDiscardsTheWholeDatagram) {
  struct Row {
    const char* description;
    std::vector<Piece> pieces;
    const char* strict;
    const char* host;
  };
  const Row table[] = {
      {"exact duplicate", {{0, 64}, {0, 64}}, "duplicate", "duplicate"},
      {"exact duplicate of the last",
       {{192, 28, false}, {192, 28, false}},
       "duplicate",
       "duplicate"},
      {"duplicate of a middle one",
       {{0, 64}, {64, 64}, {128, 64}, {64, 64}},
       "duplicate",
       "duplicate"},
      {"begins inside", {{0, 64}, {56, 64}}, "overlap", "overlap"},
      {"ends inside", {{64, 64}, {32, 64}}, "overlap", "overlap"},
      {"covers", {{64, 64}, {56, 80}}, "overlap", "overlap"},
      {"lies within", {{0, 64}, {24, 16}}, "overlap", "duplicate"},
      {"begins with it, shorter", {{0, 64}, {0, 32}}, "overlap", "duplicate"},
      {"ends with it, shorter", {{0, 64}, {32, 32}}, "overlap", "duplicate"},
      {"begins with it, longer", {{0, 64}, {0, 72}}, "overlap", "overlap"},
      {"across two that came in order", {{0, 64}, {64, 64}, {32, 64}}, "overlap", "duplicate"},
      {"across two that came out of order", {{64, 64}, {0, 64}, {32, 64}}, "overlap", "overlap"},
      {"both of two at once", {{0, 64}, {64, 64}, {0, 128}}, "overlap", "duplicate"},
      {"within the last", {{160, 60, false}, {168, 16}}, "overlap", "duplicate"},
      {"a shorter last one", {{160, 60, false}, {160, 50, false}}, "ends-differ", "ends-differ"},
      {"a longer last one", {{160, 50, false}, {160, 60, false}}, "ends-differ", "ends-differ"},
      {"behind the last", {{160, 60, false}, {224, 8}}, "ends-differ", "ends-differ"},
      {"a last one before the end", {{128, 64}, {64, 50, false}}, "ends-differ", "ends-differ"},
      {"neighbours", {{0, 64}, {64, 64}}, "held", "held"},
  };
  for (const bool six : {false, true}) {
    const Source source(six);
    for (const Row& row : table) {
      SCOPED_TRACE(row.description);
      Runner strict(FragmentPolicy::Strict);
      Runner host(FragmentPolicy::Linux);
      Defragmented a;
      Defragmented b;
      for (const Piece& p : row.pieces) {
        a = strict.add(source.frame(p));
        b = host.add(source.frame(p));
      }
      EXPECT_EQ(outcome(a), row.strict);
      EXPECT_EQ(outcome(b), row.host);
      if (a.kind == Kind::Dropped) {
        EXPECT_EQ(a.lost.size(), row.pieces.size() - 1);  // all that was held before
        EXPECT_EQ(strict.defragmenter.held(), 0U);
      }
    }
  }
}

TEST(Fragment, F2_TheFirstOfTwoDuplicatesCounts) {
  const Source source(false);
  Runner runner;
  static_cast<void>(runner.add(source.frame({0, 64})));
  const Octets other = PacketBuilder()
                           .eth()
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .id(1)
                           .fragment(0, true)
                           .protocol(6)
                           .raw(Octets(64, 'Z'))
                           .build();
  EXPECT_EQ(outcome(runner.add(other)), "duplicate");
  const Defragmented done = runner.add(source.frame({64, 156, false}));
  ASSERT_EQ(outcome(done), "complete");
  EXPECT_EQ(Octets(done.datagram.payload.begin(), done.datagram.payload.end()), source.transport());
}

TEST(Fragment, F3_EveryHeldPacketIsNamedExactlyOnce) {
  std::mt19937_64 random(11);
  FragmentLimits limits;
  limits.datagrams = 5;
  limits.bytes = 64 * 2048;
  limits.packets = 20;
  for (const auto policy : {FragmentPolicy::Strict, FragmentPolicy::Linux}) {
    const Source source(false, 4000);
    Runner runner(policy, limits);
    std::set<std::uint64_t> open;  // tokens that were held and not named again
    const auto close = [&](std::uint64_t token) { EXPECT_EQ(open.erase(token), 1U) << token; };
    std::uint64_t number = 0;
    for (int i = 0; i < 20000; ++i) {
      const std::uint32_t offset = static_cast<std::uint32_t>(random() % 30) * 8;
      const Defragmented d =
          runner.add(source.frame({offset, 8 * (1 + random() % 6), offset == 0 || random() % 6 != 0,
                                   static_cast<std::uint16_t>(random() % 9)}),
                     i / 50);
      const std::uint64_t token = ++number + 1000;
      for (const LostPacket& l : d.lost) {
        close(l.packet.token);
        EXPECT_NE(l.cause, FragmentLoss::None);
      }
      if (d.kind == Kind::Held) open.insert(token);
      if (d.kind == Kind::Complete) {
        EXPECT_EQ(d.packets.back().token, token);
        for (const HeldPacket& p : d.packets.first(d.packets.size() - 1))
          close(p.token);
      }
      ASSERT_EQ(open.size(), runner.defragmenter.held());
      ASSERT_LE(runner.defragmenter.datagrams(), 5U);
    }
    for (const LostPacket& l : runner.defragmenter.clear())
      close(l.packet.token);
    EXPECT_TRUE(open.empty());
    EXPECT_EQ(runner.defragmenter.datagrams(), 0U);
  }
}

TEST(Fragment, F4_TimeoutsAreThoseOfLinux) {
  for (const bool six : {false, true}) {
    const Source source(six);
    const std::int64_t timeout = six ? 60 : 30;
    for (const bool late : {false, true}) {
      Runner runner;
      static_cast<void>(runner.add(source.frame({0, 64}), 100));
      static_cast<void>(runner.add(source.frame({64, 64}), 120));  // does not extend it
      const Defragmented d =
          runner.add(source.frame({128, 92, false}), 100 + timeout - (late ? 0 : 1));
      EXPECT_EQ(outcome(d), late ? "held" : "complete");
      EXPECT_EQ(d.lost.size(), late ? 2U : 0U);
      for (const LostPacket& lost : d.lost)
        EXPECT_EQ(lost.cause, FragmentLoss::Timeout);
    }
    Runner quiet;
    static_cast<void>(quiet.add(source.frame({0, 64}), 100));
    EXPECT_EQ(quiet.defragmenter.expire({(100 + timeout) * 1'000'000'000 - 1}).size(), 0U);
    EXPECT_EQ(quiet.defragmenter.expire({(100 + timeout) * 1'000'000'000}).size(), 1U);
  }
}

TEST(Fragment, F4_ADecoyBeforeThePauseIsForgotten) {
  const Source source(false);
  Runner runner(FragmentPolicy::Linux);
  const Octets decoy = PacketBuilder()
                           .eth()
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .id(1)
                           .fragment(64, true)
                           .protocol(6)
                           .raw(Octets(64, 'Z'))
                           .build();
  static_cast<void>(runner.add(decoy, 0));
  static_cast<void>(runner.add(source.frame({0, 64}), 35));
  static_cast<void>(runner.add(source.frame({64, 64}), 35));
  const Defragmented done = runner.add(source.frame({128, 92, false}), 35);
  ASSERT_EQ(outcome(done), "complete");
  EXPECT_EQ(Octets(done.datagram.payload.begin(), done.datagram.payload.end()), source.transport());
}

TEST(Fragment, F4_TimeThatRunsBackwardsExpiresNothing) {
  const Source source(false);
  Runner runner;
  static_cast<void>(runner.add(source.frame({0, 64}), 1000));
  EXPECT_EQ(outcome(runner.add(source.frame({64, 156, false}), 10)), "complete");
}

}  // namespace
}  // namespace weir::net
