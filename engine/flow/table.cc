#include "engine/flow/table.h"

namespace weir::flow {

using base::kNone;

FlowTable::FlowTable(const FlowLimits& limits, const FlowOptions& options, PageStore& pages)
    : k0_(options.table_k0),
      k1_(options.table_k1),
      flows_(limits.flows),
      half_open_(limits.half_open, limits.handshake_extras, pages),
      index_(std::size_t{limits.flows} + limits.half_open),
      wheel_(TimerOf{&flows_}, seconds(1), 1024),
      half_open_most_(limits.half_open) {}

FlowTable::Found FlowTable::find(const FlowKey& key, std::uint32_t hash) const {
  const std::uint32_t record = index_.find(hash, [&](std::uint32_t r) {
    return (r & kHalfOpenBit) != 0 ? half_open_[r & ~kHalfOpenBit].key == key : flows_[r].key == key;
  });
  if (record == kNone) return {};
  if ((record & kHalfOpenBit) != 0) return {nullptr, record & ~kHalfOpenBit};
  return {const_cast<Flow*>(&flows_[record]), kNone};
}

std::uint32_t FlowTable::add_half_open(const FlowKey& key, std::uint32_t hash, Timestamp start,
                                       bool attached) {
  const std::uint32_t index = half_open_.create(key, hash, start);
  if (index == kNone) return kNone;
  half_open_[index].attached = attached ? 1 : 0;
  if (!attached && !index_.insert(hash, index | kHalfOpenBit)) {
    half_open_.release(index);
    return kNone;
  }
  return index;
}

void FlowTable::remove_half_open(std::uint32_t index) {
  HalfOpen& h = half_open_[index];
  if (h.attached) {
    if (Flow* owner = find(h.key, h.hash).flow; owner != nullptr && owner->successor == index) {
      owner->successor = kNone;
    }
  } else {
    index_.erase(h.hash, index | kHalfOpenBit);
  }
  half_open_.release(index);
}

void FlowTable::promote_successor(Flow& flow) {
  const std::uint32_t successor = flow.successor;
  index_.replace(flow.hash, flows_.index_of(flow), successor | kHalfOpenBit);
  half_open_[successor].attached = 0;
  flow.successor = kNone;
}

Flow* FlowTable::add_flow(const FlowKey& key, std::uint32_t hash) {
  const std::uint32_t index = flows_.allocate();
  if (index == kNone) return nullptr;
  Flow& f = flows_[index];
  f.key = key;
  f.hash = hash;
  if (!index_.insert(hash, index)) {
    flows_.release(index);
    return nullptr;
  }
  List& list = lists_[static_cast<std::size_t>(LruClass::Idle)];
  f.lru_class = static_cast<std::uint8_t>(LruClass::Idle);
  f.lru_previous = list.last;
  (list.last == kNone ? list.first : flows_[list.last].lru_next) = index;
  list.last = index;
  return &f;
}

void FlowTable::remove_flow(Flow& flow) {
  drop_successor(flow);
  const std::uint32_t index = flows_.index_of(flow);
  wheel_.cancel(index);
  unlink(flow);
  index_.erase(flow.hash, index);  // no-op where a successor took its place
  flows_.release(index);
}

void FlowTable::drop_successor(Flow& flow) {
  if (flow.successor == kNone) return;
  half_open_.release(flow.successor);
  flow.successor = kNone;
}

void FlowTable::unlink(Flow& flow) {
  List& list = lists_[flow.lru_class];
  (flow.lru_previous == kNone ? list.first : flows_[flow.lru_previous].lru_next) = flow.lru_next;
  (flow.lru_next == kNone ? list.last : flows_[flow.lru_next].lru_previous) = flow.lru_previous;
  flow.lru_previous = flow.lru_next = kNone;
}

void FlowTable::touch(Flow& flow, LruClass to, Timestamp now) {
  // Age is only needed to the second, so a busy flow does not move with each segment.
  const auto cls = static_cast<std::uint8_t>(to);
  if (flow.lru_class == cls && passed_since(flow.lru_time, now) < seconds(1)) return;
  flow.lru_time = whole_milliseconds(now);
  unlink(flow);
  flow.lru_class = cls & 3U;  // one of kLruClasses
  List& list = lists_[cls];
  const std::uint32_t index = flows_.index_of(flow);
  flow.lru_previous = list.last;
  (list.last == kNone ? list.first : flows_[list.last].lru_next) = index;
  list.last = index;
}

Flow* FlowTable::oldest(LruClass in) {
  const List& list = lists_[static_cast<std::size_t>(in)];
  return list.first == kNone ? nullptr : &flows_[list.first];
}

std::uint64_t FlowTable::memory() const {
  return std::uint64_t{flows_.capacity()} * sizeof(Flow) + half_open_most_ * sizeof(HalfOpen) +
         index_.memory();
}

}  // namespace weir::flow
