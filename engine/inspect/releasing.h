// What of a connection needs no more inspection, said to the port with the packet that shows it (engine/port.h).
//
// * All of it (Release::Both), once neither side is read: TLS, a tunnel that the server agreed to, a port or a site
//   that is not looked at, a connection that a policy lets by. Nothing brings it back but a SYN.
// * The server's direction (Release::This), while the rest of a body comes in which no rule takes an interest. The
//   client's direction is always read. Its next data, or the end of the body, brings the server's back (Resume).
// * Bytes of the client's direction (Release::Range), while the rest of a body of known length comes in which no rule
//   takes an interest: no more than those, so that the next request is read wherever it begins. The server's direction
//   is always read. Its first answer, or the end of the body, takes them back (Resume).
// * Bare acknowledgements of what is released in one of the two last ways (Release::Acks), but for one now and then.
//   Whatever takes that back takes them back too.
//
// docs/decisions/release.md says why no more than that.
#pragma once

#include "engine/flow/tracker.h"
#include "engine/inspect/context.h"
#include "engine/inspect/session.h"
#include "engine/net/segment.h"
#include "engine/port.h"

namespace weir::inspect {

struct Releasing {
  Release what = Release::None;
  SequenceRange bytes = {};  // Release::Range: which
  AckRange acks = {};        // Release::Acks: which
};

// After a segment that is let through. `session`: of its flow; null if it has none.
[[nodiscard]] Releasing release_after(Context& context, flow::Tracker& tracker, const flow::SegmentVerdict& judged,
                                      const net::TcpSegment& segment, const Session* session);
// After one that is not: bytes that were released are taken back from a connection that is refused.
[[nodiscard]] Release release_after_drop(Context& context, const flow::SegmentVerdict& judged);

}  // namespace weir::inspect
