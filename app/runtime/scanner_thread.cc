#include "app/runtime/scanner_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <system_error>

namespace weir::app {

ScannerThread::~ScannerThread() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void ScannerThread::start() {
  if (thread_.joinable() || rules_->scanners_missing() == 0) return;
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
  (void)rules_->compile_scanners(&stop_);
  busy_ = false;
}

}  // namespace weir::app
