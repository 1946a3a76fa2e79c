#include "app/live/supervisor.h"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <utility>

#include "app/config/memory.h"
#include "app/live/changes.h"
#include "app/live/clock.h"
#include "app/live/helper.h"
#include "app/live/kept_collections.h"
#include "app/live/worker.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

constexpr int kTick = 100;                                   // ms
constexpr std::int64_t kStopWithin = seconds(10).ns;
constexpr Duration kLeaveWithin = seconds(15);               // more than kStopWithin
constexpr std::int64_t kHelperWithin = seconds(2).ns;
constexpr std::int64_t kStartWithin = seconds(60).ns;        // memory is reserved then, and nothing is late yet
constexpr std::int64_t kReloadWithin = seconds(300).ns;
constexpr std::int64_t kQuick = seconds(1).ns;               // a worker that lives shorter has a lasting trouble
constexpr std::int64_t kLongestPause = seconds(5).ns;
constexpr std::int64_t kFirstPause = milliseconds(100).ns;

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD}) ::sigaddset(&set, signal);
  return set;
}

// The processors that this process may use.
std::vector<unsigned> allowed_cpus() {
  std::vector<unsigned> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

std::optional<unsigned> cpu_of(const CpuChoice& choice, std::size_t worker, std::size_t workers) {
  if (choice.kind == CpuChoice::Kind::None) return std::nullopt;
  if (choice.kind == CpuChoice::Kind::List) return choice.list[worker % choice.list.size()];
  const std::vector<unsigned> cpus = allowed_cpus();
  // More workers than processors: the kernel spreads them better.
  if (cpus.empty() || workers > cpus.size()) return std::nullopt;
  return cpus[worker];
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    const char* name = ::strsignal(WTERMSIG(status));
    return "was ended by signal " + std::to_string(WTERMSIG(status)) + " (" + (name == nullptr ? "?" : name) + ")";
  }
  return "left with status " + std::to_string(WEXITSTATUS(status));
}

Descriptor in_memory_file(const std::string& text) {
  Descriptor file(::memfd_create("weir.yaml", MFD_CLOEXEC));
  if (file.valid() && ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) file.reset();
  return file;
}

}  // namespace

Supervisor::Supervisor(std::shared_ptr<const Loaded> loaded, Inputs inputs, std::unique_ptr<EventWriter> writer,
                       std::unique_ptr<AuditWriter> audit, AuditShape shape, std::optional<Control> control,
                       std::unique_ptr<Predecessor> predecessor)
    : loaded_(std::move(loaded)),
      inputs_(std::move(inputs)),
      writer_(std::move(writer)),
      audit_(std::move(audit)),
      shape_(std::move(shape)),
      control_(std::move(control)),
      predecessor_(std::move(predecessor)) {}

Supervisor::~Supervisor() = default;

Result<void> Supervisor::prepare() {
  const sigset_t set = handled_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return fail("no signal descriptor");
  if (const CollectionsConfig& collections = loaded_->config.collections; collections.shared) {
    auto store = SharedStore::make(collections.memory, random_key());
    if (!store) return fail(store.error().message);
    store_ = std::move(*store);
  }
  slots_.resize(inputs_.workers().size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].input = &inputs_.workers()[i];
    auto ring = EventRing::make(static_cast<std::size_t>(loaded_->config.events.buffer));
    if (!ring) return fail(ring.error().message);
    slots_[i].ring = std::move(*ring);
    if (audit_) {
      auto audit_ring = EventRing::make(static_cast<std::size_t>(loaded_->config.audit.buffer));
      if (!audit_ring) return fail(audit_ring.error().message);
      slots_[i].audit_ring = std::move(*audit_ring);
    }
    auto memory = SharedMemory::make(sizeof(WorkerShared));
    if (!memory) return fail(memory.error().message);
    ::new (static_cast<void*>(memory->data())) WorkerShared;
    slots_[i].memory.emplace(std::move(*memory));
  }
  if (loaded_->config.has_helper()) {
    auto pulse = Pulse::create(static_cast<std::uint32_t>(slots_.size()));
    if (!pulse) return fail(pulse.error().message);
    pulse_.emplace(std::move(*pulse));
  }
  return {};
}

