#include "app/runtime/collections.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "rules/store_disk.h"

namespace weir::app {

Result<Collections> open_collections(const std::string& path, base::SipKey hash_key) {
  std::error_code ignored;
  const std::string file =
      std::filesystem::is_directory(path, ignored) ? path + "/collections" : path;
  auto disk = rules::open_store_files(file);
  if (!disk) return Unexpected(disk.error());
  // Times in the store are those of traffic, and none has been seen yet: what has expired is found
  // out later.
  auto opened = rules::MemoryStore::open(std::move(*disk), {}, hash_key, Timestamp{});
  if (!opened) return Unexpected(opened.error());
  Collections out;
  out.store = std::move(opened->store);
  if (opened->unreadable > 0) {
    out.warning = "the collections in " + file +
                  " are damaged: " + std::to_string(opened->records) + " records could be read, " +
                  std::to_string(opened->unreadable) + " bytes could not";
  }
  // Also tells at once whether the place can be written.
  if (auto written = out.store->sync(Timestamp{}); !written) return Unexpected(written.error());
  return out;
}

}  // namespace weir::app
