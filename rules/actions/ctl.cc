// ctl: settings that a rule changes for its own transaction, and removals of rules and targets (traps 19,
// 20, 21). Which rules a removal concerns was worked out at load.

#include "rules/actions/actions.h"
#include "rules/evaluate.h"
#include "rules/foregone.h"

namespace weir::rules {

namespace {

// Does the removal concern what is foregone on such a course? Of targets only those that closed rules may have.
bool concerns(const TransactionState& tx, const CtlAction& ctl, Foregone::Way way) {
  const bool targets = ctl.targets.empty() || std::any_of(ctl.targets.begin(), ctl.targets.end(), [](const TargetSpec& t) {
    return t.variable == Variable::TX || t.variable == Variable::REMOTE_ADDR;
  });
  const Foregone* foregone = tx.program->foregone.get();
  return foregone != nullptr && targets &&
         std::any_of(ctl.rules.begin(), ctl.rules.end(), [&](std::uint32_t rule) { return foregone->closed(rule, way); });
}

void flag_rules(TransactionState& tx, const CtlAction& ctl, std::uint8_t flag) {
  if (ctl.rules.empty()) return;
  tx.disappointed = tx.disappointed || concerns(tx, ctl, Foregone::Way::Hopeful);
  tx.astray = tx.astray || concerns(tx, ctl, Foregone::Way::Strict);
  if (!tx.rule_flags_used) {
    tx.rule_flags.assign(tx.program->rules.size(), 0);
    tx.rule_flags_used = true;
  }
  for (const std::uint32_t i : ctl.rules) {
    tx.rule_flags[i] = static_cast<std::uint8_t>(tx.rule_flags[i] | flag);
  }
  tx.work += ctl.rules.size();
}

void remove_targets(TransactionState& tx, const CtlAction& ctl) {
  for (const CtlAction* there : tx.target_removals) {
    if (there == &ctl) return;  // one matching value more changes nothing
  }
  tx.target_removals.push_back(&ctl);
  flag_rules(tx, ctl, TransactionState::kTargetsRemoved);
}

void set_parts(TransactionState& tx, std::string_view parts) {
  if (parts.empty()) return;
  if (parts.front() == '+') {
    tx.audit_parts = tx.join({tx.audit_parts, parts.substr(1)});
  } else if (parts.front() == '-') {
    char* out = tx.arena.allocate(tx.audit_parts.size() + 1);
    if (out == nullptr) return;
    std::size_t n = 0;
    for (const char c : tx.audit_parts) {
      if (parts.find(c, 1) == std::string_view::npos) out[n++] = c;
    }
    tx.audit_parts = {out, n};
  } else {
    tx.audit_parts = parts;
  }
}

}  // namespace

void apply_ctl(TransactionState& tx, const Rule& rule, std::uint32_t link, const CtlAction& ctl) {
  switch (ctl.option) {
    case Ctl::RuleEngine:
      tx.mode = static_cast<EngineMode>(ctl.number);
      if (tx.mode == EngineMode::DetectionOnly) {
        tx.request_limit_action = LimitAction::ProcessPartial;
        tx.response_limit_action = LimitAction::ProcessPartial;
      }
      break;
    case Ctl::RequestBodyAccess: tx.request_body_access = ctl.number != 0; break;
    case Ctl::ResponseBodyAccess: tx.response_body_access = ctl.number != 0; break;
    case Ctl::ForceRequestBodyVariable: tx.force_request_body = ctl.number != 0; break;
    case Ctl::ForceResponseBodyVariable: tx.force_response_body = ctl.number != 0; break;
    case Ctl::ParseXmlIntoArgs:
      tx.xml_into_args = static_cast<Settings::XmlArgs>(ctl.number);
      break;
    case Ctl::RequestBodyLimit:
      tx.request_body_limit = static_cast<std::uint64_t>(ctl.number);
      break;
    case Ctl::ResponseBodyLimit:
      tx.response_body_limit = static_cast<std::uint64_t>(ctl.number);
      break;
    case Ctl::RequestBodyProcessor: tx.request.processor = ctl.text; break;
    case Ctl::AuditEngine: tx.audit_engine = static_cast<AuditEngine>(ctl.number); break;
    case Ctl::AuditLogParts: set_parts(tx, ctl.text); break;
    case Ctl::RuleRemoveById:
    case Ctl::RuleRemoveByMsg:
    case Ctl::RuleRemoveByTag: flag_rules(tx, ctl, TransactionState::kRuleRemoved); break;
    case Ctl::RuleRemoveTargetById:
    case Ctl::RuleRemoveTargetByMsg:
    case Ctl::RuleRemoveTargetByTag: remove_targets(tx, ctl); break;
    case Ctl::DebugLogLevel:
    case Ctl::HashEngine:
    case Ctl::HashEnforcement:
    case Ctl::ResponseBodyProcessor: break;  // nothing in Weir depends on them
  }
  if (tx.trace != nullptr) {
    tx.trace->on_action(trace_step(tx, rule, link), "ctl", ctl_name(ctl.option), ctl.text);
  }
}

}  // namespace weir::rules
