// Whether a worker has stopped moving, which is not the same as a machine that is busy with others. Time counts against a
// worker while it works, sleeps or is stopped without a sign of life; not while it waits for a processor, nor while the
// supervisor itself did not come round to look.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace weir::app {

// Of a process's first thread, all nanoseconds since it began (/proc/PID/task/PID/schedstat, stat; proc(5)).
struct Scheduling {
  std::uint64_t ran = 0;
  std::uint64_t waited = 0;  // for a processor, being ready to run; without the wait that goes on now
  bool ready = false;        // runs, or waits for a processor
};
// nullopt: there is no such process, or the kernel does not say.
[[nodiscard]] std::optional<Scheduling> scheduling_of(pid_t process);

class Progress {
 public:
  // A look counts for so much at most, so that a supervisor that was away does not take that for the worker's time.
  static constexpr std::int64_t kMostPerLook = 200'000'000;

  // `now`: monotonic, nanoseconds. Another process, which has shown nothing yet.
  void begin(std::int64_t now);
  // At each look. `scheduling` is asked for only if there are no new beats.
  template <class Ask>  // Ask: std::optional<Scheduling>()
  void look(std::uint64_t beats, std::int64_t now, Ask&& scheduling) {
    if (beats != beats_) {
      beats_ = beats;
      begin(now);
    } else {
      still(now, scheduling());
    }
  }
  // Nanoseconds for which it might have moved and did not.
  [[nodiscard]] std::int64_t stood() const { return stood_; }

 private:
  void still(std::int64_t now, const std::optional<Scheduling>& scheduling);

  std::uint64_t beats_ = 0;
  std::int64_t looked_at_ = 0;
  std::int64_t stood_ = 0;
  std::optional<Scheduling> before_;  // at the look before, if that found no beats either
};

}  // namespace weir::app
