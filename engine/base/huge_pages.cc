#include "engine/base/huge_pages.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace weir::base {

void prefer_huge_pages(void* block, std::size_t bytes) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(block);
  const std::uintptr_t from = (at + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t to = (at + bytes) / kHugePage * kHugePage;
  if (from >= to) return;
  // It is a wish: whether it is granted makes no difference but of time.
  (void)::madvise(static_cast<char*>(block) + (from - at), to - from, MADV_HUGEPAGE);
}

#ifdef __GLIBC__
namespace {

// The heap's end moves as soon as a piece is asked for that neither its end nor anything free before it has room for.
void grow_heap() noexcept {
  struct Piece {
    Piece* before;
  };
  const void* const end = ::sbrk(0);
  const std::size_t size = ::mallinfo2().keepcost + 4096;  // what the end has room for, and a page
  Piece* last = nullptr;
  for (int i = 0; i < 1000 && ::sbrk(0) == end; ++i) {
    auto* piece = static_cast<Piece*>(std::malloc(size));  // NOLINT: malloc() itself is meant
    if (piece == nullptr) break;
    piece->before = last;
    last = piece;
  }
  while (last != nullptr) {
    Piece* before = last->before;
    std::free(last);  // NOLINT
    last = before;
  }
}

}  // namespace
#endif

void heap_on_huge_pages(std::size_t ahead) noexcept {
#ifdef __GLIBC__
  (void)::mallopt(M_ARENA_MAX, 1);
  (void)::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // where it goes by itself as large pieces are freed
  (void)::mallopt(M_TOP_PAD, static_cast<int>(ahead));
  auto* const from = static_cast<char*>(::sbrk(0));
  grow_heap();
  (void)::mallopt(M_TOP_PAD, 128 * 1024);  // as it was
  auto* const to = static_cast<char*>(::sbrk(0));
  if (to > from) prefer_huge_pages(from, static_cast<std::size_t>(to - from));
#else
  (void)ahead;
#endif
}

}  // namespace weir::base
