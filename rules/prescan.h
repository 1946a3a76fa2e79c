// Asking the prefilter while a transaction runs: which rules of a phase are worth looking at, and
// which values are worth an operator's look.
#pragma once

#include "rules/transaction_state.h"

namespace weir::rules {

// Chooses a filter and fills tx.steps_to_run: the steps of the phase that may match.
void prescan(TransactionState& tx, Phase phase);

// Before `step` is run: if tx.filter does not know it, chooses one that does and fills
// tx.steps_to_run again. True if it has done so.
bool widen(TransactionState& tx, Phase phase, std::size_t step);

// May `item` (of the rule set) match the form of `value`'s slot? Scans the value if that has not been done.
// REQUIRES: value.slot is not null.
bool may_match(TransactionState& tx, const TargetValue& value, std::uint32_t item);

// The exact operator has said that `item` does not match the form of `value`'s slot: it need not be
// asked again, for this value nor for the same one in another transaction.
// REQUIRES: what the operator says follows from the value's bytes alone.
void rule_out(TransactionState& tx, const TargetValue& value, std::uint32_t item);

// What Hyperscan finds of a scan unit's patterns in a form of `slot`: bits of the unit, in the
// arena. Null: it was not asked (there is no database for the unit, the value is short, or too few
// patterns are left of it) and any may match.
const std::uint64_t* scan_unit(TransactionState& tx, std::uint32_t unit, const Slot& slot,
                               Form& form);

}  // namespace weir::rules
