#include "app/health/self_test.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "engine/net/checksum.h"
#include "engine/net/wire.h"

namespace weir::app {
namespace {

constexpr std::size_t kToken = 8;
constexpr std::size_t kInner = 28 + kToken + 1;  // IPv4, UDP, token, worker

// From an address of the range for benchmarks (RFC 2544), which no customer's traffic has.
std::vector<std::uint8_t> inner_packet(std::uint32_t host, const std::uint8_t* token,
                                       std::uint32_t worker) {
  std::vector<std::uint8_t> p(kInner);
  p[0] = 0x45;
  net::store16(&p[2], kInner);
  p[8] = 64;
  p[9] = net::kUdp;
  net::store32(&p[12], 0xc6120000U | host);
  net::store32(&p[16], 0xc6130001U);
  net::store16(&p[10], static_cast<std::uint16_t>(~net::ones_sum(Bytes(p).first(20))));
  net::store16(&p[20], 9);  // discard
  net::store16(&p[22], 9);
  net::store16(&p[24], kInner - 20);
  std::memcpy(&p[28], token, kToken);
  p[28 + kToken] = static_cast<std::uint8_t>(worker);
  return p;
}

std::vector<std::uint8_t> envelope(const geneve::PortOptions& options) {
  if (options.tunnel == geneve::Tunnel::Geneve) {
    std::vector<std::uint8_t> h(geneve::kAwsHeader);
    h[0] = 8;
    net::store16(&h[2], net::kEtherIpv4);
    constexpr std::array<std::array<std::uint8_t, 3>, 3> kOptions{
        {{8, 1, 2}, {20, 2, 2}, {32, 3, 1}}};
    for (const auto& [at, type, words] : kOptions) {
      net::store16(&h[at], 0x0108);
      h[at + 2U] = type;
      h[at + 3U] = words;
    }
    return h;
  }
  std::vector<std::uint8_t> h(8 + 14);
  h[0] = 8;
  net::store32(&h[4], options.vxlan.external_vni << 8);
  h[8] = h[14] = 2;
  net::store16(&h[20], net::kEtherIpv4);
  return h;
}

}  // namespace

IpAddress SelfTest::address() {
  return *IpAddress::parse("127.0.5.77");
}

Result<std::unique_ptr<SelfTest>> SelfTest::open(const geneve::PortOptions& options) {
  std::unique_ptr<SelfTest> test(new SelfTest);
  const bool vxlan = options.tunnel == geneve::Tunnel::Vxlan;
  test->socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(test->socket_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  // An answer comes to the port of the tunnel; Azure's to that of the other one.
  name.sin_port = htons(vxlan ? options.vxlan.internal_port : options.port);
  std::memcpy(&name.sin_addr, address().bytes.data(), 4);
  if (::bind(test->socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return fail(std::string("no socket for self-tests: ") + std::strerror(errno));
  }
  test->to_ = name;
  test->to_.sin_port = htons(vxlan ? options.vxlan.external_port : options.port);
  test->to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (options.address.version == 4)
    std::memcpy(&test->to_.sin_addr, options.address.bytes.data(), 4);
  std::array<std::uint8_t, kToken> token;
  if (::getrandom(token.data(), token.size(), 0) != static_cast<ssize_t>(token.size())) {
    return fail("no random numbers for self-tests");
  }
  const std::vector<std::uint8_t> head = envelope(options);
  for (std::uint32_t worker = 0; worker < options.workers; ++worker) {
    for (std::uint32_t host = 1; host < 65'535; ++host) {
      const auto inner = inner_packet(host, token.data(), worker);
      const geneve::Inner seen = geneve::look(inner, net::kEtherIpv4);
      if (geneve::steer(geneve::steer_hash(inner, seen, options.steer), options.workers) != worker)
        continue;
      std::vector<std::uint8_t> packet = head;
      packet.insert(packet.end(), inner.begin(), inner.end());
      test->packets_.push_back(std::move(packet));
      break;
    }
    if (test->packets_.size() != worker + 1)
      return fail("no self-test reaches worker " + std::to_string(worker));
  }
  test->returned_.resize(options.workers);
  return test;
}

SelfTest::~SelfTest() {
  if (socket_ >= 0) ::close(socket_);
}

void SelfTest::tick(std::int64_t now_ns) {
  collect(now_ns);
  for (const auto& packet : packets_) {
    static_cast<void>(::sendto(socket_, packet.data(), packet.size(), 0,
                               reinterpret_cast<const sockaddr*>(&to_), sizeof to_) < 0);
  }
}

void SelfTest::collect(std::int64_t now_ns) {
  std::array<std::uint8_t, 512> bytes;
  for (;;) {
    const ssize_t n = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (n < 0) return;
    // The last byte names the worker. Everything but the network id of VXLAN is as it was sent.
    const auto size = static_cast<std::size_t>(n);
    const std::size_t worker = size == 0 ? packets_.size() : bytes[size - 1];
    if (worker >= packets_.size() || packets_[worker].size() != size) continue;
    const std::size_t inner = size - kInner;
    if (std::memcmp(&bytes[inner], &packets_[worker][inner], kInner) == 0)
      returned_[worker] = now_ns;
  }
}

}  // namespace weir::app
