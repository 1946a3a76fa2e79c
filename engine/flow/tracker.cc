// Finding, opening, expiring and forgetting connections.
#include "engine/flow/tracker.h"

#include <algorithm>

namespace weir::flow {
namespace {

using base::kNone;

// Work per segment spent on expiring others; on_time does more.
constexpr std::size_t kBudgetPerSegment = 8;
constexpr std::size_t kBudgetPerTick = 4096;
// The same on looking whether a connection may be packed.
constexpr std::size_t kRestPerSegment = 2;
constexpr std::size_t kRestInACrowd = 1;  // at least three packets make a connection, and it takes two looks
constexpr std::size_t kRestPerTick = 16;
constexpr std::size_t kRestPerQuietTick = 256;
// More than so many of FlowLimits::flows, and whoever is idle longest need not wait.
constexpr std::uint32_t kWakefulPart = 64;
constexpr std::uint32_t kWakefulLeast = 4096;

}  // namespace

Tracker::Tracker(const FlowLimits& limits, const FlowOptions& options, StreamSink& sink)
    : options_(options),
      limits_(limits),
      sink_(sink),
      pages_(limits.buffered_bytes),
      pieces_(options.mode == Mode::Passive ? limits.pieces : 0),
      suspects_(options.mode == Mode::Passive ? limits.suspects : 0),
      table_(limits, options, pages_),
      wakeful_most_(std::max(kWakefulLeast, limits.flows / kWakefulPart)),
      server_port_(65536) {
  if (options_.rest == RestPolicy::Never) {
    rest_due_ = {std::numeric_limits<std::int64_t>::max()};
    wakeful_most_ = kNone;
  }
  for (const std::uint16_t port : options_.server_ports) server_port_[port] = true;
  if (inline_mode()) options_.overlap = OverlapPolicy::First;
}

std::uint64_t Tracker::memory_ceiling() const {
  std::uint64_t n = pages_.memory() + table_.memory() +
                    std::uint64_t{limits_.handshake_extras} * sizeof(HandshakeExtra);
  if (!inline_mode()) {
    n += std::uint64_t{limits_.pieces} * sizeof(Piece) +
         std::uint64_t{limits_.suspects} * sizeof(Suspect);
  }
  return n;
}

SegmentVerdict Tracker::on_segment(const net::TcpSegment& s) noexcept {
  if (!begun_) {
    begun_ = true;
    now_ = begin_ = s.time;
  }
  come_to(s.time);
  pass_time(kBudgetPerSegment);
  rest(kRestPerSegment, kRestInACrowd);
  ++counters_.segments;
  counters_.payload_bytes += s.payload.size();
  const std::uint64_t before = counters_.delivered_bytes;
  SegmentVerdict v = classify(s);
  v.delivered = counters_.delivered_bytes - before;
  if (v.fate() == Fate::Forward) {
    ++counters_.forwarded;
  } else {
    ++counters_.dropped[static_cast<std::size_t>(v.reason())];
  }
  counters_.flows_now = table_.flows();
  counters_.half_open_now = table_.half_open().size();
  counters_.buffered_now = std::uint64_t{pages_.pages_used()} * sizeof(Page);
  return v;
}

// What makes a segment void whatever the connection's state.
DropReason Tracker::malformed(const net::TcpSegment& s) const {
  if (s.checksum_bad) return DropReason::BadChecksum;
  if (s.options.authentication) return DropReason::Authentication;
  // Linux stops parsing at a bad length and takes the data; refusing is safe inline, not in a capture.
  if (s.options.malformed && inline_mode()) return DropReason::MalformedOptions;
  if (s.missing != 0 && inline_mode()) return DropReason::Truncated;
  if (s.has(net::kSyn) && (s.has(net::kFin) || s.has(net::kRst))) return DropReason::InvalidFlags;
  if (!s.has(net::kSyn) && !s.has(net::kRst) && !s.has(net::kAck)) return DropReason::NoAckFlag;
  return DropReason::None;
}

SegmentVerdict Tracker::classify(const net::TcpSegment& s) {
  const KeyedSegment k = make_key(s, options_.vlans_in_key);
  auto [found, hash] = table_.look_up(k.key);
  if (found.dormant != kNone) found.flow = &wake(found.dormant);
  // Whoever is overdue is gone, whether or not the wheel has come round to it.
  if (found.flow != nullptr && deadline(*found.flow) <= now_) {
    finish(*found.flow, EndCause::Timeout);
    found = table_.find(k.key, hash);
  }
  if (found.half_open != kNone &&
      table_.half_open()[found.half_open].start + options_.timeouts.half_open <= now_) {
    ++counters_.half_open_expired;
    ++endings_;
    table_.remove_half_open(found.half_open);
    found = {};
  }
  const DropReason bad = malformed(s);
  if (found.flow != nullptr) {
    Flow& f = *found.flow;
    const Direction d = k.from_low == f.client_is_low ? Direction::ToServer : Direction::ToClient;
    if (d == Direction::ToServer) {
      if (f.client_side == 0 && s.came_by != s.leaves_by) f.client_side = s.came_by;
    } else if (f.client_side != 0 && s.came_by == f.client_side) {
      return wrong_side(&f);
    }
    if (bad != DropReason::None) return refuse(f, d, s, bad);
    if (belongs_to_successor(f, d, s)) {
      const std::uint32_t successor = f.successor;
      table_.promote_successor(f);
      finish(f, EndCause::Replaced);
      return on_half_open(successor, s, k.from_low);
    }
    if (s.has(net::kSyn)) return on_syn(f, d, s);
    if (f.refused) return on_refused(f, d);
    if (f.bypassed) return accepted(f, d, s);
    if (f.half(d).is_cut()) return on_cut(f, d, s);
    return on_flow(f, d, s);
  }
  if (bad != DropReason::None) return SegmentVerdict::drop(bad);
  if (found.half_open != kNone) {
    const HalfOpen& h = table_.half_open()[found.half_open];
    const bool from_client = k.from_low == (h.client_is_low != 0);
    if (!from_client && h.client_side != 0 && s.came_by == h.client_side) return wrong_side(nullptr);
  }
  if (found.half_open != kNone) return on_half_open(found.half_open, s, k.from_low);
  return on_unknown(s, k, hash);
}

// A client that knows all numbers of its own connection can speak for the server: acknowledge what never got
// there, or agree to leave HTTP. Such a packet comes from where the client is.
SegmentVerdict Tracker::wrong_side(Flow* f) {
  SegmentVerdict v = SegmentVerdict::drop(DropReason::WrongSide);
  v.flow = f;
  v.direction = Direction::ToClient;
  return v;
}

SegmentVerdict Tracker::on_unknown(const net::TcpSegment& s, const KeyedSegment& k,
                                   std::uint32_t hash) {
  if (s.has(net::kSyn) && !s.has(net::kAck)) return begin(s, k, hash, nullptr);
  if (poisoned(k.key)) return SegmentVerdict::drop(DropReason::Poisoned);
  MidstreamPolicy policy = options_.midstream;
  if (inline_mode() && now_ - begin_ < options_.midstream_grace) policy = MidstreamPolicy::Adopt;
  SegmentVerdict v = SegmentVerdict::drop(DropReason::Midstream);
  switch (policy) {
    case MidstreamPolicy::Adopt:
      if (s.has(net::kRst)) return accepted(s);  // carries nothing that anyone would read
      if (s.has(net::kSyn)) return begin(s, k, hash, nullptr);
      // A bare ACK tells nothing that is needed; a flood of them must not fill the table.
      if (s.payload.empty() && s.missing == 0) return accepted(s);
      return adopt(s, k, hash);
    case MidstreamPolicy::Pass:
      ++counters_.passed_midstream;
      return accepted(s);
    case MidstreamPolicy::Drop:
      return v;
    case MidstreamPolicy::Reject:
      v.reject = !s.has(net::kRst);
      return v;
  }
  return v;
}

bool Tracker::poisoned(const FlowKey& key) const {
  return std::any_of(options_.poisoned.begin(), options_.poisoned.end(),
                     [&](const PoisonedFlow& p) { return p.key == key && now_ - begin_ < p.left; });
}

bool Tracker::sent_by_client(const net::TcpSegment& s) const {
  const bool to = server_port_[s.destination.port];
  const bool from = server_port_[s.source.port];
  if (to != from) return to;
  return s.destination.port <= s.source.port;
}

SegmentVerdict Tracker::adopt(const net::TcpSegment& s, const KeyedSegment& k, std::uint32_t hash) {
  const bool from_client = sent_by_client(s);
  const Direction d = from_client ? Direction::ToServer : Direction::ToClient;
  Flow* f = open_flow(k.key, hash, s.time, from_client == k.from_low);
  if (f == nullptr) return SegmentVerdict::drop(DropReason::FlowLimit);
  ++counters_.adopted;
  for (HalfStream& h : f->halves) h.scale = kUnknownScale;
  f->half(opposite(d)).origin = s.ack;  // provisional, until that end is seen
  if (from_client && s.came_by != s.leaves_by) f->client_side = s.came_by;
  sink_.on_open(*f);
  SegmentVerdict v = on_flow(*f, d, s);
  v.opened = true;
  return v;
}

Flow* Tracker::open_flow(const FlowKey& key, std::uint32_t hash, Timestamp start,
                         bool client_is_low) {
  if (table_.full() && !make_room()) return nullptr;
  Flow* f = table_.add_flow(key, hash);
  if (f == nullptr) return nullptr;
  f->id = flow_id(key, start, options_.id_k0, options_.id_k1);
  f->first_time = start;
  f->last_time = now_;
  f->lru_time = f->wake.time = whole_milliseconds(now_);
  f->client_is_low = client_is_low;
  arm(*f);
  ++counters_.opened;
  return f;
}

// Gives up the flow that is missed least. Inline, a running transaction is not sacrificed to a newcomer.
bool Tracker::make_room() {
  for (std::size_t c = 0; c < kLruClasses; ++c) {
    const auto cls = static_cast<LruClass>(c);
    if (cls == LruClass::Busy && inline_mode()) return false;
    if (const FlowTable::Aged oldest = table_.oldest(cls); !oldest.none()) {
      ++counters_.evicted[c];
      finish(awake(oldest), EndCause::Evicted);
      return true;
    }
  }
  return false;
}

// What begins at a time is due later: once all that was due has been dealt with, there is no more at that time.
void Tracker::pass_time(std::size_t budget) {
  if (now_ == passed_) return;
  const bool all = table_.advance(now_, budget, [this](FlowTable::Aged a) {
    a.flow != nullptr ? on_timer(*a.flow) : on_dormant_timer(a.dormant);
  });
  HalfOpenStore& half_open = table_.half_open();
  for (std::size_t i = 0; i < budget; ++i) {
    const std::uint32_t oldest = half_open.oldest();
    if (oldest == kNone || half_open[oldest].start + options_.timeouts.half_open > now_) {
      if (all) passed_ = now_;
      return;
    }
    ++counters_.half_open_expired;
    ++endings_;
    table_.remove_half_open(oldest);
  }
}

void Tracker::on_time(Timestamp now) noexcept {
  if (!begun_) {
    begun_ = true;
    begin_ = now;
    now_ = now;
  }
  come_to(now);
  pass_time(kBudgetPerTick);
  // If nothing came since there is time.
  const bool quiet = counters_.segments == rested_at_;
  rest(quiet ? kRestPerQuietTick : kRestPerTick, quiet ? kRestPerQuietTick : 0);
  rested_at_ = counters_.segments;
  counters_.flows_now = table_.flows();
  counters_.half_open_now = table_.half_open().size();
  counters_.buffered_now = std::uint64_t{pages_.pages_used()} * sizeof(Page);
}

Timestamp Tracker::deadline(const Flow& f) const {
  if (f.state != FlowState::Open) {
    const Timestamp entered = now_ + Duration{-passed_since(f.state_time, now_).ns};
    const bool may_go_on = f.state == FlowState::Reset && !f.closed;
    return entered + (may_go_on ? options_.timeouts.reset : options_.timeouts.closed);
  }
  return f.last_time + (f.refused ? options_.timeouts.refused : options_.timeouts.established);
}

// Asks for the flow at its deadline, or earlier while a hole of a one-sided flow is waited for.
void Tracker::arm(Flow& f) {
  Timestamp due = deadline(f);
  for (const Direction d : {Direction::ToServer, Direction::ToClient}) {
    if (f.half(d).behind != 0 && one_sided(f, d)) {
      due = std::min(due, now_ + Duration{options_.timeouts.hole.ns - passed_since(f.half(d).hole_since, now_).ns});
    }
  }
  table_.schedule(f, due);
}

void Tracker::on_timer(Flow& f) {
  if (deadline(f) > now_) {
    settle_holes(f, Direction::ToServer);
    settle_holes(f, Direction::ToClient);
    arm(f);
    return;
  }
  if (f.state == FlowState::Reset && !f.closed) {
    // Nothing has spoken against the reset: the connection is over, its record stays for a while.
    end_direction(f, Direction::ToServer, EndCause::Reset);
    end_direction(f, Direction::ToClient, EndCause::Reset);
    close(f);
    f.state_time = whole_milliseconds(now_);
    arm(f);
    return;
  }
  finish(f, EndCause::Timeout);
}

void Tracker::end_direction(Flow& f, Direction d, EndCause cause) {
  HalfStream& h = f.half(d);
  if (h.ended) return;
  h.ended = true;
  ++counters_.ended[static_cast<std::size_t>(cause)];
  ++endings_;
  sink_.on_end(f, d, cause);
}

void Tracker::close_if_ended(Flow& f) {
  if (f.closed || !f.halves[0].ended || !f.halves[1].ended) return;
  close(f);
  f.state = FlowState::Closed;
  f.state_time = whole_milliseconds(now_);
  arm(f);
}

void Tracker::close(Flow& f) {
  sink_.on_close(f);
  f.user = nullptr;
  f.busy = false;
  f.closed = true;
}

void Tracker::finish(Flow& f, EndCause cause) {
  if (!f.closed) {
    if (f.state == FlowState::Reset) cause = EndCause::Reset;
    for (const Direction d : {Direction::ToServer, Direction::ToClient}) {
      if (!f.half(d).ended) flush(f, d);
      // A FIN whose acknowledgement was not seen is still the reason of the end.
      end_direction(f, d, f.half(d).fin_reached ? EndCause::Fin : cause);
    }
    // Ending the second direction may have closed the flow.
    if (!f.closed) close(f);
  }
  if (!f.halves[0].anchored || !f.halves[1].anchored) ++counters_.one_sided;
  for (HalfStream& h : f.halves) release_buffers(h);
  table_.remove_flow(f);
}

void Tracker::end_of_input() noexcept {
  for (std::size_t c = 0; c < kLruClasses; ++c) {
    for (auto one = table_.oldest(static_cast<LruClass>(c)); !one.none(); one = table_.oldest(static_cast<LruClass>(c))) {
      finish(awake(one), EndCause::EndOfInput);
    }
  }
  HalfOpenStore& half_open = table_.half_open();
  while (half_open.oldest() != kNone) table_.remove_half_open(half_open.oldest());
  counters_.flows_now = 0;
  counters_.half_open_now = 0;
  counters_.buffered_now = std::uint64_t{pages_.pages_used()} * sizeof(Page);
}

void Tracker::begin_anew(Timestamp now) noexcept {
  end_of_input();
  begun_ = true;
  now_ = begin_ = std::max(now_, now);
}

void Tracker::refuse_flow(Flow& f, bool keep_sent) noexcept {
  f.refused = true;
  f.busy = false;
  f.last_time = now_;
  if (f.state != FlowState::Open) {
    f.state = FlowState::Open;  // remembered longer than what has closed by itself
  }
  release_buffers(f.half(Direction::ToServer));
  if (!keep_sent) release_buffers(f.half(Direction::ToClient));
  table_.touch(f, LruClass::Idle, now_);
  arm(f);
}

void Tracker::calm_flow(Flow& f) noexcept {
  f.busy = false;
  if (f.lru_class == static_cast<std::uint8_t>(LruClass::Busy)) table_.touch(f, LruClass::Idle, now_);
}

void Tracker::bypass_flow(Flow& f) noexcept {
  f.bypassed = true;
  f.last_time = now_;
  for (HalfStream& h : f.halves) stop_delivery(h);
  arm(f);
}

Tracker::Whose Tracker::find(const net::TcpSegment& s) noexcept {
  const KeyedSegment k = make_key(s, options_.vlans_in_key);
  const FlowTable::Found found = table_.look_up(k.key).found;
  Flow* f = found.dormant != kNone ? &wake(found.dormant) : found.flow;
  if (f == nullptr) return {};
  return {f, k.from_low == f->client_is_low ? Direction::ToServer : Direction::ToClient};
}

SegmentVerdict Tracker::on_refused(Flow& f, Direction d) {
  f.last_time = now_;
  table_.touch(f, LruClass::Idle, now_);
  SegmentVerdict v = SegmentVerdict::drop(DropReason::Refused);
  v.flow = &f;
  v.direction = d;
  return v;
}

void Tracker::note(Flow& f, Direction d, Anomaly a) {
  const std::uint32_t bit = 1U << static_cast<unsigned>(a);
  if ((f.anomalies & bit) != 0) return;
  f.anomalies |= bit;
  if (!f.closed) sink_.on_anomaly(f, d, a);
}

SegmentVerdict Tracker::accepted(Flow& f, Direction d, const net::TcpSegment& s) {
  ++f.packets[static_cast<std::size_t>(d)];
  if (f.state == FlowState::Open) f.last_time = now_;
  LruClass cls = f.busy ? LruClass::Busy : LruClass::Idle;
  if (f.halves[0].skip && f.halves[1].skip) cls = LruClass::Skipped;
  if (f.state != FlowState::Open) cls = LruClass::Closed;
  table_.touch(f, cls, now_);
  SegmentVerdict v = accepted(s);
  v.flow = &f;
  v.direction = d;
  return v;
}

SegmentVerdict Tracker::accepted(const net::TcpSegment& s) {
  SegmentVerdict v = SegmentVerdict::forward(Accepted{});
  if (inline_mode()) {
    v.clear_urgent = s.has(net::kUrg) || s.urgent != 0;
    v.strip_fast_open = s.options.fast_open;
  }
  return v;
}

}  // namespace weir::flow
