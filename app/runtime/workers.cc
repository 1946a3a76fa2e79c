#include "app/runtime/workers.h"

#include <algorithm>
#include <utility>

namespace weir::app {

void drain_audit(std::span<const WorkerOutput> outputs,
                 const std::function<void(const AuditCollector::Entry&)>& entry) {
  std::vector<const AuditCollector::Entry*> all;
  for (const WorkerOutput& output : outputs) {
    for (const AuditCollector::Entry& one : output.audit) all.push_back(&one);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
  for (const auto* one : all) entry(*one);
}

void drain_lines(std::span<const WorkerOutput> outputs, const std::function<void(std::string_view)>& line) {
  std::vector<std::pair<const Collector::Lines*, const Collector::Line*>> all;
  for (const WorkerOutput& output : outputs) {
    for (const Collector::Line& one : output.lines.lines) all.emplace_back(&output.lines, &one);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second->key() < b.second->key();
  });
  for (const auto& [lines, one] : all) line(lines->text(*one));
}

Workers::Workers(unsigned count, const inspect::InspectorOptions& options,
                 std::shared_ptr<const inspect::Sites> sites, rules::CollectionStore* store,
                 const MakeFormat& make_format, Deliver deliver, const std::optional<AuditShape>& audit,
                 rules::ProfileClock profile_clock)
    : deliver_(std::move(deliver)) {
  for (unsigned i = 0; i < std::max(count, 1U); ++i) {
    workers_.push_back(std::make_unique<Worker>(options, sites, store, make_format(), audit));
    if (profile_clock == nullptr) continue;
    Worker& worker = *workers_.back();
    worker.profile = std::make_unique<rules::Profile>(sites->everything().rules, profile_clock);
    worker.inspector.profile(worker.profile.get());
  }
  for (Slot& slot : slots_) slot.outputs.resize(workers_.size());
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

void Workers::Worker::take(WorkerOutput& output) {
  collector.take(output.lines);
  if (audit) audit->take(output.audit);
  output.transactions = inspector.counters().transactions;
}

void Workers::inspect_batch(Worker& worker, unsigned index, const Batch& batch) {
  worker.collector.files(batch.files);
  for (std::size_t i = 0; i < batch.items().size(); ++i) {
    batch.fetch(i, index);
    const Batch::Item& item = batch.items()[i];
    worker.at(item.number);
    if (item.tcp && item.worker == index) {
      worker.inspector.on_segment(batch.segment(item));
    } else {
      // As if one inspector took them all: what ends with time or the input is told by the same number.
      (void)worker.inspector.on_time(item.time, item.tcp ? item.number : 0);
    }
  }
}

void Workers::run(unsigned index) {
  Worker& worker = *workers_[index];
  for (std::uint64_t turn = 0;; ++turn) {
    {
      std::unique_lock lock(mutex_);
      started_.wait(lock, [&] { return leaving_ || published_ > turn; });
      if (leaving_) return;
    }
    Slot& slot = slots_[turn % kSlots];
    std::exception_ptr failure;
    try {
      inspect_batch(worker, index, slot.batch);
      worker.take(slot.outputs[index]);
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    if (failure) worker.failure = failure;
    if (--slot.running == 0) done_.notify_one();
  }
}

void Workers::finish_oldest() {
  Slot& slot = slots_[delivered_ % kSlots];
  {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return slot.running == 0; });
    for (const auto& worker : workers_) {
      if (worker->failure) std::rethrow_exception(worker->failure);
    }
  }
  ++delivered_;
  deliver_(slot.outputs);
}

bool Workers::oldest_is_done() {
  const std::lock_guard lock(mutex_);
  return slots_[delivered_ % kSlots].running == 0;
}

void Workers::submit() {
  if (filling().empty()) return;
  {
    const std::lock_guard lock(mutex_);
    slots_[next_ % kSlots].running = count();
    published_ = next_ + 1;
  }
  started_.notify_all();
  ++next_;
  while (delivered_ < next_ && (next_ - delivered_ == kSlots || oldest_is_done())) finish_oldest();
  filling().clear();
}

void Workers::deliver_now() {
  workers_.front()->take(slots_[0].outputs[0]);
  deliver_(slots_[0].outputs);
}

void Workers::end_of_input(std::uint64_t last, const std::shared_ptr<const FileMap>& files) {
  if (workers_.size() > 1) {
    submit();
    while (delivered_ < next_) finish_oldest();
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    worker.collector.files(files);
    worker.at(last + 1);
    worker.inspector.end_of_input();
    worker.take(slots_[0].outputs[i]);
  }
  deliver_(slots_[0].outputs);
}

std::vector<rules::ProfileRow> Workers::profile() const {
  rules::Profile* first = workers_.front()->profile.get();
  if (first == nullptr) return {};
  for (std::size_t i = 1; i < workers_.size(); ++i) first->add(*workers_[i]->profile);
  return first->rows();
}

inspect::InspectorCounters Workers::counters() const {
  inspect::InspectorCounters sum;
  for (const auto& worker : workers_) sum += worker->inspector.counters();
  return sum;
}

}  // namespace weir::app
