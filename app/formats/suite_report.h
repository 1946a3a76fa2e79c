// What `weir test` prints: text for people, JSON with every test and stage, JUnit XML, or the annotations of
// GitHub's actions. Each gives the pieces of one document, in order.
#pragma once

#include <memory>
#include <string>

#include "app/options.h"
#include "crs/suite_runner.h"

namespace weir::app {

class SuiteReport {
 public:
  SuiteReport() = default;
  SuiteReport(const SuiteReport&) = delete;
  SuiteReport& operator=(const SuiteReport&) = delete;
  virtual ~SuiteReport() = default;
  virtual std::string begin() { return {}; }
  virtual std::string test(const crs::FtwTest& test, const crs::TestResult& result) = 0;
  virtual std::string end(const crs::SuiteCounts& counts) = 0;
};

std::unique_ptr<SuiteReport> make_suite_report(const TestOptions& options, int descriptor);

}  // namespace weir::app
