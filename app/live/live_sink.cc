#include "app/live/live_sink.h"

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
  feed_.put(line_);
}

}  // namespace weir::app
