// The bounded tables of the port: connections, fragment routes, inboxes.
#include <poll.h>
#include <unistd.h>

#include <array>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "geneve/flows.h"
#include "geneve/fragments.h"
#include "geneve/inbox.h"
#include "tests/unit/geneve/envelopes.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using test::Octets;

Connections::Place place_of(const Octets& ip, std::uint64_t domain = 1) {
  return Connections::place(domain, ip, look(ip, ip[0] >> 4 == 6 ? 0x86dd : 0x0800));
}

TEST(GeneveConnections, DirectionsShareARecord) {
  const auto there = place_of(test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80));
  const auto back = place_of(test::tcp4("10.0.0.2", 80, "10.0.0.1", 1000));
  EXPECT_EQ(there.key, back.key);
  EXPECT_NE(there.direction, back.direction);
  const auto self = place_of(test::tcp4("10.0.0.1", 1000, "10.0.0.1", 80));
  const auto self_back = place_of(test::tcp4("10.0.0.1", 80, "10.0.0.1", 1000));
  EXPECT_EQ(self.key, self_back.key);
  EXPECT_NE(self.direction, self_back.direction);
  EXPECT_NE(there.key, place_of(test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80), 2).key);
  EXPECT_NE(there.key, place_of(test::tcp6("::10.0.0.1", 1000, "::10.0.0.2", 80)).key);
}

// C28, C29: 10,000 endpoints and a flood of connections cost a fixed amount, and the recent are
// remembered.
TEST(GeneveConnections, C28C29AFloodForgetsOldOnesAndGrowsNothing) {
  Connections connections(4096, {1, 2});
  const std::size_t memory = connections.memory();
  for (std::uint64_t endpoint = 0; endpoint < 10'000; ++endpoint) {
    const auto place = place_of(test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80), endpoint);
    Connection& c = connections.take(place.key);
    EXPECT_EQ(c.envelopes[0].length, 0);
    const Octets header(40, static_cast<std::uint8_t>(endpoint));
    remember(c.envelopes[place.direction], {}, header);
  }
  EXPECT_EQ(connections.memory(), memory);
  EXPECT_EQ(connections.capacity(), 4096U);
  EXPECT_GE(connections.forgotten(), 10'000U - 4096U);
  int known = 0;
  for (std::uint64_t endpoint = 9'900; endpoint < 10'000; ++endpoint) {
    const auto place = place_of(test::tcp4("10.0.0.1", 1000, "10.0.0.2", 80), endpoint);
    const Connection* c = connections.find(place.key);
    if (c == nullptr) continue;
    ++known;
    EXPECT_EQ(c->envelopes[place.direction].bytes[0], static_cast<std::uint8_t>(endpoint));
  }
  EXPECT_GT(known, 98);
}

TEST(GeneveConnections, LongHeadersAreNotRemembered) {
  Envelope envelope;
  remember(envelope, {}, Octets(Envelope::kMost, 1));
  EXPECT_EQ(envelope.length, Envelope::kMost);
  envelope.length = 0;
  remember(envelope, {}, Octets(Envelope::kMost + 4, 1));
  EXPECT_EQ(envelope.length, 0);
}

TEST(GeneveFragments, TheFirstSaysWhereTheOthersGo) {
  FragmentRoutes routes(16, {1, 2});
  const auto key = [](std::uint16_t id, std::uint64_t domain = 1) {
    const Octets ip = test::PacketBuilder()
                          .ipv4("10.0.0.1", "10.0.0.2")
                          .id(id)
                          .protocol(6)
                          .fragment(24, true)
                          .raw(Octets(8))
                          .build();
    return FragmentKey::of(domain, ip, look(ip, 0x0800));
  };
  EXPECT_EQ(routes.find(key(1), {0}), FragmentRoutes::kUnknown);
  routes.learn(key(1), 3, {0});
  EXPECT_EQ(routes.find(key(1), {0}), 3U);
  EXPECT_EQ(routes.find(key(2), {0}), FragmentRoutes::kUnknown);
  EXPECT_EQ(routes.find(key(1, 2), {0}), FragmentRoutes::kUnknown);
  EXPECT_EQ(routes.find(key(1), {FragmentRoutes::kLife.ns}), FragmentRoutes::kUnknown);
  for (std::uint16_t id = 10; id < 200; ++id)
    routes.learn(key(id), 1, {id});
  EXPECT_EQ(routes.find(key(199), {200}), 1U);
}

TEST(GeneveInbox, IsBoundedAndKeepsTheOrder) {
  Inbox inbox(3);
  Outer outer;
  std::vector<std::uint8_t> into(kMostCopied);
  EXPECT_TRUE(inbox.empty());
  EXPECT_EQ(inbox.take(outer, into.data()), 0U);
  for (std::uint8_t round = 0; round < 5; ++round) {
    for (std::uint8_t i = 0; i < 4; ++i) {
      outer.source_port = i;
      EXPECT_EQ(inbox.put(outer, Octets(std::size_t{10} + i, i)), i < 3);
    }
    pollfd p{inbox.descriptor(), POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 0), 1);
    for (std::uint8_t i = 0; i < 3; ++i) {
      EXPECT_EQ(inbox.take(outer, into.data()), 10U + i);
      EXPECT_EQ(outer.source_port, i);
      EXPECT_EQ(into[9], i);
    }
    EXPECT_EQ(::poll(&p, 1, 0), 0);
  }
  EXPECT_FALSE(inbox.put(outer, Octets(kMostCopied + 1)));
}

// Workers are processes, and any of them may be killed.
TEST(GeneveInbox, ServesProcessesAndSurvivesTheirDeath) {
  Inbox inbox(64);
  Outer outer;
  std::vector<std::uint8_t> into(kMostCopied);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (;;)
        inbox.put(outer, Octets(9000, 7));
    }
    while (inbox.empty())
      ::usleep(100);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (inbox.take(outer, into.data()) != 0)
      EXPECT_EQ(into[8999], 7);
    EXPECT_TRUE(inbox.put(outer, Octets(5, 1)));
    EXPECT_EQ(inbox.take(outer, into.data()), 5U);
  }
}

}  // namespace
