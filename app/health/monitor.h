// Whether Weir is alive and ready, from what its data path did a moment ago; never from a flag that
// says that all is well.
//
//   alive   every worker gave back a packet within `stale`: the load balancer's, or one of the
//   self-test.
//           Without a self-test (NFQUEUE): its loop came round.
//   ready   alive, rules loaded, ports open, and not draining. This is what a load balancer should
//   ask.
//
// tick() is called by one thread; the answers may be asked by any. They become false by themselves
// when tick() is not called any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "app/health/pulse.h"
#include "app/health/self_test.h"

namespace weir::app {

class HealthMonitor {
 public:
  static constexpr std::int64_t kStale =
      1'500'000'000;  // answers are wrong for two seconds at most
  static constexpr std::int64_t kTick = 250'000'000;

  // `pulse` must outlive it; `self_test` may be null.
  HealthMonitor(const Pulse& pulse, std::unique_ptr<SelfTest> self_test);

  void tick(std::int64_t now_ns);

  [[nodiscard]] bool alive(std::int64_t now_ns) const;
  [[nodiscard]] bool ready(std::int64_t now_ns) const;
  [[nodiscard]] bool draining() const { return pulse_->flags().draining.load(); }
  void drain(bool on) const { pulse_->flags().draining.store(on); }
  // Packets pass, and nothing is inspected: the operator wants it so.
  [[nodiscard]] bool bypass() const { return pulse_->flags().bypass.load(); }

 private:
  const Pulse* pulse_;
  std::unique_ptr<SelfTest> self_test_;
  std::vector<std::uint64_t> moved_;
  std::vector<std::int64_t> moved_at_;
  std::atomic<std::int64_t> oldest_{0};  // when the worker that did least lately did something
};

}  // namespace weir::app
