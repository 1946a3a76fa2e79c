// Whether a worker is stuck, or only the machine busy.
#include "app/live/progress.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

namespace weir::app {
namespace {

constexpr std::int64_t kLook = 100'000'000;

std::optional<Scheduling> nothing() { return std::nullopt; }

// Looks `times` times at a process of which each look finds what `next` makes of the look before.
std::int64_t stood_after(int times, const std::function<void(Scheduling&)>& next, Progress progress = {}) {
  Scheduling seen;
  progress.begin(0);
  for (int i = 1; i <= times; ++i) {
    next(seen);
    progress.look(0, i * kLook, [&] { return std::optional(seen); });
  }
  return progress.stood();
}

TEST(Progress, TimeCountsWhileAWorkerWorksSleepsOrIsStopped) {
  EXPECT_EQ(stood_after(20, [](Scheduling& s) { s.ran += kLook, s.ready = true; }), 20 * kLook);
  EXPECT_EQ(stood_after(20, [](Scheduling& s) { s.ready = false; }), 20 * kLook);
}

TEST(Progress, TimeDoesNotCountWhileItWaitsForAProcessor) {
  // A tenth of a processor, in short turns.
  const std::int64_t shared = stood_after(100, [](Scheduling& s) {
    s.ran += kLook / 10;
    s.waited += kLook * 9 / 10;
    s.ready = true;
  });
  EXPECT_NEAR(static_cast<double>(shared), 11.0 * kLook, kLook / 10.0) << "the first look has nothing to compare with";
  // Never in all that time: its wait is not added up before it is over.
  EXPECT_EQ(stood_after(100, [](Scheduling& s) { s.ready = true; }), kLook);
}

TEST(Progress, ABeatBeginsAnew) {
  Progress progress;
  progress.begin(0);
  progress.look(0, kLook, nothing);
  progress.look(0, 2 * kLook, nothing);
  EXPECT_EQ(progress.stood(), 2 * kLook);
  progress.look(7, 3 * kLook, nothing);
  EXPECT_EQ(progress.stood(), 0);
  progress.look(7, 4 * kLook, nothing);
  EXPECT_EQ(progress.stood(), kLook);
}

TEST(Progress, WhoeverDidNotLookCannotTell) {
  Progress progress;
  progress.begin(0);
  progress.look(0, 50 * kLook, nothing);
  EXPECT_EQ(progress.stood(), Progress::kMostPerLook);
}

// Real processes, on one processor that they share.
class OneProcessor : public ::testing::Test {
 protected:
  void SetUp() override {
    cpu_set_t all;
    ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one_);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &all)) {
        CPU_SET(cpu, &one_);
        break;
      }
    }
    if (!scheduling_of(::getpid())) GTEST_SKIP() << "this kernel does not say how long a process waits";
  }
  static std::int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
  pid_t spin(int nice) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::sched_setaffinity(0, sizeof one_, &one_);
      static_cast<void>(::nice(nice));
      for (;;) static_cast<void>(now());
    }
    children_.push_back(child);
    return child;
  }
  void TearDown() override {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  // Of a process that never beats, looked at for a second or more.
  static std::int64_t stood(pid_t process) {
    Progress progress;
    progress.begin(now());
    for (int i = 0; i < 12; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      progress.look(0, now(), [process] { return scheduling_of(process); });
    }
    return progress.stood();
  }
  cpu_set_t one_{};
  std::vector<pid_t> children_;
};

TEST_F(OneProcessor, AStoppedProcessStands) {
  const pid_t child = spin(0);
  ::kill(child, SIGSTOP);
  ::waitpid(child, nullptr, WUNTRACED);  // it stops when it next gets its processor
  EXPECT_GT(stood(child), 1'000'000'000);
}

TEST_F(OneProcessor, OneThatOthersKeepFromItsProcessorDoesNot) {
  for (int i = 0; i < 4; ++i) spin(0);
  const pid_t last = spin(19);  // a seventieth of what each of the others gets
  EXPECT_LT(stood(last), 600'000'000);
}

TEST(SchedulingOf, SaysNothingOfNobody) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(scheduling_of(child));
}

}  // namespace
}  // namespace weir::app
