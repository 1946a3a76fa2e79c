// Words shared by the rules (Decision: what SecLang said of a transaction) and by the inspector
// (Verdict lives in engine/inspect, made of these and of engine/port.h's Fate).
#pragma once

#include <cstdint>
#include <string_view>

namespace weir {

// SecLang's five phases (ModSecurity reference manual, "Processing Phases").
enum class Phase : std::uint8_t {
  RequestHeaders = 1,
  RequestBody = 2,
  ResponseHeaders = 3,
  ResponseBody = 4,
  Logging = 5,
};

enum class DecisionKind : std::uint8_t {
  Continue,  // nothing disruptive matched
  Allow,     // an `allow` action ended inspection (its scope is the rule engine's matter)
  Deny,      // answer with `status`
  Drop,      // close the connection without an answer
  Redirect,  // answer with `status` (default 302) and Location: `redirect`
};

struct Decision {
  DecisionKind kind = DecisionKind::Continue;
  Phase phase = Phase::RequestHeaders;  // in which phase it was taken
  std::uint16_t status = 0;             // HTTP status for Deny and Redirect
  std::uint64_t rule_id = 0;            // the rule that took it
  std::string_view redirect;            // lives as long as the transaction

  [[nodiscard]] bool disruptive() const {
    return kind == DecisionKind::Deny || kind == DecisionKind::Drop ||
           kind == DecisionKind::Redirect;
  }
};

}  // namespace weir
