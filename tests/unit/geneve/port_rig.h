// A port, the load balancer on the other side of loopback, and the packets that tests send.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "geneve/port.h"
#include "tests/unit/geneve/balancer.h"

namespace weir::geneve::test_port {

using test::aws_options;
using test::Balancer;
using test::Octets;

inline constexpr std::uint64_t kEndpoint = 0x0a1b2c3d4e5f6071;

inline const Octets kSsh = test::tcp4("10.0.0.1", 1000, "10.0.0.2", 22, "hello");
inline const Octets kWeb = test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80, "GET / HTTP/1.1\r\n\r\n");
inline const Octets kWebBack = test::tcp4("10.0.0.2", 80, "10.0.0.1", 1000, "HTTP/1.1 200 OK\r\n\r\n");

inline Octets wrap(const Octets& inner, std::uint32_t cookie = 0xdeadbeef,
                   std::uint64_t endpoint = kEndpoint) {
  return test::geneve(aws_options(endpoint, cookie), inner, inner[0] >> 4 == 6 ? 0x86dd : 0x0800);
}

// What the engine has of a packet that was settled long ago.
inline Packet left_of(std::uint64_t domain) {
  Packet packet;
  packet.link = LinkType::RawIp;
  packet.domain = domain;
  return packet;
}

class GenevePortTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Balancer::possible()) GTEST_SKIP() << "needs a raw socket";
  }
  GenevePort& open(PortOptions options) {
    auto opened = GenevePort::open(options);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    ports_ = std::move(*opened);
    return *ports_[0];
  }
  // What receive() delivers.
  static std::vector<Packet> receive(GenevePort& port, std::size_t most = 8, int wait = 200) {
    std::vector<Packet> packets(most);
    auto received = port.receive(packets, milliseconds(wait));
    EXPECT_TRUE(received);
    packets.resize(received->count);
    return packets;
  }
  // Sends; expects the very same back, without delivery.
  void expect_echo(GenevePort& port, const Octets& datagram, std::uint16_t source_port = 40'001) {
    balancer_.send(datagram, source_port);
    EXPECT_TRUE(receive(port).empty());
    const auto back = balancer_.receive();
    ASSERT_TRUE(back);
    EXPECT_TRUE(back->datagram == datagram);
    EXPECT_EQ(back->source_port, source_port);
    EXPECT_EQ(back->destination_port, balancer_.port());
    EXPECT_EQ(back->from.to_string(), "127.0.0.1");
    EXPECT_EQ(back->to.to_string(), "127.0.0.2");
  }
  void expect_nothing(GenevePort& port) {
    EXPECT_TRUE(receive(port, 8, 50).empty());
    EXPECT_FALSE(balancer_.receive(50));
  }

  Balancer balancer_;
  std::vector<std::unique_ptr<GenevePort>> ports_;
};

}  // namespace weir::geneve::test_port
