// Compiled databases on disk. A file is named by the digest of what was compiled and holds its own digest:
// one that is damaged, not ours, or of another Hyperscan or CPU is ignored and made anew, never trusted.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rules/match_hs.h"

namespace weir::rules {

struct CachedDatabase {
  std::unique_ptr<HsDatabase> database;
  std::vector<HsDatabase::Compiled::How> how;  // by pattern
  std::vector<std::uint32_t> left;             // scratch space of the caller
  bool from_cache = false;
};

// Compiles, or restores from `directory` (empty: no cache). Patterns that Hyperscan could only
// over-approximate are left out. Failures of the file system are not errors.
CachedDatabase compile_cached(std::span<const HsPattern> patterns, const std::string& directory);

}  // namespace weir::rules