ExitCode Supervisor::run() {
  if (const Result<void> prepared = prepare(); !prepared) {
    complain(prepared.error().message);
    return ExitCode::Environment;
  }
  began_ = monotonic_now();
  next_stats_ = began_ + loaded_->config.stats_interval.ns;
  warm_rules();
  if (const Result<void> taken = take_its_place(); !taken) {
    complain(taken.error().message);
    return ExitCode::Environment;
  }
  take_collections();  // what the one before kept when it left
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!fork_worker(i, false)) begin_stop();
  }
  if (pulse_) fork_helper();
  std::vector<EventRing*> rings, audit_rings;
  for (const Slot& slot : slots_) {
    rings.push_back(slot.ring.get());
    audit_rings.push_back(slot.audit_ring.get());
  }
  writer_->start(std::move(rings));
  if (audit_) audit_->start(std::move(audit_rings));
  scanning_.start(loaded_);
  const ExitCode exit = loop();
  end_helper();
  keep_collections();
  control_.reset();  // whoever takes this one's place begins now
  if (audit_) audit_->stop();
  stats_record();
  writer_->stop();
  return exit;
}

// Nothing is left to be done but to fork: packets wait in the queues meanwhile.
Result<void> Supervisor::take_its_place() {
  if (!predecessor_) return {};
  if (const Result<void> left = predecessor_->leave(kLeaveWithin); !left) return left;
  predecessor_.reset();
  auto control = Control::listen(loaded_->config.control);
  if (!control) return fail(control.error().message);
  control_.emplace(std::move(*control));
  return {};
}

void Supervisor::take_collections() {
  const std::string& file = loaded_->config.collections.file;
  if (!store_ || file.empty()) return;
  if (const auto loaded = load_collections(*store_, file, time_now()); !loaded) complain("the collections: " + file + ": " + loaded.error().message);
}

// The workers are gone.
void Supervisor::keep_collections() {
  const std::string& file = loaded_->config.collections.file;
  if (!store_ || file.empty() || !started_) return;
  if (const auto saved = save_collections(*store_, file); !saved) complain("the collections are not kept: " + saved.error().message);
}

// --- workers ---

// Before a thread begins to compile databases: a worker may be forked meanwhile, and must not find a pattern that
// the thread was at. What all workers use then lies in memory that they share.
void Supervisor::warm_rules() const {
  for (const LoadedRules& set : loaded_->policies.sets) set.rules->warm();
}

bool Supervisor::fork_worker(std::size_t index, bool replaces) {
  Slot& slot = slots_[index];
  auto pair = Mailbox::pair();
  if (!pair) {
    complain(pair.error().message);
    return false;
  }
  slot.shared().beats.store(0, std::memory_order_relaxed);
  slot.shared().state.store(WorkerState::Starting, std::memory_order_relaxed);
  slot.shared().figures.clear();
  slot.shared().in_hand.put_down();
  slot.stuck = false;
  const pid_t self = ::getpid();
  const bool compiling = scanning_.busy();  // by a thread that the child does not have
  const pid_t process = ::fork();
  if (process == 0 && compiling) {
    for (const LoadedRules& set : loaded_->policies.sets) set.rules->after_fork();
  }
  if (process < 0) {
    complain("cannot fork a worker: " + std::string(std::strerror(errno)));
    return false;
  }
  if (process == 0) be_worker(index, replaces, std::move(pair->second), self);
  slot.mailbox.emplace(std::move(pair->first));
  slot.process = process;
  slot.began = monotonic_now();
  slot.progress = {};
  slot.progress.begin(slot.began);
  slot.prepared.clear();
  return true;
}

