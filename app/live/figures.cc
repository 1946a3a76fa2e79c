#include "app/live/figures.h"

#include <array>
#include <cstdint>
#include <numeric>

namespace weir::app {
namespace {

using F = const Figures&;

constexpr std::array kFigures{
    Figure{"port.packets", false, [](F f) { return f.port.packets; }},
    Figure{"port.bytes", false, [](F f) { return f.port.bytes; }},
    Figure{"port.lost", false, [](F f) { return f.port.dropped; }},
    Figure{"port.forwarded", false, [](F f) { return f.port.forwarded; }},
    Figure{"port.discarded", false, [](F f) { return f.port.discarded; }},
    Figure{"port.injected", false, [](F f) { return f.port.injected; }},
    Figure{"port.released", false, [](F f) { return f.port.released; }},
    Figure{"port.resumed", false, [](F f) { return f.port.resumed; }},
    Figure{"port.errors", false, [](F f) { return f.port.errors; }},
    Figure{"decode.not_tcp", false, [](F f) { return f.inspector.not_tcp; }},
    Figure{"decode.malformed", false, [](F f) { return f.inspector.malformed; }},
    Figure{"decode.bad_checksum", false, [](F f) { return f.inspector.bad_checksum; }},
    Figure{"decode.snapped", false, [](F f) { return f.inspector.snapped; }},
    Figure{"decode.fragments", false, [](F f) { return f.inspector.fragments; }},
    Figure{"decode.fragments_lost", false, [](F f) { return f.inspector.fragments_lost; }},
    Figure{"tcp.segments", false, [](F f) { return f.flow.segments; }},
    Figure{"tcp.refused_segments", false, [](F f) { return f.inspector.refused_segments; }},
    Figure{"tcp.retransmissions", false, [](F f) { return f.flow.retransmissions; }},
    Figure{"tcp.conflicts", false, [](F f) { return f.flow.conflicts; }},
    Figure{"tcp.gaps", false, [](F f) { return f.inspector.gaps; }},
    Figure{"tcp.gap_bytes", false, [](F f) { return f.inspector.gap_bytes; }},
    Figure{"tcp.half_open", true, [](F f) { return std::uint64_t{f.flow.half_open_now}; }},
    Figure{"tcp.half_open_evicted", false, [](F f) { return f.flow.half_open_evicted; }},
    Figure{"tcp.flows", true, [](F f) { return std::uint64_t{f.flow.flows_now}; }},
    Figure{"tcp.stalled_evicted", false, [](F f) { return f.flow.stalled_evicted; }},
    Figure{"tcp.flows_evicted", false, [](F f) { return std::accumulate(f.flow.evicted.begin(), f.flow.evicted.end(), std::uint64_t{0}); }},
    Figure{"tcp.buffered", true, [](F f) { return f.flow.buffered_now; }},
    Figure{"flow.opened", false, [](F f) { return f.inspector.flows; }},
    Figure{"flow.midstream", false, [](F f) { return f.flow.adopted; }},
    Figure{"flow.passed_midstream", false, [](F f) { return f.flow.passed_midstream; }},
    Figure{"flow.one_sided", false, [](F f) { return f.flow.one_sided; }},
    Figure{"flow.http", false, [](F f) { return f.inspector.flows_http; }},
    Figure{"flow.tls", false, [](F f) { return f.inspector.flows_tls; }},
    Figure{"flow.http2", false, [](F f) { return f.inspector.flows_http2; }},
    Figure{"flow.other", false, [](F f) { return f.inspector.flows_other; }},
    Figure{"flow.skipped", false, [](F f) { return f.inspector.flows_skipped; }},
    Figure{"flow.tunnels", false, [](F f) { return f.inspector.tunnels; }},
    Figure{"http.transactions", false, [](F f) { return f.inspector.transactions; }},
    Figure{"http.matched", false, [](F f) { return f.inspector.matched; }},
    Figure{"http.refused", false, [](F f) { return f.inspector.refused; }},
    Figure{"http.truncated", false, [](F f) { return f.inspector.truncated; }},
    Figure{"http.with_violations", false, [](F f) { return f.inspector.with_violations; }},
    Figure{"http.evicted", false, [](F f) { return f.inspector.evicted; }},
    Figure{"http.memory", true, [](F f) { return f.inspector.held; }},
    Figure{"inline.dropped", false, [](F f) { return f.inspector.dropped_packets; }},
    Figure{"inline.pages", false, [](F f) { return f.inspector.pages; }},
    Figure{"inline.pages_read", false, [](F f) { return f.inspector.pages_read; }},
    Figure{"inline.resets", false, [](F f) { return f.inspector.resets; }},
    Figure{"inline.injected", false, [](F f) { return f.inspector.injected; }},
    Figure{"inline.injection_limited", false, [](F f) { return f.inspector.injection_limited; }},
    Figure{"inline.released", false, [](F f) { return f.inspector.released; }},
    Figure{"inline.released_bytes", false, [](F f) { return f.flow.released_bytes; }},
    Figure{"inline.resumed", false, [](F f) { return f.inspector.resumed; }},
    Figure{"events.written", false, [](F f) { return f.events; }},
    Figure{"events.lost", false, [](F f) { return f.events_lost; }},
    Figure{"audit.made", false, [](F f) { return f.audit; }},
    Figure{"audit.lost", false, [](F f) { return f.audit_lost; }},
    Figure{"bypass.packets", false, [](F f) { return f.bypassed; }},
    Figure{"worker.busy_ms", false, [](F f) { return f.busy_ns / 1'000'000; }},
    Figure{"worker.alive_ms", false, [](F f) { return f.alive_ns / 1'000'000; }},
};

}  // namespace

std::span<const Figure> figure_table() { return kFigures; }

void FigureSums::add(const Figures& figures, bool alive) {
  const std::span<const Figure> table = figure_table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (alive || !table[i].gauge) sums_[i] += table[i].get(figures);
  }
  for (std::size_t cause = 0; cause < failures_.size(); ++cause) {
    for (std::size_t action = 0; action < failures_[cause].size(); ++action) {
      failures_[cause][action] += figures.inspector.failures[cause][action];
    }
  }
}

std::uint64_t FigureSums::of(std::string_view name) const {
  const std::span<const Figure> table = figure_table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].name == name) return sums_[i];
  }
  return 0;
}

}  // namespace weir::app
