// The parts of `weir run` that need no packets: rings between processes, the writer, the mailbox, the
// clock, figures, what a reload may change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <thread>

#include "app/config/reader.h"
#include "app/live/changes.h"
#include "app/live/clock.h"
#include "app/live/control.h"
#include "app/live/event_ring.h"
#include "app/live/event_writer.h"
#include "app/live/figures.h"
#include "app/live/live_sink.h"
#include "app/live/loader.h"
#include "app/live/mailbox.h"
#include "app/live/predecessor.h"
#include "app/live/scanning.h"
#include "app/live/stop_signal.h"
#include "tests/unit/app/file_checks.h"

namespace weir::app {
namespace {

using test::contents;
using test::expect_fine_in_child;
using test::limit_files;
using test::wait_until;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string line_of(std::size_t length, int number) {
  std::string line = std::to_string(number) + ":";
  while (line.size() + 1 < length) line.push_back(static_cast<char>('a' + line.size() % 26));
  return line + "\n";
}

TEST(Ring, EveryLineComesOutWholeAndInOrder) {
  auto ring = std::move(*EventRing::make(64 * 1024));
  std::mt19937 random(7);
  std::string in;
  std::string out;
  int lost = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = line_of(1 + random() % 3000, i);
    if (ring->put(line)) {
      in += line;
    } else {
      ++lost;
      ring->take(out, out.size() + 1 + random() % 100'000);
    }
  }
  ring->take(out, SIZE_MAX);
  EXPECT_GT(lost, 0);
  EXPECT_EQ(in, out);
  EXPECT_TRUE(ring->empty());
}

TEST(Ring, FullMeansNoRoomForThisLine) {
  auto ring = std::move(*EventRing::make(1));
  EXPECT_EQ(ring->capacity(), 64U * 1024);
  EXPECT_FALSE(ring->put(std::string(64 * 1024, 'x')));  // no room for its length
  EXPECT_TRUE(ring->put(std::string(64 * 1024 - 4, 'x')));
  EXPECT_FALSE(ring->put(""));
  std::string out;
  ring->take(out, SIZE_MAX);
  EXPECT_EQ(out.size(), 64U * 1024 - 4);
  EXPECT_TRUE(ring->put("y"));
}

TEST(Ring, AcrossProcessesOneOfWhichIsKilledInTheMiddle) {
  auto ring = std::move(*EventRing::make(1 << 20));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (int i = 0;; ++i) {
      while (!ring->put(line_of(500 + static_cast<std::size_t>(i % 700), i))) {
      }
    }
  }
  std::string out;
  for (int i = 0; i < 50 || out.size() < (4U << 20U); ++i) ring->take(out, out.size() + 100'000);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ring->take(out, SIZE_MAX);
  int expected = 0;
  for (std::size_t at = 0; at < out.size(); ++expected) {
    const std::size_t end = out.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    ASSERT_EQ(out.substr(at, end + 1 - at), line_of(500 + static_cast<std::size_t>(expected % 700), expected));
    at = end + 1;
  }
  EXPECT_GT(expected, 1000);
  EXPECT_TRUE(ring->put("the next worker's\n"));
}

class Writer : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/weir-writer-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(Writer, WritesWhatIsInTheRingsAndItsOwnLines) {
  auto one = std::move(*EventRing::make(1 << 16));
  auto two = std::move(*EventRing::make(1 << 16));
  const std::string file = directory_ / "events";
  auto writer = std::move(*EventWriter::open({file, false}));
  writer->start({one.get(), two.get()});
  EXPECT_TRUE(one->put("one\n"));
  EXPECT_TRUE(two->put("two\n"));
  EXPECT_TRUE(writer->put("own\n"));
  wait_until([&] { return contents(file).size() == 12; });
  EXPECT_TRUE(two->put("last\n"));
  writer->stop();
  EXPECT_THAT(contents(file), HasSubstr("last\n"));
}

TEST_F(Writer, AppendsAndOpensAgainByName) {
  auto ring = std::move(*EventRing::make(1 << 16));
  const std::string file = directory_ / "events";
  std::ofstream(file) << "before\n";
  auto writer = std::move(*EventWriter::open({file, false}));
  writer->start({ring.get()});
  writer->put("a\n");
  wait_until([&] { return contents(file) == "before\na\n"; });
  std::filesystem::rename(file, directory_ / "events.1");
  writer->reopen();
  wait_until([&] { return std::filesystem::exists(file); });
  writer->put("b\n");
  wait_until([&] { return contents(file) == "b\n"; });
  EXPECT_EQ(contents(directory_ / "events.1"), "before\na\n");
  writer->stop();
}

TEST_F(Writer, AFullDiskStopsNobodyAndLeavesWholeLines) {
  // A small file system of our own would need rights; a limit on the file's size fails in the same way.
  const std::string file = directory_ / "events";
  expect_fine_in_child([&] {
    auto ring = std::move(*EventRing::make(1 << 16));
    limit_files(1000);
    auto writer = std::move(*EventWriter::open({file, false}));
    writer->start({ring.get()});
    int lost = 0;
    int put = 0;
    for (int i = 0; i < 3000; ++i) {
      if (ring->put(line_of(130, i))) {
        ++put;
      } else {
        ++lost;
      }
      if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    limit_files(RLIM_INFINITY);
    writer->stop();
    const std::string text = contents(file);
    // Everything that found room is there, whole, in order.
    int lines = 0;
    int last = -1;
    for (std::size_t at = 0; at < text.size(); ++lines) {
      const std::size_t end = text.find('\n', at);
      if (end == std::string::npos) return 3;
      const int number = std::stoi(text.substr(at));
      if (number <= last || text.substr(at, end + 1 - at) != line_of(130, number)) return 4;
      last = number;
      at = end + 1;
    }
    return lines == put && lost > 0 ? 0 : 5;
  });
}

TEST_F(Writer, AWrongPathIsKnownAtStart) {
  const auto writer = EventWriter::open({directory_ / "none" / "events", false});
  ASSERT_FALSE(writer);
  EXPECT_THAT(writer.error().message, HasSubstr("No such file"));
}

TEST(Mailboxes, KeepMessagesWholeAndPassDescriptors) {
  auto pair = std::move(*Mailbox::pair());
  EXPECT_FALSE(pair.second.receive());
  EXPECT_FALSE(pair.second.gone());
  Message message;
  message.word = Word::Prepare;
  message.generation = 7;
  message.text = "some words";
  message.attachment = Descriptor(::memfd_create("x", 0));
  ASSERT_EQ(::write(message.attachment.get(), "content", 7), 7);
  EXPECT_TRUE(pair.first.send(message));
  Message stop;
  stop.word = Word::Stop;
  EXPECT_TRUE(pair.first.send(stop));
  const auto got = pair.second.receive();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->word, Word::Prepare);
  EXPECT_EQ(got->generation, 7U);
  EXPECT_EQ(got->text, "some words");
  char text[8] = {};
  EXPECT_EQ(::pread(got->attachment.get(), text, 7, 0), 7);
  EXPECT_STREQ(text, "content");
  EXPECT_EQ(pair.second.receive()->word, Word::Stop);
  message.text.assign(100'000, 'x');
  EXPECT_TRUE(pair.second.send(message));
  EXPECT_EQ(pair.first.receive()->text.size(), kMostText);
  pair.first.close();
  EXPECT_FALSE(pair.second.receive());
  EXPECT_TRUE(pair.second.gone());
  EXPECT_FALSE(pair.second.send(stop));
}

class ControlSocket : public Writer {
 protected:
  std::string path() const { return (directory_ / "control").string(); }
  // Serves until `asker` is done, as the supervisor does between other things.
  static void serve_while(Control& control, std::thread& asker, std::atomic<bool>& done) {
    while (!done) {
      control.serve([](std::string_view request) { return Answer{"heard " + std::string(request)}; });
      ::usleep(1'000);
    }
    asker.join();
  }
};

TEST_F(ControlSocket, AnswersWhoeverAsksAndKeepsTheSilentOutOfTheWay) {
  auto control = Control::listen(path());
  ASSERT_TRUE(control) << control.error().message;
  struct stat there {};
  ASSERT_EQ(::stat(path().c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777U, 0600U);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 40; ++i) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::snprintf(name.sun_path, sizeof name.sun_path, "%s", path().c_str());
    silent.emplace_back(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    ASSERT_EQ(::connect(silent.back().get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    control->serve([](std::string_view) { return Answer{"nobody spoke"}; });
  }
  std::atomic<bool> done{false};
  std::string heard;
  std::thread asker([&] {
    auto answer = ask(path(), "bypass on", seconds(5));
    heard = answer ? *answer : answer.error().message;
    done = true;
  });
  serve_while(*control, asker, done);
  EXPECT_EQ(heard, "heard bypass on");
}

TEST_F(ControlSocket, GivesQueuesAwayAndTellsWhenItIsLeft) {
  std::optional<Control> control(std::move(*Control::listen(path())));
  Descriptor file(::memfd_create("x", 0));
  ASSERT_EQ(::write(file.get(), "queue", 5), 5);
  std::atomic<bool> left{false}, asked_to_leave{false};
  std::string problem;
  std::vector<GivenQueue> given;
  std::thread next([&] {
    auto found = Predecessor::find(path());
    auto queues = found && *found ? (*found)->queues() : fail("nobody");
    if (!queues) {
      problem = queues.error().message;
    } else {
      given = std::move(*queues);
      const auto gone = (*found)->leave(seconds(5));
      if (!gone) problem = gone.error().message;
    }
    left = true;
  });
  const auto answer = [&](std::string_view request) {
    if (request == "queues") return Answer{"queues 7 12", {file.get(), file.get()}, true};
    asked_to_leave = request == "leave";
    return Answer{"leaving\n", {}, true};
  };
  for (int i = 0; i < 5'000 && !asked_to_leave && !left; ++i, ::usleep(1'000)) control->serve(answer);
  control->withdraw();
  EXPECT_TRUE(Control::listen(path())) << "its successor may";
  ::usleep(50'000);
  EXPECT_FALSE(left) << "its workers are not gone yet";
  control.reset();
  next.join();
  EXPECT_EQ(problem, "");
  ASSERT_EQ(given.size(), 2U);
  EXPECT_EQ(given[0].number, 7);
  EXPECT_EQ(given[1].number, 12);
  char text[8] = {};
  EXPECT_EQ(::pread(given[1].socket.get(), text, 5, 0), 5);
  EXPECT_STREQ(text, "queue");
  const auto nobody = Predecessor::find((directory_ / "none").string());
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, nullptr);
}

TEST_F(ControlSocket, IsOfOneWeirAndGoesWithIt) {
  {
    auto control = Control::listen(path());
    ASSERT_TRUE(control);
    const auto second = Control::listen(path());
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("another weir run"));
    expect_fine_in_child([&] {
      control->let_go();
      return std::filesystem::exists(path()) ? 0 : 1;
    });  // what a worker does
    EXPECT_TRUE(std::filesystem::exists(path()));
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
  const auto nobody = ask(path(), "bypass on", seconds(1));
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().message, HasSubstr("no weir run listens"));
  expect_fine_in_child([&] {  // is killed, and leaves its socket there
    const auto left = Control::listen(path());
    ::_exit(left ? 0 : 1);
    return 1;
  });
  ASSERT_TRUE(std::filesystem::exists(path()));
  EXPECT_TRUE(Control::listen(path()));
  std::ofstream(directory_ / "file").put('x');
  EXPECT_FALSE(Control::listen((directory_ / "file").string()));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "file"));
  EXPECT_FALSE(Control::listen("/nonexistent/control"));
}

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Clock, FollowsTheTimeOfDay) {
  SteadyClock clock;
  EXPECT_EQ(clock.at(5 * kSecond, 1000 * kSecond).ns, 1000 * kSecond);
  EXPECT_EQ(clock.at(6 * kSecond, 1001 * kSecond + 7).ns, 1001 * kSecond + 7);
  // A small correction backwards: it stands still, and goes on when the time has come.
  EXPECT_EQ(clock.at(6 * kSecond + 10, 1001 * kSecond - 100).ns, 1001 * kSecond + 7);
  EXPECT_EQ(clock.at(7 * kSecond, 1002 * kSecond).ns, 1002 * kSecond);
}

TEST(Clock, AStepIsMadeUpForSlowly) {
  for (const std::int64_t step : {3600 * kSecond, -3600 * kSecond}) {
    SteadyClock clock;
    std::int64_t before = clock.at(0, 1'000'000 * kSecond).ns;
    bool together = false;
    for (std::int64_t t = kSecond; t < 40'000 * kSecond; t += kSecond) {
      const std::int64_t of_day = 1'000'000 * kSecond + t + step;
      const std::int64_t now = clock.at(t, of_day).ns;
      ASSERT_GE(now, before);
      ASSERT_LE(now - before, together ? 3 * kSecond : kSecond + kSecond / 8);
      if (t > 31'000 * kSecond) {
        ASSERT_EQ(now, of_day) << t;
      }
      together = now == of_day || now > of_day - 2 * kSecond;
      before = now;
    }
  }
}

TEST(Figures, ASnapshotIsWholeOrNotRead) {
  auto memory = std::move(*SharedMemory::make(sizeof(WorkerShared)));
  auto* shared = ::new (static_cast<void*>(memory.data())) WorkerShared;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (std::uint64_t n = 1; !stop; ++n) {
      Figures f;
      f.port.packets = f.inspector.packets = f.events = f.alive_ns = n;
      shared->figures.publish(f);
    }
  });
  int read = 0;
  // On a busy machine it takes a while until the writer has its turn.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (int i = 0; i < 20'000 || (read < 1000 && std::chrono::steady_clock::now() < end); ++i) {
    Figures f;
    if (!shared->figures.read(f)) {
      std::this_thread::yield();
      continue;
    }
    ++read;
    ASSERT_EQ(f.port.packets, f.alive_ns);
    ASSERT_EQ(f.inspector.packets, f.events);
    ASSERT_EQ(f.events, f.alive_ns);
  }
  stop = true;
  writer.join();
  EXPECT_GT(read, 0);
}

