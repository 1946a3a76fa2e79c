// Twin: a second Tracker beside the one of a Script. It packs whatever is idle before each segment, the other one never
// does; both get the same segments, and whoever can tell one from the other aborts: by a verdict, by what the listener
// is told and in which order, by the counters, by any part of a flow that something may yet depend on.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/flow/tracker.h"

namespace weir::test {

// What somebody could tell of something: numbers and their names.
struct Told {
  std::vector<long long> values;
  std::vector<const char*> names;
  std::string text;
  Told() {
    values.reserve(128);
    names.reserve(128);
  }
  template <class T>
  void add(const char* name, T value) {
    names.push_back(name);
    values.push_back(static_cast<long long>(value));
  }
  bool operator==(const Told& other) const { return values == other.values && text == other.text; }
};

// What nothing depends on any more is left out.
inline void tell(const flow::Flow& f, Told& out) {
  out.add("id", f.id);
  out.add("first", f.first_time.ns);
  out.add("last", f.last_time.ns);
  out.add("lru", f.lru_time);
  out.add("class", f.lru_class);
  out.add("held", f.halves[0].pages.pages != 0 || f.halves[1].pages.pages != 0 ? f.held.time : 0);
  out.add("state", f.state);
  const bool open = f.state == flow::FlowState::Open;
  out.add("since", open ? 0 : f.state_time);
  out.add("from", f.state == flow::FlowState::Reset ? f.reset_from : flow::Direction::ToServer);
  out.add("low", f.client_is_low);
  out.add("handshake", f.handshake_seen);
  out.add("timestamps", f.timestamps);
  out.add("lossy", f.lossy);
  out.add("closed", f.closed);
  out.add("busy", f.busy);
  out.add("bypassed", f.bypassed);
  out.add("refused", f.refused);
  out.add("unwatched", f.unwatched);
  out.add("away", f.away);
  out.add("side", f.client_side);
  out.add("anomalies", f.anomalies);
  out.add("failures", f.failures);
  out.add("parked", f.parked);
  out.add("successor", f.successor != base::kNone);
  out.add("released", f.released_to);
  out.add("way", f.released_to == flow::kNever ? flow::Direction::ToServer : f.released_way);
  for (const flow::Direction d : {flow::Direction::ToServer, flow::Direction::ToClient}) {
    const flow::HalfStream& h = f.half(d);
    out.add("packets", f.packets[static_cast<std::size_t>(d)]);
    out.add("bytes", f.bytes[static_cast<std::size_t>(d)]);
    out.add("next", h.next);
    out.add("acked", h.acked);
    out.add("claimed", h.claimed > h.acked ? h.claimed : 0);
    out.add("sent", h.sent);
    out.add("edge", h.edge);
    out.add("removed", h.removed);
    out.add("pages", h.pages.pages);
    out.add("hole", h.behind != 0 ? h.hole_since : 0);
    out.add("origin", h.origin);
    out.add("behind", h.behind);
    out.add("suspects", h.suspect_count);
    out.add("timestamp", h.has_timestamp ? h.timestamp : 0);
    out.add("at", h.has_timestamp ? h.timestamp_at : 0);
    out.add("offered", h.offered);
    out.add("window", h.window);
    out.add("refusals", h.refusals);
    out.add("refused", h.refusals != 0 ? h.refused_at : 0);
    out.add("segments", h.segments_behind);
    out.add("mss", h.mss);
    out.add("scale", h.scale);
    out.add("ttl", h.ttl);
    out.add("anchored", h.anchored);
    out.add("known", h.origin_known);
    out.add("ack", h.ack_known);
    out.add("has_ts", h.has_timestamp);
    out.add("skip", h.skip);
    out.add("reached", h.fin_reached);
    out.add("ended", h.ended);
    out.add("truncated", h.truncated);
    out.add("left", h.left_out);
    out.add("acks_away", h.acks_away);
    out.add("fin", h.fin());
    out.add("urgent", h.urgent() >= h.next ? h.urgent() : flow::kNever);
    out.add("cut", h.cut());
  }
}

inline Told told(const flow::SegmentVerdict& v) {
  Told out;
  out.add("fate", v.fate());
  out.add("reason", v.reason());
  out.add("clear", v.clear_urgent);
  out.add("strip", v.strip_fast_open);
  out.add("reject", v.reject);
  out.add("again", v.retransmission);
  out.add("opened", v.opened);
  out.add("before", v.before);
  out.add("ahead", v.ahead);
  out.add("trimmed", v.trimmed);
  out.add("seq", v.seq);
  out.add("kept", v.kept);
  out.add("delivered", v.delivered);
  out.add("flow", v.flow != nullptr);
  if (v.flow == nullptr) return out;
  out.add("direction", v.direction);
  tell(*v.flow, out);
  return out;
}

inline Told told(const flow::FlowCounters& c) {
  Told out;
  for (const std::uint64_t n : {c.segments, c.payload_bytes, c.forwarded, c.opened, c.adopted, c.passed_midstream, c.half_open,
                                c.half_open_expired, c.half_open_evicted, c.delivered_bytes, c.gaps, c.gap_bytes, c.released_bytes,
                                c.retransmissions, c.conflicts, c.suspects, c.rescued, c.one_sided, c.stalled_evicted, std::uint64_t{c.flows_now},
                                std::uint64_t{c.half_open_now}, c.buffered_now}) {
    out.add("counter", n);
  }
  for (const std::uint64_t n : c.dropped) out.add("dropped", n);
  for (const std::uint64_t n : c.ended) out.add("ended", n);
  for (const std::uint64_t n : c.evicted) out.add("evicted", n);
  return out;
}

class Twin {
 public:
  Twin(const flow::FlowOptions& options, const FlowLimits& limits)
      : awake_(limits, with(options, flow::RestPolicy::Never), awake_told_),
        dormant_(limits, with(options, flow::RestPolicy::AtOnce), dormant_told_) {}

