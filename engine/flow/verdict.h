// SegmentVerdict: what the TCP model says of one segment.
//
// "Forward" cannot be said without an Accepted, and only the Tracker can make one, at the place where the
// segment has become part of the model (or an explicit policy lets it pass). There is no default accept:
// a verdict that nobody made is a drop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/flow/stream_sink.h"
#include "engine/port.h"

namespace weir::flow {

enum class DropReason : std::uint8_t {
  None,
  NotExamined,
  BadChecksum,
  MalformedOptions,
  Authentication,       // TCP-MD5 or TCP-AO: an endpoint without the key discards it
  InvalidFlags,
  NoAckFlag,
  SynData,
  BadSynAck,            // acknowledges no SYN that was seen
  HandshakeIncomplete,
  HandshakeLimit,       // too many differing SYNs or SYN/ACKs
  SimultaneousOpen,
  Midstream,            // the connection's start was not seen
  OutOfWindow,
  BadAck,               // RFC 5961 5.2
  OldTimestamp,         // PAWS, RFC 7323 5
  BadReset,             // RFC 5961 3.2
  AfterReset,
  AfterFin,
  FinConflict,          // a FIN at another place than the first, or data across it
  OverlapConflict,
  Truncated,            // cut by the snaplen: cannot be inspected
  DirectionLimit,       // FlowLimits::direction_bytes or direction_segments
  MemoryLimit,          // FlowLimits::buffered_bytes
  FlowLimit,            // FlowLimits::flows or half_open
  Refused,              // the listener refused the connection before
  OneSided,             // the other end's part of the handshake never came by
  Unseen,               // the server acknowledges what never came by
  WrongSide,            // in the server's name, from the client's side
  Poisoned,             // the connection's start was not seen, and FlowOptions::poisoned has it
};
inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(DropReason::Poisoned) + 1;

// kebab-case, as in events and metrics: "out-of-window".
[[nodiscard]] std::string_view name(DropReason reason);

class Tracker;

// Proof that the segment was accepted into the model.
class Accepted {
  friend class Tracker;
  Accepted() = default;
};

class SegmentVerdict {
 public:
  SegmentVerdict() = default;  // a drop
  static SegmentVerdict forward(Accepted) {
    SegmentVerdict v;
    v.fate_ = Fate::Forward;
    v.reason_ = DropReason::None;
    return v;
  }
  static SegmentVerdict drop(DropReason reason) {
    SegmentVerdict v;
    v.reason_ = reason;
    return v;
  }

  // Passive: what a strict inline Weir in the endpoint's place would do. Dropped data was not delivered
  // (unless the receiver's acknowledgement later proves that it was taken).
  [[nodiscard]] Fate fate() const { return fate_; }
  [[nodiscard]] DropReason reason() const { return reason_; }

  bool clear_urgent = false;     // forward with URG and the urgent pointer zeroed
  bool strip_fast_open = false;  // forward with the TFO option replaced by NOPs
  bool reject = false;           // dropped, and both ends should get a RST (MidstreamPolicy::Reject)
  bool retransmission = false;   // carried payload, all of it known already
  bool opened = false;           // on_open was called for this segment
  // Inline, with `flow`: the sender's contiguous bytes that were let through before this segment, as an
  // offset; and whether some beyond them were, too.
  std::int64_t before = 0;
  bool ahead = false;
  // HalfStream::cut: only `kept` bytes of the payload, from `seq` on, may go on, and no FIN.
  bool trimmed = false;
  std::uint32_t seq = 0;
  std::uint32_t kept = 0;
  Flow* flow = nullptr;          // null while half-open or unknown; valid until the next Tracker call
  Direction direction = Direction::ToServer;  // of the segment; only meaningful with `flow`
  std::uint64_t delivered = 0;   // bytes handed to the listener during this call, both directions

 private:
  Fate fate_ = Fate::Drop;
  DropReason reason_ = DropReason::NotExamined;
};

struct FlowCounters {
  std::uint64_t segments = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t forwarded = 0;
  std::array<std::uint64_t, kDropReasons> dropped{};  // by DropReason
  std::uint64_t opened = 0;         // flows past the handshake or adopted
  std::uint64_t adopted = 0;        // of these, midstream
  std::uint64_t passed_midstream = 0;  // segments let through uninspected by MidstreamPolicy::Pass
  std::uint64_t half_open = 0;      // half-open connections begun
  std::uint64_t half_open_expired = 0;
  std::uint64_t half_open_evicted = 0;
  std::array<std::uint64_t, 6> ended{};    // directions, by EndCause
  std::array<std::uint64_t, 4> evicted{};  // flows: closed, skipped, idle, busy
  std::uint64_t stalled_evicted = 0;       // flows: of which bytes were kept and none were acknowledged
  std::uint64_t delivered_bytes = 0;
  std::uint64_t gaps = 0;
  std::uint64_t gap_bytes = 0;
  std::uint64_t released_bytes = 0;  // went by unseen (Tracker::release)
  std::uint64_t retransmissions = 0;
  std::uint64_t conflicts = 0;      // overlaps that differ
  std::uint64_t suspects = 0;       // segments set aside
  std::uint64_t rescued = 0;        // of these, acknowledged by the receiver after all
  std::uint64_t one_sided = 0;      // flows of which only one direction was ever seen, at their end
  std::uint32_t flows_now = 0;
  std::uint32_t half_open_now = 0;
  std::uint64_t buffered_now = 0;   // bytes of pages in use
};

}  // namespace weir::flow
