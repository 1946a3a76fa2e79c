// F1 to F8: fragments, by table and against a naive oracle.
#include "engine/net/fragment.h"

#include <gtest/gtest.h>

#include <list>
#include <random>

#include "engine/net/tcp.h"
#include "tests/unit/net/fragment_oracle.h"
#include "tests/unit/net/samples.h"

namespace weir::net {
namespace {

using test::as_packet;
using test::Octets;
using test::PacketBuilder;
using Kind = Defragmented::Kind;

struct Piece {
  std::uint32_t offset = 0;
  std::size_t length = 0;
  bool more = true;
  std::uint16_t id = 1;
  std::int64_t second = 0;
};

// Fragments of one TCP packet (of 8 or so bytes of payload more than asked for), by the builder.
class Source {
 public:
  explicit Source(bool six, std::size_t payload = 200) : six_(six) {
    PacketBuilder b;
    if (six) {
      b.ipv6("2001:db8::1", "2001:db8::2");
    } else {
      b.ipv4("10.0.0.1", "10.0.0.2");
    }
    Octets content(payload);
    for (std::size_t i = 0; i < payload; ++i) content[i] = static_cast<std::uint8_t>('a' + i % 26);
    const Octets whole = b.tcp(1, 80).raw(content).build();
    transport_.assign(whole.begin() + (six ? 40 : 20), whole.end());
  }

  [[nodiscard]] const Octets& transport() const { return transport_; }

  Octets frame(const Piece& p, PacketBuilder link = PacketBuilder().eth()) const {
    Octets bytes;
    for (std::size_t i = 0; i < p.length; ++i) {
      const std::size_t at = p.offset + i;
      bytes.push_back(at < transport_.size() ? transport_[at] : std::uint8_t{'?'});
    }
    if (six_) {
      link.ipv6("2001:db8::1", "2001:db8::2").fragment6(p.offset, p.more, p.id).protocol(6);
    } else {
      link.ipv4("10.0.0.1", "10.0.0.2").id(p.id).fragment(p.offset, p.more).protocol(6);
    }
    return link.raw(bytes).build();
  }

 private:
  bool six_;
  Octets transport_;
};

class Runner {
 public:
  explicit Runner(FragmentPolicy policy = FragmentPolicy::Strict, FragmentLimits limits = {})
      : defragmenter(limits, policy, {1, 2}) {}

