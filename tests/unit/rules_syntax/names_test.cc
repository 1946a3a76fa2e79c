#include "rules/names.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "rules/directives.h"

namespace weir::rules {
namespace {

std::string upper(std::string_view text) {
  std::string out;
  for (const char c : text)
    out.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return out;
}

template <class Enum, class Name, class Find>
void round_trip(Enum last, Name name, Find find) {
  std::set<std::string> seen;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    const auto value = static_cast<Enum>(i);
    const std::string text(name(value));
    ASSERT_FALSE(text.empty());
    EXPECT_TRUE(seen.insert(upper(text)).second) << text;
    EXPECT_EQ(find(text), value) << text;
    EXPECT_EQ(find(upper(text)), value) << text;
    EXPECT_FALSE(find(text + "x").has_value()) << text;
    EXPECT_FALSE(find(text.substr(1)).has_value() && text.size() > 6) << text;
  }
}

TEST(Names, RoundTrip) {
  round_trip(Variable::XML, variable_name, find_variable);
  round_trip(ActionName::XmlNs, action_name, find_action);
  round_trip(Ctl::RuleRemoveTargetByTag, ctl_name, find_ctl);
  round_trip(Directive::SecGsbLookupDb, directive_name, find_directive);
}

// Some that would be wrong if a table had lost its order.
TEST(Names, Spelling) {
  EXPECT_EQ(variable_name(Variable::ARGS), "ARGS");
  EXPECT_EQ(variable_name(Variable::MULTIPART_STRICT_ERROR), "MULTIPART_STRICT_ERROR");
  EXPECT_EQ(variable_name(Variable::TIME_WDAY), "TIME_WDAY");
  EXPECT_EQ(variable_name(Variable::TX), "TX");
  EXPECT_EQ(action_name(ActionName::SkipAfter), "skipAfter");
  EXPECT_EQ(action_name(ActionName::NoAuditLog), "noauditlog");
  EXPECT_EQ(action_name(ActionName::T), "t");
  EXPECT_EQ(action_name(ActionName::SanitiseMatchedBytes), "sanitiseMatchedBytes");
  EXPECT_EQ(ctl_name(Ctl::RuleRemoveTargetById), "ruleRemoveTargetById");
  EXPECT_EQ(ctl_name(Ctl::ForceRequestBodyVariable), "forceRequestBodyVariable");
  EXPECT_EQ(directive_name(Directive::SecRuleUpdateTargetById), "SecRuleUpdateTargetById");
  EXPECT_EQ(find_action("sanitizearg"), ActionName::SanitiseArg);
  EXPECT_EQ(find_variable("MULTIPART_SEMICOLON_MISSING"), Variable::MULTIPART_MISSING_SEMICOLON);
}

TEST(Names, Nearest) {
  EXPECT_EQ(nearest_variable("ARG"), "ARGS");
  EXPECT_EQ(nearest_variable("REQUST_HEADERS"), "REQUEST_HEADERS");
  EXPECT_EQ(nearest_variable("request_header"), "REQUEST_HEADERS");
  EXPECT_EQ(nearest_variable("ARSG"), "ARGS");
  EXPECT_EQ(nearest_variable("REMOTE_ADRR"), "REMOTE_ADDR");
  EXPECT_EQ(nearest_variable("COMPLETELY_DIFFERENT"), "");
  EXPECT_EQ(nearest_variable(""), "");
  EXPECT_EQ(nearest_variable("Q"), "");
  EXPECT_EQ(nearest_variable(std::string(1000, 'A')), "");
  EXPECT_EQ(nearest_action("severty"), "severity");
  EXPECT_EQ(nearest_action("skip_after"), "skipAfter");
  EXPECT_EQ(nearest_action("logdat"), "logdata");
  EXPECT_EQ(nearest_action("den"), "deny");
  EXPECT_EQ(nearest_directive("SecRul"), "SecRule");
  EXPECT_EQ(nearest_directive("SecRuleEngin"), "SecRuleEngine");
  EXPECT_EQ(nearest_directive("SecRequestBodyAcess"), "SecRequestBodyAccess");
  EXPECT_EQ(nearest_directive("Inlcude"), "Include");
  EXPECT_EQ(nearest_ctl("ruleRemoveTargetByID"), "ruleRemoveTargetById");
  EXPECT_EQ(nearest_ctl("ruleRemovebyIds"), "ruleRemoveById");
  EXPECT_EQ(nearest("abc", {}), "");
}

TEST(Names, LeftOutNamesSayWhy) {
  for (const char* name : {"exec", "append", "prepend", "proxy", "PROXY"}) {
    EXPECT_FALSE(action_left_out(name).empty()) << name;
  }
  EXPECT_TRUE(action_left_out("deny").empty());
  for (const char* name : {"STREAM_INPUT_BODY", "PERF_ALL", "WEBSERVER_ERROR_LOG"}) {
    EXPECT_FALSE(variable_left_out(name).empty()) << name;
    EXPECT_FALSE(find_variable(name).has_value()) << name;
  }
  for (const char* name : {"SecRuleScript", "SecRemoteRules", "SecHashKey", "secgsblookupdb",
                           "SecUnicodeCodePage", "SecGuardianLog"}) {
    EXPECT_FALSE(directive_left_out(name).empty()) << name;
  }
  EXPECT_TRUE(directive_left_out("SecRuleEngine").empty());
}

TEST(Names, WithoutEffectSaysWhy) {
  int without = 0;
  for (const DirectiveFacts& facts : directive_facts()) {
    EXPECT_EQ(facts.standing == Standing::Supported, facts.why.empty()) << facts.name;
    without += !directive_without_effect(facts.directive).empty();
    EXPECT_LE(facts.least, facts.most);
  }
  EXPECT_GE(without, 10);
}

TEST(Names, Forms) {
  struct Case {
    ArgumentForm form;
    const char* text;
    bool fits;
  };
  const Case cases[] = {
      {ArgumentForm::OnOff, "on", true},
      {ArgumentForm::OnOff, "OFF", true},
      {ArgumentForm::OnOff, "yes", false},
      {ArgumentForm::OnOff, "", false},
      {ArgumentForm::Engine, "detectiononly", true},
      {ArgumentForm::Engine, "relevantonly", false},
      {ArgumentForm::RelevantOnly, "RelevantOnly", true},
      {ArgumentForm::OnlyArgs, "OnlyArgs", true},
      {ArgumentForm::LimitAction, "Reject", true},
      {ArgumentForm::LimitAction, "ProcessPartial", true},
      {ArgumentForm::LimitAction, "Drop", false},
      {ArgumentForm::AuditParts, "ABIJDEFHZ", true},
      {ArgumentForm::AuditParts, "abz", false},
      {ArgumentForm::AuditParts, "AL", false},
      {ArgumentForm::AuditParts, "", false},
      {ArgumentForm::AuditType, "Serial", true},
      {ArgumentForm::AuditType, "Parallel", true},
      {ArgumentForm::AuditFormat, "json", true},
      {ArgumentForm::CookieFormat, "0", true},
      {ArgumentForm::CookieFormat, "2", false},
      {ArgumentForm::OneCharacter, "&", true},
      {ArgumentForm::OneCharacter, "", false},
      {ArgumentForm::OneCharacter, "&&", false},
      {ArgumentForm::Number, "1", true},
      {ArgumentForm::Number, "0", false},
      {ArgumentForm::Number, "2147483647", true},
      {ArgumentForm::Number, "2147483648", false},
      {ArgumentForm::Number, "99999999999999999999", false},
      {ArgumentForm::Number, "-1", false},
      {ArgumentForm::Number, "1k", false},
      {ArgumentForm::Number, "", false},
      {ArgumentForm::NumberOrZero, "0", true},
      {ArgumentForm::FileMode, "0640", true},
      {ArgumentForm::FileMode, "default", true},
      {ArgumentForm::FileMode, "0648", false},
      {ArgumentForm::FileMode, "", false},
      {ArgumentForm::Any, "", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(has_form(c.form, c.text), c.fits) << c.text;
    EXPECT_FALSE(form_in_words(c.form).empty());
  }
}

}  // namespace
}  // namespace weir::rules
