// GenevePort over loopback: what goes back, what is delivered, what is dropped. Numbers C… are
// those of the conformance list in docs/GATEWAY.md.
#include "geneve/port.h"

#include <gtest/gtest.h>

#include "geneve/bypass.h"
#include "tests/unit/geneve/port_rig.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using namespace weir::geneve::test_port;
using test::PacketBuilder;
using test::Returned;

TEST_F(GenevePortTest, C01C02EchoKeepsEveryByteAndTheSourcePort) {
  GenevePort& port = open(balancer_.options());
  for (const std::uint16_t source :
       {std::uint16_t{1}, std::uint16_t{40'000}, std::uint16_t{65'535}}) {
    balancer_.send(wrap(kSsh), source);
    EXPECT_TRUE(receive(port).empty());
    const auto back = balancer_.receive();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->datagram, wrap(kSsh));
    EXPECT_EQ(back->source_port, source);
    EXPECT_EQ(back->destination_port, balancer_.port());
    EXPECT_EQ(back->from.to_string(), "127.0.0.1");
    EXPECT_EQ(back->to.to_string(), "127.0.0.2");
    EXPECT_EQ(back->ttl, 64);
    EXPECT_EQ(back->tos, 0);
    EXPECT_TRUE(back->dont_fragment);
    EXPECT_EQ(back->checksum, 0);  // rule G7: 0 or right
  }
  EXPECT_EQ(port.counters().echoed, 3U);
}

TEST_F(GenevePortTest, C03C04C05OptionsComeBackWhateverTheyAre) {
  GenevePort& port = open(balancer_.options());
  const Octets extra =
      test::joined({test::option(0x0999, 7, {1, 2, 3, 4, 5, 6, 7, 8}), aws_options(kEndpoint, 1),
                    test::option(0x0108, 0x77, {9, 9, 9, 9})});
  expect_echo(port, test::geneve(extra, kSsh));
  const Octets turned =
      test::joined({test::option(0x0108, 3, {1, 2, 3, 4}), test::option(0x0108, 1, Octets(8, 7)),
                    test::option(0x0108, 2, Octets(8))});
  expect_echo(port, test::geneve(turned, kSsh));
  EXPECT_EQ(port.counters().unusual, 1U);
  expect_echo(port, test::geneve({}, kSsh));
  EXPECT_EQ(port.counters().unusual, 2U);
}

TEST_F(GenevePortTest, C05MissingOptionsAreDroppedWhereTheOperatorSaysSo) {
  PortOptions options = balancer_.options();
  options.require_aws_options = true;
  GenevePort& port = open(options);
  balancer_.send(test::geneve({}, kSsh));
  expect_nothing(port);
  EXPECT_EQ(port.counters().refused, 1U);
  expect_echo(port, wrap(kSsh));
}

TEST_F(GenevePortTest, C06C07C08FaultyHeadersAreDroppedAndCounted) {
  GenevePort& port = open(balancer_.options());
  Octets past_end = wrap(kSsh);
  past_end[35] = 31;
  Octets critical = test::geneve(test::option(0x0108, 0x81, {}), kSsh);
  critical[1] = 0x40;
  Octets version = wrap(kSsh);
  version[0] |= 0x40;
  Octets control = wrap(kSsh);
  control[1] = 0x80;
  const Octets cut(past_end.begin(), past_end.begin() + 20);
  for (const Octets& datagram : {past_end, critical, version, control, cut, Octets{8}, Octets{}})
    balancer_.send(datagram);
  expect_nothing(port);
  const auto faults = port.counters().faults;
  EXPECT_EQ(faults[static_cast<std::size_t>(Fault::OptionPastEnd)], 1U);
  EXPECT_EQ(faults[static_cast<std::size_t>(Fault::CriticalUnknown)], 1U);
  EXPECT_EQ(faults[static_cast<std::size_t>(Fault::Version)], 1U);
  EXPECT_EQ(faults[static_cast<std::size_t>(Fault::Control)], 1U);
  EXPECT_EQ(faults[static_cast<std::size_t>(Fault::OptionsPastEnd)], 1U);
  EXPECT_EQ(faults[static_cast<std::size_t>(Fault::Short)], 2U);
  expect_echo(port, wrap(kSsh));
}

