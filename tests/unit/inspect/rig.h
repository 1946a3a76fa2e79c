// Rig: a client, an inline Inspector, a server, and the wires between, which lose what a test wants lost.
// Time moves from event to event. Both ends are models of strict hosts (tests/support/tcp_peer.h).
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/tcp_peer.h"
#include "tests/unit/inspect/judge.h"

namespace weir::inspect::test {

using weir::test::Octets;
using weir::test::PeerSetup;
using weir::test::TcpPeer;

enum class Hop { ClientToWeir, WeirToServer, ServerToWeir, WeirToClient, PageToClient, ResetToServer };

// What packaging/firewall makes of Verdict::release, by direction (0: from the client).
struct Firewall {
  bool present = false;
  std::optional<SequenceRange> bytes[2];  // that pass unseen
  // Bare acknowledgements that do, but for one in `part` octets of progress and `tick` of time (0: but for none).
  std::optional<AckRange> acks[2];
  std::uint32_t part = 1U << 19U;
  Duration tick = seconds(1);
  std::uint64_t unseen_acks = 0;
  bool away[2] = {false, false};
  std::uint64_t unseen[2] = {0, 0};
  std::uint64_t seen[2] = {0, 0};

  bool lets_by(const Octets& frame, bool from_client, Timestamp now) {
    const std::size_t way = from_client ? 0 : 1;
    const std::uint8_t flags = flags_of(frame);
    const bool both = away[0] && away[1] && (flags & net::kSyn) == 0;
    const bool one = away[way] && (flags & (net::kSyn | net::kFin | net::kRst | net::kUrg)) == 0;
    const bool bare = present && !both && !one && acknowledges(frame, way, now);
    unseen_acks += bare ? 1 : 0;
    const bool by = present && (both || one || bare || within(frame, bytes[way]));
    ++(by ? unseen : seen)[way];
    return by;
  }
  static bool within(const Octets& frame, const std::optional<SequenceRange>& range) {
    const std::optional<net::TcpSegment> s = segment_of(frame);
    if (!range || !s || (s->flags & ~net::kPsh) != net::kAck || s->payload.empty()) return false;
    const std::uint32_t at = s->seq - range->first, length = static_cast<std::uint32_t>(s->payload.size());
    return at < range->end - range->first && length <= range->end - range->first - at;
  }
  bool acknowledges(const Octets& frame, std::size_t way, Timestamp now) {
    const std::optional<net::TcpSegment> s = segment_of(frame);
    if (!acks[way] || !s || (s->flags & ~0x40) != net::kAck || !s->payload.empty() || s->seq != acks[way]->seq) return false;
    const SequenceRange& range = acks[way]->acks;
    if (s->ack - range.first >= range.end - range.first) return false;
    if (part == 0) return true;
    const std::pair<std::int64_t, std::int64_t> at{(s->ack - range.first) / part, now.ns / tick.ns};
    return std::exchange(last_[way], at) == at;
  }
  // Before the packet leaves, or is dropped.
  void take(bool from_client, const Verdict& verdict) {
    if (!present) return;
    const std::size_t way = from_client ? 0 : 1;
    if (verdict.release == Release::Resume) forget();
    if (verdict.release == Release::Range) bytes[way] = verdict.bytes, acks[way] = std::nullopt;
    if (verdict.release == Release::Acks) acks[way] = verdict.acks, bytes[way] = std::nullopt;
  }
  // The packet leaves.
  void mark(const Octets& frame, bool from_client, Release what) {
    const std::size_t way = from_client ? 0 : 1;
    const bool syn = (flags_of(frame) & net::kSyn) != 0;
    if (syn) forget();
    if (syn || what == Release::Resume) {
      away[0] = away[1] = false;
    } else if (what == Release::Both) {
      away[0] = away[1] = true;
    } else if (what == Release::This) {
      away[way] = true;
    }
  }
  void forget() {
    bytes[0] = bytes[1] = std::nullopt;
    acks[0] = acks[1] = std::nullopt;
    last_[0] = last_[1] = {-1, -1};
  }
  static std::optional<net::TcpSegment> segment_of(const Octets& frame) {  // its views are of `frame`
    const Packet packet = weir::test::as_packet(frame, LinkType::Ethernet, {});
    const net::Decoded decoded = net::decode(packet, {});
    const auto* datagram = std::get_if<net::Datagram>(&decoded);
    if (datagram == nullptr) return std::nullopt;
    return net::parse_tcp(*datagram).segment;
  }
  static std::uint8_t flags_of(const Octets& frame) {
    const std::optional<net::TcpSegment> segment = segment_of(frame);
    return segment ? segment->flags : std::uint8_t{0};
  }

