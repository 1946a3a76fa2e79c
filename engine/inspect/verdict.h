// Verdict: what is to happen on the wire after one packet (or a tick of time) was inspected.
//
// Nothing is held but fragments: a packet is forwarded as it comes, except the one that completes a unit
// under judgement, which waits for the (synchronous) rules. A dropped datagram's fragments, and those of
// a completed one, are settled with the packet that completed it. All views live until the inspector's next call.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/event.h"
#include "engine/packet.h"
#include "engine/port.h"

namespace weir::inspect {

enum class VerdictKind : std::uint8_t {
  Forward,
  Hold,     // a fragment of a datagram that is not complete: its fate comes with a later verdict
  Drop,
  Replace,  // forward `replacement` instead (a trimmed segment, a cleared urgent flag)
};

// The fate of a packet that an earlier verdict held.
struct HeldFate {
  std::uint64_t token = 0;   // Packet::token
  std::uint64_t number = 0;  // Packet::number
  Fate fate = Fate::Drop;
};

// A frame that Weir made: block page, reset, acknowledgement of discarded data. For PacketPort::inject().
struct Injection {
  Packet like;
  Towards towards = Towards::Client;
  Bytes frame;
};

struct Verdict {
  VerdictKind kind = VerdictKind::Forward;
  DropReason reason = DropReason::None;
  std::string_view detail;         // stable word for counters and logs
  Bytes replacement;               // Replace: of the same link type as the packet
  std::span<const HeldFate> held;  // fates of packets held earlier
  std::span<const Injection> inject;  // in this order; to be sent after the packet is settled
  Release release = Release::None;    // for tell_release(), with the packet that was inspected
  SequenceRange bytes;                // Release::Range: which
  AckRange acks;                      // Release::Acks: which

  [[nodiscard]] bool forwarded() const {
    return kind == VerdictKind::Forward || kind == VerdictKind::Replace;
  }
};

// Tells the port what of the packet's connection needs no more inspection; before the packet is settled.
inline void tell_release(PacketPort& port, const Packet& packet, const Verdict& verdict) {
  if (verdict.release == Release::Range) {
    port.release_bytes(packet, verdict.bytes);
  } else if (verdict.release == Release::Acks) {
    port.release_acks(packet, verdict.acks);
  } else if (verdict.release != Release::None) {
    port.release(packet, verdict.release);
  }
}

}  // namespace weir::inspect
