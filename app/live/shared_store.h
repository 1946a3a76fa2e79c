// SharedStore: SecLang's persistent collections for all workers of weir run, in memory that the supervisor makes before
// it forks them. docs/decisions/shared-collections.md says why it is so.
//
// Sharded; each shard is held by one process at a time, whose number is its lock. Of a worker that died within a change
// the supervisor empties the shard, for nobody knows what it left. Nobody waits long: a shard that is not to be had
// soon (its holder is stopped, or dead and not yet buried) counts as empty for a while, and what was to be changed there
// is lost and counted. What is read is believed no more than bytes from anywhere: there are no pointers in it, indices
// and lengths are checked, a shard that contradicts itself is emptied.
//
// Bounded: all memory is there from the beginning; what does not fit makes room, those updated longest ago first.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/live/event_ring.h"
#include "engine/base/siphash.h"
#include "engine/result.h"
#include "rules/store.h"
#include "rules/store_record.h"

namespace weir::app {

struct SharedStoreStats {
  std::uint64_t records = 0;
  std::uint64_t expired = 0, evicted = 0;
  std::uint64_t refused = 0;  // changes beyond the bounds of a record
  std::uint64_t busy = 0;     // calls that found their shard held
  std::uint64_t emptied = 0;  // shards: by the death of a worker, or because they contradicted themselves
};

class SharedStore final : public rules::CollectionStore {
 public:
  static constexpr std::size_t kVariables = 64;    // of a record
  static constexpr std::size_t kBytes = 4096;      // of a value, a name, a key
  static constexpr std::uint32_t kShards = 64;

  // `hash_key`: random, so that nobody can aim at one shard or bucket.
  static Result<std::unique_ptr<SharedStore>> make(std::uint64_t bytes, base::SipKey hash_key);

  void load(std::string_view collection, std::string_view key, Timestamp now, const Visitor& each) override;
  void set(std::string_view collection, std::string_view key, std::string_view variable, std::string_view value,
           Timestamp now) override;
  std::int64_t add(std::string_view collection, std::string_view key, std::string_view variable, std::int64_t delta,
                   Timestamp now) override;
  void remove(std::string_view collection, std::string_view key, std::string_view variable, Timestamp now) override;
  void expire(std::string_view collection, std::string_view key, std::string_view variable, Duration after,
              Timestamp now) override;
  void deprecate(std::string_view collection, std::string_view key, std::string_view variable, std::int64_t amount,
                 Duration period, Timestamp now) override;
  // Of this process; all have it from the same rules.
  void set_timeout(Duration timeout) override;

  // Of each record, in each shard those updated longest ago first. Not for the path of a packet.
  void each(const std::function<void(const rules::StoredRecord&)>& visit);
  // In place of what there is of it. False: it exceeds the bounds, or its shard is held.
  bool put(const rules::StoredRecord& record, Timestamp now);
  [[nodiscard]] std::uint64_t bytes() const { return stride_ * kShards; }

  // A process that was forked says so before its first call.
  void take_part();
  // The supervisor: this process is no more. What it held is emptied and let go.
  void died(pid_t process);

  [[nodiscard]] SharedStoreStats stats() const;
  [[nodiscard]] std::uint32_t blocks_of_a_shard() const { return blocks_; }
  // For tests: holds the shard of a record.
  void hold(std::string_view collection, std::string_view key);
  // For tests: what a hostile worker may write to.
  [[nodiscard]] SharedMemory& memory() { return memory_; }

 private:
  struct Head;
  struct Slot;
  struct Block;
  class Lock;
  using Change = std::function<rules::RecordChange(rules::StoredRecord&)>;

  SharedStore(SharedMemory memory, std::uint64_t stride, std::uint32_t blocks, base::SipKey key);
  [[nodiscard]] std::uint64_t hash_of(std::string_view id) const;
  [[nodiscard]] Head& head(std::uint32_t shard) const;
  [[nodiscard]] std::uint32_t* buckets(std::uint32_t shard) const;
  [[nodiscard]] Slot* slots(std::uint32_t shard) const;
  [[nodiscard]] Block* blocks(std::uint32_t shard) const;

  void refuse();  // counts
  // `create`: a record that is not there is made.
  void change(std::string_view collection, std::string_view key, bool create, Timestamp now, const Change& change);

  // With the shard held. False: it contradicts itself.
  bool find(std::uint32_t shard, std::string_view id, std::uint64_t hash, std::uint32_t& slot, rules::StoredRecord& record);
  bool read(std::uint32_t shard, std::uint32_t slot, rules::StoredRecord& record);
  bool write(std::uint32_t shard, std::uint32_t slot, const rules::StoredRecord& record);
  bool take_slot(std::uint32_t shard, std::uint64_t hash, std::uint32_t& slot);
  bool erase(std::uint32_t shard, std::uint32_t slot);
  bool free_blocks(std::uint32_t shard, std::uint32_t slot);
  bool make_room(std::uint32_t shard, std::uint32_t keep, std::uint32_t wanted);
  bool unlink(std::uint32_t shard, std::uint32_t slot);
  void link_newest(std::uint32_t shard, std::uint32_t slot);
  void empty(std::uint32_t shard);

  SharedMemory memory_;
  std::uint64_t stride_;   // from one shard to the next
  std::uint32_t blocks_;   // of a shard; as many slots and buckets
  base::SipKey key_;
  std::uint32_t self_ = 0;  // this process
  std::atomic<std::int64_t> timeout_;
  std::vector<std::int64_t> away_until_;  // this process does not ask for the shard before
  std::string bytes_;                     // of the record in hand; a process asks from one thread
};

}  // namespace weir::app
