// Looking at one value for all rules of a transaction's filter at once (prefilter.h): what its classes of bytes, its length and
// the pieces of text in it leave of the items that are wanted, for the value as it is and for what chains may make of it.
#pragma once

#include "rules/prefilter.h"
#include "rules/transaction_state.h"
#include "rules/value_cache.h"

namespace weir::rules {

// Fills slot.hits with the items of tx.filter, of those in `wanted`, that may match the value or a form of it; null: none may.
// A value that recurs is looked at once. In steady state nothing is allocated but from the transaction's arena; if that is
// exhausted nothing is ruled out.
void scan_value(TransactionState& tx, const Prefilter::Wanted& wanted, Slot& slot, ValueCache::Kind kind);

}  // namespace weir::rules
