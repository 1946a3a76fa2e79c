#include "crs/ftw_suite.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "crs/ftw_request.h"

namespace weir::crs {
namespace {

FtwSuite read(const std::string& yaml, const std::string& file = "942100.yaml") {
  FtwSuite suite;
  read_ftw(yaml, file, suite);
  return suite;
}

TEST(FtwSuite, SchemaOfVersion4) {
  const auto suite = read(R"(---
meta:
  author: "x"
rule_id: 920100
tests:
  - test_id: 7
    desc: "what it does"
    stages:
      - input:
          dest_addr: "127.0.0.1"
          port: 8080
          method: "POST"
          uri: ""
          version: "HTTP/1.0"
          headers:
            Host: "localhost"
            Accept: "*/*"
            Content-Length: 12
          data: |
            line
          autocomplete_headers: false
        output:
          status: 400
          log:
            expect_ids: [920100, 920101]
            no_expect_ids: [1]
            match_regex: "a.b"
            no_match_regex: "c"
          retry_once: true
      - input:
          follow_redirect: true
        output:
          expect_error: true
          response_contains: "x"
)");
  EXPECT_TRUE(suite.errors.empty());
  ASSERT_EQ(suite.tests.size(), 1U);
  const FtwTest& test = suite.tests[0];
  EXPECT_EQ(test.id, "920100-7");
  EXPECT_EQ(test.rule_id, 920100U);
  EXPECT_EQ(test.description, "what it does");
  EXPECT_EQ(test.line, 6U);
  EXPECT_TRUE(test.enabled);
  ASSERT_EQ(test.stages.size(), 2U);
  const FtwInput& input = test.stages[0].input;
  EXPECT_EQ(input.dest_addr, "127.0.0.1");
  EXPECT_EQ(input.port, 8080);
  EXPECT_EQ(input.method, "POST");
  EXPECT_EQ(input.uri, "");
  EXPECT_EQ(input.version, "HTTP/1.0");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(input.headers,
            (Headers{{"Accept", "*/*"}, {"Content-Length", "12"}, {"Host", "localhost"}}));
  EXPECT_EQ(input.data, "line\n");
  EXPECT_FALSE(input.autocomplete_headers);
  const FtwOutput& output = test.stages[0].output;
  EXPECT_EQ(output.status, std::vector<int>{400});
  EXPECT_EQ(output.expect_ids, (std::vector<std::uint32_t>{920100, 920101}));
  EXPECT_EQ(output.no_expect_ids, std::vector<std::uint32_t>{1});
  EXPECT_EQ(output.match_regex, "a.b");
  EXPECT_EQ(output.no_match_regex, "c");
  EXPECT_TRUE(output.retry_once);
  EXPECT_FALSE(output.expect_error);
  EXPECT_FALSE(output.no_error);
  EXPECT_TRUE(test.stages[1].input.follow_redirect);
  EXPECT_EQ(test.stages[1].input.uri, "/");
  EXPECT_TRUE(test.stages[1].output.expect_error);
  EXPECT_EQ(test.stages[1].output.response_contains, "x");
}

TEST(FtwSuite, SchemaOfVersion3) {
  const auto suite = read(R"(---
meta:
  enabled: false
  name: "x.yaml"
tests:
  - test_title: 942100-1
    stages:
      - stage:
          input:
            stop_magic: true
            headers:
              Host: localhost
            data:
              - "a"
              - ""
              - b
          output:
            status: [200, 404]
            log_contains: id "942100"
  - test_title: 942100-2
    stages:
      - stage:
          input:
            encoded_request: "R0VU"
          output:
            no_log_contains: id "942100"
  - stages:
      - stage:
          input: {raw_request: "GET /"}
          output:
            log_contains: 'id "9421'
            expect_error: false
)");
  EXPECT_TRUE(suite.errors.empty());
  ASSERT_EQ(suite.tests.size(), 3U);
  EXPECT_FALSE(suite.tests[0].enabled);
  EXPECT_EQ(suite.tests[0].id, "942100-1");
  EXPECT_EQ(suite.tests[0].rule_id, 942100U);
  const auto& first = suite.tests[0].stages[0];
  EXPECT_FALSE(first.input.autocomplete_headers);
  EXPECT_EQ(first.input.data, "a\r\n\r\nb");
  EXPECT_TRUE(first.input.data_is_lines);
  EXPECT_EQ(first.output.status, (std::vector<int>{200, 404}));
  EXPECT_EQ(first.output.expect_ids, std::vector<std::uint32_t>{942100});
  EXPECT_EQ(first.output.match_regex, "");
  EXPECT_EQ(suite.tests[1].stages[0].output.no_expect_ids, std::vector<std::uint32_t>{942100});
  const auto& third = suite.tests[2].stages[0];
  EXPECT_EQ(suite.tests[2].id, "942100-3");
  EXPECT_EQ(third.input.raw_request, "GET /");
  EXPECT_EQ(third.output.match_regex, "id \"9421");
  EXPECT_TRUE(third.output.expect_ids.empty());
  EXPECT_TRUE(third.output.no_error);
}

TEST(FtwSuite, OrderedHeadersKeepTheirOrder) {
  const auto suite = read(R"(
tests:
  - stages:
      - input:
          ordered_headers:
            - {name: "B", value: "1"}
            - {name: "A", value: "2"}
            - {name: "B", value: "3"}
)");
  ASSERT_EQ(suite.tests.size(), 1U);
  const auto& headers = suite.tests[0].stages[0].input.headers;
  ASSERT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers[0].first + headers[1].first + headers[2].second, "BA3");
}

TEST(FtwSuite, ErrorsNameThePlaceAndSpareTheRest) {
  const auto suite = read(R"(
tests:
  - stages:
      - input: {port: "eighty"}
  - stages: []
  - stages:
      - input: {port: 70000}
  - stages:
      - input: {headers: [1]}
  - stages:
      - input: {data: {a: b}}
  - stages:
      - input: {data: "a", encoded_request: "R0VU"}
  - stages:
      - output: {isolated: true}
  - just text
  - stages:
      - input: {stop_magic: maybe}
  - stages:
      - input: {uri: "/good"}
)");
  ASSERT_EQ(suite.tests.size(), 1U);
  EXPECT_EQ(suite.tests[0].stages[0].input.uri, "/good");
  EXPECT_EQ(suite.tests[0].id, "942100-10");
  ASSERT_EQ(suite.errors.size(), 9U);
  EXPECT_EQ(suite.errors[0], "942100.yaml:4: port is no number: eighty");
  EXPECT_EQ(suite.errors[1], "942100.yaml:5: a test has no stages");
}

TEST(FtwSuite, BrokenDocuments) {
  for (const char* yaml : {"a: [", "\t- x", "tests: 3", "- a", "tests: [}", "%YAML 9\n---\n&a *a",
                           "rule_id: x\ntests: []"}) {
    const auto suite = read(yaml);
    EXPECT_TRUE(suite.tests.empty()) << yaml;
    EXPECT_EQ(suite.errors.size(), 1U) << yaml;
  }
  EXPECT_TRUE(read("").errors.empty());
  EXPECT_TRUE(read("---\n").errors.empty());
}

TEST(FtwSuite, MissingDirectory) {
  const auto none = read_ftw_suite("/nonexistent/weir");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("/nonexistent/weir"), std::string::npos);
}

