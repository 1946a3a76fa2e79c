// ScannerThread: compiles what Hyperscan scans ahead while the rules already serve, at the lowest priority. A
// rule set puts each database to use by itself when it is there; no verdict depends on it.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "rules/ruleset.h"

namespace weir::app {

class ScannerThread {
 public:
  explicit ScannerThread(std::vector<std::shared_ptr<const rules::RuleSet>> sets) : sets_(std::move(sets)) {}
  ScannerThread(const ScannerThread&) = delete;
  ScannerThread& operator=(const ScannerThread&) = delete;
  // Waits for the database that is being compiled, which may take seconds.
  ~ScannerThread();

  // Starts, unless nothing is missing or it was started before. Where no thread is to be had, nothing happens.
  void start();
  // Still at it: who cannot wait for the destructor ends the process with std::_Exit.
  [[nodiscard]] bool busy() const { return busy_.load(); }

 private:
  void run();

  std::vector<std::shared_ptr<const rules::RuleSet>> sets_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> busy_{false};
  std::thread thread_;
};

}  // namespace weir::app
