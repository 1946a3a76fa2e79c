// The syntax tree of SecLang: what the parser makes of rule files and bind turns into a program.
// Nothing is resolved here except names (a name is an enumerator or a diagnostic); macros are still text.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "rules/diagnostic.h"
#include "rules/names.h"

namespace weir::rules::syntax {

struct Selector {
  enum class Kind : std::uint8_t { None, Literal, Regex, XPath };
  Kind kind = Kind::None;
  std::string text;  // Literal: the key as written; Regex: between the slashes; XPath: e.g. "/*", "//@*"
};

// One element of a target list: ARGS, ARGS:id, ARGS:/^x/, &ARGS, !ARGS:id, XML:/*.
struct Target {
  Variable variable{};
  Selector selector;
  bool count = false;    // & : the number of values
  bool exclude = false;  // ! : removes from what earlier elements of the list selected
  Position position;
};

struct Operator {
  std::string name;      // without '@', lower case, "rx" where none was written; known to exist
  std::string argument;  // as it stands after Apache's quoting rules; may contain macros
  bool negated = false;
  Position position;
};

struct Action {
  ActionName name{};
  std::string argument;  // unquoted; empty where there is none
  Position position;
};

// SecRule and SecAction (which has neither targets nor operator).
struct Rule {
  std::vector<Target> targets;
  Operator op;
  std::vector<Action> actions;
  bool unconditional = false;  // SecAction
  Position position;
  Position end;                // last physical line of the directive
};

struct Marker {
  std::string label;
  Position position;
};

// SecDefaultAction.
struct DefaultAction {
  std::vector<Action> actions;
  Position position;
};

// Every other directive; the arguments are unquoted, their number is checked.
struct Setting {
  Directive directive{};
  std::vector<std::string> arguments;
  Position position;
};

using Statement = std::variant<Rule, Marker, DefaultAction, Setting>;

struct Unit {
  std::vector<std::string> files;  // indexed by Position::file; canonical path, or the name of a text
  std::vector<Statement> statements;
};

// A target list or action list that stands inside another directive's argument (SecRuleUpdateTargetById,
// SecRuleUpdateActionById, ctl:ruleRemoveTargetById). Diagnostics are appended; a list with errors
// comes back without the faulty elements.
std::vector<Target> parse_targets(std::string_view text, Position at, Diagnostics& out);
std::vector<Action> parse_actions(std::string_view text, Position at, Diagnostics& out);

}  // namespace weir::rules::syntax
