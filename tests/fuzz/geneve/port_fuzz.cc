// The port, fed with datagrams as if the kernel had received them, alone or merged, and driven in
// any order: receive, settle, replace, inject, release, bypass. Nothing is sent (a sender without
// sockets).
//
// Checked: every datagram is counted once, delivered bytes are bytes of a datagram, packets held
// for long stay as they were, and when all is settled every slot is free again.
//
// Input: operations of one byte, most followed by a length and bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#include <netinet/udp.h>

#include "geneve/port.h"

namespace weir::geneve {

class PortTester {
 public:
  // false: no slot is free.
  static bool arrive(GenevePort& port, const std::uint8_t* data, std::size_t size, std::size_t part,
                     std::uint8_t source) {
    if (port.free_receive_.empty() || size > 65'000) return false;
    const std::uint32_t index = port.free_receive_.back();
    port.free_receive_.pop_back();
    GenevePort::Slot& slot = port.slots_[index];
    if (size != 0) std::memcpy(slot.data, data, size);
    sockaddr_in name{};
    name.sin_addr.s_addr = htonl(0xc0000200U + source);  // 192.0.2.0/24
    name.sin_port = htons(static_cast<std::uint16_t>(1000 + source));
    port.names_[0] = name;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr& head = port.messages_[0].msg_hdr;
    head = {&port.names_[0], sizeof name, nullptr, 0, control, part == 0 ? 0 : sizeof control, 0};
    if (cmsghdr* c = CMSG_FIRSTHDR(&head)) {
      c->cmsg_len = CMSG_LEN(sizeof(int));
      c->cmsg_level = SOL_UDP;
      c->cmsg_type = 104;  // UDP_GRO
      const int merged = static_cast<int>(part);
      std::memcpy(CMSG_DATA(c), &merged, sizeof merged);
    }
    port.messages_[0].msg_len = static_cast<unsigned>(size);
    port.arrived(0, index, source % 2 == 0 || port.lanes_ == 1 ? 0 : 1);
    return true;
  }
  static std::size_t waiting(const GenevePort& port) {
    return port.waiting_.size() + port.ready_.size();
  }
  static bool all_free(const GenevePort& port) {
    return port.free_receive_.size() == GenevePort::kReceiveSlots &&
           port.free_copies_.size() + waiting(port) == port.options_->copies;
  }
  static bool walked(const GenevePort& port) { return port.received_.empty(); }
};

}  // namespace weir::geneve

namespace {

using namespace weir;
using namespace weir::geneve;

std::int64_t now_ns = 1'000'000'000;
Timestamp a_clock() {
  return {now_ns};
}

void require(bool condition) {
  if (!condition) std::abort();
}

struct Held {
  Packet packet;
  std::vector<std::uint8_t> bytes;
};

// One group for each tunnel, made once: their tables are bounded, so what one input leaves is the
// next one's past.
std::vector<std::unique_ptr<GenevePort>>& group(bool vxlan) {
  static std::vector<std::unique_ptr<GenevePort>> groups[2];
  auto& ports = groups[vxlan ? 1 : 0];
  if (!ports.empty()) return ports;
  PortOptions options;
  options.tunnel = vxlan ? Tunnel::Vxlan : Tunnel::Geneve;
  options.address = *IpAddress::parse("127.0.0.1");
  options.port = 0;  // any
  options.vxlan.internal_port = options.vxlan.external_port = 0;
  options.sources = {*IpPrefix::parse("192.0.2.0/25")};
  options.inspected_ports = {80};
  options.workers = 2;
  options.connections = 64;
  options.copies = 32;
  options.inbox = 4;
  options.clock = &a_clock;
  options.sender.raw = false;
  options.sender.source_sockets = 0;
  auto opened = GenevePort::open(options);
  require(static_cast<bool>(opened));
  ports = std::move(*opened);
  return ports;
}

class Play {
 public:
  Play(GenevePort& port, const std::uint8_t* data, std::size_t size)
      : port_(port), at_(data), end_(data + size) {}

  void go() {
    while (at_ != end_) {
      const std::uint8_t operation = *at_++;
      switch (operation & 7) {
        case 0:
        case 1:
        case 2:
          arrive(operation);
          break;
        case 3:
          receive(1U + (operation >> 3));
          break;
        case 4:
          if (!held_.empty()) settle(operation >> 3, Fate::Forward);
          break;
        case 5:
          if (!held_.empty()) settle(operation >> 3, Fate::Drop);
          break;
        case 6:
          if (!held_.empty()) answer(operation >> 3);
          break;
        default:
          if ((operation & 8) != 0) port_.set_bypass((operation & 16) != 0);
          now_ns += (operation >> 5) * 7'000'000'000LL;
      }
    }
    port_.set_bypass(false);
    do
      receive(16);
    while (!PortTester::walked(port_) || take_one());
    while (!held_.empty())
      settle(0, Fate::Forward);
    receive(16);
    while (!held_.empty())
      settle(0, Fate::Drop);
    port_.flush();
    require(PortTester::all_free(port_));
  }

