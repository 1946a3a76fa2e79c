// Workers: N inspectors, each with its own connections. All packets of a connection go to one of them; the
// others only learn what time it is, so that timeouts strike between the same packets with any number of
// workers.
//
// With one worker the caller's thread inspects each packet where it lies. With more, packets are copied into
// batches, of which several are under way: a worker that has the dearer half of one batch catches up in the
// next ones. What comes out is handed over batch by batch, in the order of the input.
//
// There are as many threads as workers, the caller's is one of them. Whoever has nothing to inspect reads on: a thread
// more, for nothing but reading, would take the processor from a worker while another one waits for what it reads.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "app/runtime/audit_collector.h"
#include "app/runtime/batch.h"
#include "app/runtime/collector.h"
#include "engine/inspect/inspector.h"
#include "engine/inspect/sites.h"
#include "rules/profile.h"

namespace weir::app {

// What one worker made of one batch.
struct WorkerOutput {
  Collector::Lines lines;
  std::vector<AuditCollector::Entry> audit;
  std::uint64_t transactions = 0;  // of this worker, from the beginning
};
// Of all workers, in the order of the packets.
void drain_audit(std::span<const WorkerOutput> outputs,
                 const std::function<void(const AuditCollector::Entry&)>& entry);
void drain_lines(std::span<const WorkerOutput> outputs, const std::function<void(std::string_view)>& line);

class Workers {
 public:
  using MakeFormat = std::function<std::unique_ptr<Format>()>;
  using Deliver = std::function<void(std::span<const WorkerOutput>)>;
  // `deliver` is called by the functions below, in the thread that reads.
  Workers(unsigned count, const inspect::InspectorOptions& options,
          std::shared_ptr<const inspect::Sites> sites, rules::CollectionStore* store,
          const MakeFormat& make_format, Deliver deliver, const std::optional<AuditShape>& audit = std::nullopt,
          rules::ProfileClock profile_clock = nullptr);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Several workers: a batch to fill, and what it is handed over with. Where too many are under way, filling()
  // first inspects what is for this thread's worker, and waits for the others. A worker's exception is thrown again here.
  [[nodiscard]] Batch& filling() { return filling_ != nullptr ? filling_->batch : take_slot(); }
  void submit();

  // Calls `source` until it says false, that nothing follows, in whichever thread has time, never in two at once: it
  // fills batches, hands them over, and leaves one that is not full. Returns when nothing follows and the caller's worker
  // has inspected what there is. What `source` throws is thrown again here, and it is not called any more.
  using Source = std::function<bool()>;
  void read(const Source& source);

  // One worker: its inspector, for callers that see to every packet themselves; what follows comes of this
  // packet. deliver_now() hands over what there is.
  [[nodiscard]] inspect::Inspector& inspector() { return workers_.front()->inspector; }
  void at(std::uint64_t packet) { workers_.front()->at(packet); }
  void files(const std::shared_ptr<const FileMap>& files) { workers_.front()->collector.files(files); }
  void deliver_now();

  // Nothing follows: waits for all batches, ends what is under way and hands it over. `last`: the number of
  // the last packet.
  void end_of_input(std::uint64_t last, const std::shared_ptr<const FileMap>& files);

  // Where the time went, of all workers; empty without a clock. REQUIRES: no batch is under way.
  [[nodiscard]] std::vector<rules::ProfileRow> profile() const;
  // REQUIRES: no batch is under way.
  [[nodiscard]] inspect::InspectorCounters counters() const;
  [[nodiscard]] unsigned count() const { return static_cast<unsigned>(workers_.size()); }

 private:
  // Batches that are under way at most; and how many one thread reads ahead of what it inspects.
  static constexpr std::size_t kSlots = 32;
  static constexpr std::size_t kAhead = 8;
  struct Worker {
    Worker(const inspect::InspectorOptions& options, std::shared_ptr<const inspect::Sites> sites,
           rules::CollectionStore* store, std::unique_ptr<Format> format, const std::optional<AuditShape>& shape)
        : collector(std::move(format)), inspector(options, collector, std::move(sites), store) {
      if (shape) inspector.show_transactions(&audit.emplace(*shape));
    }
    void at(std::uint64_t packet) {
      collector.at(packet);
      if (audit) audit->at(packet);
    }
    void take(WorkerOutput& output);
    Collector collector;
    std::optional<AuditCollector> audit;
    std::unique_ptr<rules::Profile> profile;
    inspect::Inspector inspector;
    std::uint64_t turn = 0;      // the batch that it inspects next; guarded by mutex_
    std::thread thread;          // none for the first one, whose thread is the caller's
  };
  struct Slot {
    Batch batch;
    std::vector<WorkerOutput> outputs;  // by worker
    unsigned running = 0;               // workers that are not done with it; guarded by mutex_
  };
  static void inspect_batch(Worker& worker, unsigned index, const Batch& batch);
  using Lock = std::unique_lock<std::mutex>;
  // Whether this worker has a batch to inspect; REQUIRES: mutex_ is held, as for all that take a Lock.
  [[nodiscard]] bool has_work(unsigned index) const { return workers_[index]->turn < published_; }
  void inspect_next(unsigned index, Lock& lock);
  [[nodiscard]] bool oldest_is_done() const;
  [[nodiscard]] bool has_room() const { return published_ - delivered_ < kSlots || oldest_is_done(); }
  void read_ahead(unsigned index, Lock& lock);
  void fail(std::exception_ptr failure);
  // A thread's whole life; the caller's: until nothing follows and its worker has inspected all there is.
  void work(unsigned index);

  // Of the thread that reads:
  Batch& take_slot();
  void finish_oldest();
  void finish_all();

  std::vector<std::unique_ptr<Worker>> workers_;
  Deliver deliver_;
  std::array<Slot, kSlots> slots_;
  // Of the thread that reads: the slots of batches by their number, those that are free (what was used last is taken
  // first: it is still in a cache), the one that is being filled, and the worker whose thread it is.
  std::array<Slot*, kSlots> slot_of_{};
  std::vector<Slot*> free_;
  Slot* filling_ = nullptr;
  unsigned reader_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  const Source* source_ = nullptr;  // null: nothing follows
  bool reading_ = false;            // a thread calls it
  bool leaving_ = false;
  std::uint64_t published_ = 0;     // batches before this one may be inspected
  std::uint64_t delivered_ = 0;     // batches before this one are done with
  std::exception_ptr failure_;      // the first one
};

}  // namespace weir::app
