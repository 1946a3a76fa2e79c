// What the parts of the binder share. Not for others.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rules/bind.h"

namespace weir::rules::binding {

using ActionList = std::vector<syntax::Action>;

struct PendingLink {
  const syntax::Rule* source = nullptr;
  std::vector<syntax::Target> targets;
  ActionList actions;
};

// A rule as it stands before it is built: later directives may still remove or change it.
struct PendingRule {
  std::uint64_t id = 0;
  int phase = 2;
  std::size_t sequence = 0;  // statement number: where skipAfter finds it
  std::vector<PendingLink> links;
  std::shared_ptr<const ActionList> defaults;  // null: the built-in ones
  bool removed = false;
  bool faulty = false;
};

struct PendingMarker {
  std::string label;
  std::size_t sequence = 0;
};

// Reports at positions of the unit.
class Messages {
 public:
  Messages(const syntax::Unit& unit, Diagnostics& out) : unit_(unit), out_(out) {}
  void error(Position at, std::string code, std::string message) {
    add(Severity::Error, at, std::move(code), std::move(message));
  }
  void warning(Position at, std::string code, std::string message) {
    add(Severity::Warning, at, std::move(code), std::move(message));
  }
  void note(Position at, std::string code, std::string message) {
    add(Severity::Note, at, std::move(code), std::move(message));
  }
  void add(Severity severity, Position at, std::string code, std::string message) {
    out_.push_back(diagnose(unit_, at, severity, std::move(code), std::move(message)));
  }
  // After parse_targets() or parse_actions(): completes what they appended; `ceiling` softens errors.
  template <class F>
  auto parsed(Position at, Severity ceiling, F&& parse) {
    const std::size_t first = out_.size();
    auto result = parse(out_);
    complete(unit_, at.file, first, out_);
    for (std::size_t i = first; i < out_.size(); ++i) {
      if (out_[i].severity == Severity::Error) out_[i].severity = ceiling;
    }
    return result;
  }
  [[nodiscard]] const syntax::Unit& unit() const { return unit_; }

 private:
  const syntax::Unit& unit_;
  Diagnostics& out_;
};

// Numbers and ranges: "1", "1-5", "1,3-4".
struct IdRanges {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  [[nodiscard]] bool contains(std::uint64_t id) const;
};
std::optional<IdRanges> parse_ranges(std::string_view text);
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

// A regular expression that selects rules by tag or message; exact text under ModSecurity 3.
class TextSelector {
 public:
  static Result<TextSelector> make(std::string_view text, bool v3);
  [[nodiscard]] bool takes(std::string_view text, ReScratch& scratch) const;

 private:
  std::string text_;
  std::shared_ptr<const Regex> regex_;
};

// bind_settings.cc: directives that set a value. False: the directive is not one of them.
bool bind_setting(const syntax::Setting& setting, Settings& out, Messages& messages);
// bind_settings.cc: the Unicode map, from SecUnicodeMapFile or the default place.
void load_unicode_map(Program& program, const LoadOptions& options);

// bind_updates.cc: SecRuleRemove…, SecRuleUpdate…; they concern the rules before them. False: another
// directive.
bool bind_update(const syntax::Setting& setting, std::vector<PendingRule>& rules, bool v3,
                 Messages& messages);

// bind_rule.cc: builds one rule and its links at the end of `program`.
class RuleBuilder {
 public:
  // `patterns_compile`: known of those of @rx (pattern_cache.h).
  RuleBuilder(Program& program, Messages& messages, bool patterns_compile);
  // False: there was an error, which has been reported.
  bool build(const PendingRule& pending);
  // After all rules: which rules each ctl:ruleRemove… concerns.
  void resolve_ctl();

 private:
  struct CtlText;
  bool build_link(const PendingRule& pending, std::size_t index, Rule& rule);
  bool make_operator_of(const syntax::Rule& source, Link& link);
  bool head_action(const syntax::Action& action, Rule& rule);
  bool link_action(const syntax::Action& action, Link& link, std::vector<Transform>& chain);
  bool metadata_in_link(const syntax::Action& action);
  bool disruptive(const syntax::Action& action, const ActionList& defaults, Rule& rule);
  bool set_chain(const std::vector<Transform>& chain, Position at, Link& link);
  bool set_variable(const syntax::Action& action, Link& link);
  bool timed_variable(const syntax::Action& action, Link& link);
  bool init_collection(const syntax::Action& action, Link& link);
  bool set_environment(const syntax::Action& action, Link& link);
  bool control(const syntax::Action& action, Link& link);
  bool control_value(CtlAction& ctl, const syntax::Action& action);
  bool control_targets(CtlAction& ctl, const syntax::Action& action);
  void check_macros(const Macro& macro, Position at);
  bool bind_target(const syntax::Target& target, TargetSpec& out);
  const std::vector<std::uint32_t>& rules_for(const CtlAction& ctl);

  Program& program_;
  Messages& messages_;
  bool patterns_compile_;
  std::map<std::pair<std::uint16_t, Transform>, std::uint16_t> chain_index_;
  struct Selector {
    std::shared_ptr<const Regex> regex;
    std::shared_ptr<const PlainText> plain;
    std::uint8_t number = 0;
  };
  std::map<std::string, Selector> selectors_;  // by pattern
  std::map<std::pair<int, std::string>, std::vector<std::uint32_t>> ctl_rules_;
  ReScratch scratch_;
};

int severity_of(std::string_view text);  // -1: not one
std::optional<int> phase_of(std::string_view text);

}  // namespace weir::rules::binding
