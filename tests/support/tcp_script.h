// A tiny language for TCP conversations in tests: a Script sends segments of two ends into a Tracker and
// records what comes out. Sequence numbers are given relative to each end's initial one, so that
// seq 1 is the first byte after the SYN, whatever the real numbers (near 2^32 by default: wrapping is
// the normal case here). Beside it runs a Twin, so that every test is one of packing idle connections, too.
//
//   Script t;                             // or Script t(inline_options());
//   t.handshake();
//   t.client(1, "GET / HTTP/1.1\r\n");    // seq, payload; ACK of all that the other end sent
//   t.server_ack(17);                     // bare ACK from the server
//   EXPECT_EQ(t.to_server(), "GET / HTTP/1.1\r\n");
//   EXPECT_EQ(t.last().reason(), flow::DropReason::None);
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/flow/tracker.h"
#include "tests/support/tcp_twin.h"

namespace weir::test {

using flow::Direction;
using flow::EndCause;

// Everything a Tracker tells, as text: "open", "> bytes", "< bytes", ">gap 5 lost", ">end fin", "close".
class Recorder : public flow::StreamSink {
 public:
  std::string bytes[2];               // delivered, a gap as "[n]"
  std::vector<std::string> events;    // deliveries merged while they follow each other
  std::vector<flow::Anomaly> anomalies;
  std::uint64_t next_offset[2] = {0, 0};  // offsets must follow each other; see `broken`
  bool broken = false;
  int opened = 0;
  int closed = 0;
  std::uint64_t skip_after[2] = {UINT64_MAX, UINT64_MAX};  // answer Skip once so many bytes came
  std::optional<flow::EndCause> ended[2];

  void on_open(flow::Flow& f) override {
    ++opened;
    f.user = this;
    events.emplace_back("open");
    for (int d = 0; d < 2; ++d) next_offset[d] = 0, ended[d].reset();
  }
  flow::StreamAction on_bytes(flow::Flow& f, Direction d, const flow::StreamBytes& b) override {
    const auto i = static_cast<int>(d);
    if (b.offset != next_offset[i] || b.bytes.empty() || ended[i] || f.user != this) broken = true;
    next_offset[i] = b.offset + b.bytes.size();
    const std::string text(b.bytes.begin(), b.bytes.end());
    bytes[i] += text;
    const std::string mark = i == 0 ? "> " : "< ";
    if (!events.empty() && events.back().rfind(mark, 0) == 0) {
      events.back() += text;
    } else {
      events.push_back(mark + text);
    }
    return action(i);
  }
  flow::StreamAction on_gap(flow::Flow& f, Direction d, const flow::StreamGap& g) override {
    const auto i = static_cast<int>(d);
    if (g.offset != next_offset[i] || g.length == 0 || ended[i] || f.user != this) broken = true;
    next_offset[i] = g.offset + g.length;
    bytes[i] += "[" + std::to_string(g.length) + "]";
    static constexpr const char* kCause[] = {"lost", "truncated", "evicted", "released"};
    events.push_back(std::string(i == 0 ? ">" : "<") + "gap " + std::to_string(g.length) + " " +
                     kCause[static_cast<int>(g.cause)]);
    return action(i);
  }
  void on_end(flow::Flow& f, Direction d, EndCause c) override {
    const auto i = static_cast<int>(d);
    if (ended[i] || f.user != this) broken = true;
    ended[i] = c;
    static constexpr const char* kCause[] = {"fin",     "reset",    "timeout",
                                             "evicted", "replaced", "end-of-input"};
    events.push_back(std::string(i == 0 ? ">" : "<") + "end " + kCause[static_cast<int>(c)]);
  }
  void on_close(flow::Flow& f) override {
    if (!ended[0] || !ended[1] || f.user != this) broken = true;
    ++closed;
    f.user = nullptr;
    events.emplace_back("close");
  }
  void on_anomaly(flow::Flow&, Direction, flow::Anomaly a) override { anomalies.push_back(a); }

  [[nodiscard]] bool saw(flow::Anomaly a) const {
    for (const flow::Anomaly b : anomalies) {
      if (a == b) return true;
    }
    return false;
  }

