#include "engine/inspect/policy.h"

#include "engine/flow/flow.h"
#include "engine/inspect/flow_event.h"

namespace weir::inspect {
namespace {

void tell(Context& context, FailureCause cause, FailureAction action, flow::Flow* flow) {
  if (!context.options.anomaly_events) return;
  const auto bit = std::uint32_t{1} << static_cast<unsigned>(cause);
  Event event;
  if (flow != nullptr) {
    if ((flow->failures & bit) != 0) return;
    flow->failures |= bit;
    event.origin = origin_of(context, *flow);
  } else {
    Timestamp& last = context.failure_told[static_cast<std::size_t>(cause)];
    if (context.now - last < seconds(1)) return;
    last = context.now;
    event.origin.time = context.now;
    event.origin.packet_number = context.packet_number;
  }
  event.type = EventType::Anomaly;
  event.anomaly = {AnomalyType::Failure, name(cause), name(action)};
  context.sink.write(event);
}

}  // namespace

void set_policies(flow::FlowOptions& flow, const InspectorOptions& options) {
  const FailurePolicies& failures = options.failures;
  switch (failures.action(FailureCause::Midstream)) {
    case FailureAction::Pass: flow.midstream = flow::MidstreamPolicy::Adopt; break;
    case FailureAction::Drop: flow.midstream = flow::MidstreamPolicy::Drop; break;
    case FailureAction::Reset: flow.midstream = flow::MidstreamPolicy::Reject; break;
  }
  flow.midstream_grace = options.midstream_grace;
  flow.one_sided = failures.action(FailureCause::Asymmetric) == FailureAction::Pass;
  flow.unseen = failures.action(FailureCause::Unseen) == FailureAction::Pass;
}

http::ParserOptions parser_options(const InspectorOptions& options) {
  if (options.stance == Stance::Passive) return http::ParserOptions::passive();
  http::ParserOptions parser = http::ParserOptions::inline_strict();
  for (std::size_t i = 0; i < http::kViolationCount; ++i) {
    const auto violation = static_cast<http::Violation>(i);
    const std::optional<FailureCause> cause = cause_of(violation);
    if (!cause) continue;
    if (options.failures.action(*cause) == FailureAction::Pass) {
      parser.tolerate(violation);
    } else if (*cause == FailureCause::Tls || *cause == FailureCause::Http2 || *cause == FailureCause::NotHttp) {
      parser.refuse(http::Side::Request, violation);
    }
  }
  // h2c is offered by clients that go on in HTTP/1 all the same; the server's consent is what counts.
  for (auto& refused : parser.refused) refused.erase(http::Violation::UpgradeToHttp2);
  return parser;
}

std::optional<FailureCause> cause_of(flow::DropReason reason) {
  switch (reason) {
    case flow::DropReason::BadChecksum: return FailureCause::BadChecksum;
    case flow::DropReason::MemoryLimit: return FailureCause::StreamMemory;
    case flow::DropReason::DirectionLimit: return FailureCause::StreamLimit;
    case flow::DropReason::FlowLimit: return FailureCause::FlowTable;
    case flow::DropReason::HandshakeLimit: return FailureCause::HandshakeMemory;
    case flow::DropReason::Midstream: return FailureCause::Midstream;
    case flow::DropReason::Poisoned: return FailureCause::Poisoned;
    case flow::DropReason::OneSided: return FailureCause::Asymmetric;
    case flow::DropReason::Unseen: return FailureCause::Unseen;
    default: return std::nullopt;
  }
}

std::optional<FailureCause> cause_of(http::Violation violation) {
  switch (violation) {
    case http::Violation::NotHttp: return FailureCause::NotHttp;
    case http::Violation::TlsHello: return FailureCause::Tls;
    case http::Violation::Http2Preface:
    case http::Violation::UpgradeToHttp2:
    case http::Violation::SwitchToHttp2: return FailureCause::Http2;
    case http::Violation::RequestLineTooLong:
    case http::Violation::StatusLineTooLong:
    case http::Violation::HeaderLineTooLong:
    case http::Violation::HeadersTooLarge:
    case http::Violation::HeadersTooMany:
    case http::Violation::ChunkExtensionTooLong:
    case http::Violation::PipelineTooDeep: return FailureCause::HttpLimit;
    case http::Violation::ContentCodingUnknown:
    case http::Violation::ContentCodingLayers:
    case http::Violation::ContentCodingBomb:
    case http::Violation::ContentCodingMemory: return FailureCause::DecodeLimit;
    default: break;
  }
  if (http::default_disposition(violation) == http::Disposition::Refuse) return FailureCause::HttpViolation;
  return std::nullopt;
}

std::optional<FailureCause> cause_of(net::FragmentLoss loss) {
  switch (loss) {
    case net::FragmentLoss::DatagramLimit:
    case net::FragmentLoss::ByteLimit:
    case net::FragmentLoss::PacketLimit: return FailureCause::FragmentMemory;
    default: return std::nullopt;
  }
}

bool means_no_http(http::Violation violation) {
  return violation == http::Violation::NotHttp || violation == http::Violation::TlsHello ||
         violation == http::Violation::Http2Preface;
}

FailureAction fire(Context& context, FailureCause cause, flow::Flow* flow) {
  const FailureAction action = context.options.failures.action(cause);
  fired(context, cause, action, flow);
  return action;
}

void fired(Context& context, FailureCause cause, FailureAction done, flow::Flow* flow) {
  ++context.counters.failures[static_cast<std::size_t>(cause)][static_cast<std::size_t>(done)];
  tell(context, cause, done, flow);
}

}  // namespace weir::inspect
