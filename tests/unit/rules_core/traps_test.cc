// The traps of SecLang, 1 to 20: places where engines differ and rule sets depend on one answer. Each test
// names its trap (docs/RULES.md has the list). The reference is ModSecurity 2.9.7.

#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

using Ids = std::vector<std::uint64_t>;

LoadOptions v3() {
  LoadOptions o;
  o.semantics = Semantics::ModSecurity3;
  return o;
}

TEST(Trap01, DoubleBackslashIsOneInsideQuotes) {
  // The pattern is \\x5c in the file, \x5c for the regular expression.
  Waf waf(R"~(SecRule ARGS "@rx a\\x5cb" "id:1,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?q=a%5Cb"));
  EXPECT_TRUE(waf.matched(1));
}

TEST(Trap02, DollarIsTheVeryEndAndDotTakesNewlines) {
  Waf waf(R"~(SecRule ARGS "@rx ^x$" "id:1,phase:2,pass"
SecRule ARGS "@rx a.b" "id:2,phase:2,pass"
SecRule ARGS "@rx ^second$" "id:3,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?q=x%0A"));
  EXPECT_FALSE(waf.matched(1));
  waf.run(get("/?q=x"));
  EXPECT_TRUE(waf.matched(1));
  waf.run(get("/?q=a%0Ab"));
  EXPECT_TRUE(waf.matched(2));
  waf.run(get("/?q=first%0Asecond"));
  EXPECT_FALSE(waf.matched(3));
  Waf multiline(R"~(SecRule ARGS "@rx ^second$" "id:3,phase:2,pass")~", v3());
  LOADED(multiline);
  multiline.run(get("/?q=first%0Asecond"));
  EXPECT_TRUE(multiline.matched(3));
}

TEST(Trap03, RequestBodyIsThereForUrlencodedOrByForceOnly) {
  const std::string rules = R"~(SecRule REQUEST_HEADERS:X-Force "@streq 1" "id:1,phase:1,pass,ctl:forceRequestBodyVariable=On"
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:2,phase:1,pass,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_BODY "@rx ." "id:3,phase:2,pass")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(form("a=b"));
  EXPECT_TRUE(waf.matched(3));
  waf.run(post("application/json", "{\"a\":1}"));
  EXPECT_FALSE(waf.matched(3));
  waf.run(post("", "plain"));
  EXPECT_FALSE(waf.matched(3));
  waf.run(post("text/plain", "plain").header("X-Force", "1"));
  EXPECT_TRUE(waf.matched(3));
  Waf other(rules, v3());
  LOADED(other);
  other.run(post("application/json", "{\"a\":1}"));
  EXPECT_TRUE(other.matched(3));
}

TEST(Trap04, SetvarRunsOncePerMatchingValue) {
  Waf waf(R"~(SecRule ARGS "@rx x" "id:1,phase:2,pass,setvar:tx.score=+5")~");
  LOADED(waf);
  waf.run(get("/?a=x&b=x&c=y"));
  EXPECT_EQ(waf.tx("score"), "10");
  EXPECT_EQ(waf.ids(), (Ids{1, 1}));  // and the match is reported for each value
}

TEST(Trap05, ActionsOfTheHeadRunEvenIfTheChainFails) {
  Waf waf(R"~(SecRule ARGS "@rx x" "id:1,phase:2,deny,chain,setvar:tx.head=1"
SecRule ARGS "@rx never" "setvar:tx.link=1")~");
  LOADED(waf);
  waf.run(get("/?a=x"));
  EXPECT_EQ(waf.tx("head"), "1");
  EXPECT_EQ(waf.tx("link"), "(none)");
  EXPECT_FALSE(waf.matched(1));
}

