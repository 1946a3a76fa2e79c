#include "rules/memory_store.h"

#include <algorithm>
#include <list>
#include <map>
#include <span>
#include <utility>

#include "rules/store_codec.h"
#include "rules/store_record.h"

namespace weir::rules {
namespace {

constexpr std::uint64_t kOverhead = 128;      // of a record or variable: nodes, strings, list links
constexpr std::size_t kRemovalsKept = 65'536;  // per shard; beyond, a snapshot says it shorter
constexpr int kExpiredSearch = 16;
constexpr std::size_t kUnchanged = SIZE_MAX;
constexpr std::int64_t kDefaultTimeout = 3'600'000'000'000;

std::uint64_t cost_of(const StoredVariable& v) {
  return kOverhead + v.name.size() + v.value.size();
}

}  // namespace

struct MemoryStore::Shard {
  struct Record;
  // Ordered, not hashed: keys are chosen by clients, and a tree has no bad case.
  using Map = std::map<std::string, Record, std::less<>>;
  struct Record {
    StoredRecord stored;
    std::uint64_t cost = 0;
    std::size_t changed = kUnchanged;  // place in Shard::changed
    std::list<Map::iterator>::iterator place;  // in by_update
  };

  std::mutex mutex;
  Map records;
  std::list<Map::iterator> by_update;      // least recently updated first
  std::vector<Map::iterator> changed;      // since the last sync
  std::vector<std::string> removed;
  bool removals_lost = false;              // too many to keep: only a snapshot tells
  bool journalled = false;                 // whether anybody wants to know of changes
  std::uint64_t bytes = 0, expired = 0, evicted = 0, refused = 0;
  std::uint64_t max_records = 0, max_bytes = 0;

  void note_change(Map::iterator at) {
    if (!journalled || at->second.changed != kUnchanged) return;
    at->second.changed = changed.size();
    changed.push_back(at);
  }

  void erase(Map::iterator at) {
    Record& r = at->second;
    if (r.changed != kUnchanged) {
      changed.back()->second.changed = r.changed;
      changed[r.changed] = changed.back();
      changed.pop_back();
    }
    if (journalled) {
      if (removed.size() < kRemovalsKept) {
        removed.push_back(at->first);
      } else {
        removals_lost = true;
      }
    }
    bytes -= r.cost;
    by_update.erase(r.place);
    records.erase(at);
  }

  void touch(Map::iterator at, Timestamp now) {
    at->second.stored.updated = now.ns;
    by_update.splice(by_update.end(), by_update, at->second.place);
    note_change(at);
  }

  void set_cost(Map::iterator at) {
    Record& r = at->second;
    std::uint64_t cost = kOverhead + 2 * at->first.size();
    for (const StoredVariable& v : r.stored.variables) cost += cost_of(v);
    bytes = bytes - r.cost + cost;
    r.cost = cost;
  }

  // Makes room: `keep` stays whatever happens.
  void evict(Map::iterator keep, Timestamp now, std::int64_t timeout) {
    while ((records.size() > max_records || bytes > max_bytes) && records.size() > 1) {
      auto victim = by_update.begin();
      int searched = 0;
      for (auto i = by_update.begin(); i != by_update.end() && searched < kExpiredSearch;
           ++i, ++searched) {
        if (*i != keep && is_expired((*i)->second.stored, now, timeout)) {
          victim = i;
          break;
        }
      }
      if (*victim == keep) ++victim;
      ++(is_expired((*victim)->second.stored, now, timeout) ? expired : evicted);
      erase(*victim);
    }
  }

  Map::iterator find(std::string_view id, Timestamp now, std::int64_t timeout) {
    const auto at = records.find(id);
    if (at == records.end() || !is_expired(at->second.stored, now, timeout)) return at;
    ++expired;
    erase(at);
    return records.end();
  }

  Map::iterator insert(std::string_view id) {
    const auto at = records.emplace(std::string(id), Record{}).first;
    at->second.stored.id = at->first;
    at->second.place = by_update.insert(by_update.end(), at);
    set_cost(at);
    return at;
  }

};

MemoryStore::MemoryStore(const StoreLimits& limits, base::SipKey hash_key)
    : limits_(limits), hash_key_(hash_key), timeout_(kDefaultTimeout) {
  const std::uint32_t count = std::max(1U, limits.shards);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto shard = std::make_unique<Shard>();
    shard->max_records = std::max(1U, limits.records / count);
    shard->max_bytes = limits.bytes / count;
    shards_.push_back(std::move(shard));
  }
}

MemoryStore::~MemoryStore() = default;

MemoryStore::Shard& MemoryStore::shard_of(std::string_view id) {
  const std::uint64_t h = base::siphash13(
      std::span(reinterpret_cast<const std::uint8_t*>(id.data()), id.size()), hash_key_.k0,
      hash_key_.k1);
  return *shards_[h % shards_.size()];
}

