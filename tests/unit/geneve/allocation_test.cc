// No packet allocates: every way through the port, with operator new counted.
#include <gtest/gtest.h>

#include "tests/support/allocations.h"
#include "tests/unit/geneve/balancer.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using test::Balancer;
using test::Octets;
using test::PacketBuilder;

TEST(GeneveAllocation, NoPacketAllocates) {
  if (!Balancer::possible()) GTEST_SKIP() << "needs a raw socket";
  Balancer balancer;
  PortOptions options = balancer.options();
  options.workers = 2;
  auto opened = GenevePort::open(options);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto wrap = [](const Octets& inner) {
    return test::geneve(test::aws_options(7, 1), inner, inner[0] >> 4 == 6 ? 0x86dd : 0x0800);
  };
  std::vector<Octets> traffic;
  for (std::uint16_t i = 0; i < 200; ++i) {
    const auto sport = static_cast<std::uint16_t>(1000 + i);
    traffic.push_back(wrap(test::tcp4("10.0.0.1", sport, "10.0.0.2", 80)));
    traffic.push_back(wrap(test::tcp4("10.0.0.1", sport, "10.0.0.2", 22)));
    traffic.push_back(
        wrap(PacketBuilder().ipv6("fd00::1", "fd00::2").hop_by_hop().tcp(sport, 80).build()));
    traffic.push_back(wrap(PacketBuilder()
                               .ipv4("10.0.0.1", "10.0.0.2")
                               .id(i)
                               .protocol(6)
                               .fragment(24, false)
                               .raw(Octets(9))
                               .build()));
    traffic.push_back(wrap(PacketBuilder()
                               .ipv4("10.0.0.1", "10.0.0.2")
                               .id(i)
                               .fragment(0, true)
                               .tcp(sport, i % 2 == 0 ? 80 : 22)
                               .raw(Octets(4))
                               .build()));
    traffic.push_back(Octets{0x40, 0, 0});
  }
  const Octets page = test::tcp4("10.0.0.2", 80, "10.0.0.1", 1000);
  std::vector<Packet> packets(32);
  std::uint64_t used = 0;
  std::uint64_t seen = 0;
  for (const Octets& datagram : traffic) {
    balancer.send(datagram);
    const std::uint64_t before = test::allocations();
    for (auto& port : *opened) {
      auto received = port->receive(packets, milliseconds(1));
      for (std::size_t i = 0; i < received->count; ++i) {
        static_cast<void>(port->inject(packets[i], Towards::Client, page).has_value());
        port->release(packets[i], seen % 3 == 0 ? Release::This : Release::Resume);
        if (++seen % 2 == 0)
          port->settle(packets[i], Fate::Forward);
        else
          port->replace(packets[i], packets[i].bytes);
      }
      port->flush();
    }
    used += test::allocations() - before;
  }
  EXPECT_EQ(used, 0U);
  EXPECT_GT(seen, 500U);
  EXPECT_GT((*opened)[0]->counters().handed_over + (*opened)[1]->counters().handed_over, 0U);
}

}  // namespace
