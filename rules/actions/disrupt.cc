// A rule that matched as a whole: it is noted, and its disruptive action is carried out (traps 6, 7, 23,
// 24, 25).

#include "rules/evaluate.h"

namespace weir::rules {

namespace {

std::span<const std::string_view> tags_of(TransactionState& tx, const Rule& rule) {
  if (rule.plain_tags.size() == rule.tags.size()) return rule.plain_tags;
  const std::size_t n = rule.tags.size();
  char* p = tx.arena.allocate(n * sizeof(std::string_view), alignof(std::string_view));
  if (p == nullptr) return {};
  auto* out = reinterpret_cast<std::string_view*>(p);
  for (std::size_t i = 0; i < n; ++i) new (out + i) std::string_view(rule.tags[i].expand(tx));
  return {out, n};
}

void note(TransactionState& tx, const Rule& rule, bool disruptive) {
  if (!tx.keeps_match(static_cast<std::size_t>(&rule - tx.program->rules.data()), disruptive)) return;
  Match m;
  m.rule_id = rule.id;
  m.phase = rule.phase;
  m.message = rule.message.expand(tx);
  m.data = rule.log_data.expand(tx);
  m.severity = rule.severity;
  m.revision = rule.revision;
  m.version = rule.version;
  m.maturity = rule.maturity;
  m.accuracy = rule.accuracy;
  m.tags = tags_of(tx, rule);
  m.target = tx.matched_var.name;
  m.value = tx.matched_var.value;
  const auto& files = tx.program->files;
  if (rule.position.file < files.size()) m.file = files[rule.position.file];
  m.line = rule.position.line;
  m.log = rule.log;
  m.audit = rule.audit;
  m.disruptive = disruptive;
  tx.matches.add(m);
}

Decision decision_of(TransactionState& tx, const Rule& rule) {
  Decision d;
  d.phase = tx.phase;
  d.rule_id = rule.id;
  switch (rule.disruption) {
    case Rule::Disruption::Pass: break;
    case Rule::Disruption::Allow:
    case Rule::Disruption::AllowPhase:
    case Rule::Disruption::AllowRequest: d.kind = DecisionKind::Allow; break;
    case Rule::Disruption::Deny:
      d.kind = DecisionKind::Deny;
      d.status = rule.status;
      break;
    case Rule::Disruption::Drop: d.kind = DecisionKind::Drop; break;
    case Rule::Disruption::Redirect: {
      d.kind = DecisionKind::Redirect;
      const std::uint16_t s = rule.status;
      d.status = s == 301 || s == 302 || s == 303 || s == 307 || s == 308 ? s : 302;
      d.redirect = rule.redirect.expand(tx);
      break;
    }
  }
  return d;
}

}  // namespace

bool conclude(TransactionState& tx, const Rule& rule) {
  const Decision d = decision_of(tx, rule);
  const bool effective = d.kind != DecisionKind::Continue && tx.mode == EngineMode::On &&
                         tx.phase != Phase::Logging;
  const bool first = d.disruptive() && !tx.decision.disruptive() && tx.phase != Phase::Logging;
  note(tx, rule, first);
  if (tx.trace != nullptr) tx.trace->on_match(trace_step(tx, rule, 0), d, effective);
  if (first) tx.decision = d;
  if (!effective) return false;
  if (d.kind == DecisionKind::Allow) {
    if (tx.decision.kind == DecisionKind::Continue) tx.decision = d;
    tx.allow_all = tx.allow_all || rule.disruption == Rule::Disruption::Allow;
    tx.allow_request = tx.allow_request || rule.disruption == Rule::Disruption::AllowRequest;
  } else {
    tx.intercepted = true;
  }
  return true;
}

}  // namespace weir::rules
