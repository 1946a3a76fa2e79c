// Binding: what is refused and where, what is tolerated, and what later directives change.

#include <filesystem>
#include <fstream>

#include "rules/program.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

using Ids = std::vector<std::uint64_t>;

struct BadCase {
  const char* rules;     // in a file that begins at line 4 (after Waf::kBase)
  const char* code;
  std::uint32_t line, column;
};

TEST(Bind, RefusesWithTheExactPlace) {
  const BadCase cases[] = {
      {"SecRule ARGS \"@rx x\" \"phase:1\"", "missing-id", 4, 1},
      {"SecAction \"id:x,phase:1\"", "invalid-id", 4, 15},
      {"SecAction \"id:0\"", "invalid-id", 4, 15},
      {"SecAction \"id:1\"\nSecAction \"id:1\"", "duplicate-id", 5, 12},
      {"SecAction \"id:1,phase:6\"", "invalid-phase", 4, 23},
      {"SecRule ARGS \"@rx (\" \"id:1\"", "invalid-operator-argument", 4, 15},
      {"SecRule ARGS \"@rex x\" \"id:1\"", "unknown-operator", 4, 15},
      {"SecRule ARGS:/(/ \"@rx x\" \"id:1\"", "invalid-regex", 4, 9},
      {"SecRule ARGS \"@pmFromFile no-such-file\" \"id:1\"", "invalid-operator-argument", 4, 15},
      {"SecAction \"id:1,t:lowercas\"", "unknown-transformation", 4, 19},
      {"SecAction \"id:1,severity:HIGH\"", "invalid-argument", 4, 26},
      {"SecAction \"id:1,status:9\"", "invalid-argument", 4, 24},
      {"SecAction \"id:1,allow:later\"", "invalid-argument", 4, 23},
      {"SecAction \"id:1,maturity:10\"", "invalid-argument", 4, 26},
      {"SecAction \"id:1,initcol:tx=1\"", "not-a-collection", 4, 25},
      {"SecAction \"id:1,ctl:ruleEngine=Maybe\"", "invalid-argument", 4, 21},
      {"SecAction \"id:1,ctl:ruleRemoveById=a-b\"", "invalid-argument", 4, 21},
      {"SecAction \"id:1,ctl:ruleRemoveByTag=(\"", "invalid-regex", 4, 21},
      {"SecAction \"id:1,ctl:ruleRemoveTargetById=7\"", "missing-argument", 4, 21},
      {"SecAction \"id:1,phase:5,deny\"", "disruptive-in-logging", 4, 25},
      {"SecRule ARGS \"@rx x\" \"id:1,chain\"\nSecRule ARGS \"@rx x\" \"deny\"", "not-in-chain", 5, 23},
      {"SecRule ARGS \"@rx x\" \"id:1,chain\"\nSecRule ARGS \"@rx x\" \"phase:2\"", "not-in-chain", 5, 23},
      {"SecDefaultAction \"phase:1,log\"", "default-action-incomplete", 4, 1},
      {"SecDefaultAction \"pass,log\"", "default-action-incomplete", 4, 1},
      {"SecDefaultAction \"phase:1,pass,id:1\"", "not-in-default-action", 4, 32},
      {"SecRuleRemoveById abc", "invalid-id-range", 4, 19},
      {"SecRuleRemoveByTag (", "invalid-regex", 4, 20},
      {"SecAction \"id:1\"\nSecRuleUpdateActionById 1 \"id:2\"", "not-updatable", 5, 28},
      {"SecAction \"id:1\"\nSecRuleUpdateActionById 1:3 \"pass\"", "no-such-link", 5, 25},
      {"SecAction \"id:1\"\nSecRuleUpdateTargetById 1 \"!NOPE:x\"", "unknown-variable", 5, 29},
      {"SecUnicodeMapFile no-such-file 20127", "missing-data-file", 4, 19},
      {"SecAuditLogRelevantStatus (", "invalid-regex", 4, 27},
      {"SecGeoLookupDb no-such-file", "missing-data-file", 4, 1},
  };
  for (const BadCase& c : cases) {
    Waf waf(c.rules);
    EXPECT_EQ(waf.rules(), nullptr) << c.rules;
    const Diagnostic* d = waf.diagnostic(c.code);
    ASSERT_NE(d, nullptr) << c.rules << " gives " << errors_of(waf);
    EXPECT_EQ(d->severity, Severity::Error) << c.rules;
    EXPECT_EQ(d->line, c.line) << c.rules << ": " << d->message;
    EXPECT_EQ(d->column, c.column) << c.rules << ": " << d->message;
    EXPECT_EQ(d->file, "test.conf");
    EXPECT_FALSE(d->excerpt.empty()) << c.rules;
  }
}