void Supervisor::be_worker(std::size_t index, bool replaces, Mailbox mailbox, pid_t supervisor) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != supervisor) ::_exit(0);
  let_go_in_child();
  int code = static_cast<int>(ExitCode::Bug);
  {
    WorkerSetup setup;
    setup.index = static_cast<unsigned>(index);
    setup.generation = generation_;
    setup.replaces = replaces;
    setup.after_poison = slots_[index].after_poison;
    setup.poisoned = slots_[index].poisoned.at(monotonic_now());
    setup.input = slots_[index].input;
    setup.cpu = cpu_of(loaded_->config.cpus, index, slots_.size());
    setup.ring = slots_[index].ring.get();
    if (audit_) {
      setup.audit_ring = slots_[index].audit_ring.get();
      setup.audit = shape_;
      setup.audit_wake = audit_->descriptor();
    }
    setup.store = store_.get();
    setup.shared = &slots_[index].shared();
    setup.wake = writer_->descriptor();
    Worker worker(setup, loaded_, std::move(mailbox));
    code = static_cast<int>(worker.run());
  }
  ::_exit(code);
}

// What is the supervisor's alone.
void Supervisor::let_go_in_child() {
  for (Slot& slot : slots_) slot.mailbox.reset();
  signals_.reset();
  if (control_) control_->let_go();
}

void Supervisor::reap() {
  for (;;) {
    int status = 0;
    const pid_t process = ::waitpid(-1, &status, WNOHANG);
    if (process <= 0) return;
    if (process == helper_) {
      helper_ = 0;
      const std::int64_t now = monotonic_now();
      const bool quick = now - helper_began_ < kQuick;
      if (!started_ && quick && !stopping_) {  // it has said why
        exit_ = ExitCode::Environment;
        begin_stop();
      } else if (!stopping_) {
        complain("the process for health checks " + how_it_ended(status) + "; another takes its place");
        helper_at_ = now + (quick ? kLongestPause : 0);
      }
      continue;
    }
    if (store_) store_->died(process);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].process == process) died(slots_[i], i, status);
    }
  }
}

void Supervisor::died(Slot& slot, std::size_t index, int status) {
  const std::int64_t now = monotonic_now();
  slot.process = 0;
  slot.mailbox.reset();
  Figures last;
  if (slot.shared().figures.read(last)) past_.add(last, false);
  slot.shared().figures.clear();
  if (stopping_) return;
  const bool poisoned = poison(slot, status, now);
  const std::string name = "worker " + std::to_string(index) + " (" + slot.input->name + ")";
  if (!started_ && slot.shared().state.load() == WorkerState::Starting) {
    // It has said why.
    exit_ = WIFEXITED(status) && WEXITSTATUS(status) == static_cast<int>(ExitCode::Environment) ? ExitCode::Environment
                                                                                            : ExitCode::Bug;
    if (exit_ == ExitCode::Bug) complain(name + " " + how_it_ended(status) + " before it was running");
    begin_stop();
    return;
  }
  if (next_) give_up_reload(name + " died meanwhile");
  ++restarts_;
  slot.quick_deaths = now - slot.began < kQuick ? slot.quick_deaths + 1 : 0;
  const unsigned doublings = std::min(slot.quick_deaths, 10U);
  const std::int64_t pause =
      slot.quick_deaths < 2 ? 0 : std::min(kLongestPause, kFirstPause << (doublings - 2));
  slot.begin_at = now + pause;
  complain(name + " " + how_it_ended(status) + "; another takes its place" +
           (pause > 0 ? " in " + std::to_string(pause / milliseconds(1).ns) + " ms" : "") +
           (poisoned ? "; the connection that it had in hand meets failures.poisoned" : ""));
}

// The packet that a worker was at when it got stuck or crashed may do the same to the next one, or slip past it. Whoever
// was ended by somebody else was ended between two packets as likely as not, and innocent.
bool Supervisor::poison(Slot& slot, int status, std::int64_t now) {
  const std::optional<flow::FlowKey> key = slot.shared().in_hand.read();
  slot.after_poison = key && (slot.stuck || crashed(status));
  if (slot.after_poison) slot.poisoned.add(*key, now);
  return slot.after_poison;
}

