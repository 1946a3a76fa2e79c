// The syntax tree of SecLang: what the parser makes of rule files and bind turns into a program.
// Nothing is resolved here except names (a name is an enumerator or a diagnostic); macros are still text.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/diagnostic.h"
#include "rules/names.h"
#include "rules/ruleset.h"

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
  std::string name;      // without '@', lower case, "rx" where none was written; bind checks that it exists
  std::string argument;  // as it stands after Apache's quoting rules; may contain macros
  bool negated = false;
  Position position;
};

struct Action {
  ActionName name{};
  std::string argument;  // unquoted; empty where there is none
  Position position;     // of the name
  Position argument_position;  // of the argument's first byte (behind a quote)
};

// SecRule and SecAction (which has neither targets nor operator).
struct Rule {
  std::vector<Target> targets;
  Operator op;
  std::vector<Action> actions;
  bool unconditional = false;  // SecAction
  Position position;
  Position end;                // last physical line of the directive
  bool faulty = false;         // parts are missing, for which there is an error already
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

// Every other directive that has an effect in Weir. The arguments are unquoted; their number is checked,
// and so is their form where the directive takes one of a few words or a number (see directives.h).
struct Setting {
  Directive directive{};
  std::vector<std::string> arguments;
  Position position;
  std::vector<Position> argument_positions;  // of each argument's first byte (behind a quote)
};

using Statement = std::variant<Rule, Marker, DefaultAction, Setting>;

// The text of a file, kept as long as messages may want to show a line of it.
struct SourceText {
  std::string text;
  std::vector<std::uint32_t> line_starts;  // offset of each physical line

  // Line `number` (from 1) without its end; empty if there is no such line.
  [[nodiscard]] std::string_view line(std::uint32_t number) const;
};

struct Unit {
  std::vector<std::string> files;  // indexed by Position::file; the path as reached, or the name of a text
  std::deque<SourceText> texts;    // the same index
  std::vector<Statement> statements;
};

// A diagnostic about a place in `unit`: fills in the file's name and the excerpt.
Diagnostic diagnose(const Unit& unit, Position at, Severity severity, std::string code,
                    std::string message);

// Gives the file's name and the excerpt to diagnostics from `first` on that parse_targets or parse_actions
// appended for a text that stands in file `file` of `unit`.
void complete(const Unit& unit, std::uint32_t file, std::size_t first, Diagnostics& diagnostics);

// A target list or action list that stands inside another directive's argument (SecRuleUpdateTargetById,
// SecRuleUpdateActionById, ctl:ruleRemoveTargetById). Diagnostics are appended; a list with errors
// comes back without the faulty elements. `at` is the place of the text's first byte; the diagnostics have
// line and column, but neither file nor excerpt (complete() adds them).
std::vector<Target> parse_targets(std::string_view text, Position at, Diagnostics& out,
                                  Semantics semantics = Semantics::ModSecurity2);
std::vector<Action> parse_actions(std::string_view text, Position at, Diagnostics& out,
                                  Semantics semantics = Semantics::ModSecurity2);

}  // namespace weir::rules::syntax
