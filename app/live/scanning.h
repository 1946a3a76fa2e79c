// Compiles what Hyperscan scans ahead, for all rule sets of a configuration, while they already serve: by a
// thread of low priority. What the cache has is read from there.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "app/live/loader.h"

namespace weir::app {

class Scanning {
 public:
  Scanning() = default;
  Scanning(const Scanning&) = delete;
  Scanning& operator=(const Scanning&) = delete;
  // Waits for the database that is being compiled, which may take seconds.
  ~Scanning();

  // Gives up what it was at, as soon as it can. Never waits: whoever has the packets would stand still for as long
  // as a thread of the lowest priority needs for one database.
  void start(std::shared_ptr<const Loaded> loaded);
  // Before this process ends: a thread of the lowest priority is slow to die too, and who waits for the process waits for it.
  void hurry() const;
  [[nodiscard]] bool busy() const { return thread_.joinable() && !done_.load(std::memory_order_acquire); }
  // True once after each start that came to its end. To be called now and then: it begins what had to wait.
  bool finished();

 private:
  void begin();

  std::shared_ptr<const Loaded> loaded_;
  std::shared_ptr<const Loaded> next_;  // when the thread is done with what it gave up
  std::atomic<bool> stop_{false};
  std::atomic<bool> done_{false};
  std::atomic<int> number_{0};  // of the thread; 0: there is none yet
  std::thread thread_;
};

}  // namespace weir::app
