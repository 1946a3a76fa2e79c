#include "rules/memory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

namespace weir::rules {
namespace {

using Variables = std::map<std::string, std::string>;

constexpr Timestamp at(std::int64_t s) { return {s * 1'000'000'000}; }
constexpr Timestamp kStart = at(1'700'000'000);
constexpr Timestamp after(std::int64_t s) { return kStart + seconds(s); }

Variables load(MemoryStore& store, std::string_view key, Timestamp now,
               std::string_view collection = "ip") {
  Variables out;
  store.load(collection, key, now, [&out](std::string_view k, std::string_view v) {
    EXPECT_TRUE(out.emplace(k, v).second);
  });
  return out;
}

TEST(MemoryStore, SetAddRemove) {
  MemoryStore store;
  EXPECT_TRUE(load(store, "192.0.2.1", kStart).empty());
  store.set("ip", "192.0.2.1", "block", "1", kStart);
  EXPECT_EQ(store.add("ip", "192.0.2.1", "count", 5, kStart), 5);
  EXPECT_EQ(store.add("ip", "192.0.2.1", "count", 2, kStart), 7);
  EXPECT_EQ(store.add("ip", "192.0.2.1", "count", -9, kStart), 0);
  EXPECT_EQ(store.add("ip", "192.0.2.1", "none", -1, kStart), 0);
  EXPECT_EQ(load(store, "192.0.2.1", kStart), (Variables{{"block", "1"}, {"count", "0"}, {"none", "0"}}));
  EXPECT_TRUE(load(store, "192.0.2.1", kStart, "session").empty());
  EXPECT_TRUE(load(store, "192.0.2.2", kStart).empty());
  store.remove("ip", "192.0.2.1", "block", kStart);
  store.remove("ip", "192.0.2.1", "never", kStart);
  store.remove("ip", "nobody", "never", kStart);
  EXPECT_EQ(load(store, "192.0.2.1", kStart), (Variables{{"count", "0"}, {"none", "0"}}));
  store.remove("ip", "192.0.2.1", "count", kStart);
  store.remove("ip", "192.0.2.1", "none", kStart);
  EXPECT_EQ(store.stats().records, 0U);
  EXPECT_EQ(store.stats().bytes, 0U);
}

TEST(MemoryStore, AddReadsNumbersAsAtoiDoes) {
  MemoryStore store;
  const auto added = [&](const std::string& value, std::int64_t delta) {
    store.set("ip", "k", "v", value, kStart);
    return store.add("ip", "k", "v", delta, kStart);
  };
  EXPECT_EQ(added("12abc", 1), 13);
  EXPECT_EQ(added("abc", 1), 1);
  EXPECT_EQ(added("", 1), 1);
  EXPECT_EQ(added(" 7", 1), 8);
  EXPECT_EQ(added("+7", 1), 8);
  EXPECT_EQ(added("-7", 8), 1);
  EXPECT_EQ(added("--7", 8), 8);
  EXPECT_EQ(added("99999999999999999999", 1), INT64_MAX);
  EXPECT_EQ(added("5", INT64_MAX), INT64_MAX);
  EXPECT_EQ(added("5", INT64_MIN), 0);
}

TEST(MemoryStore, KeysAreBytes) {
  MemoryStore store;
  const std::string a("a\0b", 3), b("a\0c", 3);
  store.set("ip", a, a, b, kStart);
  EXPECT_EQ(load(store, a, kStart), (Variables{{a, b}}));
  EXPECT_TRUE(load(store, "a", kStart).empty());
  store.set("ip", "x", "V", "1", kStart);
  store.set("ip", "x", "v", "2", kStart);
  EXPECT_EQ(load(store, "x", kStart).size(), 2U);
}

TEST(MemoryStore, VariablesExpire) {
  MemoryStore store;
  store.set("ip", "k", "a", "1", kStart);
  store.set("ip", "k", "b", "2", kStart);
  store.expire("ip", "k", "a", seconds(60), kStart);
  store.expire("ip", "k", "missing", seconds(60), kStart);
  store.expire("ip", "missing", "a", seconds(60), kStart);
  EXPECT_EQ(load(store, "k", after(59)).size(), 2U);
  EXPECT_EQ(load(store, "k", after(60)), (Variables{{"b", "2"}}));
  // Setting keeps the expiry; a variable that has expired starts anew.
  store.set("ip", "k", "a", "3", after(30));
  EXPECT_EQ(load(store, "k", after(60)), (Variables{{"b", "2"}}));
  EXPECT_EQ(store.add("ip", "k", "a", 1, after(61)), 1);
  EXPECT_EQ(load(store, "k", after(1000)).size(), 2U);
  // A record is gone when all its variables are.
  store.expire("ip", "k", "a", seconds(10), after(61));
  store.expire("ip", "k", "b", seconds(10), after(61));
  EXPECT_TRUE(load(store, "k", after(71)).empty());
  EXPECT_EQ(store.stats().records, 0U);
  EXPECT_EQ(store.stats().expired, 1U);
}

TEST(MemoryStore, RecordsTimeOut) {
  MemoryStore store;
  store.set("ip", "k", "a", "1", kStart);
  EXPECT_EQ(load(store, "k", after(3599)).size(), 1U);
  EXPECT_TRUE(load(store, "k", after(3600)).empty());
  store.set("ip", "k", "a", "1", after(4000));
  store.set_timeout(seconds(10));
  store.set("ip", "k", "b", "1", after(4009));
  EXPECT_EQ(load(store, "k", after(4018)).size(), 2U);
  EXPECT_TRUE(load(store, "k", after(4019)).empty());
  store.set("ip", "k", "c", "1", after(5000));
  ASSERT_TRUE(store.sync(after(5009)));
  EXPECT_EQ(store.stats().records, 1U);
  ASSERT_TRUE(store.sync(after(5010)));
  EXPECT_EQ(store.stats().records, 0U);
}

TEST(MemoryStore, Deprecate) {
  MemoryStore store;
  const auto value = [&](std::int64_t s) { return load(store, "k", after(s))["v"]; };
  store.set("ip", "k", "v", "100", kStart);
  store.deprecate("ip", "k", "v", 10, seconds(60), after(59));
  EXPECT_EQ(value(59), "100");
  store.deprecate("ip", "k", "v", 10, seconds(60), after(150));  // two whole periods
  EXPECT_EQ(value(150), "80");
  store.deprecate("ip", "k", "v", 10, seconds(60), after(150));
  EXPECT_EQ(value(150), "80");
  store.deprecate("ip", "k", "v", 10, seconds(60), after(180));  // the rest of the third
  EXPECT_EQ(value(180), "70");
  store.deprecate("ip", "k", "v", 10, seconds(0), after(400));
  store.deprecate("ip", "k", "v", INT64_MAX, seconds(1), after(400));
  EXPECT_EQ(value(400), "0");
  store.deprecate("ip", "k", "none", 1, seconds(1), after(400));
  store.deprecate("ip", "none", "v", 1, seconds(1), after(400));
  store.set("ip", "k", "v", "5", after(500));
  store.deprecate("ip", "k", "v", 1, seconds(1), after(300));  // time runs backwards
  EXPECT_EQ(value(500), "5");
}

TEST(MemoryStore, Bounds) {
  StoreLimits limits;
  limits.shards = 1;
  limits.records = 10;
  limits.variables = 2;
  limits.value_bytes = 8;
  MemoryStore store(limits);
  for (int i = 0; i < 10; ++i) store.set("ip", std::to_string(i), "v", "1", after(i));
  store.set("ip", "0", "v", "2", after(10));  // now 1 is the oldest
  store.set("ip", "new", "v", "1", after(11));
  EXPECT_TRUE(load(store, "1", after(11)).empty());
  EXPECT_FALSE(load(store, "0", after(11)).empty());
  EXPECT_EQ(store.stats().evicted, 1U);
  // An expired record goes before an older one that lives.
  store.expire("ip", "5", "v", seconds(1), after(12));
  store.set("ip", "new2", "v", "1", after(14));
  EXPECT_FALSE(load(store, "2", after(14)).empty());
  EXPECT_TRUE(load(store, "5", after(14)).empty());
  EXPECT_EQ(store.stats().evicted, 1U);
  EXPECT_EQ(store.stats().expired, 1U);
  // What exceeds a record's bounds is refused, the rest stays.
  store.set("ip", "0", "w", "1", after(15));
  store.set("ip", "0", "x", "1", after(15));
  EXPECT_EQ(store.add("ip", "0", "y", 3, after(15)), 3);
  store.set("ip", "0", "v", "123456789", after(15));
  store.set("ip", "long-key", "v", "1", after(15));
  EXPECT_EQ(load(store, "0", after(15)), (Variables{{"v", "2"}, {"w", "1"}}));
  EXPECT_EQ(store.stats().refused, 4U);
  EXPECT_EQ(store.stats().records, 10U);
}

TEST(MemoryStore, BytesAreBounded) {
  StoreLimits limits;
  limits.shards = 4;
  limits.bytes = 400'000;
  MemoryStore store(limits, {1, 2});
  const std::string value(1000, 'v');
  for (int i = 0; i < 2000; ++i) {
    store.set("session", "s" + std::to_string(i), "v", value, after(i));
    ASSERT_LE(store.stats().bytes, limits.bytes);
  }
  EXPECT_GT(store.stats().records, 200U);
  EXPECT_GT(store.stats().evicted, 1000U);
}

TEST(MemoryStore, ManyThreadsLoseNoIncrement) {
  StoreLimits limits;
  limits.shards = 4;
  MemoryStore store(limits);
  constexpr int kThreads = 8, kRounds = 5000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < kRounds; ++i) {
        store.add("ip", std::to_string(i % 7), "n", 1, kStart);
        store.set("ip", std::to_string(i % 11), "t" + std::to_string(t), "x", kStart);
        store.load("ip", std::to_string(i % 7), kStart, [](std::string_view, std::string_view) {});
        if (i % 64 == 0) store.expire("ip", std::to_string(i % 11), "gone", seconds(5), kStart);
        if (i % 500 == 0) (void)store.sync(kStart);
        if (i % 100 == 0) (void)store.stats();
      }
    });
  }
  for (auto& t : threads) t.join();
  std::int64_t sum = 0;
  for (int i = 0; i < 7; ++i) sum += std::stoll(load(store, std::to_string(i), kStart)["n"]);
  EXPECT_EQ(sum, kThreads * kRounds);
}

// A naive model: one map, searched from end to end.
struct Model {
  struct Value {
    std::string value;
    std::int64_t updated = 0, expires = 0;
  };
  std::map<std::string, std::map<std::string, Value>> records;
  std::map<std::string, std::int64_t> updated;
  std::int64_t timeout = 3600LL * 1'000'000'000;

