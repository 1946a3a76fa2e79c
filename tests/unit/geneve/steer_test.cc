// The program in the kernel against steer_hash(): datagrams over loopback to a group of sockets.
#include "geneve/steer.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <random>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/unit/geneve/envelopes.h"

namespace {

using namespace weir;
using namespace weir::geneve;
using test::Octets;
using test::PacketBuilder;

constexpr std::uint32_t kWorkers = 3;

class Group {
 public:
  Group(Tunnel tunnel, const SteerKey& key) {
    const int on = 1;
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int& s : sockets_) {
      s = ::socket(AF_INET, SOCK_DGRAM, 0);
      ::setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
      EXPECT_EQ(::bind(s, reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
      socklen_t size = sizeof address_;
      ::getsockname(s, reinterpret_cast<sockaddr*>(&address_), &size);
    }
    const auto attached = attach_steering(sockets_[0], tunnel, kWorkers, key);
    EXPECT_TRUE(attached) << (attached ? "" : attached.error().message);
    sender_ = ::socket(AF_INET, SOCK_DGRAM, 0);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() {
    for (const int s : sockets_)
      ::close(s);
    ::close(sender_);
  }

  // Which socket got it.
  std::uint32_t send(const Octets& datagram) {
    EXPECT_GT(::sendto(sender_, datagram.data(), datagram.size(), 0,
                       reinterpret_cast<sockaddr*>(&address_), sizeof address_),
              0);
    std::array<pollfd, kWorkers> polled{};
    for (std::size_t i = 0; i < kWorkers; ++i)
      polled[i] = {sockets_[i], POLLIN, 0};
    EXPECT_EQ(::poll(polled.data(), kWorkers, 2000), 1);
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
      if (polled[i].revents == 0) continue;
      std::array<char, 2048> buffer{};
      EXPECT_EQ(::recv(sockets_[i], buffer.data(), buffer.size(), 0),
                static_cast<ssize_t>(datagram.size()));
      return i;
    }
    return kWorkers;
  }

 private:
  std::array<int, kWorkers> sockets_{};
  int sender_ = -1;
  sockaddr_in address_{};
};

std::uint32_t expected(const Octets& ip, std::uint16_t type, const SteerKey& key) {
  return steer(steer_hash(ip, look(ip, type), key), kWorkers);
}

TEST(GeneveSteer, KernelAgreesOnEveryCommonPacket) {
  const SteerKey key{0x61c88647, 0x7feb352d};
  Group group(Tunnel::Geneve, key);
  std::mt19937 random(3);
  std::array<int, kWorkers> share{};
  for (int i = 0; i < 600; ++i) {
    const auto sport = static_cast<std::uint16_t>(random());
    const auto dport = static_cast<std::uint16_t>(random());
    const std::string host = std::to_string(random() % 256) + "." + std::to_string(random() % 256);
    const std::string from4 = "10.1." + host;
    const std::string from6 =
        "fd00::" + std::to_string(random() % 9999) + ":" + std::to_string(random() % 9999);
    PacketBuilder b;
    const bool six = i % 3 == 0;
    if (six)
      b.ipv6(from6, "fd00::2");
    else
      b.ipv4(from4, "192.0.2.7");
    if (i % 5 == 1 && !six) b.ip_options({1, 1, 1, 1, 1});
    if (i % 7 == 1 && !six) b.fragment(0, true);
    if (i % 11 == 0)
      b.udp(sport, dport);
    else
      b.tcp(sport, dport);
    const Octets ip = b.payload("hello").build();
    const std::uint16_t type = six ? 0x86dd : 0x0800;
    // Headers of all lengths: the inner packet is not at a fixed place.
    const Octets options = i % 4 == 0   ? Octets{}
                           : i % 4 == 1 ? test::option(5, 5, Octets(60))
                                        : test::aws_options(1, 2);
    const std::uint32_t got = group.send(test::geneve(options, ip, type));
    ASSERT_EQ(got, expected(ip, type, key)) << i;
    ++share[got];
  }
  for (const int n : share)
    EXPECT_GT(n, 100);
}

TEST(GeneveSteer, BothDirectionsMeetInOneSocket) {
  Group group(Tunnel::Geneve, {});
  for (std::uint16_t port = 2000; port < 2050; ++port) {
    const std::uint32_t there = group.send(
        test::geneve(test::aws_options(9, port), test::tcp4("10.0.0.1", port, "10.0.9.9", 80)));
    const std::uint32_t back = group.send(
        test::geneve(test::aws_options(9, port), test::tcp4("10.0.9.9", 80, "10.0.0.1", port)));
    EXPECT_EQ(there, back);
  }
}

TEST(GeneveSteer, SteersInsideEthernetInsideVxlan) {
  const SteerKey key{0x61c88647, 0x7feb352d};
  Group group(Tunnel::Vxlan, key);
  for (std::uint16_t port = 2000; port < 2100; ++port) {
    const bool six = port % 2 == 0;
    const Octets ip = six ? test::tcp6("fd00::1", port, "fd00::2", 80)
                          : test::tcp4("10.0.0.1", port, "10.0.9.9", 80);
    const std::uint16_t type = six ? 0x86dd : 0x0800;
    const Octets ethernet = test::joined({Octets(12, 2), test::big_endian(type, 2)});
    const Octets vxlan = test::joined({{8, 0, 0, 0, 0, 3, 0x84, 0}, ethernet, ip});
    ASSERT_EQ(group.send(vxlan), expected(ip, type, key));
  }
}

// What is too short for the program goes somewhere, and is not lost.
TEST(GeneveSteer, ShortDatagramsArriveToo) {
  Group group(Tunnel::Geneve, {});
  const Octets whole =
      test::geneve(test::aws_options(9, 1), test::tcp4("10.0.0.1", 1, "10.0.9.9", 80));
  for (std::size_t n = 1; n < whole.size(); n += 7) {
    EXPECT_LT(group.send(Octets(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))),
              kWorkers);
  }
}

}  // namespace
