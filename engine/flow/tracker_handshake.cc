// The three-way handshake, and SYNs that arrive on a connection that exists.
#include "engine/flow/tracker.h"

namespace weir::flow {
namespace {

using base::kNone;

// How far after the SYN the first segment of a client may lie when nothing else is known.
constexpr std::uint32_t kFirstWindow = 65536;

}  // namespace

// A SYN, or (capture begun in between) a SYN/ACK, of a connection that is not known; or, with `owner`, a
// SYN that may replace it.
SegmentVerdict Tracker::begin(const net::TcpSegment& s, const KeyedSegment& k, std::uint32_t hash,
                              Flow* owner) {
  const bool synack = s.has(net::kAck);
  if (inline_mode() && !s.payload.empty()) return SegmentVerdict::drop(DropReason::SynData);
  HalfOpenStore& half_open = table_.half_open();
  std::uint32_t index = table_.add_half_open(k.key, hash, s.time, owner != nullptr);
  if (index == kNone && half_open.oldest() != kNone) {
    ++counters_.half_open_evicted;
    table_.remove_half_open(half_open.oldest());
    index = table_.add_half_open(k.key, hash, s.time, owner != nullptr);
  }
  if (index == kNone) return SegmentVerdict::drop(DropReason::FlowLimit);
  ++counters_.half_open;
  HalfOpen& h = half_open[index];
  h.client_is_low = k.from_low != synack ? 1 : 0;
  if (owner != nullptr) owner->successor = index;
  if (synack) {
    half_open.add_synack(h, s);
    return accepted(s);
  }
  return half_open_syn(h, s, true);
}

SegmentVerdict Tracker::on_half_open(std::uint32_t index, const net::TcpSegment& s, bool from_low) {
  HalfOpen& h = table_.half_open()[index];
  if (h.packets != 0xff) ++h.packets;
  const bool from_client = from_low == (h.client_is_low != 0);
  if (s.has(net::kRst)) {
    // It ends nothing here: whether the other end believed it shows in what follows.
    const bool fits = from_client
                          ? table_.half_open().syn_with(h, s.seq - 1) != nullptr
                          : s.has(net::kAck) && table_.half_open().syn_acked_by(h, s.ack) != nullptr;
    return fits || !inline_mode() ? accepted(s) : SegmentVerdict::drop(DropReason::BadReset);
  }
  if (s.has(net::kSyn)) {
    return s.has(net::kAck) ? half_open_synack(h, s, from_client) : half_open_syn(h, s, from_client);
  }
  return half_open_segment(index, s, from_client);
}

SegmentVerdict Tracker::half_open_syn(HalfOpen& h, const net::TcpSegment& s, bool from_client) {
  // RFC 9293 3.5 figure 7; no server behind a firewall for servers does this.
  if (!from_client) return SegmentVerdict::drop(DropReason::SimultaneousOpen);
  // Without Fast Open the receiver may ignore the data or keep it; inline there must be one truth.
  if (inline_mode() && !s.payload.empty()) return SegmentVerdict::drop(DropReason::SynData);
  if (table_.half_open().add_syn(h, s) == Recorded::Full) {
    return SegmentVerdict::drop(DropReason::HandshakeLimit);
  }
  if (s.options.fast_open && !inline_mode()) table_.half_open().keep_data(h, s);
  return accepted(s);
}

SegmentVerdict Tracker::half_open_synack(HalfOpen& h, const net::TcpSegment& s, bool from_client) {
  if (from_client) return SegmentVerdict::drop(DropReason::BadSynAck);
  if (h.has_syn && table_.half_open().syn_acked_by(h, s.ack) == nullptr) {
    return SegmentVerdict::drop(DropReason::BadSynAck);
  }
  if (inline_mode() && !s.payload.empty()) return SegmentVerdict::drop(DropReason::SynData);
  if (table_.half_open().add_synack(h, s) == Recorded::Full) {
    return SegmentVerdict::drop(DropReason::HandshakeLimit);
  }
  return accepted(s);
}

// A segment without SYN: it completes the handshake if it fits.
SegmentVerdict Tracker::half_open_segment(std::uint32_t index, const net::TcpSegment& s,
                                          bool from_client) {
  HalfOpenStore& store = table_.half_open();
  HalfOpen& h = store[index];
  if (!from_client) {
    // The server speaks before the client's ACK was seen: in a capture that ACK was lost.
    if (inline_mode() && !options_.one_sided) {
      return SegmentVerdict::drop(h.has_syn ? DropReason::HandshakeIncomplete : DropReason::OneSided);
    }
    const SynRecord* syn = h.has_syn ? store.syn_acked_by(h, s.ack) : nullptr;
    if (syn == nullptr && h.has_syn) {
      // It acknowledges data already; unambiguous if there was one SYN.
      if (h.extra != kNone || s.ack - h.syn.seq > kFirstWindow) {
        return SegmentVerdict::drop(DropReason::BadAck);
      }
      syn = &h.syn;
    }
    const SynAckRecord* synack = h.has_synack ? &h.synack : nullptr;
    if (synack != nullptr && h.extra != kNone) {
      synack = store.synack_acked_by(h, s.seq);  // the next byte after the SYN/ACK
      if (synack == nullptr) synack = &h.synack;
    }
    return promote(index, syn, synack, s, Direction::ToClient);
  }
  if (!h.has_synack) {
    if (!h.has_syn) return SegmentVerdict::drop(DropReason::HandshakeIncomplete);
    if (inline_mode() && !options_.one_sided) return SegmentVerdict::drop(DropReason::OneSided);
    // Only the client's side is captured; or this is an early decoy, see on_late_synack().
    const SynRecord* syn = store.syn_with(h, s.seq - 1);
    if (syn == nullptr && h.extra == kNone && s.seq - (h.syn.seq + 1) < kFirstWindow) syn = &h.syn;
    if (syn == nullptr) return SegmentVerdict::drop(DropReason::OutOfWindow);
    return promote(index, syn, nullptr, s, Direction::ToServer);
  }
  // RFC 9293 3.10.7.4, SYN-RECEIVED: an unacceptable ACK is answered with a reset.
  const SynAckRecord* synack = store.synack_acked_by(h, s.ack);
  if (synack == nullptr) return SegmentVerdict::drop(DropReason::BadAck);
  const SynRecord* syn = h.has_syn ? store.syn_acked_by(h, synack->ack) : nullptr;
  if (s.seq - synack->ack > kFirstWindow && synack->ack - s.seq > kFirstWindow) {
    return SegmentVerdict::drop(DropReason::OutOfWindow);
  }
  return promote(index, syn, synack, s, Direction::ToServer);
}

// The record becomes a flow, opened by segment `s`; what was not seen of the handshake is null.
SegmentVerdict Tracker::promote(std::uint32_t index, const SynRecord* syn,
                                const SynAckRecord* synack, const net::TcpSegment& s, Direction d) {
  HalfOpenStore& store = table_.half_open();
  const HalfOpen h = store[index];  // the record goes before the flow comes: they share the index
  const FlowKey key = store.key(index);
  const std::optional<SynRecord> client = syn == nullptr ? std::nullopt : std::optional(*syn);
  const std::optional<SynAckRecord> server =
      synack == nullptr ? std::nullopt : std::optional(*synack);
  if (table_.full() && !make_room()) return SegmentVerdict::drop(DropReason::FlowLimit);
  std::array<std::uint8_t, HandshakeExtra::kMostData> early;
  const std::size_t early_length = server ? store.copy_data(h, server->ack, early) : 0;
  table_.remove_half_open(index);
  Flow* f = open_flow(key, table_.hash_of(key), h.start, h.client_is_low != 0);
  if (f == nullptr) return SegmentVerdict::drop(DropReason::FlowLimit);
  take_handshake(*f, client, server);
  f->client_side = h.client_side;
  if (!server) {
    HalfStream& r = f->half(Direction::ToClient);
    r.origin = d == Direction::ToServer ? s.ack : s.seq;  // what the client's first ACK says
    r.origin_known = true;
  }
  sink_.on_open(*f);
  if (h.extra != kNone) note(*f, d, Anomaly::SeveralSyns);
  if (early_length != 0) {
    note(*f, d, Anomaly::SynData);
    f->half(Direction::ToServer).sent = static_cast<std::int64_t>(early_length);
    place(*f, Direction::ToServer, 0, Bytes(early).first(early_length));
  }
  SegmentVerdict v = on_flow(*f, d, s);
  v.opened = true;
  return v;
}

// Sets up both directions from the SYN and the SYN/ACK that made the connection.
void Tracker::take_handshake(Flow& f, const std::optional<SynRecord>& client,
                             const std::optional<SynAckRecord>& server) {
  HalfStream& c = f.half(Direction::ToServer);
  HalfStream& r = f.half(Direction::ToClient);
  const auto sender = [](HalfStream& h, const SynRecord& syn) {
    h.origin = syn.seq + 1;
    h.anchored = true;
    h.mss = syn.mss;
    h.ttl = syn.ttl;
    h.window = h.offered = syn.window;
    h.timestamp = syn.timestamp;
    h.has_timestamp = syn.has_timestamp;
  };
  f.handshake_seen = client && server;
  f.timestamps = f.handshake_seen && client->has_timestamp && server->syn.has_timestamp;
  c.timestamp_at = r.timestamp_at = static_cast<std::uint32_t>(f.first_time.ns / seconds(1).ns);
  if (client) {
    sender(c, *client);
    r.edge = client->window;
  }
  if (server) {
    sender(r, server->syn);
    c.edge = server->syn.window;
    c.ack_known = true;
    r.ack_known = client.has_value();
    if (!client) {
      c.origin = server->ack;
      c.origin_known = true;
    }
  }
  // RFC 7323 2.2: scaling only if both sent the option; what was not seen is taken to be the largest.
  const bool no_scale =
      (client && client->scale == kNoScale) || (server && server->syn.scale == kNoScale);
  c.scale = no_scale ? kNoScale : client ? client->scale : kUnknownScale;
  r.scale = no_scale ? kNoScale : server ? server->syn.scale : kUnknownScale;
}

// A SYN or SYN/ACK on a connection past its handshake. It never changes that connection (RFC 5961 4).
SegmentVerdict Tracker::on_syn(Flow& f, Direction d, const net::TcpSegment& s) {
  HalfStream& h = f.half(d);
  const bool repeated = h.anchored && s.seq + 1 == h.origin && f.state == FlowState::Open;
  if (f.refused && (repeated || s.has(net::kAck))) return on_refused(f, d);
  if (s.has(net::kAck)) {
    if (repeated && (!inline_mode() || s.payload.empty())) return accepted(f, d, s);
    return on_late_synack(f, d, s);
  }
  if (inline_mode() && !s.payload.empty()) return refuse(f, d, s, DropReason::SynData);
  if (repeated) return accepted(f, d, s);
  const KeyedSegment k{f.key, (d == Direction::ToServer) == f.client_is_low};
  const bool half_seen = one_sided(f, d) || one_sided(f, opposite(d));
  if (f.state == FlowState::Reset || (f.state == FlowState::Closed && half_seen)) {
    // Nobody is left who could object.
    const std::uint32_t hash = f.hash;
    finish(f, EndCause::Replaced);
    return begin(s, k, hash, nullptr);
  }
  if (f.state == FlowState::Open) note(f, d, Anomaly::SynInEstablished);
  if (f.successor != kNone) {
    HalfOpen& next = table_.half_open()[f.successor];
    SegmentVerdict v = half_open_syn(next, s, k.from_low == (next.client_is_low != 0));
    v.flow = &f;
    v.direction = d;
    return v;
  }
  SegmentVerdict v = begin(s, k, f.hash, &f);
  v.flow = &f;
  v.direction = d;
  return v;
}

SegmentVerdict Tracker::on_late_synack(Flow& f, Direction d, const net::TcpSegment& s) {
  HalfStream& h = f.half(d);
  const HalfStream& o = f.half(opposite(d));
  if (!h.anchored && !inline_mode() && o.anchored && s.ack == o.origin) {
    // The handshake seemed one-sided. If what was taken since acknowledges this SYN/ACK it was in order,
    // only captured early; else it came before the connection existed and nobody read it.
    const bool untouched = o.next == 0 && o.behind == 0 && !o.has_fin();
    if (s.seq + 1 == h.origin || untouched) {
      h.origin = s.seq + 1;
      h.anchored = true;
      h.scale = s.options.window_scale ? *s.options.window_scale : kNoScale;
      return accepted(f, d, s);
    }
    const KeyedSegment k{f.key, (d == Direction::ToServer) == f.client_is_low};
    const std::uint32_t hash = f.hash;
    note(f, opposite(d), Anomaly::RefusedData);
    for (HalfStream& half : f.halves) release_buffers(half);
    finish(f, EndCause::Replaced);
    return begin(s, k, hash, nullptr);
  }
  return refuse(f, d, s, DropReason::BadSynAck);
}

// Has the connection that a later SYN asked for come to life? Only the server can say so, or, where its
// answer is not captured, the client by going on from that SYN after the old connection's end.
bool Tracker::belongs_to_successor(Flow& f, Direction d, const net::TcpSegment& s) {
  if (f.successor == kNone) return false;
  const HalfOpenStore& store = table_.half_open();
  HalfOpen& next = table_.half_open()[f.successor];
  const bool from_client =
      ((d == Direction::ToServer) == f.client_is_low) == (next.client_is_low != 0);
  if (s.has(net::kRst)) return false;
  if (s.has(net::kSyn)) {
    return s.has(net::kAck) && !from_client && store.syn_acked_by(next, s.ack) != nullptr;
  }
  return !inline_mode() && from_client && f.state != FlowState::Open &&
         store.syn_with(next, s.seq - 1) != nullptr;
}

}  // namespace weir::flow