TEST(Figures, GaugesOfADeadWorkerAreGone) {
  Figures f;
  f.flow.flows_now = 5;
  f.port.packets = 7;
  FigureSums sums;
  sums.add(f, false);
  EXPECT_EQ(sums.of("tcp.flows"), 0U);
  EXPECT_EQ(sums.of("port.packets"), 7U);
  sums.add(f, true);
  EXPECT_EQ(sums.of("tcp.flows"), 5U);
  EXPECT_EQ(sums.of("port.packets"), 14U);
}

// JsonlFormat nests by prefix and wants the figures of one together.
TEST(Figures, OnePrefixStandsTogether) {
  std::vector<std::string> prefixes;
  for (const Figure& figure : figure_table()) {
    const std::string prefix(figure.name.substr(0, figure.name.find('.')));
    if (prefixes.empty() || prefixes.back() != prefix) prefixes.push_back(prefix);
  }
  std::vector<std::string> sorted = prefixes;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(std::unique(sorted.begin(), sorted.end()), sorted.end());
}

Config config_of(const std::string& text) { return *parse_config(text, "/etc/weir.yaml").config; }

TEST(Reload, KnowsWhatNeedsARestart) {
  const std::string base = "inputs: {nfqueue: {queues: 1}}\n";
  EXPECT_EQ(needs_restart(config_of(base), config_of(base + "rules: [x]\nstats_interval: 5s\n")), "");
  EXPECT_EQ(needs_restart(config_of(base), config_of(base + "mode: block\nparanoia: 3\nsites: [{name: a, hosts: [b]}]\n")), "");
  EXPECT_EQ(needs_restart(config_of(base), config_of("inputs: {nfqueue: {queues: 2}}\n")), "inputs");
  EXPECT_EQ(needs_restart(config_of(base), config_of(base + "client_address: {header: forwarded, trusted: ['::1']}\n")), "client_address");
  EXPECT_THAT(needs_restart(config_of(base), config_of(base + "cpus: none\nlimits: {flows: 77}\n")), "cpus, limits");
  EXPECT_THAT(needs_restart(config_of(base), config_of(base + "events: {file: x}\n")), HasSubstr("events.file"));
}