TEST(Bind, ReportsEveryErrorAtOnce) {
  Waf waf("SecRule ARGS \"@rx (\" \"id:1\"\nSecAction \"id:x\"\nSecRule ARGS \"@nope\" \"id:3\"\n");
  EXPECT_EQ(waf.rules(), nullptr);
  EXPECT_TRUE(waf.has("invalid-operator-argument"));
  EXPECT_TRUE(waf.has("invalid-id"));
  EXPECT_TRUE(waf.has("unknown-operator"));
}

TEST(Bind, ToleratesWhatModSecurityTolerates) {
  Waf waf(R"~(SecAction "id:1,phase:1,pass,setvar:nodot=1,setvar:tx.x=%{NO_SUCH.thing}y,expirevar:tx.x=5"
SecAction "id:2,phase:1,pass,ctl:requestBodyProcessor=Json,ctl:ruleRemoveTargetById=1;NOPE"
SecRule XML:/a/b "@rx x" "id:3,phase:2,pass"
SecRule ARGS "@rx ." "id:4,phase:1,pass,chain"
SecMarker HERE)~");
  LOADED(waf);
  for (const char* code : {"not-a-collection", "unknown-macro", "unknown-body-processor", "unsupported-xpath",
                           "unfinished-chain", "unknown-variable"}) {
    ASSERT_TRUE(waf.has(code)) << code;
    EXPECT_EQ(waf.diagnostic(code)->severity, Severity::Warning) << code;
  }
  waf.run(get("/?a=b"));
  EXPECT_EQ(waf.tx("x"), "y");
  EXPECT_EQ(waf.ids(), (Ids{1, 2}));
}

TEST(Bind, ModSecurity3IgnoresMetadataInsideChains) {
  LoadOptions o;
  o.semantics = Semantics::ModSecurity3;
  Waf waf(R"~(SecRule ARGS "@rx x" "id:1,phase:1,pass,chain,msg:'head'"
SecRule ARGS "@rx x" "logdata:'link',t:none")~",
          o);
  LOADED(waf);
  waf.run(get("/?a=x"));
  EXPECT_EQ(waf.match(1)->message, "head");
  EXPECT_EQ(waf.match(1)->data, "");
}

TEST(Bind, DefaultsBelongToTheirPhaseElseTheLastCounts) {
  Waf waf(R"~(SecDefaultAction "phase:2,log,deny,status:411"
SecRule ARGS:a "@rx ." "id:1,phase:1,block"
SecDefaultAction "phase:1,nolog,pass"
SecRule ARGS:a "@rx ." "id:2,phase:1,block"
SecRule ARGS:b "@rx ." "id:3,phase:2"
SecRule ARGS:c "@rx ." "id:4")~");
  LOADED(waf);
  EXPECT_EQ(waf.run(get("/?a=1")).status, 411);
  EXPECT_EQ(waf.run(get("/?a=1")).rule_id, 1U);
  EXPECT_EQ(waf.run(get("/?b=1")).rule_id, 3U);
  EXPECT_EQ(waf.run(get("/?c=1")).kind, DecisionKind::Continue);  // phase of the last default: 1
  EXPECT_TRUE(waf.matched(4));
}

TEST(Bind, RulesAreRemovedAndChanged) {
  Waf waf(R"~(SecAction "id:1,phase:1,pass,tag:'a/b',msg:'one'"
SecAction "id:2,phase:1,pass,tag:'c'"
SecAction "id:3,phase:1,pass,msg:'three'"
SecAction "id:4,phase:1,pass"
SecAction "id:5,phase:1,pass"
SecAction "id:6,phase:1,pass"
SecAction "id:7,phase:1,pass,msg:'before',tag:'old'"
SecRuleRemoveById 4 "5-6"
SecRuleRemoveByTag ^a/
SecRuleRemoveByMsg thre
SecRuleUpdateActionById 7 "deny,status:409,msg:'after',tag:'new',t:lowercase"
SecAction "id:40,phase:2,pass")~");
  LOADED(waf);
  const Decision& d = waf.run(get("/"));
  EXPECT_EQ(waf.ids(), (Ids{2, 7}));
  EXPECT_EQ(d.status, 409);
  EXPECT_EQ(waf.match(7)->message, "after");
  EXPECT_EQ(waf.match(7)->tags.size(), 2U);
}

