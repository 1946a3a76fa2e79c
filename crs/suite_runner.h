// Runs the regression tests of a rule set in process: each stage's bytes go through Weir's HTTP
// parser into the rules as on the wire, Weir's own back end answers, and what would be logged and
// answered is held to what the test expects. No server, no log file.
//
// The box is inline and only detects: every rule is judged to the end, nothing that rules refuse is
// refused, but a request that the strict HTTP parser does not take is answered 400. Of such a
// request the rules are told what a Weir on a mirror reads of it, so that its rule ids are known
// too.
//
// Every test starts with empty persistent collections, so the order of tests means nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crs/ftw_suite.h"
#include "engine/packet.h"
#include "engine/result.h"
#include "engine/verdict.h"
#include "rules/ruleset.h"

namespace weir::crs {

// What became of one request.
struct StageOutcome {
  std::vector<std::uint64_t>
      ids;          // every rule logged, in order; a rule that logs twice is there twice
  std::string log;  // its lines, each with a line feed
  int status = 0;   // what the client sees; 0: no answer, or none with a status line
  // What the rules would have done; Deny if Weir's own parser refuses.
  DecisionKind decision = DecisionKind::Continue;
  std::string refusal;   // name of the HTTP violation that Weir answers 400 for; else empty
  std::string response;  // bytes of the first response, as the client gets them
};

struct StageResult {
  std::string test;
  std::size_t stage = 1;  // from 1
  bool ok = false;
  std::vector<std::string>
      failures;  // what was expected and is not so: sentences without full stop
  StageOutcome outcome;
};

struct TestResult {
  enum class Verdict : std::uint8_t { Passed, Failed, Skipped };
  Verdict verdict = Verdict::Passed;
  std::string reason;  // Skipped: why. Else, if an override applied: its reason.
  std::vector<StageResult> stages;
};

struct SuiteCounts {
  std::size_t passed = 0, failed = 0, skipped = 0;
  void add(TestResult::Verdict verdict);
};

// "N passed, N failed, N skipped"
[[nodiscard]] std::string summary(const SuiteCounts& counts);

// The overrides that come with Weir: crs/overrides.yaml.
[[nodiscard]] std::vector<FtwOverride> builtin_overrides();

// What is expected and is not so; empty: the stage is as expected. Error: an expectation cannot be
// tested (a regular expression that does not compile).
[[nodiscard]] Result<std::vector<std::string>> check_stage(const FtwOutput& expected,
                                                           const StageOutcome& outcome);

class SuiteRunner {
 public:
  struct Options {
    std::string include, exclude;  // regular expressions for test ids; empty: all, none
    std::vector<FtwOverride> overrides;
    int crs = 0;    // major version of the rules, for the overrides
    Timestamp now;  // when the first test is run
  };

  // Error: an expression does not compile.
  static Result<SuiteRunner> make(std::shared_ptr<const rules::RuleSet> rules, Options options);
  SuiteRunner(SuiteRunner&&) noexcept;
  SuiteRunner& operator=(SuiteRunner&&) = delete;
  SuiteRunner(const SuiteRunner&) = delete;
  SuiteRunner& operator=(const SuiteRunner&) = delete;
  ~SuiteRunner();

  TestResult run(const FtwTest& test);
  // One request's bytes on a connection of their own. Persistent collections stay.
  StageOutcome request(std::string_view bytes);

 private:
  struct State;
  explicit SuiteRunner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weir::crs