  Defragmented add(const Octets& frame, std::int64_t second = 0) {
    frames_.push_back(frame);
    const Packet p = as_packet(frames_.back(), LinkType::Ethernet, {second * 1'000'000'000}, ++number_);
    const Decoded decoded = decode(p, {});
    if (!std::holds_alternative<Datagram>(decoded)) {
      ADD_FAILURE() << "no datagram";
      return {};
    }
    return defragmenter.add(std::get<Datagram>(decoded), p.token);
  }

  Defragmenter defragmenter;

 private:
  std::vector<Octets> frames_;
  std::uint64_t number_ = 0;
};

std::string outcome(const Defragmented& d) {
  switch (d.kind) {
    case Kind::Held: return "held";
    case Kind::Duplicate: return "duplicate";
    case Kind::Complete: return "complete";
    case Kind::Dropped: return std::string(name(d.cause));
  }
  return "";
}

TEST(Fragment, F1_InEveryOrder) {
  for (const bool six : {false, true}) {
    const Source source(six);
    std::vector<Piece> pieces{{0, 64, true}, {64, 64, true}, {128, 64, true}, {192, 28, false}};
    std::vector<std::size_t> order{0, 1, 2, 3};
    do {
      Runner runner;
      Defragmented last;
      for (const std::size_t i : order) last = runner.add(source.frame(pieces[i]));
      ASSERT_EQ(outcome(last), "complete");
      EXPECT_EQ(Octets(last.datagram.payload.begin(), last.datagram.payload.end()), source.transport());
      ASSERT_EQ(last.packets.size(), 4U);
      for (std::uint64_t n = 0; n < 4; ++n) EXPECT_EQ(last.packets[n], (HeldPacket{n + 1, n + 1001}));
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
      {"another protocol", PacketBuilder().eth().ipv4("10.0.0.1", "10.0.0.2").id(1).fragment(64, false)
           .protocol(17).raw(Octets(156, 0)).build(), false},
      {"another source", PacketBuilder().eth().ipv4("10.0.0.3", "10.0.0.2").id(1).fragment(64, false)
           .protocol(6).raw(Octets(156, 0)).build(), false},
      {"the other direction", PacketBuilder().eth().ipv4("10.0.0.2", "10.0.0.1").id(1).fragment(64, false)
           .protocol(6).raw(Octets(156, 0)).build(), false},
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
  const Defragmented done = runner.add(PacketBuilder().eth().ipv6("2001:db8::1", "2001:db8::2")
      .fragment6(64, false, 1).protocol(17).raw(rest).build());
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
      {"exact duplicate of the last", {{192, 28, false}, {192, 28, false}}, "duplicate", "duplicate"},
      {"duplicate of a middle one", {{0, 64}, {64, 64}, {128, 64}, {64, 64}}, "duplicate", "duplicate"},
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
  const Octets other = PacketBuilder().eth().ipv4("10.0.0.1", "10.0.0.2").id(1).fragment(0, true).protocol(6)
      .raw(Octets(64, 'Z')).build();
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
      const Defragmented d = runner.add(
          source.frame({offset, 8 * (1 + random() % 6), offset == 0 || random() % 6 != 0, static_cast<std::uint16_t>(random() % 9)}), i / 50);
      const std::uint64_t token = ++number + 1000;
      for (const LostPacket& l : d.lost) {
        close(l.packet.token);
        EXPECT_NE(l.cause, FragmentLoss::None);
      }
      if (d.kind == Kind::Held) open.insert(token);
      if (d.kind == Kind::Complete) {
        EXPECT_EQ(d.packets.back().token, token);
        for (const HeldPacket& p : d.packets.first(d.packets.size() - 1)) close(p.token);
      }
      ASSERT_EQ(open.size(), runner.defragmenter.held());
      ASSERT_LE(runner.defragmenter.datagrams(), 5U);
    }
    for (const LostPacket& l : runner.defragmenter.clear()) close(l.packet.token);
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
      const Defragmented d = runner.add(source.frame({128, 92, false}), 100 + timeout - (late ? 0 : 1));
      EXPECT_EQ(outcome(d), late ? "held" : "complete");
      EXPECT_EQ(d.lost.size(), late ? 2U : 0U);
      for (const LostPacket& lost : d.lost) EXPECT_EQ(lost.cause, FragmentLoss::Timeout);
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
  const Octets decoy = PacketBuilder().eth().ipv4("10.0.0.1", "10.0.0.2").id(1).fragment(64, true).protocol(6)
      .raw(Octets(64, 'Z')).build();
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
      {"zero length, more", {64, 0, true}, "zero-length", "zero-length", "zero-length", "zero-length"},
      {"zero length, last", {64, 0, false}, "zero-length", "zero-length", "zero-length", "zero-length"},
      {"seven bytes, more", {64, 7, true}, "uneven-length", "zero-length", "uneven-length", "uneven-length"},
      {"nine bytes, more", {64, 9, true}, "uneven-length", "held", "uneven-length", "uneven-length"},
      {"ends at 65535 (IPv6) or 65555", {65528, 7, false}, "too-long", "too-long", "held", "held"},
      {"ends at 65536", {65528, 8, false}, "too-long", "too-long", "too-long", "too-long"},
      {"ends at 65515", {65512, 3, false}, "held", "held", "held", "held"},
      {"ends at 65516", {65512, 4, false}, "too-long", "too-long", "held", "held"},
      {"largest offset, large", {65528, 60000, false}, "too-long", "too-long", "too-long", "too-long"},
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
    EXPECT_EQ(outcome(four.add(Source(false).frame({8, 212, false}))), strict ? "suspicious" : "complete");
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
    EXPECT_TRUE(std::equal(d.datagram.payload.begin(), d.datagram.payload.end(), source.transport().begin()));
  }
}

TEST(Fragment, F5_MixedEcnIsDiscarded) {
  const Source source(false);
  const auto with_ecn = [&](Piece p, std::uint8_t ecn) {
    Octets f = source.frame(p);
    f[15] = ecn;
    const std::uint32_t sum = test::naive_sum(Octets(f.begin() + 14, f.begin() + 24), test::naive_sum(Octets(f.begin() + 26, f.begin() + 34)));
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
  const auto piece = [](std::uint16_t id, std::uint32_t offset, std::size_t n) { return Piece{offset, n, true, id}; };
  {
    FragmentLimits limits;
    limits.datagrams = 3;
    Runner runner(FragmentPolicy::Strict, limits);
    for (std::uint16_t id = 1; id <= 3; ++id) static_cast<void>(runner.add(source.frame(piece(id, 0, 64))));
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
  // A whole VXLAN packet, its outer datagram in three fragments, holding a fragment of the inner datagram.
  const Source source(false);
  Runner runner;
  const auto carried = [&](const Piece& p) {
    const Octets whole = source.frame(p, PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").udp(7, 4789).vxlan(5).eth());
    return Octets(whole.begin() + 20, whole.end());
  };
  std::vector<Octets> inner;
  for (const Piece& p : {Piece{0, 64, true}, Piece{64, 156, false}}) {
    const Octets udp = carried(p);
    Defragmented d;
    for (std::size_t at = 0; at < udp.size(); at += 48) {
      const std::size_t n = std::min<std::size_t>(48, udp.size() - at);
      d = runner.add(PacketBuilder().eth().ipv4("192.0.2.1", "192.0.2.2")
          .id(static_cast<std::uint16_t>(77 + p.offset)).fragment(static_cast<std::uint32_t>(at), at + n < udp.size())
          .protocol(17).raw({udp.begin() + static_cast<std::ptrdiff_t>(at), udp.begin() + static_cast<std::ptrdiff_t>(at + n)}).build());
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
    EXPECT_EQ(tcp.segment.encapsulation.network >> 56, static_cast<std::uint64_t>(TunnelKind::Vxlan));
  }
}

TEST(Fragment, F6_ExtensionHeadersBehindTheFragmentHeader) {
  PacketBuilder rest = PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").destination_options().tcp(1, 80).raw(Octets(100, 'x'));
  std::list<Runner> runners;  // they own what the datagrams point to
  const auto run = [&](const PacketBuilder& whole, std::uint8_t next) {
    const Octets b = whole.build();
    const Octets part(b.begin() + 40, b.end());
    Runner& runner = runners.emplace_back();
    static_cast<void>(runner.add(PacketBuilder().eth().ipv6("2001:db8::1", "2001:db8::2").hop_by_hop()
        .fragment6(0, true, 3).protocol(next).raw({part.begin(), part.begin() + 64}).build()));
    const Defragmented d = runner.add(PacketBuilder().eth().ipv6("2001:db8::1", "2001:db8::2").hop_by_hop()
        .fragment6(64, false, 3).protocol(next).raw({part.begin() + 64, part.end()}).build());
    EXPECT_EQ(outcome(d), "complete");
    return std::get<Datagram>(decode_reassembled(d.datagram, {}));
  };
  const Datagram good = run(rest, 60);
  EXPECT_EQ(good.protocol, 6);
  EXPECT_FALSE(good.suspicious());
  EXPECT_EQ(parse_tcp(good).checksum, ChecksumVerdict::Right);
  const Datagram again = run(PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").fragment6(0, false, 9).tcp(1, 80).raw(Octets(100, 'x')), 44);
  EXPECT_TRUE(again.anomalies.has(Anomaly::Ipv6SecondFragment));
  const Datagram hop = run(PacketBuilder().ipv6("2001:db8::1", "2001:db8::2").hop_by_hop().tcp(1, 80).raw(Octets(100, 'x')), 0);
  EXPECT_TRUE(hop.anomalies.has(Anomaly::Ipv6HopByHopMisplaced));
}

TEST(Fragment, F7_AnomaliesOfEveryFragmentCount) {
  const Source source(false);
  Runner runner(FragmentPolicy::Linux);
  static_cast<void>(runner.add(source.frame({0, 64})));
  const Octets spoiled = PacketBuilder().eth().ipv4("10.0.0.1", "10.0.0.2").id(1).fragment(64, false).protocol(6)
      .bad_checksum().raw(Octets(156, 'x')).build();
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
        ASSERT_EQ(static_cast<int>(got.kind), static_cast<int>(expected.kind)) << i << " " << outcome(got);
        ASSERT_EQ(name(got.cause), name(expected.cause)) << i;
        std::multiset<std::uint64_t> lost;
        for (const LostPacket& l : got.lost) lost.insert(l.packet.number);
        ASSERT_EQ(lost, expected.lost) << i;
        ++kinds[static_cast<std::size_t>(got.kind)];
        if (got.kind != Kind::Complete) continue;
        ASSERT_EQ(std::string(got.datagram.payload.begin(), got.datagram.payload.end()), expected.whole);
        std::vector<std::uint64_t> numbers;
        for (const HeldPacket& h : got.packets) numbers.push_back(h.number);
        ASSERT_EQ(numbers, expected.packets);
      }
      for (const int n : kinds) EXPECT_GT(n, 1000);  // the test reaches every outcome
    }
  }
}

}  // namespace
}  // namespace weir::net
