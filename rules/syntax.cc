// The lists inside a rule. Their grammar is ModSecurity 2's generic one: elements `name` or
// `name:value`, separated by ',' or '|' or, after a value, by white space; a value may stand in
// single quotes, inside which \' and \\ are escapes.
#include "rules/syntax.h"

#include <string>
#include <utility>

#include "rules/lists.h"

namespace weir::rules::syntax {

namespace {

struct Element {
  std::string name;
  std::size_t name_at = 0;
  bool has_value = false;
  bool quoted = false;
  std::string value;
  std::size_t value_at = 0;
};

enum class ListKind : std::uint8_t { Targets, Actions };

class ListReader {
 public:
  ListReader(std::string_view text, ListKind kind, const Locator& where, ListContext& context)
      : text_(text), kind_(kind), where_(where), context_(context) {}

  // False at the end. After an error it goes on with the next element it can make out.
  bool next(Element& out);

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char here() const { return text_[at_]; }
  [[nodiscard]] bool separates(char c) const {
    return c == ',' || (c == '|' && (kind_ == ListKind::Targets ||
                                     context_.semantics == Semantics::ModSecurity2));
  }
  void skip_space() {
    while (!at_end() && is_space(here()))
      ++at_;
  }
  bool read_quoted(Element& out);
  void read_bare(Element& out);
  [[nodiscard]] std::size_t regex_end() const;

