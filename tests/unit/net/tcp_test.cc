// P6, P7: TCP headers, options, checksums, offload.
#include "engine/net/tcp.h"

#include <random>

#include <gtest/gtest.h>

#include "engine/base/siphash.h"
#include "tests/support/guard_page.h"
#include "tests/unit/net/samples.h"

namespace weir::net {
namespace {

using test::as_packet;
using test::Octets;
using test::PacketBuilder;
using test::start;

TcpParsed parse(const Octets& bytes, ChecksumState checksum = ChecksumState::Unknown) {
  Packet p = as_packet(bytes);
  p.checksum = checksum;
  p.time = {77};
  p.number = 5;
  const Decoded decoded = decode(p, {});
  if (!std::holds_alternative<Datagram>(decoded)) {
    ADD_FAILURE() << "no datagram";
    return {};
  }
  return parse_tcp(std::get<Datagram>(decoded));
}

PacketBuilder v4() {
  return start().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 80);
}
PacketBuilder v6() {
  return start().ipv6("2001:db8::1", "2001:db8::2").tcp(40000, 80);
}

TEST(SipHash, EqualsTheHashOfAnotherImplementation) {
  const auto hash = [](std::string_view s) {
    return base::siphash13({reinterpret_cast<const std::uint8_t*>(s.data()), s.size()}, 0, 0);
  };
  // CPython 3.11 hashes bytes with SipHash-1-3; PYTHONHASHSEED=0 makes its key zero.
  EXPECT_EQ(hash("a"), 0x407448d2b89b1813ULL);
  EXPECT_EQ(hash("abcdefg"), 0x6db12aae9070f506ULL);
  EXPECT_EQ(hash("abcdefgh"), 0x3f7b849c0b8e35eaULL);
  EXPECT_EQ(hash("hello world, this is weir"), 0x21fb9db579ca4eb3ULL);
}

TEST(Tcp, AllFields) {
  const TcpParsed t =
      parse(v4().seq(0x01020304).ack(0xfffefdfc).flags(0xff).urgent(9).payload("x").build());
  ASSERT_TRUE(t.ok());
  EXPECT_EQ(t.segment.seq, 0x01020304U);
  EXPECT_EQ(t.segment.ack, 0xfffefdfcU);
  EXPECT_EQ(t.segment.flags, 0xff);
  EXPECT_EQ(t.segment.urgent, 9);
  EXPECT_EQ(t.segment.window, 1000);
  EXPECT_EQ(t.segment.time.ns, 77);
  EXPECT_EQ(t.segment.packet_number, 5U);
  EXPECT_EQ(t.segment.payload.size(), 1U);
}

TEST(Tcp, HeaderLengths) {
  const auto reason = [](const Octets& b) { return parse(b).malformed; };
  EXPECT_EQ(reason(v4().early16(12, 0x4010).build()), Anomaly::TcpDataOffset);
  EXPECT_EQ(reason(v4().early16(12, 0x6010).build()), Anomaly::TcpDataOffset);
  EXPECT_EQ(reason(v4().early16(12, 0x6010).raw({1, 1, 1, 1}).build()), Anomaly::None);
  EXPECT_EQ(reason(v4().early16(12, 0xf010).raw(Octets(40, 1)).build()), Anomaly::None);
  EXPECT_EQ(reason(v4().early16(12, 0xf010).raw(Octets(39, 1)).build()), Anomaly::TcpDataOffset);
  EXPECT_EQ(reason(start().ipv4("1.1.1.1", "1.1.1.2").protocol(6).raw(Octets(19, 0x55)).build()),
            Anomaly::TcpHeaderShort);
  EXPECT_EQ(reason(start().ipv4("1.1.1.1", "1.1.1.2").protocol(6).build()),
            Anomaly::TcpHeaderShort);
}

TEST(Tcp, Options) {
  const auto options = [](Octets b) {
    return parse(v4().flags(kSyn).tcp_options(std::move(b)).build()).segment.options;
  };
  const TcpOptions linux_syn =
      options({2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7, 1, 3, 3, 7});
  EXPECT_EQ(linux_syn.mss, 1460);
  EXPECT_TRUE(linux_syn.sack_permitted);
  ASSERT_TRUE(linux_syn.timestamps);
  EXPECT_EQ(linux_syn.timestamps->value, 9U);
  EXPECT_EQ(linux_syn.timestamps->echo, 7U);
  EXPECT_EQ(linux_syn.window_scale, 7);
  EXPECT_FALSE(linux_syn.malformed || linux_syn.authentication || linux_syn.fast_open);

  EXPECT_EQ(options({3, 3, 200}).window_scale, 14);        // RFC 7323 2.3
  EXPECT_EQ(options({3, 3, 2, 3, 3, 5}).window_scale, 5);  // the last counts
  EXPECT_FALSE(options({2, 3, 1}).mss.has_value());        // another length: not that option
  EXPECT_TRUE(
      options({0x13, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}).authentication);
  EXPECT_FALSE(
      options({0x13, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}).authentication);
  EXPECT_TRUE(options({29, 4, 1, 1}).authentication);
  EXPECT_TRUE(options({34, 2}).fast_open);
  EXPECT_TRUE(options({34, 10, 1, 2, 3, 4, 5, 6, 7, 8}).fast_open);
  EXPECT_TRUE(options({254, 4, 0xf9, 0x89}).fast_open);
  EXPECT_FALSE(options({254, 4, 0xf9, 0x88}).fast_open);
  EXPECT_FALSE(options({0, 2, 4, 1, 1}).mss.has_value());  // behind the end
  const struct {
    const char* description;
    Octets bytes;
  } malformed[] = {{"length 0", {8, 0, 1, 1}},
                   {"length 1", {8, 1, 1, 1}},
                   {"beyond the header", {1, 8, 10, 1}},
                   {"no length", {1, 1, 1, 8}}};
  for (const auto& row : malformed) {
    SCOPED_TRACE(row.description);
    Octets bytes{2, 4, 1, 1};  // what came before stays
    bytes.insert(bytes.end(), row.bytes.begin(), row.bytes.end());
    const TcpParsed t = parse(v4().tcp_options(bytes).build());
    EXPECT_TRUE(t.ok());
    EXPECT_TRUE(t.segment.options.malformed);
    EXPECT_EQ(t.segment.options.mss, 0x0101);
    EXPECT_TRUE(t.anomalies.has(Anomaly::TcpOptionMalformed));
  }
}

TEST(Tcp, OptionsOfEveryShapeStayInside) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    Octets b(random() % 41);
    for (auto& x : b)
      x = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : random() % 36);
    const test::GuardedBytes guarded(b);
    const TcpOptions o = parse_tcp_options(guarded.bytes());
    EXPECT_LE(o.window_scale.value_or(0), 14);
  }
}

