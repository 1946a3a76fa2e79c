// Collections that processes share: what they say, what a process leaves that dies or stops, and what becomes of memory
// that somebody wrote rubbish into.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "app/live/kept_collections.h"
#include "app/live/shared_store.h"
#include "rules/memory_store.h"

namespace weir::app {
namespace {

using Variables = std::map<std::string, std::string>;

constexpr Timestamp kStart{1'700'000'000'000'000'000};
Timestamp after(std::int64_t s) { return Timestamp{kStart.ns + s * 1'000'000'000}; }

std::unique_ptr<SharedStore> make(std::uint64_t bytes = 8U << 20U) {
  auto store = SharedStore::make(bytes, {1, 2});
  EXPECT_TRUE(store);
  return std::move(*store);
}

Variables load(rules::CollectionStore& store, const std::string& key, Timestamp now) {
  Variables out;
  store.load("ip", key, now, [&](std::string_view name, std::string_view value) { out.emplace(name, value); });
  return out;
}

TEST(SharedStore, SaysTheSameAsTheStoreInMemory) {
  std::mt19937 random(7);
  for (int run = 0; run < 30; ++run) {
    const auto shared = make();
    rules::MemoryStore memory;
    std::int64_t clock = 0;
    for (int step = 0; step < 500; ++step) {
      clock += static_cast<std::int64_t>(random() % (random() % 20 == 0 ? 5000 : 20));
      const Timestamp now = after(clock);
      const std::string key(1 + random() % 2, static_cast<char>('a' + random() % 4));
      const std::string name(1, static_cast<char>('x' + random() % 3));
      const std::string value = random() % 10 == 0 ? std::string(random() % 5000, 'v') : std::to_string(random() % 50);
      const auto delta = static_cast<std::int64_t>(random() % 20) - 8;
      const auto what = random() % 6;
      for (rules::CollectionStore* store : {static_cast<rules::CollectionStore*>(shared.get()), static_cast<rules::CollectionStore*>(&memory)}) {
        switch (what) {
          case 0: store->set("ip", key, name, value, now); break;
          case 1: EXPECT_GE(store->add("ip", key, name, delta, now), 0); break;
          case 2: store->remove("ip", key, name, now); break;
          case 3: store->expire("ip", key, name, seconds(30), now); break;
          case 4: store->deprecate("ip", key, name, 2, seconds(10), now); break;
          default: break;
        }
      }
      for (const char* k : {"a", "b", "cc", "d", "dd"}) ASSERT_EQ(load(*shared, k, now), load(memory, k, now)) << run << ' ' << step;
    }
    EXPECT_EQ(shared->stats().evicted, 0U);
    EXPECT_EQ(shared->stats().emptied, 0U);
    EXPECT_EQ(shared->stats().refused, memory.stats().refused);
  }
}

TEST(SharedStore, KeysAreBytesOfTheirCollection) {
  const auto store = make();
  store->set("ip", std::string("a\0b", 3), "v", "1", kStart);
  store->set("ip", "a", "v", "2", kStart);
  store->set("user", "a", "v", "3", kStart);
  EXPECT_EQ(load(*store, std::string("a\0b", 3), kStart), (Variables{{"v", "1"}}));
  EXPECT_EQ(load(*store, "a", kStart), (Variables{{"v", "2"}}));
  EXPECT_EQ(store->stats().records, 3U);
}

TEST(SharedStore, ProcessesLoseNoIncrement) {
  const auto store = make();
  constexpr int kProcesses = 4, kRounds = 3000;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      store->take_part();
      int done = 0;
      // One that finds its shard held for too long (a busy machine) says so, and is repeated.
      while (done < kRounds) {
        const std::uint64_t busy = store->stats().busy;
        if (store->add("ip", std::to_string(done % 3), "n", 1, kStart) > 1 || store->stats().busy == busy) ++done;
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::int64_t sum = 0;
  for (const char* key : {"0", "1", "2"}) sum += std::stoll(load(*store, key, kStart)["n"]);
  EXPECT_NEAR(static_cast<double>(sum), kProcesses * kRounds, static_cast<double>(store->stats().busy));
  EXPECT_EQ(store->stats().emptied, 0U);
}

TEST(SharedStore, MemoryIsBoundedAndTheOldestGoFirst) {
  const auto store = make(1 << 20);
  store->set("ip", "precious", "v", "kept", kStart);
  for (int i = 0; i < 20'000; ++i) {
    store->set("ip", "k" + std::to_string(i), "v", std::string(100 + i % 900, 'x'), after(i / 100));
    if (i % 20 == 0) store->add("ip", "precious", "n", 1, after(i / 100));
  }
  EXPECT_EQ(load(*store, "precious", after(200)), (Variables{{"v", "kept"}, {"n", "1000"}}));
  EXPECT_EQ(load(*store, "k19999", after(200)).size(), 1U);
  EXPECT_TRUE(load(*store, "k0", after(200)).empty());
  const SharedStoreStats s = store->stats();
  EXPECT_GT(s.evicted, 10'000U);
  EXPECT_LT(s.records, 64U * store->blocks_of_a_shard());
  EXPECT_EQ(s.emptied, 0U);
}

TEST(SharedStore, WhatIsTooLargeIsRefused) {
  const auto store = make(1 << 20);
  for (int i = 0; i < 70; ++i) store->set("ip", "many", "v" + std::to_string(i), "1", kStart);
  EXPECT_EQ(load(*store, "many", kStart).size(), SharedStore::kVariables);
  store->set("ip", "k", "v", std::string(4097, 'x'), kStart);
  store->set("ip", std::string(4097, 'k'), "v", "1", kStart);
  EXPECT_EQ(store->add("ip", "k", std::string(4097, 'n'), 5, kStart), 5);
  EXPECT_TRUE(load(*store, "k", kStart).empty());
  EXPECT_EQ(store->stats().refused, 6U + 3U);
  // A record that would take more than half of its shard.
  for (int i = 0; i < 10; ++i) store->set("ip", "huge", "v" + std::to_string(i), std::string(4000, 'x'), kStart);
  EXPECT_LT(load(*store, "huge", kStart).size(), 10U);
  store->set("ip", "after", "v", "1", kStart);
  EXPECT_EQ(load(*store, "after", kStart).size(), 1U);
  EXPECT_EQ(store->stats().emptied, 0U);
  EXPECT_FALSE(SharedStore::make(1000, {}));
}

TEST(SharedStore, AProcessThatStopsHoldsNobodyUp) {
  const auto store = make();
  store->set("ip", "a", "v", "1", kStart);
  store->set("ip", "b", "v", "1", kStart);
  store->hold("ip", "a");
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    store->set("ip", "a", "v", "2", kStart);
    EXPECT_TRUE(load(*store, "a", kStart).empty());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
  EXPECT_EQ(store->stats().busy, 2000U);
  EXPECT_EQ(load(*store, "b", kStart).size(), 1U);
}

TEST(SharedStore, OfOneThatDiedTheShardIsEmptied) {
  const auto store = make();
  for (int i = 0; i < 640; ++i) store->set("ip", std::to_string(i), "v", "1", kStart);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    store->take_part();
    store->hold("ip", "7");
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(load(*store, "7", kStart).empty());
  store->died(child);
  EXPECT_EQ(store->stats().emptied, 1U);
  const std::uint64_t left = store->stats().records;
  EXPECT_LT(left, 640U);
  EXPECT_GT(left, 500U);
  ::usleep(150'000);  // until it is asked for again
  store->set("ip", "7", "v", "2", kStart);
  EXPECT_EQ(load(*store, "7", kStart), (Variables{{"v", "2"}}));
}

// A worker that is taken over may write anything there: others get wrong answers at worst.
TEST(SharedStore, RubbishInItsMemoryIsSurvived) {
  std::mt19937 random(13);
  std::uint64_t emptied = 0;
  for (int run = 0; run < 150; ++run) {
    const auto store = make(1 << 20);
    for (int i = 0; i < 500; ++i) store->set("ip", std::to_string(i), "v", std::string(random() % 600, 'x'), after(i));
    SharedMemory& memory = store->memory();
    const std::size_t stride = memory.size() / SharedStore::kShards;
    for (int i = 0; i < 400; ++i) {
      // Not the lock: that is a matter of patience.
      std::size_t at = random() % memory.size();
      if (at % stride < 4) at += 4;
      const auto byte = static_cast<std::byte>(random() % 3 == 0 ? 0xff : random());
      const std::size_t n = run % 2 == 0 ? 1 : 64;
      for (std::size_t j = 0; j < n && at + j < memory.size() && (at + j) % stride >= 4; ++j) memory.data()[at + j] = byte;
      const std::string key = std::to_string(random() % 700);
      store->set("ip", key, "v", std::string(random() % 2000, 'y'), after(600 + i));
      store->add("ip", std::to_string(random() % 700), "n", 1, after(600 + i));
      store->remove("ip", std::to_string(random() % 700), "v", after(600 + i));
      load(*store, std::to_string(random() % 700), after(600 + i));
    }
    emptied += store->stats().emptied;
  }
  EXPECT_GT(emptied, 0U);
}

// --- kept from one run to the next ---

class Kept : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* more : {"", ".lock", ".new"}) std::remove((file_ + more).c_str());
  }
  [[nodiscard]] std::string content() const {
    std::ifstream in(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& bytes) const { std::ofstream(file_, std::ios::binary) << bytes; }
  std::string file_ = ::testing::TempDir() + "/kept-" + std::to_string(::getpid());
};

TEST_F(Kept, WhatWasSavedIsThereAgain) {
  const auto one = make();
  for (int i = 0; i < 500; ++i) {
    const std::string key = std::to_string(i);
    one->set("ip", key, "n", std::string(900, 'v') + key, after(i));
    (void)one->add("ip", key, "hits", i, after(i));
    one->expire("ip", key, "hits", seconds(10'000), after(i));
  }
  const auto saved = save_collections(*one, file_);
  ASSERT_TRUE(saved);
  EXPECT_EQ(*saved, 500U);
  const auto other = std::move(*SharedStore::make(8U << 20U, {3, 4}));  // by another key, as another process has
  const auto loaded = load_collections(*other, file_, after(600));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(*loaded, 500U);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(load(*other, std::to_string(i), after(600)), load(*one, std::to_string(i), after(600))) << i;
  EXPECT_TRUE(load(*other, "7", after(3'700)).empty()) << "and is as old as it was";
  EXPECT_EQ(load(*other, "400", after(3'700)).size(), 2U);
  // Once more, over what there is; a smaller one takes the latest.
  EXPECT_TRUE(save_collections(*other, file_));
  const auto small = make(384U << 10U);
  EXPECT_TRUE(load_collections(*small, file_, after(600)));
  EXPECT_LT(small->stats().records, 500U);
  EXPECT_GT(small->stats().records, 100U);
}

TEST_F(Kept, NoFileIsNoError) {
  const auto store = make();
  const auto loaded = load_collections(*store, file_, kStart);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, 0U);
}

TEST_F(Kept, OfADamagedFileWhatIsWholeIsTaken) {
  const auto one = make();
  for (int i = 0; i < 100; ++i) one->set("ip", std::to_string(i), "n", "v", kStart);
  ASSERT_TRUE(save_collections(*one, file_));
  const std::string whole = content();
  for (std::size_t cut = 0; cut < whole.size(); cut += 37) {
    put(whole.substr(0, cut));
    const auto store = make(1U << 20U);
    const auto loaded = load_collections(*store, file_, kStart);
    EXPECT_EQ(static_cast<bool>(loaded), cut == 0) << cut;
    EXPECT_LE(store->stats().records, 100U);
    if (cut > whole.size() / 2) {
      EXPECT_GT(store->stats().records, 40U);
    }
  }
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    put(bytes);
    const auto store = make(1U << 20U);
    EXPECT_FALSE(load_collections(*store, file_, kStart));
    (void)load(*store, "1", kStart);
  }
}

TEST_F(Kept, WhatIsNotOursIsNeitherReadNorReplaced) {
  put("root:x:0:0");
  const auto store = make();
  store->set("ip", "1", "n", "v", kStart);
  const auto loaded = load_collections(*store, file_, kStart);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("is no file of collections"), std::string::npos);
  EXPECT_FALSE(save_collections(*store, file_));
  EXPECT_EQ(content(), "root:x:0:0");
  put(std::string(64U << 20U, 'x'));
  EXPECT_FALSE(load_collections(*store, file_, kStart));
  EXPECT_FALSE(load_collections(*store, "/nowhere/at/all", kStart));
}

}  // namespace
}  // namespace weir::app
