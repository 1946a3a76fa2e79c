#include "app/live/worker.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "app/config/memory.h"
#include "app/live/clock.h"
#include "app/live/stop_signal.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

constexpr std::size_t kBatch = 64;
constexpr Duration kWait = milliseconds(50);
constexpr std::int64_t kTick = milliseconds(10).ns;
constexpr std::int64_t kPublish = milliseconds(200).ns;
// After the stop: packets that are there already are still judged, for so long.
constexpr std::int64_t kLastPackets = milliseconds(200).ns;

void pin(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    complain("warning: a worker cannot be pinned to processor " + std::to_string(cpu));
  }
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> part{};
  off_t at = 0;
  for (;;) {
    const ssize_t n = ::pread(descriptor, part.data(), part.size(), at);
    if (n <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(n));
    at += n;
  }
}

}  // namespace

Worker::Worker(const WorkerSetup& setup, std::shared_ptr<const Loaded> loaded, Mailbox mailbox)
    : setup_(setup),
      loaded_(std::move(loaded)),
      mailbox_(std::move(mailbox)),
      sink_(loaded_->config.events, setup.input->name, *setup.ring, setup.wake) {}

std::string Worker::name() const { return "worker " + std::to_string(setup_.index) + " (" + setup_.input->name + ")"; }

Result<void> Worker::open() {
  const Config& config = loaded_->config;
  const bool refuse_poisoned = setup_.after_poison && config.failures.action(FailureCause::Poisoned) != FailureAction::Pass;
  auto port = setup_.input->open(config.failures.open && !refuse_poisoned ? Fate::Forward : Fate::Drop);
  if (!port) return fail(port.error().message);
  port_ = std::move(*port);
  inspect::InspectorOptions options = inspector_options(config, setup_.input->stance);
  options.block.page = loaded_->page;
  options.release.requests = options.release.requests && setup_.input->uploads;
  // Where nothing may pass uninspected, connections of a worker that died are not taken up by the next: what it
  // had refused would get by.
  if (setup_.replaces && !config.failures.open) options.midstream_grace = {0};
  options.in_hand = &setup_.shared->in_hand;
  options.poisoned = setup_.poisoned;
  const base::SipKey key = random_key();
  options.table_k0 = key.k0;
  options.table_k1 = key.k1;
  rules::CollectionStore* store = setup_.store;
  if (setup_.store != nullptr) {
    setup_.store->take_part();
  } else {
    rules::StoreLimits limits;
    limits.bytes = config.collections.memory;
    store = &own_store_.emplace(limits, random_key());
  }
  inspector_ = std::make_unique<inspect::Inspector>(options, sink_, sites(), store);
  if (setup_.audit_ring != nullptr) {
    inspector_->show_transactions(&audit_.emplace(setup_.audit, *setup_.audit_ring, setup_.audit_wake));
  }
  return {};
}

std::shared_ptr<const inspect::Sites> Worker::sites() const {
  return make_sites(loaded_->config, loaded_->policies, setup_.input->stance == inspect::Stance::Inline);
}

ExitCode Worker::run() {
  take_stop_signal();
  // If the supervisor dies, so does this worker, in good order.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::prctl(PR_SET_NAME, ("weir-" + std::to_string(setup_.index)).c_str());
  if (setup_.cpu) pin(*setup_.cpu);
  if (const Result<void> opened = open(); !opened) {
    complain(name() + ": " + opened.error().message);
    return ExitCode::Environment;
  }
  if (loaded_->config.limits.memory == 0) heap_for_transactions(1);
  setup_.shared->generation.store(setup_.generation, std::memory_order_relaxed);
  setup_.shared->state.store(WorkerState::Running, std::memory_order_release);
  return loop();
}

ExitCode Worker::loop() {
  std::array<Packet, kBatch> packets;
  began_ = last_tick_ = last_publish_ = monotonic_now();
  std::int64_t stop_at = 0;
  ExitCode exit = ExitCode::Fine;
  for (;;) {
    setup_.shared->beats.fetch_add(1, std::memory_order_relaxed);
    heed_bypass();
    const std::int64_t before = monotonic_now();
    const Result<Received> got = port_->receive(packets, stopping_ ? Duration{0} : kWait);
    const std::int64_t after = monotonic_now();
    if (!got) {
      complain(name() + ": " + got.error().message);
      exit = ExitCode::Environment;
      break;
    }
    if (got->ended) break;
    for (std::size_t i = 0; i < got->count; ++i) inspect(packets[i]);
    const std::int64_t done = monotonic_now();
    // A receive that had packets at once did not wait.
    busy_ += done - (got->count > 0 && after - before < kTick ? before : after);
    if (done - last_tick_ >= kTick || got->count == 0) tick();
    if (stopping_ || stop_asked() || mailbox_.gone()) {
      stopping_ = true;
      if (stop_at == 0) stop_at = done + kLastPackets;
      if (got->count == 0 || done >= stop_at) break;
    }
  }
  finish();
  return exit;
}

