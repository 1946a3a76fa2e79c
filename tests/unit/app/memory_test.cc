// One number for all memory: what follows from it, and what does not fit (limits.memory).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "app/config/memory.h"
#include "app/config/policies.h"
#include "app/config/reader.h"
#include "rules/match_hs.h"

namespace weir::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kMiB = 1ULL << 20U;
const std::string kQueues = "inputs: {nfqueue: {queues: 0-1}}\n";

Config good(const std::string& text) {
  const ConfigResult result = parse_config(text, "weir.yaml");
  for (const rules::Diagnostic& d : result.diagnostics) ADD_FAILURE() << d.message;
  return result.config.value_or(Config{});
}

std::string bad(const std::string& text) {
  const ConfigResult result = parse_config(text, "weir.yaml");
  EXPECT_FALSE(result.config);
  return result.diagnostics.empty() ? "" : result.diagnostics.front().message;
}

std::string with(std::uint64_t mebibytes, const std::string& more = "") {
  return kQueues + "limits: {memory: " + std::to_string(mebibytes) + "MiB" + more + "}\n";
}

TEST(Memory, WithoutTheNumberAllIsAsItWas) {
  EXPECT_EQ(good(kQueues).limits, LimitsConfig{});
  EXPECT_TRUE(fits(good(kQueues), plan_memory(good(kQueues), nullptr)));
}