  std::string_view text_;
  ListKind kind_;
  const Locator& where_;
  ListContext& context_;
  std::size_t at_ = 0;
  bool no_more_regexes_ = false;  // keeps a list of many half-open ones linear
};

bool ListReader::next(Element& out) {
  out = Element{};
  for (;;) {
    skip_space();
    if (at_end()) return false;
    if (!separates(here())) break;
    ++at_;  // an empty element, or a comma behind the last one, means nothing
  }
  out.name_at = at_;
  while (!at_end() && here() != ':' && !separates(here()) && !is_space(here()))
    ++at_;
  out.name = text_.substr(out.name_at, at_ - out.name_at);
  if (at_end()) return true;
  if (here() != ':') {
    skip_space();
    if (at_end()) return true;
    if (separates(here())) {
      ++at_;
    } else {
      context_.report.error(
          where_(at_), "missing-separator",
          "expected ',' after " + quoted(out.name) + ", found " + quoted(text_.substr(at_, 1)));
    }
    return true;
  }
  ++at_;
  if (at_end() || separates(here())) {
    if (!at_end()) ++at_;
    return true;
  }
  out.has_value = true;
  if (here() == '\'') return read_quoted(out);
  read_bare(out);
  return true;
}

bool ListReader::read_quoted(Element& out) {
  const std::size_t opening = at_++;
  out.quoted = true;
  out.value_at = at_;
  const bool halve = context_.semantics == Semantics::ModSecurity2;
  while (!at_end() && here() != '\'') {
    if (here() == '\\' && at_ + 1 < text_.size() &&
        (text_[at_ + 1] == '\'' || (halve && text_[at_ + 1] == '\\'))) {
      ++at_;
    }
    out.value.push_back(here());
    ++at_;
  }
  if (at_end()) {
    context_.report.error(where_(opening), "unterminated-quote",
                          "the quote after " + quoted(out.name + ":") + " is not closed");
  } else {
    ++at_;
  }
  return true;
}

// The end of /regex/ if the value is one: a slash that is not escaped, before a separator or the
// end.
std::size_t ListReader::regex_end() const {
  for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
    if (text_[i] == '\\') {
      ++i;
    } else if (text_[i] == '/' && i > at_ + 1 &&
               (i + 1 == text_.size() || separates(text_[i + 1]) || is_space(text_[i + 1]))) {
      return i + 1;
    }
  }
  return 0;
}

void ListReader::read_bare(Element& out) {
  out.value_at = at_;
  if (kind_ == ListKind::Targets && here() == '/' && !no_more_regexes_ &&
      !same_name(out.name, "XML") && !same_name(out.name, "!XML") && !same_name(out.name, "&XML")) {
    // Unlike ModSecurity 2, separators may stand inside the slashes.
    if (const std::size_t end = regex_end(); end != 0) {
      out.value = text_.substr(at_, end - at_);
      at_ = end;
      return;
    }
    no_more_regexes_ = true;
  }
  while (!at_end() && !separates(here()) && !is_space(here()))
    ++at_;
  out.value = text_.substr(out.value_at, at_ - out.value_at);
}

Selector selector_of(Variable variable, const Element& element) {
  Selector selector;
  const std::string& text = element.value;
  if (variable == Variable::XML) {
    selector.kind = Selector::Kind::XPath;
    selector.text = text;
  } else if (text.size() > 2 && text.front() == '/' && text.back() == '/') {
    selector.kind = Selector::Kind::Regex;
    selector.text = text.substr(1, text.size() - 2);
  } else {
    selector.kind = Selector::Kind::Literal;
    selector.text = text;
  }
  return selector;
}

void unknown_variable(std::string_view name, Position at, Reporter& report) {
  if (const std::string_view why = variable_left_out(name); !why.empty()) {
    report.error(at, "variable-left-out",
                 "Weir has no variable " + quoted(name) + ": " + std::string(why));
    return;
  }
  const std::string_view near = report.full() ? std::string_view{} : nearest_variable(name);
  report.error(at, "unknown-variable", "unknown variable " + quoted(name) + did_you_mean(near));
}

// Adds the target that `element` stands for, or says what is wrong with it.
void add_target(Element& element, const Locator& where, ListContext& context,
                std::vector<Target>& out) {
  Reporter& report = context.report;
  std::string_view name = element.name;
  Target target;
  target.position = where(element.name_at);
  std::size_t prefix = 0;
  if (!name.empty() && (name.front() == '!' || name.front() == '&')) {
    (name.front() == '!' ? target.exclude : target.count) = true;
    name.remove_prefix(1);
    prefix = 1;
  }
  const Position name_position = where(element.name_at + prefix);
  if (name.empty()) {
    report.error(name_position, "missing-variable", "a variable's name is missing here");
    return;
  }
  std::string header;
  if (name.size() > 5 && name.substr(0, 5) == "HTTP_") {  // ModSecurity 1's way to name a header
    header = name.substr(5);
    name = "REQUEST_HEADERS";
    element.has_value = true;
    element.value = header;
  }
  const std::optional<Variable> variable = find_variable(name);
  if (!variable) {
    unknown_variable(name, name_position, report);
    return;
  }
  target.variable = *variable;
  if (element.has_value) {
    if (!is_collection(*variable)) {
      report.error(where(element.value_at), "no-selector-allowed",
                   quoted(name) + " is a single value and takes no ':" + element.value + "'");
      return;
    }
    target.selector = selector_of(*variable, element);
  }
  if (target.count && !is_collection(*variable)) {
    report.warning(target.position, "count-of-scalar",
                   "'&' counts the members of a collection; " + quoted(name) +
                       " is a single value, of which there is one or none");
  }
  out.push_back(std::move(target));
}

void check_ctl(const Element& element, const Locator& where, ListContext& context, bool& usable) {
  Reporter& report = context.report;
  const std::size_t equals = element.value.find('=');
  const std::string_view name = std::string_view(element.value).substr(0, equals);
  const Position at = where(element.value_at);
  const auto ctl = find_ctl(name);
  usable = false;
  if (!ctl) {
    const std::string_view near = report.full() ? std::string_view{} : nearest_ctl(name);
    report.error(at, "unknown-ctl", "unknown ctl option " + quoted(name) + did_you_mean(near));
  } else if (*ctl == Ctl::HashEngine || *ctl == Ctl::HashEnforcement) {
    report.error(at, "ctl-left-out",
                 "Weir has no ctl option " + quoted(name) + ": " +
                     std::string(directive_left_out("SecHashKey")));
  } else if (equals == std::string::npos || equals + 1 == element.value.size()) {
    report.error(at, "missing-argument", "ctl option " + quoted(name) + " needs '=' and a value");
  } else {
    usable = true;
  }
}

void unknown_action(const Element& element, Position at, Reporter& report) {
  const std::string& name = element.name;
  const std::string_view near = report.full() ? std::string_view{} : nearest_action(name);
  std::string message = "unknown action " + quoted(name) + did_you_mean(near);
  if (near.empty() && !element.has_value) message += "; text with spaces or commas needs quotes";
  report.error(at, "unknown-action", std::move(message));
}

void add_action(Element& element, const Locator& where, ListContext& context,
                std::vector<Action>& out) {
  Reporter& report = context.report;
  Action action;
  action.position = where(element.name_at);
  action.argument_position =
      where(element.has_value ? element.value_at : element.name_at + element.name.size());
  if (element.name.empty()) {
    report.error(action.position, "missing-action", "an action's name is missing here");
    return;
  }
  if (const std::string_view why = action_left_out(element.name); !why.empty()) {
    report.error(action.position, "action-left-out",
                 "Weir has no action " + quoted(element.name) + ": " + std::string(why));
    return;
  }
  const std::optional<ActionName> name = find_action(element.name);
  if (!name) {
    unknown_action(element, action.position, report);
    return;
  }
  action.name = *name;
  const ActionArgument takes = action_argument(*name);
  if (takes == ActionArgument::Required && !element.has_value) {
    report.error(action.position, "missing-argument",
                 "action " + quoted(element.name) + " needs ':' and an argument");
    return;
  }
  if (takes == ActionArgument::None && element.has_value) {
    report.error(action.argument_position, "needless-argument",
                 "action " + quoted(element.name) + " takes no argument");
    return;
  }
  if (*name == ActionName::Ctl) {
    bool usable = true;
    check_ctl(element, where, context, usable);
    if (!usable) return;
  }
  action.argument = std::move(element.value);
  out.push_back(std::move(action));
}

}  // namespace

