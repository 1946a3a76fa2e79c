// MemoryStore: the persistent collections in memory, bounded, with a copy on disk that survives a crash.
//
// What "acknowledged" means: a change is acknowledged when the call that made it (set, add, …) has
// returned and after that a call of sync() has begun and returned success. Acknowledged changes survive
// kill -9 and power loss (as far as the disk keeps its promises). Changes after the last successful sync()
// may be lost, each record as a whole: what is found after a crash is, for every record, its state at some
// moment at or after the last acknowledged one. Changes are on disk in no particular order between records.
//
// How: sync() appends the records that changed since the last one to a journal; now and then it writes a
// snapshot of everything instead and starts a new journal. Both carry a generation, so that an old journal
// is never read over a newer snapshot. Cost of a sync(): the changed records, not the changes.
//
// Bounds: records, variables of a record, bytes (each divided by the number of shards). What does not fit
// makes room: first expired records go, then those that were updated longest ago.
//
// Threads: every method may be called by any thread; each holds one shard's mutex at a time (sync() also a
// mutex of its own, so that calls of it queue). No thread of its own, no clock: somebody calls sync(now)
// about once a second. Names and keys are bytes, compared exactly (callers lower-case names).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/siphash.h"
#include "engine/result.h"
#include "rules/store.h"
#include "rules/store_disk.h"

namespace weir::rules {

struct StoreLimits {
  std::uint32_t records = 262'144;
  std::uint32_t variables = 64;       // of one record
  std::uint32_t value_bytes = 4096;   // of one variable's value, name, or a key; longer ones are refused
  std::uint64_t bytes = 128ULL << 20U;  // keys, names, values and 128 bytes for each record and variable
  std::uint32_t shards = 16;
  std::uint64_t journal_bytes = 4ULL << 20U;  // a snapshot is due when the journal exceeds this and
                                              // twice the last snapshot
};

struct StoreStats {
  std::uint64_t records = 0, bytes = 0;
  std::uint64_t expired = 0;   // records forgotten because of their age
  std::uint64_t evicted = 0;   // records forgotten for want of room
  std::uint64_t refused = 0;   // changes that exceed `variables` or `value_bytes`
  std::uint64_t snapshots = 0, appends = 0;
};

class MemoryStore final : public CollectionStore {
 public:
  // In memory only: sync() forgets what has expired and succeeds. `hash_key`: random, so that nobody can
  // aim at one shard.
  explicit MemoryStore(const StoreLimits& limits = {}, base::SipKey hash_key = {});
  ~MemoryStore() override;  // does not sync

  struct Opened {
    std::unique_ptr<MemoryStore> store;
    std::uint64_t records = 0;   // that were found
    std::uint64_t unreadable = 0;  // bytes at the end of a file that are cut off or damaged
  };
  // Reads what `disk` has and keeps its copy there. Damage is no error: what is whole is taken, and the
  // next sync() writes a new snapshot.
  static Result<Opened> open(std::unique_ptr<StoreDisk> disk, const StoreLimits& limits,
                             base::SipKey hash_key, Timestamp now);

  void load(std::string_view collection, std::string_view key, Timestamp now,
            const Visitor& each) override;  // `each` must not call the store
  void set(std::string_view collection, std::string_view key, std::string_view variable,
           std::string_view value, Timestamp now) override;
  std::int64_t add(std::string_view collection, std::string_view key, std::string_view variable,
                   std::int64_t delta, Timestamp now) override;
  void remove(std::string_view collection, std::string_view key, std::string_view variable,
              Timestamp now) override;
  void expire(std::string_view collection, std::string_view key, std::string_view variable,
              Duration after, Timestamp now) override;
  void deprecate(std::string_view collection, std::string_view key, std::string_view variable,
                 std::int64_t amount, Duration period, Timestamp now) override;
  void set_timeout(Duration timeout) override;

  // Forgets what has expired and makes all earlier changes durable. After a failure nothing is lost in
  // memory; the next call writes everything anew.
  Result<void> sync(Timestamp now);

  [[nodiscard]] StoreStats stats() const;

 private:
  struct Shard;
  Shard& shard_of(std::string_view id);
  std::string snapshot(std::uint64_t generation);
  std::string changes();
  Result<void> write_snapshot();
  void forget_expired(Timestamp now);
  bool replay(std::string_view snapshot, std::string_view journal, Timestamp now, Opened& out);

  const StoreLimits limits_;
  const base::SipKey hash_key_;
  std::atomic<std::int64_t> timeout_;
  std::vector<std::unique_ptr<Shard>> shards_;

  mutable std::mutex sync_mutex_;  // guards all below; taken before a shard's
  std::unique_ptr<StoreDisk> disk_;
  bool snapshot_due_ = true;
  std::uint64_t generation_ = 0;
  std::uint64_t snapshot_size_ = 0, journal_size_ = 0;
  std::uint64_t snapshots_ = 0, appends_ = 0;
};

}  // namespace weir::rules
