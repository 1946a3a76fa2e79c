#include "rules/store_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace weir::rules {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

Unexpected<Error> failed(const char* what, const std::string& path, int error) {
  return fail(std::string("cannot ") + what + " " + path + ": " + std::strerror(error));
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

class StoreFiles final : public StoreDisk {
 public:
  StoreFiles(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  Result<std::string> read(File file) override {
    const std::string path = name(file);
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
      if (errno == ENOENT) return std::string();
      return failed("open", path, errno);
    }
    std::string content;
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n == 0) return content;
      if (n > 0) {
        content.append(buffer, static_cast<std::size_t>(n));
      } else if (errno != EINTR) {
        return failed("read", path, errno);
      }
    }
  }

  Result<void> append(std::string_view bytes) override {
    const std::string path = name(File::Journal);
    if (!journal_.valid()) {
      journal_.reset(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
      if (!journal_.valid()) return failed("open", path, errno);
    }
    if (!write_all(journal_.get(), bytes)) return failed("write", path, errno);
    if (::fdatasync(journal_.get()) != 0) return failed("sync", path, errno);
    return {};
  }

  Result<void> replace(File file, std::string_view bytes) override {
    const std::string path = name(file), next = path + ".new";
    if (file == File::Journal) journal_.reset();
    const Descriptor fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) return failed("create", next, errno);
    if (!write_all(fd.get(), bytes)) return failed("write", next, errno);
    if (::fsync(fd.get()) != 0) return failed("sync", next, errno);
    if (::rename(next.c_str(), path.c_str()) != 0) return failed("rename", next, errno);
    return sync_directory();
  }

 private:
  [[nodiscard]] std::string name(File file) const {
    return file == File::Snapshot ? path_ : path_ + ".journal";
  }

  // A rename is on stable storage only when its directory is.
  Result<void> sync_directory() {
    const std::size_t slash = path_.rfind('/');
    const std::string directory = slash == std::string::npos ? std::string(1, '.')
                                  : slash == 0               ? std::string(1, '/')
                                                             : path_.substr(0, slash);
    const Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return failed("open", directory, errno);
    if (::fsync(fd.get()) != 0) return failed("sync", directory, errno);
    return {};
  }

  std::string path_;
  Descriptor lock_;
  Descriptor journal_;
};

}  // namespace

Result<std::unique_ptr<StoreDisk>> open_store_files(const std::string& path) {
  const std::string lock = path + ".lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open", lock, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd);
    if (error == EWOULDBLOCK) return fail("another process uses " + path);
    return failed("lock", lock, error);
  }
  return std::unique_ptr<StoreDisk>(std::make_unique<StoreFiles>(path, fd));
}

}  // namespace weir::rules
