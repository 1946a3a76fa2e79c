#include "engine/base/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <vector>

namespace weir::base {
namespace {

struct Wheel {
  explicit Wheel(std::size_t slots)
      : links(64), wheel([this](std::uint32_t i) -> TimerLink& { return links[i]; }, seconds(1),
                         slots) {
    wheel.advance({0}, 1000, [](std::uint32_t) {});
  }
  std::vector<TimerLink> links;
  TimerWheel<std::function<TimerLink&(std::uint32_t)>> wheel;
};

TEST(TimerWheel, NeverEarlyAndAtMostOneTickLate) {
  Wheel w(16);
  std::map<std::uint32_t, std::int64_t> due;
  std::mt19937_64 random(7);
  Timestamp now{0};
  for (int i = 0; i < 5000; ++i) {
    const auto record = static_cast<std::uint32_t>(random() % 64);
    switch (random() % 4) {
      case 0:
      case 1: {  // within the ring: reported exactly once
        const std::int64_t at = now.ns + static_cast<std::int64_t>(random() % 13'000'000'000ULL);
        w.wheel.schedule(record, {at});
        due[record] = at;
        break;
      }
      case 2:
        w.wheel.cancel(record);
        due.erase(record);
        break;
      default:
        now.ns += static_cast<std::int64_t>(random() % 3'000'000'000ULL);
        EXPECT_TRUE(w.wheel.advance(now, 100000, [&](std::uint32_t r) {
          ASSERT_EQ(due.count(r), 1U);
          EXPECT_LE(due[r], now.ns);
          due.erase(r);
        }));
        for (const auto& [r, at] : due) EXPECT_GT(at + seconds(1).ns, now.ns) << r;
    }
  }
}

TEST(TimerWheel, FarDeadlinesAreAskedForAgain) {
  Wheel w(16);
  const Timestamp due{seconds(1000).ns};
  w.wheel.schedule(3, due);
  int asked = 0;
  std::int64_t reported = 0;
  for (std::int64_t s = 1; s <= 1002 && reported == 0; ++s) {
    const Timestamp now{seconds(s).ns};
    w.wheel.advance(now, 1000, [&](std::uint32_t r) {
      ++asked;
      if (now < due) {
        w.wheel.schedule(r, due);
      } else {
        reported = s;
      }
    });
  }
  EXPECT_EQ(reported, 1001);
  EXPECT_LT(asked, 100);
}

TEST(TimerWheel, WorkIsBoundedAndGoesOn) {
  Wheel w(16);
  for (std::uint32_t r = 0; r < 64; ++r) w.wheel.schedule(r, {seconds(2).ns});
  std::vector<std::uint32_t> seen;
  int calls = 0;
  while (!w.wheel.advance({seconds(5).ns}, 10, [&](std::uint32_t r) { seen.push_back(r); })) {
    ASSERT_LT(++calls, 100);
  }
  ASSERT_EQ(seen.size(), 64U);
  for (std::uint32_t r = 0; r < 64; ++r) EXPECT_EQ(seen[r], r);  // first in, first out
  EXPECT_GE(calls, 6);
}

TEST(TimerWheel, AnotherRecordTakesThePlace) {
  Wheel w(16);
  for (const std::uint32_t record : {1U, 2U, 3U}) w.wheel.schedule(record, {2'500'000'000});
  w.wheel.replace(1, 11);
  w.wheel.replace(3, 13);
  w.wheel.replace(2, 12);
  w.wheel.replace(5, 15);  // is not scheduled, and nor is 15 then
  w.wheel.cancel(1);       // is not any more
  std::vector<std::uint32_t> reported;
  w.wheel.advance({4'000'000'000}, 1000, [&](std::uint32_t r) { reported.push_back(r); });
  EXPECT_EQ(reported, (std::vector<std::uint32_t>{11, 12, 13}));
}

TEST(TimerWheel, LongSilence) {
  Wheel w(16);
  w.wheel.schedule(1, {seconds(3).ns});
  int reported = 0;
  EXPECT_TRUE(w.wheel.advance({seconds(100'000'000).ns}, 100, [&](std::uint32_t) { ++reported; }));
  EXPECT_EQ(reported, 1);
}

TEST(TimerWheel, TimeBeforeTheEpoch) {
  std::vector<TimerLink> links(4);
  TimerWheel<std::function<TimerLink&(std::uint32_t)>> wheel(
      [&](std::uint32_t i) -> TimerLink& { return links[i]; }, seconds(1), 8);
  wheel.advance({-seconds(10).ns - 5}, 10, [](std::uint32_t) {});
  wheel.schedule(0, {-seconds(8).ns});
  int reported = 0;
  wheel.advance({-seconds(9).ns}, 10, [&](std::uint32_t) { ++reported; });
  EXPECT_EQ(reported, 0);
  wheel.advance({-seconds(6).ns}, 10, [&](std::uint32_t) { ++reported; });
  EXPECT_EQ(reported, 1);
}

}  // namespace
}  // namespace weir::base
