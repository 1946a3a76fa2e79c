#include "app/live/scanning.h"

#include <unistd.h>

#include <exception>
#include <system_error>
#include <utility>

#include "app/runtime/priority.h"

namespace weir::app {

Scanning::~Scanning() {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_relaxed);
  hurry();
  thread_.join();
}

void Scanning::hurry() const {
  if (const int number = number_.load(std::memory_order_acquire); busy() && number != 0) {
    set_priority_of(number, kOrdinaryPriority);
  }
}

void Scanning::start(std::shared_ptr<const Loaded> loaded) {
  next_ = std::move(loaded);
  stop_.store(true, std::memory_order_relaxed);
  if (!busy()) begin();
}

void Scanning::begin() {
  if (thread_.joinable()) thread_.join();  // it is done
  loaded_ = std::move(next_);
  next_ = nullptr;
  stop_.store(false, std::memory_order_relaxed);
  done_.store(false, std::memory_order_relaxed);
  number_.store(0, std::memory_order_relaxed);
  try {
    thread_ = std::thread([this] {
      // Not SCHED_IDLE: on a busy machine it may get no time at all while it holds a
      // lock (of the heap, of the address space) that the thread with the packets waits for.
      set_thread_priority(kLowestPriority);
      number_.store(::gettid(), std::memory_order_release);
      for (const LoadedRules& set : loaded_->policies.sets) {
        if (stop_.load(std::memory_order_relaxed)) break;
        set.rules->restore_scanners();
        set.rules->compile_scanners(&stop_);
      }
      // Where it may: whoever joins it does not wait for its turn.
      set_thread_priority(kOrdinaryPriority);
      done_.store(true, std::memory_order_release);
    });
  } catch (const std::system_error&) {
    done_.store(true, std::memory_order_release);  // everything works without, only slower
  }
}

bool Scanning::finished() {
  if (busy()) return false;
  if (next_) {
    begin();
    return false;
  }
  if (!thread_.joinable()) return false;
  thread_.join();
  return true;
}

}  // namespace weir::app