TEST_F(GenevePortTest, C09OnlyConfiguredSourcesAreServed) {
  GenevePort& port = open(balancer_.options());
  balancer_.send(wrap(kSsh), 40'000, "127.0.0.3");
  balancer_.send(wrap(kWeb), 40'000, "127.0.0.3");
  expect_nothing(port);
  EXPECT_EQ(port.counters().foreign, 2U);
}

TEST_F(GenevePortTest, C10C11WhatIsInsideIsEchoedUntouched) {
  GenevePort& port = open(balancer_.options());
  expect_echo(port, wrap(test::tcp6("fd00::1", 1000, "fd00::2", 22)));
  for (const int protocol : {1, 17, 50, 47, 4, 132, 253}) {
    expect_echo(port, wrap(PacketBuilder()
                               .ipv4("10.0.0.1", "10.0.0.2")
                               .protocol(static_cast<std::uint8_t>(protocol))
                               .raw(Octets(64, 0x50))
                               .build()));
  }
  expect_echo(port, wrap(PacketBuilder()
                             .ipv4("10.0.0.1", "10.0.0.2")
                             .ip_options({7, 7, 4, 0, 0, 0, 0})
                             .tcp(9, 22)
                             .build()));
  expect_echo(port,
              wrap(PacketBuilder().ipv6("fd00::1", "fd00::2").hop_by_hop().tcp(9, 22).build()));
  expect_echo(port, wrap(PacketBuilder()
                             .ipv4("10.0.0.1", "10.0.0.2")
                             .fragment(0, true)
                             .udp(9, 53)
                             .raw(Octets(40))
                             .build()));
  expect_echo(port, test::geneve(aws_options(kEndpoint, 1), Octets(46, 3), 0x0806));  // no IP
  expect_echo(port, wrap(PacketBuilder()
                             .ipv4("10.0.0.1", "10.0.0.2")
                             .fragment(0, true)
                             .tcp(9, 22)
                             .raw(Octets(12))
                             .build()));
}

TEST_F(GenevePortTest, C11FragmentsOfTcpShareTheFateOfTheFirst) {
  GenevePort& port = open(balancer_.options());
  const auto part = [](std::uint16_t id, std::uint16_t dport, bool first) {
    PacketBuilder b;
    b.ipv4("10.0.0.1", "10.0.0.2").id(id).fragment(first ? 0 : 24, first);
    if (first)
      b.tcp(1000, dport).raw(Octets(4));
    else
      b.protocol(6).raw(Octets(30, 5));
    return wrap(b.build());
  };
  // Out of order, not inspected: both come back, the first one first.
  balancer_.send(part(1, 22, false));
  EXPECT_TRUE(receive(port, 8, 50).empty());
  balancer_.send(part(1, 22, true));
  EXPECT_TRUE(receive(port).empty());
  std::vector<Octets> back;
  while (const auto r = balancer_.receive(100))
    back.push_back(r->datagram);
  ASSERT_EQ(back.size(), 2U);
  EXPECT_TRUE(std::find(back.begin(), back.end(), part(1, 22, true)) != back.end());
  EXPECT_TRUE(std::find(back.begin(), back.end(), part(1, 22, false)) != back.end());
  // Inspected: both are delivered, and may be kept as long as the engine likes.
  balancer_.send(part(2, 80, false));
  EXPECT_TRUE(receive(port, 8, 50).empty());
  balancer_.send(part(2, 80, true));
  std::vector<Packet> packets = receive(port);
  for (const Packet& p : receive(port))
    packets.push_back(p);
  ASSERT_EQ(packets.size(), 2U);
  expect_echo(port, wrap(kSsh));
  for (const Packet& p : packets)
    port.settle(p, Fate::Forward);
  port.flush();
  int returned = 0;
  while (balancer_.receive(100))
    ++returned;
  EXPECT_EQ(returned, 2);
}

TEST_F(GenevePortTest, InspectedPacketsAreDeliveredAndSettled) {
  GenevePort& port = open(balancer_.options());
  balancer_.send(wrap(kWeb), 41'000);
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].domain, kEndpoint);
  EXPECT_EQ(packets[0].link, LinkType::RawIp);
  EXPECT_EQ(Octets(packets[0].bytes.begin(), packets[0].bytes.end()), kWeb);
  EXPECT_EQ(packets[0].time, test::test_clock());
  EXPECT_FALSE(balancer_.receive(50));
  port.settle(packets[0], Fate::Forward);
  port.flush();
  const auto back = balancer_.receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->datagram, wrap(kWeb));
  EXPECT_EQ(back->source_port, 41'000);
  balancer_.send(wrap(kWeb), 41'000);
  packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  port.settle(packets[0], Fate::Drop);
  expect_nothing(port);
  EXPECT_EQ(port.stats().forwarded, 1U);
  EXPECT_EQ(port.stats().discarded, 1U);
  // A replacement goes in the envelope of the packet.
  balancer_.send(wrap(kWeb, 7), 41'000);
  packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  Octets changed = kWeb;
  changed.back() ^= 1;
  port.replace(packets[0], changed);
  const auto other = balancer_.receive();
  ASSERT_TRUE(other);
  EXPECT_EQ(other->datagram, wrap(changed, 7));
}

TEST_F(GenevePortTest, C12C19InventedPacketsTravelInTheLatestEnvelopeOfTheirDirection) {
  GenevePort& port = open(balancer_.options());
  const auto pass = [&](const Octets& datagram, std::uint16_t source_port) {
    balancer_.send(datagram, source_port);
    auto packets = receive(port);
    ASSERT_EQ(packets.size(), 1U);
    port.settle(packets[0], Fate::Drop);
  };
  // Different cookies and source ports in the two directions; then the cookie to the client
  // changes.
  pass(wrap(kWeb, 0x11), 41'000);
  pass(wrap(kWebBack, 0x22), 42'000);
  pass(wrap(kWebBack, 0x33), 43'000);
  balancer_.send(wrap(kWeb, 0x12), 41'000);
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  const Octets page =
      test::tcp4("10.0.0.2", 80, "10.0.0.1", 1000, "HTTP/1.1 403 Forbidden\r\n\r\n");
  const Octets reset =
      PacketBuilder().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).flags(net::kRst).build();
  ASSERT_TRUE(port.inject(packets[0], Towards::Client, page));
  ASSERT_TRUE(port.inject(packets[0], Towards::Server, reset));
  port.settle(packets[0], Fate::Drop);
  const auto to_client = balancer_.receive();
  ASSERT_TRUE(to_client);
  EXPECT_EQ(to_client->datagram, wrap(page, 0x33));
  EXPECT_EQ(to_client->source_port, 43'000);
  const auto to_server = balancer_.receive();
  ASSERT_TRUE(to_server);
  EXPECT_EQ(to_server->datagram, wrap(reset, 0x12));
  EXPECT_EQ(to_server->source_port, 41'000);
  EXPECT_EQ(port.stats().injected, 2U);
}

TEST_F(GenevePortTest, C18WithoutAPacketOfTheOtherDirectionTheOneThereIsServes) {
  GenevePort& port = open(balancer_.options());
  balancer_.send(wrap(kWeb, 0x11), 41'000);
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  const Packet left_over = left_of(kEndpoint);
  port.settle(packets[0], Fate::Drop);
  ASSERT_TRUE(port.inject(left_over, Towards::Client, kWebBack));
  const auto back = balancer_.receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->datagram, wrap(kWebBack, 0x11));
}

TEST_F(GenevePortTest, ForgottenConnectionsAreAnsweredInTheEnvelopeThatTheEngineKept) {
  PortOptions options = balancer_.options();
  options.connections = 4;
  GenevePort& port = open(options);
  balancer_.send(wrap(kWeb, 0x11), 41'000);
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  const Octets kept(packets[0].envelope.begin(), packets[0].envelope.end());
  EXPECT_LE(kept.size(), kMostEnvelope);
  port.settle(packets[0], Fate::Drop);
  for (std::uint16_t i = 0; i < 64; ++i) {
    balancer_.send(
        wrap(test::tcp4("10.0.0.9", static_cast<std::uint16_t>(2000 + i), "10.0.0.2", 80)));
    for (const Packet& p : receive(port))
      port.settle(p, Fate::Drop);
  }
  EXPECT_GE(port.counters().connections_forgotten, 60U);
  Packet left_over = left_of(kEndpoint);
  EXPECT_FALSE(port.inject(left_over, Towards::Client, kWebBack));
  left_over.envelope = kept;
  ASSERT_TRUE(port.inject(left_over, Towards::Client, kWebBack));
  const auto back = balancer_.receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->datagram, wrap(kWebBack, 0x11));
  EXPECT_EQ(back->source_port, 41'000);
}

TEST_F(GenevePortTest, C13EqualAddressesBehindTwoEndpointsAreTwoConnections) {
  GenevePort& port = open(balancer_.options());
  for (const std::uint64_t endpoint : {1, 2}) {
    balancer_.send(wrap(kWeb, static_cast<std::uint32_t>(endpoint + 100), endpoint));
    auto packets = receive(port);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].domain, endpoint);
    port.settle(packets[0], Fate::Drop);
  }
  for (const std::uint64_t endpoint : {1, 2}) {
    const Packet like = left_of(endpoint);
    ASSERT_TRUE(port.inject(like, Towards::Client, kWebBack));
    const auto back = balancer_.receive();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->datagram, wrap(kWebBack, static_cast<std::uint32_t>(endpoint + 100), endpoint));
  }
}

TEST_F(GenevePortTest, C14LargePacketsAreEchoedAndDelivered) {
  GenevePort& port = open(balancer_.options());
  for (const std::size_t size : {8'500U, 8'933U}) {
    const std::string text(size - 40, 'x');
    expect_echo(port, wrap(test::tcp4("10.0.0.1", 1000, "10.0.0.2", 22, text)));
    balancer_.send(wrap(test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80, text)));
    auto packets = receive(port);
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].bytes.size(), size);
    port.settle(packets[0], Fate::Forward);
    port.flush();
    ASSERT_TRUE(balancer_.receive());
  }
  balancer_.send(wrap(kWeb));
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_FALSE(port.inject(packets[0], Towards::Client,
                           test::tcp4("10.0.0.2", 80, "10.0.0.1", 1000, std::string(8'461, 'x'))));
  port.settle(packets[0], Fate::Drop);
}

// Both ways of sending: merged from a socket with the source port, and one by one where that port
// is taken.
class GeneveMerged : public GenevePortTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Ways, GeneveMerged, ::testing::Bool());

TEST_P(GeneveMerged, C25MergedDatagramsAreSeenOneByOne) {
  GenevePort& port = open(balancer_.options());
  std::vector<Octets> all;
  for (std::uint16_t i = 0; i < 20; ++i) {
    // Two inspected ones among others, and one with a fault.
    const std::uint16_t dport = i == 5 || i == 6 ? 80 : 22;
    Octets d = wrap(test::tcp4("10.0.0.1", static_cast<std::uint16_t>(1000 + i), "10.0.0.2", dport,
                               "abcdefgh"));
    if (i == 12) d[0] |= 0x40;
    all.push_back(d);
  }
  all.back().pop_back();
  balancer_.send_merged(all, 43'210, GetParam());
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 2U);
  for (const Packet& p : packets)
    port.settle(p, Fate::Forward);
  port.flush();
  std::vector<Octets> back;
  const std::size_t size = all[0].size();
  while (const auto r = balancer_.receive(100)) {
    EXPECT_EQ(r->source_port, 43'210);
    // On loopback a raw socket sees merged what was sent merged.
    const Bytes bytes = r->datagram;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
      const Bytes part = bytes.subspan(at, std::min(size, bytes.size() - at));
      back.emplace_back(part.begin(), part.end());
    }
  }
  EXPECT_EQ(port.counters().merged, 20U);
  EXPECT_EQ(port.counters().sender.merged > 0, GetParam());
  all.erase(all.begin() + 12);
  std::sort(all.begin(), all.end());
  std::sort(back.begin(), back.end());
  EXPECT_TRUE(back == all);
}

TEST_F(GenevePortTest, C21BypassEchoesEverythingThatIsValid) {
  GenevePort& port = open(balancer_.options());
  port.set_bypass(true);
  expect_echo(port, wrap(kWeb));
  EXPECT_EQ(port.stats().bypassed, 1U);
  EXPECT_EQ(port.stats().forwarded, 1U);
  balancer_.send(wrap(kWeb), 40'000, "127.0.0.3");
  expect_nothing(port);
  port.set_bypass(false);
  balancer_.send(wrap(kWeb));
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  port.settle(packets[0], Fate::Drop);
}

TEST_F(GenevePortTest, C21AStandInEchoesForAWorkerThatIsStuck) {
  GenevePort& port = open(balancer_.options());
  auto bypass = Bypass::open(port);
  ASSERT_TRUE(bypass) << bypass.error().message;
  balancer_.send(wrap(kWeb), 41'000);
  EXPECT_EQ((*bypass)->run(milliseconds(200)), 1U);
  const auto back = balancer_.receive();
  ASSERT_TRUE(back);
  EXPECT_EQ(back->datagram, wrap(kWeb));
  EXPECT_EQ(back->source_port, 41'000);
  bypass->reset();
  balancer_.send(wrap(kWeb));
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);  // the worker goes on where it was
  port.settle(packets[0], Fate::Drop);
}

TEST_F(GenevePortTest, SelfTestsAreEchoedButNeverInspected) {
  PortOptions options = balancer_.options();
  options.sources = {*IpPrefix::parse("192.0.2.0/24")};
  options.self_test = *IpAddress::parse("127.0.0.2");
  GenevePort& port = open(options);
  expect_echo(port, wrap(kWeb));
  EXPECT_EQ(port.counters().self_tests, 1U);
}

TEST_F(GenevePortTest, C27WrongUdpChecksumIsDropped) {
  GenevePort& port = open(balancer_.options());
  balancer_.send(wrap(kSsh), 40'000, nullptr, std::uint16_t{0x1234});
  expect_nothing(port);
  EXPECT_EQ(port.counters().datagrams, 0U);  // the kernel dropped it
}

// Rule G4: the address that it was sent to, whichever of ours that is.
TEST_F(GenevePortTest, ListeningOnEveryAddressAnswersFromTheRightOne) {
  PortOptions options = balancer_.options();
  options.address = {};
  for (const bool raw : {true, false}) {
    options.sender.raw = raw;
    GenevePort& port = open(options);
    balancer_.send(wrap(kSsh), 40'001, nullptr, {}, 0, "127.0.0.9");
    EXPECT_TRUE(receive(port).empty());
    const auto back = balancer_.receive();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->from.to_string(), "127.0.0.9");
    EXPECT_EQ(back->source_port, 40'001);
    ports_.clear();
  }
}

TEST_F(GenevePortTest, WithoutARawSocketTheSourcePortIsKeptToo) {
  PortOptions options = balancer_.options();
  options.sender.raw = false;
  options.sender.source_sockets = 2;
  GenevePort& port = open(options);
  for (const int source : {42'001, 42'002, 42'003, 42'001, 42'003})
    expect_echo(port, wrap(kSsh), static_cast<std::uint16_t>(source));
  EXPECT_EQ(port.counters().sender.sockets_opened, 4U);
}

TEST_F(GenevePortTest, WorkersHandOverWhatTheKernelCouldNotSee) {
  PortOptions options = balancer_.options();
  options.workers = 3;
  open(options);
  // Extension headers hide the ports from the kernel, which goes by the addresses.
  std::array<int, 3> delivered{};
  for (std::uint16_t port = 3000; port < 3030; ++port) {
    const Octets plain = test::tcp6("fd00::1", port, "fd00::2", 80);
    const Octets extended =
        PacketBuilder().ipv6("fd00::2", "fd00::1").hop_by_hop().tcp(80, port).payload("y").build();
    std::array<int, 2> where{-1, -1};
    for (int k = 0; k < 2; ++k) {
      balancer_.send(wrap(k == 0 ? plain : extended));
      for (int round = 0; round < 2 && where[static_cast<std::size_t>(k)] < 0; ++round) {
        for (int w = 0; w < 3; ++w) {
          for (const Packet& p : receive(*ports_[static_cast<std::size_t>(w)], 8, 5)) {
            where[static_cast<std::size_t>(k)] = w;
            EXPECT_EQ(Octets(p.bytes.begin(), p.bytes.end()), k == 0 ? plain : extended);
            ports_[static_cast<std::size_t>(w)]->settle(p, Fate::Drop);
          }
        }
      }
    }
    ASSERT_GE(where[0], 0);
    EXPECT_EQ(where[0], where[1]);
    ++delivered[static_cast<std::size_t>(where[0])];
  }
  for (const int n : delivered)
    EXPECT_GT(n, 0);
  std::uint64_t handed_over = 0;
  for (const auto& p : ports_)
    handed_over += p->counters().handed_over;
  EXPECT_GT(handed_over, 0U);
}

TEST_F(GenevePortTest, MirrorNeverAnswers) {
  PortOptions options = balancer_.options();
  options.replies = Replies::Never;
  options.inspect_all = true;
  GenevePort& port = open(options);
  const Octets mirrored = PacketBuilder()
                              .ipv4("10.5.0.1", "10.5.0.2")
                              .udp(5000, 4789)
                              .vxlan(7)
                              .eth()
                              .ipv4("10.0.0.1", "10.0.0.2")
                              .tcp(1000, 80)
                              .payload("GET /")
                              .build();
  balancer_.send(wrap(mirrored));
  auto packets = receive(port);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(Octets(packets[0].bytes.begin(), packets[0].bytes.end()), mirrored);
  EXPECT_FALSE(port.inject(packets[0], Towards::Client, kWebBack));
  port.settle(packets[0], Fate::Forward);
  expect_nothing(port);
}

TEST_F(GenevePortTest, MistakesOfTheOperatorAreWords) {
  PortOptions options = balancer_.options();
  options.sources.clear();
  EXPECT_FALSE(GenevePort::open(options));
  options = balancer_.options();
  options.sources = {*IpPrefix::parse("fd00::/8")};
  EXPECT_FALSE(GenevePort::open(options));
  options = balancer_.options();
  options.workers = 0;
  EXPECT_FALSE(GenevePort::open(options));
  options = balancer_.options();
  options.address = *IpAddress::parse("192.0.2.1");
  auto opened = GenevePort::open(options);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("cannot listen on UDP port"), std::string::npos);
}

}  // namespace
