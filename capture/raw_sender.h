// Sends IP packets that Weir made: routed ones through raw sockets, with a mark by which the firewall
// rules let them by; bridged ones as frames on the bridge port itself, where no rule sees them. Either way
// they do not come back into a queue.
#pragma once

#include <cstdint>
#include <memory>

#include "capture/neighbours.h"
#include "engine/packet.h"
#include "engine/result.h"

namespace weir::capture {

class RawSender {
 public:
  // Needs CAP_NET_RAW, and CAP_NET_ADMIN for the mark. IPv6 may be missing on the host: then only sending
  // IPv6 fails.
  static Result<std::unique_ptr<RawSender>> open(std::uint32_t mark);
  RawSender(const RawSender&) = delete;
  RawSender& operator=(const RawSender&) = delete;
  ~RawSender();

  // A whole IP packet, with its checksums.
  Result<void> send(Bytes packet) noexcept;
  // The same as an Ethernet frame.
  Result<void> send(Bytes packet, const Neighbour& to, const std::array<std::uint8_t, 6>& from) noexcept;

 private:
  RawSender() = default;
  int ip4_ = -1;
  int ip6_ = -1;
  int frames_ = -1;
};

// Source and destination of an IP packet; false if it is none.
[[nodiscard]] bool addresses_of(Bytes packet, IpAddress& source, IpAddress& destination) noexcept;

}  // namespace weir::capture
