// Ingress: from a packet to the TCP segment in it. Decodes every layer, verifies checksums where that is
// possible, puts fragments together, and counts what it meets. Packets that Weir does not inspect (no IP,
// no TCP) pass.
//
// An Inspector has one of its own. Where several inspectors share one input, whoever spreads the packets
// uses a single Ingress in front of them, since fragments have no ports and what is known of a sending
// host's checksums is known of all its connections.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/inspect/options.h"
#include "engine/inspect/verdict.h"
#include "engine/net/checksum.h"
#include "engine/net/decode.h"
#include "engine/net/fragment.h"
#include "engine/net/segment.h"
#include "engine/net/tcp.h"
#include "engine/packet.h"

namespace weir::inspect {

class Ingress {
 public:
  explicit Ingress(const InspectorOptions& options);
  Ingress(const Ingress&) = delete;
  Ingress& operator=(const Ingress&) = delete;

  struct Result {
    // Where it is, `verdict` is that of the segment's inspection; views live until the next call.
    const net::TcpSegment* segment = nullptr;
    Verdict verdict;
    // With `segment`: what it was taken from.
    const net::Datagram* datagram = nullptr;
    // The fragments that `segment` was made of: they share its fate.
    std::span<const HeldFate> held;
    // Where the verdict is a drop: the failure that it is, if it is one.
    std::optional<FailureCause> cause = std::nullopt;
    // Fragments of others, among `held`, had to make room; they are counted.
    bool made_room = false;
  };
  Result on_packet(const Packet& packet, InspectorCounters& counters) noexcept;
  // Inline: fragments whose datagram was not completed in time. Views live until the next call.
  std::span<const HeldFate> on_time(Timestamp now, InspectorCounters& counters) noexcept;

 private:
  [[nodiscard]] Result datagram(const net::Datagram& datagram, InspectorCounters& counters);
  [[nodiscard]] Result refused(DropReason reason, std::string_view detail,
                               std::optional<FailureCause> cause = std::nullopt) const;
  // True if some had to go for want of room.
  bool lost(std::span<const net::LostPacket> packets, InspectorCounters& counters);

  bool inline_;
  bool detect_offload_;
  FailureAction no_room_;  // what becomes of fragments that must go
  net::DecodeOptions decoding_;
  net::OffloadDetector offload_;
  net::Defragmenter fragments_;
  net::Decoded decoded_;
  net::TcpParsed parsed_;
  std::vector<HeldFate> held_;
};

// The same for both directions of a connection: which of several inspectors is to have it.
[[nodiscard]] std::uint64_t connection_hash(const net::TcpSegment& segment);

}  // namespace weir::inspect
