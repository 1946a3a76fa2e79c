#include "engine/flow/table.h"

#include <bit>
#include <cstring>
#include <optional>

namespace weir::flow {

using base::kNone;

FlowTable::FlowTable(const FlowLimits& limits, const FlowOptions& options, PageStore& pages)
    : k0_(options.table_k0),
      k1_(options.table_k1),
      flows_(limits.flows, options.mode == Mode::Passive),  // captures are read in haste; in the wire memory counts
      dormant_(limits.flows),
      keys_(limits.flows + limits.half_open, k0_, k1_),
      half_open_(limits.half_open, limits.handshake_extras, pages, keys_),
      index_(ChainOf{&flows_, &dormant_, &half_open_}, std::size_t{limits.flows} + limits.half_open),
      wheel_(TimerOf{&flows_, &dormant_}, seconds(1), 1024),
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
  if (recent != kNone && flows_[recent].key == key) return {{&flows_[recent]}, flows_[recent].hash};
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
    if ((r & kHalfOpenBit) != 0) return keys_.same(half_open_[r & ~kHalfOpenBit].key, key);
    if ((r & kDormantBit) != 0) return keys_.same(dormant_[r & ~kDormantBit].key, key);
    return flows_[r].key == key;
  });
  if (record == kNone) return {};
  if ((record & kHalfOpenBit) != 0) return {nullptr, record & ~kHalfOpenBit};
  if ((record & kDormantBit) != 0) return {nullptr, kNone, record & ~kDormantBit};
  return {const_cast<Flow*>(&flows_[record])};
}

std::uint32_t FlowTable::add_half_open(const FlowKey& key, std::uint32_t hash, Timestamp start,
                                       bool attached) {
  const std::uint32_t index = half_open_.create(key, start);
  if (index == kNone) return kNone;
  half_open_[index].attached = attached ? 1 : 0;
  if (!attached) index_.insert(hash, index | kHalfOpenBit);
  return index;
}

