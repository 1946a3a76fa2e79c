#include "app/live/scanning.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exception>
#include <system_error>
#include <utility>

namespace weir::app {
namespace {

constexpr int kLowestPriority = 19;

}  // namespace

Scanning::~Scanning() { stop(); }

void Scanning::stop() {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_relaxed);
  thread_.join();
}

void Scanning::start(std::shared_ptr<const Loaded> loaded) {
  stop();
  loaded_ = std::move(loaded);
  stop_.store(false, std::memory_order_relaxed);
  done_.store(false, std::memory_order_relaxed);
  try {
    thread_ = std::thread([this] {
      // Of this thread, on Linux. Not SCHED_IDLE: on a busy machine it may get no time at all while it holds a
      // lock (of the heap, of the address space) that the thread with the packets waits for.
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLowestPriority);
      for (const LoadedRules& set : loaded_->policies.sets) {
        if (stop_.load(std::memory_order_relaxed)) break;
        set.rules->restore_scanners();
        set.rules->compile_scanners(&stop_);
      }
      done_.store(true, std::memory_order_release);
    });
  } catch (const std::system_error&) {
    done_.store(true, std::memory_order_release);  // everything works without, only slower
  }
}

bool Scanning::finished() {
  if (!thread_.joinable() || !done_.load(std::memory_order_acquire)) return false;
  thread_.join();
  return true;
}

}  // namespace weir::app
