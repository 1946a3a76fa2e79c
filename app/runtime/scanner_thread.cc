#include "app/runtime/scanner_thread.h"

#include <algorithm>
#include <system_error>

#include "app/runtime/priority.h"

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
  set_thread_priority(kLowestPriority);
  for (const auto& set : sets_) {
    if (!stop_) (void)set->compile_scanners(&stop_);
  }
  busy_ = false;
}

}  // namespace weir::app
