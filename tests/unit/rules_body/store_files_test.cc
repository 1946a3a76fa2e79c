#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "rules/memory_store.h"
#include "rules/store_codec.h"
#include "rules/store_disk.h"

namespace weir::rules {
namespace {

constexpr Timestamp kStart = {1'700'000'000'000'000'000};

struct Directory {
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-store-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

TEST(StoreFiles, RealFiles) {
  const Directory directory;
  const std::string path = directory.path / "collections";
  for (int run = 0; run < 3; ++run) {
    auto disk = open_store_files(path);
    ASSERT_TRUE(disk);
    EXPECT_FALSE(open_store_files(path));  // one owner at a time
    auto opened = MemoryStore::open(std::move(*disk), {}, {}, kStart);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->unreadable, 0U);
    EXPECT_EQ(opened->store->add("ip", "k", "n", 1, kStart), run * 2 + 1);
    ASSERT_TRUE(opened->store->sync(kStart));
    EXPECT_EQ(opened->store->add("ip", "k", "n", 1, kStart), run * 2 + 2);
    ASSERT_TRUE(opened->store->sync(kStart));
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  const auto mode = std::filesystem::status(path).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(StoreFiles, ErrorsAreSentences) {
  const auto missing = open_store_files("/nonexistent-directory/x");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, testing::StartsWith("cannot open /nonexistent-directory/x.lock: "));
}

TEST(StoreCodec, Crc32) {
  EXPECT_EQ(crc32("123456789"), 0xCBF43926U);
  EXPECT_EQ(crc32("6789", crc32("12345")), 0xCBF43926U);
  EXPECT_EQ(crc32(""), 0U);
}

}  // namespace
}  // namespace weir::rules
