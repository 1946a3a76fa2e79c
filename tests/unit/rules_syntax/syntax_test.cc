// Target lists, action lists and operators.
#include "rules/syntax.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rules/lists.h"

namespace weir::rules::syntax {
namespace {

std::string show(const Target& t) {
  std::string out = t.exclude ? "!" : t.count ? "&" : "";
  out += variable_name(t.variable);
  switch (t.selector.kind) {
    case Selector::Kind::None:
      break;
    case Selector::Kind::Literal:
      out += "=" + t.selector.text;
      break;
    case Selector::Kind::Regex:
      out += "~" + t.selector.text;
      break;
    case Selector::Kind::XPath:
      out += "^" + t.selector.text;
      break;
  }
  return out;
}

std::string targets(std::string_view text, Semantics semantics = Semantics::ModSecurity2) {
  Diagnostics diagnostics;
  std::string out;
  for (const Target& t : parse_targets(text, {0, 1, 1}, diagnostics, semantics)) {
    out += (out.empty() ? "" : " ") + show(t);
  }
  for (const Diagnostic& d : diagnostics) {
    out += (out.empty() ? "" : " ") + ("<" + d.code + "@" + std::to_string(d.column) + ">");
  }
  return out;
}

struct Case {
  const char* text;
  const char* expected;
};

TEST(Targets, Lists) {
  const Case cases[] = {
      {"", ""},
      {"ARGS", "ARGS"},
      {"args", "ARGS"},
      {"ARGS|REQUEST_URI", "ARGS REQUEST_URI"},
      {"ARGS,REQUEST_URI", "ARGS REQUEST_URI"},
      {"ARGS | REQUEST_URI", "ARGS REQUEST_URI"},
      {" ARGS ", "ARGS"},
      {"ARGS|", "ARGS"},
      {"|ARGS", "ARGS"},
      {"ARGS||REQUEST_URI", "ARGS REQUEST_URI"},
      {"ARGS REQUEST_URI", "ARGS REQUEST_URI <missing-separator@6>"},
      {"ARGS:id", "ARGS=id"},
      {"ARGS:id|ARGS:name", "ARGS=id ARGS=name"},
      {"ARGS:id ARGS:name", "ARGS=id ARGS=name"},  // as ModSecurity 2
      {"ARGS:", "ARGS"},
      {"ARGS:|REQUEST_URI", "ARGS REQUEST_URI"},
      {"ARGS:a:b", "ARGS=a:b"},
      {"ARGS:'a b'", "ARGS=a b"},
      {"ARGS:'a|b'|ARGS:c", "ARGS=a|b ARGS=c"},
      {"ARGS:'it\\'s'", "ARGS=it's"},
      {"ARGS:'a\\\\b'", "ARGS=a\\b"},
      {"ARGS:'a\\db'", "ARGS=a\\db"},
      {"ARGS:''", "ARGS="},
      {"ARGS:'a", "ARGS=a <unterminated-quote@6>"},
      {"&ARGS", "&ARGS"},
      {"&ARGS:id", "&ARGS=id"},
      {"!ARGS:id", "!ARGS=id"},
      {"ARGS|!ARGS:id|&TX:x", "ARGS !ARGS=id &TX=x"},
      {"!ARGS", "!ARGS"},
      {"ARGS:/^id/", "ARGS~^id"},
      {"!REQUEST_COOKIES:/__utm/", "!REQUEST_COOKIES~__utm"},
      {"TX:/^header_name_/", "TX~^header_name_"},
      {"TX:'/LEAKAGE\\\\/ERRORS/'", "TX~LEAKAGE\\/ERRORS"},
      {"TX:'/WEB_ATTACK/'", "TX~WEB_ATTACK"},
      {"ARGS:/a\\/b/", "ARGS~a\\/b"},
      {"ARGS:/a|b/", "ARGS~a|b"},
      {"ARGS:/a|b/|ARGS:c", "ARGS~a|b ARGS=c"},
      {"ARGS:/a{1,2}/", "ARGS~a{1,2}"},
      {"ARGS:/a b/", "ARGS~a b"},
      {"ARGS:/a/|ARGS:/b/", "ARGS~a ARGS~b"},
      {"ARGS:/a\\|b/", "ARGS~a\\|b"},
      {"ARGS:/", "ARGS=/"},
      {"ARGS://", "ARGS=//"},
      {"ARGS:/a", "ARGS=/a"},
      {"ARGS:/a|ARGS:b", "ARGS=/a ARGS=b"},
      {"ARGS:/a/b", "ARGS=/a/b"},
      {"ARGS:a/", "ARGS=a/"},
      {"XML:/*", "XML^/*"},
      {"XML://@*", "XML^//@*"},
      {"XML:/*|XML://@*", "XML^/* XML^//@*"},
      {"XML:/a/b/text()", "XML^/a/b/text()"},
      {"XML:/a/|ARGS:b", "XML^/a/ ARGS=b"},
      {"XML", "XML"},
      {"REQUEST_HEADERS:User-Agent", "REQUEST_HEADERS=User-Agent"},
      {"HTTP_User-Agent", "REQUEST_HEADERS=User-Agent"},
      {"&HTTP_Host", "&REQUEST_HEADERS=Host"},
      {"ARG", "<unknown-variable@1>"},
      {"ARGS|ARG|REQUEST_URI", "ARGS REQUEST_URI <unknown-variable@6>"},
      {"!ARG:x|&FOO", "<unknown-variable@2> <unknown-variable@9>"},
      {"!|&", "<missing-variable@2> <missing-variable@4>"},
      {"STREAM_INPUT_BODY", "<variable-left-out@1>"},
      {"REQUEST_METHOD:x", "<no-selector-allowed@16>"},
      {"&REQUEST_METHOD", "&REQUEST_METHOD <count-of-scalar@1>"},
      {"REQUEST_COOKIES:/\\x22?\\x24Version/", "REQUEST_COOKIES~\\x22?\\x24Version"},
      {"!REQUEST_COOKIES:/^(?:a|b),c$/", "!REQUEST_COOKIES~^(?:a|b),c$"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(targets(c.text), c.expected) << c.text;
}

// Every variable is a target by itself; a collection also with a selector, a scalar not.
TEST(Targets, EveryVariable) {
  for (int i = 0; i <= static_cast<int>(Variable::XML); ++i) {
    const auto v = static_cast<Variable>(i);
    const std::string name(variable_name(v));
    EXPECT_EQ(targets(name), name);
    const std::string with = targets(name + ":x");
    if (is_collection(v)) {
      EXPECT_EQ(with, name + (v == Variable::XML ? "^x" : "=x"));
    } else {
      EXPECT_NE(with.find("no-selector-allowed"), std::string::npos) << name;
    }
  }
}

// A list with many half-open expressions costs linear time.
TEST(Targets, ManyHalfOpenExpressions) {
  std::string text;
  for (int i = 0; i < 100000; ++i)
    text += "ARGS:/a|";
  Diagnostics diagnostics;
  EXPECT_EQ(parse_targets(text, {}, diagnostics).size(), 100000U);
  EXPECT_TRUE(diagnostics.empty());
}

std::string actions(std::string_view text, Semantics semantics = Semantics::ModSecurity2) {
  Diagnostics diagnostics;
  std::string out;
  for (const Action& a : parse_actions(text, {0, 1, 1}, diagnostics, semantics)) {
    out += (out.empty() ? "" : " ") + std::string(action_name(a.name));
    if (!a.argument.empty()) out += "[" + a.argument + "]";
  }
  for (const Diagnostic& d : diagnostics) {
    out += (out.empty() ? "" : " ") + ("<" + d.code + "@" + std::to_string(d.column) + ">");
  }
  return out;
}

TEST(Actions, Lists) {
  const Case cases[] = {
      {"", ""},
      {"deny", "deny"},
      {"DENY", "deny"},
      {"id:1", "id[1]"},
      {"id:1,phase:2,deny", "id[1] phase[2] deny"},
      {" id:1 , phase:2 ,\tdeny ", "id[1] phase[2] deny"},
      {"id:1,", "id[1]"},
      {"deny,", "deny"},
      {",deny", "deny"},
      {"id:1,,deny", "id[1] deny"},
      {"id:'1'", "id[1]"},
      {"msg:'a, b|c'", "msg[a, b|c]"},
      {"msg:'it\\'s'", "msg[it's]"},
      {"msg:'a\\\\b'", "msg[a\\b]"},
      {"msg:'a\\nb'", "msg[a\\nb]"},
      {"msg:''", "msg"},
      {"msg:", "<missing-argument@1>"},
      {"msg", "<missing-argument@1>"},
      {"msg:,deny", "deny <missing-argument@1>"},
      {"msg:'open,deny", "msg[open,deny] <unterminated-quote@5>"},
      {"msg:two words", "msg[two] <unknown-action@9>"},
      {"msg:two words,deny", "msg[two] deny <unknown-action@9>"},
      {"t:none,t:lowercase", "t[none] t[lowercase]"},
      {"t:none|t:lowercase", "t[none] t[lowercase]"},
      {"t:urlDecodeUni,multiMatch", "t[urlDecodeUni] multiMatch"},
      {"setvar:tx.x=1", "setvar[tx.x=1]"},
      {"setvar:'tx.x=+%{tx.y}'", "setvar[tx.x=+%{tx.y}]"},
      {"setvar:!tx.x", "setvar[!tx.x]"},
      {"setvar:'!tx.x'", "setvar[!tx.x]"},
      {"tag:'OWASP_CRS/A B'", "tag[OWASP_CRS/A B]"},
      {"tag:a/b", "tag[a/b]"},
      {"ver:'OWASP_CRS/4.0'", "ver[OWASP_CRS/4.0]"},
      {"allow", "allow"},
      {"allow:phase", "allow[phase]"},
      {"deny:x", "<needless-argument@6>"},
      {"chain:1,log", "log <needless-argument@7>"},
      {"ctl:ruleEngine=Off", "ctl[ruleEngine=Off]"},
      {"ctl:ruleengine=Off", "ctl[ruleengine=Off]"},
      {"ctl:ruleRemoveTargetById=1;ARGS:x", "ctl[ruleRemoveTargetById=1;ARGS:x]"},
      {"ctl:'ruleRemoveTargetById=1;ARGS:/a,b/'", "ctl[ruleRemoveTargetById=1;ARGS:/a,b/]"},
      {"ctl:ruleEngin=Off", "<unknown-ctl@5>"},
      {"ctl:ruleEngine", "<missing-argument@5>"},
      {"ctl:ruleEngine=", "<missing-argument@5>"},
      {"ctl:=x", "<unknown-ctl@5>"},
      {"ctl:hashEngine=On", "<ctl-left-out@5>"},
      {"exec:/bin/true", "<action-left-out@1>"},
      {"id:1,append:'x',deny", "id[1] deny <action-left-out@6>"},
      {"proxy:http://a", "<action-left-out@1>"},
      {"id:1,severty:2,statu:403", "id[1] <unknown-action@6> <unknown-action@16>"},
      {":x", "<missing-action@1>"},
      {"logdata:'%{MATCHED_VAR_NAME}: %{MATCHED_VAR}'",
       "logdata[%{MATCHED_VAR_NAME}: %{MATCHED_VAR}]"},
      {"skipAfter:END-X", "skipAfter[END-X]"},
      {"expirevar:'ip.x=60',initcol:ip=%{REMOTE_ADDR}",
       "expirevar[ip.x=60] initcol[ip=%{REMOTE_ADDR}]"},
      {"sanitizeArg:password", "sanitiseArg[password]"},
      {"redirect:'http://x/?a=b,c'", "redirect[http://x/?a=b,c]"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(actions(c.text), c.expected) << c.text;
}

TEST(Actions, ModSecurity3Separators) {
  EXPECT_EQ(actions("tag:a|b,deny", Semantics::ModSecurity3), "tag[a|b] deny");
  EXPECT_EQ(actions("msg:'a\\\\b'", Semantics::ModSecurity3), "msg[a\\\\b]");
  EXPECT_EQ(actions("msg:'a\\'b'", Semantics::ModSecurity3), "msg[a'b]");
}

// Every action is either accepted in the form its table promises, or left out with a reason.
TEST(Actions, EveryAction) {
  for (int i = 0; i <= static_cast<int>(ActionName::XmlNs); ++i) {
    const auto a = static_cast<ActionName>(i);
    const std::string name(action_name(a));
    const bool out = !action_left_out(name).empty();
    const std::string argument = a == ActionName::Ctl ? "ruleEngine=On" : "1";
    const std::string bare = actions(name);
    const std::string with = actions(name + ":" + argument);
    if (out) {
      EXPECT_EQ(bare, "<action-left-out@1>");
      EXPECT_EQ(with, "<action-left-out@1>");
      continue;
    }
    const ActionArgument takes = action_argument(a);
    EXPECT_EQ(bare == name, takes != ActionArgument::Required) << bare;
    EXPECT_EQ(with == name + "[" + argument + "]", takes != ActionArgument::None) << with;
  }
}

std::string op(std::string_view text) {
  Diagnostics diagnostics;
  Reporter report(diagnostics);
  ListContext context{Semantics::ModSecurity2, report};
  const Operator o = operator_of(text, Locator(Position{0, 1, 1}), context);
  std::string out = (o.negated ? "!" : "") + o.name + "(" + o.argument + ")";
  for (const Diagnostic& d : diagnostics)
    out += "<" + d.code + ">";
  return out;
}

TEST(Operators, Forms) {
  const Case cases[] = {
      {"@rx ^a", "rx(^a)"},
      {"^a", "rx(^a)"},
      {"!^a", "!rx(^a)"},
      {"! ^a", "!rx(^a)"},
      {"!@rx ^a", "!rx(^a)"},
      {"! @rx ^a", "!rx(^a)"},
      {"@pmFromFile a.data b.data", "pmfromfile(a.data b.data)"},
      {"@eq 0", "eq(0)"},
      {"!@eq 0", "!eq(0)"},
      {"@eq   0  ", "eq(0  )"},
      {"@detectSQLi", "detectsqli()"},
      {"@unconditionalMatch ", "unconditionalmatch()"},
      {"@RX a", "rx(a)"},
      {"@rx\ta", "rx(a)"},
      {" @rx a", "rx(a)"},
      {" a", "rx( a)"},
      {"", "rx()"},
      {"!", "!rx()"},
      {"@", "()<missing-operator>"},
      {"@ rx", "(rx)<missing-operator>"},
      {"a@rx b", "rx(a@rx b)"},
      {"!!a", "!rx(!a)"},
      {"@streq @rx", "streq(@rx)"},
      {"@within %{tx.allowed_methods}", "within(%{tx.allowed_methods})"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(op(c.text), c.expected) << c.text;
}

}  // namespace
}  // namespace weir::rules::syntax
