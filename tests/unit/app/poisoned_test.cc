// What a dead worker had in hand, as its supervisor finds it; and for how long that is remembered.
#include "app/live/poisoned_flows.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <new>
#include <optional>

#include "app/live/event_ring.h"
#include "app/live/figures.h"

namespace weir::app {
namespace {

flow::FlowKey key(std::uint16_t port) {
  flow::FlowKey key;
  key.low_port = port;
  key.version = 4;
  return key;
}

struct Worker {
  Worker() { ::new (static_cast<void*>(memory.data())) WorkerShared; }
  WorkerShared& shared() { return *reinterpret_cast<WorkerShared*>(memory.data()); }
  // The status with which a process ended that did this.
  int ended(const std::function<void(WorkerShared&)>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (const int signal : {SIGSEGV, SIGABRT}) std::signal(signal, SIG_DFL);  // not those of a sanitizer
      work(shared());
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  SharedMemory memory = std::move(*SharedMemory::make(sizeof(WorkerShared)));
};

TEST(InHandShared, SaysAfterADeathWhoseItWas) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGKILL}) {
    Worker worker;
    const int status = worker.ended([signal](WorkerShared& shared) {
      const flow::Holding outer(&shared.in_hand, key(1));
      { const flow::Holding inner(&shared.in_hand, key(2)); }
      const flow::Holding again(&shared.in_hand, key(3));
      ::raise(signal);
    });
    EXPECT_EQ(worker.shared().in_hand.read(), key(3));
    EXPECT_EQ(crashed(status), signal != SIGKILL) << "somebody else's doing says nothing about the packet";
  }
}

TEST(InHandShared, SaysNothingOfADeathBetweenPackets) {
  Worker worker;
  const int status = worker.ended([](WorkerShared& shared) {
    {
      const flow::Holding outer(&shared.in_hand, key(1));
      const flow::Holding inner(&shared.in_hand, key(2));
    }
    ::raise(SIGSEGV);
  });
  EXPECT_TRUE(crashed(status));
  EXPECT_FALSE(worker.shared().in_hand.read());
  EXPECT_FALSE(crashed(worker.ended([](WorkerShared&) {})));
}

TEST(InHandShared, ASupervisorSeesALiveWorkersInHandOnlyWhileItIsAtIt) {
  Worker worker;
  EXPECT_FALSE(worker.shared().in_hand.read());
  const flow::Holding none(nullptr, key(1));
  worker.shared().in_hand.take(key(4));
  EXPECT_EQ(worker.shared().in_hand.read(), key(4));
  worker.shared().in_hand.put_down();  // as before the next worker is forked
  EXPECT_FALSE(worker.shared().in_hand.read());
}

TEST(PoisonedFlows, AreRememberedForAWhile) {
  PoisonedFlows flows;
  EXPECT_TRUE(flows.at(5).empty());
  flows.add(key(1), 1000);
  flows.add(key(2), 2000);
  auto now = flows.at(2000);
  ASSERT_EQ(now.size(), 2U);
  EXPECT_EQ(now[0].key, key(1));
  EXPECT_EQ(now[0].left.ns, PoisonedFlows::kRemembered - 1000);
  now = flows.at(1000 + PoisonedFlows::kRemembered);
  ASSERT_EQ(now.size(), 1U);
  EXPECT_EQ(now[0].key, key(2));
  flows.add(key(2), 3000);  // again
  EXPECT_EQ(flows.at(2000 + PoisonedFlows::kRemembered).size(), 1U);
  EXPECT_TRUE(flows.at(3000 + PoisonedFlows::kRemembered).empty());
}

TEST(PoisonedFlows, AreTheNewestSoMany) {
  PoisonedFlows flows;
  for (std::uint16_t i = 0; i < PoisonedFlows::kMost + 10; ++i) flows.add(key(i), i);
  const auto all = flows.at(100);
  ASSERT_EQ(all.size(), PoisonedFlows::kMost);
  for (const flow::PoisonedFlow& one : all) EXPECT_GE(one.key.low_port, 10);
}

}  // namespace
}  // namespace weir::app
