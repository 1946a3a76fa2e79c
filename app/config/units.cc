#include "app/config/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>

#include "rules/reporter.h"

namespace weir::app {
namespace {

using rules::syntax::quoted;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 4> kSizes{{{"B", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}}};
constexpr std::array<Unit, 4> kDurations{{{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}}};

// A whole decimal number as people write it: no sign, no leading zero.
std::optional<std::uint64_t> whole(std::string_view digits) {
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// In the largest unit that gives a whole number.
template <std::size_t N>
std::string in_units(std::uint64_t value, const std::array<Unit, N>& units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) best = &unit;
  }
  return std::to_string(value / best->factor) + std::string(best->name);
}

template <std::size_t N>
Result<std::uint64_t> with_unit(std::string_view text, const std::array<Unit, N>& units, Range range,
                                std::string_view what, std::string_view example) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = whole(text.substr(0, digits));
  const std::string_view name = text.substr(digits);
  std::string known;
  for (const Unit& unit : units) {
    if (!known.empty()) known += ", ";
    known += unit.name;
  }
  if (!number) return fail(quoted(text) + " is no " + std::string(what) + ": write it like " + std::string(example));
  if (name.empty()) {
    return fail(quoted(text) + " has no unit: write it like " + std::string(example) + " (" + known + ")");
  }
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (*number > UINT64_MAX / unit.factor || *number * unit.factor < range.low ||
        *number * unit.factor > range.high) {
      return fail("must be from " + in_units(range.low, units) + " to " + in_units(range.high, units) +
                  ", not " + std::string(text));
    }
    return *number * unit.factor;
  }
  return fail("unknown unit " + quoted(name) + " (" + known + ")");
}

}  // namespace

Result<bool> parse_flag(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return fail("must be true or false, not " + quoted(text));
}

Result<std::uint64_t> parse_count(std::string_view text, Range range) {
  const std::optional<std::uint64_t> value = whole(text);
  if (value && *value >= range.low && *value <= range.high) return *value;
  return fail("must be a number from " + std::to_string(range.low) + " to " + std::to_string(range.high) +
              ", not " + quoted(text));
}

Result<std::uint64_t> parse_size(std::string_view text, Range range) {
  return with_unit(text, kSizes, range, "size", "64MiB");
}

Result<Duration> parse_duration(std::string_view text, Range range) {
  const auto value = with_unit(text, kDurations, range, "duration", "30s");
  if (!value) return fail(value.error().message);
  return milliseconds(static_cast<std::int64_t>(*value));
}

Result<std::vector<std::uint32_t>> parse_numbers(std::string_view text, Range range) {
  constexpr std::size_t kMost = 65'536;
  std::vector<std::uint32_t> out;
  const auto bad = [&text, &range] {
    return fail("must be numbers from " + std::to_string(range.low) + " to " + std::to_string(range.high) +
                ", like 0-3 or 0,2, not " + quoted(text));
  };
  for (std::string_view rest = text;;) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, comma);
    const std::size_t dash = std::min(part.find('-'), part.size());
    const auto low = whole(part.substr(0, dash));
    const auto high = dash < part.size() ? whole(part.substr(dash + 1)) : low;
    if (!low || !high || *low < range.low || *high > range.high || *high < *low || *high - *low >= kMost) return bad();
    for (std::uint64_t n = *low; n <= *high; ++n) {
      const auto number = static_cast<std::uint32_t>(n);
      if (std::find(out.begin(), out.end(), number) != out.end()) return fail(std::to_string(n) + " is named twice");
      out.push_back(number);
    }
    if (comma == rest.size()) return out;
    rest.remove_prefix(comma + 1);
  }
}

Result<IpPrefix> parse_prefix(std::string_view text) {
  const std::optional<IpPrefix> prefix = IpPrefix::parse(text);
  if (!prefix) return fail("must be an address or a network, like 192.0.2.0/24 or 2001:db8::1, not " + quoted(text));
  return *prefix;
}

std::string size_text(std::uint64_t bytes) { return in_units(bytes, kSizes); }
std::string duration_text(std::uint64_t ms) { return in_units(ms, kDurations); }

}  // namespace weir::app
