#include "app/live/shared_store.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include "app/live/clock.h"

namespace weir::app {
namespace {

using rules::RecordChange;
using rules::StoredRecord;

constexpr std::uint32_t kNone = UINT32_MAX;
constexpr std::int64_t kDefaultTimeout = seconds(3600).ns;
constexpr std::int64_t kPatience = milliseconds(2).ns;
constexpr std::int64_t kAway = milliseconds(100).ns;
constexpr std::size_t kAlign = 64;

constexpr std::uint64_t aligned(std::uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

}  // namespace

struct SharedStore::Head {
  std::atomic<std::uint32_t> owner;  // the process that holds the shard; 0: none
  std::uint32_t free_slot, free_block;  // heads of lists
  std::uint32_t blocks_left;
  std::uint32_t oldest, newest;         // by update
  std::atomic<std::uint64_t> records, expired, evicted, refused, busy, emptied;
};

struct SharedStore::Slot {
  std::uint64_t hash;
  std::uint32_t next;  // in its bucket, or in the free list
  std::uint32_t newer, older;
  std::uint32_t first_block;
  std::uint32_t length;
};

struct SharedStore::Block {
  std::uint32_t next;
  std::array<char, 252> bytes;
};

// Holds a shard, or does not: then nobody does anything.
class SharedStore::Lock {
 public:
  Lock(SharedStore& store, std::uint32_t shard) : head_(store.head(shard)), held_(take(store.self_)) {
    if (!held_) held_ = wait(store.self_, store.away_until_[shard]);
    if (!held_) head_.busy.fetch_add(1, std::memory_order_relaxed);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    if (held_) head_.owner.store(0, std::memory_order_release);
  }
  explicit operator bool() const { return held_; }

