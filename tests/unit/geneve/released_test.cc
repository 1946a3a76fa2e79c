// What the engine does not want to see any more, and how it comes back (engine/port.h, docs/decisions/release.md).
#include <gtest/gtest.h>

#include <unistd.h>

#include "engine/net/segment.h"
#include "tests/unit/geneve/port_rig.h"

namespace weir::geneve {
namespace {

using namespace weir::geneve::test_port;

TEST_F(GenevePortTest, ReleasedDirectionsAreEchoedUntilTheyAreResumed) {
  GenevePort& port = open(balancer_.options());
  balancer_.send(wrap(kWebBack));
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  port.release(packets[0], Release::This);
  port.settle(packets[0], Fate::Drop);
  expect_echo(port, wrap(kWebBack));
  EXPECT_EQ(port.counters().released, 1U);
  balancer_.send(wrap(kWebBack, 1, 77));  // another endpoint's connection is not released
  packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  port.settle(packets[0], Fate::Drop);
  balancer_.send(wrap(kWeb));
  packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);  // the other direction is not
  port.release(packets[0], Release::Resume);
  port.settle(packets[0], Fate::Drop);
  balancer_.send(wrap(kWebBack));
  packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  port.release(packets[0], Release::Both);
  port.settle(packets[0], Fate::Drop);
  expect_echo(port, wrap(kWeb));
  expect_echo(port, wrap(kWebBack));
}

class GeneveReleased : public GenevePortTest {
 protected:
  static Octets web(std::uint8_t flags, const char* text = "x") {
    return wrap(
        test::PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).flags(flags).payload(text).build());
  }
  static Octets back(std::uint8_t flags, const char* text = "x") {
    return wrap(
        test::PacketBuilder().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 1000).flags(flags).payload(text).build());
  }
  // With a packet from the server.
  GenevePort& released(Release what) {
    GenevePort& port = open(balancer_.options());
    balancer_.send(back(net::kAck));
    auto packets = receive(port);
    EXPECT_EQ(packets.size(), 1U);
    port.release(packets.at(0), what);
    port.settle(packets.at(0), Fate::Drop);
    return port;
  }
  void expect_delivery(GenevePort& port, const Octets& datagram) {
    balancer_.send(datagram);
    auto packets = receive(port);
    ASSERT_EQ(packets.size(), 1U);
    port.settle(packets[0], Fate::Drop);
  }
};

TEST_F(GeneveReleased, ASynTakesEverythingBack) {
  for (const Release what : {Release::This, Release::Both}) {
    for (const Octets& syn : {web(net::kSyn, ""), back(net::kSyn | net::kAck, "")}) {
      GenevePort& port = released(what);
      expect_echo(port, back(net::kAck));
      expect_delivery(port, syn);
      expect_delivery(port, back(net::kAck));
      expect_delivery(port, web(net::kAck));
    }
  }
}

TEST_F(GeneveReleased, TheEngineSeesTheEndOfASingleDirection) {
  for (const std::uint8_t flag : {net::kFin, net::kRst, net::kUrg}) {
    const auto flags = static_cast<std::uint8_t>(flag | net::kAck);
    expect_delivery(released(Release::This), back(flags));
    expect_echo(released(Release::Both), back(flags));
    expect_echo(released(Release::Both), web(flags));
  }
}

TEST_F(GeneveReleased, WhatComesBehindNewsInABatchMayBeResumed) {
  for (const bool data : {false, true}) {
    GenevePort& port = released(Release::This);
    balancer_.send(back(net::kAck));  // before them
    balancer_.send(web(net::kAck, data ? "GET" : ""));
    balancer_.send(back(net::kAck));
    ::usleep(20'000);
    const auto packets = receive(port);
    ASSERT_EQ(packets.size(), data ? 2U : 1U);
    EXPECT_EQ(port.counters().released, data ? 1U : 2U);
    for (const Packet& packet : packets)
      port.settle(packet, Fate::Drop);
    while (balancer_.receive(20)) {
    }
    expect_echo(port, back(net::kAck));  // the engine did not resume it
  }
}

// A fragmented SYN cannot be told from other fragments; nor what has no readable header.
TEST_F(GeneveReleased, FragmentsAndUnclearPacketsTakeBack) {
  const Octets whole = test::PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).flags(net::kSyn).build();
  const auto piece = [&whole](std::uint16_t offset, bool more) {
    const auto from = whole.begin() + 20 + offset;
    return wrap(test::PacketBuilder()
                    .ipv4("10.0.0.1", "10.0.0.2")
                    .id(7)
                    .protocol(6)
                    .fragment(offset, more)
                    .raw(Octets(from, more ? from + 8 : whole.end()))
                    .build());
  };
  GenevePort& port = released(Release::Both);
  expect_delivery(port, piece(0, true));
  balancer_.send(web(net::kAck));
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  port.release(packets[0], Release::Both);  // by an engine that does not know yet
  port.settle(packets[0], Fate::Drop);
  expect_echo(port, web(net::kAck));
  expect_delivery(port, piece(8, false));
  expect_delivery(port, web(net::kAck));
  Octets unclear = whole;
  unclear[0] = 0x42;  // a header of 8 bytes
  GenevePort& other = released(Release::Both);
  expect_delivery(other, wrap(unclear));
  expect_delivery(other, web(net::kAck));
}