  // From so many bytes of a direction on the listener wants no more.
  void skip_after(std::uint64_t to_server, std::uint64_t to_client) {
    awake_told_.skip_after = dormant_told_.skip_after = {to_server, to_client};
  }
  void on_segment(const net::TcpSegment& s) {
    awake_verdict_ = awake_.on_segment(s);
    dormant_verdict_ = dormant_.on_segment(s);
    compare(told(awake_verdict_), told(dormant_verdict_), "verdict");
    compare();
  }
  void on_time(Timestamp now) { both([now](flow::Tracker& t) { t.on_time(now); }); }
  void end_of_input() { both([](flow::Tracker& t) { t.end_of_input(); }); }
  // What a listener does with the flow of the latest verdict: act(tracker, flow, verdict).
  template <class Act>
  void with_flow(Act&& act) {
    if (awake_verdict_.flow == nullptr) return;
    act(awake_, *awake_verdict_.flow, awake_verdict_);
    act(dormant_, *dormant_verdict_.flow, dormant_verdict_);
    compare(told(awake_verdict_), told(dormant_verdict_), "flow");
    compare();
  }
  [[nodiscard]] const flow::Tracker& dormant() const { return dormant_; }
  [[nodiscard]] std::uint64_t woken() const { return dormant_told_.woken; }

 private:
  // Tells everything of the flow with everything it is told.
  struct Listener final : flow::StreamSink {
    std::vector<Told> events;
    std::uint32_t opened = 0;
    std::uint64_t woken = 0;
    std::array<std::uint64_t, 2> skip_after{UINT64_MAX, UINT64_MAX};

    void add(const char* what, const flow::Flow& f, flow::Direction d, const std::string& more) {
      events.emplace_back();
      events.back().text = std::string(what) + (d == flow::Direction::ToServer ? " > " : " < ") + more;
      tell(f, events.back());
    }
    [[nodiscard]] flow::StreamAction action(flow::Direction d, std::uint64_t to) const {
      return to >= skip_after[static_cast<std::size_t>(d)] ? flow::StreamAction::Skip : flow::StreamAction::Continue;
    }
    void on_open(flow::Flow& f) override {
      f.parked = opened++;  // a name of it
      add("open", f, flow::Direction::ToServer, {});
    }
    flow::StreamAction on_bytes(flow::Flow& f, flow::Direction d, const flow::StreamBytes& b) override {
      add("bytes", f, d, std::to_string(b.offset) + ' ' + std::string(b.bytes.begin(), b.bytes.end()));
      return action(d, b.offset + b.bytes.size());
    }
    flow::StreamAction on_gap(flow::Flow& f, flow::Direction d, const flow::StreamGap& g) override {
      add("gap", f, d, std::to_string(g.offset) + ' ' + std::to_string(g.length) + ' ' + std::to_string(static_cast<int>(g.cause)));
      return action(d, g.offset + g.length);
    }
    void on_end(flow::Flow& f, flow::Direction d, flow::EndCause c) override { add("end", f, d, std::to_string(static_cast<int>(c))); }
    void on_close(flow::Flow& f) override { add("close", f, flow::Direction::ToServer, {}); }
    void on_anomaly(flow::Flow& f, flow::Direction d, flow::Anomaly a) override { add("anomaly", f, d, std::to_string(static_cast<int>(a))); }
    void on_wake(flow::Flow& f, std::uint64_t kept) override {
      ++woken;
      StreamSink::on_wake(f, kept);
    }
  };

  static flow::FlowOptions with(flow::FlowOptions options, flow::RestPolicy rest) {
    options.rest = rest;
    return options;
  }
  template <class Act>
  void both(Act&& act) {
    act(awake_);
    act(dormant_);
    compare();
  }
  void compare() {
    compare(told(awake_.counters()), told(dormant_.counters()), "counter");
    std::vector<Told>&a = awake_told_.events, &b = dormant_told_.events;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) compare(a[i], b[i], "event");
    if (a.size() != b.size() || awake_.endings() != dormant_.endings()) fail("number of events");
    a.clear();
    b.clear();
  }
  static void compare(const Told& awake, const Told& dormant, const char* what) {
    if (awake == dormant) return;
    for (std::size_t i = 0; i < awake.values.size() && i < dormant.values.size(); ++i) {
      if (awake.values[i] == dormant.values[i]) continue;
      std::fprintf(stderr, "%s: %lld, packed %lld\n", awake.names[i], awake.values[i], dormant.values[i]);
    }
    std::fprintf(stderr, "'%s', packed '%s'\n", awake.text.c_str(), dormant.text.c_str());
    fail(what);
  }
  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "packing has changed a %s\n", what);
    std::abort();
  }

  Listener awake_told_, dormant_told_;
  flow::Tracker awake_, dormant_;
  flow::SegmentVerdict awake_verdict_, dormant_verdict_;
};

}  // namespace weir::test
