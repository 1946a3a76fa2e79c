// What the machine can do: echoes UDP datagrams to port 6081 without looking at them, in several ways.
//
//   geneve_bare_echo ADDRESS MODE SECONDS
//
//   bare     recvmmsg and sendmmsg on one socket: what issue 6 calls (a)
//   gro      the same with UDP_GRO and UDP_SEGMENT: (b)
//   raw      recvmmsg, then sendmmsg on a raw socket, source port kept
//   rawgro   merged datagrams received, taken apart, sent on a raw socket, source port kept
//   ports    merged datagrams received, sent merged from a socket bound to the very source port
//   packet   an AF_PACKET socket with virtio headers both ways, MAC addresses swapped, source port kept
//
// Only the last four keep what a gateway load balancer requires; the first two are the yardstick.
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/net/wire.h"
#include "tests/bench/geneve/udp.h"

namespace {

using namespace weir::bench;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kSlot = 69'696;  // 64 KiB and a stride that does not fall into one cache set

// struct virtio_net_hdr; its own header uses a keyword of C++.
struct VirtioHeader {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

struct Batch {
  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(kBatch * kSlot);
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  std::array<sockaddr_in, kBatch> names{};
  alignas(cmsghdr) std::array<std::array<char, 64>, kBatch> control{};

  std::uint8_t* slot(std::size_t i) { return memory.data() + i * kSlot; }
  int receive(int socket) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {slot(i), 65'536};
      messages[i].msg_hdr = {&names[i], sizeof names[i], &parts[i], 1, control[i].data(), control[i].size(), 0};
    }
    const int n = ::recvmmsg(socket, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (n > 0) return n;
    pollfd p{socket, POLLIN, 0};
    ::poll(&p, 1, 50);
    return 0;
  }
};

struct Sender {
  static constexpr std::size_t kMost = 1024;
  int socket = -1;
  std::array<mmsghdr, kMost> messages{};
  std::array<std::array<iovec, 2>, kMost> parts{};
  std::array<sockaddr_in, kMost> names{};
  std::array<std::array<std::uint8_t, 28>, kMost> heads{};
  std::size_t count = 0;

