#include <cstring>
#include <type_traits>

#include "engine/inspect/options.h"

namespace weir::inspect {

InspectorCounters& InspectorCounters::operator+=(const InspectorCounters& other) {
  // Nothing but 64-bit counters, so that a new one cannot be forgotten here.
  static_assert(std::is_trivially_copyable_v<InspectorCounters>);
  static_assert(sizeof(InspectorCounters) % sizeof(std::uint64_t) == 0);
  constexpr std::size_t kCount = sizeof(InspectorCounters) / sizeof(std::uint64_t);
  std::uint64_t mine[kCount];
  std::uint64_t theirs[kCount];
  std::memcpy(mine, this, sizeof(mine));
  std::memcpy(theirs, &other, sizeof(theirs));
  for (std::size_t i = 0; i < kCount; ++i) mine[i] += theirs[i];
  std::memcpy(static_cast<void*>(this), mine, sizeof(mine));
  return *this;
}

}  // namespace weir::inspect
