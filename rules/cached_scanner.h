// Hyperscan's databases in the cache on disk (cache_file.h), by what was compiled, for which Hyperscan and CPU.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rules/match_hs.h"

namespace weir::rules {

struct CachedDatabase {
  std::unique_ptr<HsDatabase> database;
  std::vector<HsDatabase::Compiled::How> how;  // by pattern
  bool from_cache = false;
};

// Only restores; without a database if there is no such file, or none to trust.
CachedDatabase restore_cached(std::span<const HsPattern> patterns, const std::string& directory);
// Restores or compiles, and saves what was compiled. `directory` empty: no cache. Patterns that Hyperscan
// could only over-approximate are left out. Failures of the file system are not errors.
CachedDatabase compile_cached(std::span<const HsPattern> patterns, const std::string& directory);

}  // namespace weir::rules