TEST(Tcp, P6_ChecksumsAgreeWithANaiveSum) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 3000; ++i) {
    Octets content(random() % 200);
    for (auto& x : content)
      x = static_cast<std::uint8_t>(random());
    const bool six = random() % 2 == 0;
    PacketBuilder b = six ? v6() : v4();
    b.seq(static_cast<std::uint32_t>(random())).ack(static_cast<std::uint32_t>(random()));
    const Octets good = PacketBuilder(b).raw(content).build();
    EXPECT_EQ(parse(good).checksum, ChecksumVerdict::Right);
    Octets bad = good;
    const std::size_t tcp_at = six ? 54 : 34;
    std::size_t at = tcp_at + random() % (bad.size() - tcp_at);
    if (at == tcp_at + 12) ++at;  // the data offset is checked first
    bad[at] ^= static_cast<std::uint8_t>(1U << random() % 8);
    const TcpParsed t = parse(bad);
    EXPECT_NE(t.checksum, ChecksumVerdict::Right);
    EXPECT_TRUE(t.segment.checksum_bad);
  }
}

TEST(Tcp, P6_OnesSumOfEveryLengthAndAlignment) {
  std::mt19937_64 random(5);
  Octets b(80);
  for (auto& x : b)
    x = static_cast<std::uint8_t>(random());
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t n = 0; n + from <= b.size(); ++n) {
      const Octets part(b.begin() + static_cast<std::ptrdiff_t>(from),
                        b.begin() + static_cast<std::ptrdiff_t>(from + n));
      const std::uint32_t expected = test::naive_sum(part);
      const std::uint16_t got = ones_sum(Bytes(b).subspan(from, n));
      EXPECT_EQ(got % 0xffff, expected % 0xffff);
    }
  }
  EXPECT_EQ(ones_sum(Octets(65535, 0xff)) % 0xffff, 0x00ff00 % 0xffff);
}

TEST(Tcp, P7_TheStateOfThePacketDecides) {
  const Octets wrong = v4().bad_checksum().payload("x").build();
  EXPECT_TRUE(parse(wrong).segment.checksum_bad);
  for (const auto state :
       {ChecksumState::Verified, ChecksumState::NotFilled, ChecksumState::Ignore}) {
    const TcpParsed t = parse(wrong, state);
    EXPECT_FALSE(t.segment.checksum_bad);
    EXPECT_EQ(t.checksum, ChecksumVerdict::NotVerified);
  }
}

