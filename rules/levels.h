// Levels: rules that are reached only where a TX variable is large enough, because
// `SecRule TX:name "@lt n" "…,skipAfter:…"` jumps over them otherwise. CRS's paranoia levels are made
// so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/program.h"

namespace weir::rules {

struct Levels {
  std::string name;                   // of the variable that guards most rules; empty: there is none
  std::vector<std::int64_t> steps;    // the values at which more rules are reached, ascending
  std::vector<std::int64_t> of_rule;  // by rule: the least value at which it is reached

  static constexpr std::size_t kMost = 8;  // steps; with more there are none
};

[[nodiscard]] Levels find_levels(const Program& program);

}  // namespace weir::rules
