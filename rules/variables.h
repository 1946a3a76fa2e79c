// Filling variables: from a target (or a macro) to its values. Values of the request and the response come
// from slots that are filled when first asked for; values that change while rules run are made on the spot.
#pragma once

#include <optional>
#include <string_view>

#include "rules/transaction_state.h"

namespace weir::rules {

// Appends what `target` selects to `out`; a target with `!` removes from `out`, one with `&` appends the
// number. (Trap 13: in order, from left to right.) Values that the prefilter rules out for all items of `asked`
// are left out; null: none are.
void collect(TransactionState& tx, const TargetSpec& target, const ReadRef* asked, TargetList& out);

// The first value, as macros use it. `key` with its fold_hash; has_key false: the whole collection.
std::optional<std::string_view> first_value(TransactionState& tx, Variable variable, bool has_key,
                                            std::string_view key, std::uint32_t hash);

// MATCHED_VAR_NAME: "ARGS:id", key escaped as ModSecurity 2 does it.
std::string_view name_of(TransactionState& tx, const TargetValue& value);

// Bytes that are not printable become \xhh, \n, …; `\` is doubled. In the arena only if anything changes.
std::string_view escape_name(TransactionState& tx, std::string_view name);

// True if the variable's values cannot change while a phase runs, and live in slots: what the prefilter
// may scan ahead.
bool is_static(Variable variable);

// Splits the request target into request.path and request.query (trap 26). Apache normalises the path
// between phases 1 and 2: rules of phase 1 see it as it was sent (CRS 931131 looks there for "//").
void parse_request_target(TransactionState& tx);
void normalise_request_path(TransactionState& tx);

// Variables by theme; each answers for its own and returns false for others.
struct ListView {
  Entry* entries = nullptr;
  std::size_t count = 0;
  bool names = false;  // the values are the keys
};
// The members of a collection that stays as it is while a phase runs; false: `variable` is none.
bool variable_list(TransactionState& tx, Variable variable, ListView& out);
// The slot of a scalar that stays as it is; null: there is none, or no value.
Slot* static_scalar(TransactionState& tx, Variable variable);
bool request_list(TransactionState& tx, Variable variable, ListView& out);
bool body_list(TransactionState& tx, Variable variable, ListView& out);
bool response_list(TransactionState& tx, Variable variable, ListView& out);

// Scalars that stay as they are once filled.
std::optional<std::string_view> request_scalar(TransactionState& tx, Variable variable);
std::optional<std::string_view> response_scalar(TransactionState& tx, Variable variable);
// Scalars that may change at any time.
std::optional<std::string_view> body_scalar(TransactionState& tx, Variable variable);
std::optional<std::string_view> moment_scalar(TransactionState& tx, Variable variable);

}  // namespace weir::rules
