// TraceSink: told of every step of an evaluation, for `weir explain`. Views are valid during the call.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/verdict.h"

namespace weir::rules {

class TraceSink {
 public:
  virtual ~TraceSink() = default;

  struct RuleStep {
    std::uint64_t rule_id = 0;  // of the head
    std::uint32_t link = 0;     // 0: the head itself, 1…: further links of the chain
    std::string_view file;
    std::uint32_t line = 0;
  };

  virtual void on_phase(Phase phase) { (void)phase; }
  // A rule that is not evaluated: removed by ctl, jumped over, ruled out by the prefilter.
  enum class Skipped : std::uint8_t { Removed, SkipAfter, Skip, Prefilter, EngineOff };
  virtual void on_skipped(const RuleStep& rule, Skipped why) { (void)rule, (void)why; }
  // A target that ctl:ruleRemoveTarget… takes away from this rule.
  virtual void on_target_removed(const RuleStep& rule, std::string_view target) {
    (void)rule, (void)target;
  }

  struct Evaluation {
    RuleStep rule;
    std::string_view target;       // "ARGS:id"
    std::string_view value;        // as received
    std::string_view transformed;  // what the operator saw
    std::string_view op;           // "rx"
    std::string_view argument;     // macros expanded
    bool negated = false;
    bool matched = false;          // after negation
  };
  virtual void on_evaluation(const Evaluation& evaluation) { (void)evaluation; }
  // An action's effect: ("setvar", "TX:score", "5"), ("ctl", "ruleEngine", "Off"), …
  virtual void on_action(const RuleStep& rule, std::string_view action, std::string_view name,
                         std::string_view value) {
    (void)rule, (void)action, (void)name, (void)value;
  }
  // The whole rule matched, and what it does.
  virtual void on_match(const RuleStep& rule, const Decision& decision, bool effective) {
    (void)rule, (void)decision, (void)effective;
  }
};

}  // namespace weir::rules