// What passed meanwhile is unknown to the engine, which begins as after a start; held packets go on at once.
void Worker::heed_bypass() {
  const bool on = setup_.shared->bypass.load(std::memory_order_relaxed);
  if (on == bypass_) return;
  bypass_ = on;
  port_->set_bypass(on);
  inspector_->begin_anew(time_now());
  bypassed_ += held_.size();
  for (const auto& [number, packet] : held_) port_->settle(packet, Fate::Forward);
  held_.clear();
}

void Worker::inspect(const Packet& packet) {
  // Of the batch too each one shows that it moves: only what takes long by itself does not.
  setup_.shared->beats.fetch_add(1, std::memory_order_relaxed);
  if (bypass_) {
    ++bypassed_;
    port_->settle(packet, Fate::Forward);
    return;
  }
  const inspect::Verdict verdict = inspector_->on_packet(packet);
  settle_held(verdict.held);
  inspect::tell_release(*port_, packet, verdict);
  switch (verdict.kind) {
    case inspect::VerdictKind::Forward: port_->settle(packet, Fate::Forward); break;
    case inspect::VerdictKind::Drop: port_->settle(packet, Fate::Drop); break;
    case inspect::VerdictKind::Hold: held_.emplace(packet.number, packet); break;
    case inspect::VerdictKind::Replace: port_->replace(packet, verdict.replacement); break;
  }
  inject(verdict.inject);
}

void Worker::pass_time(Timestamp now) {
  const inspect::Verdict verdict = inspector_->on_time(now);
  settle_held(verdict.held);
  inject(verdict.inject);
}

void Worker::settle_held(std::span<const inspect::HeldFate> fates) {
  for (const inspect::HeldFate& fate : fates) {
    const auto found = held_.find(fate.number);
    if (found == held_.end()) continue;
    port_->settle(found->second, fate.fate);
    held_.erase(found);
  }
}

void Worker::inject(std::span<const inspect::Injection> frames) {
  // What cannot be sent is counted by the port; the engine repeats what must arrive.
  for (const inspect::Injection& one : frames) static_cast<void>(port_->inject(one.like, one.towards, one.frame));
}

void Worker::tick() {
  last_tick_ = monotonic_now();
  pass_time(time_now());
  read_mail();
  static_cast<void>(scanning_.finished());
  if (loader_.ready()) {
    const std::uint32_t generation = loader_.generation();
    LoadOutcome outcome = loader_.take();
    if (outcome.loaded) {
      prepared_ = std::move(outcome.loaded);
      prepared_generation_ = generation;
      answer(Word::Prepared, generation, fingerprint(*prepared_));
    } else {
      answer(Word::Failed, generation, outcome.why);
    }
  }
  flush();
  if (last_tick_ - last_publish_ >= kPublish) publish();
}

void Worker::flush() {
  sink_.flush();
  if (audit_) audit_->flush();
}

void Worker::read_mail() {
  while (std::optional<Message> message = mailbox_.receive()) {
    switch (message->word) {
      case Word::Prepare:
        prepared_.reset();
        if (loader_.busy()) {
          answer(Word::Failed, message->generation, "still loading an earlier configuration\n");
        } else {
          loader_.start(read_all(message->attachment.get()), loaded_->config.file, message->generation);
        }
        break;
      case Word::Change:
        if (prepared_ && prepared_generation_ == message->generation) change();
        break;
      case Word::Forget: prepared_.reset(); break;
      case Word::Stop: stopping_ = true; break;
      case Word::Scanners: scanning_.start(loaded_); break;
      case Word::Prepared:
      case Word::Failed: break;
    }
  }
}

void Worker::change() {
  loaded_ = std::move(prepared_);
  sink_.use(loaded_->config.events);
  inspector_->use(sites());
  setup_.shared->generation.store(prepared_generation_, std::memory_order_release);
}

void Worker::answer(Word word, std::uint32_t generation, std::string text) {
  Message message;
  message.word = word;
  message.generation = generation;
  message.text = std::move(text);
  static_cast<void>(mailbox_.send(message));
}

void Worker::publish() {
  last_publish_ = monotonic_now();
  Figures figures;
  figures.inspector = inspector_->counters();
  figures.flow = inspector_->flow_counters();
  figures.port = port_->stats();
  figures.events = sink_.written();
  figures.events_lost = sink_.lost();
  if (audit_) {
    figures.audit = audit_->made();
    figures.audit_lost = audit_->lost();
  }
  figures.bypassed = bypassed_ + figures.port.bypassed;
  figures.busy_ns = static_cast<std::uint64_t>(busy_);
  figures.alive_ns = static_cast<std::uint64_t>(last_publish_ - began_);
  setup_.shared->figures.publish(figures);
}

// Nothing may stay without its verdict: fragments that are incomplete never get on.
void Worker::finish() {
  setup_.shared->state.store(WorkerState::Stopping, std::memory_order_release);
  for (const auto& [number, packet] : held_) port_->settle(packet, Fate::Drop);
  held_.clear();
  inspector_->end_of_input();
  flush();
  publish();
  port_.reset();
}

}  // namespace weir::app
