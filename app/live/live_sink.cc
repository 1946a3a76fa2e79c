#include "app/live/live_sink.h"

#include <unistd.h>

namespace weir::app {

bool LiveSink::wanted(const Event& event) const {
  switch (event.type) {
    case EventType::Http: {
      if (events_.http != EventsConfig::Http::Matched) return events_.http == EventsConfig::Http::All;
      const WafPart& waf = event.waf;
      return !waf.rules.empty() || !waf.violations.empty() ||
             (waf.decision != DecisionKind::Continue && waf.decision != DecisionKind::Allow);
    }
    case EventType::Drop: return events_.drop;
    case EventType::Anomaly: return events_.anomaly;
    case EventType::Flow: return events_.flow;
    case EventType::Stats: return events_.stats;
  }
  return true;
}

void LiveSink::write(const Event& event) {
  if (!wanted(event)) return;
  line_.clear();
  EventSource source;
  source.input = input_;
  format_.append(event, source, line_);
  if (line_.empty()) return;
  ++(ring_.put(line_) ? written_ : lost_);
  pending_ = true;
}

void LiveSink::flush() {
  if (!pending_) return;
  pending_ = false;
  const std::uint64_t one = 1;
  // Full: the writer has been told often enough.
  static_cast<void>(::write(wake_, &one, sizeof one) < 0);
}

}  // namespace weir::app
