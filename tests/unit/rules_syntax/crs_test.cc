// Real rule sets parse completely: Debian's CRS and ModSecurity's recommended configuration where
// they are installed, and a CRS 4 checkout named by WEIR_CRS4_DIR.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "rules/include.h"
#include "rules/parser.h"
#include "rules/render.h"

namespace weir::rules {
namespace {

struct Counts {
  int rules = 0, actions = 0, markers = 0, defaults = 0;
  std::map<Directive, int> settings;
  std::map<Variable, int> variables;
  int literal = 0, regex = 0, xpath = 0, excluded = 0, counted = 0, plain = 0;
  std::map<ActionName, int> action_names;
  std::map<std::string, int> operators;
};

Counts count(const syntax::Unit& unit) {
  Counts n;
  for (const auto& statement : unit.statements) {
    if (const auto* rule = std::get_if<syntax::Rule>(&statement)) {
      ++(rule->unconditional ? n.actions : n.rules);
      if (!rule->unconditional) ++n.operators[(rule->op.negated ? "!" : "") + rule->op.name];
      for (const auto& target : rule->targets) {
        if (!target.exclude) ++n.variables[target.variable];
        n.excluded += target.exclude;
        n.counted += target.count;
        n.literal += target.selector.kind == syntax::Selector::Kind::Literal;
        n.regex += target.selector.kind == syntax::Selector::Kind::Regex;
        n.xpath += target.selector.kind == syntax::Selector::Kind::XPath;
        n.plain += target.selector.kind == syntax::Selector::Kind::None;
      }
      for (const auto& action : rule->actions)
        ++n.action_names[action.name];
    } else if (std::holds_alternative<syntax::Marker>(statement)) {
      ++n.markers;
    } else if (std::holds_alternative<syntax::DefaultAction>(statement)) {
      ++n.defaults;
    } else {
      ++n.settings[std::get<syntax::Setting>(statement).directive];
    }
  }
  return n;
}

std::string all(const Diagnostics& diagnostics) {
  std::string out;
  for (const auto& d : diagnostics)
    out += render(d, false);
  return out;
}

syntax::Unit parse_all(const std::string& pattern, Diagnostics& diagnostics) {
  return syntax::parse({Source::memory("test", "Include " + pattern + "\n")}, diagnostics);
}

TEST(Crs, DebianRules) {
  const std::string rules = "/usr/share/modsecurity-crs/rules";
  if (!std::filesystem::exists(rules)) GTEST_SKIP() << "modsecurity-crs is not installed";
  Diagnostics diagnostics;
  const auto unit = parse_all(rules + "/*.conf", diagnostics);
  EXPECT_EQ(all(diagnostics), "");
  EXPECT_EQ(unit.files.size(), 33U);  // with the text that includes them
  const Counts n = count(unit);
  EXPECT_EQ(n.rules, 790);
  EXPECT_EQ(n.actions, 9);
  EXPECT_EQ(n.markers, 40);
  EXPECT_EQ(n.settings.size(), 1U);
  EXPECT_EQ(n.settings.at(Directive::SecComponentSignature), 1);
  EXPECT_EQ(n.variables.at(Variable::TX), 312);
  EXPECT_EQ(n.variables.at(Variable::ARGS), 195);
  EXPECT_EQ(n.variables.at(Variable::XML), 128);
  EXPECT_EQ(n.regex, 136);
  EXPECT_EQ(n.xpath, 128);
  EXPECT_EQ(n.excluded, 130);
  EXPECT_EQ(n.counted, 104);
  EXPECT_EQ(n.operators.at("rx"), 247);
  EXPECT_EQ(n.operators.at("!rx"), 18);
  EXPECT_EQ(n.operators.at("pmfromfile"), 19);
  EXPECT_EQ(n.action_names.at(ActionName::Ctl), 537);
  EXPECT_EQ(n.action_names.at(ActionName::ExpireVar), 20);
}

TEST(Crs, DebianLayout) {
  const std::string load = "/usr/share/modsecurity-crs/owasp-crs.load";
  if (!std::filesystem::exists(load)) GTEST_SKIP() << "modsecurity-crs is not installed";
  Diagnostics diagnostics;
  const auto unit = syntax::parse({Source::file(load)}, diagnostics);
  EXPECT_EQ(all(diagnostics), "");
  EXPECT_EQ(count(unit).rules, 790);
  EXPECT_EQ(count(unit).defaults, 2);
  EXPECT_EQ(count(unit).settings.at(Directive::SecCollectionTimeout), 1);
}

TEST(Crs, RecommendedConfiguration) {
  const std::string file = "/etc/modsecurity/modsecurity.conf-recommended";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "ModSecurity is not installed";
  Diagnostics diagnostics;
  const auto unit = syntax::parse({Source::file(file)}, diagnostics);
  for (const auto& d : diagnostics) {
    EXPECT_EQ(d.severity, Severity::Note) << render(d, false);
    EXPECT_EQ(d.code, "without-effect") << render(d, false);
  }
  const Counts n = count(unit);
  EXPECT_EQ(n.rules, 6);
  EXPECT_EQ(n.operators.at("rx"), 2);
  EXPECT_EQ(n.operators.at("!eq"), 3);
  EXPECT_EQ(n.settings.at(Directive::SecUnicodeMapFile), 1);
}

TEST(Crs, Version4) {
  const char* directory = std::getenv("WEIR_CRS4_DIR");
  if (directory == nullptr) GTEST_SKIP() << "WEIR_CRS4_DIR is not set";
  Diagnostics diagnostics;
  const auto unit = parse_all(std::string(directory) + "/rules/*.conf", diagnostics);
  EXPECT_EQ(all(diagnostics), "");
  const Counts n = count(unit);
  EXPECT_GT(n.rules, 600);
  EXPECT_GT(n.markers, 20);
  if (std::filesystem::exists(std::string(directory) + "/CHANGES.md")) {
    auto changes = syntax::read_file(std::string(directory) + "/CHANGES.md", 1 << 24);
    ASSERT_TRUE(changes);
    const std::size_t first = changes->find("## Version ");
    if (first == changes->find("## Version 4.28.0")) {
      EXPECT_EQ(n.rules, 695);
      EXPECT_EQ(n.actions, 7);
      EXPECT_EQ(n.markers, 30);
      EXPECT_EQ(n.settings.at(Directive::SecRuleUpdateTargetById), 55);
      EXPECT_EQ(n.xpath, 351);
      EXPECT_EQ(n.operators.at("rx"), 297);
      EXPECT_EQ(n.action_names.at(ActionName::Tag), 3088);
      EXPECT_EQ(n.action_names.at(ActionName::SetVar), 683);
    }
  }
  Diagnostics setup;
  syntax::parse({Source::file(std::string(directory) + "/crs-setup.conf.example")}, setup);
  EXPECT_EQ(all(setup), "");
}

}  // namespace
}  // namespace weir::rules
