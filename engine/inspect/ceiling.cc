#include "engine/inspect/ceiling.h"

#include <algorithm>

#include "engine/flow/tracker.h"
#include "engine/inspect/parked.h"
#include "engine/inspect/session.h"
#include "engine/net/fragment.h"
#include "rules/program.h"

namespace weir::inspect {
namespace {

// Of a transaction besides bodies: header section, arguments, values under transformation.
constexpr std::uint64_t kTransaction = 256ULL << 10U;

struct NoStream final : flow::StreamSink {
  void on_open(flow::Flow& flow) override { static_cast<void>(flow); }
  flow::StreamAction on_bytes(flow::Flow& flow, flow::Direction direction,
                              const flow::StreamBytes& bytes) override {
    static_cast<void>(flow), static_cast<void>(direction), static_cast<void>(bytes);
    return flow::StreamAction::Skip;
  }
  flow::StreamAction on_gap(flow::Flow& flow, flow::Direction direction,
                            const flow::StreamGap& gap) override {
    static_cast<void>(flow), static_cast<void>(direction), static_cast<void>(gap);
    return flow::StreamAction::Skip;
  }
  void on_end(flow::Flow& flow, flow::Direction direction, flow::EndCause cause) override {
    static_cast<void>(flow), static_cast<void>(direction), static_cast<void>(cause);
  }
  void on_close(flow::Flow& flow) override { static_cast<void>(flow); }
};

}  // namespace

Ceiling ceiling(const InspectorOptions& options, const rules::RuleSet* rules) {
  Ceiling out;
  NoStream sink;
  flow::FlowOptions flow;
  flow.mode = options.stance == Stance::Inline ? flow::Mode::Inline : flow::Mode::Passive;
  out.connections = flow::Tracker(options.flow_limits, flow, sink).memory_ceiling();
  out.fragments = net::Defragmenter(options.fragment_limits, net::FragmentPolicy::Strict, {}).memory();
  std::uint64_t one = kTransaction + options.early_response_bytes;
  if (rules != nullptr) {
    const rules::Settings& settings = rules->program().settings;
    if (settings.request_body_access) one += settings.request_body_limit;
    if (settings.response_body_access) one += settings.response_body_limit;
  }
  out.transactions = std::min(one * options.transactions, options.transaction_bytes);
  const std::uint64_t parked =
      sizeof(ParkedSession) + (options.client.proxy_protocol == ProxyProtocol::Off ? 0 : sizeof(ProxiedClient));
  out.sessions = options.flow_limits.flows * (parked + sizeof(Session));
  out.decoders = options.decoder_bytes;
  return out;
}

}  // namespace weir::inspect
