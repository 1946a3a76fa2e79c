// Pool<T>: a fixed number of objects in one block of memory, named by 32-bit indexes.
//
// The block is reserved at construction and touched only as far as it is used; nothing is allocated later.
// Indexes are half the size of pointers and survive in packed records. allocate() answers kNone when the
// pool is full: the caller has a policy for that. Objects are default-initialised (members without an
// initialiser stay undefined) and must be trivially destructible.
//
// Not thread-safe; one owner. Reuse is last-in first-out, so the order is deterministic.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "engine/base/huge_pages.h"

namespace weir::base {

inline constexpr std::uint32_t kNone = 0xffffffffU;  // the index of nothing

template <class T>
class Pool {
  static_assert(std::is_trivially_destructible_v<T>);
  static_assert(sizeof(T) >= sizeof(std::uint32_t));
  static constexpr std::align_val_t kAlign{alignof(T) < 64 ? 64 : alignof(T)};

 public:
  // capacity < kNone. Throws std::bad_alloc if the memory cannot be reserved (start-up only). `huge`: what is used
  // may take memory in steps of 2 MiB (engine/base/huge_pages.h).
  explicit Pool(std::uint32_t capacity, bool huge = false)
      : storage_(static_cast<std::byte*>(
            ::operator new(sizeof(T) * (capacity == 0 ? 1 : capacity), kAlign))),
        capacity_(capacity) {
    assert(capacity < kNone);
    if (huge) prefer_huge_pages(storage_, sizeof(T) * capacity);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { ::operator delete(storage_, kAlign); }

  // A fresh object, or kNone when all are in use.
  [[nodiscard]] std::uint32_t allocate() {
    std::uint32_t index = free_;
    if (index != kNone) {
      std::memcpy(&free_, address(index), sizeof free_);
    } else if (fresh_ < capacity_) {
      index = fresh_++;
    } else {
      return kNone;
    }
    ++size_;
    if (size_ > peak_) peak_ = size_;
    ::new (static_cast<void*>(address(index))) T;
    return index;
  }

  // REQUIRES: `index` came from allocate() and was not released since.
  void release(std::uint32_t index) {
    assert(index < fresh_ && size_ > 0);
    std::memcpy(address(index), &free_, sizeof free_);
    free_ = index;
    --size_;
  }

  [[nodiscard]] T& operator[](std::uint32_t index) {
    assert(index < fresh_);
    return *std::launder(reinterpret_cast<T*>(address(index)));
  }
  [[nodiscard]] const T& operator[](std::uint32_t index) const {
    assert(index < fresh_);
    return *std::launder(reinterpret_cast<const T*>(address(index)));
  }
  // REQUIRES: `object` lives in this pool.
  [[nodiscard]] std::uint32_t index_of(const T& object) const {
    const auto* at = reinterpret_cast<const std::byte*>(&object);
    return static_cast<std::uint32_t>(static_cast<std::size_t>(at - storage_) / sizeof(T));
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t peak() const { return peak_; }  // most ever in use at once
  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  [[nodiscard]] bool full() const { return size_ == capacity_; }

 private:
  [[nodiscard]] std::byte* address(std::uint32_t index) const {
    return storage_ + sizeof(T) * index;
  }

  std::byte* storage_;
  std::uint32_t capacity_;
  std::uint32_t fresh_ = 0;  // slots below this were used at least once
  std::uint32_t free_ = kNone;
  std::uint32_t size_ = 0;
  std::uint32_t peak_ = 0;
};

}  // namespace weir::base
