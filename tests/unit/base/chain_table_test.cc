#include "engine/base/chain_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <vector>

namespace weir::base {
namespace {

using Table = ChainTable<std::function<std::uint32_t&(std::uint32_t)>>;

struct Chains {
  explicit Chains(std::size_t most) : links(400), table([this](std::uint32_t i) -> std::uint32_t& { return links[i]; }, most) {}
  std::vector<std::uint32_t> links;
  Table table;
};

// Record r has the key r / 2, so that two records may share one.
TEST(ChainTable, RandomUseAgainstAMap) {
  for (const std::uint32_t spread : {1U, 3U, 64U, 0xffffffffU}) {
    for (const std::size_t most : {std::size_t{0}, std::size_t{7}, std::size_t{300}}) {
      Chains c(most);
      std::map<std::uint32_t, std::uint32_t> present;  // record -> hash
      std::mt19937 random(spread);
      for (int i = 0; i < 20'000; ++i) {
        const std::uint32_t record = static_cast<std::uint32_t>(random() % 300);
        const std::uint32_t hash = record / 2 * 2654435761U % spread;
        switch (random() % 4) {
          case 0:
            if (present.emplace(record, hash).second) c.table.insert(hash, record);
            break;
          case 1: ASSERT_EQ(c.table.erase(hash, record), present.erase(record) == 1); break;
          case 2: {
            const std::uint32_t other = record ^ 1U;  // the same key
            if (present.count(other) != 0) break;
            const bool there = present.erase(record) == 1;
            ASSERT_EQ(c.table.replace(hash, record, other), there);
            if (there) present[other] = hash;
            break;
          }
          default: {
            const std::uint32_t found = c.table.find(hash, [&](std::uint32_t r) { return r / 2 == record / 2; });
            const bool there = present.count(record) != 0 || present.count(record ^ 1U) != 0;
            ASSERT_EQ(found != kNone, there);
            if (there) {
              ASSERT_EQ(found / 2, record / 2);
            }
          }
        }
      }
    }
  }
}

TEST(ChainTable, TheHashIsNotTheIdentity) {
  Chains c(10);
  c.table.insert(7, 1);
  c.table.insert(7, 2);
  EXPECT_EQ(c.table.find(7, [](std::uint32_t r) { return r == 1; }), 1U);
  EXPECT_EQ(c.table.find(7, [](std::uint32_t r) { return r == 3; }), kNone);
  EXPECT_EQ(c.table.find(7, [](std::uint32_t) { return true; }), 2U);  // the one inserted last
}

}  // namespace
}  // namespace weir::base
