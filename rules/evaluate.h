// Running a phase: rules in order, with SecLang's exact semantics (docs/RULES.md, "Traps"). The prefilter
// is asked first; what it cannot answer, and every hit, is evaluated here.
#pragma once

#include "rules/transaction_state.h"

namespace weir::rules {

// Runs the rules of `phase`. Sets tx.decision and tx.intercepted if a disruptive action took effect.
void run_phase(TransactionState& tx, Phase phase);

// The step to go on at after `rule`, which is step `step` of `steps`, has matched.
std::size_t after_match(const Rule& rule, std::size_t step, std::size_t steps);

// For foregone.cc. One link of a rule: what its matches do is done.
enum class LinkResult : std::uint8_t { NoMatch, Match, Stop };
LinkResult run_link(TransactionState& tx, const Rule& rule, std::uint32_t link);
// Does the single TX variable, or with `&` the number of those that there are of it, compare so?
bool compares(const TransactionState& tx, const TargetSpec& target, const Comparison& number, bool negated);
// Does the rule begin with a comparison that does not hold? Then it has no effect at all.
bool fails_at_once(const TransactionState& tx, const Rule& rule);

// TX:0 to TX:9 as an operator has captured them.
void set_captures(TransactionState& tx, const Captures& captures);

// actions/: the effects of one link's actions for one matching value.
void perform(TransactionState& tx, const Rule& rule, std::uint32_t link, const Action& action);

// Notes a match of the whole rule and carries out its disruptive action (actions/disrupt.cc). True if the
// transaction is intercepted or the rest of the phase is to be left out.
bool conclude(TransactionState& tx, const Rule& rule);

TraceSink::RuleStep trace_step(const TransactionState& tx, const Rule& rule, std::uint32_t link);

}  // namespace weir::rules
