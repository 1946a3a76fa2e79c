// From a finished exchange to its event.
#pragma once

#include <string_view>
#include <vector>

#include "engine/event.h"
#include "engine/inspect/exchange.h"
#include "engine/inspect/options.h"

namespace weir::inspect {

// Where the exchange's connection is.
struct SessionOrigin {
  std::uint64_t flow_id = 0;
  IpAddress client, server;
  std::uint16_t client_port = 0, server_port = 0;
};

// Keeps the vectors that events point into, so that making one allocates nothing in steady state.
class RecordBuilder {
 public:
  // The event's views live until the next build(), and as long as the exchange is not started anew.
  // REQUIRES: exchange.tx is finished, if it was begun.
  const Event& build(const Exchange& exchange, const SessionOrigin& origin,
                     const InspectorOptions& options);

 private:
  void add_rules(const Exchange& exchange, WafPart& waf);

  Event event_;
  std::vector<RuleHit> rules_;
  std::vector<std::string_view> violations_;
};

}  // namespace weir::inspect
