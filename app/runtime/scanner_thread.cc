#include "app/runtime/scanner_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace weir::app {

ScannerThread::~ScannerThread() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void ScannerThread::start() {
  if (thread_.joinable()) return;
  if (std::all_of(sets_.begin(), sets_.end(), [](const auto& set) { return set->scanners_missing() == 0; })) return;
  busy_ = true;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    busy_ = false;
  }
}

void ScannerThread::run() {
  constexpr int kLowest = 19;
  // Linux: of this thread alone.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowest);
  for (const auto& set : sets_) {
    if (!stop_) (void)set->compile_scanners(&stop_);
  }
  busy_ = false;
}

}  // namespace weir::app