Position Locator::operator()(std::size_t offset) const {
  if (line_ != nullptr) return line_->position(word_->line_offset(offset));
  Position at = at_;
  at.column += static_cast<std::uint32_t>(offset);
  return at;
}

std::vector<Target> targets_of(std::string_view text, const Locator& where, ListContext& context) {
  std::vector<Target> targets;
  ListReader reader(text, ListKind::Targets, where, context);
  Element element;
  while (reader.next(element))
    add_target(element, where, context, targets);
  return targets;
}

std::vector<Action> actions_of(std::string_view text, const Locator& where, ListContext& context) {
  std::vector<Action> actions;
  ListReader reader(text, ListKind::Actions, where, context);
  Element element;
  while (reader.next(element))
    add_action(element, where, context, actions);
  return actions;
}

Operator operator_of(std::string_view text, const Locator& where, ListContext& context) {
  Operator op;
  std::size_t at = 0;
  const auto skip_space = [&] {
    while (at < text.size() && is_space(text[at]))
      ++at;
  };
  if (at < text.size() && text[at] == '!') {
    op.negated = true;
    ++at;
    skip_space();
  } else {
    // White space in front belongs to an implicit pattern, but nobody means it in front of '@'.
    skip_space();
    if (at >= text.size() || text[at] != '@') at = 0;
  }
  op.position = where(at);
  if (at >= text.size() || text[at] != '@') {
    op.name = "rx";
    op.argument = text.substr(at);
    return op;
  }
  const std::size_t name_at = ++at;
  while (at < text.size() && !is_space(text[at]))
    ++at;
  for (const char c : text.substr(name_at, at - name_at)) {
    op.name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  skip_space();
  op.argument = text.substr(at);
  if (op.name.empty()) {
    context.report.error(op.position, "missing-operator",
                         "an operator's name is missing after '@'");
  }
  return op;
}

std::vector<Target> parse_targets(std::string_view text, Position at, Diagnostics& out,
                                  Semantics semantics) {
  Reporter report(out);
  ListContext context{semantics, report};
  auto targets = targets_of(text, Locator(at), context);
  report.finish();
  return targets;
}

std::vector<Action> parse_actions(std::string_view text, Position at, Diagnostics& out,
                                  Semantics semantics) {
  Reporter report(out);
  ListContext context{semantics, report};
  auto actions = actions_of(text, Locator(at), context);
  report.finish();
  return actions;
}

}  // namespace weir::rules::syntax
