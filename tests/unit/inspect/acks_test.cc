// Bare acknowledgements of what is released go by unseen, but for one now and then, or for none at all but the last
// (docs/decisions/release.md). What comes out is the same, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/inspect/transfers.h"

namespace weir::inspect::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint32_t kNever = 0, kNow = 4'000, kAsUsual = 1U << 19U;

RigOptions releasing() {
  static const auto rules = load(std::string(kRules) + "SecRequestBodyAccess Off\n");
  RigOptions o;
  o.inspector = in_line(WafMode::Block);
  o.inspector.release.responses = o.inspector.release.requests = true;
  o.rules = rules;
  return o;
}

struct Acks : Transfer {
  explicit Acks(std::uint32_t part = kAsUsual, const RigOptions& options = releasing()) : Transfer(options) {
    firewall.part = part;
    open();
  }
  [[nodiscard]] bool away() const { return firewall.acks[0] || firewall.acks[1]; }
};

TEST(Acks, OfDownloadsAndAnAttackBehindThem) {
  std::string records[3];
  for (const std::uint32_t part : {kNever, kNow, kAsUsual}) {
    SCOPED_TRACE(part);
    Acks rig(part);
    const std::string first = answer(noise(2'000'000)), second = answer(noise(300'000, 2));
    rig.exchange(get("/a"), first);
    EXPECT_TRUE(rig.client.received == first) << rig.client.received.size();
    EXPECT_GT(rig.firewall.unseen_acks, rig.firewall.part == kNow ? 200U : 500U);
    if (part != kNow) {
      EXPECT_LT(rig.firewall.seen[0], 60U);
    }
    EXPECT_FALSE(rig.away()) << "back when the body is over";
    rig.exchange(get("/b"), second);
    EXPECT_TRUE(rig.client.received == first + second);
    rig.send(kAttack, seconds(2));
    expect_refused_exactly(rig);
    std::string& all = records[part == kNever ? 0 : part == kNow ? 1 : 2];
    for (nlohmann::json record : rig.judge.end()) {
      record.erase("pcap_cnt");
      record.erase("packet");
      record.erase("timestamp");
      all += record.dump() + "\n";
    }
  }
  EXPECT_EQ(records[0], records[1]);
  EXPECT_EQ(records[0], records[2]);
}

// The end of the body is where the connection ends: nothing but the FIN says so, and its acknowledgement comes by.
TEST(Acks, OfABodyWithoutALength) {
  for (const std::uint32_t part : {kNever, kAsUsual}) {
    SCOPED_TRACE(part);
    Acks rig(part);
    const std::string all = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n" + noise(1'500'000);
    rig.client.write(get("/a"));
    rig.run(milliseconds(100));
    rig.server.write(all);
    rig.server.shut();
    rig.run(milliseconds(60));
    EXPECT_TRUE(rig.away());
    rig.run(seconds(20));
    EXPECT_TRUE(rig.client.received == all) << rig.client.received.size();
    EXPECT_TRUE(rig.client.eof);
    EXPECT_GT(rig.firewall.unseen_acks, 300U);
    EXPECT_FALSE(rig.away());
    rig.client.shut();
    rig.run(seconds(1));
    EXPECT_EQ(rig.judge.recorder.drops.size(), 0U);
    const auto& records = rig.judge.end();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_FALSE(records[0]["waf"].value("truncated", false)) << records[0].dump();
  }
}

// A client that asks again in the middle is read, whatever of its acknowledgements was not seen.
TEST(Acks, ARequestInTheMiddle) {
  for (const std::uint32_t part : {kNever, kAsUsual}) {
    for (const bool clean : {true, false}) {
      SCOPED_TRACE(part + (clean ? 1 : 0));
      Acks rig(part);
      const std::string first = answer(noise(2'000'000));
      rig.exchange(get("/a"), first, milliseconds(60));
      ASSERT_TRUE(rig.firewall.acks[0]);
      ASSERT_GT(rig.firewall.unseen_acks, 20U);
      rig.client.write(clean ? get("/b") : kAttack);
      rig.run(milliseconds(5));
      EXPECT_FALSE(rig.away());
      const std::string second = answer("another");
      if (clean) rig.server.write(second);
      rig.run(seconds(20));
      if (clean) {
        EXPECT_TRUE(rig.client.received == first + second) << rig.client.received.size();
        EXPECT_TRUE(rig.server.received == get("/a") + get("/b"));
      } else {
        EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
        EXPECT_TRUE(rig.server.reset);
        EXPECT_TRUE(rig.client.reset || rig.client.eof);
      }
    }
  }
}

TEST(Acks, OfUploadsAndAnAttackBehindThem) {
  for (const std::uint32_t part : {kNever, kNow, kAsUsual}) {
    SCOPED_TRACE(part);
    Acks rig(part);
    const std::string first = upload(noise(2'000'000));
    rig.send(first);
    EXPECT_TRUE(rig.server.received == first) << rig.server.received.size();
    EXPECT_GT(rig.firewall.unseen_acks, 200U);
    EXPECT_FALSE(rig.away()) << "back when the body is over";
    rig.server.write(kOk);
    rig.run(seconds(1));
    EXPECT_EQ(rig.client.received, kOk);
    rig.send(kAttack, seconds(2));
    expect_refused_exactly(rig);
    EXPECT_EQ(rig.judge.inspector.counters().gaps, 0U);
  }
}

TEST(Acks, AnAttackDirectlyBehindAnUpload) {
  for (const std::uint32_t part : {kNever, kAsUsual}) {
    SCOPED_TRACE(part);
    Acks rig(part);
    rig.send(upload(noise(900'123)) + kAttack);
    EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
    EXPECT_EQ(rig.judge.recorder.drops.at(0)["drop"]["reason"], "rule");
    rig.server.write(kOk);
    rig.run(seconds(2));
    EXPECT_TRUE(rig.server.reset);
    EXPECT_THAT(rig.client.received, HasSubstr(kOk));
    EXPECT_FALSE(rig.away());
  }
}

// What went by takes no room of what may be remembered of a direction, whatever was not seen to be acknowledged.
TEST(Acks, WithLittleRoom) {
  for (const std::uint32_t part : {kNever, kAsUsual}) {
    SCOPED_TRACE(part);
    RigOptions small = releasing();
    small.inspector.flow_limits.direction_bytes = 64 * 1024;
    Acks rig(part, small);
    std::string all;
    for (unsigned i = 0; i < 3; ++i) {
      const std::string next = upload(noise(400'000 + 333 * i)) + get("/behind");
      rig.send(next);
      all += next;
      EXPECT_TRUE(rig.server.received == all) << rig.server.received.size() << " of " << all.size();
      rig.server.write(kOk + kOk);
      rig.run(seconds(1));
    }
    EXPECT_GT(rig.firewall.unseen_acks, 100U);
  }
}

TEST(Acks, AnEarlyAnswer) {
  for (const std::uint32_t part : {kNever, kAsUsual}) {
    SCOPED_TRACE(part);
    Acks rig(part);
    rig.client.write(upload(noise(900'000)));
    rig.run(milliseconds(30));
    ASSERT_TRUE(rig.firewall.acks[1]);
    rig.server.write("HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n");
    rig.run(milliseconds(10));
    EXPECT_FALSE(rig.away()) << "whatever the server says takes it back";
    rig.run(seconds(20));
    EXPECT_EQ(rig.server.received.size(), upload(noise(900'000)).size());
    EXPECT_THAT(rig.client.received, HasSubstr("413"));
    rig.send(kAttack, seconds(3));
    expect_refused_exactly(rig);
  }
}

// D3: a SYN takes them back, and while a new connection may come of it nothing is let go again.
TEST(Acks, ASynInTheMiddleOfADownload) {
  Acks rig;
  rig.exchange(get("/a"), answer(noise(6'000'000)), milliseconds(60));
  ASSERT_TRUE(rig.firewall.acks[0] && rig.firewall.away[1]);
  TcpPeer stranger(PeerSetup{.address = "192.0.2.7", .other = "198.51.100.2", .port = 40000, .other_port = 80, .isn = 77});
  stranger.connect(rig.now);
  for (const Octets& frame : stranger.take()) {
    const Verdict v = rig.judge.feed(Capture::Frame{std::string(frame.begin(), frame.end()), rig.now.ns});
    EXPECT_EQ(v.release, Release::Resume);
    rig.firewall.take(true, v);
    rig.firewall.mark(frame, true, v.release);
  }
  EXPECT_FALSE(rig.away() || rig.firewall.away[1]);
  rig.run(milliseconds(300));
  EXPECT_FALSE(rig.away() || rig.firewall.away[1]) << "not as long as it may come to life";
  rig.run(seconds(60));
  EXPECT_EQ(rig.client.received.size(), answer(noise(6'000'000)).size());
  rig.send(kAttack, seconds(2));
  expect_refused_exactly(rig);
}

TEST(Acks, TheNextConnectionOnTheSamePorts) {
  Acks rig(kNever);
  rig.exchange(get("/a"), answer(noise(2'000'000)), milliseconds(60));
  ASSERT_TRUE(rig.firewall.acks[0]);
  // Both ends forget without a word; the next client's first number is the one that acknowledgements had.
  RigOptions fresh = releasing();
  fresh.client.isn = rig.firewall.acks[0]->seq - 1;
  fresh.server.isn = rig.firewall.acks[0]->acks.first + 1'000;
  rig.begin_again(fresh);
  ASSERT_TRUE(rig.client.established());
  EXPECT_FALSE(rig.away());
  rig.send(kAttack, seconds(2));
  expect_refused_exactly(rig);
}

// Slower than the timeout of connections without packets: one acknowledgement a second keeps it.
TEST(Acks, LongerThanTheTimeout) {
  RigOptions slow = releasing();
  slow.inspector.established_timeout = seconds(30);
  Acks rig(kAsUsual, slow);
  const std::string body = noise(1'000'000);
  rig.exchange(get("/a"), answer(body).substr(0, 100'000), milliseconds(300));
  const std::string rest = answer(body).substr(100'000);
  for (std::size_t at = 0; at < rest.size(); at += 3'000) {
    rig.server.write(rest.substr(at, 3'000));
    rig.run(milliseconds(400));
  }
  EXPECT_TRUE(rig.client.received == answer(body));
  EXPECT_GT(rig.firewall.unseen_acks, 100U);
  rig.send(kAttack, seconds(2));
  expect_refused_exactly(rig);
}

// The port forgets, as a full map does: it is told again.
TEST(Acks, SaidAgain) {
  Acks rig;
  rig.exchange(get("/a"), answer(noise(4'000'000)), milliseconds(60));
  ASSERT_TRUE(rig.firewall.acks[0]);
  rig.firewall.forget();
  rig.run(milliseconds(300));
  EXPECT_TRUE(rig.firewall.acks[0]);
  rig.run(seconds(20));
  EXPECT_EQ(rig.client.received.size(), answer(noise(4'000'000)).size());
}

TEST(Acks, ResetsAndEndsOfEitherSide) {
  for (const bool from_client : {true, false}) {
    for (const bool down : {true, false}) {
      SCOPED_TRACE((from_client ? 2 : 0) + (down ? 1 : 0));
      Acks rig(kNever);
      if (down) {
        rig.exchange(get("/a"), answer(noise(2'000'000)), milliseconds(60));
      } else {
        rig.send(upload(noise(2'000'000)), milliseconds(60));
      }
      ASSERT_TRUE(rig.away());
      (from_client ? rig.client : rig.server).abort();
      rig.run(seconds(3));
      EXPECT_TRUE((from_client ? rig.server : rig.client).reset);
    }
  }
}

TEST(Acks, WithLossInAllPlaces) {
  std::uint64_t unseen = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Acks rig(seed % 3 == 0 ? kNever : seed % 3 == 1 ? kNow : kAsUsual);
    rig.lose = [&random](Hop) { return random() % 50 == 0; };
    std::string asked, answered;
    for (unsigned i = 0; i < 3; ++i) {
      const std::string request = random() % 2 != 0 ? upload(noise(300'000 + random() % 100'000, seed)) : get("/" + std::to_string(i));
      const std::string response = random() % 2 != 0 ? answer(noise(300'000 + random() % 100'000, seed)) : kOk;
      rig.client.write(request);
      asked += request;
      for (int turn = 0; turn < 900 && rig.server.received.size() < asked.size(); ++turn) rig.run(milliseconds(100));
      rig.server.write(response);
      answered += response;
      for (int turn = 0; turn < 900 && rig.client.received.size() < answered.size(); ++turn) rig.run(milliseconds(100));
    }
    EXPECT_TRUE(rig.server.received == asked) << rig.server.received.size() << " of " << asked.size();
    EXPECT_TRUE(rig.client.received == answered) << rig.client.received.size() << " of " << answered.size();
    rig.send(kAttack, seconds(10));
    EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
    EXPECT_TRUE(rig.server.reset);
    unseen += rig.firewall.unseen_acks;
  }
  EXPECT_GT(unseen, 1'500U);
}

}  // namespace
}  // namespace weir::inspect::test