TEST(Bind, DataFilesStandBesideTheirRuleFile) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::temp_directory_path() / "weir-bind-test";
  fs::create_directories(dir / "sub");
  std::ofstream(dir / "sub" / "words.data") << "# comment\nneedle\n";
  std::ofstream(dir / "sub" / "r.conf")
      << "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:1,pass\"\n";
  Waf waf("Include " + (dir / "sub" / "r.conf").string() + "\n");
  LOADED(waf);
  waf.run(get("/?a=NEEDLE"));
  EXPECT_TRUE(waf.matched(1));
  EXPECT_NE(waf.match(1)->file.find("r.conf"), std::string_view::npos);
  EXPECT_EQ(waf.match(1)->line, 1U);
  fs::remove_all(dir);
}

TEST(Bind, SettingsAreKept) {
  Waf waf(R"~(SecRequestBodyLimit 1000
SecRequestBodyNoFilesLimit 900
SecRequestBodyLimitAction ProcessPartial
SecResponseBodyLimit 2000
SecResponseBodyLimitAction ProcessPartial
SecResponseBodyMimeType text/plain application/JSON
SecArgumentsLimit 7
SecPcreMatchLimit 1500
SecPcreMatchLimitRecursion 1600
SecRequestBodyJsonDepthLimit 9
SecCollectionTimeout 60
SecArgumentSeparator ;
SecCookieFormat 1
SecAuditEngine RelevantOnly
SecAuditLogParts ABZ
SecAuditLogRelevantStatus "^5"
SecAuditLog /var/log/x
SecComponentSignature "thing/1"
SecWebAppId app
SecParseXmlIntoArgs OnlyArgs)~");
  LOADED(waf);
  const Settings& s = waf.rules()->program().settings;
  EXPECT_EQ(s.request_body_limit, 1000U);
  EXPECT_EQ(s.request_body_no_files_limit, 900U);
  EXPECT_EQ(s.request_body_limit_action, LimitAction::ProcessPartial);
  EXPECT_EQ(s.response_body_limit, 2000U);
  EXPECT_EQ(s.response_mime_types, (std::vector<std::string>{"text/plain", "application/json"}));
  EXPECT_EQ(s.body.arguments, 7U);
  EXPECT_EQ(s.pcre.match, 1500U);
  EXPECT_EQ(s.pcre.depth, 1600U);
  EXPECT_EQ(s.body.json_depth, 9U);
  EXPECT_EQ(s.collection_timeout.ns, seconds(60).ns);
  EXPECT_EQ(s.body.argument_separator, ';');
  EXPECT_EQ(s.cookie_format, 1);
  EXPECT_EQ(s.audit.engine, AuditEngine::RelevantOnly);
  EXPECT_EQ(s.audit.parts, "ABZ");
  EXPECT_EQ(s.audit.relevant_status, "^5");
  EXPECT_EQ(s.component_signatures, (std::vector<std::string>{"thing/1"}));
  EXPECT_EQ(s.web_app_id, "app");
  EXPECT_EQ(s.xml_into_args, Settings::XmlArgs::OnlyArgs);
}

TEST(Bind, ChainsOfTransformationsShareTheirBeginnings) {
  Waf waf(R"~(SecRule ARGS "@streq x" "id:1,phase:1,pass,t:lowercase,t:trim"
SecRule ARGS "@streq x" "id:2,phase:1,pass,t:lowercase,t:trim,t:removeNulls"
SecRule ARGS "@streq x" "id:3,phase:1,pass,t:lowercase"
SecRule ARGS "@streq x" "id:4,phase:1,pass")~");
  LOADED(waf);
  EXPECT_EQ(waf.rules()->program().chains.size(), 4U);  // the root and three steps
  const LoadStats& s = waf.rules()->stats();
  EXPECT_EQ(s.rules, 4U);
  EXPECT_EQ(s.files, 1U);
}

}  // namespace
}  // namespace weir::rules::testing
