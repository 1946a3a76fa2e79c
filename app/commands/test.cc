// weir test: regression tests of rules, in process.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "app/commands/commands.h"
#include "app/commands/rule_loading.h"
#include "app/formats/suite_report.h"
#include "app/report/progress.h"
#include "app/report/report.h"
#include "app/sinks/output.h"
#include "crs/suite_runner.h"
#include "rules/include.h"

namespace weir::app {
namespace {

constexpr std::size_t kMostOverrideBytes = std::size_t{1} << 20U;

// Every suite, or sentences about what is wrong.
struct Suites {
  std::vector<crs::FtwTest> tests;
  ExitCode exit = ExitCode::Fine;
};

Suites read_suites(const std::vector<std::string>& paths) {
  Suites out;
  for (const std::string& path : paths) {
    auto suite = crs::read_ftw_suite(path);
    if (!suite) {
      complain(suite.error().message);
      out.exit = ExitCode::Environment;
      continue;
    }
    for (const std::string& error : suite->errors) {
      print_error(error + "\n");
      if (out.exit == ExitCode::Fine) out.exit = ExitCode::Usage;
    }
    std::move(suite->tests.begin(), suite->tests.end(), std::back_inserter(out.tests));
  }
  return out;
}

Result<std::vector<crs::FtwOverride>> overrides(const std::string& file) {
  if (file.empty()) return crs::builtin_overrides();
  auto text = rules::syntax::read_file(file, kMostOverrideBytes);
  if (!text) return fail(text.error().message);
  return crs::read_ftw_overrides(*text, file);
}

Timestamp wall_clock() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

}  // namespace

ExitCode run_test(const TestOptions& options) {
  const Suites suites = read_suites(options.paths);
  if (suites.exit != ExitCode::Fine) return suites.exit;
  auto others = overrides(options.overrides);
  if (!others) {
    complain(others.error().message);
    return ExitCode::Usage;
  }
  const LoadedRules loaded = load_rules(options.rules, crs::Mode::DetectionOnly, true);
  report_rules(loaded, options.color, 0);
  if (!loaded.rules) return loaded.exit;

  crs::SuiteRunner::Options run;
  run.include = options.include;
  run.exclude = options.exclude;
  run.overrides = std::move(*others);
  run.crs = crs::major_version(loaded.crs_version);
  run.now = wall_clock();
  auto runner = crs::SuiteRunner::make(loaded.rules, std::move(run));
  if (!runner) {
    complain(runner.error().message);
    return ExitCode::Usage;
  }
  Result<Output> output = Output::open({});
  const auto report = make_suite_report(options, output->descriptor());
  std::uint64_t done = 0;
  ProgressLine progress(options.progress && isatty(output->descriptor()) == 0, suites.tests.size(), "passed", "failed");
  crs::SuiteCounts counts;
  output->write(report->begin());
  for (const crs::FtwTest& test : suites.tests) {
    const crs::TestResult result = runner->run(test);
    counts.add(result.verdict);
    output->write(report->test(test, result));
    progress.update(++done, counts.passed, counts.failed);
    if (output->stopped() || (options.fail_fast && counts.failed > 0)) break;
  }
  progress.clear();
  output->write(report->end(counts));
  const Result<void> written = output->finish();
  if (options.format == TestFormat::Json || options.format == TestFormat::Junit) {
    print_error(crs::summary(counts) + "\n");
  }
  if (!written && !output->reader_gone()) {
    complain(written.error().message);
    return ExitCode::Environment;
  }
  return counts.failed > 0 ? ExitCode::Negative : ExitCode::Fine;
}

}  // namespace weir::app
