// A short look at the packet inside: is it TCP, between which ports, and to which worker does it
// belong.
//
// The look is cautious. `NotTcp` is said only of what no host takes for TCP; whatever is odd (a
// header that says more than is there, a chain of extension headers that is too long) is `Unclear`,
// and the engine with its complete decoder has the word. Pure, noexcept, no allocation, no
// recursion.
//
// Sources: RFC 791, RFC 8200 4, RFC 9293 3.1. Tested by tests/unit/geneve/inner_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/packet.h"

namespace weir::geneve {

enum class InnerKind : std::uint8_t {
  Tcp,            // with its ports
  FirstFragment,  // of TCP, with its ports
  LaterFragment,  // of TCP: no ports
  NotTcp,         // ICMP, UDP, ESP, tunnels, no IP at all
  Unclear,
};

struct Inner {
  InnerKind kind = InnerKind::Unclear;
  std::uint8_t version = 0;  // 4 or 6; 0: no IP header could be read
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t fragment_id = 0;
  std::uint32_t tcp_at = 0;  // offset of the TCP header where there are ports

  [[nodiscard]] bool has_ports() const {
    return kind == InnerKind::Tcp || kind == InnerKind::FirstFragment;
  }
  [[nodiscard]] bool fragment() const {
    return kind == InnerKind::FirstFragment || kind == InnerKind::LaterFragment;
  }
};

// `ip` begins with an IP header; `protocol` is the EtherType in front of it. Another EtherType than
// those of IP is NotTcp.
[[nodiscard]] Inner look(Bytes ip, std::uint16_t protocol) noexcept;

// What a TCP packet has besides numbers. `ip` as given to look(), of which `inner` has ports.
struct TcpSigns {
  std::uint8_t flags = 0xff;
  bool data = true;  // or so it may be
};
[[nodiscard]] TcpSigns signs(Bytes ip, const Inner& inner) noexcept;

// The sequence number and the length of its data, if the packet is nothing else: a TCP packet without IP options, extension
// headers or padding, of TCP's flags ACK and perhaps PSH, no urgent pointer, no reserved bit.
struct TcpData {
  std::uint32_t seq = 0;
  std::uint32_t length = 0;  // not 0
};
[[nodiscard]] std::optional<TcpData> only_data(Bytes ip, const Inner& inner) noexcept;

// Which flows of the inner packets meet in one worker: the same for both directions. Also computed
// in the kernel (geneve/steer.h), so it is simple: the two constants, odd and secret, keep
// strangers from choosing the worker.
struct SteerKey {
  std::uint32_t addresses = 0x9e3779b1;
  std::uint32_t ports = 0x85ebca6b;
};

// Of a packet without ports, or of a fragment, the addresses alone count. `ip` as given to look().
[[nodiscard]] std::uint32_t steer_hash(Bytes ip, const Inner& inner, const SteerKey& key) noexcept;
// Of `workers` that there are, 1..255.
[[nodiscard]] constexpr std::uint32_t steer(std::uint32_t hash, std::uint32_t workers) noexcept {
  return (hash >> 16) % workers;
}

}  // namespace weir::geneve
