// SecRuleRemoveBy…, SecRuleUpdateTargetBy…, SecRuleUpdateActionById: changes to rules that stand before
// the directive (trap 40).

#include <algorithm>

#include "rules/ascii.h"
#include "rules/bind_detail.h"
#include "rules/reporter.h"

namespace weir::rules::binding {

namespace {

using syntax::quoted;

std::string_view argument_of(const PendingRule& rule, ActionName name) {
  std::string_view found;
  for (const syntax::Action& a : rule.links.front().actions) {
    if (a.name == name) found = a.argument;
  }
  return found;
}

Position position_of(const syntax::Setting& s, std::size_t argument) {
  return argument < s.argument_positions.size() ? s.argument_positions[argument] : s.position;
}

class Updater {
 public:
  Updater(const syntax::Setting& setting, std::vector<PendingRule>& rules, bool v3, Messages& messages)
      : setting_(setting), rules_(rules), v3_(v3), messages_(messages) {}

  bool run();

 private:
  template <class Take>
  std::vector<PendingRule*> select(Take&& take) {
    std::vector<PendingRule*> out;
    for (PendingRule& r : rules_) {
      if (!r.removed && take(r)) out.push_back(&r);
    }
    return out;
  }
  std::vector<PendingRule*> by_ranges(std::size_t first, std::size_t last, bool& ok);
  std::vector<PendingRule*> by_text(ActionName name, bool& ok);
  void remove(const std::vector<PendingRule*>& rules);
  void update_targets(const std::vector<PendingRule*>& rules, std::size_t link);
  void update_targets_by_id();
  void update_actions();
  // "id:offset" of SecRuleUpdate…ById.
  std::optional<std::pair<std::string, std::size_t>> split_offset();
  void none_found() {
    messages_.warning(setting_.position, "no-such-rule",
                      quoted(setting_.arguments[0]) + " selects no rule that stands before this line");
  }

