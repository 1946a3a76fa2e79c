// Huge pages for tables that are large and looked at all over: one fault and one entry of the TLB for 2 MiB, instead of
// 512. Asked for with madvise(MADV_HUGEPAGE); where there are none, nothing is different.
//
//   std::vector<Cell, HugePageAllocator<Cell>> cells(n);
//   prefer_huge_pages(block, bytes);  // of memory that was not touched yet
//   heap_on_huge_pages(32 << 20);     // what malloc() hands out next
//
// What is touched takes memory in steps of 2 MiB then.
#pragma once

#include <cstddef>
#include <new>

namespace weir::base {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20U;

// As far as it lies on whole huge pages.
void prefer_huge_pages(void* block, std::size_t bytes) noexcept;

// Has malloc()'s heap grow by `ahead` bytes at once, unless its end has that much room, and those lie on huge pages. Addresses
// only: what is not touched takes no memory. It also settles for the process how the heap is kept: one for all threads (what
// allocates all the time would wait there; Weir's steady state does not), with pieces of up to 32 MiB in it, and nothing given
// back before 64 MiB are free at its end. For a program, not for a library: at its start, and again when all is set up and its
// steady state begins. What other threads allocate meanwhile may lie there, too. Without glibc it does nothing.
void heap_on_huge_pages(std::size_t ahead) noexcept;

// Blocks of half a huge page or more begin and end with one.
template <class T>
struct HugePageAllocator {
  using value_type = T;
  HugePageAllocator() = default;
  template <class U>
  HugePageAllocator(const HugePageAllocator<U>&) noexcept {}  // NOLINT: as allocators are converted

  [[nodiscard]] T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    if (bytes < kHugePage / 2) return static_cast<T*>(::operator new(bytes));
    void* block = ::operator new(whole(bytes), kAlign);
    prefer_huge_pages(block, whole(bytes));
    return static_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t n) noexcept {
    if (n * sizeof(T) < kHugePage / 2) {
      ::operator delete(block);
    } else {
      ::operator delete(block, kAlign);
    }
  }
  friend bool operator==(const HugePageAllocator&, const HugePageAllocator&) { return true; }

 private:
  static constexpr std::align_val_t kAlign{kHugePage};
  static constexpr std::size_t whole(std::size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }
};

}  // namespace weir::base
