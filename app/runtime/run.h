// Run: packets of one or more captures through the inspectors, lines out in order.
//
// Passive with several workers: one of their threads decodes and puts fragments together, they inspect batches meanwhile.
// Inline every packet waits for its verdict, so one inspector does it all in this thread; so does a single
// worker, which saves it the copying.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/runtime/batch.h"
#include "app/runtime/files.h"
#include "app/runtime/workers.h"
#include "engine/inspect/ingress.h"
#include "engine/inspect/sites.h"
#include "engine/port.h"
#include "rules/memory_store.h"

namespace weir::app {

// What a run keeps and writes besides its lines.
struct RunExtras {
  rules::MemoryStore* store = nullptr;  // the persistent collections; null: of this run only, in memory
  std::optional<AuditShape> audit;      // with `audit_output`
  AuditOutput* audit_output = nullptr;
  rules::ProfileClock profile_clock = nullptr;  // null: no profile is taken. REQUIRES: one rule set for all sites
};

// What a line tells is on disk before the line is written: a transaction's changes of the collections, its
// entry in the audit log.
class Run {
 public:
  using LineSink = std::function<void(std::string_view)>;
  Run(unsigned workers, const inspect::InspectorOptions& options,
      std::shared_ptr<const inspect::Sites> sites, const Workers::MakeFormat& make_format,
      LineSink line, const RunExtras& extras = {});
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Calls `source`, which calls the functions below, until it says false: nothing follows. With several workers by
  // whichever of their threads has time, never two at once. Without it those functions may be called as well.
  void read(const Workers::Source& source) { workers_.read(source); }

  void begin_file(const std::string& name);
  // Numbers of packets count from 1 in each file. Every packet is settled at `port`, at the latest by
  // end_file().
  void packets(std::span<const Packet> packets, PacketPort& port);
  void end_file();
  void end_of_input();

  // That there are: one, inline.
  [[nodiscard]] unsigned workers() const { return workers_.count(); }
  [[nodiscard]] std::uint64_t packets_seen() const { return last_; }
  [[nodiscard]] std::uint64_t transactions() const { return transactions_; }
  // Why the collections could not be written to disk; empty if they could. They stay right in memory.
  [[nodiscard]] const std::string& store_trouble() const { return store_trouble_; }
  // Where the time of judging went. REQUIRES: end_of_input() was called; once.
  [[nodiscard]] std::vector<rules::ProfileRow> profile() const { return workers_.profile(); }
  // REQUIRES: end_of_input() was called.
  [[nodiscard]] inspect::InspectorCounters counters() const;

 private:
  void deliver(std::span<const WorkerOutput> outputs);
  void inspect_here(const Packet& packet, PacketPort& port);
  void inspect_elsewhere(const Packet& packet, PacketPort& port);
  void inspect_inline(const Packet& packet, PacketPort& port);
  void settle_held(std::span<const inspect::HeldFate> fates, PacketPort& port);
  void inject(std::span<const inspect::Injection> frames, PacketPort& port);

  bool inline_;
  rules::MemoryStore memory_;         // the collections, where nobody gave others
  rules::MemoryStore* kept_;          // those that are kept on disk, or null
  AuditOutput* audit_;
  Workers workers_;
  LineSink line_;
  inspect::Ingress ingress_;
  inspect::InspectorCounters ingress_counters_;
  std::shared_ptr<const FileMap> files_;
  std::uint64_t before_ = 0;          // packets of the files before this one
  std::uint64_t last_ = 0;            // number of the latest packet through all files
  std::uint64_t transactions_ = 0;
  std::uint64_t delivered_ = 0;       // one worker: the packet after which lines were written last
  Timestamp now_;                     // of the latest packet
  std::string store_trouble_;
  std::map<std::uint64_t, Packet> held_;  // inline: fragments that wait, by number
  PacketPort* port_ = nullptr;
};

}  // namespace weir::app
