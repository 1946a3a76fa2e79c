#include "rules/match_re.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace weir::rules {
namespace {

std::unique_ptr<Regex> compile(std::string_view pattern, const ReOptions& options = {}) {
  auto r = Regex::compile(pattern, options);
  EXPECT_TRUE(r) << pattern;
  return r ? std::move(*r) : nullptr;
}

TEST(Regex, SaysWhatIsWrongAndWhere) {
  auto r = Regex::compile("ab(c", {});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message, "missing closing parenthesis at 4");
}

TEST(Regex, SearchFromAnOffsetKeepsTheContextBefore) {
  ReScratch scratch;
  std::array<std::string_view, 2> groups;
  std::size_t count = 0;
  const auto re = compile("(?<=a)b");
  EXPECT_EQ(re->search("ab", scratch, {}, groups.data(), 2, &count, 1), ReResult::Match);
  EXPECT_EQ(groups[0], "b");
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(re->search("ab", scratch, {}, nullptr, 0, nullptr, 2), ReResult::NoMatch);
  EXPECT_EQ(re->search("ab", scratch, {}, nullptr, 0, nullptr, 3), ReResult::NoMatch);
}

TEST(Regex, Options) {
  ReScratch scratch;
  const auto hit = [&](std::string_view p, std::string_view s, const ReOptions& o) {
    return compile(p, o)->search(s, scratch, {}) == ReResult::Match;
  };
  EXPECT_FALSE(hit("ABC", "abc", {}));
  EXPECT_TRUE(hit("ABC", "abc", {.caseless = true}));
  EXPECT_FALSE(hit("\xc4", "\xe4", {.caseless = true}));  // ASCII only
  EXPECT_TRUE(hit("x*", "", {}));
  EXPECT_FALSE(hit("x*", "", {.not_empty = true}));
  EXPECT_TRUE(hit("a$", "a\nb", {.multiline = true}));
  EXPECT_FALSE(hit("a$", "a\n", {}));
}

TEST(Regex, EmptyAndNullSubjects) {
  ReScratch scratch;
  EXPECT_EQ(compile("^$")->search({}, scratch, {}), ReResult::Match);
  EXPECT_EQ(compile("")->search({}, scratch, {}), ReResult::Match);
  EXPECT_EQ(compile(".")->search({}, scratch, {}), ReResult::NoMatch);
}

TEST(Regex, BackwardsMatchOfALookAroundIsAnEmptyGroup) {
  ReScratch scratch;
  std::array<std::string_view, 1> groups;
  if (auto re = Regex::compile("(?=ab\\K)", {})) {  // refused by newer PCRE2
    std::size_t count = 0;
    EXPECT_EQ((*re)->search("ab", scratch, {}, groups.data(), 1, &count), ReResult::Match);
    EXPECT_EQ(groups[0], "");
  }
}

TEST(Regex, LimitsHoldForEachCall) {
  ReScratch scratch;
  const auto re = compile("^(?:a|a)*?\\d");
  const std::string subject = std::string(40, 'a');
  EXPECT_EQ(re->search(subject, scratch, {100, 100}), ReResult::LimitExceeded);
  EXPECT_EQ(re->search("aa7", scratch, {100, 100}), ReResult::Match);
  EXPECT_EQ(re->search("aab", scratch, {}), ReResult::NoMatch);
}

// A megabyte of JIT stack is not enough here; the interpreter takes over.
TEST(Regex, DeepRecursionEndsInAVerdict) {
  ReScratch scratch;
  const auto re = compile("^(?:(a)|b)*(?<!x)c");
  EXPECT_NE(re->search(std::string(2'000'000, 'a') + "c", scratch, {}), ReResult::NoMatch);
}

TEST(ReScratch, KeepsTheLastExpansions) {
  ReScratch scratch;
  const Regex* first = scratch.compiled("a1", {});
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(scratch.compiled("a1", {}), first);
  EXPECT_NE(scratch.compiled("a1", {.caseless = true}), first);
  for (std::size_t i = 0; i < 2 * ReScratch::kExpansions; ++i) {
    EXPECT_NE(scratch.compiled("b" + std::to_string(i), {}), nullptr);
    EXPECT_EQ(scratch.compiled("a1", {}), first);  // the most used stays
  }
  EXPECT_EQ(scratch.compiled("(", {}), nullptr);
  EXPECT_EQ(scratch.compiled("(", {}), nullptr);
  EXPECT_EQ(scratch.compiled(std::string(ReScratch::kMaxExpansion + 1, 'a'), {}), nullptr);
}

}  // namespace
}  // namespace weir::rules
