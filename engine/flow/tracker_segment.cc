// Which segments of a connection its receiver takes (RFC 9293 3.10.7.4, RFC 5961, RFC 7323), and what their
// header fields tell of the other direction.
#include <algorithm>

#include "engine/flow/tracker.h"

namespace weir::flow {
namespace {

// Beyond this a sequence number is nonsense whatever the window.
constexpr std::int64_t kFarAhead = std::int64_t{1} << 30;
// How far a window may have moved on unseen where the capture has lost segments.
constexpr std::int64_t kLossTolerance = std::int64_t{1} << 20;
constexpr std::int64_t kAsideAhead = std::int64_t{1} << 24;
constexpr std::uint32_t kPawsSeconds = 24U * 24 * 3600;  // RFC 7323 5.5
// kManyRefusals over so long, and nothing from the receiver: it is not captured any more.
constexpr std::uint32_t kRefusalSeconds = 2;

}  // namespace

// What lies beyond the cut is as if the sender had not sent it.
SegmentVerdict Tracker::on_cut(Flow& f, Direction d, const net::TcpSegment& s) {
  const HalfStream& h = f.half(d);
  const std::int64_t offset = h.offset_of(s.seq);
  const std::int64_t end = offset + static_cast<std::int64_t>(s.payload.size()) + (s.has(net::kFin) ? 1 : 0);
  if (end <= h.cut() || s.has(net::kRst)) return on_flow(f, d, s);
  net::TcpSegment kept = s;
  const std::int64_t room = std::max<std::int64_t>(h.cut() - offset, 0);
  if (offset > h.cut()) kept.seq = h.seq_of(h.cut());
  kept.payload = s.payload.first(std::min(s.payload.size(), static_cast<std::size_t>(room)));
  kept.flags = static_cast<std::uint8_t>(kept.flags & ~net::kFin);
  SegmentVerdict v = on_flow(f, d, kept);
  v.trimmed = true;
  v.seq = kept.seq;
  v.kept = static_cast<std::uint32_t>(kept.payload.size());
  return v;
}

SegmentVerdict Tracker::on_flow(Flow& f, Direction d, const net::TcpSegment& s) {
  f.half(opposite(d)).refusals = 0;
  if (is_plain(f, d, s)) return take_plain(f, d, s);
  if (s.has(net::kRst)) return on_reset(f, d, s);
  if (f.state == FlowState::Reset) return after_reset(f, d, s);
  HalfStream& h = f.half(d);
  if (!h.anchored) anchor(f, d, s);
  if (const DropReason r = unacceptable(f, d, s); r != DropReason::None) return refuse(f, d, s, r);
  const std::int64_t offset = h.offset_of(s.seq);
  const std::int64_t end = offset + static_cast<std::int64_t>(s.payload.size()) + s.missing;
  const bool fin = s.has(net::kFin);
  if (const DropReason r = fin_conflict(f, d, end, end == offset, fin); r != DropReason::None) {
    return refuse(f, d, s, r);
  }
  // In a capture the acknowledgement first: what it proves lost precedes the answer that carries it.
  if (!inline_mode()) {
    take_timestamp(f, d, s);
    take_ack(f, d, s);
    take_urgent(f, d, s, offset);
    h.sent = std::max(h.sent, end + (fin ? 1 : 0));
    if (fin) mark_fin(h, end);  // before the payload: what lies beyond is not read
  }
  // A server sends no further than its client has said: it did so where it was not seen.
  if (inline_mode() && options_.unseen && d == Direction::ToClient && h.ack_known &&
      offset > std::max({h.edge, h.acked, h.expected()})) {
    take_ack(f, d, s);  // first, that an answer does not come before its request
    jump_to(f, d, offset);
    advance_ack(f, d, offset);
  }
  // First, that an answer is over before the next request begins, and a request before its answer.
  if (f.released_to != kNever) {
    pass_released(f, f.released_way, f.released_way == d ? offset : f.half(f.released_way).offset_of(s.ack));
  }
  const std::int64_t before = h.expected();
  const bool ahead = h.sent > before;
  const Placement placed = place(f, d, offset, s.payload);
  if (placed.reason != DropReason::None) return refuse(f, d, s, placed.reason);
  if (inline_mode()) {
    h.sent = std::max(h.sent, end + (fin ? 1 : 0));
    take_timestamp(f, d, s);
    take_urgent(f, d, s, offset);
    if (take_ack(f, d, s) && h.claimed > h.expected()) jump_to(f, d, std::min(h.claimed, h.sent));
  }
  if (s.missing != 0) {
    h.truncated = true;
    // The rest of an in-order segment is known to be lost; of others it shows later.
    if (!h.skip && h.next < end && h.next == end - s.missing && h.behind == 0) {
      gap(f, d, s.missing, GapCause::Truncated);
    }
    if (h.skip) place_skipped(f, d, offset, end);
  }
  if (fin) {
    if (inline_mode()) mark_fin(h, end);
    reach_fin(f, d);
  }
  if (h.claimed > h.acked && (inline_mode() ? h.expected() : h.sent) >= h.claimed) {
    advance_ack(f, d, h.claimed);
  }
  settle_holes(f, d);
  SegmentVerdict v = accepted(f, d, s);
  h.ttl = s.ttl;
  v.before = before;
  v.ahead = ahead;
  v.retransmission = placed.retransmission;
  if (v.retransmission) ++counters_.retransmissions;
  return v;
}

// Passive: the next segment of a connection in which nothing is odd or waits for anything, as nearly all are. Neither a
// hole nor what was refused can come of it, nor is one settled by it.
bool Tracker::is_plain(const Flow& f, Direction d, const net::TcpSegment& s) const {
  const HalfStream& h = f.half(d);
  const HalfStream& o = f.half(opposite(d));
  if (inline_mode() || (s.flags & (net::kSyn | net::kRst | net::kFin | net::kUrg)) != 0 || s.missing != 0) return false;
  if (f.state != FlowState::Open || f.released_to != kNever) return false;
  const auto quiet = [](const HalfStream& x) {
    return x.anchored && !x.skip && !x.ended && !x.has_fin() && !x.fin_reached && x.behind == 0 && x.suspects == base::kNone;
  };
  if (!quiet(h) || !quiet(o) || h.claimed > h.acked || s.seq != h.seq_of(h.next)) return false;
  const std::int64_t ack = o.offset_of(s.ack);
  if (!o.ack_known || o.acked < 0 || ack < o.acked || ack > std::max(o.sent, o.next)) return false;
  if (!s.payload.empty() && h.ack_known && h.next >= std::max(h.edge, h.acked)) return false;
  return !timestamp_too_old(f, d, s);
}

// What on_flow() does, less what cannot be. REQUIRES: is_plain().
SegmentVerdict Tracker::take_plain(Flow& f, Direction d, const net::TcpSegment& s) {
  HalfStream& h = f.half(d);
  HalfStream& o = f.half(opposite(d));
  take_timestamp(f, d, s);
  h.window = h.scale == kNoScale ? s.window : std::uint32_t{s.window} << h.scale;
  h.offered = std::max(h.offered, h.window);
  const std::int64_t ack = o.offset_of(s.ack);
  o.edge = std::max(o.edge, ack + h.window);
  if (ack > o.acked) {
    o.acked = ack;
    release_acknowledged(o);
  }
  const std::int64_t before = h.next;
  h.sent = std::max(h.sent, before + static_cast<std::int64_t>(s.payload.size()));
  const bool ahead = h.sent > before;
  if (!s.payload.empty()) {
    keep_for_comparison(h, before, s.payload);
    deliver(f, d, s.payload);
    release_acknowledged(h);
  }
  SegmentVerdict v = accepted(f, d, s);
  h.ttl = s.ttl;
  v.before = before;
  v.ahead = ahead;
  return v;
}

// The first segment of an end of which no SYN was seen: its first byte is offset 0.
void Tracker::anchor(Flow& f, Direction d, const net::TcpSegment& s) {
  HalfStream& h = f.half(d);
  // Unless the other end's part of the handshake has said where this one begins.
  const std::uint32_t ahead = s.seq - h.origin;
  if (!h.origin_known || ahead > kLossTolerance) h.origin = s.seq;
  h.anchored = true;
}

DropReason Tracker::unacceptable(const Flow& f, Direction d, const net::TcpSegment& s) const {
  if (timestamp_too_old(f, d, s)) return DropReason::OldTimestamp;
  if (!window_allows(f, d, s)) return DropReason::OutOfWindow;
  if (!ack_acceptable(f, d, s)) {
    const HalfStream& o = f.half(opposite(d));
    // Both a server that acknowledges, and a client that had an answer longer than it was to be, tell of bytes that
    // never came by.
    const bool longer = o.expected() <= f.released(opposite(d));
    const bool beyond = inline_mode() && o.offset_of(s.ack) > o.expected() && (d == Direction::ToClient || longer);
    return beyond ? DropReason::Unseen : DropReason::BadAck;
  }
  return DropReason::None;
}

// PAWS (RFC 7323 5.3), with the slack of one tick that Linux allows. A segment without the option passes.
bool Tracker::timestamp_too_old(const Flow& f, Direction d, const net::TcpSegment& s) const {
  const HalfStream& h = f.half(d);
  if (!f.timestamps || !s.options.timestamps || !h.has_timestamp || h.timestamp == 0) return false;
  const auto behind = static_cast<std::int32_t>(h.timestamp - s.options.timestamps->value);
  return behind > 1 && whole_seconds(now_) - h.timestamp_at < kPawsSeconds;
}

bool Tracker::window_allows(const Flow& f, Direction d, const net::TcpSegment& s) const {
  const HalfStream& h = f.half(d);
  const std::int64_t offset = h.offset_of(s.seq);
  const std::int64_t length = static_cast<std::int64_t>(s.payload.size()) + s.missing;
  if (offset > h.next + kFarAhead) return false;
  if (offset + length <= h.next) return true;  // nothing new: the receiver acknowledges and ignores it
  if (!h.ack_known) return true;
  // It may have moved where it was not seen. What lies behind a hole is remembered, and told only when the
  // receiver says that it has what the hole stands for.
  // A receiver's latest windows were not seen if its segments were released, or its acknowledgements of those.
  if (inline_mode() && (options_.unseen || f.released_to != kNever)) return true;
  const std::int64_t edge = std::max(h.edge, h.acked);
  if (length == 0) {
    if (offset <= edge) return true;
  } else if (offset < edge) {
    return true;
  } else if (inline_mode() && length == 1 && offset == edge && offset == h.next) {
    return true;  // zero-window probe: inspected like any byte, so it may reach the receiver
  }
  if (!f.lossy || inline_mode()) return false;
  const std::int64_t slack = std::max<std::int64_t>(f.half(opposite(d)).offered, kLossTolerance);
  return offset < std::max(edge, h.next) + slack;
}

// RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
bool Tracker::ack_acceptable(const Flow& f, Direction d, const net::TcpSegment& s) const {
  const HalfStream& o = f.half(opposite(d));
  if (!o.anchored) return true;
  const std::int64_t ack = o.offset_of(s.ack);
  // Inline the receiver cannot have more than Weir let through without a hole, unless that was before.
  // (Of a direction that is skipped only the highest position is followed.)
  if (inline_mode() && ack > (o.skip ? o.sent : o.expected())) {
    if (ack <= f.released(opposite(d)) && !o.fin_reached) return true;
    return (!f.handshake_seen || options_.unseen) && !o.fin_reached;
  }
  if (ack > std::max(o.sent, o.expected())) {
    if (ack > suspects_.highest(o.suspects, o.sent) && !f.lossy) {
      // A bare one may tell of data that was not captured, see take_ack(); with data it is a decoy.
      return s.payload.empty() && !s.has(net::kFin);
    }
  }
  if (!o.ack_known) return true;
  const std::int64_t slack = f.handshake_seen
                                 ? std::min<std::int64_t>(f.half(d).offered, o.acked)
                                 : f.half(d).offered;
  return ack >= o.acked - slack;
}

void Tracker::take_timestamp(Flow& f, Direction d, const net::TcpSegment& s) {
  if (!s.options.timestamps) return;
  HalfStream& h = f.half(d);
  if (!h.has_timestamp) {
    if (f.handshake_seen) return;
    h.has_timestamp = true;
    f.timestamps = f.half(opposite(d)).has_timestamp;
    h.timestamp = s.options.timestamps->value;
    h.timestamp_at = whole_seconds(now_);
    return;
  }
  // RFC 7323 4.3: only from a segment that does not lie beyond the last acknowledgement sent.
  const std::int64_t last_ack = h.ack_known ? h.acked : h.next;
  const std::uint32_t value = s.options.timestamps->value;
  const bool stale = whole_seconds(now_) - h.timestamp_at >= kPawsSeconds;
  if (h.offset_of(s.seq) > last_ack) return;
  if (!stale && static_cast<std::int32_t>(value - h.timestamp) < 0) return;
  h.timestamp = value;
  h.timestamp_at = whole_seconds(now_);
}

void Tracker::take_urgent(Flow& f, Direction d, const net::TcpSegment& s, std::int64_t offset) {
  if (!s.has(net::kUrg)) return;
  note(f, d, Anomaly::UrgentData);
  if (inline_mode() || options_.urgent == UrgentPolicy::InStream) return;
  HalfStream& h = f.half(d);
  const std::int64_t at = offset + (s.urgent == 0 ? 0 : s.urgent - 1);
  if (at >= h.next && at > h.urgent()) h.set_urgent(at);  // the latest pointer counts
}

bool Tracker::take_ack(Flow& f, Direction d, const net::TcpSegment& s) {
  HalfStream& h = f.half(d);
  HalfStream& o = f.half(opposite(d));
  h.window = h.scale == kNoScale ? s.window : std::uint32_t{s.window} << h.scale;
  h.offered = std::max(h.offered, h.window);
  if (!o.anchored) return false;
  const std::int64_t ack = o.offset_of(s.ack);
  bool jumped = false;
  if (inline_mode()) {
    if (ack > o.expected()) {
      // A server's word is taken. A client's, for what its server may have sent elsewhere, when that much was
      // seen sent, or the server has shown in its turn that the connection went on elsewhere.
      if (d == Direction::ToServer && f.handshake_seen && ack > o.sent) {
        o.claimed = std::max(o.claimed, ack);
        return false;
      }
      jump_to(f, opposite(d), ack);
      jumped = true;
    }
  } else if (ack > std::max(o.sent, o.expected()) && ack > suspects_.highest(o.suspects, o.sent)) {
    // Data that was not captured, or a lie: believed when the other end has shown to have sent as much.
    o.claimed = std::max(o.claimed, ack);
    return false;
  }
  if (!o.ack_known) {
    o.ack_known = true;
    o.acked = std::min(ack, o.acked);
    o.edge = ack;
  }
  // The right edge never moves back (RFC 9293 3.8.6: shrinking is discouraged; data may be in flight).
  o.edge = std::max(o.edge, ack + h.window);
  advance_ack(f, opposite(d), ack);
  return jumped;
}

// The receiver of direction `data` has everything below `ack`.
void Tracker::advance_ack(Flow& f, Direction data, std::int64_t ack) {
  HalfStream& h = f.half(data);
  if (ack > h.acked) {
    h.acked = ack;
    if (h.skip && ack > h.next) place_skipped(f, data, h.next, ack);
    if (!inline_mode() && !h.ended) {
      std::int64_t before = h.next;
      do {  // each may make way for the other
        before = h.next;
        rescue(f, data);
        settle_holes(f, data);
      } while (h.next != before && !h.ended);
    }
    const std::uint32_t kept = h.pages.pages;
    release_acknowledged(h);
    const bool holds = f.halves[0].pages.pages != 0 || f.halves[1].pages.pages != 0;
    if (inline_mode() && h.pages.pages != kept && holds) table_.hold_anew(f, whole_milliseconds(fair_));
  }
  if (h.fin_reached && h.acked > h.fin()) {
    end_direction(f, data, EndCause::Fin);
    close_if_ended(f);
  }
}

SegmentVerdict Tracker::on_reset(Flow& f, Direction d, const net::TcpSegment& s) {
  if (f.state != FlowState::Open) return accepted(f, d, s);
  const HalfStream& h = f.half(d);
  const std::int64_t offset = h.offset_of(s.seq);
  bool valid = offset == h.expected();
  if (inline_mode()) {
    // The receiver may not have got all that was forwarded: then this may reset it, or it may not. The
    // connection is kept in the model, so nothing is lost either way.
    const bool unseen = offset <= f.released(d);
    if (!valid && offset >= h.acked && (offset < h.expected() || unseen)) return accepted(f, d, s);
  } else {
    if (h.ack_known && offset == h.acked) valid = true;
    if (!h.anchored) valid = true;
    if (f.lossy && offset > h.expected() && offset < h.expected() + kLossTolerance) valid = true;
  }
  if (!valid) {
    note(f, d, Anomaly::BadReset);
    return refuse(f, d, s, DropReason::BadReset);
  }
  f.state = FlowState::Reset;
  f.reset_from = d;
  f.state_time = whole_milliseconds(now_);
  if (inline_mode()) {
    end_direction(f, Direction::ToServer, EndCause::Reset);
    end_direction(f, Direction::ToClient, EndCause::Reset);
    close(f);
    for (HalfStream& half : f.halves) release_buffers(half);
  }
  arm(f);
  return accepted(f, d, s);
}

SegmentVerdict Tracker::after_reset(Flow& f, Direction d, const net::TcpSegment& s) {
  const bool bare = s.payload.empty() && !s.has(net::kFin);
  if (inline_mode()) {
    // A bare ACK makes the end that has gone repeat its reset, should it have been lost.
    if (bare && d != f.reset_from) return accepted(f, d, s);
    SegmentVerdict v = refuse(f, d, s, DropReason::AfterReset);
    v.reject = true;
    return v;
  }
  if (f.closed) return refuse(f, d, s, DropReason::AfterReset);
  SegmentVerdict v = bare ? accepted(f, d, s) : refuse(f, d, s, DropReason::AfterReset);
  // An end that acknowledges what was sent after the reset has not received the reset.
  if (d != f.reset_from && f.half(d).anchored && ack_acceptable(f, d, s)) take_ack(f, d, s);
  return v;
}

SegmentVerdict Tracker::refuse(Flow& f, Direction d, const net::TcpSegment& s, DropReason reason) {
  HalfStream& h = f.half(d);
  if (!s.payload.empty() && reason != DropReason::OverlapConflict) {
    const bool after = reason == DropReason::AfterFin || reason == DropReason::AfterReset;
    note(f, d, after ? Anomaly::DataAfterEnd : Anomaly::RefusedData);
  }
  if (!inline_mode()) {
    set_aside(f, d, s, reason);
    if (reason == DropReason::OutOfWindow || reason == DropReason::BadAck) {
      if (h.refusals == 0) h.refused_at = whole_seconds(now_);
      if (h.refusals + 1 < kManyRefusals) {
        ++h.refusals;
      } else if (whole_seconds(now_) - h.refused_at >= kRefusalSeconds) {
        h.refusals = kManyRefusals;
        f.lossy = true;
      }
    }
  }
  SegmentVerdict v = SegmentVerdict::drop(reason);
  v.flow = &f;
  v.direction = d;
  return v;
}

void Tracker::set_aside(Flow& f, Direction d, const net::TcpSegment& s, DropReason reason) {
  HalfStream& h = f.half(d);
  switch (reason) {
    case DropReason::BadChecksum:
    case DropReason::NoAckFlag:
    case DropReason::OutOfWindow:
    case DropReason::BadAck:
    case DropReason::OldTimestamp:
    case DropReason::AfterFin:
    case DropReason::AfterReset:
      break;
    default:
      return;
  }
  if (s.payload.empty() || s.missing != 0 || h.ended || h.skip || !h.anchored) return;
  const std::int64_t offset = h.offset_of(s.seq);
  const std::int64_t end = offset + static_cast<std::int64_t>(s.payload.size());
  if (end <= h.next || offset > h.next + kAsideAhead) return;
  if (h.suspect_count >= limits_.direction_suspects) return;
  if (suspects_.add(h.suspects, offset, s.payload, s.has(net::kFin))) {
    ++h.suspect_count;
    ++counters_.suspects;
  }
}

}  // namespace weir::flow
