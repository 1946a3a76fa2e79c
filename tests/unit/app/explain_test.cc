// curl command lines to requests, and suite reports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <string>

#include "app/explain/curl.h"
#include "app/formats/suite_report.h"

namespace weir::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string request(const std::string& command) {
  const Result<CurlRequest> made = curl_request(command);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made ? made->bytes : "";
}

TEST(Curl, Requests) {
  EXPECT_EQ(request("curl http://h/"), "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n");
  EXPECT_THAT(request("curl h:81"), HasSubstr("GET / HTTP/1.1\r\nHost: h:81\r\n"));
  EXPECT_THAT(request("curl 'http://h/a?b=c#d'"), HasSubstr("GET /a?b=c HTTP/1.1\r\n"));
  EXPECT_THAT(request("curl http://user:pw@h?x"), HasSubstr("GET /?x HTTP/1.1\r\nHost: h\r\n"));
  const std::string post = request("curl -d 'a=1' --data 'b=2' http://h/");
  EXPECT_THAT(post, HasSubstr("POST / HTTP/1.1\r\n"));
  EXPECT_THAT(post, HasSubstr("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n"));
  EXPECT_THAT(post, HasSubstr("\r\n\r\na=1&b=2"));
  EXPECT_THAT(request("curl -G -d 'a=1' 'http://h/?z=0'"), HasSubstr("GET /?z=0&a=1 HTTP/1.1\r\n"));
  EXPECT_THAT(request("curl -G -d a=1 http://h/"), Not(HasSubstr("Content-Length")));
  EXPECT_THAT(request("curl -I http://h/"), HasSubstr("HEAD / "));
  EXPECT_THAT(request("curl -XPUT http://h/"), HasSubstr("PUT / "));
  EXPECT_THAT(request("curl -skX DELETE http://h/"), HasSubstr("DELETE / "));
  EXPECT_THAT(request("curl -0 http://h/"), HasSubstr("GET / HTTP/1.0\r\n"));
  EXPECT_THAT(request("curl --data-urlencode 'a=b c&d' http://h/"), HasSubstr("\r\n\r\na=b%20c%26d"));
  EXPECT_THAT(request("curl --json '{\"a\":1}' http://h/"), HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request("curl -u a:b http://h/"), HasSubstr("Authorization: Basic YTpi\r\n"));
}

TEST(Curl, HeadersReplaceDefaults) {
  const std::string with = request("curl -H 'User-Agent: x' -H 'Host: other' -H 'Accept:' -H 'X-Empty;' http://h/");
  EXPECT_THAT(with, HasSubstr("User-Agent: x\r\n"));
  EXPECT_THAT(with, HasSubstr("Host: other\r\n"));
  EXPECT_THAT(with, Not(HasSubstr("curl/")));
  EXPECT_THAT(with, Not(HasSubstr("Accept")));
  EXPECT_THAT(with, Not(HasSubstr("Host: h\r\n")));
  EXPECT_THAT(with, HasSubstr("X-Empty: \r\n"));
}

TEST(Curl, ShellQuoting) {
  EXPECT_THAT(request("curl \\\n  -H \"A: b\\\"c\" \\\n 'http://h/'"), HasSubstr("A: b\"c\r\n"));
  EXPECT_THAT(request("curl --data-raw $'a=\\'\\x41\\u00e9\\n' http://h/"), HasSubstr("\r\n\r\na='A\xc3\xa9\n"));
  EXPECT_THAT(request("http://h/a\\ b"), HasSubstr("GET /a b HTTP"));
}

TEST(Curl, WhatIsNotUnderstoodIsSaid) {
  for (const char* command : {"curl", "curl --frobnicate http://h/", "curl -F a=b http://h/", "curl 'http://h/", "curl -d",
                              "curl -d @file http://h/", "curl ftp://h/", ""}) {
    EXPECT_FALSE(curl_request(command)) << command;
  }
  EXPECT_THAT(curl_request("curl --frobnicate http://h/").error().message, HasSubstr("--frobnicate"));
}

