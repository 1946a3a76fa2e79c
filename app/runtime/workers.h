// Workers: N inspectors, each with its own connections, that go through the same batches. All packets of a
// connection go to one of them; the others only learn what time it is, so that timeouts strike between
// the same packets with any number of workers. With one worker everything runs in the caller's thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "app/runtime/audit_collector.h"
#include "app/runtime/batch.h"
#include "app/runtime/collector.h"
#include "engine/inspect/inspector.h"

namespace weir::app {

class Workers {
 public:
  using MakeFormat = std::function<std::unique_ptr<Format>()>;
  Workers(unsigned count, const inspect::InspectorOptions& options,
          std::shared_ptr<const rules::RuleSet> rules, rules::CollectionStore* store,
          const MakeFormat& make_format, const std::optional<AuditShape>& audit = std::nullopt);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers();

  // Begins to inspect the batch, which must stay as it is until finish(). One batch at a time.
  void start(const Batch& batch);
  // Waits until the batch is done. A worker's exception is thrown again here.
  void finish();
  // No batch follows. `last`: the number of the last packet.
  void end_of_input(std::uint64_t last, const std::shared_ptr<const FileMap>& files);
  // Hands every audit log entry, and every line, to the function, in order, and forgets them.
  // REQUIRES: no batch is being inspected.
  void drain_audit(const std::function<void(const AuditCollector::Entry&)>& entry);
  void drain(const std::function<void(std::string_view)>& line);

  // For callers that see to every packet themselves (one worker only): what follows comes of this packet.
  [[nodiscard]] inspect::Inspector& inspector() { return workers_.front()->inspector; }
  void at(std::uint64_t packet, const std::shared_ptr<const FileMap>& files) {
    workers_.front()->at(packet);
    workers_.front()->collector.files(files);
  }

  [[nodiscard]] inspect::InspectorCounters counters() const;
  [[nodiscard]] unsigned count() const { return static_cast<unsigned>(workers_.size()); }

 private:
  struct Worker {
    Worker(const inspect::InspectorOptions& options, std::shared_ptr<const rules::RuleSet> rules,
           rules::CollectionStore* store, std::unique_ptr<Format> format, const std::optional<AuditShape>& shape)
        : collector(std::move(format)), inspector(options, collector, std::move(rules), store) {
      if (shape) inspector.show_transactions(&audit.emplace(*shape));
    }
    void at(std::uint64_t packet) {
      collector.at(packet);
      if (audit) audit->at(packet);
    }
    Collector collector;
    std::optional<AuditCollector> audit;
    inspect::Inspector inspector;
    std::exception_ptr failure;
    std::thread thread;
  };
  static void inspect_batch(Worker& worker, unsigned index, const Batch& batch);
  void run(unsigned index);

  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex mutex_;
  std::condition_variable started_, done_;
  const Batch* batch_ = nullptr;   // guarded by mutex_, as all below
  std::uint64_t generation_ = 0;
  unsigned running_ = 0;
  bool leaving_ = false;
};

}  // namespace weir::app
