// Health checks as a load balancer makes them: TCP, HTTP or HTTPS (any certificate; 200 to 399 is
// healthy), by a thread for each target.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/gwlbsim/options.h"

namespace gwlbsim {

class HealthChecks {
 public:
  explicit HealthChecks(const Settings& settings);
  HealthChecks(const HealthChecks&) = delete;
  HealthChecks& operator=(const HealthChecks&) = delete;
  ~HealthChecks();

  [[nodiscard]] bool healthy(std::size_t target) const { return states_[target]->healthy.load(); }
  [[nodiscard]] unsigned long checks(std::size_t target) const {
    return states_[target]->checks.load();
  }
  // Times that a target became unhealthy.
  [[nodiscard]] unsigned long failures(std::size_t target) const {
    return states_[target]->failures.load();
  }

 private:
  struct State {
    std::atomic<bool> healthy{true};
    std::atomic<unsigned long> checks{0};
    std::atomic<unsigned long> failures{0};
  };
  void run(std::size_t target);
  [[nodiscard]] bool check(const std::string& address) const;

  Settings settings_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<State>> states_;
  std::vector<std::thread> threads_;
};

}  // namespace gwlbsim
