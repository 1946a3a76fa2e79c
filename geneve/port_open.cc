// GenevePort: the start of a group.
#include <fcntl.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "geneve/port.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace weir::geneve {
namespace {

constexpr std::uint32_t kMostWorkers = 64;
constexpr std::uint32_t kMostCopies = 16'000;  // slots have 14 bits in a token

Result<void> check(const PortOptions& options) {
  if (options.clock == nullptr) return fail("the port has no clock");
  if (options.sources.empty()) return fail("no source is allowed to send: geneve.sources is empty");
  for (const IpPrefix& source : options.sources) {
    if (source.address.version != 4) {
      return fail("the outer addresses of a gateway load balancer are IPv4: " +
                  source.address.to_string() + " cannot send");
    }
  }
  if (options.address.version == 6) return fail("the address to listen on is not IPv4");
  if (options.workers == 0 || options.workers > kMostWorkers) return fail("1 to 64 workers");
  if (options.copies > kMostCopies) return fail("at most 16000 copies");
  return {};
}

std::string why(const char* what, std::uint16_t port) {
  return std::string(what) + " UDP port " + std::to_string(port) + ": " + std::strerror(errno);
}

int set(int socket, int level, int option, int value) {
  return ::setsockopt(socket, level, option, &value, sizeof value);
}

std::uint32_t network_order(const IpAddress& address) {
  std::uint32_t word = 0;
  std::memcpy(&word, address.bytes.data(), sizeof word);
  return word;
}

}  // namespace

GenevePort::GenevePort(std::shared_ptr<const PortOptions> options, std::uint32_t index)
    : options_(std::move(options)),
      index_(index),
      lanes_(options_->tunnel == Tunnel::Vxlan ? 2 : 1),
      inspected_(1024),
      receive_memory_(std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveSlots * kSlotStride)),
      copy_memory_(std::make_unique_for_overwrite<std::uint8_t[]>(std::size_t{options_->copies} *
                                                                  kMostCopied)),
      slots_(kReceiveSlots + options_->copies),
      connections_(options_->connections, options_->key),
      routes_(1024, options_->key) {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    slots_[i].data = i < kReceiveSlots ? receive_memory_.get() + i * kSlotStride + kBefore
                                       : copy_memory_.get() + (i - kReceiveSlots) * kMostCopied;
  }
  // Taken from the back: in rising order.
  for (std::uint32_t i = kReceiveSlots; i-- > 0;)
    free_receive_.push_back(i);
  for (auto i = static_cast<std::uint32_t>(slots_.size()); i-- > kReceiveSlots;)
    free_copies_.push_back(i);
  received_.reserve(2 * kReceiveSlots);
  pending_.reserve(kMostPending + kMostWaiting + kReceiveSlots);
  ready_.reserve(slots_.size());
  waiting_.reserve(kMostWaiting + 1);
  for (const std::uint16_t port : options_->inspected_ports) {
    inspected_[port >> 6] |= std::uint64_t{1} << (port & 63);
  }
  for (const IpPrefix& source : options_->sources) {
    const std::uint32_t mask = source.length == 0 ? 0 : htonl(0xffffffffU << (32 - source.length));
    sources_.emplace_back(network_order(source.address) & mask, mask);
  }
  if (options_->address.version == 4) listening_.s_addr = network_order(options_->address);
  if (options_->self_test.version == 4) self_test_ = network_order(options_->self_test);
  if (options_->tunnel == Tunnel::Geneve) {
    lane_ports_ = {htons(options_->port), htons(options_->port)};
  } else {
    lane_ports_ = {htons(options_->vxlan.internal_port), htons(options_->vxlan.external_port)};
  }
}

Result<void> GenevePort::listen() {
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    const std::uint16_t port = ntohs(lane_ports_[lane]);
    const int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0) return fail(why("cannot open a socket for", port));
    sockets_[lane] = s;
    set(s, SOL_SOCKET, SO_REUSEPORT, 1);
    set(s, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (options_->address.version == 0) set(s, IPPROTO_IP, IP_PKTINFO, 1);
    set(s, SOL_UDP, UDP_GRO, 1);  // kernels before 5.0 do not merge, and lose nothing
    if (set(s, SOL_SOCKET, SO_RCVBUFFORCE, options_->receive_buffer) != 0) {
      set(s, SOL_SOCKET, SO_RCVBUF, options_->receive_buffer);
    }
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    if (options_->address.version == 4) name.sin_addr.s_addr = network_order(options_->address);
    if (::bind(s, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
      return fail(why("cannot listen on", port));
    }
  }
  return {};
}

Result<std::unique_ptr<GenevePort>> GenevePort::stand_in(const GenevePort& port) {
  PortOptions options = *port.options_;
  options.connections = 4;
  options.copies = 0;
  std::unique_ptr<GenevePort> other(
      new GenevePort(std::make_shared<const PortOptions>(options), port.index_));
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    other->inboxes_.push_back(std::make_shared<Inbox>(0));
  }
  auto sender = Sender::open(options.sender);
  if (!sender) return Unexpected(Error{sender.error()});
  other->sender_ = std::move(*sender);
  for (std::size_t lane = 0; lane < port.lanes_; ++lane) {
    other->sockets_[lane] = ::fcntl(port.sockets_[lane], F_DUPFD_CLOEXEC, 0);
    if (other->sockets_[lane] < 0) return fail(why("cannot share", ntohs(port.lane_ports_[lane])));
  }
  other->set_bypass(true);
  return other;
}

Result<std::vector<std::unique_ptr<GenevePort>>> GenevePort::open(const PortOptions& options) {
  if (auto checked = check(options); !checked) return Unexpected(Error{checked.error()});
  const auto shared = std::make_shared<const PortOptions>(options);
  std::vector<std::shared_ptr<Inbox>> inboxes;
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    inboxes.push_back(std::make_shared<Inbox>(options.inbox));
  }
  std::vector<std::unique_ptr<GenevePort>> ports;
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    std::unique_ptr<GenevePort> port(new GenevePort(shared, i));
    port->inboxes_ = inboxes;
    auto sender = Sender::open(options.sender);
    if (!sender) return Unexpected(Error{sender.error()});
    port->sender_ = std::move(*sender);
    if (auto listening = port->listen(); !listening) return Unexpected(Error{listening.error()});
    ports.push_back(std::move(port));
  }
  for (std::size_t lane = 0; lane < ports[0]->lanes_; ++lane) {
    const auto steered =
        attach_steering(ports[0]->sockets_[lane], options.tunnel, options.workers, options.steer);
    if (!steered) return Unexpected(Error{steered.error()});
  }
  return ports;
}

}  // namespace weir::geneve
