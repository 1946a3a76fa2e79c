// Regression tests of the CRS, in the YAML that go-ftw reads: the schema of CRS 3.3 (stages wrapped
// in `stage`, log_contains) and that of CRS 4 (rule_id, test_id, log). Plain structs; nothing is
// run here.
//
// Source: github.com/coreruleset/ftw-tests-schema; what the fields mean to go-ftw, which sends the
// bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/result.h"

namespace weir::crs {

struct FtwInput {
  std::string dest_addr = "localhost";
  int port = 80;
  std::string protocol = "http";
  std::string method = "GET";
  std::string uri = "/";
  std::string version = "HTTP/1.1";
  // In the order of sending: sorted by name, as go-ftw does with a map; `ordered_headers` as they
  // stand.
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> data;             // may hold {{ templates }}
  bool data_is_lines = false;                  // CRS 3.3: a list, joined with CR LF here
  // CRS 3.3: made for FTW, go-ftw's predecessor, which adds a Content-Length only to a body that is not
  // empty and leaves line ends that are CR LF alone.
  bool for_ftw = false;
  std::optional<std::string> encoded_data;     // base64 of the body
  std::optional<std::string> encoded_request;  // base64 of the whole request
  std::optional<std::string> raw_request;      // the whole request
  bool autocomplete_headers = true;            // stop_magic: false turns it the other way round
  bool follow_redirect = false;                // go where the previous stage's response points
};

struct FtwOutput {
  std::vector<int> status;                       // any of them; empty: any status will do
  std::optional<std::string> response_contains;  // regular expression
  std::vector<std::uint32_t> expect_ids;         // all of these rules log
  std::vector<std::uint32_t> no_expect_ids;      // none of these does
  std::string match_regex;                       // found in the log; empty: not asked
  std::string no_match_regex;                    // not found in the log
  bool expect_error = false;                     // the connection fails
  bool no_error = false;                         // expect_error: false was written
  bool isolated = false;                         // only the expected rule logs
  bool retry_once = false;
};

struct FtwStage {
  FtwInput input;
  FtwOutput output;
};

struct FtwTest {
  std::string id;  // "920100-3"
  std::uint32_t rule_id = 0;
  std::string description;
  std::string file;
  std::uint32_t line = 0;
  bool enabled = true;  // CRS 3.3: meta.enabled of its file
  std::vector<std::string> tags;
  std::vector<FtwStage> stages;
};

struct FtwSuite {
  std::vector<FtwTest> tests;
  std::size_t files = 0;
  std::vector<std::string> errors;  // "file:line: what is wrong"; such tests are not in `tests`
};

// One document; `file` is for messages, and names the rule where the document does not.
void read_ftw(std::string_view yaml, const std::string& file, FtwSuite& out);

// A file, or a directory with everything below it (*.yaml, *.yml), in byte order of the paths.
// Error: there is no such file or directory, or no test in it.
Result<FtwSuite> read_ftw_suite(const std::string& path);

// What Weir answers on purpose where a test expects something else.
struct FtwOverride {
  std::string test;     // "920181-1"
  int crs = 0;          // major version of the CRS that it is for; 0: any
  std::string reason;   // a sentence for people
  FtwOutput output;     // in place of what every stage of the test expects
};

// A list of {test, crs, reason, output} under `overrides`; `output` as in a test. Each needs a reason.
// Error: "file:line: what is wrong".
Result<std::vector<FtwOverride>> read_ftw_overrides(std::string_view yaml, const std::string& file);

}  // namespace weir::crs
