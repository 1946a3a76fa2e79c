#include "rules/listed_names.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rules/ascii.h"
#include "rules/evaluate.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

bool is_letter_or_digit(char c) { return (fold(c) >= 'a' && fold(c) <= 'z') || (c >= '0' && c <= '9'); }

// escape_name() leaves it.
bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '\\'; }

bool is_whole_capture(const Macro::Part& part) {
  return part.is_variable && part.variable == Variable::TX && part.text == "0";
}

// Text, TX:0, and where `closed` text again.
bool is_around_capture(const Macro& macro, bool closed) {
  const auto& parts = macro.parts();
  if (parts.size() != (closed ? 3U : 2U) || parts[0].is_variable || !is_whole_capture(parts[1])) return false;
  return !closed || !parts[2].is_variable;
}

template <class F>
void for_each_macro(const Action& action, const F& f) {
  struct Visitor {
    const F& f;
    void operator()(const SetVar& a) const {
      f(a.name);
      f(a.value);
    }
    void operator()(const TimedVar& a) const {
      f(a.name);
      f(a.value);
    }
    void operator()(const InitCol& a) const { f(a.key); }
    void operator()(const SetEnv& a) const {
      f(a.name);
      f(a.value);
    }
    void operator()(const CtlAction&) const {}
    void operator()(const Sanitise&) const {}
  };
  std::visit(Visitor{f}, action);
}

template <class F>
void for_each_macro(const Program& program, const F& f) {
  for (const Rule& rule : program.rules) {
    f(rule.redirect);
    f(rule.message);
    f(rule.log_data);
    for (const Macro& tag : rule.tags) f(tag);
  }
  for (const Link& link : program.links) {
    f(link.op_macro);
    for (const Action& action : link.actions) for_each_macro(action, f);
  }
}

// One rule, looked at as such a chain.
class Candidate {
 public:
  Candidate(const Program& program, std::uint32_t rule)
      : program_(program), rule_(program.rules[rule]), first_(program.links[rule_.first_link]) {
    found_.rule = rule;
  }
  std::optional<ListedNames> look() {
    if (rule_.links != 2 || !names_are_captured() || !variable_is_made() || !list_is_asked() || !is_private()) return std::nullopt;
    return found_;
  }

 private:
  [[nodiscard]] const Link& second() const { return program_.links[rule_.first_link + 1]; }
  bool names_are_captured();
  bool variable_is_made();
  bool list_is_asked();
  bool is_private();
  [[nodiscard]] bool begins_alike(std::string_view name) const {
    const std::size_t n = std::min(name.size(), own_.size());
    return fold_equal(name.substr(0, n), std::string_view(own_).substr(0, n));
  }
  bool is_passed_by(const TargetSpec& target);
  [[nodiscard]] bool is_read_by(const Macro& macro) const;

  const Program& program_;
  const Rule& rule_;
  const Link& first_;
  std::string own_;  // what the variables' names begin with, in small letters
  ListedNames found_;
};

bool Candidate::names_are_captured() {
  if (first_.targets.size() != 1 || first_.op == nullptr || first_.negated || first_.op_has_macros || first_.multi_match ||
      !first_.capture) {
    return false;
  }
  const TargetSpec& t = first_.targets.front();
  constexpr Variable kNames[] = {Variable::REQUEST_HEADERS_NAMES, Variable::REQUEST_COOKIES_NAMES, Variable::ARGS_NAMES};
  const bool known = std::find(std::begin(kNames), std::end(kNames), t.variable) != std::end(kNames);
  if (!known || t.kind != syntax::Selector::Kind::None || t.count || t.exclude) return false;
  found_.variable = t.variable;
  found_.chain = first_.chain;
  const ChainNode& node = program_.chains[first_.chain];
  if (first_.chain != 0 && (node.parent != 0 || node.transform != Transform::Lowercase)) return false;
  const Regex* regex = first_.op->regex();
  if (regex == nullptr || first_.op_name != "rx" || regex->options().multiline || regex->options().not_empty) return false;
  found_.groups = regex->pattern() == "^(.*)$" ? 2 : 1;
  return regex->pattern() == "^.*$" || found_.groups == 2;
}

bool Candidate::variable_is_made() {
  const auto* set = first_.actions.size() == 1 ? std::get_if<SetVar>(&first_.actions.front()) : nullptr;
  if (set == nullptr || set->collection != Written::Tx || set->how != SetVar::How::Assign) return false;
  if (!is_around_capture(set->name, false) || !is_around_capture(set->value, true)) return false;
  own_ = lower(set->name.parts().front().text);
  const std::string& before = set->value.parts()[0].text;
  if (before.size() != 1 || before != set->value.parts()[2].text || is_letter_or_digit(before.front())) return false;
  found_.mark = before.front();
  found_.odd[static_cast<std::uint8_t>(found_.mark)] = true;
  return std::all_of(own_.begin(), own_.end(), is_plain);
}

bool Candidate::list_is_asked() {
  const Link& link = second();
  if (link.targets.size() != 1 || link.op == nullptr || link.op_name != "within" || link.negated || link.chain != 0 ||
      link.multi_match) {
    return false;
  }
  const TargetSpec& t = link.targets.front();
  if (t.variable != Variable::TX || t.kind != syntax::Selector::Kind::Regex || t.count || t.exclude || t.plain == nullptr) return false;
  if (!t.plain->at_begin || t.plain->at_end || t.plain->text != own_) return false;
  if (!link.op_has_macros) return true;
  found_.list = &link.op_macro;
  // One TX variable that the chain itself does not change.
  const auto& parts = link.op_macro.parts();
  constexpr std::uint16_t kLastDigit = KnownNames::kFirstDigit + 9;
  return parts.size() == 1 && parts.front().is_variable && parts.front().known > kLastDigit && !begins_alike(parts.front().text);
}