TEST(Trap06, DisruptionAndSkipAfterWaitForTheWholeChain) {
  Waf waf(R"~(SecRule ARGS:a "@rx x" "id:1,phase:2,pass,chain,skipAfter:END,msg:'head',logdata:'d'"
SecRule ARGS:b "@rx y" "t:none"
SecAction "id:2,phase:2,pass,nolog,setvar:tx.not_skipped=1"
SecMarker END
SecAction "id:3,phase:2,pass,nolog")~");
  LOADED(waf);
  waf.run(get("/?a=x&b=z"));
  EXPECT_EQ(waf.tx("not_skipped"), "1");
  EXPECT_FALSE(waf.matched(1));
  waf.run(get("/?a=x&b=y"));
  EXPECT_EQ(waf.tx("not_skipped"), "(none)");
  EXPECT_TRUE(waf.matched(3));
  ASSERT_NE(waf.match(1), nullptr);
  EXPECT_EQ(waf.match(1)->message, "head");
  EXPECT_EQ(waf.match(1)->data, "d");
}

TEST(Trap07, MacrosOfTheHeadAreExpandedAfterTheChain) {
  Waf waf(R"~(SecRule ARGS:a "@rx (x+)" "id:1,phase:2,pass,capture,chain,msg:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR} %{TX.1}',tag:'t/%{TX.0}'"
SecRule ARGS:b "@rx (y)(.*)" "capture")~");
  LOADED(waf);
  waf.run(get("/?a=xx&b=yz"));
  const Match* m = waf.match(1);
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->message, "ARGS:b=yz y");
  ASSERT_EQ(m->tags.size(), 1U);
  EXPECT_EQ(m->tags[0], "t/yz");
  EXPECT_EQ(m->target, "ARGS:b");
  EXPECT_EQ(m->value, "yz");
}

TEST(Trap08, MatchedVarsHoldTheChainsMatchesUnderTheirOwnNames) {
  Waf waf(R"~(SecRule ARGS "@rx z" "id:1,phase:2,pass"
SecRule ARGS "@rx x" "id:2,phase:2,pass,chain,setvar:tx.n=+1"
SecRule MATCHED_VARS "@rx x2" "setvar:'tx.name=%{MATCHED_VAR_NAME}'"
SecRule ARGS "@rx x" "id:3,phase:2,pass,chain"
SecRule MATCHED_VARS_NAMES "@rx ^ARGS:m(.)$" "capture,setvar:tx.last=%{TX.1}"
SecRule &MATCHED_VARS "@eq 0" "id:4,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?m1=x1&m2=x2&m3=z"));
  EXPECT_EQ(waf.tx("name"), "ARGS:m2");
  EXPECT_EQ(waf.tx("n"), "2");
  EXPECT_EQ(waf.tx("last"), "2");
  EXPECT_TRUE(waf.matched(4));
}

TEST(Trap09, CaptureUnsetsTheGroupsThatDidNotMatch) {
  const std::string rules = R"~(SecRule ARGS:a "@rx (a)(b)" "id:1,phase:2,pass,capture"
SecRule ARGS:b "@rx (c)" "id:2,phase:2,pass,capture"
SecRule ARGS:b "@rx (nothing)" "id:3,phase:2,pass,capture")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(get("/?a=ab&b=c"));
  EXPECT_EQ(waf.tx("0"), "c");
  EXPECT_EQ(waf.tx("1"), "c");
  EXPECT_EQ(waf.tx("2"), "(none)");
  Waf other(rules, v3());
  LOADED(other);
  other.run(get("/?a=ab&b=c"));
  EXPECT_EQ(other.tx("2"), "b");
}

TEST(Trap10, PmCapturesThePhraseAsItIsInTheList) {
  Waf waf(R"~(SecRule ARGS "@pm foo BAR" "id:1,phase:2,pass,capture")~");
  LOADED(waf);
  waf.run(get("/?a=xBarx"));
  EXPECT_EQ(waf.tx("0"), "BAR");
}

TEST(Trap11, DetectSqliCapturesTheFingerprint) {
  Waf waf(R"~(SecRule ARGS:s "@detectSQLi" "id:1,phase:2,pass,capture,setvar:tx.print=%{TX.0}"
SecRule ARGS:x "@detectXSS" "id:2,phase:2,pass,capture")~");
  LOADED(waf);
  waf.run(get("/?s=1%27%20or%201=1--%20&x=%3Cscript%3E1%3C/script%3E"));
  EXPECT_EQ(waf.tx("print"), "s&1c");
  EXPECT_EQ(waf.tx("0"), "<script>1</script>");
}

