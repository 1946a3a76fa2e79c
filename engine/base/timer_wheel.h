// TimerWheel: when to look at which record, by the time of the packets.
//
// One ring of slots of `resolution` each. Records carry their own TimerLink; the wheel stores only heads.
// A record due later than the ring is long is put into the last slot, and whoever it is reported to
// schedules it again: the owner knows the true deadline, the wheel only promises to ask in time (never
// early, at most one resolution late). So a record need not be moved each time its deadline is extended.
//
// advance() does a bounded amount of work and goes on where it stopped. Time never runs backwards here.
// Not thread-safe; one owner. Deterministic: first in, first reported within a slot.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/base/pool.h"
#include "engine/packet.h"

namespace weir::base {

inline constexpr std::uint16_t kNoSlot = 0xffff;

struct TimerLink {
  std::uint32_t previous = kNone;
  std::uint32_t next = kNone;
  std::uint16_t slot = kNoSlot;  // kNoSlot = not scheduled
};

// The same of a record that has the three apart from each other.
struct TimerLinkRef {
  std::uint32_t& previous;
  std::uint32_t& next;
  std::uint16_t& slot;
};

// LinkOf: a callable (std::uint32_t record) -> TimerLink& or TimerLinkRef.
template <class LinkOf>
class TimerWheel {
 public:
  // slots < 2^15.
  TimerWheel(LinkOf link_of, Duration resolution, std::size_t slots)
      : link_of_(link_of), resolution_(resolution.ns), slots_(std::bit_ceil(slots)) {
    assert(slots_.size() < kNoSlot);
  }

  // REQUIRES: advance() was called once, which sets where time begins.
  void schedule(std::uint32_t record, Timestamp due) {
    assert(started_);
    cancel(record);
    const std::int64_t ring = static_cast<std::int64_t>(slots_.size());
    // Rounded up: never reported before it is due.
    std::int64_t tick = floor_tick(due) + 1;
    if (tick <= current_) tick = current_ + 1;
    if (tick > current_ + ring - 1) tick = current_ + ring - 1;
    const auto slot = static_cast<std::uint16_t>(tick & (ring - 1));
    auto&& link = link_of_(record);
    Slot& list = slots_[slot];
    link.previous = list.last;
    link.next = kNone;
    link.slot = slot;
    if (list.last == kNone) {
      list.first = record;
    } else {
      link_of_(list.last).next = record;
    }
    list.last = record;
  }

  void cancel(std::uint32_t record) {
    auto&& link = link_of_(record);
    if (link.slot == kNoSlot) return;
    Slot& list = slots_[link.slot];
    (link.previous == kNone ? list.first : link_of_(link.previous).next) = link.next;
    (link.next == kNone ? list.last : link_of_(link.next).previous) = link.previous;
    link.previous = link.next = kNone;
    link.slot = kNoSlot;
  }

  // `to`, which is not scheduled, takes the place of `from`, which is not afterwards.
  void replace(std::uint32_t from, std::uint32_t to) {
    auto&& old = link_of_(from);
    if (old.slot == kNoSlot) return;
    auto&& link = link_of_(to);
    assert(link.slot == kNoSlot);
    Slot& list = slots_[old.slot];
    link.previous = old.previous;
    link.next = old.next;
    link.slot = old.slot;
    (old.previous == kNone ? list.first : link_of_(old.previous).next) = to;
    (old.next == kNone ? list.last : link_of_(old.next).previous) = to;
    old.previous = old.next = kNone;
    old.slot = kNoSlot;
  }

  // Reports records that are due at `now`, each unscheduled first; `budget` bounds slots passed plus
  // records reported. `report(record)` may schedule and cancel. Returns whether all due were reported.
  template <class Report>
  bool advance(Timestamp now, std::size_t budget, Report&& report) {
    if (now.ns >= tick_begins_ && now.ns < quiet_until_) return true;
    // Mostly the tick of the last call: to divide would be most of the work.
    if (now.ns < tick_begins_ || now.ns >= tick_ends_) {
      tick_ = floor_tick(now);
      tick_begins_ = tick_ * resolution_;
      tick_ends_ = tick_begins_ + resolution_;
    }
    quiet_until_ = kNotQuiet;
    const std::int64_t target = tick_;
    if (!started_) current_ = target;
    started_ = true;
    const std::int64_t ring = static_cast<std::int64_t>(slots_.size());
    // After a long silence once around is enough: nothing is scheduled further ahead.
    if (target - current_ > ring) current_ = target - ring;
    for (;;) {
      Slot& list = slots_[static_cast<std::size_t>(current_ & (ring - 1))];
      while (list.first != kNone) {
        if (budget == 0) return false;
        --budget;
        const std::uint32_t record = list.first;
        cancel(record);
        report(record);
      }
      if (current_ >= target) {
        // Nothing is ever scheduled for the present tick, but where there is one slot only.
        if (current_ == tick_ && ring > 1) quiet_until_ = tick_ends_;
        return true;
      }
      if (budget == 0) return false;
      --budget;
      ++current_;
    }
  }

 private:
  struct Slot {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  [[nodiscard]] std::int64_t floor_tick(Timestamp t) const {
    const std::int64_t q = t.ns / resolution_;
    return t.ns % resolution_ < 0 ? q - 1 : q;
  }

  LinkOf link_of_;
  std::int64_t resolution_;
  std::vector<Slot> slots_;
  std::int64_t current_ = 0;
  static constexpr std::int64_t kNotQuiet = std::numeric_limits<std::int64_t>::min();
  std::int64_t quiet_until_ = kNotQuiet;  // from tick_begins_ on: all that is due has been reported
  std::int64_t tick_ = 0, tick_begins_ = 0, tick_ends_ = 0;  // of the latest time; no time lies between the two at first
  bool started_ = false;
};

}  // namespace weir::base
