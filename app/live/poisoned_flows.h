// Connections whose packets workers had in hand when they were ended as stuck, or crashed: the next worker at the
// same input does not take them up again (FailureCause::Poisoned). The newest kMost of an input's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/inspect/options.h"

namespace weir::app {

// By the status that waitpid() gave: the worker was ended by a fault of its own, not by somebody.
[[nodiscard]] bool crashed(int status);

class PoisonedFlows {
 public:
  static constexpr std::size_t kMost = 64;
  // A sender repeats what is not acknowledged for about 15 minutes at most (Linux, tcp(7): tcp_retries2).
  static constexpr std::int64_t kRemembered = seconds(1200).ns;

  // `now`: any clock that does not go back, in nanoseconds.
  void add(const flow::FlowKey& key, std::int64_t now);
  [[nodiscard]] std::vector<flow::PoisonedFlow> at(std::int64_t now) const;

 private:
  struct Entry {
    flow::FlowKey key;
    std::int64_t until = 0;
  };
  std::array<Entry, kMost> entries_{};
  std::size_t count_ = 0;  // of all that were ever added
};

}  // namespace weir::app
