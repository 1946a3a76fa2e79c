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
  for (Slot& slot : slots_) {
    slot.outputs.resize(workers_.size());
    free_.push_back(&slot);
  }
  for (unsigned i = 1; i < workers_.size(); ++i) {
    workers_[i]->thread = std::thread([this, i] { work(i); });
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
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

void Workers::fail(std::exception_ptr failure) {
  if (!failure_) failure_ = std::move(failure);
  source_ = nullptr;
  changed_.notify_all();
}

void Workers::inspect_next(unsigned index, Lock& lock) {
  Worker& worker = *workers_[index];
  Slot& slot = *slot_of_[worker.turn % kSlots];
  lock.unlock();
  std::exception_ptr failure;
  try {
    inspect_batch(worker, index, slot.batch);
    worker.take(slot.outputs[index]);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure) fail(failure);
  ++worker.turn;
  if (--slot.running == 0) changed_.notify_all();
}

void Workers::read_ahead(unsigned index, Lock& lock) {
  reading_ = true;
  reader_ = index;
  try {
    while (source_ != nullptr && has_room() && published_ - workers_[index]->turn < kAhead) {
      const Source& source = *source_;
      lock.unlock();
      const bool more = source();
      lock.lock();
      if (!more) source_ = nullptr;
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    fail(std::current_exception());
  }
  reading_ = false;
  reader_ = 0;
  changed_.notify_all();
}

void Workers::work(unsigned index) {
  Lock lock(mutex_);
  for (;;) {
    if (leaving_) return;
    if (has_work(index)) {
      inspect_next(index, lock);
    } else if (source_ != nullptr && !reading_ && has_room()) {
      read_ahead(index, lock);
    } else if (index == 0 && source_ == nullptr && !reading_) {
      return;
    } else {
      changed_.wait(lock);
    }
  }
}

void Workers::read(const Source& source) {
  if (workers_.size() == 1) {
    while (source()) {
    }
    return;
  }
  {
    const Lock lock(mutex_);
    source_ = &source;
  }
  changed_.notify_all();
  work(0);
  const Lock lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

bool Workers::oldest_is_done() const {
  return delivered_ < published_ && slot_of_[delivered_ % kSlots]->running == 0;
}

void Workers::finish_oldest() {
  Slot* oldest = nullptr;
  {
    Lock lock(mutex_);
    while (!failure_ && !oldest_is_done()) {
      if (has_work(reader_)) {
        inspect_next(reader_, lock);
      } else {
        changed_.wait(lock);
      }
    }
    if (failure_) std::rethrow_exception(failure_);
    oldest = slot_of_[delivered_ % kSlots];
    ++delivered_;
  }
  deliver_(oldest->outputs);
  free_.push_back(oldest);
}

Batch& Workers::take_slot() {
  for (;;) {
    {
      const Lock lock(mutex_);
      if (!free_.empty() && !oldest_is_done()) break;
    }
    finish_oldest();
  }
  filling_ = free_.back();
  free_.pop_back();
  filling_->batch.clear();
  return filling_->batch;
}

void Workers::submit() {
  if (filling_ == nullptr || filling_->batch.empty()) return;
  {
    const Lock lock(mutex_);
    filling_->running = count();
    slot_of_[published_ % kSlots] = filling_;
    ++published_;
  }
  changed_.notify_all();
  filling_ = nullptr;
}

void Workers::finish_all() {
  for (;;) {
    {
      const Lock lock(mutex_);
      if (delivered_ == published_) return;
    }
    finish_oldest();
  }
}

void Workers::deliver_now() {
  workers_.front()->take(slots_[0].outputs[0]);
  deliver_(slots_[0].outputs);
}

void Workers::end_of_input(std::uint64_t last, const std::shared_ptr<const FileMap>& files) {
  if (workers_.size() > 1) {
    submit();
    finish_all();
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
