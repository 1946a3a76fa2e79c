// Any bytes as a rule file, in both semantics: no crash, places inside the text, and what was
// parsed parses again to the same when it is written out.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "rules/parser.h"
#include "rules/render.h"

using namespace weir::rules;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_place(const syntax::Unit& unit, Position at) {
  check(at.file < unit.files.size());
  const auto& text = unit.texts[at.file];
  check(at.line >= 1 && at.line <= text.line_starts.size());
  check(at.column >= 1 && at.column <= text.line(at.line).size() + 2);
}

// A selector or argument, in quotes as a list wants them.
std::string quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

void check_again(const syntax::Rule& rule) {
  std::string targets;
  for (const auto& target : rule.targets) {
    if (!targets.empty()) targets += "|";
    targets += target.exclude ? "!" : target.count ? "&" : "";
    targets += variable_name(target.variable);
    if (target.selector.kind == syntax::Selector::Kind::Regex) {
      targets += ":" + quote("/" + target.selector.text + "/");
    } else if (target.selector.kind != syntax::Selector::Kind::None) {
      targets += ":" + quote(target.selector.text);
    }
  }
  Diagnostics diagnostics;
  const auto again = syntax::parse_targets(targets, {}, diagnostics);
  check(!has_errors(diagnostics) && again.size() == rule.targets.size());
  for (std::size_t i = 0; i < again.size(); ++i) {
    check(again[i].variable == rule.targets[i].variable);
    check(again[i].exclude == rule.targets[i].exclude && again[i].count == rule.targets[i].count);
    check(again[i].selector.kind == rule.targets[i].selector.kind);
    check(again[i].selector.text == rule.targets[i].selector.text);
  }
  std::string actions;
  for (const auto& action : rule.actions) {
    if (!actions.empty()) actions += ",";
    actions += action_name(action.name);
    if (action_argument(action.name) != ActionArgument::None && !action.argument.empty()) {
      actions += ":" + quote(action.argument);
    } else if (action_argument(action.name) == ActionArgument::Required) {
      actions += ":''";
    }
  }
  const auto repeated = syntax::parse_actions(actions, {}, diagnostics);
  check(!has_errors(diagnostics) && repeated.size() == rule.actions.size());
  for (std::size_t i = 0; i < repeated.size(); ++i) {
    check(repeated[i].name == rule.actions[i].name);
    check(repeated[i].argument == rule.actions[i].argument);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const Semantics semantics : {Semantics::ModSecurity2, Semantics::ModSecurity3}) {
    syntax::ParseOptions options;
    options.semantics = semantics;
    options.follow_includes = false;
    Diagnostics diagnostics;
    const auto unit = syntax::parse({Source::memory("fuzz", text)}, options, diagnostics);
    check(diagnostics.size() <= 1001);
    for (const Diagnostic& d : diagnostics) {
      if (d.line != 0) check_place(unit, {0, d.line, d.column});
      check(!d.code.empty() && !d.message.empty());
      check(render(d, true).find('\0') == std::string::npos);
    }
    for (const auto& statement : unit.statements) {
      if (const auto* rule = std::get_if<syntax::Rule>(&statement)) {
        check_place(unit, rule->position);
        for (const auto& target : rule->targets)
          check_place(unit, target.position);
        for (const auto& action : rule->actions) {
          check_place(unit, action.position);
          check_place(unit, action.argument_position);
        }
        check_again(*rule);
      }
    }
  }
  return 0;
}
