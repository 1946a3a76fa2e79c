// Persistent collections over the end of one `weir run` and the start of the next: a file (the snapshot of
// rules/store_codec.h) that is written when the workers are gone and read before there are any. What happens between
// is in no file: a supervisor that is killed leaves the one of its start.
#pragma once

#include <cstdint>
#include <string>

#include "app/live/shared_store.h"
#include "engine/result.h"

namespace weir::app {

// Both by the process that makes the store, while no other uses it. Errors are sentences; the store is as it was, or
// has what could be read.
[[nodiscard]] Result<std::uint64_t> load_collections(SharedStore& store, const std::string& file, Timestamp now);
[[nodiscard]] Result<std::uint64_t> save_collections(SharedStore& store, const std::string& file);

}  // namespace weir::app