 private:
  std::vector<std::uint8_t> bytes(std::size_t most) {
    if (at_ == end_) return {};
    const std::size_t n =
        std::min({std::size_t{*at_}, most, static_cast<std::size_t>(end_ - at_ - 1)});
    std::vector<std::uint8_t> out(at_ + 1, at_ + 1 + n);
    at_ += 1 + n;
    return out;
  }
  void arrive(std::uint8_t operation) {
    std::vector<std::uint8_t> one = bytes(255);
    const std::size_t part = one.size();
    // Merged with copies of itself that differ in one byte.
    const std::size_t copies = (operation & 7) == 1 && part != 0 ? 1U + (operation >> 5) : 0;
    for (std::size_t i = 0; i < copies; ++i) {
      const std::size_t from = one.size() - part;
      one.insert(one.end(), one.begin() + static_cast<std::ptrdiff_t>(from),
                 one.begin() + static_cast<std::ptrdiff_t>(from + part));
      one[one.size() - 1 - i * 13 % part] ^= static_cast<std::uint8_t>(operation);
    }
    const std::size_t tail = copies != 0 && (operation & 8) != 0 ? part / 2 : 0;
    one.erase(one.end() - static_cast<std::ptrdiff_t>(tail), one.end());
    PortTester::arrive(port_, one.data(), one.size(), copies == 0 ? 0 : part, operation >> 3);
  }
  bool receive(std::size_t most) {
    std::vector<Packet> packets(most);
    const auto received = port_.receive(packets, Duration{0});
    require(received && received->count <= most);
    for (std::size_t i = 0; i < received->count; ++i) {
      held_.push_back({packets[i], {packets[i].bytes.begin(), packets[i].bytes.end()}});
      require(packets[i].envelope.size() <= kMostEnvelope);
    }
    account();
    return received->count != 0;
  }
  bool take_one() { return receive(16); }
  void settle(std::size_t which, Fate fate) {
    const Held held = take(which);
    port_.settle(held.packet, fate);
  }
  Held take(std::size_t which) {
    which %= held_.size();
    Held held = std::move(held_[which]);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
    // What is held for long is as it was: only copies may be held over another receive(), others
    // may too as long as there are slots.
    require(held.packet.bytes.size() == held.bytes.size());
    require(held.bytes.empty() ||
            std::memcmp(held.packet.bytes.data(), held.bytes.data(), held.bytes.size()) == 0);
    return held;
  }
  void answer(std::size_t which) {
    const std::size_t i = which % held_.size();
    const Packet& like = held_[i].packet;
    const std::vector<std::uint8_t> frame = bytes(200);
    switch (which & 3) {
      case 0:
        static_cast<void>(port_.inject(like, Towards::Client, frame).has_value());
        break;
      case 1: {
        Packet left = like;
        left.bytes = {};
        static_cast<void>(port_.inject(left, Towards::Server, held_[i].bytes).has_value());
        break;
      }
      case 2: {
        const Held held = take(i);
        port_.replace(held.packet, held.bytes);
        break;
      }
      default:
        port_.release(like, static_cast<Release>(1 + (which >> 2) % 3));
    }
  }
  void account() {
    if (!PortTester::walked(port_)) return;
    const GeneveCounters c = port_.counters();
    const std::uint64_t faults =
        std::accumulate(c.faults.begin(), c.faults.end(), std::uint64_t{0});
    // `waiting` of the past are counted again when they leave.
    require(c.foreign + faults + c.refused + c.echoed + c.delivered + c.handed_over + c.lost +
                PortTester::waiting(port_) ==
            c.datagrams);
  }

  GenevePort& port_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::vector<Held> held_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  auto& ports = group((data[0] & 1) != 0);
  Play(*ports[0], data + 1, size - 1).go();
  // What was handed over is the other worker's.
  std::vector<Packet> packets(16);
  for (;;) {
    auto received = ports[1]->receive(packets, Duration{0});
    require(static_cast<bool>(received));
    if (received->count == 0) break;
    for (std::size_t i = 0; i < received->count; ++i)
      ports[1]->settle(packets[i], Fate::Drop);
  }
  ports[1]->flush();
  require(PortTester::all_free(*ports[1]));
  return 0;
}
