// How much memory an Inspector takes at most, from its options: for `weir check`, before any packet.
#pragma once

#include <cstdint>

#include "engine/inspect/options.h"
#include "rules/ruleset.h"

namespace weir::inspect {

struct Ceiling {
  std::uint64_t connections = 0;   // bytes: tables and buffers of the TCP model
  std::uint64_t fragments = 0;
  std::uint64_t transactions = 0;  // with bodies as long as the rules read them

  [[nodiscard]] std::uint64_t sum() const { return connections + fragments + transactions; }
};

// `rules` may be null. Reserves and gives back what it counts, so not for the path of a packet.
[[nodiscard]] Ceiling ceiling(const InspectorOptions& options, const rules::RuleSet* rules);

}  // namespace weir::inspect
