// How much memory the process really has: what the kernel has given it (Linux).
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace weir::test {

// 0 where it cannot be told.
inline std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long total = 0, resident = 0;
  const bool read = std::fscanf(file, "%lu %lu", &total, &resident) == 2;
  std::fclose(file);
  return read ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace weir::test
