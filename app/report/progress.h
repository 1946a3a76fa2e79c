// A progress line on a terminal, redrawn a few times a second; nothing anywhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weir::app {

class ProgressLine {
 public:
  // `total`: bytes to be read in all, 0 if that is not known.
  // `first`, `second`: what update() counts.
  ProgressLine(bool wanted, std::uint64_t total, std::string first = "packets", std::string second = "transactions");
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { clear(); }

  void update(std::uint64_t bytes, std::uint64_t first, std::uint64_t second);
  // Takes the line away, so that something else can be printed.
  void clear();

 private:
  bool wanted_;
  bool shown_ = false;
  std::uint64_t total_;
  std::string first_, second_;
  std::chrono::steady_clock::time_point next_;
};

// 1234567 as 1,234,567.
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace weir::app
