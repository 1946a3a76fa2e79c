#include "app/sinks/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace weir::app {
namespace {

constexpr std::size_t kBuffer = 64 * 1024;

std::string error_text(int number) { return std::generic_category().message(number); }

}  // namespace

Result<Output> Output::open(const std::string& path) {
  if (path.empty()) return Output(STDOUT_FILENO, "standard output");
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return fail("cannot write " + path + ": " + error_text(errno));
  return Output(descriptor, path);
}

Output::Output(Output&& other) noexcept
    : descriptor_(other.descriptor_),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      error_(std::move(other.error_)),
      reader_gone_(other.reader_gone_) {
  other.descriptor_ = -1;
  other.buffer_.clear();
}

Output::~Output() {
  if (descriptor_ < 0) return;
  flush();
  if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
}

bool Output::write(std::string_view text) {
  if (reader_gone_ || !error_.empty()) return false;
  buffer_ += text;
  return buffer_.size() < kBuffer || flush();
}

bool Output::flush() {
  std::size_t at = 0;
  while (at < buffer_.size() && !reader_gone_ && error_.empty()) {
    const ssize_t n = ::write(descriptor_, buffer_.data() + at, buffer_.size() - at);
    if (n >= 0) {
      at += static_cast<std::size_t>(n);
    } else if (errno == EPIPE) {
      reader_gone_ = true;
    } else if (errno != EINTR) {
      error_ = "cannot write " + name_ + ": " + error_text(errno);
    }
  }
  buffer_.clear();
  return !reader_gone_ && error_.empty();
}

Result<void> Output::finish() {
  flush();
  if (descriptor_ >= 0 && descriptor_ != STDOUT_FILENO && ::close(descriptor_) != 0 && error_.empty()) {
    error_ = "cannot write " + name_ + ": " + error_text(errno);
  }
  if (descriptor_ != STDOUT_FILENO) descriptor_ = -1;
  if (!error_.empty()) return fail(error_);
  return {};
}

}  // namespace weir::app