 private:
  std::pair<std::int64_t, std::int64_t> last_[2] = {{-1, -1}, {-1, -1}};
};

struct RigOptions {
  InspectorOptions inspector = in_line();
  PeerSetup client{.address = "192.0.2.7", .other = "198.51.100.2", .port = 40000, .other_port = 80,
                   .isn = 0xfffffc00U, .ttl = 61};
  PeerSetup server{.address = "198.51.100.2", .other = "192.0.2.7", .port = 80, .other_port = 40000,
                   .isn = 0x7ffffff0U, .ts_start = 500, .ttl = 44, .left = false};
  std::shared_ptr<const rules::RuleSet> rules = rule_set();
};

inline RigOptions over6() {
  RigOptions o;
  o.client.address = o.server.other = "2001:db8::7";
  o.client.other = o.server.address = "2001:db8:1::2";
  return o;
}

class Rig {
 public:
  explicit Rig(const RigOptions& options = {})
      : judge(options.inspector, options.rules), client(options.client), server(options.server) {}

  void open() {
    server.listen();
    client.connect(now);
    run(milliseconds(100));
  }
  // Everything that happens within `time`.
  void run(Duration time) {
    const Timestamp end = now + time;
    while (now < end) {
      const bool sent = move(client, server, true);
      const bool answered = move(server, client, false);
      now = now + (sent || answered ? milliseconds(1) : idle(end));
      inject(judge.inspector.on_time(now));
      client.on_time(now);
      server.on_time(now);
    }
  }
  // The clean server's answers, one for each request whose end it has seen.
  void serve(const std::string& response) {
    const std::string mark = "\r\n\r\n";
    for (std::size_t at = server.received.find(mark, served_); at != std::string::npos;
         at = server.received.find(mark, served_)) {
      served_ = at + mark.size();
      server.write(response);
    }
  }

  Judge judge;
  Firewall firewall;
  TcpPeer client, server;
  Timestamp now{1'700'000'000'000'000'000};
  std::function<bool(Hop)> lose;      // true: this frame is lost
  int passed_after_block = 0;         // packets let through once a drop for `rule` or a violation was told
  std::vector<std::string> injected;  // towards whom, flags
  Duration step = milliseconds(20);

 private:
  Duration idle(Timestamp end) const {
    Timestamp next = std::min(end, now + step);
    for (const TcpPeer* p : {&client, &server}) {
      if (p->deadline() && now < *p->deadline()) next = std::min(next, *p->deadline());
    }
    return next - now == Duration{0} ? milliseconds(1) : next - now;
  }
  bool lost(Hop hop) { return lose && lose(hop); }
  bool move(TcpPeer& from, TcpPeer& to, bool from_client) {
    const std::vector<Octets> frames = from.take();
    for (const Octets& frame : frames) {
      if (lost(from_client ? Hop::ClientToWeir : Hop::ServerToWeir)) continue;
      const bool blocked = !judge.recorder.drops.empty();
      const Hop hop = from_client ? Hop::WeirToServer : Hop::WeirToClient;
      if (firewall.lets_by(frame, from_client, now)) {
        if (!lost(hop)) to.on_frame(frame, now);
        continue;
      }
      Capture::Frame in{std::string(frame.begin(), frame.end()), now.ns};
      const Verdict v = judge.feed(in);
      Octets replacement(v.replacement.begin(), v.replacement.end());
      const bool forwarded = v.forwarded();
      const bool replaced = v.kind == VerdictKind::Replace;
      if (forwarded && blocked) ++passed_after_block;
      firewall.take(from_client, v);
      if (forwarded) firewall.mark(frame, from_client, v.release);
      if (forwarded && !lost(hop)) {
        to.on_frame(replaced ? replacement : frame, now);
      }
      inject(v);
    }
    return !frames.empty();
  }
  void inject(const Verdict& v) {
    for (const Injection& one : v.inject) {
      const bool to_client = one.towards == Towards::Client;
      injected.emplace_back(to_client ? "client" : "server");
      if (lost(to_client ? Hop::PageToClient : Hop::ResetToServer)) continue;
      (to_client ? client : server).on_frame(Octets(one.frame.begin(), one.frame.end()), now);
    }
  }

  std::size_t served_ = 0;
};

// Sends a request but for its last bytes, then another connection's, which takes the only place if there is but one, then
// the rest.
inline void send_around_another(Rig& rig, const std::string& request) {
  rig.client.write(request.substr(0, request.size() - 3));
  rig.run(milliseconds(50));
  Conversation other(40001, rig.now.ns);
  other.open().client(get("/other"));
  rig.judge.feed(other);
  rig.client.write(request.substr(request.size() - 3));
  rig.run(seconds(1));
}

}  // namespace weir::inspect::test
