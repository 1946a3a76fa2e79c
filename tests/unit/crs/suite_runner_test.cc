#include "crs/suite_runner.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crs/back_end.h"
#include "crs/log_line.h"

namespace weir::crs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kRules = R"(
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecRule REQUEST_HEADERS:Content-Type "@beginsWith application/json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule ARGS "@contains attack" "id:10,phase:2,deny,status:403,log,msg:'an \"attack\"',logdata:'found in %{MATCHED_VAR_NAME}: %{MATCHED_VAR}',severity:CRITICAL,ver:'T/1',tag:'a',tag:'b'"
SecRule RESPONSE_HEADERS:X-Leak "@rx ." "id:30,phase:3,pass,log,msg:'leak'"
SecRule RESPONSE_BODY "@contains secret" "id:40,phase:4,deny,log,msg:'secret'"
SecRule RESPONSE_STATUS "@streq 503" "id:41,phase:3,pass,log"
SecAction "id:50,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"
SecRule REQUEST_URI "@contains count" "id:51,phase:1,pass,nolog,setvar:ip.n=+1"
SecRule IP:n "@ge 2" "id:52,phase:2,pass,log,msg:'again'"
)";

SuiteRunner runner(SuiteRunner::Options options = {}) {
  rules::LoadResult loaded = rules::RuleSet::load({rules::Source::memory("test", kRules)}, {});
  for (const auto& d : loaded.diagnostics)
    ADD_FAILURE() << d.message;
  auto made = SuiteRunner::make(loaded.rules, std::move(options));
  EXPECT_TRUE(made.has_value());
  return std::move(*made);
}

