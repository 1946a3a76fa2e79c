#include "engine/flow/suspects.h"

#include <algorithm>
#include <cstring>

namespace weir::flow {

using base::kNone;

bool SuspectList::add(std::uint32_t& head, std::int64_t offset, Bytes payload, bool fin) {
  if (payload.size() > Suspect::kBytes) return false;
  std::uint32_t* link = &head;
  for (; *link != kNone; link = &pool_[*link].next) {
    const Suspect& s = pool_[*link];
    if (s.offset == offset && s.length == payload.size() && s.fin == fin &&
        std::memcmp(s.bytes.data(), payload.data(), payload.size()) == 0) {
      return false;
    }
  }
  const std::uint32_t i = pool_.allocate();
  if (i == kNone) return false;
  Suspect& s = pool_[i];
  s.offset = offset;
  s.length = static_cast<std::uint32_t>(payload.size());
  s.fin = fin;
  std::memcpy(s.bytes.data(), payload.data(), payload.size());
  *link = i;
  return true;
}

std::uint32_t SuspectList::acknowledged(std::uint32_t head, std::int64_t next,
                                        std::int64_t acked) const {
  std::uint32_t best = kNone;
  std::int64_t lowest = 0;
  for (std::uint32_t i = head; i != kNone; i = pool_[i].next) {
    const Suspect& s = pool_[i];
    if (s.end() <= next || s.end() > acked) continue;
    const std::int64_t from = std::max(s.offset, next);
    if (best == kNone || from < lowest) {
      best = i;
      lowest = from;
    }
  }
  return best;
}

std::int64_t SuspectList::highest(std::uint32_t head, std::int64_t least) const {
  for (std::uint32_t i = head; i != kNone; i = pool_[i].next) {
    least = std::max(least, pool_[i].end() + (pool_[i].fin ? 1 : 0));
  }
  return least;
}

void SuspectList::remove(std::uint32_t& head, std::uint32_t index) {
  for (std::uint32_t* link = &head; *link != kNone; link = &pool_[*link].next) {
    if (*link == index) {
      *link = pool_[index].next;
      pool_.release(index);
      return;
    }
  }
}

std::uint16_t SuspectList::release_below(std::uint32_t& head, std::int64_t offset) {
  std::uint16_t left = 0;
  for (std::uint32_t* link = &head; *link != kNone;) {
    if (pool_[*link].end() <= offset) {
      const std::uint32_t done = *link;
      *link = pool_[done].next;
      pool_.release(done);
    } else {
      ++left;
      link = &pool_[*link].next;
    }
  }
  return left;
}

void SuspectList::release_all(std::uint32_t& head) {
  while (head != kNone) {
    const std::uint32_t done = head;
    head = pool_[done].next;
    pool_.release(done);
  }
}

}  // namespace weir::flow