TEST(Memory, EverythingFitsAndNearlyFills) {
  std::uint64_t flows = 0;
  for (const std::uint64_t mebibytes : {450ULL, 512ULL, 1'024ULL, 3'000ULL, 16'000ULL}) {
    SCOPED_TRACE(mebibytes);
    const Config config = good(with(mebibytes));
    const MemoryPlan plan = plan_memory(config, nullptr);
    EXPECT_LE(plan.sum(), mebibytes * kMiB * 9 / 10);
    EXPECT_GE(plan.sum(), mebibytes * kMiB * 9 / 10 * 49 / 50);
    EXPECT_TRUE(fits(config, plan));
    EXPECT_GT(config.limits.flow.flows, flows) << "more for more";
    flows = config.limits.flow.flows;
    EXPECT_LE(config.limits.flow.direction_bytes, config.limits.flow.buffered_bytes);
    const LimitsConfig defaults;
    const double factor = static_cast<double>(flows) / defaults.flow.flows;
    EXPECT_NEAR(static_cast<double>(config.limits.flow.buffered_bytes) / static_cast<double>(defaults.flow.buffered_bytes), factor, factor / 50);
  }
}

TEST(Memory, WhatIsSetStaysAndTheRestMakesRoom) {
  const Config config = good(with(1'024, ", flows: 50000, buffered: 100MiB"));
  EXPECT_EQ(config.limits.flow.flows, 50'000U);
  EXPECT_EQ(config.limits.flow.buffered_bytes, 100 * kMiB);
  EXPECT_LE(plan_memory(config, nullptr).sum(), 1'024 * kMiB * 9 / 10);
  const Config less = good(with(1'024, ", flows: 60000, buffered: 100MiB"));
  EXPECT_LT(less.limits.transaction_memory, config.limits.transaction_memory);
}

TEST(Memory, TooLittleIsToldWithTheLeastThatWorks) {
  const std::string message = bad(with(128));
  EXPECT_THAT(message, HasSubstr("'memory' is too little: at least "));
  EXPECT_THAT(message, Not(HasSubstr("does not fit")));
  const std::uint64_t least = std::stoull(message.substr(message.find("at least ") + 9));
  EXPECT_EQ(good(with(least)).limits.memory, least * kMiB);
  EXPECT_THAT(bad(with(least - 2)), HasSubstr("at least " + std::to_string(least) + "MiB"));
}

TEST(Memory, WhatDoesNotFitIsNamed) {
  EXPECT_THAT(bad(with(512, ", flows: 2000000, buffered: 8MiB")), HasSubstr("what does not fit: flows)"));
  EXPECT_THAT(bad(with(512, ", transaction_memory: 1GiB, buffered: 1GiB")), HasSubstr("what does not fit: buffered, transaction_memory)"));
}

TEST(Memory, RulesMustFitToo) {
  const Config config = good(with(512));
  MemoryPlan plan = plan_memory(config, nullptr);
  plan.rules = 30 * kMiB;
  EXPECT_TRUE(fits(config, plan));
  plan.rules = 100 * kMiB;
  const Result<void> room = fits(config, plan);
  ASSERT_FALSE(room);
  EXPECT_THAT(room.error().message, HasSubstr("limits.memory: 512MiB is too little: rules take 100MiB, 3 processes 72MiB"));
  EXPECT_THAT(room.error().message, HasSubstr("at least 1000MiB"));
  plan.rules = 1'000 * kMiB;
  EXPECT_TRUE(fits(good(kQueues), plan)) << "no number, no limit";
}

TEST(Memory, AHelperIsCountedWhereThereIsOne) {
  const std::string queue = "inputs: {nfqueue: {queues: 0}}\n";
  const std::string gateway = "inputs: {geneve: {sources: [10.0.0.0/8]}}\n";
  const std::string mirror = "inputs: {geneve: {sources: [10.0.0.0/8], profile: mirror}}\n";
  const std::string open = "on_failure: open\n", control = "control: /run/weir.sock\n";
  const std::uint64_t alone = plan_memory(good(queue), nullptr).processes;  // one worker, and who forked it
  EXPECT_EQ(alone, plan_memory(good(queue + open + control), nullptr).processes) << "nobody can stand in there";
  for (const char* health : {"health: {http_port: 8080}\n", "health: {https_port: 8080}\n", "health: {tcp_port: 8080}\n"}) {
    EXPECT_EQ(plan_memory(good(queue + health), nullptr).processes, alone / 2 * 3) << health;
  }
  EXPECT_EQ(plan_memory(good(gateway), nullptr).processes, alone);
  EXPECT_EQ(plan_memory(good(gateway + open), nullptr).processes, alone / 2 * 3);
  EXPECT_EQ(plan_memory(good(gateway + control), nullptr).processes, alone / 2 * 3);
  EXPECT_EQ(plan_memory(good(mirror + open + control), nullptr).processes, alone);
}

// A file of rules whose databases take far more than their filters.
class Databases : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream out(file_);
    out << "SecRuleEngine On\n";
    for (const std::string chain : {"t:none", "t:none,t:lowercase", "t:none,t:urlDecode"}) {
      for (int i = 0; i < 20; ++i) {
        out << "SecRule ARGS \"@rx (?:attack|evil)" << i << "[a-z]+\\d\" \"id:" << ++id_ << ",phase:2,pass,log," << chain << "\"\n";
      }
    }
  }
  void TearDown() override { std::remove(file_.c_str()); }
  [[nodiscard]] Config config(std::uint64_t mebibytes) const {
    return good(kQueues + "rules: [" + file_ + "]\n" + (mebibytes == 0 ? "" : "limits: {memory: " + std::to_string(mebibytes) + "MiB}\n"));
  }
  const std::string file_ = ::testing::TempDir() + "/databases-" + std::to_string(::getpid()) + ".conf";
  int id_ = 0;
};

TEST_F(Databases, WhatDoesNotFitIsLeftOutAndSaid) {
  if (!rules::hs_available()) GTEST_SKIP() << "this CPU cannot run Hyperscan";
  const auto compiled = [](const Config& config) {
    LoadedPolicies loaded = load_policies(config);
    EXPECT_EQ(loaded.exit, ExitCode::Fine);
    bound_scanners(config, loaded);
    EXPECT_TRUE(loaded.sets[0].rules->compile_scanners());
    return loaded;
  };
  const Config free = config(0);
  const LoadedPolicies all = compiled(free);
  const rules::ScannerStats whole = all.sets[0].rules->scanner_stats();
  ASSERT_GT(whole.ready, 1U);
  EXPECT_EQ(whole.left_out, 0U);
  EXPECT_EQ(left_out(all), "");
  Config tight = config(450);
  // So much that all but a little is taken by what is there before them.
  tight.limits.memory = (all.sets[0].rules->stats().memory_bytes + whole.bytes / 2) * 60;
  const LoadedPolicies some = compiled(tight);
  const rules::ScannerStats part = some.sets[0].rules->scanner_stats();
  EXPECT_EQ(part.ready + part.left_out, whole.ready);
  EXPECT_GT(part.left_out, 0U);
  EXPECT_LE(part.bytes, whole.bytes / 2);
  EXPECT_THAT(left_out(some), HasSubstr(" do not fit into limits.memory's part for rules"));
  const MemoryPlan plan = plan_memory(tight, &some);
  EXPECT_LE(plan.rules, tight.limits.memory / 10);
}

}  // namespace
}  // namespace weir::app
