// Binding the actions of a link: transformations, variables, ctl.

#include <algorithm>

#include "rules/ascii.h"
#include "rules/bind_detail.h"
#include "rules/reporter.h"

namespace weir::rules::binding {

namespace {

using syntax::quoted;

std::optional<Written> find_written(std::string_view name) {
  if (fold_equal(name, "tx")) return Written::Tx;
  if (fold_equal(name, "ip")) return Written::Ip;
  if (fold_equal(name, "session")) return Written::Session;
  if (fold_equal(name, "user")) return Written::User;
  if (fold_equal(name, "global")) return Written::Global;
  if (fold_equal(name, "resource")) return Written::Resource;
  return std::nullopt;
}

std::string_view trim_left(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || (s.front() >= '\t' && s.front() <= '\r'))) {
    s.remove_prefix(1);
  }
  return s;
}

std::string_view trim(std::string_view s) {
  s = trim_left(s);
  while (!s.empty() && (s.back() == ' ' || (s.back() >= '\t' && s.back() <= '\r'))) s.remove_suffix(1);
  return s;
}

struct NameValue {
  std::string_view name, value;
  bool has_value = false;
};

NameValue split(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, equals), trim_left(text.substr(equals + 1)), true};
}

}  // namespace

bool RuleBuilder::set_variable(const syntax::Action& action, Link& link) {
  NameValue nv = split(action.argument);
  SetVar out;
  if (!nv.name.empty() && nv.name.front() == '!') {
    out.how = SetVar::How::Unset;
    nv.name.remove_prefix(1);
  }
  const std::size_t dot = nv.name.find('.');
  const auto collection = find_written(trim(nv.name.substr(0, dot)));
  if (dot == std::string_view::npos || !collection || dot + 1 == nv.name.size()) {
    messages_.warning(action.argument_position, "not-a-collection",
                      "setvar of " + quoted(nv.name) +
                          " has no effect: a name such as tx.score or ip.hits is needed");
    return true;
  }
  out.collection = *collection;
  out.name = Macro::compile(nv.name.substr(dot + 1));
  check_macros(out.name, action.argument_position);
  if (out.name.literal()) out.hash = fold_hash(out.name.text());
  if (!nv.has_value) {
    out.value = Macro::compile("1");
  } else {
    std::string_view value = nv.value;
    if (out.how == SetVar::How::Assign && !value.empty() &&
        (value.front() == '+' || value.front() == '-')) {
      out.how = value.front() == '+' ? SetVar::How::Add : SetVar::How::Subtract;
      value.remove_prefix(1);
    }
    out.value = Macro::compile(value);
    check_macros(out.value, action.argument_position);
  }
  link.actions.emplace_back(std::move(out));
  return true;
}

bool RuleBuilder::timed_variable(const syntax::Action& action, Link& link) {
  const NameValue nv = split(action.argument);
  TimedVar out;
  out.deprecate = action.name == ActionName::DeprecateVar;
  const std::size_t dot = nv.name.find('.');
  const auto collection = find_written(nv.name.substr(0, dot));
  if (dot == std::string_view::npos || !collection || *collection == Written::Tx) {
    messages_.warning(action.argument_position, "not-a-collection",
                      quoted(action_name(action.name)) + " of " + quoted(nv.name) +
                          " has no effect: only variables of ip, session, user, global and "
                          "resource outlive a transaction");
    return true;
  }
  out.collection = *collection;
  out.name = Macro::compile(nv.name.substr(dot + 1));
  out.value = Macro::compile(nv.has_value ? nv.value : std::string_view("1"));
  check_macros(out.name, action.argument_position);
  check_macros(out.value, action.argument_position);
  link.actions.emplace_back(std::move(out));
  return true;
}

bool RuleBuilder::init_collection(const syntax::Action& action, Link& link) {
  InitCol out;
  const std::string application = program_.settings.web_app_id + "_";
  std::string_view key = action.argument;
  switch (action.name) {
    case ActionName::SetSid:
      out.collection = Written::Session;
      out.store_name = application + "SESSION";
      break;
    case ActionName::SetUid:
      out.collection = Written::User;
      out.store_name = application + "USER";
      break;
    case ActionName::SetRsc:
      out.collection = Written::Resource;
      out.store_name = application + "RESOURCE";
      break;
    default: {
      const NameValue nv = split(action.argument);
      const auto collection = find_written(nv.name);
      if (!nv.has_value || !collection || *collection == Written::Tx) {
        messages_.error(action.argument_position, "not-a-collection",
                        "initcol needs ip, session, user, global or resource, '=' and a key, not " +
                            quoted(action.argument));
        return false;
      }
      out.collection = *collection;
      out.store_name = lower(nv.name);
      key = nv.value;
    }
  }
  out.key = Macro::compile(key);
  check_macros(out.key, action.argument_position);
  link.actions.emplace_back(std::move(out));
  return true;
}