std::string get(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

std::string reflect(const std::string& json) {
  return "POST /reflect HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(json.size()) +
         "\r\n\r\n" + json;
}

FtwTest only_test(const std::string& yaml) {
  FtwSuite suite;
  read_ftw("rule_id: 10\ntests:\n" + yaml, "10.yaml", suite);
  EXPECT_THAT(suite.errors, IsEmpty());
  EXPECT_THAT(suite.tests, SizeIs(1));
  return suite.tests.empty() ? FtwTest{} : suite.tests.front();
}

TEST(BackEnd, AnswersWithNothing) {
  const Answers answers = answers_to(get("/any"));
  EXPECT_EQ(answers.status, 200);
  EXPECT_EQ(answers.bytes, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(BackEnd, WaitsForTheWholeRequest) {
  EXPECT_EQ(answers_to("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc").status, 0);
  EXPECT_EQ(answers_to("GET / HTTP/1.1\r\nHost: a\r\n").status, 0);
  EXPECT_EQ(answers_to("").status, 0);
}

TEST(BackEnd, Reflects) {
  const auto bytes = [](const std::string& json) { return answers_to(reflect(json)).bytes; };
  EXPECT_EQ(bytes(R"({"status": 503, "body": "a\u0000\ud83d\ude00"})"),
            "HTTP/1.1 503 Reflected\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
            "6\r\n\r\n" +
                std::string("a\0\xf0\x9f\x98\x80", 6));
  EXPECT_EQ(
      bytes(
          R"({"headers": {"Content-Type": "text/html", "X.Y": "z", "content-length": "9"}, "encodedBody": "aGk="})"),
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX.Y: z\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(bytes(R"({"status": 304, "body": "x"})").find("Content-Length"), std::string::npos);
  EXPECT_EQ(answers_to(reflect("{")).status, 400);
  EXPECT_EQ(answers_to(reflect(R"({"status": 100})")).status, 400);
  EXPECT_EQ(answers_to("GET /reflect HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

TEST(BackEnd, AnswersEveryRequestOfAConnection) {
  const Answers answers = answers_to(reflect(R"({"status": 201})") + get("/"));
  EXPECT_EQ(answers.status, 201);
  EXPECT_EQ(answers.bytes, answers.first + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(LogLine, EveryField) {
  const std::string_view tags[] = {"t1", "t2"};
  RuleHit hit;
  hit.id = 942100;
  hit.phase = 2;
  hit.message = "a \"msg\"";
  hit.severity = 2;
  hit.tags = tags;
  hit.target = "ARGS:x";
  hit.data = std::string_view("\\ \n\t\xff\0z", 7);
  hit.revision = "3";
  hit.version = "OWASP_CRS/4";
  hit.file = "/etc/a.conf";
  hit.line = 7;
  HttpPart http;
  http.hostname = "h";
  http.url = "/u?q";
  EXPECT_EQ(log_line(hit, http, "1-0"),
            "ModSecurity: Warning. Matched at ARGS:x. [file \"/etc/a.conf\"] [line \"7\"] [id "
            "\"942100\"] "
            "[rev \"3\"] [msg \"a \\\"msg\\\"\"] [data \"\\\\ \\n\\t\\xff\\x00z\"] [severity "
            "\"CRITICAL\"] "
            "[ver \"OWASP_CRS/4\"] [tag \"t1\"] [tag \"t2\"] [hostname \"h\"] [uri \"/u?q\"] "
            "[unique_id \"1-0\"]");
}

TEST(LogLine, WhatARuleHasNotIsLeftOut) {
  RuleHit hit;
  hit.id = 1;
  EXPECT_EQ(log_line(hit, {}, ""),
            "ModSecurity: Warning. Unconditional match in SecAction. [id \"1\"]");
}

TEST(SuiteRunner, RunsEveryPhaseAndOnlyDetects) {
  auto r = runner();
  StageOutcome out = r.request(get("/?q=attack"));
  EXPECT_THAT(out.ids, ElementsAre(10));
  EXPECT_EQ(out.status, 200);
  EXPECT_EQ(out.decision, DecisionKind::Deny);
  EXPECT_THAT(
      out.log,
      HasSubstr("[id \"10\"] [msg \"an \\\"attack\\\"\"] [data \"found in ARGS:q: attack\"] "
                "[severity \"CRITICAL\"] [ver \"T/1\"] [tag \"a\"] [tag \"b\"]"));
  EXPECT_EQ(out.log.back(), '\n');
  out = r.request(reflect(R"({"status": 503, "headers": {"X-Leak": "1"}, "body": "the secret"})"));
  EXPECT_THAT(out.ids, ElementsAre(30, 41, 40));
  EXPECT_EQ(out.status, 503);
  EXPECT_THAT(out.response, HasSubstr("the secret"));
  out = r.request(get("/"));
  EXPECT_THAT(out.ids, IsEmpty());
  EXPECT_EQ(out.decision, DecisionKind::Continue);
}

TEST(SuiteRunner, TheStrictParserAnswers400AndTheRulesStillSee) {
  auto r = runner();
  const StageOutcome out =
      r.request("GET /?q=attack HTTP/1.1\r\nHost: a\r\nHost: b\r\nX: y\r\n\r\n");
  EXPECT_EQ(out.status, 400);
  EXPECT_EQ(out.refusal, "host-duplicate");
  EXPECT_EQ(out.decision, DecisionKind::Deny);
  EXPECT_THAT(out.ids, ElementsAre(10));
  // What comes after the answer does not change it.
  EXPECT_EQ(r.request(get("/") + "junk").status, 200);
}

TEST(SuiteRunner, TestsKeepNothingFromEachOtherButStagesDo) {
  auto r = runner();
  const char* twice = R"(  - test_id: 1
    stages:
      - input: {uri: /count, headers: {Host: a}}
        output: {log: {no_expect_ids: [52]}}
      - input: {uri: /count, headers: {Host: a}}
        output: {log: {expect_ids: [52]}}
)";
  const FtwTest test = only_test(twice);
  for (int i = 0; i < 3; ++i) {
    const TestResult result = r.run(test);
    EXPECT_EQ(result.verdict, TestResult::Verdict::Passed);
    EXPECT_THAT(result.stages, SizeIs(2));
  }
}

TEST(SuiteRunner, FollowsARedirect) {
  auto r = runner();
  const TestResult result = r.run(only_test(R"(  - test_id: 1
    stages:
      - input:
          method: POST
          uri: /reflect
          headers: {Host: a, Content-Type: application/json}
          data: '{"status": 302, "headers": {"Location": "http://a/?q=attack"}}'
        output: {status: 302}
      - input: {follow_redirect: true, headers: {Host: a}}
        output: {log: {expect_ids: [10]}}
)"));
  EXPECT_EQ(result.verdict, TestResult::Verdict::Passed)
      << ::testing::PrintToString(result.stages.back().failures);
}

TEST(SuiteRunner, IncludesExcludesAndDisabled) {
  const FtwTest test =
      only_test("  - test_id: 3\n    stages: [{input: {headers: {Host: a}}, output: {}}]\n");
  const auto verdict = [&test](const char* include, const char* exclude, bool enabled = true) {
    SuiteRunner::Options options;
    options.include = include;
    options.exclude = exclude;
    FtwTest copy = test;
    copy.enabled = enabled;
    return runner(options).run(copy).verdict;
  };
  using V = TestResult::Verdict;
  EXPECT_EQ(verdict("", ""), V::Passed);
  EXPECT_EQ(verdict("^10-", ""), V::Passed);
  EXPECT_EQ(verdict("^11-", ""), V::Skipped);
  EXPECT_EQ(verdict("", "-3$"), V::Skipped);
  EXPECT_EQ(verdict("^10-3$", "-3$"), V::Passed);  // as in go-ftw
  EXPECT_EQ(verdict("", "", false), V::Skipped);
  SuiteRunner::Options bad;
  bad.include = "(";
  EXPECT_FALSE(SuiteRunner::make(nullptr, bad).has_value());
}

TEST(SuiteRunner, OverridesReplaceWhatIsExpected) {
  const FtwTest test = only_test(
      "  - test_id: 3\n    stages: [{input: {headers: {Host: a}}, output: {status: 404}}]\n");
  SuiteRunner::Options options;
  auto read = read_ftw_overrides(
      "overrides: [{test: 10-3, crs: 4, reason: because, output: {status: 200}}]", "o.yaml");
  ASSERT_TRUE(read.has_value());
  options.overrides = *read;
  options.crs = 4;
  TestResult result = runner(options).run(test);
  EXPECT_EQ(result.verdict, TestResult::Verdict::Passed);
  EXPECT_EQ(result.reason, "because");
  options.crs = 3;  // the suite of another release
  result = runner(options).run(test);
  EXPECT_EQ(result.verdict, TestResult::Verdict::Failed);
  EXPECT_THAT(result.stages.front().failures, ElementsAre("expected status 404, got 200"));
}

TEST(Overrides, EachNeedsATestAReasonAndAnAnswer) {
  const auto error = [](const char* yaml) {
    const auto read = read_ftw_overrides(yaml, "o.yaml");
    return read ? std::string() : read.error().message;
  };
  EXPECT_EQ(error(""), "");
  EXPECT_EQ(error("overrides:"), "");
  EXPECT_THAT(error("overrides: {a: b}"), HasSubstr("no list"));
  EXPECT_THAT(error("overrides:\n  - reason: x"), HasSubstr("o.yaml:2: an override names no test"));
  EXPECT_THAT(error("overrides: [{test: 1-1, output: {}}]"), HasSubstr("has no reason"));
  EXPECT_THAT(error("overrides: [{test: 1-1, reason: x}]"), HasSubstr("does not say"));
  EXPECT_THAT(error("overrides: [{test: 1-1, reason: x, output: {status: ok}}]"),
              HasSubstr("no number"));
  EXPECT_THAT(error("{"), HasSubstr("o.yaml:"));
}

TEST(Overrides, TheBuiltInOnesAreFewAndReasoned) {
  const auto overrides = builtin_overrides();
  EXPECT_FALSE(overrides.empty());
  EXPECT_LT(overrides.size(), 10U);
  for (const FtwOverride& one : overrides) {
    EXPECT_GT(one.reason.size(), 40U) << one.test;
    EXPECT_FALSE(one.output.status.empty()) << one.test;
  }
}

std::vector<std::string> failures(const FtwOutput& expected, const StageOutcome& outcome) {
  const auto checked = check_stage(expected, outcome);
  return checked ? *checked : std::vector<std::string>{"ERROR: " + checked.error().message};
}

TEST(CheckStage, EveryExpectation) {
  StageOutcome outcome;
  outcome.ids = {1, 2, 2};
  outcome.log = "[id \"1\"] one\n[id \"2\"] two\n";
  outcome.status = 200;
  outcome.response = "HTTP/1.1 200 OK\r\n\r\nbody";
  FtwOutput e;
  EXPECT_THAT(failures(e, outcome), IsEmpty());
  e.status = {200, 403};
  e.expect_ids = {1, 2};
  e.no_expect_ids = {3};
  e.match_regex = "\"1\".*one$";
  e.no_match_regex = "one.*two";  // not in one line
  e.response_contains = "bo+dy";
  EXPECT_THAT(failures(e, outcome), IsEmpty());

  e = {};
  e.status = {403, 405};
  EXPECT_THAT(failures(e, outcome), ElementsAre("expected status 403 or 405, got 200"));
  e = {};
  e.expect_ids = {1, 9};
  EXPECT_THAT(failures(e, outcome), ElementsAre("rule 9 is not logged; logged: 1, 2, 2"));
  e = {};
  e.no_expect_ids = {2};
  EXPECT_THAT(failures(e, outcome), ElementsAre("rule 2 is logged"));
  e = {};
  e.match_regex = "three";
  e.no_match_regex = "two";
  EXPECT_THAT(failures(e, outcome), SizeIs(2));
  e = {};
  e.response_contains = "nobody";
  EXPECT_THAT(failures(e, outcome), SizeIs(1));
  e = {};
  e.isolated = true;
  e.expect_ids = {1};
  EXPECT_THAT(failures(e, outcome), SizeIs(1));
  outcome.ids = {1, 1};
  EXPECT_THAT(failures(e, outcome), IsEmpty());
  e = {};
  e.match_regex = "(";
  EXPECT_THAT(failures(e, outcome), ElementsAre(HasSubstr("ERROR: ")));
}

TEST(CheckStage, ExpectedErrors) {
  StageOutcome outcome;
  FtwOutput e;
  EXPECT_THAT(failures(e, outcome), ElementsAre(HasSubstr("not complete")));
  e.expect_error = true;
  e.expect_ids = {1};  // then nothing else is looked at, as in go-ftw
  EXPECT_THAT(failures(e, outcome), IsEmpty());
  outcome.status = 200;
  EXPECT_THAT(failures(e, outcome), SizeIs(1));
}

TEST(SuiteCounts, Summary) {
  SuiteCounts counts;
  counts.add(TestResult::Verdict::Passed);
  counts.add(TestResult::Verdict::Passed);
  counts.add(TestResult::Verdict::Failed);
  counts.add(TestResult::Verdict::Skipped);
  EXPECT_EQ(summary(counts), "2 passed, 1 failed, 1 skipped");
}

}  // namespace
}  // namespace weir::crs
