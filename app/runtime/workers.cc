#include "app/runtime/workers.h"

#include <algorithm>
#include <utility>

namespace weir::app {

Workers::Workers(unsigned count, const inspect::InspectorOptions& options,
                 std::shared_ptr<const rules::RuleSet> rules, rules::CollectionStore* store,
                 const MakeFormat& make_format, const std::optional<AuditShape>& audit) {
  for (unsigned i = 0; i < std::max(count, 1U); ++i) {
    workers_.push_back(std::make_unique<Worker>(options, rules, store, make_format(), audit));
  }
  if (workers_.size() == 1) return;
  for (unsigned i = 0; i < workers_.size(); ++i) {
    workers_[i]->thread = std::thread([this, i] { run(i); });
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  started_.notify_all();
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

void Workers::inspect_batch(Worker& worker, unsigned index, const Batch& batch) {
  worker.collector.files(batch.files);
  for (const Batch::Item& item : batch.items()) {
    worker.at(item.number);
    if (item.tcp && item.worker == index) {
      worker.inspector.on_segment(batch.segment(item));
    } else {
      (void)worker.inspector.on_time(item.time);
    }
  }
}

void Workers::run(unsigned index) {
  std::uint64_t seen = 0;
  for (;;) {
    const Batch* batch = nullptr;
    {
      std::unique_lock lock(mutex_);
      started_.wait(lock, [&] { return leaving_ || generation_ != seen; });
      if (leaving_) return;
      seen = generation_;
      batch = batch_;
    }
    try {
      inspect_batch(*workers_[index], index, *batch);
    } catch (...) {
      workers_[index]->failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      --running_;
    }
    done_.notify_one();
  }
}

void Workers::start(const Batch& batch) {
  if (workers_.size() == 1) {
    inspect_batch(*workers_.front(), 0, batch);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    batch_ = &batch;
    running_ = static_cast<unsigned>(workers_.size());
    ++generation_;
  }
  started_.notify_all();
}

void Workers::finish() {
  if (workers_.size() > 1) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return running_ == 0; });
  }
  for (const auto& worker : workers_) {
    if (worker->failure) std::rethrow_exception(worker->failure);
  }
}

void Workers::end_of_input(std::uint64_t last, const std::shared_ptr<const FileMap>& files) {
  for (const auto& worker : workers_) {
    worker->collector.files(files);
    worker->at(last + 1);
    worker->inspector.end_of_input();
  }
}

void Workers::drain_audit(const std::function<void(const AuditCollector::Entry&)>& entry) {
  std::vector<const AuditCollector::Entry*> all;
  for (const auto& worker : workers_) {
    if (!worker->audit) continue;
    for (const AuditCollector::Entry& one : worker->audit->entries()) all.push_back(&one);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
  for (const auto* one : all) entry(*one);
  for (const auto& worker : workers_) {
    if (worker->audit) worker->audit->clear();
  }
}

void Workers::drain(const std::function<void(std::string_view)>& line) {
  std::vector<std::pair<const Collector*, const Collector::Line*>> all;
  for (const auto& worker : workers_) {
    for (const Collector::Line& one : worker->collector.lines()) all.emplace_back(&worker->collector, &one);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second->key() < b.second->key();
  });
  for (const auto& [collector, one] : all) line(collector->text(*one));
  for (const auto& worker : workers_) worker->collector.clear();
}

inspect::InspectorCounters Workers::counters() const {
  inspect::InspectorCounters sum;
  for (const auto& worker : workers_) sum += worker->inspector.counters();
  return sum;
}

}  // namespace weir::app