// Those that are gone come back; those that do not go round any more are ended.
void Supervisor::watch() {
  const std::int64_t now = monotonic_now();
  const std::int64_t limit = loaded_->config.watchdog.ns;
  bool all_running = true;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.process == 0) {
      all_running = false;
      if (!stopping_ && now >= slot.begin_at && !fork_worker(i, true)) slot.begin_at = now + kFirstPause;
      continue;
    }
    all_running = all_running && slot.shared().state.load(std::memory_order_acquire) == WorkerState::Running;
    slot.progress.look(slot.shared().beats.load(std::memory_order_relaxed), now,
                       [&slot] { return scheduling_of(slot.process); });
    const bool starts = slot.shared().state.load(std::memory_order_acquire) == WorkerState::Starting;
    if (stopping_ || slot.stuck || slot.progress.stood() <= (starts ? std::max(limit, kStartWithin) : limit)) continue;
    ++stuck_;
    slot.stuck = true;
    complain("worker " + std::to_string(i) + " (" + slot.input->name + ") has not moved for " +
             std::to_string(slot.progress.stood() / seconds(1).ns) + " s and is ended");
    ::kill(slot.process, SIGKILL);
  }
  if (all_running && !started_) {
    started_ = true;
    const std::size_t n = slots_.size();
    complain("running: " + std::to_string(n) + (n == 1 ? " worker" : " workers"));
  }
}

// --- the loop ---

void Supervisor::wait() {
  std::vector<pollfd> ready{{signals_.get(), POLLIN, 0}};
  for (const Slot& slot : slots_) {
    // One that is gone is readable all the while that its worker takes to die.
    if (slot.mailbox && !slot.mailbox->gone()) ready.push_back({slot.mailbox->descriptor(), POLLIN, 0});
  }
  if (control_) ready.push_back({control_->descriptor(), POLLIN, 0});
  ::poll(ready.data(), ready.size(), kTick);
}

ExitCode Supervisor::loop() {
  for (;;) {
    wait();
    signals();
    reap();
    mail();
    if (control_) control_->serve([this](std::string_view request) { return asked(request); });
    watch();
    if (pulse_ && helper_ == 0 && !stopping_ && monotonic_now() >= helper_at_) fork_helper();
    if (loader_.ready()) loaded_aside();
    if (scanning_.finished()) {
      tell(Word::Scanners);
      if (const std::string sentence = left_out(loaded_->policies); !sentence.empty()) complain(sentence);
    }
    const std::int64_t now = monotonic_now();
    if (next_ && now >= reload_until_) give_up_reload("the workers take too long");
    if (now >= next_stats_) {
      next_stats_ = now + loaded_->config.stats_interval.ns;
      stats_record();
    }
    if (drain_until_ != 0 && now >= drain_until_) begin_stop();
    if (!stopping_) continue;
    if (!any_alive()) return exit_;
    if (now >= kill_at_) {
      for (const Slot& slot : slots_) {
        if (slot.process != 0) ::kill(slot.process, SIGKILL);
      }
    }
  }
}

void Supervisor::signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    switch (info.ssi_signo) {
      case SIGTERM:
      case SIGINT:
        if (stopping_) kill_at_ = 0;  // asked twice: at once
        begin_drain();
        break;
      case SIGHUP:
      case SIGUSR2:
        writer_->reopen();
        if (audit_) audit_->reopen();
        reload();
        break;
      case SIGUSR1: stats_line(); break;
      default: break;
    }
  }
}

void Supervisor::begin_drain() {
  if (stopping_) return;
  const std::int64_t time = loaded_->config.drain.ns;
  if (time == 0 || drain_until_ != 0 || !started_) {  // asked twice: no longer
    begin_stop();
    return;
  }
  drain_until_ = monotonic_now() + time;
  if (pulse_) pulse_->flags().draining.store(true);
  complain("draining for " + std::to_string(time / seconds(1).ns) + " s");
}

void Supervisor::fork_helper() {
  const pid_t self = ::getpid();
  const pid_t process = ::fork();
  if (process == 0) be_helper(self);
  helper_began_ = monotonic_now();
  if (process > 0) helper_ = process;
  else helper_at_ = helper_began_ + kLongestPause;
}

// And waits for that: its ports are free when this process is gone, and whoever starts the next finds them so.
void Supervisor::end_helper() {
  if (helper_ <= 0) return;
  ::kill(helper_, SIGTERM);
  const std::int64_t until = monotonic_now() + kHelperWithin;
  while (::waitpid(helper_, nullptr, WNOHANG) == 0) {
    if (monotonic_now() > until) ::kill(helper_, SIGKILL);
    ::poll(nullptr, 0, 5);
  }
  helper_ = 0;
}