  void age(Timestamp now) {
    for (auto r = records.begin(); r != records.end();) {
      bool any = false;
      for (auto v = r->second.begin(); v != r->second.end();) {
        if (v->second.expires != 0 && v->second.expires <= now.ns) {
          v = r->second.erase(v);
        } else {
          any = true, ++v;
        }
      }
      if (!any || updated[r->first] + timeout <= now.ns) {
        r = records.erase(r);
      } else {
        ++r;
      }
    }
  }
  Variables load(const std::string& key) {
    Variables out;
    if (const auto r = records.find(key); r != records.end()) {
      for (const auto& [k, v] : r->second) out[k] = v.value;
    }
    return out;
  }
};

TEST(MemoryStore, AgreesWithANaiveModel) {
  std::mt19937 random(3);
  StoreLimits limits;
  limits.shards = 3;
  for (int run = 0; run < 60; ++run) {
    MemoryStore store(limits);
    Model model;
    std::int64_t clock = 0;
    for (int step = 0; step < 400; ++step) {
      clock += static_cast<std::int64_t>(random() % (random() % 20 == 0 ? 2000 : 20));
      const Timestamp now = after(clock);
      model.age(now);
      const std::string key(1, static_cast<char>('a' + random() % 4));
      const std::string name(1, static_cast<char>('x' + random() % 3));
      const auto record = [&]() -> Model::Value& {
        model.updated[key] = now.ns;
        return model.records[key][name];
      };
      const bool exists = model.records.count(key) != 0 && model.records[key].count(name) != 0;
      if (model.records.count(key) != 0 && model.records[key].empty()) model.records.erase(key);
      switch (random() % 6) {
        case 0: {
          const std::string value = std::to_string(random() % 50);
          store.set("ip", key, name, value, now);
          auto& v = record();
          v.value = value, v.updated = now.ns;
          break;
        }
        case 1: {
          const auto delta = static_cast<std::int64_t>(random() % 20) - 8;
          auto& v = record();
          const std::int64_t sum =
              std::max<std::int64_t>(0, (v.value.empty() ? 0 : std::stoll(v.value)) + delta);
          v.value = std::to_string(sum), v.updated = now.ns;
          ASSERT_EQ(store.add("ip", key, name, delta, now), sum);
          break;
        }
        case 2:
          store.remove("ip", key, name, now);
          if (exists) {
            model.records[key].erase(name);
            model.updated[key] = now.ns;
            if (model.records[key].empty()) model.records.erase(key);
          }
          break;
        case 3:
          store.expire("ip", key, name, seconds(30), now);
          if (exists) record().expires = now.ns + seconds(30).ns;
          break;
        case 4:
          store.deprecate("ip", key, name, 2, seconds(10), now);
          if (exists) {
            auto& v = model.records[key][name];
            const std::int64_t periods = (now.ns - v.updated) / seconds(10).ns;
            if (periods > 0) {
              v.value = std::to_string(std::max<std::int64_t>(0, std::stoll(v.value) - 2 * periods));
              v.updated += periods * seconds(10).ns;
              model.updated[key] = now.ns;
            }
          }
          break;
        default:
          if (random() % 4 == 0) {
            ASSERT_TRUE(store.sync(now));
          }
      }
      for (const char k : {'a', 'b', 'c', 'd'}) {
        ASSERT_EQ(load(store, std::string(1, k), now), model.load(std::string(1, k)))
            << "run " << run << " step " << step;
      }
    }
  }
}

// A disk that can be cut off anywhere.
struct FakeDisk : StoreDisk {
  struct Content {
    std::string snapshot, journal;
  };
  explicit FakeDisk(Content& c) : content(c) {}
  Content& content;
  int operations_left = INT32_MAX;   // then every operation fails
  std::size_t partial = 0;           // bytes that a failing append leaves behind

