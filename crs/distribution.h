// Finding a Core Rule Set and putting it together with Weir's own set-up.
//
//   auto crs = crs::find_distribution({.rules = {}, .tuning = {.paranoia_level = 2}});
//   if (crs.errors.empty()) loaded = rules::RuleSet::load(crs.sources, {});
//
// What `rules` may name, in the order in which it is read:
//   nothing      Debian's package modsecurity-crs
//   "none"       alone: no rules at all; traffic is parsed and recorded, bodies are not kept
//   a file       SecLang; if it only holds Includes (Debian's owasp-crs.load), what it includes
//   a directory  an unpacked CRS release (crs-setup.conf, or else crs-setup.conf.example; plugins;
//                rules), or any directory of *.conf files
//
// Sources come out in this order: Weir's set-up of the engine (in memory), then the files, with the
// tuning (in memory) right after the CRS set-up file, where the CRS wants it; last, the mode.
//
// Reads files; no other effects. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace weir::crs {

// What CRS users turn. Unset: the CRS set-up file decides.
struct Tuning {
  // 1 to 4: rules that count towards blocking.
  std::optional<int> paranoia_level;
  // Not below paranoia_level: rules that are run and logged.
  std::optional<int> detection_paranoia_level;
  // From 1: anomaly score at which a request is blocked; the same for a response.
  std::optional<int> inbound_threshold;
  std::optional<int> outbound_threshold;
  // CRS 4: also judge after the headers.
  std::optional<bool> early_blocking;
};

enum class Mode { AsConfigured, On, DetectionOnly, Off };

struct DistributionOptions {
  std::vector<std::string> rules;
  Tuning tuning;
  Mode mode = Mode::AsConfigured;
  // The settings that the CRS regression tests are written for; paranoia level 4 unless tuned. Does
  // nothing where the rules hold no CRS.
  bool regression_suite = false;
  // An audit log is wanted, and these directives are the command line's: they come after the rules. Where the
  // rules say nothing of it: relevant transactions, JSON. Unset: SecAuditEngine is switched off (but by
  // Mode::AsConfigured), so that no body is kept for a log that nobody writes.
  std::optional<std::string> audit;
  std::string root;               // put in front of Debian's paths; for tests
};

// The TX variables that hold the final anomaly scores; empty where no CRS was found.
struct ScoreNames {
  std::string inbound;
  std::string outbound;
};

struct Distribution {
  std::vector<rules::Source> sources;
  std::string version;  // "3.3.4", "4.28.0"; empty: no CRS among the rules
  ScoreNames scores;
  // Sentences without full stop; if there are any, the sources are incomplete.
  std::vector<std::string> errors;
};

Distribution find_distribution(const DistributionOptions& options);

// Names of the in-memory sources, as they appear in messages.
inline constexpr std::string_view kEngineSource = "weir:engine";
inline constexpr std::string_view kTuningSource = "weir:tuning";
inline constexpr std::string_view kSuiteSource = "weir:regression-suite";
inline constexpr std::string_view kModeSource = "weir:mode";
inline constexpr std::string_view kAuditSource = "weir:audit";

// Major number of a version ("4.28.0": 4); 0 if it has none.
[[nodiscard]] int major_version(std::string_view version);

[[nodiscard]] ScoreNames score_names(std::string_view version);

}  // namespace weir::crs
