// Frames that Weir makes are what decode() and a naive checksum take for right.
#include "engine/net/build.h"

#include <gtest/gtest.h>

#include "engine/net/tcp.h"
#include "tests/unit/net/samples.h"

namespace weir::net {
namespace {

using test::as_packet;
using test::Octets;
using test::PacketBuilder;
using test::start;

Endpoint endpoint(const char* address, std::uint16_t port) {
  return {*IpAddress::parse(address), port};
}

TcpFrame reply(bool six) {
  TcpFrame f;
  f.source = six ? endpoint("2001:db8::2", 80) : endpoint("10.0.0.2", 80);
  f.destination = six ? endpoint("2001:db8::1", 40000) : endpoint("10.0.0.1", 40000);
  f.seq = 11;
  f.ack = 22;
  f.flags = kAck | kPsh | kFin;
  f.window = 333;
  return f;
}

const Bytes kBody{reinterpret_cast<const std::uint8_t*>("HTTP/1.1 403 Forbidden\r\n\r\n"), 26};

TEST(Build, IsReadBackAsItWasMeant) {
  for (const bool six : {false, true}) {
    for (int options = 0; options < 16; ++options) {
      TcpFrame f = reply(six);
      f.payload = kBody;
      f.ttl = 57;
      if ((options & 1) != 0) f.mss = 1400;
      if ((options & 2) != 0) f.window_scale = 9;
      if ((options & 4) != 0) f.timestamps = {123, 456};
      f.sack_permitted = (options & 8) != 0;
      Octets out(2000);
      const std::size_t n = build_tcp(out, f);
      ASSERT_GT(n, 0U);
      EXPECT_LE(n, kMostTcpHeaders + kBody.size());
      out.resize(n);
      const Decoded decoded = decode(as_packet(out, LinkType::RawIp), {});
      ASSERT_TRUE(std::holds_alternative<Datagram>(decoded));
      const Datagram& d = std::get<Datagram>(decoded);
      EXPECT_TRUE(d.anomalies.empty());
      const TcpParsed t = parse_tcp(d);
      EXPECT_EQ(t.checksum, ChecksumVerdict::Right);
      EXPECT_EQ(t.segment.source, f.source);
      EXPECT_EQ(t.segment.destination, f.destination);
      EXPECT_EQ(t.segment.seq, 11U);
      EXPECT_EQ(t.segment.ack, 22U);
      EXPECT_EQ(t.segment.flags, f.flags);
      EXPECT_EQ(t.segment.window, 333);
      EXPECT_EQ(t.segment.ttl, 57);
      EXPECT_EQ(t.segment.options.mss, f.mss);
      EXPECT_EQ(t.segment.options.window_scale, f.window_scale);
      EXPECT_EQ(t.segment.options.timestamps.has_value(), f.timestamps.has_value());
      EXPECT_EQ(t.segment.options.sack_permitted, f.sack_permitted);
      EXPECT_FALSE(t.segment.options.malformed);
      EXPECT_TRUE(std::equal(t.segment.payload.begin(), t.segment.payload.end(), kBody.begin(),
                             kBody.end()));
      Octets small(n - 1);
      EXPECT_EQ(build_tcp(small, f), 0U);
    }
  }
}

TEST(Build, EqualsAPacketMadeIndependently) {
  TcpFrame f = reply(false);
  f.payload = kBody;
  Octets out(200);
  out.resize(build_tcp(out, f));
  const Octets expected = PacketBuilder()
                              .ipv4("10.0.0.2", "10.0.0.1")
                              .early16(6, 0x4000)
                              .tcp(80, 40000)
                              .seq(11)
                              .ack(22)
                              .flags(f.flags)
                              .early16(14, 333)
                              .raw({kBody.begin(), kBody.end()})
                              .build();
  EXPECT_EQ(out, expected);
}

TEST(Build, RefusesWhatCannotBe) {
  Octets out(70000);
  TcpFrame mixed = reply(false);
  mixed.destination = endpoint("2001:db8::1", 1);
  EXPECT_EQ(build_tcp(out, mixed), 0U);
  EXPECT_EQ(build_tcp(out, TcpFrame{}), 0U);
  TcpFrame big = reply(false);
  const Octets body(65536, 'x');
  big.payload = Bytes(body).first(65535 - 40);
  EXPECT_EQ(build_tcp(out, big), 65535U);
  big.payload = Bytes(body).first(65535 - 39);
  EXPECT_EQ(build_tcp(out, big), 0U);
}

TEST(Build, LinkHeadersAreThoseOfTheSample) {
  const struct {
    const char* description;
    Octets like;
    LinkType link;
    bool reversed;
    std::size_t header;  // 0: refused
  } table[] = {
      {"ethernet", test::over4(start()), LinkType::Ethernet, true, 14},
      {"ethernet, three tags", test::over4(start().vlan(1, 0x88a8).vlan(2).vlan(3)),
       LinkType::Ethernet, true, 26},
      {"cooked", test::over4(PacketBuilder().sll()), LinkType::LinuxSll, false, 16},
      {"raw", test::over4(PacketBuilder()), LinkType::RawIp, false, 0xff},
      {"loopback", test::over4(PacketBuilder().family({2, 0, 0, 0})), LinkType::Null, false, 4},
      {"in PPPoE", test::over4(start().pppoe(1)), LinkType::Ethernet, false, 0},
      {"in MPLS", test::over4(start().mpls(1)), LinkType::Ethernet, false, 0},
      {"in GRE", test::over4(test::outer().gre()), LinkType::Ethernet, false, 0},
      {"the other IP version", test::over6(start()), LinkType::Ethernet, false, 0},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.description);
    const Packet like = as_packet(row.like, row.link);
    const Datagram d = std::get<Datagram>(decode(like, {}));
    Octets out(200);
    const std::size_t n = build_like(out, like, d, LinkDirection::Reverse, reply(false));
    if (row.header == 0) {
      EXPECT_EQ(n, 0U);
      continue;
    }
    const std::size_t header = row.header == 0xff ? 0 : row.header;
    ASSERT_EQ(n, header + 40);
    out.resize(n);
    Octets expected(row.like.begin(), row.like.begin() + static_cast<std::ptrdiff_t>(header));
    if (row.reversed)
      std::swap_ranges(expected.begin(), expected.begin() + 6, expected.begin() + 6);
    EXPECT_EQ(Octets(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(header)), expected);
    const Datagram back = std::get<Datagram>(decode(as_packet(out, row.link), {}));
    EXPECT_EQ(back.encapsulation, d.encapsulation);
    EXPECT_EQ(back.source, d.destination);
    Octets same(200);
    ASSERT_EQ(build_like(same, like, d, LinkDirection::Same, reply(false)), n);
    EXPECT_TRUE(std::equal(same.begin(), same.begin() + static_cast<std::ptrdiff_t>(header),
                           row.like.begin()));
    Octets small(n - 1);
    EXPECT_EQ(build_like(small, like, d, LinkDirection::Same, reply(false)), 0U);
  }
}

TcpParsed parse(const Octets& bytes) {
  const Decoded decoded = decode(as_packet(bytes), {});
  return parse_tcp(std::get<Datagram>(decoded));
}

Octets rewritten(const Octets& bytes, const TcpEdit& edit,
                 ChecksumState checksum = ChecksumState::Unknown) {
  Packet p = as_packet(bytes);
  p.checksum = checksum;
  const Datagram d = std::get<Datagram>(decode(p, {}));
  Octets out(bytes.size());
  out.resize(rewrite_tcp(out, p, d, edit));
  return out;
}

TEST(Rewrite, P6_ChecksumsStayRightAndWrongOnesStayWrong) {
  const TcpEdit edit{true, true};
  for (std::uint32_t i = 0; i < 500; ++i) {
    const auto b = PacketBuilder()
                       .eth()
                       .ipv4("10.0.0.1", "10.0.0.2")
                       .tcp(1, 80)
                       .seq(i * 0x01234567U)
                       .flags(kUrg | kAck)
                       .urgent(static_cast<std::uint16_t>(i * 131))
                       .tcp_options({1, 34, 4, 9, 9, 1, 254, 4, 0xf9, 0x89})
                       .payload("x");
    const TcpParsed good = parse(rewritten(PacketBuilder(b).build(), edit));
    EXPECT_EQ(good.checksum, ChecksumVerdict::Right);
    EXPECT_FALSE(good.segment.has(kUrg));
    EXPECT_EQ(good.segment.urgent, 0);
    EXPECT_FALSE(good.segment.options.fast_open);
    EXPECT_EQ(good.segment.payload.size(), 1U);
  }
  const auto wrong = PacketBuilder()
                         .eth()
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .tcp(1, 80)
                         .flags(kUrg | kAck)
                         .urgent(4)
                         .bad_checksum()
                         .payload("x")
                         .build();
  EXPECT_TRUE(parse(rewritten(wrong, edit)).segment.checksum_bad);
}

TEST(Rewrite, P7_APartialSumStaysPartial) {
  const auto b = PacketBuilder()
                     .eth()
                     .ipv4("10.0.0.1", "10.0.0.2")
                     .tcp(1, 80)
                     .flags(kUrg | kAck)
                     .urgent(4)
                     .partial_checksum()
                     .payload("x")
                     .build();
  const Octets out = rewritten(b, {true, false}, ChecksumState::NotFilled);
  EXPECT_EQ(parse(out).checksum, ChecksumVerdict::Partial);
  EXPECT_FALSE(parse(out).segment.has(kUrg));
}

TEST(Rewrite, NothingElseChanges) {
  const Octets b = test::over6(start().vlan(4));
  EXPECT_EQ(rewritten(b, {true, true}), b);
  EXPECT_TRUE(rewritten(test::over4(test::outer().gre()), {true, false}).empty());
}

}  // namespace
}  // namespace weir::net
