// C30: Azure's pair of VXLAN tunnels. What comes by the external one leaves by the internal one and
// the other way round, Ethernet inside untouched.
#include <poll.h>
#include <unistd.h>

#include <array>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "geneve/port.h"
#include "tests/unit/geneve/balancer.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using test::Octets;
using test::PacketBuilder;

constexpr std::uint32_t kInternal = 900;
constexpr std::uint32_t kExternal = 901;

Octets vxlan(std::uint32_t vni, const Octets& frame) {
  Octets head(8);
  head[0] = 8;
  net::store32(head.data() + 4, vni << 8);
  return test::joined({head, frame});
}

Octets frame(const char* from, std::uint16_t sport, const char* to, std::uint16_t dport,
             bool tagged = false) {
  PacketBuilder b;
  b.eth();
  if (tagged) b.vlan(5);
  return b.ipv4(from, to).tcp(sport, dport).payload("x").build();
}

// Azure's frontend: one address, both UDP ports.
class Azure : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto base = static_cast<std::uint16_t>(50'000 + ::getpid() % 10'000);
    PortOptions options;
    options.tunnel = Tunnel::Vxlan;
    options.vxlan.internal_port = base;
    options.vxlan.external_port = static_cast<std::uint16_t>(base + 1);
    options.address = *IpAddress::parse("127.0.0.1");
    options.sources = {*IpPrefix::parse("127.0.0.6")};
    options.inspected_ports = {80};
    options.copies = 16;
    options.connections = 64;
    options.clock = &test::test_clock;
    auto opened = GenevePort::open(options);
    if (!opened) GTEST_SKIP() << opened.error().message;
    ports_ = std::move(*opened);
    for (std::size_t lane = 0; lane < 2; ++lane) {
      sockets_[lane] = ::socket(AF_INET, SOCK_DGRAM, 0);
      sockaddr_in name = at("127.0.0.6", static_cast<std::uint16_t>(base + lane));
      ASSERT_EQ(::bind(sockets_[lane], reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    }
    base_ = base;
  }
  void TearDown() override {
    for (const int s : sockets_)
      ::close(s);
  }
  static sockaddr_in at(const char* address, std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &a.sin_addr);
    return a;
  }
  // From any port of Azure's, by a lane: 0 internal, 1 external.
  void send(std::size_t lane, const Octets& datagram) {
    sockaddr_in to = at("127.0.0.1", static_cast<std::uint16_t>(base_ + lane));
    ASSERT_GT(::sendto(sockets_[lane], datagram.data(), datagram.size(), 0,
                       reinterpret_cast<sockaddr*>(&to), sizeof to),
              0);
  }
  // What came to the lane's port; empty: nothing.
  Octets receive(std::size_t lane) {
    pollfd p{sockets_[lane], POLLIN, 0};
    if (::poll(&p, 1, 300) != 1) return {};
    Octets bytes(2048);
    const ssize_t n = ::recv(sockets_[lane], bytes.data(), bytes.size(), 0);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    return bytes;
  }
  std::vector<Packet> pull() {
    std::vector<Packet> packets(8);
    auto received = ports_[0]->receive(packets, milliseconds(200));
    EXPECT_TRUE(received);
    packets.resize(received->count);
    return packets;
  }

  std::vector<std::unique_ptr<GenevePort>> ports_;
  std::array<int, 2> sockets_{-1, -1};
  std::uint16_t base_ = 0;
};

TEST_F(Azure, C30WhatComesByOneTunnelLeavesByTheOther) {
  const Octets ssh = frame("10.0.0.1", 1000, "10.0.0.2", 22);
  send(1, vxlan(kExternal, ssh));
  EXPECT_TRUE(pull().empty());
  EXPECT_TRUE(receive(0) == vxlan(kInternal, ssh));
  const Octets back = frame("10.0.0.2", 22, "10.0.0.1", 1000, true);
  send(0, vxlan(kInternal, back));
  EXPECT_TRUE(pull().empty());
  EXPECT_TRUE(receive(1) == vxlan(kExternal, back));
}

TEST_F(Azure, C30InspectedFramesKeepTheirEthernetHeaders) {
  const Octets web = frame("10.0.0.1", 1000, "10.0.0.2", 80, true);
  send(1, vxlan(kExternal, web));
  auto packets = pull();
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].link, LinkType::Ethernet);
  EXPECT_TRUE(Octets(packets[0].bytes.begin(), packets[0].bytes.end()) == web);
  ports_[0]->settle(packets[0], Fate::Forward);
  ports_[0]->flush();
  EXPECT_TRUE(receive(0) == vxlan(kInternal, web));
}

// An answer to the client leaves by the tunnel that the client's packet came by, seen the other
// direction or not.
TEST_F(Azure, C30InventedFramesLeaveByTheRightTunnel) {
  const Octets page = frame("10.0.0.2", 80, "10.0.0.1", 1000);
  const Octets reset = frame("10.0.0.1", 1000, "10.0.0.2", 80);
  send(1, vxlan(kExternal, reset));
  auto packets = pull();
  ASSERT_EQ(packets.size(), 1U);
  ASSERT_TRUE(ports_[0]->inject(packets[0], Towards::Client, page));
  EXPECT_TRUE(receive(1) == vxlan(kExternal, page));
  ASSERT_TRUE(ports_[0]->inject(packets[0], Towards::Server, reset));
  EXPECT_TRUE(receive(0) == vxlan(kInternal, reset));
  ports_[0]->settle(packets[0], Fate::Drop);
  send(0, vxlan(kInternal, page));
  packets = pull();
  ASSERT_EQ(packets.size(), 1U);
  ports_[0]->settle(packets[0], Fate::Drop);
  ASSERT_TRUE(ports_[0]->inject(packets[0], Towards::Client, page));
  EXPECT_TRUE(receive(1) == vxlan(kExternal, page));
}

TEST_F(Azure, C30TheNetworkMustBelongToThePort) {
  const Octets ssh = frame("10.0.0.1", 1000, "10.0.0.2", 22);
  send(1, vxlan(kInternal, ssh));
  send(0, vxlan(kExternal, ssh));
  send(0, vxlan(7, ssh));
  send(0, Octets(10, 8));
  EXPECT_TRUE(pull().empty());
  EXPECT_TRUE(receive(0).empty());
  EXPECT_TRUE(receive(1).empty());
}

}  // namespace
