// Placing payload into the stream, delivering it in order, and what becomes of holes.
#include <algorithm>
#include <cassert>

#include "engine/flow/tracker.h"

namespace weir::flow {

using base::kNone;

Tracker::Placement Tracker::place(Flow& f, Direction d, std::int64_t offset, Bytes payload) {
  HalfStream& h = f.half(d);
  Placement placed;
  if (offset < 0) {  // before the first byte: keep-alive, or a SYN's own sequence number
    const auto before = static_cast<std::size_t>(
        std::min<std::int64_t>(-offset, static_cast<std::int64_t>(payload.size())));
    payload = payload.subspan(before);
    offset += static_cast<std::int64_t>(before);
    if (payload.empty()) return placed;
  }
  if (payload.empty()) return placed;
  const std::int64_t end = offset + static_cast<std::int64_t>(payload.size());
  if (h.skip) {
    place_skipped(f, d, offset, end);
    return placed;
  }
  // What the receiver has acknowledged it will not look at again, whatever it says now.
  const std::int64_t compare = std::max(offset, h.ack_known ? h.acked : 0);
  const bool all_new = !inline_mode() && h.behind == 0 && compare >= h.next;  // nothing is there to differ from
  if (compare < end && !all_new &&
      pages_.differs(h.pages, compare, payload.subspan(static_cast<std::size_t>(compare - offset)))) {
    ++counters_.conflicts;
    note(f, d, Anomaly::OverlapConflict);
    if (inline_mode()) {
      placed.reason = DropReason::OverlapConflict;
      return placed;
    }
  }
  if (end <= h.next) {
    placed.retransmission = true;
    return placed;
  }
  if (inline_mode()) return place_inline(f, d, offset, payload);
  const std::int64_t from = std::max(offset, h.next);
  place_passive(f, d, from, payload.subspan(static_cast<std::size_t>(from - offset)), offset);
  return placed;
}

// More than may be remembered of a direction at a time.
bool Tracker::too_far(const Flow& f, Direction d, std::int64_t from, std::int64_t end) const {
  const HalfStream& h = f.half(d);
  const std::int64_t acked = std::max<std::int64_t>(h.acked, 0);
  if (end - acked <= limits_.direction_bytes) return false;
  // What went by unseen takes no memory, and acknowledgements of it may have gone by, too.
  const std::int64_t passed = std::min(f.released(d), h.next);
  if (passed <= acked || end - passed > limits_.direction_bytes) return true;
  return h.pages.pages + pages_.missing_pages(h.pages, from, end) > limits_.direction_bytes / kPageBytes + 1;
}

// Of those of which bytes are kept the one that has had none of them acknowledged for longest is given up, if that is
// long: whoever goes on, however slowly, is not. Who stays, and for how long, so costs an attacker real progress.
bool Tracker::give_up_stalled(const Flow& but) {
  constexpr Duration kStalled = seconds(1);      // more than a segment that is lost, and comes again twice
  constexpr Duration kStalledAway = seconds(3);  // where acknowledgements go by unseen, but for one each second
  while (Flow* held = table_.longest_held()) {
    if (held->halves[0].pages.pages == 0 && held->halves[1].pages.pages == 0) {
      table_.forget_held(*held);
      continue;
    }
    if (held == &but || passed_since(held->held.time, fair_) < (held->away ? kStalledAway : kStalled)) return false;
    ++counters_.stalled_evicted;
    finish(*held, EndCause::Evicted);
    return true;
  }
  return false;
}

// Makes sure of room for [from, end).
bool Tracker::keep_room(Flow& f, HalfStream& h, std::int64_t from, std::int64_t end, bool in_order) {
  constexpr int kVictims = 8;  // each has a page at least; who needs more comes again
  constexpr std::uint32_t kLittle = 16;
  const std::uint32_t held = f.halves[0].pages.pages + f.halves[1].pages.pages;
  // What waits behind holes must leave room for what fills them: else all wait for each other, and nobody for long
  // enough to see the end of it. And who has much kept, and nothing that would be let go with this, must leave room for
  // those who have little.
  const auto must_leave = [&] { return in_order ? held > kLittle && h.behind == 0 && pages_.scarce(8) : pages_.scarce(4); };
  for (int i = 0; must_leave() || !pages_.reserve(h.pages, from, end); ++i) {
    if (i == kVictims || !give_up_stalled(f)) return false;
  }
  if (held == 0) table_.hold_anew(f, whole_milliseconds(fair_));
  return true;
}

// Everything forwarded is remembered until it is acknowledged; what cannot be is not forwarded.
Tracker::Placement Tracker::place_inline(Flow& f, Direction d, std::int64_t offset, Bytes payload) {
  HalfStream& h = f.half(d);
  Placement placed;
  const std::int64_t end = offset + static_cast<std::int64_t>(payload.size());
  const std::int64_t from = std::max(offset, h.next);
  const bool in_order = offset <= h.next;
  if (too_far(f, d, from, end) || (!in_order && h.segments_behind >= limits_.direction_segments)) {
    placed.reason = DropReason::DirectionLimit;
    return placed;
  }
  if (!keep_room(f, h, from, end, in_order)) {
    placed.reason = DropReason::MemoryLimit;
    return placed;
  }
  const Bytes fresh = payload.subspan(static_cast<std::size_t>(from - offset));
  const std::uint32_t absent = pages_.write_absent(h.pages, from, fresh);
  placed.retransmission = absent == 0 && !in_order;
  if (!in_order) {
    h.behind += absent;
    if (h.behind == absent) h.hole_since = whole_milliseconds(now_);
    if (absent != 0) ++h.segments_behind;
    return placed;
  }
  h.behind -= static_cast<std::uint32_t>(fresh.size()) - absent;  // no longer behind a hole
  deliver(f, d, fresh);
  drain(f, d);
  return placed;
}

// [from, from + fresh) is not yet delivered; the segment began at `start`.
void Tracker::place_passive(Flow& f, Direction d, std::int64_t from, Bytes fresh,
                            std::int64_t start) {
  HalfStream& h = f.half(d);
  const std::int64_t end = from + static_cast<std::int64_t>(fresh.size());
  const bool in_order = from == h.next;
  if (in_order && h.behind == 0) {
    keep_for_comparison(h, from, fresh);
    deliver(f, d, fresh);
    release_acknowledged(h);
    reach_fin(f, d);
    return;
  }
  if (!in_order && h.ack_known && h.acked >= from) {
    // All holes before it are proven: the receiver has read beyond them.
    f.lossy = true;
    place_without_memory(f, d, from, fresh, GapCause::Lost);
    return;
  }
  const std::uint32_t lacking = pages_.missing_pages(h.pages, from, end);
  const bool too_many =
      end - h.next > limits_.direction_bytes ||
      h.pages.pages + lacking > limits_.direction_bytes / kPageBytes + 1 ||
      (!in_order && h.segments_behind >= limits_.direction_segments);
  if (too_many || !pages_.reserve(h.pages, from, end)) {
    // To give up the hole would let a sender choose what is not inspected: it is the segment that is
    // left out, until the receiver's acknowledgement shows what it has read. Without a receiver in the
    // capture that never comes.
    if (in_order || one_sided(f, d)) {
      place_without_memory(f, d, from, fresh, too_many ? GapCause::Lost : GapCause::Evicted);
    } else {
      h.left_out = true;
    }
    return;
  }
  const auto part = [&](std::int64_t a, std::int64_t b) {
    return fresh.subspan(static_cast<std::size_t>(a - from), static_cast<std::size_t>(b - a));
  };
  const std::uint32_t before = h.behind;
  bool merged = false;
  switch (options_.overlap) {
    case OverlapPolicy::First:
      break;
    case OverlapPolicy::Last:
      h.behind += pages_.write_over(h.pages, from, fresh);
      merged = true;
      break;
    case OverlapPolicy::Linux:
    case OverlapPolicy::Bsd:
    case OverlapPolicy::Windows:
      merged = pieces_.merge(h.pieces, options_.overlap, from, end, start, end,
                             [&](std::int64_t a, std::int64_t b) {
                               h.behind += pages_.write_over(h.pages, a, part(a, b));
                             });
      break;
  }
  if (!merged) h.behind += pages_.write_absent(h.pages, from, fresh);
  if (in_order) {
    drain(f, d);
    return;
  }
  if (h.segments_behind == 512) note(f, d, Anomaly::ManySegments);
  if (h.segments_behind != 0xffff) ++h.segments_behind;
  if (before == 0) {
    h.hole_since = whole_milliseconds(now_);
    if (one_sided(f, d)) arm(f);
  }
}

// There is no room to wait for what is missing: what is there is delivered now, with gaps between.
void Tracker::place_without_memory(Flow& f, Direction d, std::int64_t from, Bytes fresh,
                                   GapCause cause) {
  HalfStream& h = f.half(d);
  const std::int64_t end = from + static_cast<std::int64_t>(fresh.size());
  while (!h.skip && !h.fin_reached && h.next < end) {
    const std::int64_t held = h.behind == 0 ? -1 : pages_.next_present(h.pages, h.next);
    std::int64_t stop = h.next < from ? from : end;
    if (held >= 0 && held < stop) stop = held;
    if (h.has_fin() && stop > h.fin()) stop = h.fin();
    const auto length = static_cast<std::size_t>(stop - h.next);
    if (h.next < from) {
      if (length != 0) gap(f, d, stop - h.next, cause);
    } else {
      deliver(f, d, fresh.subspan(static_cast<std::size_t>(h.next - from), length));
    }
    drain(f, d);
  }
}

// The listener does not want the bytes; only the position is followed.
void Tracker::place_skipped(Flow& f, Direction d, std::int64_t offset, std::int64_t end) {
  HalfStream& h = f.half(d);
  if (h.has_fin()) end = std::min(end, h.fin());
  if (offset <= h.next && end > h.next) {
    f.bytes[static_cast<std::size_t>(d)] += static_cast<std::uint64_t>(end - h.next);
    h.next = end;
  }
  reach_fin(f, d);
}

void Tracker::keep_for_comparison(HalfStream& h, std::int64_t from, Bytes fresh) {
  if (options_.compare_bytes < fresh.size()) return;
  // Comparing is a courtesy in a capture; out-of-order data comes first.
  if (pages_.pages_used() > pages_.pages_most() / 4 * 3) return;
  pages_.append(h.pages, from, fresh);
}

DropReason Tracker::fin_conflict(const Flow& f, Direction d, std::int64_t end, bool bare,
                                 bool fin) const {
  const HalfStream& h = f.half(d);
  if (bare && !fin) return DropReason::None;
  if (h.has_fin()) {
    if (end > h.fin()) {
      return h.fin_reached || !inline_mode() ? DropReason::AfterFin : DropReason::FinConflict;
    }
    return inline_mode() && fin && end != h.fin() ? DropReason::FinConflict : DropReason::None;
  }
  if (!inline_mode() || !fin) return DropReason::None;
  if (end < h.next) return DropReason::FinConflict;
  if (h.behind != 0 && pages_.next_present(h.pages, end) >= 0) return DropReason::FinConflict;
  return DropReason::None;
}

void Tracker::mark_fin(HalfStream& h, std::int64_t at) {
  if (h.fin_reached || at < h.next) return;
  // Of two places the first to be reached counts; the receiver drops what lies beyond.
  h.set_fin(h.has_fin() ? std::min(h.fin(), at) : at);
}

void Tracker::reach_fin(Flow& f, Direction d) {
  HalfStream& h = f.half(d);
  if (!h.has_fin() || h.fin_reached || h.next < h.fin()) return;
  h.fin_reached = true;
  // In a capture the FIN may be a decoy: it counts when the receiver has acknowledged it.
  if (inline_mode() || one_sided(f, d) || (h.ack_known && h.acked > h.fin())) {
    end_direction(f, d, EndCause::Fin);
    close_if_ended(f);
  }
}

// Hands over bytes that follow everything delivered before.
void Tracker::deliver(Flow& f, Direction d, Bytes bytes) {
  HalfStream& h = f.half(d);
  f.bytes[static_cast<std::size_t>(d)] += bytes.size();
  while (!bytes.empty() && !h.skip) {
    Bytes part = bytes;
    if (const std::int64_t urgent = h.urgent(); urgent >= h.next) {
      if (urgent == h.next) {  // read out of band, if at all
        ++h.next;
        ++h.removed;
        h.clear_urgent();
        bytes = bytes.subspan(1);
        continue;
      }
      const auto ahead = static_cast<std::size_t>(urgent - h.next);
      if (ahead < part.size()) part = part.first(ahead);
    } else {
      h.clear_urgent();  // it was in a hole
    }
    counters_.delivered_bytes += part.size();
    const StreamAction action =
        sink_.on_bytes(f, d, {static_cast<std::uint64_t>(h.next - h.removed), part});
    h.next += static_cast<std::int64_t>(part.size());
    bytes = bytes.subspan(part.size());
    if (action == StreamAction::Skip) stop_delivery(h);
  }
  h.next += static_cast<std::int64_t>(bytes.size());
}

// Delivers what has become contiguous.
void Tracker::drain(Flow& f, Direction d) {
  HalfStream& h = f.half(d);
  while (h.behind != 0 && !h.skip) {
    Bytes run = pages_.run_at(h.pages, h.next);
    if (h.has_fin()) {
      const std::int64_t room = std::max<std::int64_t>(h.fin() - h.next, 0);
      run = run.first(std::min(run.size(), static_cast<std::size_t>(room)));
    }
    if (run.empty()) break;
    h.behind -= static_cast<std::uint32_t>(run.size());
    deliver(f, d, run);
  }
  if (h.behind == 0) h.segments_behind = 0;
  release_acknowledged(h);
  reach_fin(f, d);
}

void Tracker::gap(Flow& f, Direction d, std::int64_t length, GapCause cause) {
  HalfStream& h = f.half(d);
  if (cause == GapCause::Released) {
    f.bytes[static_cast<std::size_t>(d)] += static_cast<std::uint64_t>(length);
    counters_.released_bytes += static_cast<std::uint64_t>(length);
  } else {
    ++counters_.gaps;
    counters_.gap_bytes += static_cast<std::uint64_t>(length);
  }
  if (cause == GapCause::Lost && h.left_out) cause = GapCause::Evicted;
  if (cause == GapCause::Lost && h.truncated) cause = GapCause::Truncated;
  const StreamAction action = sink_.on_gap(
      f, d,
      {static_cast<std::uint64_t>(h.next - h.removed), static_cast<std::uint64_t>(length), cause});
  h.next += length;
  if (action == StreamAction::Skip) stop_delivery(h);
}

// The hole at `next` will not be filled.
void Tracker::skip_hole(Flow& f, Direction d, GapCause cause) {
  HalfStream& h = f.half(d);
  std::int64_t stop = pages_.next_present(h.pages, h.next);
  if (h.has_fin()) stop = std::min(stop, h.fin());
  if (stop > h.next) gap(f, d, stop - h.next, cause);
  h.hole_since = whole_milliseconds(now_);
  h.segments_behind = 0;
  drain(f, d);
}

// Passive: gives up holes that are proven to be holes of the capture, or were waited for long enough.
void Tracker::settle_holes(Flow& f, Direction d) {
  HalfStream& h = f.half(d);
  if (inline_mode() || h.skip || h.ended) return;
  if (h.fin_reached && h.behind != 0 && h.acked > h.fin() + 1) {
    // The receiver went on beyond the FIN: it did not get that FIN.
    h.clear_fin();
    h.fin_reached = false;
    f.lossy = true;
    drain(f, d);
  }
  while (h.behind != 0 && !h.skip && !h.fin_reached) {
    std::int64_t first = pages_.next_present(h.pages, h.next);
    assert(first > h.next);
    if (h.has_fin()) first = std::min(first, h.fin());
    const bool proven = h.ack_known && h.acked >= first;
    const bool waited = one_sided(f, d) && (h.behind >= options_.hole_bytes ||
                                            h.segments_behind >= options_.hole_segments ||
                                            passed_since(h.hole_since, now_) >= options_.timeouts.hole);
    if (!proven && !waited) return;
    if (proven) f.lossy = true;
    skip_hole(f, d, GapCause::Lost);
  }
  if (h.has_fin() && !h.fin_reached && h.ack_known && h.acked > h.fin()) {
    f.lossy = true;
    gap(f, d, h.fin() - h.next, GapCause::Lost);
    reach_fin(f, d);
  }
}

// Passive: the receiver has acknowledged bytes of which only refused segments were seen. So it took them.
void Tracker::rescue(Flow& f, Direction d) {
  HalfStream& h = f.half(d);
  while (h.suspects != kNone && !h.skip) {
    // The number after the FIN is acknowledged with it.
    const bool only_fin = h.fin_reached && h.acked == h.fin() + 1;
    const std::uint32_t index =
        suspects_.acknowledged(h.suspects, h.next, only_fin ? h.fin() : h.acked);
    if (index == kNone) break;
    if (const std::int64_t hole = suspects_[index].offset - h.next; hole > 0) {
      // What lies before it was acknowledged too: lost, unless there is something in between.
      const std::int64_t held = h.behind == 0 ? -1 : pages_.next_present(h.pages, h.next);
      if (h.has_fin() || (held >= 0 && held < suspects_[index].offset)) break;
      gap(f, d, hole, GapCause::Lost);
      continue;
    }
    const Suspect taken = suspects_[index];
    suspects_.remove(h.suspects, index);
    if (h.has_fin() && taken.end() > h.fin()) {
      h.clear_fin();
      h.fin_reached = false;
    }
    if (f.state == FlowState::Reset) {
      f.state = FlowState::Open;
      f.last_time = now_;
    }
    f.lossy = true;
    ++counters_.rescued;
    note(f, d, Anomaly::RescuedData);
    h.sent = std::max(h.sent, taken.end() + (taken.fin ? 1 : 0));
    place(f, d, taken.offset, taken.payload());
    if (taken.fin && h.acked > taken.end()) {
      mark_fin(h, taken.end());
      reach_fin(f, d);
    }
  }
  h.suspect_count = suspects_.release_below(h.suspects, h.next);
}

// Inline, a connection adopted midstream: the receiver had data from before Weir saw the connection.
void Tracker::jump_to(Flow& f, Direction d, std::int64_t offset, GapCause cause) {
  HalfStream& h = f.half(d);
  while (h.next < offset && !h.skip && !h.fin_reached) {
    const std::int64_t held = h.behind == 0 ? -1 : pages_.next_present(h.pages, h.next);
    std::int64_t stop = held >= 0 ? std::min(held, offset) : offset;
    if (h.has_fin()) stop = std::min(stop, h.fin());
    if (stop > h.next) gap(f, d, stop - h.next, cause);
    drain(f, d);
  }
}

void Tracker::release(Flow& f, Direction d, std::uint64_t length) noexcept {
  constexpr std::uint64_t kFar = 1ULL << 61U;  // no stream gets there
  f.released_way = d;
  f.released_to = f.half(d).next + static_cast<std::int64_t>(std::min(length, kFar));
}

// Of what was released, everything below `offset` has been sent.
void Tracker::pass_released(Flow& f, Direction d, std::int64_t offset) {
  HalfStream& h = f.half(d);
  offset = std::min(offset, f.released(d));
  if (offset <= h.next) return;
  jump_to(f, d, offset, GapCause::Released);
  h.sent = std::max(h.sent, h.next);
}

// Lets go of what need not be compared with any more.
void Tracker::release_acknowledged(HalfStream& h) {
  if (h.pages.pages == 0) return;
  std::int64_t keep = h.ack_known ? std::max<std::int64_t>(h.acked, 0) : 0;
  if (!inline_mode()) keep = std::max<std::int64_t>(keep, h.next - options_.compare_bytes);
  keep = std::min(keep, h.next);
  // With nothing behind a hole the page that is partly acknowledged may go as well once all is.
  if (keep == h.next && h.behind == 0) {
    pages_.release_all(h.pages);
  } else {
    pages_.release_below(h.pages, keep);
  }
  if (h.pieces != kNone) pieces_.release_below(h.pieces, h.next);
}

void Tracker::cut(Flow& f, Direction d, std::int64_t offset) noexcept {
  HalfStream& h = f.half(d);
  h.set_cut(offset);
  if (h.next > offset) h.next = offset;
  if (h.sent > offset) h.sent = offset;
  if (h.has_fin() && h.fin() >= offset) {
    h.clear_fin();
    h.fin_reached = false;
  }
  h.behind = 0;
  h.segments_behind = 0;
}

std::size_t Tracker::copy(const Flow& f, Direction d, std::int64_t offset,
                          std::span<std::uint8_t> out) const noexcept {
  std::size_t n = 0;
  while (n < out.size() && offset >= 0) {
    const Bytes run = pages_.run_at(f.half(d).pages, offset);
    if (run.empty()) break;
    const std::size_t length = std::min(run.size(), out.size() - n);
    std::copy_n(run.begin(), length, out.begin() + static_cast<std::ptrdiff_t>(n));
    n += length;
    offset += static_cast<std::int64_t>(length);
  }
  return n;
}

void Tracker::stop_delivery(HalfStream& h) {
  h.skip = true;
  release_buffers(h);
}

void Tracker::release_buffers(HalfStream& h) {
  pages_.release_all(h.pages);
  pieces_.release_all(h.pieces);
  suspects_.release_all(h.suspects);
  h.suspect_count = 0;
  h.behind = 0;
  h.segments_behind = 0;
}

// The flow is about to end: what can still be said of this direction.
void Tracker::flush(Flow& f, Direction d) {
  HalfStream& h = f.half(d);
  if (inline_mode() || h.skip || h.fin_reached) return;
  const bool alone = one_sided(f, d);
  while (h.behind != 0 && !h.skip && !h.fin_reached) {
    const std::int64_t first = pages_.next_present(h.pages, h.next);
    if (!alone && !(h.ack_known && h.acked >= first)) break;  // the receiver never got to read it
    skip_hole(f, d, GapCause::Lost);
  }
  if (h.skip || h.fin_reached) return;
  std::int64_t end = h.ack_known ? h.acked : h.next;
  if (h.has_fin()) end = alone ? h.fin() : std::min(end, h.fin());
  if (end > h.next) gap(f, d, end - h.next, GapCause::Lost);
  reach_fin(f, d);
}

}  // namespace weir::flow