 private:
  flow::StreamAction action(int i) const {
    return next_offset[i] >= skip_after[i] ? flow::StreamAction::Skip : flow::StreamAction::Continue;
  }
};

inline flow::FlowOptions passive_options() { return {}; }
inline flow::FlowOptions inline_options() {
  flow::FlowOptions o;
  o.mode = flow::Mode::Inline;
  o.midstream = flow::MidstreamPolicy::Reject;
  return o;
}
// Small enough that a test may have many trackers.
inline FlowLimits small_limits() {
  FlowLimits l;
  l.flows = 64;
  l.half_open = 64;
  l.handshake_extras = 8;
  l.buffered_bytes = 8 << 20;
  l.direction_bytes = 1 << 20;
  l.suspects = 256;
  l.direction_suspects = 64;
  l.pieces = 4096;
  return l;
}

// What may differ from an ordinary segment.
struct Tweak {
  std::optional<std::uint32_t> ack = std::nullopt;       // relative to the other end's initial number
  std::optional<std::uint8_t> flags = std::nullopt;
  std::optional<std::uint16_t> window = std::nullopt;
  std::optional<net::TcpOptions::Timestamps> timestamps = std::nullopt;
  std::uint16_t urgent = 0;
  std::uint32_t missing = 0;
  bool checksum_bad = false;
  bool authentication = false;
  bool malformed_options = false;
  bool fast_open = false;
  std::uint8_t ttl = 64;
  std::uint16_t came_by = 0;
  std::uint16_t leaves_by = 0;
};

class Script {
 public:
  explicit Script(const flow::FlowOptions& options = passive_options(),
                  const FlowLimits& limits = small_limits())
      : tracker_(limits, options, sink), twin_(options, limits) {
    client_.address = address(1);
    client_.port = 40000;
    server_.address = address(2);
    server_.port = 80;
  }