TEST(Reload, WhatCannotBeLoadedSaysWhy) {
  Loader loader;
  loader.start("rules: [/nonexistent/x.conf]\n", "/etc/weir.yaml", 3);
  wait_until([&] { return loader.ready(); });
  EXPECT_EQ(loader.generation(), 3U);
  LoadOutcome outcome = loader.take();
  EXPECT_EQ(outcome.loaded, nullptr);
  EXPECT_THAT(outcome.why, HasSubstr("/nonexistent/x.conf"));
  loader.start("block_page: {file: /nonexistent/page}\n", "/etc/weir.yaml", 4);
  wait_until([&] { return loader.ready(); });
  EXPECT_THAT(loader.take().why, HasSubstr("cannot be read"));
  loader.start("mode: x\n", "/etc/weir.yaml", 5);  // and is not waited for
}

// Whoever starts it has packets to see to.
TEST(Scanners, StartingAnewDoesNotWaitForWhatIsGivenUp) {
  const std::string directory = testing::TempDir() + "weir-scanning-" + std::to_string(::getpid());
  // Enough for a few hundred milliseconds, and no more: on a busy machine the thread of lowest priority gets little time.
  std::filesystem::create_directories(directory);
  std::ofstream rules(directory + "/some.conf");
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    rules << "SecRule ARGS \"@rx (?i)(?:attack|evil)" << n << "[a-z ]{1,40}[0-9]+x\" \"id:" << 100 + i << ",phase:2,pass,nolog\"\n";
  }
  rules.close();
  const LoadOutcome outcome = load_configuration(
      "rules: [" + directory + "/some.conf]\ncache: " + directory + "/cache\n", "/etc/weir.yaml");
  ASSERT_NE(outcome.loaded, nullptr) << outcome.why;
  {
    Scanning scanning;
    scanning.start(outcome.loaded);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // in the middle of a database
    EXPECT_TRUE(scanning.busy());
    const std::int64_t before = monotonic_now();
    for (int i = 0; i < 3; ++i) scanning.start(outcome.loaded);
    EXPECT_FALSE(scanning.finished());
    EXPECT_LT(monotonic_now() - before, milliseconds(20).ns);
    int times = 0;
    for (int i = 0; i < 6'000 && times == 0; ++i) {
      times += scanning.finished() ? 1 : 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(times, 1) << "the last one comes to its end";
    EXPECT_FALSE(scanning.finished());
    EXPECT_FALSE(scanning.busy());
  }
  std::filesystem::remove_all(directory);
}

