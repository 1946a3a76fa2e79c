#include "engine/inspect/record.h"

#include <charconv>
#include <optional>
#include <span>
#include <string>

#include "engine/inspect/sites.h"
#include "rules/ascii.h"
#include "rules/audit_record.h"
#include "rules/audit_sanitise.h"

namespace weir::inspect {
namespace {

std::optional<std::string_view> optional_view(const Text& text) {
  if (!text.present) return std::nullopt;
  return std::string_view(text.value);
}

std::int64_t score(const rules::Transaction& tx, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::optional<std::string_view> value = tx.tx(name);
    if (!value) continue;
    std::int64_t number = 0;
    std::from_chars(value->data(), value->data() + value->size(), number);
    return number;
  }
  return 0;
}

WafMode mode_of(rules::EngineMode mode) {
  switch (mode) {
    case rules::EngineMode::Off: return WafMode::Off;
    case rules::EngineMode::DetectionOnly: return WafMode::Detect;
    case rules::EngineMode::On: return WafMode::Block;
  }
  return WafMode::Off;
}

void replace_header(std::optional<std::string_view>& text, std::span<const rules::AuditField> headers,
                    std::string_view name) {
  if (!text) return;
  for (const rules::AuditField& h : headers) {
    if (rules::fold_equal(h.name, name)) {
      text = h.value;
      return;
    }
  }
}

}  // namespace

struct RecordBuilder::Hidden {
  explicit Hidden(rules::Transaction& tx) : view(tx), record(without_bodies(view.record())) {}
  static const rules::AuditRecord& without_bodies(rules::AuditRecord& r) {
    r.request_body = r.response_body = {};  // an event shows none
    return r;
  }

  rules::AuditView view;
  rules::SanitisedRecord record;
};

RecordBuilder::RecordBuilder() = default;
RecordBuilder::~RecordBuilder() = default;

void RecordBuilder::hide(Exchange& exchange) {
  hidden_ = std::make_unique<Hidden>(exchange.tx);
  const rules::AuditRecord& shown = hidden_->record.get();
  if (event_.http.url) event_.http.url = shown.uri;
  replace_header(event_.http.hostname, shown.request_headers, "host");
  replace_header(event_.http.user_agent, shown.request_headers, "user-agent");
  replace_header(event_.http.content_type, shown.response_headers, "content-type");
  event_.waf.redirect = hidden_->record.text(event_.waf.redirect);
  std::size_t message = 0, hit = 0;
  for (const rules::Match& match : exchange.tx.matches()) {
    if (!match.log && !match.audit) continue;  // no message of the audit log
    const rules::AuditMessage& m = shown.messages[message++];
    if (!match.log) continue;
    RuleHit& rule = rules_[hit++];
    rule.message = m.message;
    rule.value = m.value;
    rule.data = m.data;
    rule.tags = m.tags;
  }
}

std::string_view unique_id(IdBuffer& buffer, std::uint64_t flow_id, http::ExchangeId id) {
  char* const end = buffer.data() + buffer.size();
  char* at = std::to_chars(buffer.data(), end, flow_id, 16).ptr;
  *at++ = '-';
  at = std::to_chars(at, end, id).ptr;
  return {buffer.data(), static_cast<std::size_t>(at - buffer.data())};
}

void RecordBuilder::add_rules(const Exchange& exchange, WafPart& waf) {
  rules_.clear();
  // Mostly nothing is logged, and the list need not even be made.
  const auto matches = exchange.tx.may_have_logged() ? exchange.tx.matches() : std::span<const rules::Match>();
  for (const rules::Match& match : matches) {
    if (!match.log) continue;
    RuleHit hit;
    hit.id = match.rule_id;
    hit.phase = static_cast<std::uint8_t>(match.phase);
    hit.message = match.message;
    hit.severity = match.severity;
    hit.tags = match.tags;
    hit.target = match.target;
    hit.value = match.value;
    hit.data = match.data;
    hit.revision = match.revision;
    hit.version = match.version;
    hit.file = match.file;
    hit.line = match.line;
    rules_.push_back(hit);
  }
  waf.rules = rules_;
}

const Event& RecordBuilder::build(Exchange& exchange, const SessionOrigin& origin,
                                  const InspectorOptions& options) {
  event_ = {};
  event_.type = EventType::Http;
  event_.origin = {exchange.time,     origin.flow_id, exchange.last_packet, origin.client,
                   origin.server,     origin.client_port, origin.server_port};
  event_.client = {exchange.client.address, exchange.client.port, exchange.client.source};
  HttpPart& http = event_.http;
  http.tx_id = exchange.id;
  http.hostname = optional_view(exchange.hostname);
  http.url = optional_view(exchange.url);
  http.method = optional_view(exchange.method);
  http.protocol = optional_view(exchange.protocol);
  if (exchange.response.begun) http.status = exchange.status;
  http.request_body_len = exchange.request.lengths.body_decoded;
  http.response_body_len = exchange.response.lengths.body_decoded;
  http.user_agent = optional_view(exchange.user_agent);
  http.content_type = optional_view(exchange.content_type);

  WafPart& waf = event_.waf;
  waf.mode = exchange.policy == nullptr ? options.mode : exchange.policy->mode;
  waf.paranoia = exchange.policy == nullptr ? options.paranoia : exchange.policy->paranoia;
  if (exchange.policy != nullptr) waf.site = exchange.policy->name;
  waf.truncated = exchange.truncated;
  waf.transaction_id = unique_id(id_, origin.flow_id, exchange.id);
  if (exchange.judged) {
    const rules::Transaction& tx = exchange.tx;
    const Decision& decision = tx.decision();
    waf.mode = mode_of(tx.mode());
    waf.decision = decision.kind;
    if (decision.disruptive()) {
      waf.decision_rule = decision.rule_id;
      if (decision.kind != DecisionKind::Drop) waf.status = decision.status;
      waf.redirect = decision.redirect;
    }
    waf.inbound_score = score(tx, options.inbound_score);
    waf.outbound_score = score(tx, options.outbound_score);
    add_rules(exchange, waf);
    waf.truncated = waf.truncated || tx.data_error();
    hidden_.reset();
    if (rules::AuditView::hides(exchange.tx)) hide(exchange);
  }
  if (exchange.refused != 0 && waf.decision == DecisionKind::Continue) {
    waf.decision = DecisionKind::Deny;
    waf.status = exchange.refused;
  }
  violations_.clear();
  for (const http::Violation violation : exchange.violations) {
    violations_.push_back(http::name(violation));
  }
  waf.violations = violations_;
  return event_;
}

}  // namespace weir::inspect