void MemoryStore::load(std::string_view collection, std::string_view key, Timestamp now,
                       const Visitor& each) {
  const std::string id = record_id(collection, key);
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.find(id, now, timeout_);
  if (at == shard.records.end()) return;
  for (const StoredVariable& v : at->second.stored.variables) {
    if (!is_past(v.expires, now)) each(v.name, v.value);
  }
}

void MemoryStore::set(std::string_view collection, std::string_view key, std::string_view variable,
                      std::string_view value, Timestamp now) {
  const std::string id = record_id(collection, key);
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  if (value.size() > limits_.value_bytes || variable.size() > limits_.value_bytes ||
      id.size() > limits_.value_bytes) {
    ++shard.refused;
    return;
  }
  auto at = shard.find(id, now, timeout_);
  if (at == shard.records.end()) at = shard.insert(id);
  if (set_variable(at->second.stored, variable, value, limits_.variables, now) == RecordChange::Refused) {
    ++shard.refused;
    shard.set_cost(at);
    return;
  }
  shard.touch(at, now);
  shard.set_cost(at);
  shard.evict(at, now, timeout_);
}

std::int64_t MemoryStore::add(std::string_view collection, std::string_view key,
                              std::string_view variable, std::int64_t delta, Timestamp now) {
  const std::string id = record_id(collection, key);
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  if (variable.size() > limits_.value_bytes || id.size() > limits_.value_bytes) {
    ++shard.refused;
    return std::max<std::int64_t>(0, delta);
  }
  auto at = shard.find(id, now, timeout_);
  if (at == shard.records.end()) at = shard.insert(id);
  std::int64_t after = 0;
  if (add_to_variable(at->second.stored, variable, delta, limits_.variables, now, after) == RecordChange::Refused) {
    ++shard.refused;
    shard.set_cost(at);
    return after;
  }
  shard.touch(at, now);
  shard.set_cost(at);
  shard.evict(at, now, timeout_);
  return after;
}

void MemoryStore::remove(std::string_view collection, std::string_view key,
                         std::string_view variable, Timestamp now) {
  const std::string id = record_id(collection, key);
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.find(id, now, timeout_);
  if (at == shard.records.end()) return;
  const RecordChange change = remove_variable(at->second.stored, variable, now);
  shard.set_cost(at);
  if (change == RecordChange::None) return;
  if (at->second.stored.variables.empty()) {
    shard.erase(at);
    return;
  }
  shard.touch(at, now);
}

void MemoryStore::expire(std::string_view collection, std::string_view key,
                         std::string_view variable, Duration after, Timestamp now) {
  const std::string id = record_id(collection, key);
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.find(id, now, timeout_);
  if (at == shard.records.end()) return;
  if (expire_variable(at->second.stored, variable, after, now) == RecordChange::Changed) shard.touch(at, now);
}

void MemoryStore::deprecate(std::string_view collection, std::string_view key,
                            std::string_view variable, std::int64_t amount, Duration period,
                            Timestamp now) {
  const std::string id = record_id(collection, key);
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  const auto at = shard.find(id, now, timeout_);
  if (at == shard.records.end()) return;
  if (deprecate_variable(at->second.stored, variable, amount, period, now) == RecordChange::None) return;
  shard.touch(at, now);
  shard.set_cost(at);
}

void MemoryStore::set_timeout(Duration timeout) {
  timeout_ = std::max<std::int64_t>(1, timeout.ns);
}

void MemoryStore::forget_expired(Timestamp now) {
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    for (auto i = shard->records.begin(); i != shard->records.end();) {
      const auto at = i++;
      if (!is_expired(at->second.stored, now, timeout_)) continue;
      ++shard->expired;
      shard->erase(at);
    }
  }
}

std::string MemoryStore::snapshot(std::uint64_t generation) {
  std::string out;
  append_file_header(out, generation);
  std::uint64_t count = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    for (auto& [id, record] : shard->records) {
      append_record(out, record.stored);
      record.changed = kUnchanged;
      ++count;
    }
    shard->changed.clear();
    shard->removed.clear();
    shard->removals_lost = false;
    shard->journalled = true;
  }
  append_end(out, count);
  return out;
}

std::string MemoryStore::changes() {
  std::string out;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    if (shard->removals_lost) snapshot_due_ = true;
    // Removals first: a record that was removed and made anew is among the changed ones.
    for (const std::string& id : shard->removed) append_removal(out, id);
    for (const auto& at : shard->changed) {
      append_record(out, at->second.stored);
      at->second.changed = kUnchanged;
    }
    shard->removed.clear();
    shard->changed.clear();
  }
  return out;
}