TEST(Trap12, WithoutAValueNoOperatorRunsButACountIsAlwaysThere) {
  Waf waf(R"~(SecRule ARGS:missing "!@rx x" "id:1,phase:2,pass"
SecRule TX:missing "!@streq 5" "id:2,phase:2,pass"
SecRule &ARGS:missing "@eq 0" "id:3,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?a=b"));
  EXPECT_EQ(waf.ids(), (Ids{3}));
}

TEST(Trap13, TargetsGoFromLeftToRightAndSelectorsIgnoreCase) {
  Waf waf(R"~(SecRule ARGS_GET|!ARGS_GET:Q "@rx x" "id:1,phase:2,pass"
SecRule !ARGS_GET:q|ARGS_GET "@rx x" "id:2,phase:2,pass"
SecRule ARGS|!ARGS:/^Q/ "@rx x" "id:3,phase:2,pass"
SecRule &ARGS:/^q/ "@eq 2" "id:4,phase:2,pass"
SecRule ARGS|!ARGS_GET:q "@rx x" "id:5,phase:2,pass"
SecRule ARGS:Q "@rx x" "id:6,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?q=x&q2=y"));
  EXPECT_EQ(waf.ids(), (Ids{2, 4, 5, 6}));
}

TEST(Trap14, NumbersAreReadAsFarAsTheyGo) {
  Waf waf(R"~(SecRule ARGS:a "@eq 1" "id:1,phase:2,pass"
SecRule ARGS:b "@eq 0" "id:2,phase:2,pass"
SecRule ARGS:b "@lt 1" "id:3,phase:2,pass"
SecRule ARGS:a "@ge %{TX.undefined}" "id:4,phase:2,pass"
SecRule ARGS:a "@gt %{TX.undefined}" "id:5,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?a=01&b=zz"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2, 3, 4, 5}));
}

TEST(Trap15, CountersNeverGoBelowZero) {
  const std::string rules = R"~(SecAction "id:1,phase:1,nolog,pass,setvar:tx.a=+%{tx.undefined},setvar:tx.b=+2abc,setvar:tx.c=-3,setvar:tx.d=5,setvar:tx.d=-2,setvar:tx.e=7,setvar:tx.e=-%{tx.d},setvar:tx.f"
SecAction "id:2,phase:1,nolog,pass,setvar:tx.g=1,setvar:!tx.g,setvar:'tx.h= spaced'")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(get("/"));
  EXPECT_EQ(waf.tx("a"), "0");
  EXPECT_EQ(waf.tx("b"), "2");
  EXPECT_EQ(waf.tx("c"), "0");
  EXPECT_EQ(waf.tx("D"), "3");
  EXPECT_EQ(waf.tx("e"), "4");
  EXPECT_EQ(waf.tx("f"), "1");
  EXPECT_EQ(waf.tx("g"), "(none)");
  EXPECT_EQ(waf.tx("h"), "spaced");
  Waf other(rules, v3());
  LOADED(other);
  other.run(get("/"));
  EXPECT_EQ(other.tx("c"), "-3");
}

TEST(Trap16, WithinAndContainsOnEmptyValues) {
  Waf waf(R"~(SecAction "id:9,phase:1,nolog,pass,setvar:'tx.list=|GET| |POST|'"
SecRule ARGS:e "@within abc" "id:1,phase:2,pass"
SecRule ARGS:e "@contains a" "id:2,phase:2,pass"
SecRule ARGS:e "@validateByteRange 1-255" "id:3,phase:2,pass"
SecRule ARGS:w "@within %{tx.list}" "id:4,phase:2,pass"
SecRule ARGS:v "@within %{tx.list}" "id:5,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?e=&w=%7CPOST%7C&v=%7CPOST"));
  EXPECT_EQ(waf.ids(), (Ids{9, 1, 4, 5}));
}

