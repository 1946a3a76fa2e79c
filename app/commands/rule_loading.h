// From the rule options of a command line to a compiled rule set.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/exit_code.h"
#include "app/options.h"
#include "crs/distribution.h"
#include "rules/ruleset.h"

namespace weir::app {

struct LoadedRules {
  std::shared_ptr<const rules::RuleSet> rules;  // null: see exit
  rules::Diagnostics diagnostics;
  crs::ScoreNames scores;
  bool named = false;                    // by the operator, not Debian's by default
  std::string crs_version;               // empty: no CRS among the rules
  std::vector<std::string> complaints;   // sentences about what could not be found
  double seconds = 0;                    // what finding, reading and compiling them took
  ExitCode exit = ExitCode::Fine;        // why `rules` is null
};

// The set serves as it is; what the cache does not hold of its scanners is missing (ScannerThread).
// suite: with the settings that the CRS regression tests are written for. audit: an audit log is wanted
// (crs::DistributionOptions::audit).
[[nodiscard]] LoadedRules load_rules(const RuleOptions& options, crs::Mode mode, bool suite = false,
                                     const std::optional<std::string>& audit = std::nullopt);
// Says on standard error what is wrong; warnings beyond a few are only counted.
void report_rules(const LoadedRules& loaded, ColorChoice color, std::size_t most_warnings);

// Where compiled patterns are kept: as asked; else the system's cache for root, the user's for others.
// Empty if there is no such place or no cache is wanted.
[[nodiscard]] std::string cache_directory(const RuleOptions& options);

}  // namespace weir::app
