#include "engine/base/flat_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace weir::base {
namespace {

// Records 0..n-1 have the key `record / 2` here, so that two records may share one.
TEST(FlatTable, RandomUseAgainstAMap) {
  for (const std::uint32_t spread : {1U, 3U, 64U, 0xffffffffU}) {  // from all colliding to none
    FlatTable table(200);
    std::map<std::uint32_t, std::uint32_t> present;  // record -> hash
    std::mt19937 random(spread);
    for (int i = 0; i < 30000; ++i) {
      const std::uint32_t record = static_cast<std::uint32_t>(random() % 300);
      const std::uint32_t hash = record * 2654435761U % spread;
      switch (random() % 3) {
        case 0:
          if (present.count(record) == 0) {
            const bool room = present.size() < 200;
            ASSERT_EQ(table.insert(hash, record), room);
            if (room) present[record] = hash;
          }
          break;
        case 1:
          ASSERT_EQ(table.erase(hash, record), present.erase(record) == 1);
          break;
        default: {
          const auto found = table.find(hash, [&](std::uint32_t r) { return r == record; });
          ASSERT_EQ(found, present.count(record) == 1 ? record : kNone);
        }
      }
      ASSERT_EQ(table.size(), present.size());
    }
    for (const auto& [record, hash] : present) {
      ASSERT_EQ(table.find(hash, [r = record](std::uint32_t x) { return x == r; }), record);
    }
  }
}

TEST(FlatTable, TheHashIsNotTheIdentity) {
  FlatTable table(10);
  ASSERT_TRUE(table.insert(5, 1));
  ASSERT_TRUE(table.insert(5, 2));
  EXPECT_EQ(table.find(5, [](std::uint32_t r) { return r == 2; }), 2U);
  EXPECT_EQ(table.find(5, [](std::uint32_t) { return false; }), kNone);
  EXPECT_EQ(table.find(5, [](std::uint32_t) { return true; }), 1U);
}

TEST(FlatTable, ReplaceKeepsThePlace) {
  FlatTable table(10);
  ASSERT_TRUE(table.insert(5, 1));
  EXPECT_TRUE(table.replace(5, 1, 9));
  EXPECT_FALSE(table.replace(5, 1, 8));
  EXPECT_EQ(table.find(5, [](std::uint32_t r) { return r == 9; }), 9U);
  EXPECT_EQ(table.size(), 1U);
}

TEST(FlatTable, WrapsAroundItsEnd) {
  FlatTable table(4);  // eight cells
  for (std::uint32_t r = 0; r < 4; ++r) ASSERT_TRUE(table.insert(7, r));
  EXPECT_FALSE(table.insert(7, 4));
  ASSERT_TRUE(table.erase(7, 0));
  for (std::uint32_t r = 1; r < 4; ++r) {
    EXPECT_EQ(table.find(7, [r](std::uint32_t x) { return x == r; }), r);
  }
}

}  // namespace
}  // namespace weir::base