  Result<std::string> read(File file) override {
    return file == File::Snapshot ? content.snapshot : content.journal;
  }
  Result<void> append(std::string_view bytes) override {
    if (operations_left-- <= 0) {
      content.journal += bytes.substr(0, std::min(partial, bytes.size()));
      return fail("no space left on device");
    }
    content.journal += bytes;
    return {};
  }
  Result<void> replace(File file, std::string_view bytes) override {
    if (operations_left-- <= 0) return fail("no space left on device");
    (file == File::Snapshot ? content.snapshot : content.journal) = bytes;
    return {};
  }
};

using State = std::map<std::string, Variables>;

State state(MemoryStore& store, const std::vector<std::string>& keys, Timestamp now) {
  State out;
  for (const auto& key : keys) {
    if (Variables v = load(store, key, now); !v.empty()) out[key] = v;
  }
  return out;
}

MemoryStore::Opened open(FakeDisk::Content& content, const StoreLimits& limits = {},
                         FakeDisk** disk = nullptr) {
  auto fake = std::make_unique<FakeDisk>(content);
  if (disk != nullptr) *disk = fake.get();
  auto opened = MemoryStore::open(std::move(fake), limits, {5, 6}, kStart);
  EXPECT_TRUE(opened);
  return std::move(*opened);
}

TEST(MemoryStore, SurvivesARestart) {
  FakeDisk::Content content;
  {
    auto first = open(content);
    EXPECT_EQ(first.records, 0U);
    EXPECT_EQ(first.unreadable, 0U);
    first.store->set("ip", "a", "x", std::string("\0\xFF\n", 3), kStart);
    ASSERT_TRUE(first.store->sync(kStart));
    first.store->add("ip", "a", "n", 3, kStart);
    first.store->set("session", "b", "y", "2", kStart);
    first.store->expire("session", "b", "y", seconds(50), kStart);
    first.store->set("ip", "gone", "y", "2", kStart);
    ASSERT_TRUE(first.store->sync(kStart));
    first.store->remove("ip", "gone", "y", kStart);
    ASSERT_TRUE(first.store->sync(kStart));
    EXPECT_EQ(first.store->stats().snapshots, 1U);
    EXPECT_EQ(first.store->stats().appends, 2U);
    first.store->set("ip", "lost", "y", "never synced", kStart);
  }
  auto second = open(content);
  EXPECT_EQ(second.records, 2U);
  EXPECT_EQ(second.unreadable, 0U);
  EXPECT_EQ(load(*second.store, "a", kStart), (Variables{{"x", std::string("\0\xFF\n", 3)}, {"n", "3"}}));
  EXPECT_EQ(load(*second.store, "b", after(49), "session"), (Variables{{"y", "2"}}));
  EXPECT_TRUE(load(*second.store, "b", after(50), "session").empty());
  // It goes on in the journal that it found.
  second.store->set("ip", "c", "z", "1", kStart);
  ASSERT_TRUE(second.store->sync(kStart));
  EXPECT_EQ(second.store->stats().snapshots, 0U);
  auto third = open(content);
  EXPECT_EQ(load(*third.store, "c", kStart), (Variables{{"z", "1"}}));
}

// A crash at every byte of the journal: each record is as some acknowledged or later moment left it, and
// what was acknowledged when the cut came is all there.
TEST(MemoryStore, JournalCutAtEveryByte) {
  const std::vector<std::string> keys = {"a", "b", "c"};
  FakeDisk::Content content;
  auto opened = open(content);
  MemoryStore& store = *opened.store;
  ASSERT_TRUE(store.sync(kStart));
  std::vector<std::pair<std::size_t, State>> acknowledged;
  std::map<std::string, std::vector<Variables>> history;
  const auto remember = [&] {
    for (const auto& key : keys) history[key].push_back(load(store, key, kStart));
  };
  remember();
  acknowledged.emplace_back(content.journal.size(), state(store, keys, kStart));
  std::mt19937 random(9);
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 4; ++i) {
      const std::string& key = keys[random() % keys.size()];
      if (random() % 5 == 0) {
        for (const auto& [name, value] : load(store, key, kStart)) store.remove("ip", key, name, kStart);
      } else {
        store.add("ip", key, std::string(1, static_cast<char>('p' + random() % 3)), 1, kStart);
      }
    }
    ASSERT_TRUE(store.sync(kStart));
    remember();
    acknowledged.emplace_back(content.journal.size(), state(store, keys, kStart));
  }
  std::size_t round = 0;
  for (std::size_t cut = acknowledged.front().first; cut <= content.journal.size(); ++cut) {
    while (round + 1 < acknowledged.size() && acknowledged[round + 1].first <= cut) ++round;
    FakeDisk::Content crashed{content.snapshot, content.journal.substr(0, cut)};
    auto after_crash = open(crashed);
    const bool boundary = acknowledged[round].first == cut;
    if (boundary) {
      ASSERT_EQ(state(*after_crash.store, keys, kStart), acknowledged[round].second) << cut;
      ASSERT_EQ(after_crash.unreadable, 0U);
    }
    for (const auto& key : keys) {
      const Variables got = load(*after_crash.store, key, kStart);
      const auto& versions = history[key];
      bool found = false;
      for (std::size_t v = round; v < versions.size() && v <= round + 1; ++v) found = found || got == versions[v];
      // Between two syncs a removal comes before the record that was made anew.
      found = found || (!boundary && got.empty());
      ASSERT_TRUE(found) << "cut " << cut << " key " << key;
    }
    // After a damaged tail the next sync must make everything readable again.
    after_crash.store->set("ip", "new", "v", "1", kStart);
    const State before = state(*after_crash.store, {"a", "b", "c", "new"}, kStart);
    ASSERT_TRUE(after_crash.store->sync(kStart));
    auto again = open(crashed);
    ASSERT_EQ(again.unreadable, 0U);
    ASSERT_EQ(state(*again.store, {"a", "b", "c", "new"}, kStart), before);
  }
}

