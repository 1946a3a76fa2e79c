// The persistent collections (IP, SESSION, …) of a program that keeps them on disk over runs.
#pragma once

#include <memory>
#include <string>

#include "engine/base/siphash.h"
#include "engine/result.h"
#include "rules/memory_store.h"

namespace weir::app {

struct Collections {
  std::unique_ptr<rules::MemoryStore> store;
  std::string warning;  // a sentence, if part of what was there could not be read
};

// `path`: a file (with `path`.journal and `path`.lock beside it), or a directory, in which the file
// is called "collections". Made if it is not there. Fails if another process uses it.
Result<Collections> open_collections(const std::string& path, base::SipKey hash_key);

}  // namespace weir::app
