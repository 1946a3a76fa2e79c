// Session: by which policy a request is judged, and when the rules get to know it. Where its host or path has a say
// in that, the rules wait for the end of its header section; nothing on the wire does: phase 1 comes then anyway.
#include <optional>
#include <utility>

#include "engine/inspect/client_address.h"
#include "engine/inspect/policy.h"
#include "engine/inspect/session.h"
#include "engine/inspect/sites.h"
#include "rules/ascii.h"

namespace weir::inspect {
namespace {

std::optional<rules::EngineMode> engine_mode(WafMode mode) {
  switch (mode) {
    case WafMode::Off: return rules::EngineMode::Off;
    case WafMode::Detect: return rules::EngineMode::DetectionOnly;
    case WafMode::Block: return rules::EngineMode::On;
  }
  return std::nullopt;
}

}  // namespace

std::shared_ptr<const Sites> without_sites(const InspectorOptions& options,
                                           std::shared_ptr<const rules::RuleSet> rules) {
  SitePolicy everything;
  everything.rules = std::move(rules);
  everything.mode = options.mode;
  everything.paranoia = options.paranoia;
  for (const std::string& name : options.tolerated) tolerate(everything, name);
  return std::make_shared<const Sites>(std::move(everything));
}

std::vector<Leniency> leniencies() {
  std::vector<Leniency> out;
  for (std::size_t i = 0; i < http::kViolationCount; ++i) {
    const auto violation = static_cast<http::Violation>(i);
    if (cause_of(violation) == FailureCause::HttpViolation) out.push_back({http::name(violation), http::describe(violation)});
  }
  return out;
}

void tolerate(SitePolicy& policy, std::string_view name) {
  if (const auto violation = http::violation_of(name)) policy.tolerated.insert(*violation);
}

void Context::use(std::shared_ptr<const Sites> judges) {
  sites = std::move(judges);
  ++generation;
  http::ParserOptions next = strict;
  sites->let_by().for_each([&next](http::Violation violation) { next.tolerate(violation); });
  if (parsers.empty() || parsers.back().refused != next.refused) parsers.push_back(next);
}

const Sites::Reach& Session::reach() {
  if (generation_ != context_.generation) {  // reloaded meanwhile
    generation_ = context_.generation;
    reach_ = context_.sites->reach(origin_.server, origin_.server_port);
  }
  return reach_;
}

bool Session::must_wait() {
  // A header section that is never finished then costs its bytes, not what the rules need to judge it.
  const bool scarce = context_.counters.held > context_.options.transaction_bytes / 2;
  return !reach().settled || scarce || (context_.options.client.header != ForwardedHeader::None &&
                             trusted(context_.options.client, client_.address));
}

// From the values of the field that the operator named, all of them, for a message may have several.
void Session::choose_client(Exchange& exchange) {
  const ClientAddressOptions& options = context_.options.client;
  exchange.client = client_;
  if (options.header == ForwardedHeader::None) return;
  std::vector<std::string_view>& values = context_.forwarded;
  values.clear();
  Words::Reader head(exchange.head);
  while (head.left() > 1) {
    const std::string_view name = head.next(), value = head.next();
    if (rules::fold_equal(name, field_name(options.header))) values.push_back(value);
  }
  exchange.client = client_of(options, client_, values);
}

void Session::choose_policy(Exchange& exchange) {
  const Sites::Reach& reach = this->reach();
  exchange.sites = context_.sites;
  if (reach.settled) {
    exchange.policy = &exchange.sites->settled(reach);
    return;
  }
  context_.place.read(exchange.url.value, exchange.hostname.value);
  exchange.policy = &exchange.sites->choose(origin_.server, origin_.server_port, reach, context_.place);
}

void Session::begin_judging(Exchange& exchange) {
  exchange.waiting = false;
  choose_policy(exchange);
  choose_client(exchange);
  IdBuffer buffer{};
  rules::Transaction::Peers peers;
  peers.client = exchange.client.address;
  peers.server = origin_.server;
  peers.client_port = exchange.client.port != 0 ? exchange.client.port : origin_.client_port;
  peers.server_port = origin_.server_port;
  rules::TraceSink* const trace = context_.tracing.sink_for(origin_.flow_id, exchange.id);
  exchange.tx.begin(exchange.policy->rules, peers, unique_id(buffer, origin_.flow_id, exchange.id), exchange.time,
                    engine_mode(exchange.policy->mode), context_.transactions == nullptr && trace == nullptr);
  exchange.tx.trace_to(trace);
  exchange.tx.profile_to(context_.profile);
  exchange.tx.request_line(exchange.method.value, exchange.url.value, exchange.protocol.value);
  Words::Reader head(exchange.head);
  while (head.left() > 1) {
    const std::string_view name = head.next();
    exchange.tx.request_header(name, head.next());
  }
}

}  // namespace weir::inspect
