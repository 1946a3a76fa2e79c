// The rest of an upload, byte for byte, goes by unseen; what is around it does not (docs/decisions/release.md). A
// firewall that knows ranges of sequence numbers stands beside the inspector, between two strict models of TCP hosts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/inspect/transfers.h"

namespace weir::inspect::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;


// Rules that do not read request bodies, and one of phase 2 that needs none.
std::shared_ptr<const rules::RuleSet> unread_bodies() {
  static const auto rules = load(std::string(kRules) + R"(
SecRequestBodyAccess Off
SecRule REQUEST_HEADERS:X-Early "@rx ." "id:60,phase:2,deny,status:403,log,msg:'before the body'"
)");
  return rules;
}

// Rules that read no further than 100000 bytes.
std::shared_ptr<const rules::RuleSet> partial_bodies() {
  static const auto rules = load(std::string(kRules) + "SecRequestBodyLimitAction ProcessPartial\n");
  return rules;
}

RigOptions uploads(std::shared_ptr<const rules::RuleSet> rules = unread_bodies()) {
  RigOptions o;
  o.inspector = in_line(WafMode::Block);
  o.inspector.release.requests = true;
  o.rules = std::move(rules);
  return o;
}

struct Up : Transfer {
  explicit Up(const RigOptions& options = uploads(), bool firewalled = true) : Transfer(options, firewalled) { open(); }
  void answer(const std::string& bytes = kOk) {
    server.write(bytes);
    run(seconds(1));
  }
  [[nodiscard]] bool away() const { return firewall.bytes[0].has_value(); }
};

