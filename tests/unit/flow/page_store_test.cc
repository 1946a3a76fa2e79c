// PageStore against a map of bytes; PieceList's pool; SuspectList.
#include "engine/flow/page_store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "engine/flow/pieces.h"
#include "engine/flow/suspects.h"

namespace weir::flow {
namespace {

TEST(PageStore, RandomUseAgainstAMap) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    PageStore store(4 << 20);
    PageList list;
    std::map<std::int64_t, std::uint8_t> bytes;
    std::mt19937_64 random(seed);
    std::int64_t base = static_cast<std::int64_t>(random() % 100'000);
    const std::int64_t spread = std::int64_t{1} << (8 + random() % 12);
    for (int i = 0; i < 300; ++i) {
      const std::int64_t offset = base + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(spread));
      std::vector<std::uint8_t> data(1 + random() % 3000);
      for (auto& b : data) b = static_cast<std::uint8_t>(random() % 3);
      const auto end = offset + static_cast<std::int64_t>(data.size());
      switch (random() % 6) {
        case 0:
        case 1: {
          const bool over = random() % 2 == 0;
          ASSERT_TRUE(store.reserve(list, offset, end));
          ASSERT_EQ(store.missing_pages(list, offset, end), 0U);
          const auto fresh = over ? store.write_over(list, offset, data)
                                  : store.write_absent(list, offset, data);
          std::uint32_t expected = 0;
          for (std::size_t k = 0; k < data.size(); ++k) {
            const auto [it, absent] = bytes.emplace(offset + static_cast<std::int64_t>(k), data[k]);
            expected += absent ? 1 : 0;
            if (!absent && over) it->second = data[k];
          }
          ASSERT_EQ(fresh, expected);
          break;
        }
        case 2: {
          if (random() % 2 == 0) {  // mostly equal data
            for (std::size_t k = 0; k < data.size(); ++k) {
              const auto it = bytes.find(offset + static_cast<std::int64_t>(k));
              if (it != bytes.end()) data[k] = it->second;
            }
          }
          bool differs = false;
          for (std::size_t k = 0; k < data.size(); ++k) {
            const auto it = bytes.find(offset + static_cast<std::int64_t>(k));
            differs |= it != bytes.end() && it->second != data[k];
          }
          ASSERT_EQ(store.differs(list, offset, data), differs);
          break;
        }
        case 3: {
          const auto it = bytes.lower_bound(offset);
          ASSERT_EQ(store.next_present(list, offset), it == bytes.end() ? -1 : it->first);
          const Bytes run = store.run_at(list, offset);
          std::int64_t o = offset;
          for (const std::uint8_t b : run) ASSERT_EQ(bytes.at(o++), b);
          if (o % kPageBytes != 0 || run.empty()) {
            ASSERT_EQ(bytes.count(o), 0U);
          }
          break;
        }
        case 4: {  // behind everything that is there
          const std::int64_t from = bytes.empty() ? offset : bytes.rbegin()->first + 1 + static_cast<std::int64_t>(random() % 2);
          ASSERT_TRUE(store.append(list, from, data));
          for (std::size_t k = 0; k < data.size(); ++k) bytes.emplace(from + static_cast<std::int64_t>(k), data[k]);
          ASSERT_FALSE(store.differs(list, from, data));
          break;
        }
        default:
          if (random() % 4 == 0) {
            base += spread / 4;
            store.release_below(list, base);
            bytes.erase(bytes.begin(), bytes.lower_bound(base / kPageBytes * kPageBytes));
          }
      }
    }
    store.release_all(list);
    ASSERT_EQ(store.pages_used(), 0U);
    ASSERT_EQ(list.pages, 0U);
  }
}

