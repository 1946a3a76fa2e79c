#include "engine/inspect/flow_event.h"

#include <string_view>

#include "engine/inspect/session.h"

namespace weir::inspect {
namespace {

using flow::Direction;
using flow::Flow;

std::string_view name_of(flow::EndCause cause) {
  switch (cause) {
    case flow::EndCause::Fin: return "fin";
    case flow::EndCause::Reset: return "rst";
    case flow::EndCause::Timeout: return "timeout";
    case flow::EndCause::Evicted: return "evicted";
    case flow::EndCause::Replaced: return "replaced";
    case flow::EndCause::EndOfInput: break;
  }
  return "shutdown";
}

std::string_view name_of(flow::Anomaly anomaly) {
  switch (anomaly) {
    case flow::Anomaly::OverlapConflict: return "overlap-conflict";
    case flow::Anomaly::UrgentData: return "urgent-data";
    case flow::Anomaly::SynData: return "syn-data";
    case flow::Anomaly::SeveralSyns: return "several-syns";
    case flow::Anomaly::SynInEstablished: return "syn-in-established";
    case flow::Anomaly::RefusedData: return "refused-data";
    case flow::Anomaly::RescuedData: return "rescued-data";
    case flow::Anomaly::BadReset: return "bad-reset";
    case flow::Anomaly::DataAfterEnd: return "data-after-end";
    case flow::Anomaly::ManySegments: return "many-segments";
  }
  return "odd";
}

std::string_view protocol_of(const SessionFacts* facts) {
  if (facts == nullptr) return "unknown";
  if (facts->spoke_http) return "http";
  if (facts->tls) return "tls";
  if (facts->http2) return "http2";
  return "unknown";
}

std::string_view state_of(const Flow& flow, flow::EndCause cause) {
  const flow::HalfStream& to_server = flow.half(Direction::ToServer);
  const flow::HalfStream& to_client = flow.half(Direction::ToClient);
  if (cause == flow::EndCause::Fin || cause == flow::EndCause::Reset) return "closed";
  if (flow.bypassed || flow.away || (to_server.skip && to_client.skip)) return "bypassed";
  return flow.bytes[0] + flow.bytes[1] == 0 ? "new" : "established";
}

}  // namespace

EventOrigin origin_of(const Context& context, const Flow& flow) {
  EventOrigin origin;
  origin.time = context.now;
  origin.flow_id = exact_id(flow.id);
  origin.packet_number = context.packet_number;
  origin.client = flow.client().address;
  origin.client_port = flow.client().port;
  origin.server = flow.server().address;
  origin.server_port = flow.server().port;
  return origin;
}

void tell_flow(Context& context, const Flow& flow, const SessionFacts* facts, flow::EndCause cause) {
  if (!context.options.flow_events) return;
  Event event;
  event.type = EventType::Flow;
  event.origin = origin_of(context, flow);
  FlowPart& part = event.flow;
  part.start = flow.first_time;
  part.end = flow.last_time;
  part.pkts_toserver = flow.packets[0];
  part.pkts_toclient = flow.packets[1];
  part.bytes_toserver = flow.bytes[0];
  part.bytes_toclient = flow.bytes[1];
  part.state = state_of(flow, cause);
  part.reason = name_of(cause);
  part.app_proto = protocol_of(facts);
  if (facts != nullptr) {
    part.transactions = facts->transactions;
    part.alerted = facts->alerted;
    part.blocked = facts->blocked;
  }
  part.blocked = part.blocked || flow.refused;
  part.midstream = !flow.handshake_seen;
  part.one_sided = !flow.half(Direction::ToServer).anchored || !flow.half(Direction::ToClient).anchored;
  context.sink.write(event);
}

void tell_anomaly(Context& context, const Flow& flow, Direction direction, flow::Anomaly anomaly) {
  (void)direction;
  if (!context.options.anomaly_events) return;
  Event event;
  event.type = EventType::Anomaly;
  event.origin = origin_of(context, flow);
  event.anomaly = {AnomalyType::Stream, name_of(anomaly), {}};
  context.sink.write(event);
}

}  // namespace weir::inspect
