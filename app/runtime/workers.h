// Workers: N inspectors, each with its own connections. All packets of a connection go to one of them; the
// others only learn what time it is, so that timeouts strike between the same packets with any number of
// workers.
//
// With one worker the caller's thread inspects each packet where it lies. With more, packets are copied into
// batches, of which several are under way: a worker that has the dearer half of one batch catches up in the
// next ones. What comes out is handed over batch by batch, in the order of the input.
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
  // `deliver` is called in the caller's thread, by the functions below.
  Workers(unsigned count, const inspect::InspectorOptions& options,
          std::shared_ptr<const inspect::Sites> sites, rules::CollectionStore* store,
          const MakeFormat& make_format, Deliver deliver, const std::optional<AuditShape>& audit = std::nullopt,
          rules::ProfileClock profile_clock = nullptr);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Several workers: a batch to fill, and what it is handed over with. Where many are under way already,
  // submit() waits for the oldest one. A worker's exception is thrown again here.
  [[nodiscard]] Batch& filling() { return slots_[next_ % kSlots].batch; }
  void submit();

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
  static constexpr std::size_t kSlots = 8;
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
    std::exception_ptr failure;  // guarded by mutex_
    std::thread thread;
  };
  struct Slot {
    Batch batch;
    std::vector<WorkerOutput> outputs;  // by worker
    unsigned running = 0;               // workers that are not done with it; guarded by mutex_
  };
  static void inspect_batch(Worker& worker, unsigned index, const Batch& batch);
  void run(unsigned index);
  [[nodiscard]] bool oldest_is_done();
  void finish_oldest();

  std::vector<std::unique_ptr<Worker>> workers_;
  Deliver deliver_;
  std::array<Slot, kSlots> slots_;
  std::uint64_t next_ = 0;       // the batch that is being filled; the caller's
  std::uint64_t delivered_ = 0;  // batches before this one are done with; the caller's
  std::mutex mutex_;
  std::condition_variable started_, done_;
  std::uint64_t published_ = 0;  // batches before this one may be inspected; guarded by mutex_
  bool leaving_ = false;         // guarded by mutex_
};

}  // namespace weir::app
