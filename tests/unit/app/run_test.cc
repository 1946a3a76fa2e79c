// The output does not depend on the number of workers, whatever ends connections: responses, resets, time,
// the end of the input; with several captures, fragments and things that are no TCP among them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "app/formats/jsonl.h"
#include "app/runtime/run.h"
#include "tests/unit/inspect/conversation.h"

namespace weir::app {
namespace {

using inspect::test::Capture;
using inspect::test::Conversation;

const char kRules[] = R"RULES(
SecRequestBodyAccess On
SecRule ARGS "@rx attack" "id:10,phase:2,deny,log,msg:'%{MATCHED_VAR}'"
SecRule REQUEST_METHOD "@rx ." "id:11,phase:1,pass,log,msg:'%{UNIQUE_ID}'"
)RULES";

std::shared_ptr<const rules::RuleSet> rule_set() {
  static const auto rules = rules::RuleSet::load({rules::Source::memory("test", kRules)}, {}).rules;
  return rules;
}

struct NoPort final : PacketPort {
  Result<Received> receive(std::span<Packet>, Duration) override { return Received{0, true}; }
  void settle(const Packet&, Fate fate) override { ++(fate == Fate::Forward ? forwarded : dropped); }
  void replace(const Packet&, Bytes) override { ++forwarded; }
  Result<void> inject(const Packet&, Towards, Bytes) override { return {}; }
  [[nodiscard]] PortStats stats() const override { return {}; }
  std::uint64_t forwarded = 0, dropped = 0;
};

std::vector<Capture> captures(unsigned seed) {
  std::mt19937 random(seed);
  Capture all;
  for (int i = 0; i < 300; ++i) {
    // Starts spread over hours, so that timeouts strike all along.
    const std::int64_t start = static_cast<std::int64_t>(random() % 9000) * 1'000'000'000;
    Conversation c(static_cast<std::uint16_t>(1024 + i), start);
    c.mss = 100;
    c.client_host.address = "192.0.2." + std::to_string(random() % 5);
    c.open();
    for (unsigned k = random() % 4; k > 0; --k) {
      c.client("GET /?a=" + std::string(random() % 2 ? "attack" : "b") + " HTTP/1.1\r\nHost: h\r\n\r\n");
      if (random() % 4 != 0) c.server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    }
    switch (random() % 4) {
      case 0: c.close(); break;
      case 1: c.reset(); break;
      default: break;
    }
    all.add(c);
  }
  for (int i = 0; i < 100; ++i) {
    all.frames.push_back({std::string("\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x06zz", 16),
                          static_cast<std::int64_t>(random() % 9000) * 1'000'000'000});
  }
  all.sort();
  std::vector<Capture> files(3);
  for (std::size_t i = 0; i < all.frames.size(); ++i) files[i * 3 / all.frames.size()].frames.push_back(all.frames[i]);
  return files;
}

// Files into a run, so many packets at a time.
class Feeder {
 public:
  Feeder(const std::vector<Capture>& files, std::size_t step) : files_(files), step_(step) {}

  // False: there is no more.
  bool feed(Run& run) {
    if (file_ == files_.size()) return false;
    const auto& frames = files_[file_].frames;
    if (at_ == 0) run.begin_file("file" + std::to_string(file_));
    std::vector<Packet> some;
    while (at_ < frames.size() && some.size() < step_) {
      const auto& frame = frames[at_++];
      Packet& p = some.emplace_back();
      p.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
      p.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
      p.time = {frame.time_ns};
      p.number = at_;
    }
    fed_ += some.size();
    run.packets(some, port_);
    if (at_ == frames.size()) {
      run.end_file();
      ++file_;
      at_ = 0;
    }
    return true;
  }
  void expect_settled() const { EXPECT_EQ(port_.forwarded, fed_); }

 private:
  const std::vector<Capture>& files_;
  std::size_t step_, file_ = 0, at_ = 0, fed_ = 0;
  NoPort port_;
};

enum class By : std::uint8_t { Caller, Workers };  // who reads

std::string output(const std::vector<Capture>& files, unsigned workers, std::size_t step,
                   inspect::InspectorCounters* counters = nullptr, By by = By::Workers) {
  std::string out;
  Run run(workers, {}, inspect::without_sites({}, rule_set()), [] { return std::make_unique<JsonlFormat>(); },
          [&out](std::string_view line) { out += line; });
  Feeder feeder(files, step);
  if (by == By::Workers) {
    run.read([&] { return feeder.feed(run); });
  } else {
    while (feeder.feed(run)) {
    }
  }
  run.end_of_input();
  feeder.expect_settled();
  if (counters != nullptr) *counters = run.counters();
  return out;
}

TEST(Run, AnyNumberOfWorkersGivesTheSameBytes) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    const auto files = captures(seed);
    inspect::InspectorCounters one;
    const std::string expected = output(files, 1, 256, &one);
    EXPECT_GT(std::count(expected.begin(), expected.end(), '\n'), 200);
    for (const unsigned workers : {2U, 3U, 8U}) {
      inspect::InspectorCounters many;
      ASSERT_EQ(output(files, workers, 100, &many), expected) << workers << " workers, seed " << seed;
      EXPECT_EQ(many.transactions, one.transactions);
      EXPECT_EQ(many.packets, one.packets);
      EXPECT_EQ(many.flows, one.flows);
      EXPECT_EQ(many.refused, one.refused);
      ASSERT_EQ(output(files, workers, 100, nullptr, By::Caller), expected) << workers << " workers, seed " << seed;
    }
    EXPECT_EQ(output(files, 1, 7), expected) << "nor does it depend on how packets are handed over";
  }
}

// Requests that are not whole when the input ends: told by its last packet, whichever worker that was for.
TEST(Run, WhatTheInputEndsIsToldByTheSamePacket) {
  Capture all;
  for (int i = 0; i < 20; ++i) {
    Conversation c(static_cast<std::uint16_t>(1024 + i), std::int64_t{i} * 1'000'000);
    c.client_host.address = "192.0.2." + std::to_string(i);
    c.open();
    c.client("POST /?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
    all.add(c);
  }
  all.sort();
  const std::string expected = output({all}, 1, 256);
  EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), 20);
  for (unsigned workers : {2U, 3U, 5U}) EXPECT_EQ(output({all}, workers, 256), expected) << workers;
}

