// The log of matches against a plain list of them.

#include "rules/match_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

namespace weir::rules {
namespace {

constexpr std::string_view kClient = "192.0.2.7";

Match match(std::uint64_t id, bool log, bool audit) {
  Match m;
  m.rule_id = id;
  m.value = "own";
  m.log = log;
  m.audit = audit;
  return m;
}

bool same(const Match& a, const Match& b) {
  return a.rule_id == b.rule_id && a.value == b.value && a.log == b.log && a.audit == b.audit;
}

// A log, and beside it what it should say.
class Pair {
 public:
  explicit Pair(unsigned seed) : random_(seed) {
    for (std::size_t i = 0; i < 40; ++i) {
      foregone_.push_back(match(1000 + i, i % 7 == 0, i % 5 == 0));
      of_client_.push_back(i % 3 == 0 ? 1 : 0);
    }
  }
  void step() {
    switch (random_() % 8) {
      case 0: case 1: return add_own();
      case 2: case 3: case 4: return add_foregone();
      case 5: return truncate();
      case 6: return check();
      default:
        if (random_() % 4 != 0) return;
        log_.clear();
        list_.clear();
    }
  }
  void check() const {
    ASSERT_EQ(log_.size(), list_.size());
    const auto all = log_.all(kClient);
    ASSERT_TRUE(std::equal(all.begin(), all.end(), list_.begin(), list_.end(), same));
    const auto logged = [](const Match& m) { return m.log; };
    const auto audited = [](const Match& m) { return m.audit; };
    if (std::any_of(list_.begin(), list_.end(), logged)) { ASSERT_TRUE(log_.may_be_logged()); }
    if (std::any_of(list_.begin(), list_.end(), audited)) { ASSERT_TRUE(log_.may_be_audited()); }
    if (list_.empty()) return;
    most_ = std::max(most_, list_.size());
  }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  void add_own() {
    list_.push_back(match(random_() % 100, random_() % 9 == 0, random_() % 9 == 0));
    log_.add(list_.back());
  }
  void add_foregone() {
    const std::size_t first = random_() % foregone_.size();
    const std::size_t n = random_() % (foregone_.size() - first);
    const auto matches = std::span<const Match>(foregone_).subspan(first, n);
    const bool logged = std::any_of(matches.begin(), matches.end(), [](const Match& m) { return m.log; });
    const bool audited = std::any_of(matches.begin(), matches.end(), [](const Match& m) { return m.audit; });
    log_.add({matches, of_client_.data() + first, logged, audited});
    for (std::size_t i = first; i < first + n; ++i) {
      list_.push_back(foregone_[i]);
      if (of_client_[i] != 0) list_.back().value = kClient;
    }
  }
  void truncate() {
    const std::size_t n = list_.empty() ? 0 : list_.size() - random_() % std::min<std::size_t>(list_.size() + 1, 30);
    list_.resize(n);
    log_.truncate(n);
  }

  std::mt19937 random_;
  std::vector<Match> foregone_;
  std::vector<std::uint8_t> of_client_;
  MatchLog log_;
  std::vector<Match> list_;
  mutable std::size_t most_ = 0;
};

TEST(MatchLog, SaysWhatAPlainListWould) {
  std::size_t most = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Pair pair(seed);
    for (int i = 0; i < 100; ++i) {
      pair.step();
      if (::testing::Test::HasFatalFailure()) return;
    }
    pair.check();
    most = std::max(most, pair.most());
  }
  EXPECT_GT(most, 200U);
}

TEST(MatchLog, NothingIsLoggedUnlessSomethingIs) {
  MatchLog log;
  const std::vector<Match> quiet{match(1, false, false), match(2, false, false)};
  const std::vector<std::uint8_t> of_client{0, 1};
  log.add({quiet, of_client.data(), false, false});
  log.add(match(3, false, true));
  EXPECT_FALSE(log.may_be_logged());
  EXPECT_TRUE(log.may_be_audited());
  log.add(match(4, true, false));
  EXPECT_TRUE(log.may_be_logged());
  log.clear();
  EXPECT_FALSE(log.may_be_logged());
  EXPECT_FALSE(log.may_be_audited());
  EXPECT_TRUE(log.all(kClient).empty());
}

}  // namespace
}  // namespace weir::rules
