// AuditWriter: the one thread that writes the audit log of weir run, beside that of the records, so that a disk that
// is slow for one is not slow for the other. Takes entries out of the workers' rings. What cannot be written is
// counted and given up: the next entry may fit, and nobody waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/live/bell.h"
#include "app/live/event_ring.h"
#include "app/sinks/audit_files.h"
#include "engine/result.h"

namespace weir::app {

// Whether a worker may have a file written there: of the form of rules::audit_path(), "20260131/20260131-2359/…", and
// nothing else.
[[nodiscard]] bool is_audit_path(std::string_view path);

class AuditWriter {
 public:
  // Opens the files, so that a wrong path is known at start.
  static Result<std::unique_ptr<AuditWriter>> open(AuditPlaces places);
  AuditWriter(const AuditWriter&) = delete;
  AuditWriter& operator=(const AuditWriter&) = delete;
  ~AuditWriter();

  // The rings must outlive it.
  void start(std::vector<EventRing*> rings);
  // Opens the log files again by their names, after they were renamed.
  void reopen();
  // Writes what is there and ends.
  void stop();
  // What workers write to after they have put entries into their rings.
  [[nodiscard]] int descriptor() const { return bell_.descriptor(); }
  [[nodiscard]] std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  AuditWriter(std::unique_ptr<AuditFiles> files, Bell bell, bool concurrent)
      : files_(std::move(files)), bell_(std::move(bell)), concurrent_(concurrent) {}
  void run();
  bool write_round();
  void write(std::string_view item);

  std::unique_ptr<AuditFiles> files_;
  Bell bell_;
  bool concurrent_;
  std::vector<EventRing*> rings_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reopening_{false};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> lost_{0};
  bool failing_ = false, doubted_ = false;  // the thread's
};

}  // namespace weir::app
