// What of a connection needs no more inspection, said to the port with the packet that shows it (engine/port.h).
//
// * All of it (Release::Both), once neither side is read: TLS, a tunnel that the server agreed to, a port or a site
//   that is not looked at, a connection that a policy lets by. Nothing brings it back but a SYN.
// * The server's direction (Release::This), while the rest of a body comes in which no rule takes an interest. The
//   client's direction is always read. Its next data, or the end of the body, brings the server's back (Resume).
//
// docs/decisions/release.md says why no more than that.
#pragma once

#include "engine/flow/tracker.h"
#include "engine/inspect/context.h"
#include "engine/inspect/session.h"
#include "engine/net/segment.h"
#include "engine/port.h"

namespace weir::inspect {

// After a segment that is let through. `session`: of its flow; null if it has none.
[[nodiscard]] Release release_after(Context& context, flow::Tracker& tracker, const flow::SegmentVerdict& judged,
                                    const net::TcpSegment& segment, const Session* session);

}  // namespace weir::inspect
