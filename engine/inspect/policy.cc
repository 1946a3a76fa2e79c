#include "engine/inspect/policy.h"

#include "engine/flow/flow.h"
#include "engine/inspect/flow_event.h"

namespace weir::inspect {
namespace {

// Of flow::Flow::failures: what was said of the rest of the connection. Below them: a bit for each cause.
constexpr unsigned kRestBit = 28;
static_assert(kFailureCauses <= kRestBit);

constexpr std::string_view name(Rest rest) {
  switch (rest) {
    case Rest::Unsaid: break;
    case Rest::Read: return "read";
    case Rest::Searched: return "searched";
    case Rest::Unread: return "unread";
  }
  return {};
}

// Whether it was not told yet.
bool is_news(flow::Flow& flow, FailureCause cause, Rest rest) {
  std::uint32_t bits = std::uint32_t{1} << static_cast<unsigned>(cause);
  if (rest != Rest::Unsaid) bits |= std::uint32_t{1} << (kRestBit + static_cast<unsigned>(rest));
  const bool news = (flow.failures & bits) != bits;
  flow.failures |= bits;
  return news;
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

bool about_http(FailureCause cause) {
  switch (cause) {
    case FailureCause::NotHttp:
    case FailureCause::Tls:
    case FailureCause::Http2:
    case FailureCause::ProxyProtocol:
    case FailureCause::HttpViolation:
    case FailureCause::HttpLimit:
    case FailureCause::DecodeLimit:
    case FailureCause::Transactions:
    case FailureCause::TransactionMemory:
    case FailureCause::RuleLimit:
    case FailureCause::RuleError: return true;
    default: return false;
  }
}

FailureAction fire(Context& context, FailureCause cause, flow::Flow* flow, const Circumstances& how) {
  const FailureAction action = how.refuses ? context.options.failures.action(cause) : FailureAction::Pass;
  count(context, cause, action);
  tell(context, cause, action, flow, how);
  return action;
}

void fired(Context& context, FailureCause cause, FailureAction done, flow::Flow* flow) {
  count(context, cause, done);
  tell(context, cause, done, flow);
}

void count(Context& context, FailureCause cause, FailureAction done) {
  ++context.counters.failures[static_cast<std::size_t>(cause)][static_cast<std::size_t>(done)];
}

void tell(Context& context, FailureCause cause, FailureAction done, flow::Flow* flow, const Circumstances& how) {
  if (!context.options.anomaly_events) return;
  const Rest rest = done == FailureAction::Pass ? how.rest : Rest::Unsaid;
  Event event;
  if (flow != nullptr) {
    if (!is_news(*flow, cause, rest)) return;
    event.origin = origin_of(context, *flow);
  } else {
    Timestamp& last = context.failure_told[static_cast<std::size_t>(cause)];
    if (context.now - last < seconds(1)) return;
    last = context.now;
    event.origin.time = context.now;
    event.origin.packet_number = context.packet_number;
  }
  event.type = EventType::Anomaly;
  event.anomaly = {AnomalyType::Failure, name(cause), name(done), {}, name(rest)};
  if (const FailureAction would = context.options.failures.action(cause); !how.refuses && would != done) {
    event.anomaly.would = name(would);
  }
  context.sink.write(event);
}

}  // namespace weir::inspect
