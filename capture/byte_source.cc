#include "capture/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/stat.h>

namespace weir::capture {
namespace {

constexpr std::size_t kBuffer = 2 * ByteSource::kMostTaken;
// Read at a time, so that what is read is still in the processor's own cache when it is looked at; and before it is
// known that the file is wanted.
constexpr std::size_t kPiece = 128 * 1024;
constexpr std::size_t kFirstPiece = 16 * 1024;

}  // namespace

Result<std::unique_ptr<ByteSource>> ByteSource::open(const std::string& path) {
  const bool standard = path == "-";
  const int descriptor = standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                  : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return fail("cannot open " + (standard ? "standard input" : path) + ": " +
                std::strerror(errno));
  }
  struct stat status {};
  const bool known = ::fstat(descriptor, &status) == 0;
  if (known && S_ISDIR(status.st_mode)) {
    ::close(descriptor);
    return fail(path + " is a directory, not a capture file");
  }
  const bool regular = known && S_ISREG(status.st_mode);
  return std::make_unique<ByteSource>(
      descriptor, regular, regular ? static_cast<std::uint64_t>(status.st_size) : std::uint64_t{0});
}

bool ByteSource::is_pipe(const std::string& path) {
  struct stat status {};
  return path != "-" && ::stat(path.c_str(), &status) == 0 &&
         (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
}

ByteSource::ByteSource(int descriptor, bool regular, std::uint64_t size)
    : descriptor_(descriptor),
      regular_(regular),
      size_(size),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBuffer)) {}

ByteSource::~ByteSource() {
  ::close(descriptor_);
}

bool ByteSource::fill() {
  if (ended_) return false;
  if (begin_ != 0) {
    // Views that take() gave are over.
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  for (;;) {
    const std::size_t piece = std::min(taken_ == 0 ? kFirstPiece : kPiece, kBuffer - end_);
    const ssize_t n = ::read(descriptor_, buffer_.get() + end_, piece);
    if (n > 0) {
      end_ += static_cast<std::size_t>(n);
      return true;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error_ = std::strerror(errno);
    ended_ = true;
    return false;
  }
}

Bytes ByteSource::peek(std::size_t n) {
  while (end_ - begin_ < n && fill()) {
  }
  return at_hand().first(std::min(n, end_ - begin_));
}

Bytes ByteSource::take(std::size_t n) {
  while (end_ - begin_ < n && fill()) {
  }
  const Bytes bytes = at_hand().first(std::min(n, end_ - begin_));
  begin_ += bytes.size();
  taken_ += bytes.size();
  return bytes;
}

std::size_t ByteSource::read(std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    if (begin_ == end_ && !fill()) break;
    const std::size_t n = std::min(out.size() - done, end_ - begin_);
    std::memcpy(out.data() + done, buffer_.get() + begin_, n);
    begin_ += n;
    done += n;
  }
  taken_ += done;
  return done;
}

bool ByteSource::skip(std::uint64_t n) {
  while (n > 0) {
    if (begin_ == end_ && !fill()) return false;
    const std::uint64_t step = std::min<std::uint64_t>(n, end_ - begin_);
    begin_ += static_cast<std::size_t>(step);
    taken_ += step;
    n -= step;
  }
  return true;
}

bool ByteSource::ready(Duration wait) {
  if (regular_ || ended_ || begin_ != end_) return true;
  struct pollfd poll {};
  poll.fd = descriptor_;
  poll.events = POLLIN;
  const std::int64_t ms = std::clamp<std::int64_t>((wait.ns + 999'999) / 1'000'000, 0, 60'000);
  return ::poll(&poll, 1, static_cast<int>(ms)) > 0;
}

}  // namespace weir::capture