TEST(PageStore, ExhaustionChangesNothing) {
  PageStore store(20 * (sizeof(Page) + sizeof(PageDirectory)));
  PageList a;
  PageList b;
  ASSERT_TRUE(store.reserve(a, 0, 15 * kPageBytes));
  EXPECT_EQ(store.pages_used(), 15U);
  const std::vector<std::uint8_t> data(15 * kPageBytes, 1);
  store.write_absent(a, 0, data);
  EXPECT_FALSE(store.reserve(b, 0, 6 * kPageBytes));
  EXPECT_FALSE(store.append(b, 0, Bytes(data).first(6 * kPageBytes)));
  EXPECT_EQ(store.pages_used(), 15U);
  EXPECT_EQ(b.pages, 0U);
  EXPECT_EQ(b.head, base::kNone);
  ASSERT_TRUE(store.reserve(b, 0, 5 * kPageBytes));
  EXPECT_FALSE(store.reserve(b, 100 * kPageBytes, 100 * kPageBytes + 1));
  store.release_all(b);
  ASSERT_TRUE(store.append(b, 0, Bytes(data).first(5 * kPageBytes)));
  EXPECT_EQ(store.pages_used(), 20U);
  store.release_all(a);
  store.release_all(b);
  EXPECT_EQ(store.pages_used(), 0U);
}

// One-byte segments far apart: a page and at worst a directory each, within the cap.
TEST(PageStore, SparseBytesStayWithinTheCap) {
  const std::uint64_t cap = 1 << 20;
  PageStore store(cap);
  EXPECT_LE(store.memory(), cap);
  PageList list;
  std::uint32_t stored = 0;
  const std::uint8_t byte = 1;
  for (std::int64_t i = 0; i < 10000; ++i) {
    const std::int64_t offset = i * kPageBytes * kDirectoryPages;
    if (!store.reserve(list, offset, offset + 1)) break;
    store.write_absent(list, offset, {&byte, 1});
    ++stored;
  }
  EXPECT_EQ(stored, store.pages_most());
  store.release_all(list);
}

TEST(PieceList, RefusesRatherThanRunsOut) {
  PieceList pieces(10);
  std::uint32_t head = base::kNone;
  int merged = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    merged += pieces.merge(head, OverlapPolicy::Linux, i * 10, i * 10 + 1, i * 10, i * 10 + 1,
                           [](std::int64_t, std::int64_t) {})
                  ? 1
                  : 0;
  }
  EXPECT_EQ(merged, 8);
  pieces.release_below(head, 11);
  EXPECT_EQ(pieces.size(), 6U);
  pieces.release_all(head);
  EXPECT_EQ(pieces.size(), 0U);
  EXPECT_EQ(head, base::kNone);
}

TEST(SuspectList, ChoosesTheFirstAcknowledged) {
  SuspectList list(4);
  std::uint32_t head = base::kNone;
  const std::vector<std::uint8_t> data{1, 2, 3};
  EXPECT_TRUE(list.add(head, 10, data, false));
  EXPECT_FALSE(list.add(head, 10, data, false));  // the same again
  EXPECT_TRUE(list.add(head, 0, data, false));
  EXPECT_TRUE(list.add(head, 20, data, true));
  EXPECT_EQ(list.acknowledged(head, 0, 2), base::kNone);
  EXPECT_EQ(list[list.acknowledged(head, 0, 100)].offset, 0);
  EXPECT_EQ(list[list.acknowledged(head, 5, 100)].offset, 10);
  EXPECT_EQ(list.highest(head, 7), 24);
  EXPECT_EQ(list.release_below(head, 13), 1U);
  EXPECT_FALSE(list.add(head, 30, std::vector<std::uint8_t>(3000), false));
  EXPECT_TRUE(list.add(head, 30, data, false));
  EXPECT_TRUE(list.add(head, 31, data, false));
  EXPECT_TRUE(list.add(head, 32, data, false));
  EXPECT_FALSE(list.add(head, 33, data, false));  // full
  list.release_all(head);
  EXPECT_TRUE(list.add(head, 33, data, false));
}

}  // namespace
}  // namespace weir::flow
