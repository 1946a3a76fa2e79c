#include "engine/flow/table.h"

#include <bit>
#include <cstring>

namespace weir::flow {

using base::kNone;

FlowTable::FlowTable(const FlowLimits& limits, const FlowOptions& options, PageStore& pages)
    : k0_(options.table_k0),
      k1_(options.table_k1),
      flows_(limits.flows),
      half_open_(limits.half_open, limits.handshake_extras, pages),
      index_(std::size_t{limits.flows} + limits.half_open),
      wheel_(TimerOf{&flows_}, seconds(1), 1024),
      half_open_most_(limits.half_open) {
  recent_.fill(kNone);
}

std::size_t FlowTable::place(const FlowKey& key) {
  std::array<std::uint64_t, 2> low;
  std::array<std::uint64_t, 2> high;
  std::memcpy(low.data(), key.low_address.data(), sizeof low);
  std::memcpy(high.data(), key.high_address.data(), sizeof high);
  const std::uint64_t ports = std::uint64_t{key.low_port} << 16U | key.high_port;
  const std::uint64_t mixed = low[0] ^ std::rotl(low[1], 16) ^ std::rotl(high[0], 32) ^ std::rotl(high[1], 48) ^ ports;
  return static_cast<std::size_t>(mixed * 0x9e3779b97f4a7c15ULL >> (64 - kRecentBits));
}

FlowTable::Looked FlowTable::look_up(const FlowKey& key) {
  std::uint32_t& recent = recent_[place(key)];
  if (recent != kNone && flows_[recent].key == key) return {{&flows_[recent], kNone}, flows_[recent].hash};
  const std::uint32_t hash = hash_of(key);
  const Found found = find(key, hash);
  if (found.flow != nullptr) recent = flows_.index_of(*found.flow);
  return {found, hash};
}

void FlowTable::forget_recent(const Flow& flow) {
  std::uint32_t& recent = recent_[place(flow.key)];
  if (recent == flows_.index_of(flow)) recent = kNone;
}

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
  forget_recent(flow);
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
  forget_recent(flow);
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
