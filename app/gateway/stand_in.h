// Fail-open inside Weir: echoes for workers that are stuck. A load balancer whose targets fail
// drops the traffic of all, so a worker that does not come round (an endless loop, a stopped
// process, one that is being started again) is stood in for: its sockets are read here, and
// everything is echoed without inspection until its loop moves again. The policy `on_failure: open`
// starts one of these, in a process of its own beside the workers; with `closed` there is none, and
// packets wait for the worker.
//
// What the stand-in echoes is not inspected; echoed() is counted, and an alarm belongs on it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "app/health/pulse.h"
#include "engine/result.h"
#include "geneve/bypass.h"

namespace weir::app {

class StandIn {
 public:
  // `ports` and `pulse` must outlive it; a port for each worker of `pulse`. A worker whose beat is
  // older than `stuck_after` is stood in for.
  static Result<std::unique_ptr<StandIn>> open(
      std::span<const std::unique_ptr<geneve::GenevePort>> ports, const Pulse& pulse,
      Duration stuck_after);

  // One round: a short sleep if nobody is stuck.
  void run_once();

  [[nodiscard]] std::uint64_t echoed() const { return echoed_; }
  // Times that a worker was found stuck.
  [[nodiscard]] std::uint64_t taken_over() const { return taken_over_; }

 private:
  StandIn(const Pulse& pulse, Duration stuck_after) : pulse_(&pulse), stuck_after_(stuck_after) {}

  const Pulse* pulse_;
  Duration stuck_after_;
  std::vector<std::unique_ptr<geneve::Bypass>> bypasses_;
  std::vector<bool> stuck_;
  std::uint64_t echoed_ = 0;
  std::uint64_t taken_over_ = 0;
};

}  // namespace weir::app
