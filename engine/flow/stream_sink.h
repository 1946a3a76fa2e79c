// What engine/flow tells of a TCP connection, and what the listener may answer. Implemented by
// engine/inspect; by recording sinks in tests.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/packet.h"

namespace weir::flow {

class Flow;                   // engine/flow/flow.h
enum class Anomaly : std::uint8_t;  // engine/flow/flow.h

enum class Direction : std::uint8_t { ToServer = 0, ToClient = 1 };

constexpr Direction opposite(Direction d) {
  return d == Direction::ToServer ? Direction::ToClient : Direction::ToServer;
}

// Contiguous bytes that follow everything delivered before in this direction. `offset` counts from the
// first byte after the SYN (or from the first byte seen, for a flow picked up midstream); 64 bits, so it
// never wraps. The view is valid during the call.
struct StreamBytes {
  std::uint64_t offset = 0;
  Bytes bytes;
};

enum class GapCause : std::uint8_t {
  Lost,       // never captured, but acknowledged by the receiver
  Truncated,  // cut off by the snaplen
  Evicted,    // was buffered; given up under memory pressure
  Released,   // went by unread, as the listener wanted it (Tracker::release)
};

// A typed hole of known size: bytes are never invented for it.
struct StreamGap {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  GapCause cause = GapCause::Lost;
};

enum class EndCause : std::uint8_t { Fin, Reset, Timeout, Evicted, Replaced, EndOfInput };

// What the listener wants for the rest of the direction.
enum class StreamAction : std::uint8_t {
  Continue,
  Skip,  // deliver no more bytes of this direction (tunnel, not HTTP); only its end is reported
};

class StreamSink {
 public:
  StreamSink() = default;
  StreamSink(const StreamSink&) = delete;
  StreamSink& operator=(const StreamSink&) = delete;
  virtual ~StreamSink() = default;

  // The first segment of a connection was accepted. Flow::user may be set from here on.
  virtual void on_open(Flow& flow) = 0;
  virtual StreamAction on_bytes(Flow& flow, Direction direction, const StreamBytes& bytes) = 0;
  virtual StreamAction on_gap(Flow& flow, Direction direction, const StreamGap& gap) = 0;
  // No byte of this direction follows. Called once for each direction.
  virtual void on_end(Flow& flow, Direction direction, EndCause cause) = 0;
  // The flow is about to be forgotten (after on_end for both directions): release Flow::user.
  virtual void on_close(Flow& flow) = 0;
  // Something odd, at most once of each kind per flow (Flow::anomalies has the bits). `direction` is that
  // of the segment that showed it.
  virtual void on_anomaly(Flow& flow, Direction direction, Anomaly anomaly) {
    (void)flow, (void)direction, (void)anomaly;
  }
  // The flow is idle and is about to be packed; its user is null. What is to be kept for the listener in place of
  // Flow::parked, in Dormant::kKeptBits; nullopt: it is to stay as it is. What it stood for is the listener's no more.
  virtual std::optional<std::uint64_t> on_rest(Flow& flow);
  // The flow is unpacked again: `kept` is what on_rest() said.
  virtual void on_wake(Flow& flow, std::uint64_t kept);
};

}  // namespace weir::flow
