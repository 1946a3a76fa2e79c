// The effects of actions, by theme. Called for each value that a link matches, while rules run.
#pragma once

#include "rules/transaction_state.h"

namespace weir::rules {

// actions/ctl.cc
void apply_ctl(TransactionState& tx, const Rule& rule, std::uint32_t link, const CtlAction& ctl);

// actions/persistent.cc
void init_collection(TransactionState& tx, const Rule& rule, std::uint32_t link, const InitCol& a);
void timed_variable(TransactionState& tx, const Rule& rule, std::uint32_t link, const TimedVar& a);
// Keeps the record's own books (CREATE_TIME, UPDATE_COUNTER, LAST_UPDATE_TIME), once a transaction.
void touch_collection(TransactionState& tx, OpenCollection& c);

}  // namespace weir::rules