TEST(MemoryStore, SnapshotCutOrDamagedAnywhereIsNoCrash) {
  FakeDisk::Content content;
  {
    auto opened = open(content);
    for (int i = 0; i < 5; ++i) opened.store->set("ip", std::to_string(i), "v", "value", kStart);
    ASSERT_TRUE(opened.store->sync(kStart));
  }
  for (std::size_t cut = 0; cut <= content.snapshot.size(); ++cut) {
    FakeDisk::Content crashed{content.snapshot.substr(0, cut), content.journal};
    auto opened = open(crashed);
    EXPECT_LE(opened.records, 5U);
    EXPECT_EQ(opened.records == 5, cut + 17 >= content.snapshot.size()) << cut;
    ASSERT_TRUE(opened.store->sync(kStart));
    EXPECT_EQ(open(crashed).records, opened.records);
  }
  for (std::size_t i = 0; i < content.snapshot.size(); ++i) {
    FakeDisk::Content damaged = content;
    damaged.snapshot[i] = static_cast<char>(damaged.snapshot[i] ^ 0x10);
    auto opened = open(damaged);
    for (int k = 0; k < 5; ++k) {
      const Variables v = load(*opened.store, std::to_string(k), kStart);
      EXPECT_TRUE(v.empty() || v == (Variables{{"v", "value"}}));
    }
  }
}

