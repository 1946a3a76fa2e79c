#include "rules/store_record.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace weir::rules {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::int64_t add_saturating(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? kMax : std::numeric_limits<std::int64_t>::min();
}

StoredVariable* variable(StoredRecord& record, std::string_view name) {
  for (StoredVariable& v : record.variables) {
    if (v.name == name) return &v;
  }
  return nullptr;
}

void drop_expired(StoredRecord& record, Timestamp now) {
  std::erase_if(record.variables, [now](const StoredVariable& v) { return is_past(v.expires, now); });
}

// Null: there are `most` already.
StoredVariable* variable_or_new(StoredRecord& record, std::string_view name, std::size_t most) {
  if (StoredVariable* known = variable(record, name); known != nullptr) return known;
  if (record.variables.size() >= most) return nullptr;
  record.variables.push_back({std::string(name), {}, 0, 0});
  return &record.variables.back();
}

RecordChange changed(StoredRecord& record, Timestamp now) {
  record.updated = now.ns;
  return RecordChange::Changed;
}

}  // namespace

std::string record_id(std::string_view collection, std::string_view key) {
  std::string id;
  id.reserve(collection.size() + 1 + key.size());
  id.append(collection).append(1, '\0').append(key);
  return id;
}

std::int64_t number_of(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || (text.front() >= '\t' && text.front() <= '\r'))) {
    text.remove_prefix(1);
  }
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (negative || text.front() == '+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) value = kMax;
  if (error == std::errc::invalid_argument || value < 0) return 0;  // "--1"
  return negative ? -value : value;
}

bool is_expired(const StoredRecord& record, Timestamp now, std::int64_t timeout) {
  if (add_saturating(record.updated, timeout) <= now.ns) return true;
  const auto& vars = record.variables;
  return std::all_of(vars.begin(), vars.end(), [now](const StoredVariable& v) { return is_past(v.expires, now); });
}

RecordChange set_variable(StoredRecord& record, std::string_view name, std::string_view value, std::size_t most, Timestamp now) {
  drop_expired(record, now);
  StoredVariable* v = variable_or_new(record, name, most);
  if (v == nullptr) return RecordChange::Refused;
  v->value.assign(value);
  v->updated = now.ns;
  return changed(record, now);
}

RecordChange add_to_variable(StoredRecord& record, std::string_view name, std::int64_t delta, std::size_t most, Timestamp now,
                             std::int64_t& after) {
  drop_expired(record, now);
  const StoredVariable* before = variable(record, name);
  after = std::max<std::int64_t>(0, add_saturating(before == nullptr ? 0 : number_of(before->value), delta));
  StoredVariable* v = variable_or_new(record, name, most);
  if (v == nullptr) return RecordChange::Refused;
  v->value = std::to_string(after);
  v->updated = now.ns;
  return changed(record, now);
}

RecordChange remove_variable(StoredRecord& record, std::string_view name, Timestamp now) {
  drop_expired(record, now);
  if (std::erase_if(record.variables, [name](const StoredVariable& v) { return v.name == name; }) == 0) return RecordChange::None;
  return changed(record, now);
}

RecordChange expire_variable(StoredRecord& record, std::string_view name, Duration after, Timestamp now) {
  StoredVariable* const v = variable(record, name);
  if (v == nullptr || is_past(v->expires, now)) return RecordChange::None;
  // 0 stands for "never"; nothing expires at the epoch.
  v->expires = std::max<std::int64_t>(1, add_saturating(now.ns, after.ns));
  return changed(record, now);
}

RecordChange deprecate_variable(StoredRecord& record, std::string_view name, std::int64_t amount, Duration period, Timestamp now) {
  if (period.ns <= 0 || amount <= 0) return RecordChange::None;
  StoredVariable* const v = variable(record, name);
  if (v == nullptr || is_past(v->expires, now) || now.ns <= v->updated) return RecordChange::None;
  const std::int64_t periods = (now.ns - v->updated) / period.ns;
  if (periods == 0) return RecordChange::None;
  std::int64_t less = 0;
  if (__builtin_mul_overflow(periods, amount, &less)) less = kMax;
  v->value = std::to_string(std::max<std::int64_t>(0, number_of(v->value) - less));
  v->updated += periods * period.ns;  // what is left of the period counts next time
  return changed(record, now);
}

}  // namespace weir::rules
