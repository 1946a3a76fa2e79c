// Every bound on memory that an operator may set (`limits:` in the configuration). Each room has its own
// section; everything is reserved at start from these figures, per worker, and nothing grows beyond them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

// engine/net: IP datagrams whose fragments have not all arrived.
struct FragmentLimits {
  // Datagrams under assembly at once (about 2.5 KiB each, besides their bytes).
  std::uint32_t datagrams = 1'024;
  // Bytes of fragments held, in pages of 2 KiB.
  std::uint64_t bytes = 8ULL << 20;
  // Packets held, whatever their size.
  std::uint32_t packets = 16'384;
  bool operator==(const FragmentLimits&) const = default;
};

// engine/flow: TCP connections and their buffers.
struct FlowLimits {
  // Connections past the handshake (about 0.6 KiB each; idle ones touch 136 bytes), including those just closed.
  std::uint32_t flows = 131'072;
  // Connections of which only SYN and SYN/ACK were seen (84 bytes each; IPv6 48 more).
  std::uint32_t half_open = 131'072;
  // Repeated, differing SYNs and SYN/ACKs of half-open connections, and data in SYNs (0.25 KiB each).
  std::uint32_t handshake_extras = 4'096;
  // Bytes held for all directions together: out of order, or forwarded and not yet acknowledged.
  std::uint64_t buffered_bytes = 256ULL << 20;
  // Bytes held for one direction. Inline it also bounds how far a sender may run ahead of its receiver: Linux's
  // receivers offer up to 6 MiB unless told otherwise.
  std::uint32_t direction_bytes = 8U << 20;
  // Out-of-order segments that one direction may have waiting behind a hole.
  std::uint32_t direction_segments = 4'096;
  // Segments set aside because an endpoint should refuse them, until its answer shows whether it did
  // (passive only; 2 KiB each), in all and for one direction.
  std::uint32_t suspects = 4'096;
  std::uint32_t direction_suspects = 32;
  // Boundaries of out-of-order segments, for the overlap policies that depend on them (passive only).
  std::uint32_t pieces = 65'536;
  bool operator==(const FlowLimits&) const = default;
};

}  // namespace weir