// The disk fails from operation n on, and the program dies: nothing that was acknowledged is missing.
TEST(MemoryStore, DiskFailsAtEveryOperation) {
  StoreLimits limits;
  limits.journal_bytes = 300;  // snapshots are frequent
  for (int fail_at = 0; fail_at < 60; ++fail_at) {
    for (const std::size_t partial : {0U, 1U, 9U, 40U}) {
      FakeDisk::Content content;
      FakeDisk* disk = nullptr;
      auto opened = open(content, limits, &disk);
      disk->operations_left = fail_at;
      disk->partial = partial;
      std::int64_t acknowledged = 0;
      for (int i = 1; i <= 50; ++i) {
        opened.store->add("ip", "k", "n", 1, kStart);
        opened.store->set("ip", "other" + std::to_string(i % 5), "v", std::to_string(i), kStart);
        if (opened.store->sync(kStart)) acknowledged = i;
      }
      auto after_crash = open(content, limits);
      const Variables got = load(*after_crash.store, "k", kStart);
      const std::int64_t n = got.empty() ? 0 : std::stoll(got.at("n"));
      ASSERT_GE(n, acknowledged) << "operation " << fail_at;
    }
  }
}

TEST(MemoryStore, RecoversWhenTheDiskDoes) {
  FakeDisk::Content content;
  FakeDisk* disk = nullptr;
  auto opened = open(content, {}, &disk);
  ASSERT_TRUE(opened.store->sync(kStart));
  opened.store->set("ip", "a", "v", "1", kStart);
  disk->operations_left = 0;
  disk->partial = 5;
  const auto failed = opened.store->sync(kStart);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "no space left on device");
  disk->operations_left = 100;
  ASSERT_TRUE(opened.store->sync(kStart));
  auto again = open(content);
  EXPECT_EQ(again.unreadable, 0U);
  EXPECT_EQ(load(*again.store, "a", kStart), (Variables{{"v", "1"}}));
}

