// What weir inspect --profile writes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "rules/profile.h"

namespace weir::app {

// Nanoseconds of this thread's CPU time.
[[nodiscard]] std::uint64_t profile_clock();

// The dearest rows of each kind, a table for people; all of them, for programs.
[[nodiscard]] std::string profile_text(std::span<const rules::ProfileRow> rows, std::uint64_t transactions);
[[nodiscard]] std::string profile_json(std::span<const rules::ProfileRow> rows, std::uint64_t transactions);

}  // namespace weir::app