TEST(Trap17, MultiMatchTestsTheOriginalAndEveryChange) {
  Waf waf(R"~(SecRule ARGS "@rx (?i)a" "id:1,phase:2,pass,multiMatch,t:lowercase,t:urlDecode,t:trim,setvar:tx.n=+1"
SecRule ARGS "@rx (?i)a" "id:2,phase:2,pass,multiMatch,setvar:tx.m=+1"
SecRule ARGS "@rx ^%61$" "id:3,phase:2,pass,multiMatch,t:urlDecode")~");
  LOADED(waf);
  waf.run(get("/?q=A%2561%20"));  // "A%61 ": changed by lowercase, urlDecode and trim
  EXPECT_EQ(waf.tx("n"), "4");
  EXPECT_EQ(waf.tx("m"), "1");
  waf.run(get("/?q=%2561"));
  EXPECT_TRUE(waf.matched(3));
}

TEST(Trap18, NoneClearsWhatPrecedesAlsoTheDefaults) {
  Waf waf(R"~(SecDefaultAction "phase:2,log,auditlog,pass,t:lowercase"
SecRule ARGS "@streq abc" "id:1,phase:2"
SecRule ARGS "@streq ABC" "id:2,phase:2,t:none"
SecRule ARGS "@streq ABC" "id:3,phase:2,t:lowercase,t:none"
SecRule ARGS "@streq abc" "id:4,phase:2,t:none,t:lowercase")~");
  LOADED(waf);
  waf.run(get("/?q=ABC"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2, 3, 4}));
}

TEST(Trap19, TargetRemovalHoldsFromThenOnAndIgnoresCase) {
  Waf waf(R"~(SecRule ARGS "@rx x" "id:1,phase:1,pass"
SecAction "id:2,phase:1,nolog,pass,ctl:ruleRemoveTargetById=1;ARGS:M1,ctl:ruleRemoveTargetById=3-5;ARGS:m1,ctl:ruleRemoveTargetByTag=all;ARGS,ctl:ruleRemoveTargetById=8;ARGS:/^M/"
SecRule ARGS "@rx x" "id:3,phase:1,pass"
SecRule ARGS "@rx x" "id:4,phase:2,pass"
SecRule ARGS|REQUEST_URI "@rx x" "id:6,phase:2,pass,tag:'all'"
SecRule &ARGS "@eq 1" "id:7,phase:2,pass,tag:'all'"
SecRule ARGS "@rx x" "id:8,phase:2,pass"
SecRule ARGS "@rx x" "id:9,phase:2,pass")~");
  LOADED(waf);
  waf.run(get("/?m1=x"));
  EXPECT_EQ(waf.ids(), (Ids{1, 2, 6, 9}));
  EXPECT_EQ(waf.match(6)->target, "REQUEST_URI");
  waf.run(get("/?m2=x"));
  EXPECT_TRUE(waf.matched(3));
  EXPECT_FALSE(waf.matched(8));
}

TEST(Trap19, WildcardsStandForOneComponentOfAJsonName) {
  Waf waf(R"~(SecAction "id:1,phase:1,nolog,pass,ctl:requestBodyProcessor=JSON,ctl:ruleRemoveTargetById=2;ARGS:json.items.*.html"
SecRule ARGS "@rx x" "id:2,phase:2,pass")~",
          v3());
  LOADED(waf);
  waf.run(post("application/json", R"~({"items":{"a":{"html":"x"},"b":{"html":"x"}}})~"));
  EXPECT_FALSE(waf.matched(2));
  waf.run(post("application/json", R"~({"items":{"a":{"html":{"deep":"x"}}}})~"));
  EXPECT_TRUE(waf.matched(2));
}

TEST(Trap20, TagsOfRemovalsAreRegularExpressions) {
  const std::string rules = R"~(SecAction "id:1,phase:1,nolog,pass,ctl:ruleRemoveByTag=tagX,ctl:ruleRemoveByMsg=^Bad"
SecAction "id:2,phase:1,pass,tag:'tagX/sub'"
SecAction "id:3,phase:1,pass,tag:'tagY'"
SecAction "id:4,phase:1,pass,msg:'Bad thing'"
SecAction "id:5,phase:1,pass,msg:'No Bad thing'")~";
  Waf waf(rules);
  LOADED(waf);
  waf.run(get("/"));
  EXPECT_EQ(waf.ids(), (Ids{1, 3, 5}));
  Waf other(rules, v3());
  LOADED(other);
  other.run(get("/"));
  EXPECT_EQ(other.ids(), (Ids{1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace weir::rules::testing
