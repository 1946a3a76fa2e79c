// Plays the load balancer for port tests: one UDP socket on loopback that sends from any source
// port (raw) and receives what comes back, headers included.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "engine/net/wire.h"
#include "geneve/port.h"
#include "tests/unit/geneve/envelopes.h"

namespace weir::test {

inline Timestamp test_time{1'700'000'000'000'000'000};  // of the port
inline Timestamp test_clock() {
  return test_time;
}

// A packet as it came back.
struct Returned {
  IpAddress from;
  IpAddress to;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  bool dont_fragment = false;
  std::uint16_t checksum = 0;
  Octets datagram;
};

class Balancer {
 public:
  static constexpr const char* kAppliance = "127.0.0.1";

  explicit Balancer(const char* address = "127.0.0.2") : address_(address) {
    // What is bound here is never read: it keeps ICMP errors away.
    port_ = 20'000 + static_cast<std::uint16_t>(::getpid() % 20'000);
    for (; port_ < 65'000; ++port_) {
      holder_ = udp(address, port_, 1);
      if (holder_ >= 0) break;
    }
    raw_ = ::socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    sockaddr_in name = at(address, 0);
    EXPECT_EQ(::bind(raw_, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    int size = 4 << 20;
    ::setsockopt(raw_, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    out_ = ::socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  }
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;
  ~Balancer() {
    for (const int s : {holder_, raw_, out_})
      ::close(s);
    for (const int s : merged_)
      ::close(s);
  }

  [[nodiscard]] static bool possible() {
    const int s = ::socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (s < 0) return false;
    ::close(s);
    return true;
  }

  // For PortOptions::port: the same on both sides, as 6081 is.
  [[nodiscard]] std::uint16_t port() const { return port_; }

  void send(const Octets& datagram, std::uint16_t source_port = 40'000, const char* from = nullptr,
            std::optional<std::uint16_t> checksum = {}, std::uint16_t to_port = 0,
            const char* appliance = kAppliance) {
    Octets packet = PacketBuilder()
                        .ipv4(from == nullptr ? address_ : from, appliance)
                        .udp(source_port, to_port == 0 ? port_ : to_port, false)
                        .raw(datagram)
                        .build();
    if (checksum) net::store16(packet.data() + 26, *checksum);
    sockaddr_in to = at(appliance, 0);
    ASSERT_EQ(::sendto(out_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&to),
                       sizeof to),
              static_cast<ssize_t>(packet.size()))
        << std::strerror(errno);
  }

  // Several datagrams of one size (the last may be shorter) that stay merged on the way.
  void send_merged(const std::vector<Octets>& datagrams, std::uint16_t source_port,
                   bool shared = true) {
    // Both hosts are this one: the appliance can use the port too only if it is shared.
    const int s = udp(address_.c_str(), source_port, shared ? 1 : 0);
    ASSERT_GE(s, 0);
    merged_.push_back(s);
    const int part = static_cast<int>(datagrams[0].size());
    ASSERT_EQ(::setsockopt(s, SOL_UDP, 103, &part, sizeof part), 0);
    Octets all;
    for (const Octets& d : datagrams)
      all.insert(all.end(), d.begin(), d.end());
    sockaddr_in to = at(kAppliance, port_);
    ASSERT_EQ(::sendto(s, all.data(), all.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(all.size()));
  }

  // What came to our address and port within the time.
  std::optional<Returned> receive(int milliseconds = 1000) {
    std::vector<std::uint8_t> b(70'000);
    for (;;) {
      pollfd p{raw_, POLLIN, 0};
      if (::poll(&p, 1, milliseconds) <= 0) return std::nullopt;
      const ssize_t n = ::recv(raw_, b.data(), b.size(), 0);
      if (n < 28) continue;
      if (net::load16(&b[22]) != port_) continue;  // not for us
      Returned r;
      r.tos = b[1];
      r.dont_fragment = (b[6] & 0x40) != 0;
      r.ttl = b[8];
      r.from = IpAddress::v4(std::span<const std::uint8_t, 4>(&b[12], 4));
      r.to = IpAddress::v4(std::span<const std::uint8_t, 4>(&b[16], 4));
      r.source_port = net::load16(&b[20]);
      r.destination_port = net::load16(&b[22]);
      r.checksum = net::load16(&b[26]);
      r.datagram.assign(b.begin() + 28, b.begin() + n);
      return r;
    }
  }

  [[nodiscard]] geneve::PortOptions options() const {
    geneve::PortOptions o;
    o.address = *IpAddress::parse(kAppliance);
    o.port = port_;
    o.sources = {*IpPrefix::parse("127.0.0.2/32")};
    o.inspected_ports = {80, 8080};
    o.connections = 1024;
    o.copies = 64;
    o.inbox = 16;
    o.clock = &test_clock;
    return o;
  }

 private:
  static sockaddr_in at(const char* address, std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &a.sin_addr);
    return a;
  }
  static int udp(const char* address, std::uint16_t port, int shared = 0) {
    const int s = ::socket(AF_INET, SOCK_DGRAM, 0);
    ::setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared);
    sockaddr_in name = at(address, port);
    if (::bind(s, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) return s;
    ::close(s);
    return -1;
  }

  std::string address_;
  std::uint16_t port_ = 0;
  int holder_ = -1;
  int raw_ = -1;
  int out_ = -1;
  std::vector<int> merged_;
};

}  // namespace weir::test