TEST(MemoryStore, OldJournalIsNotReadOverANewSnapshot) {
  FakeDisk::Content content;
  FakeDisk* disk = nullptr;
  auto opened = open(content, {}, &disk);
  ASSERT_TRUE(opened.store->sync(kStart));
  opened.store->set("ip", "a", "v", "old", kStart);
  ASSERT_TRUE(opened.store->sync(kStart));
  const std::string old_journal = content.journal;
  opened.store->set("ip", "a", "v", "new", kStart);
  // Force a snapshot: an append that fails makes one due.
  disk->operations_left = 0;
  ASSERT_FALSE(opened.store->sync(kStart));
  disk->operations_left = 1;  // the snapshot is written, its journal is not
  ASSERT_FALSE(opened.store->sync(kStart));
  EXPECT_EQ(content.journal, old_journal);
  auto again = open(content);
  EXPECT_EQ(load(*again.store, "a", kStart), (Variables{{"v", "new"}}));
}

TEST(MemoryStore, ThreadsWriteWhileItSyncs) {
  FakeDisk::Content content;
  StoreLimits limits;
  limits.journal_bytes = 20'000;
  limits.records = 64;  // evictions too
  limits.shards = 4;
  auto opened = open(content, limits);
  MemoryStore& store = *opened.store;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < 4000; ++i) {
        store.add("ip", "t" + std::to_string(t), "n", 1, after(i));
        store.set("session", std::to_string(i * 7 % 501), "v", std::to_string(i), after(i));
        if (i % 3 == 0) store.remove("session", std::to_string(i % 501), "v", after(i));
      }
    });
  }
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(store.sync(kStart));
  for (auto& t : threads) t.join();
  ASSERT_TRUE(store.sync(after(3999)));
  EXPECT_LE(store.stats().records, 64U);
  auto again = open(content, limits);
  EXPECT_EQ(again.unreadable, 0U);
  for (int t = 0; t < 4; ++t) {
    EXPECT_EQ(load(*again.store, "t" + std::to_string(t), after(3999)),
              load(store, "t" + std::to_string(t), after(3999)));
  }
  EXPECT_EQ(again.records, store.stats().records);
}

}  // namespace
}  // namespace weir::rules
