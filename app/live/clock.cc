#include "app/live/clock.h"

#include <algorithm>
#include <ctime>

namespace weir::app {
namespace {

std::int64_t read_clock(clockid_t which) {
  timespec t{};
  ::clock_gettime(which, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Timestamp SteadyClock::at(std::int64_t monotonic, std::int64_t of_day) {
  if (!began_) {
    began_ = true;
    now_ = of_day;
    last_monotonic_ = monotonic;
    return {now_};
  }
  const std::int64_t passed = std::max<std::int64_t>(monotonic - last_monotonic_, 0);
  last_monotonic_ = std::max(monotonic, last_monotonic_);
  const std::int64_t steady = now_ + passed;
  const std::int64_t off = of_day - steady;
  if (off > -kStep && off < kStep) {
    now_ = std::max(now_, of_day);
  } else {
    now_ = steady + (off > 0 ? passed / kSlew : -(passed / kSlew));
  }
  return {now_};
}

Timestamp time_now() {
  // One for each process: workers are processes with one thread that asks.
  static thread_local SteadyClock clock;
  return clock.at(read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_REALTIME));
}

std::int64_t monotonic_now() { return read_clock(CLOCK_MONOTONIC); }

}  // namespace weir::app