 private:
  bool take(std::uint32_t self) {
    std::uint32_t nobody = 0;
    return head_.owner.compare_exchange_strong(nobody, self, std::memory_order_acquire, std::memory_order_relaxed);
  }
  bool wait(std::uint32_t self, std::int64_t& away_until) {
    const std::int64_t began = monotonic_now();
    if (began < away_until) return false;
    for (int spins = 0; spins < 1000; ++spins) {
      if (take(self)) return true;
    }
    const timespec pause{0, 20'000};
    while (monotonic_now() - began < kPatience) {
      if (take(self)) return true;
      ::nanosleep(&pause, nullptr);
    }
    away_until = monotonic_now() + kAway;
    return false;
  }

  Head& head_;
  bool held_;
};

Result<std::unique_ptr<SharedStore>> SharedStore::make(std::uint64_t bytes, base::SipKey hash_key) {
  const std::uint64_t each = sizeof(Block) + sizeof(Slot) + sizeof(std::uint32_t);
  const std::uint64_t share = bytes / kShards;
  const std::uint64_t count = share > sizeof(Head) + 4 * kAlign ? (share - sizeof(Head) - 4 * kAlign) / each : 0;
  if (count < 16 || count >= kNone) return fail("collections.memory is too small or too large");
  const auto blocks = static_cast<std::uint32_t>(count);
  const std::uint64_t stride = aligned(sizeof(Head)) + aligned(count * sizeof(std::uint32_t)) + aligned(count * sizeof(Slot)) +
                               aligned(count * sizeof(Block));
  auto memory = SharedMemory::make(stride * kShards);
  if (!memory) return fail(memory.error().message);
  std::unique_ptr<SharedStore> store(new SharedStore(std::move(*memory), stride, blocks, hash_key));
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    Head* head = ::new (static_cast<void*>(&store->head(shard))) Head{};
    store->empty(shard);
    head->emptied = 0;
  }
  store->take_part();
  return store;
}

SharedStore::SharedStore(SharedMemory memory, std::uint64_t stride, std::uint32_t blocks, base::SipKey key)
    : memory_(std::move(memory)), stride_(stride), blocks_(blocks), key_(key), timeout_(kDefaultTimeout), away_until_(kShards) {}

SharedStore::Head& SharedStore::head(std::uint32_t shard) const {
  return *reinterpret_cast<Head*>(memory_.data() + shard * stride_);
}
std::uint32_t* SharedStore::buckets(std::uint32_t shard) const {
  return reinterpret_cast<std::uint32_t*>(memory_.data() + shard * stride_ + aligned(sizeof(Head)));
}
SharedStore::Slot* SharedStore::slots(std::uint32_t shard) const {
  return reinterpret_cast<Slot*>(reinterpret_cast<std::byte*>(buckets(shard)) + aligned(std::uint64_t{blocks_} * sizeof(std::uint32_t)));
}
SharedStore::Block* SharedStore::blocks(std::uint32_t shard) const {
  return reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(slots(shard)) + aligned(std::uint64_t{blocks_} * sizeof(Slot)));
}

std::uint64_t SharedStore::hash_of(std::string_view id) const {
  return base::siphash13(std::span(reinterpret_cast<const std::uint8_t*>(id.data()), id.size()), key_.k0, key_.k1);
}

// --- a shard, held ---

void SharedStore::empty(std::uint32_t shard) {
  Head& h = head(shard);
  std::fill_n(buckets(shard), blocks_, kNone);
  Slot* slot = slots(shard);
  Block* block = blocks(shard);
  for (std::uint32_t i = 0; i < blocks_; ++i) {
    const std::uint32_t next = i + 1 < blocks_ ? i + 1 : kNone;
    slot[i] = {0, next, kNone, kNone, kNone, 0};
    block[i].next = next;
  }
  h.free_slot = h.free_block = 0;
  h.blocks_left = blocks_;
  h.oldest = h.newest = kNone;
  h.records = 0;
  h.emptied.fetch_add(1, std::memory_order_relaxed);
}

bool SharedStore::read(std::uint32_t shard, std::uint32_t slot, StoredRecord& record) {
  const Slot& s = slots(shard)[slot];
  const Block* block = blocks(shard);
  const std::size_t size = block->bytes.size();
  if (s.length > blocks_ * size) return false;
  bytes_.clear();
  std::uint32_t at = s.first_block;
  while (bytes_.size() < s.length) {
    if (at >= blocks_) return false;
    bytes_.append(block[at].bytes.data(), std::min<std::size_t>(size, s.length - bytes_.size()));
    at = block[at].next;
  }
  rules::StoreReader reader(bytes_);
  if (reader.next() != rules::StoreReader::Kind::Record || reader.unread() != 0) return false;
  record = std::move(reader.record());
  return true;
}

bool SharedStore::find(std::uint32_t shard, std::string_view id, std::uint64_t hash, std::uint32_t& slot, StoredRecord& record) {
  const Slot* all = slots(shard);
  std::uint32_t at = buckets(shard)[hash % blocks_];
  for (std::uint32_t steps = 0; at != kNone; ++steps) {
    if (at >= blocks_ || steps > blocks_) return false;
    if (all[at].hash == hash) {
      if (!read(shard, at, record)) return false;
      if (record.id == id) break;
    }
    at = all[at].next;
  }
  slot = at;
  return true;
}

void SharedStore::link_newest(std::uint32_t shard, std::uint32_t slot) {
  Head& h = head(shard);
  Slot* all = slots(shard);
  const std::uint32_t before = h.newest;
  all[slot].older = before;
  all[slot].newer = kNone;
  (before < blocks_ ? all[before].newer : h.oldest) = slot;
  h.newest = slot;
}

bool SharedStore::unlink(std::uint32_t shard, std::uint32_t slot) {
  Head& h = head(shard);
  Slot* all = slots(shard);
  const std::uint32_t older = all[slot].older, newer = all[slot].newer;
  if ((older != kNone && older >= blocks_) || (newer != kNone && newer >= blocks_)) return false;
  (older == kNone ? h.oldest : all[older].newer) = newer;
  (newer == kNone ? h.newest : all[newer].older) = older;
  return true;
}

bool SharedStore::free_blocks(std::uint32_t shard, std::uint32_t slot) {
  Head& h = head(shard);
  Block* block = blocks(shard);
  Slot& s = slots(shard)[slot];
  std::uint32_t at = s.first_block;
  for (std::uint32_t freed = 0; at != kNone; ++freed) {
    if (at >= blocks_ || freed > blocks_) return false;
    const std::uint32_t next = block[at].next;
    block[at].next = h.free_block;
    h.free_block = at;
    ++h.blocks_left;
    at = next;
  }
  s.first_block = kNone;
  s.length = 0;
  return true;
}

bool SharedStore::erase(std::uint32_t shard, std::uint32_t slot) {
  Head& h = head(shard);
  Slot* all = slots(shard);
  std::uint32_t* from = &buckets(shard)[all[slot].hash % blocks_];
  std::uint32_t at = *from;
  for (std::uint32_t steps = 0; at != slot; ++steps) {
    if (at >= blocks_ || steps > blocks_) return false;
    from = &all[at].next;
    at = *from;
  }
  *from = all[slot].next;
  if (!unlink(shard, slot) || !free_blocks(shard, slot)) return false;
  all[slot].next = h.free_slot;
  h.free_slot = slot;
  h.records.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

// Forgets those that were updated longest ago, until there are `wanted` blocks; `keep` stays.
bool SharedStore::make_room(std::uint32_t shard, std::uint32_t keep, std::uint32_t wanted) {
  Head& h = head(shard);
  while (h.blocks_left < wanted || h.free_slot == kNone) {
    std::uint32_t victim = h.oldest;
    if (victim == keep && victim < blocks_) victim = slots(shard)[victim].newer;
    if (victim >= blocks_ || !erase(shard, victim)) return false;
    h.evicted.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

bool SharedStore::take_slot(std::uint32_t shard, std::uint64_t hash, std::uint32_t& slot) {
  Head& h = head(shard);
  if (!make_room(shard, kNone, 1)) return false;
  slot = h.free_slot;
  if (slot >= blocks_) return false;
  Slot& s = slots(shard)[slot];
  h.free_slot = s.next;
  std::uint32_t& bucket = buckets(shard)[hash % blocks_];
  s = {hash, bucket, kNone, kNone, kNone, 0};
  bucket = slot;
  link_newest(shard, slot);
  h.records.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// In place of what the slot has. One that is larger than a shard is forgotten.
bool SharedStore::write(std::uint32_t shard, std::uint32_t slot, const StoredRecord& record) {
  Head& h = head(shard);
  Block* block = blocks(shard);
  const std::size_t size = block->bytes.size();
  bytes_.clear();
  rules::append_record(bytes_, record);
  const auto wanted = static_cast<std::uint32_t>((bytes_.size() + size - 1) / size);
  if (!free_blocks(shard, slot)) return false;
  if (wanted > blocks_ / 2) {
    h.refused.fetch_add(1, std::memory_order_relaxed);
    return erase(shard, slot);
  }
  if (h.blocks_left < wanted && !make_room(shard, slot, wanted)) return false;
  Slot& s = slots(shard)[slot];
  std::uint32_t* from = &s.first_block;
  for (std::size_t done = 0; done < bytes_.size(); done += size) {
    const std::uint32_t at = h.free_block;
    if (at >= blocks_) return false;
    h.free_block = block[at].next;
    --h.blocks_left;
    std::memcpy(block[at].bytes.data(), bytes_.data() + done, std::min(size, bytes_.size() - done));
    block[at].next = kNone;
    *from = at;
    from = &block[at].next;
  }
  s.length = static_cast<std::uint32_t>(bytes_.size());
  if (!unlink(shard, slot)) return false;
  link_newest(shard, slot);
  return true;
}

// --- calls ---

void SharedStore::refuse() { head(0).refused.fetch_add(1, std::memory_order_relaxed); }

void SharedStore::change(std::string_view collection, std::string_view key, bool create, Timestamp now, const Change& change) {
  const std::string id = rules::record_id(collection, key);
  const std::uint64_t hash = hash_of(id);
  const auto shard = static_cast<std::uint32_t>(hash >> 32U) % kShards;
  const Lock lock(*this, shard);
  if (!lock) return;
  Head& h = head(shard);
  StoredRecord record;
  std::uint32_t slot = kNone;
  bool sound = find(shard, id, hash, slot, record);
  if (sound && slot != kNone && rules::is_expired(record, now, timeout_)) {
    h.expired.fetch_add(1, std::memory_order_relaxed);
    sound = erase(shard, slot);
    slot = kNone;
  }
  if (sound && (slot != kNone || create)) {
    if (slot == kNone) {
      record = {};
      record.id = id;
    }
    const RecordChange what = change(record);
    if (what == RecordChange::Refused) h.refused.fetch_add(1, std::memory_order_relaxed);
    if (what == RecordChange::Changed) {
      if (slot == kNone) sound = take_slot(shard, hash, slot);
      if (sound) sound = record.variables.empty() ? erase(shard, slot) : write(shard, slot, record);
    }
  }
  if (!sound) empty(shard);
}

void SharedStore::load(std::string_view collection, std::string_view key, Timestamp now, const Visitor& each) {
  StoredRecord found;
  change(collection, key, false, now, [&found](StoredRecord& record) {
    found = record;
    return RecordChange::None;
  });
  for (const rules::StoredVariable& v : found.variables) {
    if (!rules::is_past(v.expires, now)) each(v.name, v.value);
  }
}

void SharedStore::set(std::string_view collection, std::string_view key, std::string_view variable, std::string_view value,
                      Timestamp now) {
  if (std::max({collection.size() + 1 + key.size(), variable.size(), value.size()}) > kBytes) return refuse();
  change(collection, key, true, now,
         [&](StoredRecord& record) { return rules::set_variable(record, variable, value, kVariables, now); });
}

std::int64_t SharedStore::add(std::string_view collection, std::string_view key, std::string_view variable, std::int64_t delta,
                              Timestamp now) {
  std::int64_t after = std::max<std::int64_t>(0, delta);
  if (std::max(collection.size() + 1 + key.size(), variable.size()) > kBytes) return refuse(), after;
  change(collection, key, true, now, [&](StoredRecord& record) {
    return rules::add_to_variable(record, variable, delta, kVariables, now, after);
  });
  return after;
}

void SharedStore::remove(std::string_view collection, std::string_view key, std::string_view variable, Timestamp now) {
  change(collection, key, false, now, [&](StoredRecord& record) { return rules::remove_variable(record, variable, now); });
}

void SharedStore::expire(std::string_view collection, std::string_view key, std::string_view variable, Duration after,
                         Timestamp now) {
  change(collection, key, false, now, [&](StoredRecord& record) { return rules::expire_variable(record, variable, after, now); });
}

void SharedStore::deprecate(std::string_view collection, std::string_view key, std::string_view variable, std::int64_t amount,
                            Duration period, Timestamp now) {
  change(collection, key, false, now,
         [&](StoredRecord& record) { return rules::deprecate_variable(record, variable, amount, period, now); });
}

void SharedStore::each(const std::function<void(const StoredRecord&)>& visit) {
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    const Lock lock(*this, shard);
    if (!lock) continue;
    std::uint32_t at = head(shard).oldest;
    StoredRecord record;
    for (std::uint32_t steps = 0; at < blocks_ && steps < blocks_; ++steps) {
      if (!read(shard, at, record)) {
        empty(shard);
        break;
      }
      visit(record);
      at = slots(shard)[at].newer;
    }
  }
}

bool SharedStore::put(const StoredRecord& record, Timestamp now) {
  const std::size_t split = record.id.find('\0');
  if (split == std::string::npos || record.id.size() > kBytes || record.variables.size() > kVariables) return false;
  for (const rules::StoredVariable& v : record.variables) {
    if (std::max(v.name.size(), v.value.size()) > kBytes) return false;
  }
  bool taken = false;
  change(record.id.substr(0, split), record.id.substr(split + 1), true, now, [&](StoredRecord& there) {
    taken = true;
    there = record;
    return RecordChange::Changed;
  });
  return taken;
}

void SharedStore::set_timeout(Duration timeout) { timeout_ = std::max<std::int64_t>(1, timeout.ns); }

SharedStoreStats SharedStore::stats() const {
  SharedStoreStats out;
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    const Head& h = head(shard);
    out.records += h.records.load(std::memory_order_relaxed);
    out.expired += h.expired.load(std::memory_order_relaxed);
    out.evicted += h.evicted.load(std::memory_order_relaxed);
    out.refused += h.refused.load(std::memory_order_relaxed);
    out.busy += h.busy.load(std::memory_order_relaxed);
    out.emptied += h.emptied.load(std::memory_order_relaxed);
  }
  return out;
}

void SharedStore::take_part() { self_ = static_cast<std::uint32_t>(::getpid()); }

void SharedStore::died(pid_t process) {
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    Head& h = head(shard);
    if (h.owner.load(std::memory_order_acquire) != static_cast<std::uint32_t>(process)) continue;
    empty(shard);
    h.owner.store(0, std::memory_order_release);
  }
}

void SharedStore::hold(std::string_view collection, std::string_view key) {
  head(static_cast<std::uint32_t>(hash_of(rules::record_id(collection, key)) >> 32U) % kShards).owner = self_;
}

}  // namespace weir::app
