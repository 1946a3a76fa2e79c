// How much memory an Inspector takes at most, from its options: for `weir check`, before any packet.
#pragma once

#include <cstdint>

#include "engine/inspect/options.h"
#include "rules/ruleset.h"

namespace weir::inspect {

struct Ceiling {
  std::uint64_t connections = 0;   // bytes: tables and buffers of the TCP model
  std::uint64_t sessions = 0;      // if all connections were in the middle of a message
  std::uint64_t fragments = 0;
  std::uint64_t transactions = 0;  // InspectorOptions::transaction_bytes, or less if so many cannot come together
  std::uint64_t decoders = 0;      // of content codings

  [[nodiscard]] std::uint64_t sum() const { return connections + sessions + fragments + transactions + decoders; }
};

// `rules` may be null. Reserves and gives back what it counts, so not for the path of a packet.
[[nodiscard]] Ceiling ceiling(const InspectorOptions& options, const rules::RuleSet* rules);

}  // namespace weir::inspect
