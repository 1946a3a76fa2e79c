// The cache of which patterns are right: a load with it judges and complains as one without.
#include "rules/pattern_cache.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "rules/program.h"
#include "rules/ruleset.h"
#include "rules/transaction.h"

namespace weir::rules {
namespace {

namespace fs = std::filesystem;

class PatternCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    place_ = fs::temp_directory_path() / ("weir-patterns-" + std::to_string(::getpid()));
    fs::create_directory(place_);
  }
  void TearDown() override { fs::remove_all(place_); }

  [[nodiscard]] std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(place_)) {
      if (entry.path().filename().string().starts_with("patterns-")) out.push_back(entry.path());
    }
    return out;
  }
  [[nodiscard]] LoadResult load(const std::string& text, Semantics semantics = Semantics::ModSecurity2) const {
    LoadOptions options;
    options.cache_directory = place_.string();
    options.semantics = semantics;
    return RuleSet::load({Source::memory("test", text)}, options);
  }
  [[nodiscard]] bool known(const std::vector<std::string_view>& patterns, bool multiline = false) const {
    return PatternCache(patterns, multiline, place_.string()).known();
  }

  fs::path place_;
};

std::string rule(unsigned id, const std::string& pattern) {
  return "SecRule ARGS \"@rx " + pattern + "\" \"id:" + std::to_string(id) + ",phase:1,deny\"\n";
}

bool denies(const LoadResult& loaded, std::string_view target) {
  Scratch scratch;
  Transaction tx(scratch);
  tx.begin(loaded.rules, {}, "x", Timestamp{0}, EngineMode::On);
  tx.request_line("GET", target, "HTTP/1.1");
  return tx.request_headers_done(Timestamp{0}).disruptive();
}

TEST_F(PatternCacheTest, KnowsWhatCompiledAndNothingElse) {
  PatternCache({"a+", "b"}, false, place_.string()).remember();
  EXPECT_TRUE(known({"a+", "b"}));
  EXPECT_FALSE(known({"a+", "b"}, true));
  EXPECT_FALSE(known({"b", "a+"}));
  EXPECT_FALSE(known({"a+b"}));
  EXPECT_FALSE(known({"a+"}));
  EXPECT_FALSE(PatternCache({"a+", "b"}, false, "").known());
}

TEST_F(PatternCacheTest, JudgesAlike) {
  const std::string text = rule(1, "^ab+c$") + rule(2, "(?i)union\\s+select");
  const LoadResult cold = load(text);
  ASSERT_EQ(files().size(), 1U);
  const LoadResult warm = load(text);
  ASSERT_TRUE(cold.rules && warm.rules);
  EXPECT_EQ(files().size(), 1U);
  for (const std::string_view target : {"/?x=abbbc", "/?x=abbbd", "/?x=UNION%20select", "/"}) {
    EXPECT_EQ(denies(warm, target), denies(cold, target)) << target;
  }
  EXPECT_TRUE(denies(warm, "/?x=abbbc"));
  EXPECT_FALSE(denies(warm, "/?x=abbbd"));
}

TEST_F(PatternCacheTest, WrongPatternsAreToldEachTime) {
  const std::string text = rule(1, "fine") + rule(2, "ab(c");
  for (int i = 0; i < 2; ++i) {
    const LoadResult loaded = load(text);
    EXPECT_EQ(loaded.rules, nullptr);
    EXPECT_FALSE(loaded.diagnostics.empty());
  }
  EXPECT_TRUE(files().empty());
  // A rule that is removed is not built, so nothing is known of it.
  EXPECT_NE(load(text + "SecRuleRemoveById 2\n").rules, nullptr);
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(load(text).rules, nullptr);
}

TEST_F(PatternCacheTest, DamagedFilesAreMadeAnew) {
  const std::string text = rule(1, "one") + rule(2, "two");
  ASSERT_NE(load(text).rules, nullptr);
  ASSERT_EQ(files().size(), 1U);
  const fs::path file = files().front();
  std::string good;
  {
    std::ifstream in(file, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    std::ofstream(file, std::ios::binary) << bad;
    EXPECT_FALSE(known({"one", "two"})) << at;
  }
  std::ofstream(file, std::ios::binary) << good.substr(0, good.size() - 1);
  EXPECT_FALSE(known({"one", "two"}));
  ASSERT_NE(load(text).rules, nullptr);
  EXPECT_TRUE(known({"one", "two"}));
}

// Should the file be right and the pattern wrong after all, nothing matches and the limit is reported.
TEST(DeferredRegex, ThatDoesNotCompileReportsTheLimit) {
  ReScratch scratch;
  const auto regex = Regex::deferred("ab(c", {});
  EXPECT_EQ(regex->search("abc", scratch, {}), ReResult::LimitExceeded);
  regex->warm();
  EXPECT_EQ(regex->search("abc", scratch, {}), ReResult::LimitExceeded);
}

TEST(DeferredRegex, SearchesAsOneThatIsCompiledAtOnce) {
  ReScratch scratch;
  for (const bool jit : {true, false}) {
    ReOptions options;
    options.caseless = true;
    options.jit = jit;
    const auto later = Regex::deferred("a(b+)c", options);
    std::array<std::string_view, 2> groups;
    std::size_t count = 0;
    EXPECT_EQ(later->search("xABBc", scratch, {}, groups.data(), groups.size(), &count), ReResult::Match);
    EXPECT_EQ(groups[1], "BB");
    EXPECT_EQ(later->search("ac", scratch, {}), ReResult::NoMatch);
    EXPECT_TRUE(jit || !later->jit());
  }
}

}  // namespace
}  // namespace weir::rules