  static IpAddress address(std::uint32_t n) {
    const std::uint8_t b[4] = {10, static_cast<std::uint8_t>(n >> 16),
                               static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
    return IpAddress::v4(b);
  }

  // A segment from the client or the server. Time moves on by `step`.
  flow::SegmentVerdict send(bool from_client, std::uint32_t seq, std::string_view payload,
                            std::uint8_t flags, const Tweak& t = {}) {
    net::TcpSegment s;
    s.source = from_client ? client_ : server_;
    s.destination = from_client ? server_ : client_;
    s.encapsulation = encapsulation;
    s.seq = (from_client ? client_isn : server_isn) + seq;
    std::uint32_t& mine = from_client ? client_next_ : server_next_;
    const std::uint32_t theirs = from_client ? server_next_ : client_next_;
    s.flags = t.flags.value_or(flags);
    if (s.has(net::kAck)) s.ack = (from_client ? server_isn : client_isn) + t.ack.value_or(theirs);
    s.window = t.window.value_or(from_client ? client_window : server_window);
    s.urgent = t.urgent;
    s.missing = t.missing;
    s.checksum_bad = t.checksum_bad;
    s.ttl = t.ttl;
    s.came_by = t.came_by;
    s.leaves_by = t.leaves_by;
    s.options.timestamps = t.timestamps;
    s.options.authentication = t.authentication;
    s.options.malformed = t.malformed_options;
    s.options.fast_open = t.fast_open;
    if (s.has(net::kSyn)) {
      s.options.mss = 1460;
      s.options.window_scale = from_client ? client_scale : server_scale;
    }
    // What the model keeps must not be views into the packet.
    const auto* raw = reinterpret_cast<const std::uint8_t*>(payload.data());
    const std::vector<std::uint8_t> bytes(raw, raw + payload.size());
    s.payload = bytes;
    s.time = now;
    s.packet_number = ++packets_;
    last_ = tracker_.on_segment(s);
    twin_.skip_after(sink.skip_after[0], sink.skip_after[1]);
    twin_.on_segment(s);
    if (last_.fate() == Fate::Forward || !s.has(net::kSyn)) {
      std::uint32_t end = seq + static_cast<std::uint32_t>(payload.size()) + t.missing;
      if (s.has(net::kSyn) || s.has(net::kFin)) ++end;
      if (last_.fate() == Fate::Forward && static_cast<std::int32_t>(end - mine) > 0) mine = end;
    }
    now = now + step;
    return last_;
  }

  void handshake() {
    syn();
    synack();
    client_ack(1);
  }
  flow::SegmentVerdict syn(const Tweak& t = {}) { return send(true, 0, "", net::kSyn, t); }
  flow::SegmentVerdict synack(const Tweak& t = {}) {
    return send(false, 0, "", net::kSyn | net::kAck, t);
  }
  flow::SegmentVerdict client(std::uint32_t seq, std::string_view payload, const Tweak& t = {}) {
    return send(true, seq, payload, net::kAck | net::kPsh, t);
  }
  flow::SegmentVerdict server(std::uint32_t seq, std::string_view payload, const Tweak& t = {}) {
    return send(false, seq, payload, net::kAck | net::kPsh, t);
  }
  // Bare ACKs with the sender's present sequence number.
  flow::SegmentVerdict client_ack(std::uint32_t ack) {
    return send(true, client_next_, "", net::kAck, {.ack = ack});
  }
  flow::SegmentVerdict server_ack(std::uint32_t ack) {
    return send(false, server_next_, "", net::kAck, {.ack = ack});
  }
  flow::SegmentVerdict client_fin(std::uint32_t seq) {
    return send(true, seq, "", net::kFin | net::kAck);
  }
  flow::SegmentVerdict server_fin(std::uint32_t seq) {
    return send(false, seq, "", net::kFin | net::kAck);
  }
  flow::SegmentVerdict client_rst(std::uint32_t seq) { return send(true, seq, "", net::kRst); }
  flow::SegmentVerdict server_rst(std::uint32_t seq) { return send(false, seq, "", net::kRst); }

  void wait(Duration d) {
    now = now + d;
    tracker_.on_time(now);
    twin_.on_time(now);
  }
  void end() {
    tracker_.end_of_input();
    twin_.end_of_input();
  }
  // What a listener does with the flow of the latest segment: act(tracker, flow, verdict).
  template <class Act>
  void with_flow(Act&& act) {
    if (last_.flow == nullptr) return;
    act(tracker_, *last_.flow, last_);
    twin_.with_flow(act);
  }
  // A new pair of connections on the same addresses: the numbers start again.
  void restart(std::uint32_t client, std::uint32_t server) {
    client_isn = client;
    server_isn = server;
    client_next_ = server_next_ = 0;
  }
  // As if so much had been sent already (midstream).
  void positions(std::uint32_t client, std::uint32_t server) {
    client_next_ = client;
    server_next_ = server;
  }
  void client_port(std::uint16_t port) { client_.port = port; }
  void client_address(std::uint32_t n) { client_.address = address(n); }

  [[nodiscard]] const std::string& to_server() const { return sink.bytes[0]; }
  [[nodiscard]] const std::string& to_client() const { return sink.bytes[1]; }
  [[nodiscard]] const flow::SegmentVerdict& last() const { return last_; }
  [[nodiscard]] const flow::FlowCounters& counters() const { return tracker_.counters(); }
  [[nodiscard]] const flow::Tracker& tracker() const { return tracker_; }
  [[nodiscard]] const Twin& twin() const { return twin_; }

  Recorder sink;
  Timestamp now{1'700'000'000'000'000'000};
  Duration step = milliseconds(1);  // between segments
  std::uint32_t client_isn = 0xfffffff0U;
  std::uint32_t server_isn = 0xfffffffaU;
  std::uint16_t client_window = 64240;
  std::uint16_t server_window = 65160;
  std::optional<std::uint8_t> client_scale = 7;
  std::optional<std::uint8_t> server_scale = 7;
  net::Encapsulation encapsulation;

 private:
  flow::Tracker tracker_;
  Twin twin_;
  net::Endpoint client_;
  net::Endpoint server_;
  std::uint32_t client_next_ = 0;
  std::uint32_t server_next_ = 0;
  std::uint64_t packets_ = 0;
  flow::SegmentVerdict last_;
};

}  // namespace weir::test