bool RuleBuilder::set_environment(const syntax::Action& action, Link& link) {
  NameValue nv = split(action.argument);
  SetEnv out;
  if (!nv.name.empty() && nv.name.front() == '!') {
    out.unset = true;
    nv.name.remove_prefix(1);
  }
  out.name = Macro::compile(nv.name);
  if (out.name.literal()) out.hash = fold_hash(out.name.text());
  out.value = Macro::compile(nv.has_value ? nv.value : std::string_view("1"));
  link.actions.emplace_back(std::move(out));
  return true;
}

bool RuleBuilder::control_targets(CtlAction& ctl, const syntax::Action& action) {
  const std::string_view text = ctl.text;
  const std::size_t semicolon = text.find(';');
  if (semicolon == std::string_view::npos || semicolon + 1 == text.size()) {
    messages_.error(action.argument_position, "missing-argument",
                    quoted(ctl_name(ctl.option)) + " needs rules, ';' and targets");
    return false;
  }
  const std::string list(text.substr(semicolon + 1));
  Position at = action.argument_position;
  at.column += static_cast<std::uint32_t>(action.argument.size() - list.size());
  const auto targets = messages_.parsed(at, Severity::Warning, [&](Diagnostics& out) {
    return syntax::parse_targets(list, at, out);
  });
  bool ok = true;
  for (const syntax::Target& t : targets) {
    TargetSpec spec;
    const bool was_read = program_.reads[static_cast<std::size_t>(t.variable)];
    ok = bind_target(t, spec) && ok;
    program_.reads[static_cast<std::size_t>(t.variable)] = was_read;
    spec.wildcard = spec.kind == syntax::Selector::Kind::Literal &&
                    fold_starts_with(spec.key, "json.") &&
                    spec.key.find('*') != std::string::npos;
    ctl.targets.push_back(std::move(spec));
  }
  return ok;
}

bool RuleBuilder::control_value(CtlAction& ctl, const syntax::Action& action) {
  const std::string& v = ctl.text;
  const auto wrong = [&](std::string_view takes) {
    messages_.error(action.argument_position, "invalid-argument",
                    "ctl option " + quoted(ctl_name(ctl.option)) + " takes " + std::string(takes) +
                        ", not " + quoted(v));
    return false;
  };
  const auto one_of = [&](std::initializer_list<std::pair<std::string_view, std::int64_t>> words,
                          std::string_view takes) {
    for (const auto& [word, value] : words) {
      if (fold_equal(v, word)) {
        ctl.number = value;
        return true;
      }
    }
    return wrong(takes);
  };
  const auto n = [](auto e) { return static_cast<std::int64_t>(e); };
  switch (ctl.option) {
    case Ctl::RuleEngine:
      return one_of({{"on", n(EngineMode::On)},
                     {"off", n(EngineMode::Off)},
                     {"detectiononly", n(EngineMode::DetectionOnly)}},
                    "On, Off or DetectionOnly");
    case Ctl::AuditEngine:
      return one_of({{"on", n(AuditEngine::On)},
                     {"off", n(AuditEngine::Off)},
                     {"relevantonly", n(AuditEngine::RelevantOnly)}},
                    "On, Off or RelevantOnly");
    case Ctl::RequestBodyAccess:
    case Ctl::ResponseBodyAccess:
    case Ctl::ForceRequestBodyVariable:
    case Ctl::ForceResponseBodyVariable: return one_of({{"on", 1}, {"off", 0}}, "On or Off");
    case Ctl::RequestBodyLimit:
    case Ctl::ResponseBodyLimit: {
      const auto limit = parse_unsigned(v);
      if (!limit || *limit == 0 || *limit > 1073741824) return wrong("a number of bytes up to 1 GiB");
      ctl.number = static_cast<std::int64_t>(*limit);
      return true;
    }
    case Ctl::ParseXmlIntoArgs:
      return one_of({{"on", n(Settings::XmlArgs::On)},
                     {"off", n(Settings::XmlArgs::Off)},
                     {"onlyargs", n(Settings::XmlArgs::OnlyArgs)}},
                    "On, Off or OnlyArgs");
    case Ctl::DebugLogLevel:
      messages_.note(action.position, "without-effect",
                     "ctl:debugLogLevel has no effect: weir explain tells what rules do");
      return true;
    case Ctl::ResponseBodyProcessor:
      messages_.note(action.position, "without-effect",
                     "ctl:responseBodyProcessor has no effect: Weir does not parse the bodies of responses");
      return true;
    case Ctl::RequestBodyProcessor:
      if (v != "URLENCODED" && v != "MULTIPART" && v != "XML" && v != "JSON" && v != "RAW") {
        messages_.warning(action.argument_position, "unknown-body-processor",
                          "there is no body processor " + quoted(v) +
                              ": requests will have REQBODY_ERROR set");
      }
      return true;
    case Ctl::RuleRemoveById:
      return parse_ranges(v) ? true : wrong("rule ids and ranges");
    case Ctl::RuleRemoveByTag:
    case Ctl::RuleRemoveByMsg:
    case Ctl::RuleRemoveTargetByTag:
    case Ctl::RuleRemoveTargetByMsg:
    case Ctl::RuleRemoveTargetById: {
      const std::string which = v.substr(0, v.find(';'));
      if (ctl.option == Ctl::RuleRemoveTargetById) {
        if (!parse_ranges(which)) return wrong("rule ids and ranges before ';'");
      } else if (auto s = TextSelector::make(which, program_.v3()); !s) {
        messages_.error(action.argument_position, "invalid-regex", s.error().message);
        return false;
      }
      const bool targets =
          ctl.option != Ctl::RuleRemoveByTag && ctl.option != Ctl::RuleRemoveByMsg;
      return !targets || control_targets(ctl, action);
    }
    default: return true;
  }
}