  const syntax::Setting& setting_;
  std::vector<PendingRule>& rules_;
  bool v3_;
  Messages& messages_;
};

std::vector<PendingRule*> Updater::by_ranges(std::size_t first, std::size_t last, bool& ok) {
  IdRanges all;
  for (std::size_t i = first; i < last; ++i) {
    const auto ranges = parse_ranges(setting_.arguments[i]);
    if (!ranges) {
      messages_.error(position_of(setting_, i), "invalid-id-range",
                      quoted(setting_.arguments[i]) + " is no list of rule ids and ranges");
      ok = false;
      return {};
    }
    all.ranges.insert(all.ranges.end(), ranges->ranges.begin(), ranges->ranges.end());
  }
  return select([&](const PendingRule& r) { return all.contains(r.id); });
}

std::vector<PendingRule*> Updater::by_text(ActionName name, bool& ok) {
  auto selector = TextSelector::make(setting_.arguments[0], v3_);
  if (!selector) {
    messages_.error(position_of(setting_, 0), "invalid-regex", selector.error().message);
    ok = false;
    return {};
  }
  ReScratch scratch;
  return select([&](const PendingRule& r) {
    const auto& actions = r.links.front().actions;
    if (name == ActionName::Msg) {
      const std::string_view text = argument_of(r, name);
      return !text.empty() && selector->takes(text, scratch);
    }
    return std::any_of(actions.begin(), actions.end(), [&](const syntax::Action& a) {
      return a.name == name && selector->takes(a.argument, scratch);
    });
  });
}

void Updater::remove(const std::vector<PendingRule*>& rules) {
  if (rules.empty()) none_found();
  for (PendingRule* r : rules) r->removed = true;
}

bool same_target(const syntax::Target& a, const syntax::Target& b) {
  return a.variable == b.variable && a.count == b.count && a.exclude == b.exclude &&
         a.selector.kind == b.selector.kind && fold_equal(a.selector.text, b.selector.text);
}

void Updater::update_targets(const std::vector<PendingRule*>& rules, std::size_t link) {
  if (rules.empty()) {
    none_found();
    return;
  }
  const auto parse = [&](std::size_t argument) {
    const Position at = position_of(setting_, argument);
    return messages_.parsed(at, Severity::Error, [&](Diagnostics& out) {
      return syntax::parse_targets(setting_.arguments[argument], at, out);
    });
  };
  const std::vector<syntax::Target> add = parse(1);
  std::vector<syntax::Target> replace;
  if (setting_.arguments.size() > 2) replace = parse(2);
  for (PendingRule* r : rules) {
    if (link >= r->links.size()) {
      messages_.error(position_of(setting_, 0), "no-such-link",
                      "rule " + std::to_string(r->id) + " has no chained rule number " +
                          std::to_string(link));
      continue;
    }
    auto& targets = r->links[link].targets;
    const std::size_t before = targets.size();
    for (const syntax::Target& t : replace) {
      std::erase_if(targets, [&](const syntax::Target& there) { return same_target(there, t); });
    }
    if (!replace.empty() && targets.size() == before) {
      messages_.warning(setting_.position, "no-such-target",
                        "rule " + std::to_string(r->id) + " has no target to replace");
      continue;
    }
    for (const syntax::Target& t : add) {
      const bool there = std::any_of(targets.begin(), targets.end(),
                                     [&](const syntax::Target& o) { return same_target(o, t); });
      if (!there) targets.push_back(t);
    }
  }
}

std::optional<std::pair<std::string, std::size_t>> Updater::split_offset() {
  const std::string& text = setting_.arguments[0];
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return std::make_pair(text, std::size_t{0});
  const auto offset = parse_unsigned(std::string_view(text).substr(colon + 1));
  if (!offset) {
    messages_.error(position_of(setting_, 0), "invalid-id",
                    quoted(text) + " is no rule id with the number of a chained rule");
    return std::nullopt;
  }
  return std::make_pair(text.substr(0, colon), static_cast<std::size_t>(*offset));
}

void Updater::update_targets_by_id() {
  const auto where = split_offset();
  if (!where) return;
  const auto ranges = parse_ranges(where->first);
  if (!ranges) {
    messages_.error(position_of(setting_, 0), "invalid-id-range",
                    quoted(setting_.arguments[0]) + " is no list of rule ids and ranges");
    return;
  }
  update_targets(select([&](const PendingRule& r) { return ranges->contains(r.id); }),
                 where->second);
}

void Updater::update_actions() {
  const auto where = split_offset();
  if (!where) return;
  const auto ranges = parse_ranges(where->first);
  if (!ranges) {
    messages_.error(position_of(setting_, 0), "invalid-id",
                    quoted(setting_.arguments[0]) + " is no rule id");
    return;
  }
  const auto rules = select([&](const PendingRule& r) { return ranges->contains(r.id); });
  if (rules.empty()) {
    none_found();
    return;
  }
  const Position at = position_of(setting_, 1);
  const ActionList actions = messages_.parsed(at, Severity::Error, [&](Diagnostics& out) {
    return syntax::parse_actions(setting_.arguments[1], at, out);
  });
  for (const syntax::Action& a : actions) {
    if (a.name == ActionName::Id || a.name == ActionName::Phase || a.name == ActionName::Chain) {
      messages_.error(a.position, "not-updatable",
                      quoted(action_name(a.name)) + " cannot be changed afterwards");
      return;
    }
  }
  for (PendingRule* r : rules) {
    if (where->second >= r->links.size()) {
      messages_.error(position_of(setting_, 0), "no-such-link",
                      "rule " + std::to_string(r->id) + " has no chained rule number " +
                          std::to_string(where->second));
      continue;
    }
    auto& list = r->links[where->second].actions;
    list.insert(list.end(), actions.begin(), actions.end());
  }
}

bool Updater::run() {
  bool ok = true;
  switch (setting_.directive) {
    case Directive::SecRuleRemoveById: {
      const auto rules = by_ranges(0, setting_.arguments.size(), ok);
      if (ok) remove(rules);
      return true;
    }
    case Directive::SecRuleRemoveByTag:
    case Directive::SecRuleRemoveByMsg: {
      const auto name = setting_.directive == Directive::SecRuleRemoveByTag ? ActionName::Tag
                                                                           : ActionName::Msg;
      const auto rules = by_text(name, ok);
      if (ok) remove(rules);
      return true;
    }
    case Directive::SecRuleUpdateTargetById: update_targets_by_id(); return true;
    case Directive::SecRuleUpdateTargetByTag:
    case Directive::SecRuleUpdateTargetByMsg: {
      const auto name = setting_.directive == Directive::SecRuleUpdateTargetByTag ? ActionName::Tag
                                                                                 : ActionName::Msg;
      const auto rules = by_text(name, ok);
      if (ok) update_targets(rules, 0);
      return true;
    }
    case Directive::SecRuleUpdateActionById: update_actions(); return true;
    default: return false;
  }
}

}  // namespace

bool bind_update(const syntax::Setting& setting, std::vector<PendingRule>& rules, bool v3,
                 Messages& messages) {
  return Updater(setting, rules, v3, messages).run();
}

}  // namespace weir::rules::binding