// A hundred batches, all that is to be done for one worker: the others are ahead of it as far as they may.
Capture uneven() {
  Conversation c(40000, 0);
  c.open();
  for (int i = 0; i < 200; ++i) {
    c.client("GET /?a=attack" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    c.server("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  }
  Capture all;
  all.add(c);
  const std::int64_t end = all.frames.back().time_ns;
  for (int i = 0; i < 50'000; ++i) {
    all.frames.push_back({std::string("\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x06zz", 16), end * i / 50'000});
  }
  all.sort();
  return all;
}

TEST(Run, MoreBatchesThanMayBeUnderWay) {
  const std::vector<Capture> files{uneven()};
  const std::string expected = output(files, 1, 64);
  EXPECT_EQ(std::count(expected.begin(), expected.end(), '\n'), 200);
  for (const By by : {By::Caller, By::Workers}) {
    for (const unsigned workers : {2U, 3U}) {
      EXPECT_EQ(output(files, workers, 64, nullptr, by), expected) << workers;
      EXPECT_EQ(output(files, workers, 20'000, nullptr, by), expected) << workers << ", many batches at a time";
    }
  }
}

struct Trouble {};

enum class Where : std::uint8_t { Source, Line };  // reading, or writing a line

void run_into_trouble(unsigned workers, By by, Where where) {
  const std::vector<Capture> files{uneven()};
  int lines = 0, steps = 0;
  Run run(workers, {}, inspect::without_sites({}, rule_set()),
          [] { return std::make_unique<JsonlFormat>(); },
          [&](std::string_view) {
            if (where == Where::Line && ++lines == 30) throw Trouble{};
          });
  Feeder feeder(files, 64);
  const auto step = [&] {
    if (where == Where::Source && ++steps == 300) throw Trouble{};
    return feeder.feed(run);
  };
  if (by == By::Workers) {
    run.read(step);
  } else {
    while (step()) {
    }
  }
  run.end_of_input();
}

TEST(Run, TroubleIsTheCallers) {
  for (const Where where : {Where::Source, Where::Line}) {
    for (const By by : {By::Caller, By::Workers}) {
      for (const unsigned workers : {1U, 2U, 3U}) {
        EXPECT_THROW(run_into_trouble(workers, by, where), Trouble) << workers << " workers";
      }
    }
  }
}

TEST(Run, RecordsNameTheirFile) {
  const auto files = captures(1);
  const std::string out = output(files, 2, 256);
  for (const char* name : {"file0", "file1", "file2"}) {
    EXPECT_NE(out.find(std::string("\"pcap_filename\":\"") + name), std::string::npos);
  }
}

TEST(Run, NoInput) {
  EXPECT_EQ(output({}, 1, 1), "");
  EXPECT_EQ(output({}, 4, 1), "");
  EXPECT_EQ(output({Capture{}}, 4, 1), "");
}

TEST(FileMap, Places) {
  FileMap map;
  map.add("a", 0);
  map.add("b", 10);
  map.add("c", 10);
  EXPECT_EQ(map.place(1).file, "a");
  EXPECT_EQ(map.place(10).number, 10U);
  EXPECT_EQ(map.place(11).file, "c");
  EXPECT_EQ(map.place(11).number, 1U);
  EXPECT_EQ(map.place(0).number, 0U);
}

}  // namespace
}  // namespace weir::app
