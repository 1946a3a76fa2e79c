// Scanners that come later: a rule set serves at once, and nothing that it says changes when its Hyperscan
// databases are swapped in, whenever that is and however many threads run transactions meanwhile.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "rules/scanners.h"
#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

namespace fs = std::filesystem;

// Two units (with and without a transformation), large enough to be scanned for.
std::string rules_text() {
  std::string text = Waf::kBase;
  int id = 100;
  for (const std::string chain : {"t:none", "t:none,t:lowercase"}) {
    const std::string rest = chain == "t:none" ? "[a-z]+" : "[a-z]*";
    for (int i = 0; i < 12; ++i) {
      ++id;
      text += "SecRule ARGS \"@rx (?:attack|evil)" + std::to_string(i) + rest + "\\d\" \"id:" +
              std::to_string(id) + ",phase:2,pass,log," + chain + "\"\n";
    }
  }
  return text;
}

std::vector<Request> requests() {
  std::vector<Request> out;
  for (int i = 0; i < 12; ++i) {
    const std::string n = std::to_string(i);
    out.push_back(get("/?a=attack" + n + "x1&b=plain&c=evil" + n + "abc7"));
    out.push_back(get("/?a=ATTACK" + n + "X1"));
    out.push_back(form("x=attack" + n + "&y=evil" + n + "q&z=attack evil attack0x"));
  }
  return out;
}

class Runner {
 public:
  explicit Runner(std::shared_ptr<const RuleSet> rules) : rules_(std::move(rules)) {}
  std::string run(const Request& r) {
    const Timestamp time{1'700'000'000'000'000'000};
    tx_.begin(rules_, {}, "u", time);
    tx_.request_line(r.method, r.target, r.protocol);
    for (const auto& [n, v] : r.headers) tx_.request_header(n, v);
    (void)tx_.request_headers_done(time);
    (void)tx_.request_body(r.body);
    (void)tx_.request_body_done(time);
    tx_.finish(time);
    std::string out;
    for (const Match& m : tx_.matches()) out += std::to_string(m.rule_id) + "=" + std::string(m.value) + "\n";
    return out;
  }

 private:
  std::shared_ptr<const RuleSet> rules_;
  Scratch scratch_;
  Transaction tx_{scratch_};
};

std::shared_ptr<const RuleSet> loaded(bool later, const std::string& cache = {}) {
  LoadOptions options;
  options.scanners_later = later;
  options.cache_directory = cache;
  return RuleSet::load({Source::memory("test.conf", rules_text())}, options).rules;
}

TEST(Scanners, ServeAtOnceAndSwapWithoutAChange) {
  const auto whole = loaded(false);
  const auto late = loaded(true);
  ASSERT_NE(whole, nullptr);
  ASSERT_NE(late, nullptr);
  if (!hs_available()) GTEST_SKIP() << "this CPU cannot run Hyperscan";
  EXPECT_EQ(whole->scanners_missing(), 0U);
  ASSERT_EQ(late->scanners_missing(), 2U);
  EXPECT_EQ(late->scanners(), nullptr);
  Runner reference(whole);
  Runner runner(late);
  std::vector<std::string> want;
  std::size_t matching = 0;
  for (const Request& r : requests()) {
    want.push_back(reference.run(r));
    if (!want.back().empty()) ++matching;
    EXPECT_EQ(runner.run(r), want.back());
  }
  EXPECT_GT(matching, 12U);
  EXPECT_TRUE(late->compile_scanners());
  EXPECT_EQ(late->scanners_missing(), 0U);
  ASSERT_NE(late->scanners(), nullptr);
  EXPECT_EQ(late->scanner_stats().ready, 2U);
  std::size_t i = 0;
  for (const Request& r : requests()) EXPECT_EQ(runner.run(r), want[i++]);
}

TEST(Scanners, AreSwappedUnderRunningWorkers) {
  const auto whole = loaded(false);
  ASSERT_NE(whole, nullptr);
  std::vector<std::string> want;
  Runner reference(whole);
  for (const Request& r : requests()) want.push_back(reference.run(r));
  const auto late = loaded(true);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<int> rounds{0};
  std::vector<std::thread> workers;
  for (int w = 0; w < 3; ++w) {
    workers.emplace_back([&] {
      Runner runner(late);
      const auto all = requests();
      for (bool last = false; !last; ++rounds) {
        last = done;  // one more round after the swap
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (runner.run(all[i]) != want[i]) ++wrong;
        }
      }
    });
  }
  EXPECT_TRUE(late->compile_scanners());
  done = true;
  for (std::thread& t : workers) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(rounds, 3);
}

