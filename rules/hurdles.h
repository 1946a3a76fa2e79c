// Hurdles: what a rule has to take before it is run. A rule of CRS mostly asks more than one thing ("the method is GET, and
// there is a Transfer-Encoding"), and what is cheap to ask comes last as often as first. So at load each rule is gone
// through for links that a look at the transaction answers, without collecting values and asking an operator: how often a
// header is there, whether it is there at all, a flag of the body's parsers, a number in TX. Where one of them cannot
// match the rule cannot, and is not run.
//
// A link behind the first is a hurdle only if running those before it would leave nothing behind: no action, no capture.
// MATCHED_VAR they would leave; so this is done only where no rule reads that before it has matched itself.
// Links that the prefilter can answer are hurdles, too, but of another kind: a *gate* stands where the prefilter
// would otherwise ask for the head (compile.cc).
//
// Invariants: no rule can tell. With a trace every rule is run. Tested by tests/unit/rules_core/hurdles_test.cc and
// differential_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "rules/names.h"
#include "rules/operators/operator.h"

namespace weir::rules {

class Program;
struct Rule;
struct TargetSpec;
struct TransactionState;

struct Hurdle {
  enum class Kind : std::uint8_t {
    Headers,  // so many of one name
    Lack,     // none of that name: the link has no value
    Members,  // so many of a list, if there are none at all
    Scalar,   // a number that the transaction keeps
    Tx,       // a TX variable
  };
  Kind kind{};
  bool negated = false;
  Variable variable{};
  std::uint16_t header = 0;  // Prefilters::headers
  Comparison number;         // not of Lack
  const TargetSpec* target = nullptr;  // of Tx
};

// Finds the hurdles of all rules, and how many of their links could be asked first. When compile() has numbered headers.
void find_hurdles(Program& program);

// Is there one that it does not take?
bool stopped(TransactionState& tx, const Rule& rule);

// With a trace: may the rule's head match, though the filter has asked for its gate?
bool head_may_match(TransactionState& tx, const Rule& rule);

}  // namespace weir::rules
