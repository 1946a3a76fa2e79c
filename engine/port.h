// PacketPort: where packets come from and go back to. Implemented by capture/ and geneve/, used by the
// workers in app/. One instance per worker; all packets of one flow come to the same instance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir {

enum class Fate : std::uint8_t { Forward, Drop };

// Which endpoint an invented packet is meant for.
enum class Towards : std::uint8_t { Client, Server };

struct PortStats {
  std::uint64_t packets = 0;   // delivered by receive()
  std::uint64_t bytes = 0;
  std::uint64_t dropped = 0;   // lost before receive(): full queue, ring or socket buffer
  std::uint64_t forwarded = 0;
  std::uint64_t discarded = 0;
  std::uint64_t injected = 0;
  std::uint64_t errors = 0;
};

struct Received {
  std::size_t count = 0;   // packets written to the span; 0 with !ended is a timeout
  bool ended = false;      // no packet will ever follow (end of a capture)
};

class PacketPort {
 public:
  PacketPort() = default;
  PacketPort(const PacketPort&) = delete;
  PacketPort& operator=(const PacketPort&) = delete;
  virtual ~PacketPort() = default;

  // Fills `out` with up to out.size() packets, waiting at most `wait` for the first.
  virtual Result<Received> receive(std::span<Packet> out, Duration wait) = 0;
  // Exactly once for each received packet, in any order. Afterwards its bytes are gone.
  virtual void settle(const Packet& packet, Fate fate) = 0;
  // Sends a frame that Weir made, of the same link type as `like`, in the envelope `like` came in.
  virtual Result<void> inject(const Packet& like, Towards towards, Bytes frame) = 0;
  [[nodiscard]] virtual PortStats stats() const = 0;
};

}  // namespace weir
