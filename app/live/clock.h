// The time that `weir run` inspects by: that of day, but steady. Connections must not time out because
// somebody set the clock forward, nor live for ever because it was set back: a step is made up for
// slowly, an eighth faster or slower than real time, while an ordinary correction is followed at once.
#pragma once

#include <cstdint>

#include "engine/packet.h"

namespace weir::app {

class SteadyClock {
 public:
  // Nanoseconds: of the monotonic clock, and of the time of day. Never goes backwards.
  Timestamp at(std::int64_t monotonic, std::int64_t of_day);

 private:
  static constexpr std::int64_t kStep = 1'000'000'000;  // differences below are ordinary corrections
  static constexpr std::int64_t kSlew = 8;

  bool began_ = false;
  std::int64_t last_monotonic_ = 0;
  std::int64_t now_ = 0;
};

// By the clocks of this process.
[[nodiscard]] Timestamp time_now();

// Nanoseconds of the monotonic clock.
[[nodiscard]] std::int64_t monotonic_now();

}  // namespace weir::app
