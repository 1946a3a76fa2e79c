#include "app/live/kept_collections.h"

#include <sys/stat.h>

#include <optional>

#include "rules/store_codec.h"
#include "rules/store_disk.h"

namespace weir::app {
namespace {

using rules::StoreReader;

std::uint64_t size_of(const std::string& file) {
  struct stat about{};
  return ::stat(file.c_str(), &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
}

}  // namespace

Result<std::uint64_t> load_collections(SharedStore& store, const std::string& file, Timestamp now) {
  // So much is of a far larger one, or something else.
  if (size_of(file) > 2 * store.bytes()) return fail("is larger than collections.memory allows; they begin empty");
  auto disk = rules::open_store_files(file);
  if (!disk) return fail(disk.error().message + "; they begin empty");
  const Result<std::string> bytes = (*disk)->read(rules::StoreDisk::File::Snapshot);
  if (!bytes) return fail(bytes.error().message + "; they begin empty");
  if (bytes->empty()) return std::uint64_t{0};
  StoreReader reader(*bytes);
  if (!reader.header()) return fail("is no file of collections; they begin empty");
  std::uint64_t records = 0;
  for (;;) {
    switch (reader.next()) {
      case StoreReader::Kind::Record:
        if (store.put(reader.record(), now)) ++records;
        break;
      case StoreReader::Kind::Removal: break;
      case StoreReader::Kind::End: return records;
      case StoreReader::Kind::Finished:
      case StoreReader::Kind::Damaged:
        return fail("is damaged: " + std::to_string(records) + " records could be read, " + std::to_string(reader.unread()) + " bytes could not");
    }
  }
}

Result<std::uint64_t> save_collections(SharedStore& store, const std::string& file) {
  auto disk = rules::open_store_files(file);
  if (!disk) return fail(disk.error().message);
  std::string bytes;
  // Whoever keeps a journal beside it (weir inspect --collections) finds that older than this.
  const Result<std::string> before = (*disk)->read(rules::StoreDisk::File::Snapshot);
  const std::optional<std::uint64_t> generation = before ? StoreReader(*before).header() : std::nullopt;
  if (before && !before->empty() && !generation) return fail(file + " is no file of collections");
  rules::append_file_header(bytes, generation.value_or(0) + 1);
  std::uint64_t records = 0;
  store.each([&](const rules::StoredRecord& record) {
    rules::append_record(bytes, record);
    ++records;
  });
  rules::append_end(bytes, records);
  if (const Result<void> written = (*disk)->replace(rules::StoreDisk::File::Snapshot, bytes); !written) return fail(written.error().message);
  return records;
}

}  // namespace weir::app
