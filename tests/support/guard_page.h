// GuardedBytes: a copy of some bytes that ends where unreadable memory begins (and begins behind it
// when asked to), so that reading one byte too far ends the test even without sanitizers. Linux
// only.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <span>

#include <sys/mman.h>

namespace weir::test {

class GuardedBytes {
 public:
  explicit GuardedBytes(std::span<const std::uint8_t> bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t room = (bytes.size() + page - 1) / page * page;
    size_ = room + 2 * page;
    void* memory =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::uint8_t*>(memory);
    std::uint8_t* end = base_ + page + room;
    if (!bytes.empty()) std::memcpy(end - bytes.size(), bytes.data(), bytes.size());
    view_ = {end - bytes.size(), bytes.size()};
    ::mprotect(base_, page, PROT_NONE);
    ::mprotect(end, page, PROT_NONE);
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { ::munmap(base_, size_); }

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return view_; }

 private:
  std::uint8_t* base_ = nullptr;
  std::size_t size_ = 0;
  std::span<const std::uint8_t> view_;
};

}  // namespace weir::test
