#include "engine/base/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace weir::base {

void prefer_huge_pages(void* block, std::size_t bytes) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(block);
  const std::uintptr_t from = (at + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t to = (at + bytes) / kHugePage * kHugePage;
  if (from >= to) return;
  // It is a wish: whether it is granted makes no difference but of time.
  (void)::madvise(static_cast<char*>(block) + (from - at), to - from, MADV_HUGEPAGE);
}

}  // namespace weir::base