bool RuleBuilder::control(const syntax::Action& action, Link& link) {
  const NameValue nv = split(action.argument);
  const auto option = find_ctl(nv.name);
  if (!option || !nv.has_value) return false;  // the parser has said so
  CtlAction ctl;
  ctl.option = *option;
  ctl.text = trim(nv.value);
  if (!control_value(ctl, action)) return false;
  link.actions.emplace_back(std::move(ctl));
  return true;
}

bool RuleBuilder::link_action(const syntax::Action& action, Link& link,
                              std::vector<Transform>& chain) {
  switch (action.name) {
    case ActionName::T: {
      const auto t = find_transform(action.argument);
      if (!t) {
        messages_.error(action.argument_position, "unknown-transformation",
                        "unknown transformation " + quoted(action.argument));
        return false;
      }
      if (*t == Transform::None) {
        chain.clear();  // trap 18
      } else {
        chain.push_back(*t);
      }
      return true;
    }
    case ActionName::Capture: link.capture = true; return true;
    case ActionName::MultiMatch: link.multi_match = true; return true;
    case ActionName::SetVar: return set_variable(action, link);
    case ActionName::ExpireVar:
    case ActionName::DeprecateVar: return timed_variable(action, link);
    case ActionName::InitCol:
    case ActionName::SetSid:
    case ActionName::SetUid:
    case ActionName::SetRsc: return init_collection(action, link);
    case ActionName::SetEnv: return set_environment(action, link);
    case ActionName::Ctl: return control(action, link);
    case ActionName::SanitiseArg:
    case ActionName::SanitiseMatched:
    case ActionName::SanitiseMatchedBytes:
    case ActionName::SanitiseRequestHeader:
    case ActionName::SanitiseResponseHeader:
      link.actions.emplace_back(Sanitise{action.name, action.argument});
      return true;
    default: return true;  // metadata and flow are the head's; exec, append and the like stay out
  }
}

const std::vector<std::uint32_t>& RuleBuilder::rules_for(const CtlAction& ctl) {
  enum Kind { ById, ByTag, ByMsg } kind = ById;
  if (ctl.option == Ctl::RuleRemoveByTag || ctl.option == Ctl::RuleRemoveTargetByTag) kind = ByTag;
  if (ctl.option == Ctl::RuleRemoveByMsg || ctl.option == Ctl::RuleRemoveTargetByMsg) kind = ByMsg;
  const std::string which = ctl.text.substr(0, ctl.text.find(';'));
  const auto [there, fresh] = ctl_rules_.try_emplace({kind, which});
  std::vector<std::uint32_t>& out = there->second;
  if (!fresh) return out;
  const auto ranges = kind == ById ? parse_ranges(which) : std::nullopt;
  auto selector = TextSelector::make(kind == ById ? std::string_view() : which, program_.v3());
  std::map<std::string, bool> known;  // the same few tags stand in every rule
  const auto takes = [&](const std::string& text) {
    const auto [answer, unknown] = known.try_emplace(text, false);
    if (unknown) answer->second = selector->takes(text, scratch_);
    return answer->second;
  };
  for (std::uint32_t i = 0; i < program_.rules.size(); ++i) {
    const Rule& r = program_.rules[i];
    bool hit = false;
    if (kind == ById) hit = ranges->contains(r.id);
    if (kind == ByMsg) hit = !r.message.text().empty() && takes(r.message.text());
    if (kind == ByTag) {
      hit = std::any_of(r.tags.begin(), r.tags.end(),
                        [&](const Macro& tag) { return takes(tag.text()); });
    }
    if (hit) out.push_back(i);
  }
  return out;
}

void RuleBuilder::resolve_ctl() {
  for (Link& link : program_.links) {
    for (Action& action : link.actions) {
      auto* ctl = std::get_if<CtlAction>(&action);
      if (ctl == nullptr) continue;
      switch (ctl->option) {
        case Ctl::RuleRemoveById:
        case Ctl::RuleRemoveByMsg:
        case Ctl::RuleRemoveByTag:
        case Ctl::RuleRemoveTargetById:
        case Ctl::RuleRemoveTargetByMsg:
        case Ctl::RuleRemoveTargetByTag: ctl->rules = rules_for(*ctl); break;
        default: break;
      }
    }
  }
}

}  // namespace weir::rules::binding
