// Supervisor: the process that the operator started. Forks a worker for each part of the inputs, replaces
// those that die or hang, answers signals, changes the configuration, and writes records.
// docs/decisions/worker-processes.md says why.
//
//   SIGTERM, SIGINT   drain (unready, at work) for as long as the configuration says, then settle what is held, finish
//                     what is under way, leave; a second one cuts the drain short
//   SIGHUP, SIGUSR2   open log files anew; read the configuration and rules again
//   SIGUSR1           one line of figures on standard error
//
// and what `weir bypass` asks for through the control socket. supervisor.cc has the processes, supervisor_figures.cc
// what is told.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/exit_code.h"
#include "app/health/pulse.h"
#include "app/live/audit_writer.h"
#include "app/live/control.h"
#include "app/live/event_ring.h"
#include "app/live/event_writer.h"
#include "app/live/figures.h"
#include "app/live/inputs.h"
#include "app/live/loader.h"
#include "app/live/mailbox.h"
#include "app/live/poisoned_flows.h"
#include "app/live/predecessor.h"
#include "app/live/progress.h"
#include "app/live/scanning.h"
#include "app/live/shared_store.h"
#include "app/runtime/audit_collector.h"

namespace weir::app {

class Supervisor {
 public:
  // `audit` may be null: no audit log is wanted. So may `control`. `predecessor`: whose place is taken when everything is
  // ready, or null.
  Supervisor(std::shared_ptr<const Loaded> loaded, Inputs inputs, std::unique_ptr<EventWriter> writer,
             std::unique_ptr<AuditWriter> audit, AuditShape shape, std::optional<Control> control,
             std::unique_ptr<Predecessor> predecessor = nullptr);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  ExitCode run();
  // A thread still compiles, for which nobody waits: leave with _exit().
  [[nodiscard]] bool busy() const { return scanning_.busy() || loader_.busy(); }
  // … which then does not keep the process.
  void hurry() const { scanning_.hurry(); }

 private:
  struct Slot {
    const WorkerInput* input = nullptr;
    std::unique_ptr<EventRing> ring, audit_ring;
    std::optional<SharedMemory> memory;
    std::optional<Mailbox> mailbox;
    pid_t process = 0;              // 0: none
    std::int64_t began = 0;         // monotonic, of the process
    std::int64_t begin_at = 0;      // when there is none: when to fork the next
    unsigned quick_deaths = 0;      // in a row
    Progress progress;
    bool stuck = false;             // and ended for it
    bool after_poison = false;      // the latest one died with a packet in hand that may have been why
    PoisonedFlows poisoned;
    std::string prepared;           // fingerprint of what it has loaded aside; empty: nothing
    [[nodiscard]] WorkerShared& shared() const { return *reinterpret_cast<WorkerShared*>(memory->data()); }
  };

  Result<void> prepare();
  Result<void> take_its_place();
  void take_collections();
  void keep_collections();
  void warm_rules() const;
  bool fork_worker(std::size_t index, bool replaces);
  [[noreturn]] void be_worker(std::size_t index, bool replaces, Mailbox mailbox, pid_t supervisor);
  ExitCode loop();
  void wait();
  void signals();
  void reap();
  void died(Slot& slot, std::size_t index, int status);
  // Whether it left a connection that is not taken up again.
  static bool poison(Slot& slot, int status, std::int64_t now);
  void watch();
  void mail();
  void answered(std::size_t index, const Message& message);
  // Reload
  void reload();
  void loaded_aside();
  void all_prepared();
  void give_up_reload(const std::string& why);
  void tell(Word word);
  // Figures
  [[nodiscard]] FigureSums sums() const;
  void stats_record();
  void stats_line();
  // The operator
  Answer asked(std::string_view request);
  [[nodiscard]] Answer give_queues() const;
  void set_bypass(bool on);
  void let_go_in_child();
  // End
  void begin_drain();
  void begin_stop();
  // Health checks and stand-in (app/live/helper.h)
  void fork_helper();
  void end_helper();
  [[noreturn]] void be_helper(pid_t supervisor);
  [[nodiscard]] bool any_alive() const;

  std::shared_ptr<const Loaded> loaded_;
  Inputs inputs_;
  std::unique_ptr<EventWriter> writer_;
  std::unique_ptr<AuditWriter> audit_;
  AuditShape shape_;
  std::optional<Control> control_;
  std::unique_ptr<Predecessor> predecessor_;
  std::unique_ptr<SharedStore> store_;  // null: each worker has its own
  std::vector<Slot> slots_;
  Descriptor signals_;
  Loader loader_;
  Scanning scanning_;
  std::shared_ptr<const Loaded> next_;  // being given to the workers
  std::string next_text_;
  std::int64_t reload_until_ = 0;
  bool reload_again_ = false;  // asked for while another was under way
  std::uint32_t generation_ = 1;
  FigureSums past_;  // of workers that are gone
  std::uint64_t restarts_ = 0, stuck_ = 0, reloads_ = 0, reloads_failed_ = 0;
  std::uint64_t bypass_switched_ = 0;
  bool bypass_ = false;
  std::int64_t began_ = 0;
  std::int64_t next_stats_ = 0;
  std::int64_t kill_at_ = 0;
  std::int64_t drain_until_ = 0;  // 0: not draining
  std::optional<Pulse> pulse_;
  pid_t helper_ = 0;
  std::int64_t helper_began_ = 0;
  std::int64_t helper_at_ = 0;  // when to fork another
  bool started_ = false;   // every worker has been running
  bool stopping_ = false;
  ExitCode exit_ = ExitCode::Fine;
};

}  // namespace weir::app