struct Totals {
  std::size_t tests = 0, stages = 0, disabled = 0, expect_ids = 0, no_expect_ids = 0, match = 0,
              no_match = 0, status = 0, errors = 0, encoded = 0, raw = 0, bare = 0;
};

Totals total(const FtwSuite& suite) {
  Totals n;
  for (const FtwTest& test : suite.tests) {
    ++n.tests;
    n.disabled += !test.enabled;
    for (const FtwStage& stage : test.stages) {
      ++n.stages;
      n.expect_ids += !stage.output.expect_ids.empty();
      n.no_expect_ids += !stage.output.no_expect_ids.empty();
      n.match += !stage.output.match_regex.empty();
      n.no_match += !stage.output.no_match_regex.empty();
      n.status += !stage.output.status.empty();
      n.errors += stage.output.expect_error;
      n.encoded += stage.input.encoded_request.has_value();
      n.raw += stage.input.raw_request.has_value();
      n.bare += !stage.input.autocomplete_headers;
      auto bytes = build_request(stage.input);
      EXPECT_TRUE(bytes) << test.id << ": " << bytes.error().message;
      if (bytes && !stage.input.encoded_request && !stage.input.raw_request) {
        EXPECT_EQ(bytes->find(stage.input.method), 0U);
        EXPECT_NE(bytes->find("\r\n\r\n"), std::string::npos) << test.id;
      }
    }
  }
  return n;
}

TEST(FtwSuite, Version3OfTheCrs) {
  const char* directory = std::getenv("WEIR_CRS3_DIR");
  if (directory == nullptr) GTEST_SKIP() << "WEIR_CRS3_DIR is not set";
  auto suite = read_ftw_suite(std::string(directory) + "/tests/regression/tests");
  ASSERT_TRUE(suite);
  for (const auto& error : suite->errors)
    ADD_FAILURE() << error;
  const Totals n = total(*suite);
  EXPECT_EQ(suite->files, 179U);
  EXPECT_EQ(n.tests, 2404U);
  EXPECT_EQ(n.stages, 2404U);
  EXPECT_EQ(n.expect_ids, 2174U);
  EXPECT_EQ(n.match, 3U);
  EXPECT_EQ(n.no_expect_ids, 199U);
  EXPECT_EQ(n.no_match, 2U);
  EXPECT_EQ(n.status, 25U);
  EXPECT_EQ(n.encoded, 3U);
  EXPECT_EQ(n.raw, 1U);
  EXPECT_EQ(n.bare, 11U);
}

TEST(FtwSuite, Version4OfTheCrs) {
  const char* directory = std::getenv("WEIR_CRS4_DIR");
  if (directory == nullptr) GTEST_SKIP() << "WEIR_CRS4_DIR is not set";
  auto suite = read_ftw_suite(std::string(directory) + "/tests/regression/tests");
  ASSERT_TRUE(suite);
  for (const auto& error : suite->errors)
    ADD_FAILURE() << error;
  const Totals n = total(*suite);
  std::set<std::string> ids;
  for (const auto& test : suite->tests)
    EXPECT_TRUE(ids.insert(test.id).second) << test.id;
  EXPECT_GT(n.tests, 4000U);
  if (n.tests == 5003) {  // v4.28.0
    EXPECT_EQ(suite->files, 323U);
    EXPECT_EQ(n.stages, 5009U);
    EXPECT_EQ(n.expect_ids, 3998U);
    EXPECT_EQ(n.no_expect_ids, 941U);
    EXPECT_EQ(n.match, 12U);
    EXPECT_EQ(n.no_match, 38U);
    EXPECT_EQ(n.status, 29U);
    EXPECT_EQ(n.errors, 1U);
    EXPECT_EQ(n.encoded, 10U);
    EXPECT_EQ(n.bare, 19U);
  }
}

}  // namespace
}  // namespace weir::crs
