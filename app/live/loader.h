// What a generation of the configuration comes to, and loading the next one aside while packets pass.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "app/config/policies.h"
#include "app/options.h"

namespace weir::app {

// Immutable once made.
struct Loaded {
  Config config;
  LoadedPolicies policies;
  std::string page;  // the block page; empty: Weir's own
};

struct LoadOutcome {
  std::shared_ptr<const Loaded> loaded;  // null: `why`
  std::string why;                       // for people, perhaps of several lines
  ExitCode exit = ExitCode::Usage;
};

// Everything that the text of a configuration names, read and compiled. `file`: where relative paths begin. `audit`:
// in place of what the configuration says of the audit log (null: nothing).
[[nodiscard]] LoadOutcome load_configuration(const std::string& text, const std::string& file,
                                             const AuditOptions* audit = nullptr);

// Whether two generations were made of the same rules: a file may change while several processes read it.
[[nodiscard]] std::string fingerprint(const Loaded& loaded);

// One load at a time, in a thread of its own at the lowest priority.
class Loader {
 public:
  Loader() = default;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader();

  // REQUIRES: !busy(). What was loaded before and not taken is forgotten.
  void start(std::string text, std::string file, std::uint32_t generation);
  [[nodiscard]] bool busy() const { return thread_.joinable() && !done_.load(std::memory_order_acquire); }
  // A load has come to its end since the last take().
  [[nodiscard]] bool ready() const { return thread_.joinable() && done_.load(std::memory_order_acquire); }
  // REQUIRES: ready().
  [[nodiscard]] LoadOutcome take();
  [[nodiscard]] std::uint32_t generation() const { return generation_; }

 private:
  std::thread thread_;
  std::atomic<bool> done_{false};
  std::uint32_t generation_ = 0;
  LoadOutcome outcome_;  // the thread's until done_
};

}  // namespace weir::app