  void flush() {
    for (std::size_t at = 0; at < count;) {
      const int n = ::sendmmsg(socket, &messages[at], static_cast<unsigned>(count - at), 0);
      at += n > 0 ? static_cast<std::size_t>(n) : 1;
    }
    count = 0;
  }
};

// Headers of IPv4 and UDP in front of a datagram that goes back to port 6081.
void raw_add(Sender& s, const sockaddr_in& from, const in_addr& self, std::uint8_t* data, std::size_t size) {
  using weir::net::store16;
  if (s.count == Sender::kMost) s.flush();
  std::uint8_t* h = s.heads[s.count].data();
  std::memset(h, 0, 28);
  h[0] = 0x45;
  store16(h + 2, static_cast<std::uint32_t>(28 + size));
  h[6] = 0x40;
  h[8] = 64;
  h[9] = 17;
  std::memcpy(h + 12, &self, 4);
  std::memcpy(h + 16, &from.sin_addr, 4);
  std::memcpy(h + 20, &from.sin_port, 2);
  store16(h + 22, 6081);
  store16(h + 24, static_cast<std::uint32_t>(8 + size));
  s.parts[s.count] = {{{h, 28}, {data, size}}};
  s.names[s.count] = from;
  s.messages[s.count].msg_hdr = {&s.names[s.count], sizeof(sockaddr_in), s.parts[s.count].data(), 2, nullptr, 0, 0};
  ++s.count;
}

void with_segment(msghdr& m, std::array<char, 64>& control, std::size_t part) {
  m.msg_control = control.data();
  m.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
  cmsghdr* c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto size = static_cast<std::uint16_t>(part);
  std::memcpy(CMSG_DATA(c), &size, sizeof size);
}

struct Result {
  std::uint64_t packets = 0;
  std::uint64_t receives = 0;
};

Result udp_echo(const char* address, const std::string& mode, double length) {
  const int socket = udp_socket(address, 6081);
  const bool merged = mode != "bare" && mode != "raw";
  if (merged) set(socket, SOL_UDP, UDP_GRO, 1);
  Batch batch;
  Sender sender;
  sender.socket = ::socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (sender.socket < 0) die("raw socket");
  set(sender.socket, SOL_SOCKET, SO_SNDBUF, 4 << 20);
  std::map<std::uint16_t, int> ports;
  const in_addr self = endpoint(address, 0).sin_addr;
  Result result;
  const double end = seconds(CLOCK_MONOTONIC) + length;
  while (seconds(CLOCK_MONOTONIC) < end) {
    const int n = batch.receive(socket);
    for (int k = 0; k < n; ++k) {
      const auto i = static_cast<std::size_t>(k);
      msghdr& m = batch.messages[i].msg_hdr;
      const std::size_t size = batch.messages[i].msg_len;
      const std::size_t part = merged ? part_size(m, size) : size;
      result.packets += (size + part - 1) / part;
      batch.parts[i].iov_len = size;
      m.msg_control = nullptr;
      m.msg_controllen = 0;
      if (mode == "raw" || mode == "rawgro") {
        for (std::size_t at = 0; at < size; at += part) {
          raw_add(sender, batch.names[i], self, batch.slot(i) + at, std::min(part, size - at));
        }
        continue;
      }
      const std::uint16_t port = batch.names[i].sin_port;
      batch.names[i].sin_port = htons(6081);
      if (part < size) with_segment(m, batch.control[i], part);
      if (mode == "ports") {
        auto [at, fresh] = ports.try_emplace(port, -1);
        if (fresh) at->second = udp_socket(address, ntohs(port));
        ::sendmsg(at->second, &m, 0);
      }
    }
    if (n > 0) ++result.receives;
    if (mode == "bare" || mode == "gro") {
      for (int at = 0; at < n;) {
        const int sent = ::sendmmsg(socket, &batch.messages[static_cast<std::size_t>(at)], static_cast<unsigned>(n - at), 0);
        at += sent > 0 ? sent : 1;
      }
    }
    sender.flush();
  }
  return result;
}

// Frames: virtio header, Ethernet, IPv4, UDP.
Result packet_echo(const char* address, double length) {
  const int holder = udp_socket(address, 6081);  // no ICMP errors; keeps nothing
  std::array<sock_filter, 1> nothing{{{BPF_RET | BPF_K, 0, 0, 0}}};
  sock_fprog none{1, nothing.data()};
  ::setsockopt(holder, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof none);
  const int socket = ::socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));
  if (socket < 0) die("packet socket");
  set(socket, SOL_PACKET, PACKET_VNET_HDR, 1);
  int ignore = 1;
  ::setsockopt(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof ignore);
  int buffer = 64 << 20;
  ::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  buffer = 8 << 20;
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_IP);
  for (const auto* i = if_nameindex(); i->if_index != 0; ++i) {
    if (std::strcmp(i->if_name, "lo") != 0) where.sll_ifindex = static_cast<int>(i->if_index);
  }
  if (::bind(socket, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) die("bind packet");
  Batch batch;
  Result result;
  const double end = seconds(CLOCK_MONOTONIC) + length;
  while (seconds(CLOCK_MONOTONIC) < end) {
    const int n = batch.receive(socket);
    for (int k = 0; k < n; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const std::size_t size = batch.messages[i].msg_len;
      auto* virtio = reinterpret_cast<VirtioHeader*>(batch.slot(i));
      std::uint8_t* ethernet = batch.slot(i) + sizeof(VirtioHeader);
      const std::size_t payload = size - sizeof(VirtioHeader) - 42;
      const std::size_t part = virtio->gso_type == 5 ? virtio->gso_size : payload;  // GSO_UDP_L4
      result.packets += (payload + part - 1) / part;
      std::swap_ranges(ethernet, ethernet + 6, ethernet + 6);
      std::swap_ranges(ethernet + 26, ethernet + 30, ethernet + 30);
      batch.messages[i].msg_hdr = {&where, sizeof where, &batch.parts[i], 1, nullptr, 0, 0};
      where.sll_halen = 6;
      std::memcpy(where.sll_addr, ethernet, 6);
      batch.parts[i].iov_len = size;
    }
    if (n > 0) ++result.receives;
    for (int at = 0; at < n;) {
      const int sent = ::sendmmsg(socket, &batch.messages[static_cast<std::size_t>(at)], static_cast<unsigned>(n - at), 0);
      if (sent <= 0 && result.packets == 0) die("sendmmsg");
      at += sent > 0 ? sent : 1;
    }
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string mode = argv[2];
  const double length = std::strtod(argv[3], nullptr);
  const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
  const Result r = mode == "packet" ? packet_echo(argv[1], length) : udp_echo(argv[1], mode, length);
  const double used = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  std::printf("{\"packets\": %llu, \"receives\": %llu, \"cpu\": %.3f, \"seconds\": %.3f}\n",
              static_cast<unsigned long long>(r.packets), static_cast<unsigned long long>(r.receives), used, length);
}
