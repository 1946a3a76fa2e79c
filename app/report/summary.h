// What a run amounts to, in a few lines for people.
#pragma once

#include <cstdint>
#include <string>

#include "app/options.h"
#include "engine/inspect/options.h"

namespace weir::app {

struct RunFacts {
  std::uint64_t captures = 0;
  unsigned paranoia = 1;
  WafMode mode = WafMode::Detect;
  bool inline_mode = false;
};

[[nodiscard]] std::string summary(const inspect::InspectorCounters& counters, const RunFacts& facts,
                                  bool colored);

}  // namespace weir::app
