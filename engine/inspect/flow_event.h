// Events about connections: `flow` at their end, `anomaly` for what was odd in them.
#pragma once

#include "engine/flow/flow.h"
#include "engine/inspect/context.h"

namespace weir::inspect {

struct SessionFacts;  // engine/inspect/session.h

// Of what happens now to the connection.
[[nodiscard]] EventOrigin origin_of(const Context& context, const flow::Flow& flow);

// The connection is over for `cause`. `facts`: null if nobody looked into it.
void tell_flow(Context& context, const flow::Flow& flow, const SessionFacts* facts, flow::EndCause cause);
void tell_anomaly(Context& context, const flow::Flow& flow, flow::Direction direction, flow::Anomaly anomaly);

}  // namespace weir::inspect
