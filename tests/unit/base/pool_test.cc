#include "engine/base/pool.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace weir::base {
namespace {

struct Thing {
  std::uint64_t value = 42;
  std::uint32_t other = 7;
};

TEST(Pool, HandsOutEachIndexOnceAndNoMoreThanItHas) {
  Pool<Thing> pool(5);
  std::set<std::uint32_t> indexes;
  for (int i = 0; i < 5; ++i) indexes.insert(pool.allocate());
  EXPECT_EQ(indexes.size(), 5U);
  EXPECT_EQ(indexes.count(kNone), 0U);
  EXPECT_TRUE(pool.full());
  EXPECT_EQ(pool.allocate(), kNone);
  pool.release(3);
  EXPECT_EQ(pool.allocate(), 3U);
  EXPECT_EQ(pool.peak(), 5U);
}

TEST(Pool, ObjectsAreFreshEachTime) {
  Pool<Thing> pool(1);
  const auto i = pool.allocate();
  pool[i].value = 1;
  pool[i].other = 2;
  pool.release(i);
  const auto j = pool.allocate();
  EXPECT_EQ(pool[j].value, 42U);
  EXPECT_EQ(pool[j].other, 7U);
  EXPECT_EQ(pool.index_of(pool[j]), j);
}

TEST(Pool, RandomUseAgainstASet) {
  Pool<Thing> pool(100);
  std::set<std::uint32_t> used;
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2 == 0) {
      const auto index = pool.allocate();
      EXPECT_EQ(index == kNone, used.size() == 100);
      if (index != kNone) {
        EXPECT_TRUE(used.insert(index).second);
        pool[index].value = index;
      }
    } else if (!used.empty()) {
      auto it = used.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random() % used.size()));
      EXPECT_EQ(pool[*it].value, *it);
      pool.release(*it);
      used.erase(it);
    }
    EXPECT_EQ(pool.size(), used.size());
  }
}

TEST(Pool, EmptyPool) {
  Pool<Thing> pool(0);
  EXPECT_EQ(pool.allocate(), kNone);
  EXPECT_TRUE(pool.full());
}

}  // namespace
}  // namespace weir::base