TEST(Uploading, ALargeUploadAndAnAttackBehindIt) {
  for (const bool firewalled : {true, false}) {
    SCOPED_TRACE(firewalled);
    Up rig(uploads(), firewalled);
    const std::string first = upload(noise(900'000));
    rig.send(first);
    EXPECT_TRUE(rig.server.received == first) << rig.server.received.size();
    EXPECT_FALSE(rig.away()) << "back when the body is over";
    if (firewalled) {
      EXPECT_GT(rig.firewall.unseen[0], 700U);
      EXPECT_EQ(rig.firewall.unseen[1], rig.firewall.unseen_acks) << "what the server says is always read";
      EXPECT_GT(rig.judge.inspector.flow_counters().released_bytes, 700'000U);
    }
    rig.answer();
    EXPECT_EQ(rig.client.received, kOk);
    const std::string second = get("/b");
    rig.send(second, seconds(1));
    rig.answer();
    EXPECT_TRUE(rig.server.received == first + second);
    rig.send(kAttack, seconds(2));
    expect_refused(rig);
    EXPECT_FALSE(rig.client.reset);
    EXPECT_EQ(rig.server.challenges, 0) << "the reset must have the exact number";
    EXPECT_EQ(rig.counters().gaps, 0U);
    EXPECT_EQ(rig.counters().released, firewalled ? 1U : rig.counters().released);
    const auto& records = rig.judge.end();
    ASSERT_EQ(records.size(), 3U);
    EXPECT_EQ(records[0]["http"]["status"], 200);
    EXPECT_FALSE(records[0]["waf"].value("truncated", false)) << records[0].dump();
    EXPECT_EQ(records[2]["waf"]["decision"], "deny");
  }
}

TEST(Uploading, TheRecordIsTheSameAsIfAllHadComeBy) {
  std::string records[2];
  for (const bool firewalled : {true, false}) {
    Up rig(uploads(), firewalled);
    rig.send(upload(noise(400'000)));
    rig.answer();
    nlohmann::json record = rig.judge.end().at(0);
    record.erase("pcap_cnt");
    record.erase("packet");
    records[firewalled ? 1 : 0] = record.dump();
  }
  EXPECT_EQ(records[0], records[1]);
}

// The attack in the segment that has the body's last byte, directly behind it in another, and cut at every place of that edge.
TEST(Uploading, AnAttackDirectlyBehindTheBody) {
  for (const std::size_t length : {400'000U, 400'001U, 400'499U, 400'998U, 400'999U}) {
    SCOPED_TRACE(length);
    Up rig;
    rig.send(upload(noise(length)) + kAttack);
    EXPECT_GT(rig.firewall.unseen[0], 100U);
    EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
    EXPECT_EQ(rig.judge.recorder.drops.at(0)["drop"]["reason"], "rule");
    rig.answer();  // what is owed comes first
    EXPECT_TRUE(rig.server.reset);
    EXPECT_TRUE(rig.client.eof || rig.client.reset);
    EXPECT_THAT(rig.client.received, HasSubstr(kOk));
    EXPECT_FALSE(rig.away());
  }
}

TEST(Uploading, ACleanRequestDirectlyBehindTheBody) {
  Up rig;
  const std::string all = upload(noise(500'000)) + get("/next");
  rig.send(all);
  EXPECT_TRUE(rig.server.received == all);
  rig.answer(kOk + kOk);
  EXPECT_EQ(rig.client.received, kOk + kOk);
  EXPECT_EQ(rig.judge.end().size(), 2U);
  EXPECT_GT(rig.firewall.unseen[0], 200U);
}

TEST(Uploading, WhatRulesReadIsNotReleased) {
  Up rig(uploads(rule_set()));
  rig.send(upload(noise(90'000)), seconds(5));
  EXPECT_EQ(rig.counters().released, 0U) << "read";
  rig.answer();
  Up chunked;
  chunked.send("POST /up HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\nTransfer-Encoding: chunked\r\n\r\n7a120\r\n" + noise(500'000) +
               "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.counters().released, 0U) << "its end is where its own bytes say";
  Up coded;
  coded.send(upload(noise(500'000), "Content-Encoding: gzip\r\n"), seconds(5));
  EXPECT_EQ(coded.counters().released, 0U);
  Up shorter;
  shorter.send(upload(noise(250'000)));
  EXPECT_EQ(shorter.counters().released, 0U) << "not worth it";
}

TEST(Uploading, BeyondTheLimitOfTheRules) {
  Up rig(uploads(partial_bodies()));
  const std::string all = upload(noise(700'000));
  rig.send(all);
  EXPECT_TRUE(rig.server.received == all);
  EXPECT_EQ(rig.counters().released, 1U);
  EXPECT_GT(rig.firewall.unseen[0], 400U);
  Up evil(uploads(partial_bodies()));
  const std::string body = "x=attack&y=" + std::string(700'000, 'y');
  evil.send("POST /up HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(evil.counters().released, 0U);
  EXPECT_THAT(evil.client.received, HasSubstr("HTTP/1.1 406 "));
  EXPECT_LT(evil.server.received.size(), 120'000U) << "refused before the rest";
}

TEST(Uploading, PhaseTwoComesBeforeTheRest) {
  Up rig;
  rig.send(upload(noise(600'000), "X-Early: 1\r\n"));
  EXPECT_EQ(rig.counters().released, 0U);
  EXPECT_THAT(rig.client.received, HasSubstr("HTTP/1.1 403 "));
  EXPECT_TRUE(rig.server.reset || rig.server.received.empty());
}

TEST(Uploading, TheServerAnswersEarlyAndGoesOn) {
  Up rig;
  rig.client.write(upload(noise(900'000)));
  rig.run(milliseconds(30));
  ASSERT_TRUE(rig.away());
  rig.server.write("HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n");
  rig.run(milliseconds(10));
  EXPECT_FALSE(rig.away()) << "whatever the server says takes it back";
  rig.run(seconds(20));
  EXPECT_FALSE(rig.away()) << "and it stays";
  EXPECT_EQ(rig.server.received.size(), head(900'000).size() + 900'000);
  EXPECT_THAT(rig.client.received, HasSubstr("413"));
  rig.send(kAttack, seconds(3));
  expect_refused(rig);
}

TEST(Uploading, TheServerAnswersEarlyAndCloses) {
  Up rig;
  rig.client.write(upload(noise(900'000)));
  rig.run(milliseconds(30));
  ASSERT_TRUE(rig.away());
  rig.server.write("HTTP/1.1 413 Too large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  rig.server.shut();
  rig.run(seconds(2));
  EXPECT_FALSE(rig.away());
  EXPECT_THAT(rig.client.received, HasSubstr("413"));
  rig.client.shut();
  rig.run(seconds(20));
  EXPECT_EQ(rig.judge.end().size(), 1U);
}

// An answer that begins before the upload is complete waits for its end to be judged, and is refused then.
TEST(Uploading, AnAnswerThatIsRefused) {
  Up rig;
  rig.client.write(upload(noise(900'000)));
  rig.run(milliseconds(30));
  ASSERT_TRUE(rig.away());
  rig.server.write("HTTP/1.1 200 OK\r\nX-Leak: 1\r\nContent-Length: 6\r\n\r\nsecret");
  rig.run(seconds(20));
  EXPECT_EQ(rig.judge.recorder.drops.at(0)["drop"]["reason"], "rule");
  EXPECT_FALSE(rig.away());
  EXPECT_TRUE(rig.server.reset);
  EXPECT_TRUE(rig.client.eof || rig.client.reset);
}

// A failure ends the connection while part of the upload is under way: the range goes with a packet that is dropped.
TEST(Uploading, ARefusalInTheMiddle) {
  RigOptions options = uploads();
  Up rig(options);
  rig.client.write(upload(noise(900'000)));
  rig.run(milliseconds(30));
  ASSERT_TRUE(rig.away());
  rig.server.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");  // ambiguous
  rig.run(seconds(20));
  EXPECT_FALSE(rig.away());
  EXPECT_TRUE(rig.server.reset);
  EXPECT_TRUE(rig.client.eof || rig.client.reset);
  EXPECT_THAT(rig.client.received, Not(HasSubstr("ab")));
  EXPECT_LT(rig.server.received.size(), 900'000U);
}

TEST(Uploading, HundredContinue) {
  Up rig;
  rig.send(head(800'000, "Expect: 100-continue\r\n"), milliseconds(100));
  rig.answer("HTTP/1.1 100 Continue\r\n\r\n");
  rig.send(noise(800'000));
  EXPECT_EQ(rig.server.received.size(), head(800'000, "Expect: 100-continue\r\n").size() + 800'000);
  EXPECT_GT(rig.firewall.unseen[0], 600U);
  rig.answer();
  rig.send(kAttack, seconds(2));
  expect_refused(rig);
}

TEST(Uploading, ResetsAndEndsOfEitherSide) {
  for (const bool from_client : {true, false}) {
    SCOPED_TRACE(from_client);
    Up rig;
    rig.client.write(upload(noise(900'000)));
    rig.run(milliseconds(30));
    ASSERT_TRUE(rig.away());
    (from_client ? rig.client : rig.server).abort();
    rig.run(seconds(3));
    EXPECT_TRUE((from_client ? rig.server : rig.client).reset);
  }
  Up rig;
  rig.client.write(head(900'000) + noise(600'000));
  rig.client.shut();
  rig.run(seconds(20));
  EXPECT_TRUE(rig.server.eof);
  EXPECT_FALSE(rig.away()) << "a FIN in the middle of the body";
  rig.server.shut();
  rig.run(seconds(1));
  const auto& records = rig.judge.end();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_TRUE(records[0]["waf"].value("truncated", false));
}

// D3: a new connection on the same ports whose numbers lie in what was released for the last one.
TEST(Uploading, TheNextConnectionOnTheSamePorts) {
  Up rig;
  rig.client.write(upload(noise(900'000)));
  rig.run(milliseconds(30));
  ASSERT_TRUE(rig.away());
  // Both ends forget without a word.
  RigOptions fresh = uploads();
  fresh.client.isn = rig.firewall.bytes[0]->first + 1'000;
  fresh.server.isn += 9'000'000;
  rig.begin_again(fresh);
  ASSERT_TRUE(rig.client.established());
  EXPECT_FALSE(rig.away());
  rig.send(kAttack, seconds(2));
  expect_refused(rig);
}

// A SYN that leads to nothing: while it may, all comes by.
TEST(Uploading, ASynInTheMiddle) {
  Up rig;
  rig.client.write(head(3'000'000) + noise(600'000));
  rig.run(milliseconds(30));
  ASSERT_TRUE(rig.away());
  TcpPeer stranger(PeerSetup{.address = "192.0.2.7", .other = "198.51.100.2", .port = 40000, .other_port = 80, .isn = 77});
  stranger.connect(rig.now);
  for (const Octets& frame : stranger.take()) {
    const Verdict v = rig.judge.feed(Capture::Frame{std::string(frame.begin(), frame.end()), rig.now.ns});
    EXPECT_TRUE(v.forwarded());
    EXPECT_EQ(v.release, Release::Resume);
    rig.firewall.take(true, v);
  }
  EXPECT_FALSE(rig.away());
  rig.run(seconds(10));
  EXPECT_FALSE(rig.away());
  rig.run(seconds(40));
  rig.send(noise(600'000));
  EXPECT_TRUE(rig.away()) << "again";
  rig.send(noise(1'800'000) + kAttack, seconds(60));
  EXPECT_EQ(rig.server.received.size(), head(3'000'000).size() + 3'000'000);
}

TEST(Uploading, SeveralOnOneConnection) {
  Up rig;
  std::string all;
  for (unsigned i = 0; i < 3; ++i) {
    const std::string next = upload(noise(400'000 + i * 777, i));
    rig.send(next, seconds(8));
    rig.answer();
    all += next;
  }
  EXPECT_TRUE(rig.server.received == all);
  EXPECT_EQ(rig.counters().released, 3U);
  EXPECT_EQ(rig.counters().resumed, 3U);
  rig.send(kAttack, seconds(2));
  expect_refused(rig);
}

TEST(Uploading, TogetherWithLargeAnswers) {
  RigOptions both = uploads();
  both.inspector.release.responses = true;
  Up rig(both);
  std::string up, down;
  for (unsigned i = 0; i < 3; ++i) {
    const std::string body = noise(500'000 + i, i);
    rig.send(upload(body), seconds(10));
    up += upload(body);
    const std::string response = "HTTP/1.1 200 OK\r\nContent-Type: application/x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    rig.server.write(response);
    rig.run(seconds(10));
    down += response;
  }
  EXPECT_TRUE(rig.server.received == up);
  EXPECT_TRUE(rig.client.received == down);
  EXPECT_EQ(rig.counters().released, 6U);
  EXPECT_EQ(rig.counters().resumed, 6U);
  EXPECT_GT(rig.firewall.unseen[1], 900U);
  rig.send(kAttack, seconds(2));
  expect_refused(rig);
}

TEST(Uploading, SwitchedOffNothingIs) {
  RigOptions off = uploads();
  off.inspector.release.requests = false;
  Up rig(off);
  rig.send(upload(noise(600'000)));
  EXPECT_EQ(rig.counters().released, 0U);
}

// An upload that takes longer than a connection without packets is remembered: the server's acknowledgements come by.
TEST(Uploading, LongerThanTheTimeout) {
  RigOptions slow = uploads();
  slow.inspector.established_timeout = seconds(30);
  Up rig(slow);
  rig.client.write(head(2'000'000) + noise(100'000));
  rig.run(milliseconds(200));
  std::string rest = noise(1'900'000, 7);
  ASSERT_TRUE(rig.away());
  for (std::size_t at = 0; at < rest.size(); at += 19'000) rig.send(rest.substr(at, 19'000), seconds(2));
  EXPECT_EQ(rig.server.received.size(), head(2'000'000).size() + 2'000'000);
  rig.answer();
  EXPECT_EQ(rig.client.received, kOk);
  rig.send(kAttack, seconds(2));
  expect_refused(rig);
}

// Loss in all places, pipelining or not: the server reads what the client wrote, and no attack.
TEST(Uploading, WithLossInAllPlaces) {
  std::uint64_t unseen = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Up rig;
    rig.lose = [&random](Hop) { return random() % 50 == 0; };
    std::string written;
    const bool patient = seed % 2 == 0;
    const std::size_t requests = 2 + random() % 3;
    for (std::size_t i = 0; i < requests; ++i) {
      const std::string next = random() % 3 != 0 ? upload(noise(300'000 + random() % 100'000, seed)) : get("/" + std::to_string(i));
      written += next;
      rig.client.write(next);
      for (int turn = 0; patient && turn < 900 && rig.server.received.size() < written.size(); ++turn) rig.run(milliseconds(100));
      if (patient) rig.server.write(kOk);
      if (patient) rig.run(seconds(5));
    }
    for (int turn = 0; turn < 1'500 && rig.server.received.size() < written.size(); ++turn) rig.run(milliseconds(100));
    EXPECT_TRUE(rig.server.received == written) << rig.server.received.size() << " of " << written.size();
    rig.client.write(kAttack);
    rig.run(seconds(10));
    if (!patient) {
      for (std::size_t i = 0; i < requests; ++i) rig.server.write(kOk);
      rig.run(seconds(10));
    }
    EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
    EXPECT_TRUE(rig.server.reset);
    EXPECT_EQ(rig.firewall.unseen[1], rig.firewall.unseen_acks);
    unseen += rig.firewall.unseen[0];
  }
  EXPECT_GT(unseen, 3'000U);
}

}  // namespace
}  // namespace weir::inspect::test