// Can the target not tell of any of the variables? If need be names with a byte that its text has are taken to be odd.
bool Candidate::is_passed_by(const TargetSpec& t) {
  if (t.variable != Variable::TX || t.exclude || &t == &second().targets.front()) return true;
  if (t.kind == syntax::Selector::Kind::Literal) return !fold_starts_with(t.key, own_);
  if (t.kind != syntax::Selector::Kind::Regex || t.plain == nullptr) return false;
  const std::string& text = t.plain->text;
  if (t.plain->at_begin) return !begins_alike(text);
  // In a name or across its beginning.
  if (own_.find(text) != std::string::npos) return false;
  for (std::size_t n = 1; n < text.size() && n <= own_.size(); ++n) {
    if (std::string_view(own_).substr(own_.size() - n) == std::string_view(text).substr(0, n)) return false;
  }
  const auto rare = std::find_if(text.begin(), text.end(), [](char c) { return !is_letter_or_digit(c) && c != '-'; });
  if (rare == text.end()) return false;
  found_.odd[static_cast<std::uint8_t>(*rare)] = true;
  return true;
}

bool Candidate::is_read_by(const Macro& macro) const {
  return std::any_of(macro.parts().begin(), macro.parts().end(), [&](const Macro::Part& p) {
    return p.is_variable && p.variable == Variable::TX && (p.text.empty() || fold_starts_with(p.text, own_));
  });
}

bool Candidate::is_private() {
  for (const Link& link : program_.links) {
    for (const TargetSpec& t : link.targets) {
      if (!is_passed_by(t)) return false;
    }
    for (const Action& action : link.actions) {
      const auto* set = std::get_if<SetVar>(&action);
      if (set == nullptr || set->collection != Written::Tx || &link == &first_) continue;
      const std::string_view name = set->name.text();
      const auto end = std::find_if_not(name.begin(), name.end(), is_plain) - name.begin();
      const std::size_t known = std::min(name.find("%{"), static_cast<std::size_t>(end));
      if (known >= name.size() ? fold_starts_with(name, own_) : begins_alike(name.substr(0, known))) return false;
    }
  }
  bool read = false;
  for_each_macro(program_, [&](const Macro& macro) { read = read || is_read_by(macro); });
  return !read;
}

// A bit for a name's length and edges.
std::uint64_t shape_of(std::string_view name) {
  const auto at = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<std::uint8_t>(fold(name[i]))); };
  return std::uint64_t{1} << ((name.size() + 7 * at(0) + 13 * at(name.size() - 1)) % 64);
}

void leave_behind(TransactionState& tx, const ListedNames& names, const ListView& list) {
  Entry& last = list.entries[list.count - 1];
  const std::string_view text = names.chain == 0 ? last.name.text : tx.forms.form(last.name, names.chain).text;
  Captures captures;
  captures.count = names.groups;
  std::fill_n(captures.groups.begin(), names.groups, text);
  set_captures(tx, captures);
  TargetValue value;
  value.variable = names.variable;
  value.has_key = true;
  value.key = last.name.text;
  tx.matched_var = {name_of(tx, value), text};
}

}  // namespace

void find_listed_names(Program& program) {
  for (std::uint32_t i = 0; i < program.rules.size() && program.listed_names.size() < Scratch::State::kMostListed; ++i) {
    auto found = Candidate(program, i).look();
    if (!found) continue;
    program.listed_names.push_back(*found);
    program.rules[i].listed = static_cast<std::uint8_t>(program.listed_names.size());
  }
}

bool NameList::use(std::string_view list, char mark) {
  if (list.size() > kLongest) return false;
  if (list == list_ && mark == mark_) return true;
  list_ = list;
  mark_ = mark;
  shapes_ = 0;
  names_.clear();
  const std::string_view text = list_;
  for (std::size_t at = text.find(mark); at != std::string_view::npos;) {
    const std::size_t end = text.find(mark, at + 1);
    if (end == std::string_view::npos) break;
    if (end > at + 1) {
      names_.push_back(text.substr(at + 1, end - at - 1));
      shapes_ |= shape_of(names_.back());
    }
    at = end;
  }
  return true;
}

bool NameList::may_contain(std::string_view name) const {
  if (name.empty()) return true;
  if ((shapes_ & shape_of(name)) == 0) return false;
  return std::any_of(names_.begin(), names_.end(), [&](std::string_view n) { return fold_equal(n, name); });
}

bool none_is_listed(TransactionState& tx, const Rule& rule) {
  const std::size_t number = rule.listed - 1U;
  const ListedNames& names = tx.program->listed_names[number];
  const bool untouched = !tx.rule_flags_used || tx.rule_flags[names.rule] == 0;
  if (tx.trace != nullptr || !untouched) return false;
  const Link& second = tx.program->links[rule.first_link + 1];
  NameList& known = tx.scratch.name_lists[number];
  const std::string_view list = names.list == nullptr ? std::string_view(second.op_argument) : names.list->expand(tx);
  ListView all;
  bool none = known.use(list, names.mark) && variable_list(tx, names.variable, all);
  for (std::size_t i = 0; i < all.count && none; ++i) {
    const std::string_view name = all.entries[i].name.text;
    none = std::none_of(name.begin(), name.end(), [&](char c) { return names.odd[static_cast<std::uint8_t>(c)]; }) &&
           !known.may_contain(name);
  }
  tx.work += all.count;
  if (none && all.count > 0) leave_behind(tx, names, all);
  return none;
}

}  // namespace weir::rules
