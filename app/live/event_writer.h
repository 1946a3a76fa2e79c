// EventWriter: the one thread that writes records. Takes lines out of the workers' rings and appends them
// to a file, to standard output, or both. A full disk or a slow reader stops it, and nobody else: the rings
// fill up, and workers count what finds no room. What was begun is completed before anything else follows,
// so that a line is whole even if the disk was full in the middle of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "app/live/bell.h"
#include "app/live/event_ring.h"
#include "app/live/mailbox.h"
#include "engine/result.h"

namespace weir::app {

class EventWriter {
 public:
  struct Options {
    std::string file;  // empty: none
    bool standard_output = false;
  };
  // Opens the file, so that a wrong path is known at start.
  static Result<std::unique_ptr<EventWriter>> open(const Options& options);
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  ~EventWriter();

  // The rings must outlive it.
  void start(std::vector<EventRing*> rings);
  // Lines of the supervisor's own. False: too many wait already.
  bool put(std::string_view line);
  // Opens the file again by its name, after it was renamed.
  void reopen();
  // Writes what is there, for some seconds at most, and ends.
  void stop();
  // What workers write to after they have put lines into their rings.
  [[nodiscard]] int descriptor() const { return bell_.descriptor(); }
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  // Where lines go, and how far `pending_` has got there.
  struct Target {
    std::string name;
    std::string path;  // empty: standard output
    Descriptor own;
    int descriptor = -1;
    std::size_t done = 0;
    bool failing = false;
    bool gone = false;  // nobody reads any more
  };

  EventWriter(const Options& options, Bell bell);
  Result<void> open_file(Target& target);
  void run();
  bool fill();
  bool write_all();
  void cut_back(const Target& target) const;
  bool write_to(Target& target);

  std::vector<Target> targets_;
  std::vector<EventRing*> rings_;
  Bell bell_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reopening_{false};
  std::atomic<std::uint64_t> lost_{0};
  std::mutex mutex_;
  std::string own_;      // guarded by mutex_
  std::string pending_;  // the thread's
};

}  // namespace weir::app
