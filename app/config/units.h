// Texts of a configuration to values: numbers, sizes and durations with their units, addresses, ranges.
// Nothing is guessed: `010` and `1e3` are no numbers, `64` is no size, `yes` is no flag. Each function
// gives a value, or what to tell the operator (without the key's name).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/packet.h"
#include "engine/result.h"

namespace weir::app {

struct Range {
  std::uint64_t low = 0, high = UINT64_MAX;
};

[[nodiscard]] Result<bool> parse_flag(std::string_view text);
[[nodiscard]] Result<std::uint64_t> parse_count(std::string_view text, Range range);
// B, KiB, MiB, GiB; whole numbers. The range is in bytes.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text, Range range);
// ms, s, min, h; whole numbers. The range is in milliseconds.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text, Range range);
// "0", "0-3", "0,2,8-9": in the order given, each once.
[[nodiscard]] Result<std::vector<std::uint32_t>> parse_numbers(std::string_view text, Range range);
[[nodiscard]] Result<IpPrefix> parse_prefix(std::string_view text);

// For messages and documentation.
[[nodiscard]] std::string size_text(std::uint64_t bytes);         // "64MiB"
[[nodiscard]] std::string duration_text(std::uint64_t milliseconds);  // "30s"

}  // namespace weir::app
