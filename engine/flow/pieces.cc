#include "engine/flow/pieces.h"

namespace weir::flow {

using base::kNone;

bool newer_wins(OverlapPolicy policy, std::int64_t old_from, std::int64_t old_to,
                std::int64_t new_from, std::int64_t new_to) {
  switch (policy) {
    case OverlapPolicy::First:
      return false;
    case OverlapPolicy::Last:
      return true;
    case OverlapPolicy::Linux:
      return new_from < old_from || (new_from == old_from && new_to > old_to);
    case OverlapPolicy::Bsd:
      return new_from < old_from;
    case OverlapPolicy::Windows:
      return new_from < old_from && new_to > old_to;
  }
  return false;
}

bool PieceList::room_for(std::uint32_t head, std::int64_t from, std::int64_t to) const {
  std::uint32_t need = 3;
  for (std::uint32_t i = head; i != kNone && pool_[i].from < to; i = pool_[i].next) {
    if (pool_[i].to > from) need += 2;
  }
  return pool_.capacity() - pool_.size() >= need;
}

std::uint32_t PieceList::make(std::int64_t from, std::int64_t to, std::int64_t segment_from,
                              std::int64_t segment_to, std::uint32_t next) {
  const std::uint32_t i = pool_.allocate();
  pool_[i] = {from, to, segment_from, segment_to, next};
  return i;
}

void PieceList::release_below(std::uint32_t& head, std::int64_t offset) {
  while (head != kNone && pool_[head].to <= offset) {
    const std::uint32_t done = head;
    head = pool_[done].next;
    pool_.release(done);
  }
}

void PieceList::release_all(std::uint32_t& head) {
  while (head != kNone) {
    const std::uint32_t done = head;
    head = pool_[done].next;
    pool_.release(done);
  }
}

}  // namespace weir::flow