TEST(StopSignal, EndsAChildThatMindsNoOther) {
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);  // as in the supervisor
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    take_stop_signal();
    for (const int other : {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) ::raise(other);
    if (stop_asked()) ::_exit(2);
    ::raise(SIGTERM);
    ::_exit(stop_asked() ? 0 : 3);
  }
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Sink, RecordsWhatIsWanted) {
  auto ring = std::move(*EventRing::make(1 << 16));
  EventsConfig wanted;
  wanted.http = EventsConfig::Http::Matched;
  wanted.drop = false;
  LiveSink sink(wanted, "nfqueue:3", *ring, -1);
  Event event;
  sink.write(event);  // nothing matched
  event.type = EventType::Drop;
  sink.write(event);
  EXPECT_TRUE(ring->empty());
  event.type = EventType::Http;
  event.waf.decision = DecisionKind::Deny;
  sink.write(event);
  std::string out;
  ring->take(out, SIZE_MAX);
  EXPECT_THAT(out, HasSubstr("\"in_iface\":\"nfqueue:3\""));
  EXPECT_EQ(sink.written(), 1U);
  for (int i = 0; i < 2000; ++i) sink.write(event);
  EXPECT_GT(sink.lost(), 0U);
  EXPECT_EQ(sink.written() + sink.lost(), 2001U);
}

}  // namespace
}  // namespace weir::app
