#include "rules/cache_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <span>

#include "engine/base/siphash.h"
#include "rules/little_endian.h"

namespace weir::rules {

namespace {

constexpr std::size_t kLargest = std::size_t{1} << 30;

std::string magic_of(const CacheKind& kind) {
  return "weir-" + std::string(kind.name) + '-' + std::to_string(kind.version) + '\n';
}

std::string path_of(const CacheKind& kind, const std::string& directory, const Digest& key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string path = directory + '/' + std::string(kind.name) + '-';
  for (const std::uint8_t b : key) {
    path += kHex[b >> 4];
    path += kHex[b & 15];
  }
  return path + ".db";
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// The content, if the file is ours (or root's), closed to other writers, and not absurdly large.
std::optional<std::string> read_own(const std::string& path) {
  // Not to wait for a pipe's other end.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st {};
  if (file.fd() < 0 || ::fstat(file.fd(), &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  if ((st.st_uid != 0 && st.st_uid != ::geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return std::nullopt;
  }
  if (st.st_size <= 0 || static_cast<std::size_t>(st.st_size) > kLargest) return std::nullopt;
  std::string out(static_cast<std::size_t>(st.st_size), '\0');
  std::size_t got = 0;
  while (got < out.size()) {
    const ssize_t n = ::read(file.fd(), out.data() + got, out.size() - got);
    if (n <= 0) return std::nullopt;
    got += static_cast<std::size_t>(n);
  }
  return out;
}

// Tells damage apart, and fast: a database is read at every start. Four lanes of which every step can be
// undone, so that a change within eight bytes is always seen, and others but for chance. Whom to trust is
// the file's owner's and mode's matter, not this one's.
Digest checksum(std::string_view bytes) {
  std::array<std::uint64_t, 4> lanes = {1, 2, 3, 4};
  const auto mix = [](std::uint64_t lane, std::uint64_t word) {
    lane = (lane ^ word) * 0x9e3779b97f4a7c15ULL;
    return lane ^ lane >> 29;
  };
  std::array<std::uint64_t, 4> words{};
  std::size_t i = 0;
  for (; i + sizeof(words) <= bytes.size(); i += sizeof(words)) {
    std::memcpy(words.data(), &bytes[i], sizeof(words));
    for (std::size_t k = 0; k < 4; ++k) lanes[k] = mix(lanes[k], words[k]);
  }
  words = {};
  if (i < bytes.size()) std::memcpy(words.data(), &bytes[i], bytes.size() - i);
  for (std::size_t k = 0; k < 4; ++k) lanes[k] = mix(mix(lanes[k], words[k]), bytes.size());
  Digest out;
  std::memcpy(out.data(), lanes.data(), out.size());
  return out;
}

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

bool take(std::string_view& from, std::string_view expected) {
  if (from.substr(0, expected.size()) != expected) return false;
  from.remove_prefix(expected.size());
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Digester& Digester::text(std::string_view part) {
  number(part.size());
  parts_ += part;
  return *this;
}

Digester& Digester::number(std::uint64_t n) {
  put_number(parts_, n, 8);
  return *this;
}

Digest Digester::finish() const {
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(parts_.data()), parts_.size());
  Digest out{};
  for (std::size_t i = 0; i < out.size() / 8; ++i) {
    const std::uint64_t lane = base::siphash13(bytes, i, ~std::uint64_t{i});
    std::memcpy(&out[8 * i], &lane, 8);
  }
  return out;
}

// magic, key, checksum of the rest, the rest.
std::optional<std::string> read_cache(const CacheKind& kind, const std::string& directory, const Digest& key) {
  if (directory.empty()) return std::nullopt;
  auto file = read_own(path_of(kind, directory, key));
  if (!file) return std::nullopt;
  std::string_view rest = *file;
  if (!take(rest, magic_of(kind)) || !take(rest, bytes_of(key)) || rest.size() < sizeof(Digest) ||
      !take(rest, bytes_of(checksum(rest.substr(sizeof(Digest)))))) {
    return std::nullopt;
  }
  file->erase(0, file->size() - rest.size());
  return file;
}

void write_cache(const CacheKind& kind, const std::string& directory, const Digest& key,
                 std::string_view content) {
  if (directory.empty()) return;
  const std::string path = path_of(kind, directory, key);
  const std::string temporary = path + '.' + std::to_string(::getpid());
  bool ok = false;
  {
    const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.fd() < 0) return;
    ok = write_all(file.fd(), magic_of(kind)) && write_all(file.fd(), bytes_of(key)) &&
         write_all(file.fd(), bytes_of(checksum(content))) && write_all(file.fd(), content);
  }
  if (!ok || ::rename(temporary.c_str(), path.c_str()) != 0) ::unlink(temporary.c_str());
}

}  // namespace weir::rules
