// The gateway load balancer's part of the inputs: one group of ports, opened by the supervisor before it
// forks, of which each worker takes its own.
#pragma once

#include <memory>
#include <vector>

#include "app/config/config.h"
#include "geneve/port.h"

namespace weir::app {

struct GatewayGroup {
  geneve::PortOptions options;
  std::vector<std::unique_ptr<geneve::GenevePort>> ports;  // a worker moves its own out of its copy
};

// REQUIRES: config.geneve.
[[nodiscard]] Result<std::shared_ptr<GatewayGroup>> open_gateway(const Config& config);

}  // namespace weir::app
