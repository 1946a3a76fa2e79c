// Helper: a process of its own beside the workers that answers health checks and, where the operator wants
// to fail open behind a gateway load balancer, stands in for workers that are stuck (app/gateway/stand_in.h).
// It inspects nothing; if it dies the supervisor forks another. There is one where Config::has_helper() says so.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "app/config/config.h"
#include "app/exit_code.h"
#include "app/gateway/stand_in.h"
#include "app/health/pulse.h"
#include "app/live/figures.h"
#include "app/live/gateway_input.h"

namespace weir::app {

class Helper {
 public:
  // `workers` in the order of `pulse`; those of the gateway are the last ones. All must outlive it; `gateway` may
  // be null.
  Helper(const Config& config, GatewayGroup* gateway, std::vector<const WorkerShared*> workers,
         const Pulse& pulse);

  // Until SIGTERM.
  ExitCode run();

 private:
  void sample();
  void report(const StandIn& stand_in);

  const Config& config_;
  GatewayGroup* gateway_;
  std::vector<const WorkerShared*> workers_;
  const Pulse& pulse_;
  std::vector<std::uint64_t> beats_;
  std::uint64_t told_taken_over_ = 0;
  std::uint64_t told_echoed_ = 0;
  std::uint64_t counted_echoed_ = 0;
  std::int64_t tell_at_ = 0;
};

}  // namespace weir::app
