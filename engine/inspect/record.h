// From a finished exchange to its event.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/event.h"
#include "engine/inspect/exchange.h"
#include "engine/inspect/options.h"

namespace weir::inspect {

// UNIQUE_ID of an exchange: the flow's id in hexadecimal, a dash, the number of the exchange. Same capture,
// same ids.
using IdBuffer = std::array<char, 48>;
[[nodiscard]] std::string_view unique_id(IdBuffer& buffer, std::uint64_t flow_id, http::ExchangeId id);

// Where the exchange's connection is.
struct SessionOrigin {
  std::uint64_t flow_id = 0;
  IpAddress client, server;
  std::uint16_t client_port = 0, server_port = 0;
};

// Keeps the vectors that events point into, so that making one allocates nothing in steady state. What rules
// said to hide (sanitiseArg and its like) is hidden in the event as it is in the audit log.
class RecordBuilder {
 public:
  RecordBuilder();
  ~RecordBuilder();
  RecordBuilder(const RecordBuilder&) = delete;
  RecordBuilder& operator=(const RecordBuilder&) = delete;

  // The event's views live until the next build(), and as long as the exchange is not started anew.
  // REQUIRES: exchange.tx is finished, if it was begun.
  const Event& build(Exchange& exchange, const SessionOrigin& origin,
                     const InspectorOptions& options);

 private:
  struct Hidden;
  void add_rules(const Exchange& exchange, WafPart& waf);
  void hide(Exchange& exchange);

  Event event_;
  std::unique_ptr<Hidden> hidden_;  // the copies that the event points to, if something is hidden
  std::vector<RuleHit> rules_;
  std::vector<std::string_view> violations_;
  IdBuffer id_{};
};

}  // namespace weir::inspect