void Supervisor::be_helper(pid_t supervisor) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != supervisor) ::_exit(0);
  let_go_in_child();
  std::vector<const WorkerShared*> workers;
  for (const Slot& slot : slots_) workers.push_back(&slot.shared());
  int code = 0;
  {
    Helper helper(loaded_->config, inputs_.gateway(), std::move(workers), *pulse_);
    code = static_cast<int>(helper.run());
  }
  ::_exit(code);
}

void Supervisor::begin_stop() {
  if (stopping_) return;
  stopping_ = true;
  kill_at_ = monotonic_now() + kStopWithin;
  inputs_.let_go();
  tell(Word::Stop);
}

bool Supervisor::any_alive() const {
  return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.process != 0; });
}

void Supervisor::mail() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    while (slots_[i].mailbox) {
      const std::optional<Message> message = slots_[i].mailbox->receive();
      if (!message) break;
      answered(i, *message);
    }
  }
}

// --- reload ---

void Supervisor::reload() {
  if (stopping_) return;
  // What is being loaded may have been read before the files were changed again.
  reload_again_ = next_ || loader_.busy();
  if (reload_again_) {
    complain("a reload is under way already, another will follow");
    return;
  }
  std::ifstream in(loaded_->config.file, std::ios::binary);
  if (!in) {
    give_up_reload(loaded_->config.file + " cannot be read");
    return;
  }
  next_text_.assign(std::istreambuf_iterator<char>(in), {});
  loader_.start(next_text_, loaded_->config.file, generation_ + 1);
}

void Supervisor::loaded_aside() {
  LoadOutcome outcome = loader_.take();
  if (!outcome.loaded) {
    print_error(outcome.why);
    give_up_reload("see above");
    return;
  }
  if (const std::string fixed = needs_restart(loaded_->config, outcome.loaded->config); !fixed.empty()) {
    give_up_reload(fixed + " can only be changed by a restart");
    return;
  }
  next_ = std::move(outcome.loaded);
  reload_until_ = monotonic_now() + kReloadWithin;
  for (Slot& slot : slots_) {
    slot.prepared.clear();
    Message prepare;
    prepare.word = Word::Prepare;
    prepare.generation = generation_ + 1;
    prepare.attachment = in_memory_file(next_text_);
    if (!slot.mailbox || !prepare.attachment.valid() || !slot.mailbox->send(prepare)) {
      give_up_reload("a worker does not answer");
      return;
    }
  }
}

void Supervisor::answered(std::size_t index, const Message& message) {
  if (!next_ || message.generation != generation_ + 1) return;
  if (message.word == Word::Failed) {
    print_error(message.text);
    give_up_reload("worker " + std::to_string(index) + " cannot load it");
  } else if (message.word == Word::Prepared) {
    if (message.text != fingerprint(*next_)) {
      give_up_reload("the rule files changed while they were read");
      return;
    }
    slots_[index].prepared = message.text;
    const bool all = std::all_of(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.prepared.empty(); });
    if (all) all_prepared();
  }
}

void Supervisor::all_prepared() {
  ++generation_;
  ++reloads_;
  loaded_ = std::move(next_);
  next_.reset();
  tell(Word::Change);
  warm_rules();
  scanning_.start(loaded_);
  next_stats_ = std::min(next_stats_, monotonic_now() + loaded_->config.stats_interval.ns);
  complain("reloaded: " + std::to_string(loaded_->policies.rules(0).rules->stats().rules) + " rules");
  if (reload_again_) reload();
}

void Supervisor::give_up_reload(const std::string& why) {
  ++reloads_failed_;
  next_.reset();
  tell(Word::Forget);
  complain("the configuration is not reloaded, everything stays as it was: " + why);
  if (reload_again_) reload();
}

void Supervisor::tell(Word word) {
  Message message;
  message.word = word;
  message.generation = generation_;
  for (const Slot& slot : slots_) {
    if (slot.mailbox) static_cast<void>(slot.mailbox->send(message));
  }
}

}  // namespace weir::app