// One test that passed, one that failed, one that was left out.
std::string reported(TestFormat format, bool failures_only = false) {
  TestOptions options;
  options.format = format;
  options.show_failures_only = failures_only;
  const auto report = make_suite_report(options, -1);
  crs::SuiteCounts counts;
  std::string out = report->begin();
  const auto add = [&](const char* id, crs::TestResult::Verdict verdict) {
    crs::FtwTest test;
    test.id = id;
    test.rule_id = 942100;
    test.file = "dir/942100.yaml";
    test.line = 3;
    crs::TestResult result;
    result.verdict = verdict;
    result.reason = verdict == crs::TestResult::Verdict::Skipped ? "not <now>" : "";
    crs::StageResult stage;
    stage.test = id;
    stage.ok = verdict == crs::TestResult::Verdict::Passed;
    stage.outcome.ids = {942100, 949110};
    stage.outcome.status = 200;
    if (!stage.ok) stage.failures = {"942130 & \"more\" was expected to log"};
    if (verdict != crs::TestResult::Verdict::Skipped) result.stages.push_back(stage);
    counts.add(verdict);
    out += report->test(test, result);
  };
  add("942100-1", crs::TestResult::Verdict::Passed);
  add("942100-2", crs::TestResult::Verdict::Failed);
  add("942100-3", crs::TestResult::Verdict::Skipped);
  return out + report->end(counts);
}

TEST(SuiteReport, Text) {
  const std::string text = reported(TestFormat::Text);
  EXPECT_THAT(text, HasSubstr("passed 942100-1\n"));
  EXPECT_THAT(text, HasSubstr("failed 942100-2\n"));
  EXPECT_THAT(text, HasSubstr("dir/942100.yaml:3"));
  EXPECT_THAT(text, HasSubstr("skipped 942100-3  not <now>\n"));
  EXPECT_THAT(text, ::testing::EndsWith("\n1 passed, 1 failed, 1 skipped\n"));
  EXPECT_THAT(reported(TestFormat::Text, true), Not(HasSubstr("942100-1")));
}

TEST(SuiteReport, Json) {
  const auto json = nlohmann::json::parse(reported(TestFormat::Json));
  ASSERT_EQ(json["stages"].size(), 2U);
  EXPECT_EQ(json["stages"][0]["test"], "942100-1");
  EXPECT_EQ(json["stages"][0]["ok"], true);
  EXPECT_EQ(json["stages"][0]["ids"], nlohmann::json({942100, 949110}));
  EXPECT_EQ(json["stages"][0]["status"], 200);
  EXPECT_EQ(json["stages"][0]["decision"], "pass");
  EXPECT_EQ(json["stages"][1]["ok"], false);
  EXPECT_EQ(json["failed"], 1);
}

TEST(SuiteReport, Junit) {
  const std::string xml = reported(TestFormat::Junit);
  EXPECT_THAT(xml, HasSubstr("<testsuite name=\"dir/942100.yaml\" tests=\"3\" failures=\"1\" skipped=\"1\">"));
  EXPECT_THAT(xml, HasSubstr("<testcase classname=\"942100\" name=\"942100-1\"/>"));
  EXPECT_THAT(xml, HasSubstr("942130 &amp; &quot;more&quot; was expected"));
  EXPECT_THAT(xml, HasSubstr("<skipped>not &lt;now&gt;</skipped>"));
}

TEST(SuiteReport, Github) {
  EXPECT_THAT(reported(TestFormat::Github), HasSubstr("::error file=dir/942100.yaml,line=3,title=942100-2::stage 1: 942130"));
  EXPECT_THAT(reported(TestFormat::Github), HasSubstr("%0Alogged: 942100 949110"));
}

}  // namespace
}  // namespace weir::app
