// The eBPF program that lets released bytes of uploads by, and bare acknowledgements of what is released
// (docs/decisions/release.md), the map it looks into, and the same in C++ that tests hold it against. A socket filter, as
// xt_bpf runs them; it sees the packet from the IP header on.
//
//   iptables -A WEIR -m bpf --object-pinned /sys/fs/bpf/weir/uploads -j RETURN
//
// It answers 1 for a packet that is nothing but data of a direction that is in the map and that lies wholly within
// its range; or, where the range is one of acknowledgements, for a packet that is nothing but one of those; else 0. Of
// acknowledgements one in each 4 MiB of progress and in each second comes by all the same (0). A packet with
// SYN is never such a one: it takes the ranges of both directions out of the map.
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
  std::uint32_t acks = 0;   // 1: it is of acknowledgement numbers; 0: of bytes
  // Of acknowledgements only:
  std::uint32_t seq = 0;    // which all of them have
  std::uint32_t part = 0;   // of the one that came by last: its distance from `first` in kAckParts,
  std::uint32_t tick = 0;   // and its time in kAckTicks
  std::uint32_t zero = 0;
};
static_assert(sizeof(UploadRange) == 32);

// Ranges are shorter; what is not is taken for none.
inline constexpr std::uint32_t kMostReleased = 1U << 30U;
inline constexpr std::uint32_t kAckPartBits = 22;  // 4 MiB
inline constexpr std::uint32_t kAckTickBits = 30;  // of nanoseconds: a good second

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

// What the program answers at `now` (nanoseconds of CLOCK_MONOTONIC); `find` looks into the map, null if there is none,
// `remove` takes out of it.
[[nodiscard]] bool passes_unseen(Bytes packet, std::uint64_t now, const std::function<UploadRange*(const UploadKey&)>& find,
                                 const std::function<void(const UploadKey&)>& remove);

}  // namespace weir::capture