TEST_F(GeneveReleased, NothingIsReleasedAfterTimesWhenOthersLetPacketsBy) {
  GenevePort& bypassed = released(Release::Both);
  expect_echo(bypassed, web(net::kAck));
  bypassed.set_bypass(true);
  expect_echo(bypassed, web(net::kSyn));
  bypassed.set_bypass(false);
  expect_delivery(bypassed, web(net::kAck));
  // A worker that did not come round may have been stood in for.
  GenevePort& late = released(Release::Both);
  test::test_time = test::test_time + milliseconds(70);
  expect_echo(late, web(net::kAck));
  test::test_time = test::test_time + milliseconds(90);
  expect_delivery(late, web(net::kAck));
}

class GeneveBytes : public GeneveReleased {
 protected:
  static constexpr std::uint32_t kFirst = 0xfffffff0U;
  static test::PacketBuilder upload(std::uint32_t at, std::size_t length, std::uint8_t flags = net::kAck) {
    test::PacketBuilder b;
    b.ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).seq(kFirst + at).flags(flags).payload(std::string(length, 'x'));
    return b;
  }
  static Octets sent(std::uint32_t at, std::size_t length, std::uint8_t flags = net::kAck) { return wrap(upload(at, length, flags).build()); }
  // 100 bytes, the numbers of which come round.
  GenevePort& released_bytes() {
    GenevePort& port = open(balancer_.options());
    balancer_.send(sent(0, 0));
    auto packets = receive(port);
    EXPECT_EQ(packets.size(), 1U);
    port.release_bytes(packets.at(0), {kFirst, kFirst + 100});
    port.settle(packets.at(0), Fate::Drop);
    return port;
  }
};

TEST_F(GeneveBytes, ThoseAndNoOthers) {
  GenevePort& port = released_bytes();
  expect_echo(port, sent(0, 100));
  expect_echo(port, sent(99, 1, net::kAck | net::kPsh));
  expect_delivery(port, sent(0, 101));
  expect_delivery(port, sent(99, 2));
  expect_delivery(port, sent(100, 1));
  expect_delivery(port, sent(0xffffffffU, 2));
  expect_delivery(port, sent(50, 0));
  expect_delivery(port, back(net::kAck));
  for (const std::uint8_t flag : {net::kFin, net::kRst, net::kUrg, net::kEce, net::kCwr}) {
    expect_delivery(port, sent(0, 10, static_cast<std::uint8_t>(flag | net::kAck)));
  }
  expect_delivery(port, sent(0, 10, net::kPsh));
  Octets urgent = upload(0, 10).build();
  urgent[39] = 1;  // a pointer without the flag
  expect_delivery(port, wrap(urgent));
  Octets padded = upload(0, 10).build();
  padded.push_back(0);
  expect_delivery(port, wrap(padded));
  expect_echo(port, sent(0, 100));
}

TEST_F(GeneveBytes, TakenBack) {
  for (const Octets& syn : {web(net::kSyn, ""), back(net::kSyn | net::kAck, "")}) {
    GenevePort& port = released_bytes();
    expect_delivery(port, syn);
    expect_delivery(port, sent(0, 10));
  }
  GenevePort& resumed = released_bytes();
  balancer_.send(back(net::kAck));
  auto packets = receive(resumed);
  ASSERT_EQ(packets.size(), 1U);
  resumed.release(packets[0], Release::Resume);
  resumed.settle(packets[0], Fate::Drop);
  expect_delivery(resumed, sent(0, 10));
  GenevePort& bypassed = released_bytes();
  bypassed.set_bypass(true);
  expect_echo(bypassed, sent(100, 1));
  bypassed.set_bypass(false);
  expect_delivery(bypassed, sent(0, 10));
}

TEST_F(GeneveBytes, WhatComesBehindNewsInABatchIsForTheEngine) {
  GenevePort& port = released_bytes();
  balancer_.send(sent(0, 10));
  balancer_.send(back(net::kAck, ""));  // no news
  balancer_.send(sent(10, 10));
  balancer_.send(back(net::kAck, "HTTP/1.1 413"));
  balancer_.send(sent(20, 10));
  ::usleep(20'000);
  const auto packets = receive(port);
  EXPECT_EQ(packets.size(), 3U);
  EXPECT_EQ(port.counters().released, 2U);
  for (const Packet& packet : packets) port.settle(packet, Fate::Drop);
}

// A load balancer may have had it elsewhere.
TEST_F(GeneveReleased, WhatIsNotMetForSecondsComesBack) {
  GenevePort& port = released(Release::Both);
  const auto pass = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      test::test_time = test::test_time + milliseconds(50);
      EXPECT_TRUE(receive(port, 8, 0).empty());
    }
  };
  pass(80);
  expect_echo(port, web(net::kAck));
  pass(80);
  expect_echo(port, web(net::kAck));
  pass(121);
  expect_delivery(port, web(net::kAck));
}

}  // namespace
}  // namespace weir::geneve
