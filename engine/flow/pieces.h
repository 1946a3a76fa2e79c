// PieceList: where out-of-order segments began and ended, for the overlap policies of endpoints whose
// choice depends on it (Linux, BSD, Windows). One sorted list of disjoint pieces per direction, nodes from
// one bounded pool. Used in passive mode only; First and Last need none.
#pragma once

#include <cstdint>

#include "engine/base/pool.h"
#include "engine/flow/options.h"
#include "engine/packet.h"

namespace weir::flow {

struct Piece {
  std::int64_t from = 0;  // what of the segment is still its own
  std::int64_t to = 0;
  std::int64_t segment_from = 0;  // the segment as it came
  std::int64_t segment_to = 0;
  std::uint32_t next = base::kNone;
};

// Does a new segment win over an older one where they overlap?
[[nodiscard]] bool newer_wins(OverlapPolicy policy, std::int64_t old_from, std::int64_t old_to,
                              std::int64_t new_from, std::int64_t new_to);

class PieceList {
 public:
  explicit PieceList(std::uint32_t most) : pool_(most) {}

  // Enters the segment [segment_from, segment_to), of which [from, to) is not yet delivered, and calls
  // own(a, b) for each range whose bytes are to be taken from it. false: no memory, nothing entered.
  template <class Own>
  bool merge(std::uint32_t& head, OverlapPolicy policy, std::int64_t from, std::int64_t to,
             std::int64_t segment_from, std::int64_t segment_to, Own&& own);
  // Forgets what lies below `offset`.
  void release_below(std::uint32_t& head, std::int64_t offset);
  void release_all(std::uint32_t& head);
  [[nodiscard]] std::uint32_t size() const { return pool_.size(); }

 private:
  // Two nodes may be needed for each piece met: refuse beforehand rather than half-way.
  [[nodiscard]] bool room_for(std::uint32_t head, std::int64_t from, std::int64_t to) const;
  std::uint32_t make(std::int64_t from, std::int64_t to, std::int64_t segment_from,
                     std::int64_t segment_to, std::uint32_t next);

  base::Pool<Piece> pool_;
};

template <class Own>
bool PieceList::merge(std::uint32_t& head, OverlapPolicy policy, std::int64_t from, std::int64_t to,
                      std::int64_t segment_from, std::int64_t segment_to, Own&& own) {
  if (!room_for(head, from, to)) return false;
  std::uint32_t* link = &head;
  std::int64_t at = from;  // everything of the new segment below is settled
  while (*link != base::kNone && pool_[*link].to <= from) link = &pool_[*link].next;
  while (at < to) {
    const bool over = *link != base::kNone && pool_[*link].from < to;
    const std::int64_t free_to = over ? pool_[*link].from : to;
    if (at < free_to) {
      own(at, free_to);
      *link = make(at, free_to, segment_from, segment_to, *link);
      link = &pool_[*link].next;
      at = free_to;
      continue;
    }
    Piece& old = pool_[*link];
    const std::int64_t end = old.to < to ? old.to : to;
    if (!newer_wins(policy, old.segment_from, old.segment_to, segment_from, segment_to)) {
      link = &old.next;
      at = end;
      continue;
    }
    own(at, end);
    const Piece was = old;
    if (was.from < at) {  // the old one keeps what lies before
      old.to = at;
      link = &old.next;
      *link = make(at, end, segment_from, segment_to, *link);
    } else {
      old.to = end;
      old.segment_from = segment_from;
      old.segment_to = segment_to;
    }
    link = &pool_[*link].next;
    if (end < was.to) {  // … and what lies behind
      *link = make(end, was.to, was.segment_from, was.segment_to, *link);
    }
    at = end;
  }
  return true;
}

}  // namespace weir::flow
