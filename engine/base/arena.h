// Arena: a bump allocator for everything that lives as long as one transaction. After the first few
// transactions nothing is taken from the heap any more: reset() keeps the blocks.
//
// Not thread-safe; one owner. Bounded: beyond `limit` bytes allocate() returns an empty span, and the
// caller applies its policy (it never throws and never overruns).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <vector>

namespace weir::base {

class Arena {
 public:
  static constexpr std::size_t kDefaultBlock = 64 * 1024;

  explicit Arena(std::size_t limit = SIZE_MAX, std::size_t block = kDefaultBlock)
      : limit_(limit), block_size_(block) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;

  // n bytes aligned to `align` (a power of two, at most 16), or nullptr when the limit is reached.
  [[nodiscard]] char* allocate(std::size_t n, std::size_t align = 1) {
    const std::size_t at = (used_ + align - 1) & ~(align - 1);
    if (current_ < blocks_.size() && at <= blocks_[current_].size &&
        n <= blocks_[current_].size - at) {
      used_ = at + n;
      return blocks_[current_].bytes.get() + at;
    }
    return allocate_slow(n);
  }

  // Gives back the tail of the most recent allocation: `p` was returned for `had` bytes, `keep` stay.
  void shrink(const char* p, std::size_t had, std::size_t keep) {
    if (current_ < blocks_.size() && p + had == blocks_[current_].bytes.get() + used_) {
      used_ -= had - keep;
    }
  }

  // A copy of `s` in the arena; empty if the limit is reached (see exhausted()).
  [[nodiscard]] std::string_view copy(std::string_view s) {
    if (s.empty()) return {};
    char* p = allocate(s.size());
    if (p == nullptr) return {};
    std::memcpy(p, s.data(), s.size());
    return {p, s.size()};
  }

  // One trivially destructible object, or nullptr.
  template <class T, class... Args>
  [[nodiscard]] T* make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    char* p = allocate(sizeof(T), alignof(T));
    return p == nullptr ? nullptr : new (p) T{static_cast<Args&&>(args)...};
  }

  // Forgets everything; blocks of the usual size are kept for the next transaction.
  void reset();

  [[nodiscard]] bool exhausted() const { return exhausted_; }  // since the last reset
  [[nodiscard]] std::size_t reserved() const { return reserved_; }  // bytes held from the heap

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  char* allocate_slow(std::size_t n);

  std::vector<Block> blocks_;
  std::size_t current_ = 0;   // block that is being filled
  std::size_t used_ = 0;      // bytes used of it
  std::size_t reserved_ = 0;
  std::size_t limit_;
  std::size_t block_size_;
  bool exhausted_ = false;
};

}  // namespace weir::base
