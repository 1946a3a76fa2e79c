// A format turns events into bytes of output. One instance per worker; the lines of all workers are
// merged by app/runtime, so a line must not depend on the lines before it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/event.h"

namespace weir::app {

// Which capture an event's packet came from.
struct EventSource {
  std::string_view capture = {};  // as named on the command line; "-" is standard input; empty: a live input
  std::string_view input = {};    // with no capture: which, "nfqueue:0", "eth1"
};

class Format {
 public:
  Format() = default;
  Format(const Format&) = delete;
  Format& operator=(const Format&) = delete;
  virtual ~Format() = default;
  // Appends the event's line with its line end to `out`; nothing if this format leaves the event out.
  virtual void append(const Event& event, const EventSource& source, std::string& out) = 0;
};

// 2026-01-31T09:05:07.123456+0000: Suricata's form, always UTC.
void append_timestamp(std::string& out, Timestamp time);

std::string_view severity_name(int severity);  // "EMERGENCY" … "DEBUG"; empty outside 0 … 7
std::string_view decision_name(DecisionKind kind);
std::string_view mode_name(WafMode mode);

}  // namespace weir::app