void FlowTable::remove_half_open(std::uint32_t index) {
  const FlowKey key = half_open_.key(index);
  if (half_open_[index].attached) {
    if (Flow* owner = look_up(key).found.flow; owner != nullptr && owner->successor == index) {
      owner->successor = kNone;
    }
  } else {
    index_.erase(hash_of(key), index | kHalfOpenBit);
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
  if (full()) return nullptr;
  const std::uint32_t index = flows_.allocate();
  Flow& f = flows_[index];
  f.key = key;
  f.hash = hash;
  index_.insert(hash, index);
  append(f, LruClass::Idle);
  await_rest(f);
  return &f;
}

void FlowTable::remove_flow(Flow& flow) {
  drop_successor(flow);
  forget_recent(flow);
  forget_rest(flow);
  forget_held(flow);
  const std::uint32_t index = flows_.index_of(flow);
  wheel_.cancel(index);
  unlink(flow);
  index_.erase(flow.hash, index);  // no-op where a successor took its place
  flows_.release(index);
}

bool FlowTable::lay_down(Flow& flow, Dormant d) {
  const std::optional<CompactKey> key = keys_.add(flow.key);
  if (!key) return false;
  const std::uint32_t from = flows_.index_of(flow);
  const std::uint32_t index = dormant_.allocate();  // as many as there may be flows
  d.key = *key;
  dormant_[index] = d;
  forget_recent(flow);
  forget_rest(flow);
  forget_held(flow);
  take_place(flow.hash, from, index | kDormantBit, flow.lru_class);
  flows_.release(from);
  return true;
}

Flow& FlowTable::take_up(std::uint32_t dormant) {
  const std::uint32_t index = flows_.allocate();  // both together are no more than there may be flows
  Dormant& d = dormant_[dormant];
  Flow& f = flows_[index];
  unpack(d, f);
  f.key = keys_.expand(d.key);
  f.hash = hash_of(f.key);
  take_place(f.hash, dormant | kDormantBit, index, f.lru_class);
  await_rest(f);
  keys_.remove(d.key);
  dormant_.release(dormant);
  return f;
}

void FlowTable::take_place(std::uint32_t hash, std::uint32_t from, std::uint32_t to, std::uint8_t lru_class) {
  index_.replace(hash, from, to);
  wheel_.replace(from, to);
  List& list = lists_[lru_class];
  const std::uint32_t previous = lru_previous(from), next = lru_next(from);
  lru_previous(to) = previous;
  lru_next(to) = next;
  (previous == kNone ? list.first : lru_next(previous)) = to;
  (next == kNone ? list.last : lru_previous(next)) = to;
}

void FlowTable::enter(Flow& flow, Row Flow::*row, List& list) {
  const std::uint32_t index = flows_.index_of(flow);
  (flow.*row).previous = list.last;
  (flow.*row).next = kNone;
  (list.last == kNone ? list.first : (flows_[list.last].*row).next) = index;
  list.last = index;
}

bool FlowTable::leave(Flow& flow, Row Flow::*row, List& list) {
  Row& r = flow.*row;
  if (r.previous == kNotInRow) return false;
  (r.previous == kNone ? list.first : (flows_[r.previous].*row).next) = r.next;
  (r.next == kNone ? list.last : (flows_[r.next].*row).previous) = r.previous;
  r.previous = kNotInRow;
  return true;
}

void FlowTable::await_rest(Flow& flow) {
  enter(flow, &Flow::wake, wakeful_);
  ++wakeful_now_;
}

void FlowTable::forget_rest(Flow& flow) {
  if (leave(flow, &Flow::wake, wakeful_)) --wakeful_now_;
}

void FlowTable::hold_anew(Flow& flow, std::uint32_t now) {
  flow.held.time = now;
  if (holders_.last == flows_.index_of(flow)) return;
  forget_held(flow);
  enter(flow, &Flow::held, holders_);
}

void FlowTable::forget_held(Flow& flow) { leave(flow, &Flow::held, holders_); }

void FlowTable::think_again(Flow& flow, std::uint32_t now) {
  forget_rest(flow);
  flow.wake.time = now;
  await_rest(flow);
}

void FlowTable::drop_successor(Flow& flow) {
  if (flow.successor == kNone) return;
  half_open_.release(flow.successor);
  flow.successor = kNone;
}

void FlowTable::append(Flow& flow, LruClass to) {
  const auto cls = static_cast<std::uint8_t>(to);
  List& list = lists_[cls];
  const std::uint32_t index = flows_.index_of(flow);
  flow.lru_class = cls & 3U;  // one of kLruClasses
  flow.lru_previous = list.last;
  flow.lru_next = kNone;
  (list.last == kNone ? list.first : lru_next(list.last)) = index;
  list.last = index;
}

void FlowTable::unlink(Flow& flow) {
  List& list = lists_[flow.lru_class];
  (flow.lru_previous == kNone ? list.first : lru_next(flow.lru_previous)) = flow.lru_next;
  (flow.lru_next == kNone ? list.last : lru_previous(flow.lru_next)) = flow.lru_previous;
  flow.lru_previous = flow.lru_next = kNone;
}

void FlowTable::touch(Flow& flow, LruClass to, Timestamp now) {
  // Age is only needed to the second, so a busy flow does not move with each segment.
  if (flow.lru_class == static_cast<std::uint8_t>(to) && passed_since(flow.lru_time, now) < seconds(1)) return;
  flow.lru_time = whole_milliseconds(now);
  unlink(flow);
  append(flow, to);
}

FlowTable::Aged FlowTable::oldest(LruClass in) {
  const List& list = lists_[static_cast<std::size_t>(in)];
  return list.first == kNone ? Aged{} : aged(list.first);
}

std::uint64_t FlowTable::memory() const {
  return std::uint64_t{flows_.capacity()} * sizeof(Flow) + std::uint64_t{dormant_.capacity()} * sizeof(Dormant) +
         half_open_most_ * sizeof(HalfOpen) + keys_.memory() + index_.memory();
}

}  // namespace weir::flow
