// Building a rule: its head, its links, their operators and transformation chains.

#include <algorithm>

#include "rules/ascii.h"
#include "rules/bind_detail.h"
#include "rules/include.h"
#include "rules/reporter.h"

namespace weir::rules::binding {

namespace {

using syntax::quoted;

// Data files beside the rule file that names them.
class BesideRule : public OperatorFiles {
 public:
  explicit BesideRule(std::string directory) : directory_(std::move(directory)) {}
  Result<std::string> read(std::string_view name) override {
    return syntax::read_file(syntax::beside(directory_, name), std::size_t{64} << 20);
  }

 private:
  std::string directory_;
};

bool is_disruptive(ActionName a) {
  switch (a) {
    case ActionName::Allow:
    case ActionName::Block:
    case ActionName::Deny:
    case ActionName::Drop:
    case ActionName::Pass:
    case ActionName::Pause:
    case ActionName::Proxy:
    case ActionName::Redirect: return true;
    default: return false;
  }
}

// What ModSecurity 2 lets only the first rule of a chain have.
bool is_head_only(ActionName a) {
  switch (a) {
    case ActionName::Id:
    case ActionName::Phase:
    case ActionName::Rev:
    case ActionName::Msg:
    case ActionName::Severity:
    case ActionName::Ver:
    case ActionName::Accuracy:
    case ActionName::Maturity:
    case ActionName::LogData:
    case ActionName::Skip:
    case ActionName::SkipAfter: return true;
    default: return is_disruptive(a);
  }
}

}  // namespace

RuleBuilder::RuleBuilder(Program& program, Messages& messages, bool patterns_compile)
    : program_(program), messages_(messages), patterns_compile_(patterns_compile) {}

bool RuleBuilder::disruptive(const syntax::Action& action, const ActionList& defaults, Rule& rule) {
  using D = Rule::Disruption;
  switch (action.name) {
    case ActionName::Pause:
      messages_.note(action.position, "without-effect",
                     "pause has no effect: Weir holds no traffic up, which would cost it and not the client");
      rule.disruption = D::Pass;
      return true;
    case ActionName::Pass: rule.disruption = D::Pass; return true;
    case ActionName::Deny: rule.disruption = D::Deny; return true;
    case ActionName::Drop: rule.disruption = D::Drop; return true;
    case ActionName::Redirect:
      rule.disruption = D::Redirect;
      rule.redirect = Macro::compile(action.argument);
      check_macros(rule.redirect, action.argument_position);
      return true;
    case ActionName::Allow:
      rule.disruption = D::Allow;
      if (fold_equal(action.argument, "phase")) rule.disruption = D::AllowPhase;
      else if (fold_equal(action.argument, "request")) rule.disruption = D::AllowRequest;
      else if (!action.argument.empty()) {
        messages_.error(action.argument_position, "invalid-argument",
                        "allow takes phase or request, not " + quoted(action.argument));
        return false;
      }
      return true;
    case ActionName::Block: {  // trap 24: whatever the default action of the phase says
      rule.disruption = D::Pass;
      bool ok = true;
      for (const syntax::Action& d : defaults) {
        if (is_disruptive(d.name) && d.name != ActionName::Block) {
          ok = disruptive(d, {}, rule) && ok;
        }
      }
      return ok;
    }
    default: return true;
  }
}

bool RuleBuilder::head_action(const syntax::Action& action, Rule& rule) {
  const std::string& text = action.argument;
  const auto small_number = [&](std::int8_t& out) {
    const auto n = parse_unsigned(text);
    if (!n || *n > 9) {
      messages_.error(action.argument_position, "invalid-argument",
                      quoted(text) + " is not between 0 and 9");
      return false;
    }
    out = static_cast<std::int8_t>(*n);
    return true;
  };
  switch (action.name) {
    case ActionName::Msg: rule.message = Macro::compile(text); break;
    case ActionName::LogData: rule.log_data = Macro::compile(text); break;
    case ActionName::Rev: rule.revision = text; break;
    case ActionName::Ver: rule.version = text; break;
    case ActionName::Maturity: return small_number(rule.maturity);
    case ActionName::Accuracy: return small_number(rule.accuracy);
    case ActionName::Severity: {
      const int severity = severity_of(text);
      if (severity < 0) {
        messages_.error(action.argument_position, "invalid-argument",
                        quoted(text) + " is no severity: EMERGENCY to DEBUG, or 0 to 7");
        return false;
      }
      rule.severity = static_cast<std::int8_t>(severity);
      break;
    }
    case ActionName::Log: rule.log = true; break;
    case ActionName::NoLog: rule.log = rule.audit = false; break;
    case ActionName::AuditLog: rule.audit = true; break;
    case ActionName::NoAuditLog: rule.audit = false; break;
    case ActionName::Status: {
      const auto status = parse_unsigned(text);
      if (!status || *status < 100 || *status > 999) {
        messages_.error(action.argument_position, "invalid-argument",
                        quoted(text) + " is no HTTP status");
        return false;
      }
      rule.status = static_cast<std::uint16_t>(*status);
      rule.status_given = true;
      break;
    }
    case ActionName::Skip: {
      const auto n = parse_unsigned(text);
      rule.skip = n && *n > 0 ? static_cast<std::uint32_t>(std::min<std::uint64_t>(*n, 1U << 30)) : 1;
      break;
    }
    default: break;
  }
  if (action.name == ActionName::Msg) check_macros(rule.message, action.argument_position);
  if (action.name == ActionName::LogData) check_macros(rule.log_data, action.argument_position);
  return true;
}

// A macro of a name that nothing has expands to nothing: tolerated, as ModSecurity does, but said.
void RuleBuilder::check_macros(const Macro& macro, Position at) {
  for (const Macro::Part& p : macro.parts()) {
    if (!p.is_variable) continue;
    if (p.variable) {
      program_.reads[static_cast<std::size_t>(*p.variable)] = true;
    } else {
      messages_.warning(at, "unknown-macro", "a macro in " + quoted(macro.text()) +
                                                 " names no variable: it will be empty");
    }
  }
}

bool RuleBuilder::metadata_in_link(const syntax::Action& action) {
  const std::string what = "only the first rule of a chain can have " + quoted(action_name(action.name));
  if (!program_.v3()) {
    messages_.error(action.position, "not-in-chain", what);
    return false;
  }
  messages_.warning(action.position, "not-in-chain", what + ": it has no effect here");
  return true;
}

bool RuleBuilder::bind_target(const syntax::Target& t, TargetSpec& out) {
  out.variable = t.variable;
  out.kind = t.selector.kind;
  out.key = t.selector.text;
  out.hash = fold_hash(out.key);
  const bool as_it_is = std::all_of(out.key.begin(), out.key.end(), [](char c) { return c >= ' ' && c <= '~' && c != '\\'; });
  if (out.kind == syntax::Selector::Kind::Literal && as_it_is) {  // escape_name() leaves it
    out.full_name = std::string(variable_name(out.variable)) + ':' + out.key;
  }
  out.count = t.count;
  out.exclude = t.exclude;
  program_.reads[static_cast<std::size_t>(t.variable)] = true;
  if (t.variable == Variable::XML) {
    if (out.kind == syntax::Selector::Kind::None || (out.key != "/*" && out.key != "//@*")) {
      messages_.warning(t.position, "unsupported-xpath",
                        "XML can be read as XML:/* (all text) and XML://@* (attribute values); " +
                            quoted(out.key) + " selects nothing");
    }
  }
  if (out.kind != syntax::Selector::Kind::Regex) return true;
  Selector& selector = selectors_[out.key];
  if (selector.regex == nullptr) {
    ReOptions options;
    options.caseless = true;  // trap 13
    auto regex = Regex::compile(out.key, options);
    if (!regex) {
      messages_.error(t.position, "invalid-regex", regex.error().message);
      return false;
    }
    selector.regex = std::move(*regex);
    const auto tree = RegexTree::parse(out.key, options.caseless, options.multiline);
    const auto plain = tree ? tree->plain_text() : std::nullopt;
    if (plain) selector.plain = std::make_shared<const PlainText>(*plain);
    selector.number = static_cast<std::uint8_t>(std::min<std::size_t>(selectors_.size() - 1, Entry::kSelectors));
  }
  out.regex = selector.regex;
  out.plain = selector.plain;
  out.selector = selector.number;
  return true;
}

bool RuleBuilder::make_operator_of(const syntax::Rule& source, Link& link) {
  const syntax::Operator& op = source.op;
  link.op_name = op.name;
  link.op_argument = op.argument;
  link.negated = op.negated;
  link.op_macro = Macro::compile(op.argument);
  link.op_has_macros = !link.op_macro.literal();
  if (!operator_exists(op.name)) {
    const std::string_view why = operator_left_out(op.name);
    if (!why.empty()) {
      messages_.error(op.position, "operator-left-out",
                      "Weir has no operator " + quoted("@" + op.name) + ": " + std::string(why));
    } else {
      messages_.error(op.position, "unknown-operator",
                      "unknown operator " + quoted("@" + op.name) +
                          syntax::did_you_mean(nearest(op.name, operator_names())));
    }
    return false;
  }
  if (link.op_has_macros) check_macros(link.op_macro, op.position);
  BesideRule files(syntax::directory_of(messages_.unit().files[source.position.file]));
  auto made = make_operator({op.name, op.argument, link.op_has_macros, program_.v3(), patterns_compile_}, files);
  if (!made) {
    messages_.error(op.position, "invalid-operator-argument", made.error().message);
    return false;
  }
  link.op = std::move(*made);
  link.looks_up_geo = op.name == "geolookup";
  if (const std::string_view warning = link.op->warning(); !warning.empty()) {
    messages_.warning(op.position, "operator-warning", std::string(warning));
  }
  return true;
}

bool RuleBuilder::set_chain(const std::vector<Transform>& chain, Position at, Link& link) {
  if (chain.size() > kMaxChain) {
    messages_.error(at, "too-many-transformations",
                    "a rule can have at most " + std::to_string(kMaxChain) + " transformations");
    return false;
  }
  std::uint16_t node = 0;
  for (const Transform t : chain) {
    auto [there, fresh] = chain_index_.try_emplace({node, t}, std::uint16_t{0});
    if (fresh) {
      if (program_.chains.size() >= UINT16_MAX) {
        messages_.error(at, "too-many-transformations", "too many different transformation chains");
        return false;
      }
      there->second = static_cast<std::uint16_t>(program_.chains.size());
      const auto depth = static_cast<std::uint16_t>(program_.chains[node].depth + 1);
      program_.chains.push_back({node, t, depth});
    }
    node = there->second;
    link.steps.push_back(node);
  }
  link.chain = node;
  return true;
}

bool RuleBuilder::build_link(const PendingRule& pending, std::size_t index, Rule& rule) {
  const PendingLink& from = pending.links[index];
  program_.links.emplace_back();
  Link& link = program_.links.back();
  link.rule = static_cast<std::uint32_t>(program_.rules.size());
  link.last = index + 1 == pending.links.size();
  link.position = from.source->position;
  bool ok = true;
  if (from.source->unconditional) {
    TargetSpec address;  // ModSecurity 2 evaluates SecAction on REMOTE_ADDR
    address.variable = Variable::REMOTE_ADDR;
    link.targets.push_back(std::move(address));
    link.op_name = "unconditionalmatch";
  } else {
    ok = make_operator_of(*from.source, link);
  }
  for (const syntax::Target& t : from.targets) {
    TargetSpec target;
    ok = bind_target(t, target) && ok;
    link.targets.push_back(std::move(target));
  }
  static const ActionList kNone;
  const ActionList& defaults = pending.defaults != nullptr ? *pending.defaults : kNone;
  std::vector<Transform> chain;
  for (const syntax::Action& a : defaults) ok = link_action(a, link, chain) && ok;
  for (const syntax::Action& a : from.actions) {
    if (index > 0 && is_head_only(a.name)) {
      ok = metadata_in_link(a) && ok;
      continue;
    }
    ok = link_action(a, link, chain) && ok;
    if (index > 0) continue;
    if (a.name == ActionName::Tag) {
      rule.tags.push_back(Macro::compile(a.argument));
      check_macros(rule.tags.back(), a.argument_position);
    } else {
      ok = (is_disruptive(a.name) ? disruptive(a, defaults, rule) : head_action(a, rule)) && ok;
    }
  }
  return set_chain(chain, link.position, link) && ok;
}

bool RuleBuilder::build(const PendingRule& pending) {
  Rule rule;
  rule.id = pending.id;
  rule.phase = static_cast<Phase>(pending.phase);
  rule.position = pending.links.front().source->position;
  rule.first_link = static_cast<std::uint32_t>(program_.links.size());
  rule.links = static_cast<std::uint32_t>(pending.links.size());
  bool ok = true;
  if (pending.defaults != nullptr) {
    for (const syntax::Action& a : *pending.defaults) {
      if (a.name == ActionName::Tag) {
        rule.tags.push_back(Macro::compile(a.argument));
      } else {
        ok = (is_disruptive(a.name) ? disruptive(a, {}, rule) : head_action(a, rule)) && ok;
      }
    }
  }
  const std::size_t chain_links = program_.links.size();
  for (std::size_t i = 0; i < pending.links.size(); ++i) ok = build_link(pending, i, rule) && ok;
  if (rule.phase == Phase::Logging && rule.disruption != Rule::Disruption::Pass &&
      rule.disruption != Rule::Disruption::Allow &&
      rule.disruption != Rule::Disruption::AllowRequest) {
    // Inherited from another phase's default it means nothing here; written out it is a mistake.
    for (const syntax::Action& a : pending.links.front().actions) {
      if (!is_disruptive(a.name) || a.name == ActionName::Block || a.name == ActionName::Pass) continue;
      messages_.error(a.position, "disruptive-in-logging",
                      "disruptive actions cannot be had in the logging phase");
      ok = false;
    }
    rule.disruption = Rule::Disruption::Pass;
  }
  if (!ok) {
    program_.links.resize(chain_links);
    return false;
  }
  program_.rules.push_back(std::move(rule));
  Rule& kept = program_.rules.back();
  const bool plain = std::all_of(kept.tags.begin(), kept.tags.end(),
                                 [](const Macro& m) { return m.literal(); });
  if (plain) {
    for (const Macro& m : kept.tags) kept.plain_tags.emplace_back(m.text());
  }
  return true;
}

}  // namespace weir::rules::binding
