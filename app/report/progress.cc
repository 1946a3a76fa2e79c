#include "app/report/progress.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace weir::app {
namespace {

constexpr std::chrono::milliseconds kInterval{200};

void put(const std::string& text) {
  const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  (void)written;  // a progress line that cannot be shown is not worth a word
}

}  // namespace

ProgressLine::ProgressLine(bool wanted, std::uint64_t total, std::string first, std::string second)
    : wanted_(wanted && isatty(STDERR_FILENO) == 1),
      total_(total),
      first_(std::move(first)),
      second_(std::move(second)),
      next_(std::chrono::steady_clock::now() + 3 * kInterval) {}

void ProgressLine::update(std::uint64_t bytes, std::uint64_t first, std::uint64_t second) {
  if (!wanted_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  std::string line = "\r";
  if (total_ > 0) line += std::to_string(std::min<std::uint64_t>(100, bytes * 100 / total_)) + " %  ";
  line += grouped(first) + " " + first_ + ", " + grouped(second) + " " + second_ + "\x1b[K";
  put(line);
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) put("\r\x1b[K");
  shown_ = false;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

}  // namespace weir::app
