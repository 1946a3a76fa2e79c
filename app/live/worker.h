// Worker: the whole life of one worker process of `weir run`. Takes packets from its port, has them
// inspected, settles them; once in a while it looks into its mailbox and publishes its figures.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config/policies.h"
#include "app/exit_code.h"
#include "app/live/event_ring.h"
#include "app/live/figures.h"
#include "app/live/inputs.h"
#include "app/live/loader.h"
#include "app/live/live_audit.h"
#include "app/live/live_sink.h"
#include "app/live/mailbox.h"
#include "app/live/scanning.h"
#include "app/live/shared_store.h"
#include "engine/inspect/inspector.h"
#include "engine/port.h"
#include "rules/memory_store.h"

namespace weir::app {

struct WorkerSetup {
  unsigned index = 0;
  std::uint32_t generation = 0;
  bool replaces = false;  // another worker that died
  bool after_poison = false;  // … of a packet, perhaps: what it had not answered is not let by
  std::vector<flow::PoisonedFlow> poisoned;
  const WorkerInput* input = nullptr;
  std::optional<unsigned> cpu;
  EventRing* ring = nullptr;
  EventRing* audit_ring = nullptr;  // with what follows; null: no audit log
  SharedStore* store = nullptr;  // null: it has collections of its own
  AuditShape audit;
  int audit_wake = -1;  // eventfd of its writer
  WorkerShared* shared = nullptr;
  int wake = -1;  // eventfd of the writer
};

class Worker {
 public:
  Worker(const WorkerSetup& setup, std::shared_ptr<const Loaded> loaded, Mailbox mailbox);
  // Until it is told to stop, or the supervisor is gone.
  ExitCode run();

 private:
  Result<void> open();
  [[nodiscard]] std::shared_ptr<const inspect::Sites> sites() const;
  ExitCode loop();
  void inspect(const Packet& packet);
  void heed_bypass();
  void pass_time(Timestamp now);
  void settle_held(std::span<const inspect::HeldFate> fates);
  void inject(std::span<const inspect::Injection> frames);
  void tick();
  void flush();
  void read_mail();
  void change();
  void answer(Word word, std::uint32_t generation, std::string text = {});
  void publish();
  void finish();
  [[nodiscard]] std::string name() const;

  WorkerSetup setup_;
  std::shared_ptr<const Loaded> loaded_;
  Mailbox mailbox_;
  Loader loader_;
  Scanning scanning_;
  std::shared_ptr<const Loaded> prepared_;
  std::uint32_t prepared_generation_ = 0;
  LiveSink sink_;
  std::optional<LiveAudit> audit_;
  std::optional<rules::MemoryStore> own_store_;
  std::unique_ptr<PacketPort> port_;
  std::unique_ptr<inspect::Inspector> inspector_;
  std::map<std::uint64_t, Packet> held_;  // fragments that wait, by number
  std::int64_t began_ = 0;                // monotonic
  std::int64_t last_tick_ = 0;
  std::int64_t last_publish_ = 0;
  std::int64_t busy_ = 0;
  std::uint64_t bypassed_ = 0;  // packets that were delivered and went on uninspected
  bool bypass_ = false;
  bool stopping_ = false;
};

}  // namespace weir::app
