// What the calls of a CollectionStore do to one record, whatever keeps it. Pure functions; their bounds are the
// store's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/packet.h"
#include "rules/store_codec.h"

namespace weir::rules {

enum class RecordChange : std::uint8_t { None, Changed, Refused };

// StoredRecord::id of a record.
[[nodiscard]] std::string record_id(std::string_view collection, std::string_view key);
// The number that a value starts with, as atoi() reads it, without overflow.
[[nodiscard]] std::int64_t number_of(std::string_view text);
[[nodiscard]] inline bool is_past(std::int64_t expires, Timestamp now) { return expires != 0 && expires <= now.ns; }
// Untouched for `timeout` ns, or without a live variable.
[[nodiscard]] bool is_expired(const StoredRecord& record, Timestamp now, std::int64_t timeout);

// Each of these leaves StoredRecord::updated alone but where it says Changed. Refused: there are `most` variables.
RecordChange set_variable(StoredRecord& record, std::string_view name, std::string_view value, std::size_t most, Timestamp now);
// `after`: the result, also where it is refused.
RecordChange add_to_variable(StoredRecord& record, std::string_view name, std::int64_t delta, std::size_t most, Timestamp now,
                             std::int64_t& after);
// May leave the record without variables: then it is to be forgotten.
RecordChange remove_variable(StoredRecord& record, std::string_view name, Timestamp now);
RecordChange expire_variable(StoredRecord& record, std::string_view name, Duration after, Timestamp now);
RecordChange deprecate_variable(StoredRecord& record, std::string_view name, std::int64_t amount, Duration period, Timestamp now);

}  // namespace weir::rules