TEST(Scanners, StopBetweenDatabasesAndGoOn) {
  if (!hs_available()) GTEST_SKIP() << "this CPU cannot run Hyperscan";
  const auto late = loaded(true);
  std::atomic<bool> stop{true};
  EXPECT_FALSE(late->compile_scanners(&stop));
  EXPECT_EQ(late->scanners_missing(), 2U);
  stop = false;
  EXPECT_TRUE(late->compile_scanners(&stop));
  EXPECT_EQ(late->scanners_missing(), 0U);
}

TEST(Scanners, WhatThereIsNoRoomForIsLeftOutWithTheSameVerdicts) {
  if (!hs_available()) GTEST_SKIP() << "this CPU cannot run Hyperscan";
  const fs::path dir = fs::temp_directory_path() / ("weir-scanners-room-" + std::to_string(::getpid()));
  fs::create_directory(dir);
  const auto whole = loaded(false, dir.string());  // fills the cache
  const std::size_t all = whole->scanner_stats().bytes;
  Runner reference(whole);
  for (const bool cached : {false, true}) {
    for (const std::size_t room : {all, all - 1, std::size_t{0}}) {
      SCOPED_TRACE(std::to_string(cached) + " " + std::to_string(room));
      const auto rules = loaded(true, cached ? dir.string() : "");
      rules->limit_scanners(room);
      EXPECT_TRUE(rules->compile_scanners());
      const ScannerStats s = rules->scanner_stats();
      EXPECT_EQ(s.ready, room == all ? 2U : room == 0 ? 0U : 1U);
      EXPECT_EQ(s.ready + s.left_out, 2U);
      EXPECT_LE(s.bytes, room);
      EXPECT_EQ(rules->scanners_missing(), 0U) << "nobody is to go on trying";
      Runner runner(rules);
      for (const Request& r : requests()) EXPECT_EQ(runner.run(r), reference.run(r));
      rules->restore_scanners();
      EXPECT_EQ(rules->scanner_stats().ready, s.ready) << "it is settled";
    }
  }
  fs::remove_all(dir);
}

TEST(Scanners, AreReadFromTheCacheAtOnceButNeverFromAnothersFile) {
  if (!hs_available()) GTEST_SKIP() << "this CPU cannot run Hyperscan";
  const fs::path dir = fs::temp_directory_path() / ("weir-scanners-test-" + std::to_string(::getpid()));
  fs::create_directory(dir);
  EXPECT_EQ(loaded(true, dir.string())->scanner_stats().restored, 0U);
  EXPECT_EQ(loaded(false, dir.string())->scanner_stats().restored, 0U);  // fills the cache
  const auto warm = loaded(true, dir.string());
  EXPECT_EQ(warm->scanner_stats().restored, 2U);
  EXPECT_EQ(warm->scanners_missing(), 0U);
  // Same number of patterns, the checksum right, but not what the name says: the units' files change places.
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(dir)) {
    if (entry.path().filename().string().starts_with("hs-")) files.push_back(entry.path());
  }
  ASSERT_EQ(files.size(), 2U);
  fs::rename(files[0], dir / "aside");
  fs::rename(files[1], files[0]);
  fs::rename(dir / "aside", files[1]);
  const auto again = loaded(true, dir.string());
  EXPECT_EQ(again->scanner_stats().restored, 0U);
  EXPECT_EQ(again->scanners_missing(), 2U);
  fs::remove_all(dir);
}

// A process may fork while a thread of its compiles: the child has the set, but neither that thread nor what it held.
TEST(Scanners, AChildForkedMeanwhileCompilesItsOwn) {
  std::size_t meanwhile = 0;
  for (int round = 0; round < 20 && meanwhile < 5; ++round) {
    LoadOptions options;
    options.scanners_later = true;
    const auto rules = RuleSet::load({Source::memory("test.conf", rules_text())}, options).rules;
    ASSERT_NE(rules, nullptr);
    rules->warm();
    std::atomic<bool> begun{false};
    std::thread compiling([&] {
      begun = true;
      (void)rules->compile_scanners();
    });
    while (!begun)
      std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    const bool busy = rules->scanners_missing() > 0;
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);  // ends it where it waits for the thread that is not there
      rules->after_fork();
      const bool done = rules->compile_scanners() && rules->scanners_missing() == 0;
      const bool right = Runner(rules).run(requests().front()).find("101=") != std::string::npos;
      ::_exit(done && right ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    compiling.join();
    if (busy) ++meanwhile;
  }
  EXPECT_GE(meanwhile, 1U);
}

}  // namespace
}  // namespace weir::rules::testing
