// One number for all memory: what follows from it, and what does not fit (limits.memory).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/config/memory.h"
#include "app/config/reader.h"

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
    EXPECT_LE(plan.divided(), mebibytes * kMiB * 3 / 4);
    EXPECT_GE(plan.divided(), mebibytes * kMiB * 3 / 4 * 49 / 50);
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
  EXPECT_LE(plan_memory(config, nullptr).divided(), 768 * kMiB);
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
  EXPECT_THAT(room.error().message, HasSubstr("limits.memory: 512MiB is too little: rules take 100MiB, 4 processes 96MiB"));
  EXPECT_THAT(room.error().message, HasSubstr("at least 784MiB"));
  plan.rules = 1'000 * kMiB;
  EXPECT_TRUE(fits(good(kQueues), plan)) << "no number, no limit";
}

}  // namespace
}  // namespace weir::app
