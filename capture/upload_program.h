// The eBPF program that lets released bytes of uploads by (docs/decisions/release.md), the map it looks into, and the
// same in C++ that tests hold it against. A socket filter, as xt_bpf runs them; it sees the packet from the IP header on.
//
//   iptables -A WEIR -m bpf --object-pinned /sys/fs/bpf/weir/uploads -j RETURN
//
// It answers 1 for a packet that is nothing but data of a direction that is in the map and that lies wholly within
// its range, else 0. A packet with SYN is never such a one: it takes the ranges of both directions out of the map.
// linux/bpf.h has the instructions (RFC 9669). Pure; nothing here talks to the kernel.
#pragma once

#include <linux/bpf.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/packet.h"
#include "engine/port.h"

namespace weir::capture {

// A direction of a connection, as its packets have it: bytes in network order, IPv4 addresses in the first four. Neither
// interfaces nor VLANs nor zones are in it, as they are not in what the engine knows of queued packets.
struct UploadKey {
  std::array<std::uint8_t, 16> source{};
  std::array<std::uint8_t, 16> destination{};
  std::array<std::uint8_t, 2> source_port{};
  std::array<std::uint8_t, 2> destination_port{};
  std::uint32_t version = 0;  // 4 or 6
  bool operator==(const UploadKey&) const = default;
};
static_assert(sizeof(UploadKey) == 40);

struct UploadRange {
  std::uint32_t first = 0;  // SequenceRange
  std::uint32_t end = 0;
  std::uint32_t queue = 0;  // whose worker said so
  std::uint32_t zero = 0;
};
static_assert(sizeof(UploadRange) == 16);

// Ranges are shorter; what is not is taken for none.
inline constexpr std::uint32_t kMostReleased = 1U << 30U;

[[nodiscard]] UploadKey reversed(const UploadKey& key);
// Of a packet from its IP header on, extension headers included; nullopt: it is not TCP, or not the beginning of it.
struct UploadPacket {
  UploadKey key;
  bool syn = false;
};
[[nodiscard]] std::optional<UploadPacket> upload_packet(Bytes packet);
// Cheaper: false for nearly all packets without SYN, never for one with it.
[[nodiscard]] bool may_be_syn(Bytes packet) noexcept;

[[nodiscard]] std::vector<bpf_insn> upload_program(int map);

// What the program answers; `find` looks into the map, `remove` takes out of it.
[[nodiscard]] bool passes_unseen(Bytes packet, const std::function<std::optional<UploadRange>(const UploadKey&)>& find,
                                 const std::function<void(const UploadKey&)>& remove);

}  // namespace weir::capture
