// A store's files from a damaged disk: any bytes are read without harm, and after a sync all is whole.
#include "rules/memory_store.h"
#include "rules/store_codec.h"
#include "tests/fuzz/rules_body/split.h"

namespace {

struct Disk : weir::rules::StoreDisk {
  std::string* files;
  explicit Disk(std::string* f) : files(f) {}
  weir::Result<std::string> read(File file) override { return files[static_cast<int>(file)]; }
  weir::Result<void> append(std::string_view bytes) override {
    files[1] += bytes;
    return {};
  }
  weir::Result<void> replace(File file, std::string_view bytes) override {
    files[static_cast<int>(file)] = bytes;
    return {};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir::rules;
  using body::test::require;
  const std::string_view input = body::test::view(data, size);
  // A whole snapshot, then the input with right checksums put in for half of the runs.
  std::string files[2];
  append_file_header(files[0], 1);
  append_record(files[0], {std::string("ip\0k", 4), 5, {{"n", "1", 5, 0}}});
  append_end(files[0], 1);
  append_file_header(files[1], 1);
  std::string entry;
  append_record(entry, {std::string(input.substr(0, 9)), 7, {{std::string(input.substr(0, 3)), "v", 1, 2}}});
  files[1] += size % 2 == 0 ? entry + std::string(input) : std::string(input);
  if (size % 5 == 0) files[0] = input;
  const weir::Timestamp now{10};
  auto opened = MemoryStore::open(std::make_unique<Disk>(files), {}, {}, now);
  require(opened.has_value());
  opened->store->add("ip", "k", "n", 1, now);
  require(opened->store->sync(now).has_value());
  const auto records = opened->store->stats().records;
  auto again = MemoryStore::open(std::make_unique<Disk>(files), {}, {}, now);
  require(again.has_value() && again->unreadable == 0 && again->records == records);
  return 0;
}