Result<void> MemoryStore::write_snapshot() {
  // Until both files are in place a crash finds the old pair, or the new snapshot with the old journal,
  // whose generation says that it is not to be read.
  const std::string bytes = snapshot(generation_ + 1);
  if (auto r = disk_->replace(StoreDisk::File::Snapshot, bytes); !r) return r;
  ++generation_;
  std::string journal;
  append_file_header(journal, generation_);
  if (auto r = disk_->replace(StoreDisk::File::Journal, journal); !r) return r;
  ++snapshots_;
  snapshot_size_ = bytes.size();
  journal_size_ = 0;
  snapshot_due_ = false;
  return {};
}

Result<void> MemoryStore::sync(Timestamp now) {
  const std::lock_guard lock(sync_mutex_);
  forget_expired(now);
  if (disk_ == nullptr) return {};
  if (!snapshot_due_) {
    const std::string bytes = changes();
    if (!snapshot_due_) {
      if (bytes.empty()) return {};
      if (auto r = disk_->append(bytes); !r) {
        // Part of it may be in the journal: what is appended behind that could not be read.
        snapshot_due_ = true;
        return r;
      }
      ++appends_;
      journal_size_ += bytes.size();
      snapshot_due_ = journal_size_ > std::max(limits_.journal_bytes, 2 * snapshot_size_);
      return {};
    }
  }
  return write_snapshot();
}

// True if both files were whole.
bool MemoryStore::replay(std::string_view snapshot, std::string_view journal, Timestamp now,
                         Opened& out) {
  const auto take = [&](StoredRecord& stored) {
    Shard& shard = shard_of(stored.id);
    auto at = shard.records.find(stored.id);
    if (at == shard.records.end()) at = shard.insert(stored.id);
    at->second.stored = std::move(stored);
    shard.by_update.splice(shard.by_update.end(), shard.by_update, at->second.place);
    shard.set_cost(at);
    shard.evict(at, now, timeout_);
  };
  const auto read = [&](StoreReader& reader, bool& ended) {
    for (;;) {
      switch (reader.next()) {
        case StoreReader::Kind::Record:
          take(reader.record());
          break;
        case StoreReader::Kind::Removal: {
          Shard& shard = shard_of(reader.record().id);
          const auto at = shard.records.find(reader.record().id);
          if (at != shard.records.end()) shard.erase(at);
          break;
        }
        case StoreReader::Kind::End:
          ended = true;
          break;
        case StoreReader::Kind::Finished:
          return true;
        case StoreReader::Kind::Damaged:
          out.unreadable += reader.unread();
          return false;
      }
    }
  };
  StoreReader from_snapshot(snapshot), from_journal(journal);
  const auto generation = from_snapshot.header();
  const auto journal_generation = from_journal.header();
  // The next snapshot's generation must be none that a journal on the disk has.
  generation_ = std::max(generation.value_or(0), journal_generation.value_or(0));
  if (!generation) {  // nothing was ever acknowledged, or the snapshot is destroyed
    out.unreadable += snapshot.size() + journal.size();
    return false;
  }
  bool ended = false, unused = false;
  bool whole = read(from_snapshot, ended) && ended;
  snapshot_size_ = snapshot.size();
  if (journal_generation != generation) return false;  // a crash between the two files: all is in the snapshot
  whole = read(from_journal, unused) && whole;
  journal_size_ = journal.size();
  return whole;
}

Result<MemoryStore::Opened> MemoryStore::open(std::unique_ptr<StoreDisk> disk,
                                              const StoreLimits& limits, base::SipKey hash_key, Timestamp now) {
  auto snapshot = disk->read(StoreDisk::File::Snapshot);
  if (!snapshot) return Unexpected(snapshot.error());
  auto journal = disk->read(StoreDisk::File::Journal);
  if (!journal) return Unexpected(journal.error());
  Opened out;
  out.store = std::make_unique<MemoryStore>(limits, hash_key);
  MemoryStore& store = *out.store;
  const std::lock_guard lock(store.sync_mutex_);
  store.snapshot_due_ = !store.replay(*snapshot, *journal, now, out);
  store.disk_ = std::move(disk);
  for (const auto& shard : store.shards_) {
    // Files keep no order between records; eviction wants the oldest first.
    shard->by_update.sort([](const Shard::Map::iterator& a, const Shard::Map::iterator& b) {
      return a->second.stored.updated < b->second.stored.updated;
    });
    shard->journalled = true;
    out.records += shard->records.size();
    if (shard->evicted + shard->expired != 0) store.snapshot_due_ = true;  // the limits are tighter now
  }
  return out;
}

StoreStats MemoryStore::stats() const {
  StoreStats out;
  {
    const std::lock_guard lock(sync_mutex_);
    out.snapshots = snapshots_;
    out.appends = appends_;
  }
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    out.records += shard->records.size();
    out.bytes += shard->bytes;
    out.expired += shard->expired;
    out.evicted += shard->evicted;
    out.refused += shard->refused;
  }
  return out;
}

}  // namespace weir::rules
