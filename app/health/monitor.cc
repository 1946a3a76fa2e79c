#include "app/health/monitor.h"

#include <algorithm>
#include <limits>

namespace weir::app {

HealthMonitor::HealthMonitor(const Pulse& pulse, std::unique_ptr<SelfTest> self_test)
    : pulse_(&pulse),
      self_test_(std::move(self_test)),
      moved_(pulse.workers()),
      moved_at_(pulse.workers()) {}

void HealthMonitor::tick(std::int64_t now_ns) {
  if (self_test_ != nullptr) self_test_->tick(now_ns);
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (std::uint32_t i = 0; i < pulse_->workers(); ++i) {
    const std::uint64_t moved = pulse_->worker(i).moved.load(std::memory_order_relaxed);
    if (moved != moved_[i]) {
      moved_[i] = moved;
      moved_at_[i] = now_ns;
    }
    const std::int64_t proof = self_test_ != nullptr
                                   ? self_test_->returned(i)
                                   : pulse_->worker(i).beat.load(std::memory_order_relaxed);
    oldest = std::min(oldest, std::max(proof, moved_at_[i]));
  }
  oldest_.store(oldest, std::memory_order_relaxed);
}

bool HealthMonitor::alive(std::int64_t now_ns) const {
  const std::int64_t oldest = oldest_.load(std::memory_order_relaxed);
  return oldest != 0 && now_ns - oldest < kStale;
}

bool HealthMonitor::ready(std::int64_t now_ns) const {
  return alive(now_ns) && pulse_->flags().ready.load() && !draining();
}

}  // namespace weir::app
