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

// The heap's end moves as soon as a piece is asked for that neither its end, which has so much room, nor anything free
// before it has room for.
void grow_heap(std::size_t room) noexcept {
  struct Piece {
    Piece* before;
  };
  const void* const end = ::sbrk(0);
  Piece* last = nullptr;
  while (::sbrk(0) == end) {
    auto* piece = static_cast<Piece*>(std::malloc(room + 4096));  // NOLINT: malloc() itself is meant
    if (piece == nullptr) break;
    piece->before = last;
    last = piece;
    if (piece > end) break;  // got by itself: it was too large for the heap
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
  const std::size_t room = ::mallinfo2().keepcost;
  if (room >= ahead) return;  // as it was left by the last call
  (void)::mallopt(M_TOP_PAD, static_cast<int>(ahead));
  auto* const from = static_cast<char*>(::sbrk(0));
  grow_heap(room);
  (void)::mallopt(M_TOP_PAD, 128 * 1024);  // as it was
  auto* const to = static_cast<char*>(::sbrk(0));
  if (to > from) prefer_huge_pages(from, static_cast<std::size_t>(to - from));
#else
  (void)ahead;
#endif
}

}  // namespace weir::base
