// The inputs of a configuration, opened once by the supervisor: sockets that outlive their workers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/config/config.h"
#include "app/live/gateway_input.h"
#include "app/live/predecessor.h"
#include "capture/nfqueue.h"
#include "engine/inspect/options.h"
#include "engine/port.h"

namespace weir::app {

// One worker's part.
struct WorkerInput {
  std::string name;  // "nfqueue:0", for records (in_iface) and messages
  inspect::Stance stance = inspect::Stance::Inline;
  bool uploads = false;  // it can be told which bytes need not come (PacketPort::release_bytes)
  // In the worker. `stale`: what becomes of packets that an earlier worker left unanswered.
  std::function<Result<std::unique_ptr<PacketPort>>(Fate stale)> open;
};

class Inputs {
 public:
  // Every mistake of the environment in one error. That uploads cannot be released is none: it is said, once. `given`:
  // queues that need not be bound.
  static Result<Inputs> open(const Config& config, std::vector<GivenQueue> given = {});
  // What another `weir run` may be given.
  [[nodiscard]] const std::vector<std::unique_ptr<capture::NfqueueSocket>>& queues() const { return queues_; }
  [[nodiscard]] const std::vector<WorkerInput>& workers() const { return workers_; }
  // The supervisor's hold on the sockets: from now on they close with their workers.
  void let_go() { queues_.clear(); }
  // Null where there is no gateway load balancer. Its workers are the last ones.
  [[nodiscard]] GatewayGroup* gateway() const { return gateway_.get(); }

 private:
  std::vector<std::unique_ptr<capture::NfqueueSocket>> queues_;
  std::shared_ptr<GatewayGroup> gateway_;
  std::vector<WorkerInput> workers_;
};

// A key that nobody can guess.
[[nodiscard]] base::SipKey random_key();

}  // namespace weir::app