TEST(Tcp, P7_PartialSumsAreTold) {
  EXPECT_EQ(parse(v4().partial_checksum().payload("x").build()).checksum, ChecksumVerdict::Partial);
  EXPECT_EQ(parse(v6().partial_checksum().payload("x").build()).checksum, ChecksumVerdict::Partial);
  EXPECT_EQ(parse(v4().partial_checksum(false).payload("x").build()).checksum,
            ChecksumVerdict::Partial);
  EXPECT_EQ(parse(v4().bad_checksum().payload("x").build()).checksum, ChecksumVerdict::Wrong);
}

class Offload : public ::testing::Test {
 protected:
  OffloadDetector detector{4, {1, 2}};
  bool bad(const PacketBuilder& b) {
    TcpParsed t = parse(PacketBuilder(b).build());
    judge_offload(t, detector);
    return t.segment.checksum_bad;
  }
};

TEST_F(Offload, P7_AHostThatBeginsWithPartialSumsOffloads) {
  EXPECT_FALSE(bad(v4().flags(kSyn).partial_checksum()));
  EXPECT_FALSE(bad(v4().partial_checksum().payload("x")));
  EXPECT_FALSE(bad(v4().payload("right")));
  EXPECT_FALSE(bad(v4().partial_checksum().payload("x")));
  EXPECT_TRUE(bad(v4().bad_checksum().payload("x")));  // wrong is wrong
  EXPECT_EQ(detector.accepted(), 3U);
  EXPECT_EQ(detector.offloading_hosts(), 1U);
}

TEST_F(Offload, P7_AHostThatBeginsWithRightSumsDoesNot) {
  EXPECT_FALSE(bad(v4().flags(kSyn)));
  EXPECT_TRUE(bad(v4().partial_checksum().payload("a decoy")));
  EXPECT_FALSE(bad(v6().flags(kSyn).partial_checksum()));  // another host
  EXPECT_EQ(detector.offloading_hosts(), 1U);
}

TEST_F(Offload, P7_ResetsAndBareAcknowledgementsWithRightSumsDecideNothing) {
  EXPECT_FALSE(bad(v4().flags(kRst)));
  EXPECT_FALSE(bad(v4().flags(kAck)));
  EXPECT_FALSE(bad(v4().partial_checksum().payload("x")));
}

TEST_F(Offload, P7_HostsBeyondTheTableDoNotOffload) {
  for (int i = 0; i < 6; ++i) {
    const std::string from = "10.0.1." + std::to_string(i + 1);
    const bool wrong = bad(start().ipv4(from, "10.0.0.2").tcp(1, 2).flags(kSyn).partial_checksum());
    EXPECT_EQ(wrong, i >= 4) << i;
  }
  EXPECT_TRUE(detector.full());
}

TEST_F(Offload, P7_HeaderChecksumsOfAnOffloadingHost) {
  const Octets b = start()
                       .ipv4("10.0.0.1", "10.0.0.2")
                       .set16(10, 0)
                       .tcp(1, 2)
                       .flags(kSyn)
                       .partial_checksum()
                       .build();
  TcpParsed t = parse(b);
  EXPECT_TRUE(t.dropped_by_host());
  judge_offload(t, detector);
  EXPECT_FALSE(t.dropped_by_host());
}

TEST(Tcp, P6_WhatNoHostTakesAsTcp) {
  EXPECT_TRUE(parse(start().ipv4("10.0.0.1", "224.0.0.9").tcp(1, 2).build()).dropped_by_host());
  EXPECT_TRUE(
      parse(start().ipv4("10.0.0.1", "255.255.255.255").tcp(1, 2).build()).dropped_by_host());
  EXPECT_TRUE(parse(start().ipv6("2001:db8::1", "ff02::1").tcp(1, 2).build()).dropped_by_host());
  EXPECT_TRUE(parse(PacketBuilder().eth(true).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build())
                  .dropped_by_host());
  EXPECT_TRUE(
      parse(start().ipv6("::ffff:10.0.0.1", "2001:db8::2").tcp(1, 2).build()).dropped_by_host());
  // the frame of a tunnel may be addressed to everybody
  const auto inner = PacketBuilder()
                         .eth(true)
                         .ipv4("192.0.2.1", "192.0.2.2")
                         .udp(1, 4789)
                         .vxlan(1)
                         .eth()
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .tcp(1, 2)
                         .build();
  EXPECT_FALSE(parse(inner).dropped_by_host());
  EXPECT_FALSE(parse(v4().build()).dropped_by_host());
}

}  // namespace
}  // namespace weir::net
