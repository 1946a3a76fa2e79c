#include "rules/cache.h"

#include <fcntl.h>
#include <sha256.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <optional>

namespace weir::rules {

namespace {

constexpr std::string_view kMagic = "weir-hs-3\n";
constexpr std::size_t kDigest = 32;
constexpr std::size_t kLargest = std::size_t{1} << 30;

using Digest = std::array<std::uint8_t, kDigest>;

class Sha256 {
 public:
  Sha256() { SHA256Init(&context_); }
  void add(std::string_view s) {
    SHA256Update(&context_, reinterpret_cast<const std::uint8_t*>(s.data()), s.size());
  }
  void add_number(std::uint64_t n) {
    std::array<char, 8> bytes{};
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(n >> (8 * i) & 0xff);
    add({bytes.data(), bytes.size()});
  }
  Digest finish() {
    Digest out;
    SHA256Final(out.data(), &context_);
    return out;
  }

 private:
  SHA2_CTX context_{};
};

Digest key_of(std::span<const HsPattern> patterns) {
  Sha256 sha;
  sha.add(kMagic);
  sha.add(hs_build());
  sha.add_number(patterns.size());
  for (const HsPattern& p : patterns) {
    sha.add_number(p.pattern.size());
    sha.add(p.pattern);
    sha.add_number((p.caseless ? 1U : 0U) | (p.multiline ? 2U : 0U));
  }
  return sha.finish();
}

std::string path_of(const std::string& directory, const Digest& key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string path = directory + "/hs-";
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
  std::memcpy(out.data(), lanes.data(), kDigest);
  return out;
}

bool begins_with(std::string_view s, const Digest& digest) {
  return s.size() >= kDigest && std::memcmp(s.data(), digest.data(), kDigest) == 0;
}

// magic, key, checksum of the rest, one byte for each pattern (how), the database.
std::optional<CachedDatabase> restore(const std::string& path, const Digest& key, std::size_t patterns) {
  const auto content = read_own(path);
  if (!content) return std::nullopt;
  std::string_view s = *content;
  if (s.size() < kMagic.size() + 2 * kDigest + patterns || s.substr(0, kMagic.size()) != kMagic) {
    return std::nullopt;
  }
  s.remove_prefix(kMagic.size());
  if (!begins_with(s, key)) return std::nullopt;
  s.remove_prefix(kDigest);
  if (!begins_with(s, checksum(s.substr(kDigest)))) return std::nullopt;
  s.remove_prefix(kDigest);
  CachedDatabase out;
  for (std::size_t i = 0; i < patterns; ++i) {
    const auto b = static_cast<std::uint8_t>(s[i]);
    if (b > static_cast<std::uint8_t>(HsDatabase::Compiled::How::Left)) return std::nullopt;
    out.how.push_back(static_cast<HsDatabase::Compiled::How>(b));
  }
  s.remove_prefix(patterns);
  out.database = HsDatabase::restore(s);
  if (out.database == nullptr || out.database->patterns() != patterns) return std::nullopt;
  out.from_cache = true;
  return out;
}

void save(const std::string& path, const Digest& key, const CachedDatabase& made) {
  std::string rest;
  for (const auto how : made.how) rest += static_cast<char>(how);
  rest += made.database->serialise();
  const Digest sum = checksum(rest);
  const std::string temporary = path + "." + std::to_string(::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return;
  bool ok = true;
  {
    const File file(fd);
    std::string all(kMagic);
    all.append(reinterpret_cast<const char*>(key.data()), kDigest);
    all.append(reinterpret_cast<const char*>(sum.data()), kDigest);
    all += rest;
    std::size_t put = 0;
    while (ok && put < all.size()) {
      const ssize_t n = ::write(fd, all.data() + put, all.size() - put);
      ok = n > 0;
      if (ok) put += static_cast<std::size_t>(n);
    }
  }
  if (!ok || ::rename(temporary.c_str(), path.c_str()) != 0) ::unlink(temporary.c_str());
}

}  // namespace

CachedDatabase restore_cached(std::span<const HsPattern> patterns, const std::string& directory) {
  if (directory.empty()) return {};
  const Digest key = key_of(patterns);
  auto there = restore(path_of(directory, key), key, patterns.size());
  return there ? std::move(*there) : CachedDatabase{};
}

CachedDatabase compile_cached(std::span<const HsPattern> patterns, const std::string& directory) {
  CachedDatabase made = restore_cached(patterns, directory);
  if (made.database != nullptr) return made;
  HsDatabase::Compiled compiled = HsDatabase::compile(patterns, false);
  made.database = std::move(compiled.database);
  made.how = std::move(compiled.how);
  if (made.database != nullptr && !directory.empty()) {
    const Digest key = key_of(patterns);
    save(path_of(directory, key), key, made);
  }
  return made;
}

}  // namespace weir::rules
