// What is let go without coming by Weir, and how it comes back: a firewall's connection marks stand beside the
// inspector, between two strict models of TCP hosts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/inspect/sites.h"
#include "tests/unit/inspect/transfers.h"

namespace weir::inspect::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;


RigOptions releasing(WafMode mode = WafMode::Block) {
  RigOptions o;
  o.inspector = in_line(mode);
  o.inspector.release.responses = true;
  return o;
}

struct Away : Transfer {
  explicit Away(const RigOptions& options = releasing(), bool firewalled = true) : Transfer(options, firewalled) { open(); }
};

TEST(Releasing, ALargeDownloadAndAnAttackBehindIt) {
  for (const bool firewalled : {true, false}) {
    SCOPED_TRACE(firewalled);
    Away rig(releasing(), firewalled);
    const std::string first = answer(noise(900'000));
    rig.exchange(get("/a"), first);
    EXPECT_EQ(rig.client.received.size(), first.size());
    EXPECT_TRUE(rig.client.received == first);
    if (firewalled) {
      EXPECT_GT(rig.firewall.unseen[1], rig.firewall.seen[1] * 9);
      EXPECT_EQ(rig.firewall.unseen[0], rig.firewall.unseen_acks) << "what the client says is always read";
      EXPECT_GT(rig.judge.inspector.flow_counters().released_bytes, 800'000U);
    }
    EXPECT_FALSE(rig.firewall.away[1]) << "back when the body is over";
    const std::string second = answer(noise(5'000, 2));
    rig.exchange(get("/b"), second);
    EXPECT_TRUE(rig.client.received == first + second);
    rig.client.write(kAttack);
    rig.run(seconds(2));
    expect_refused_exactly(rig);
    EXPECT_EQ(rig.judge.inspector.counters().gaps, 0U);
    const auto& records = rig.judge.end();
    ASSERT_EQ(records.size(), 3U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(records[i]["http"]["status"], 200);
      EXPECT_FALSE(records[i]["waf"].value("truncated", false)) << records[i].dump();
    }
    EXPECT_EQ(records[2]["waf"]["decision"], "deny");
  }
}

TEST(Releasing, TheRecordIsTheSameAsIfAllHadComeBy) {
  std::string records[2];
  for (const bool firewalled : {true, false}) {
    Away rig(releasing(), firewalled);
    rig.exchange(get("/a"), answer(noise(400'000)));
    nlohmann::json record = rig.judge.end().at(0);
    record.erase("pcap_cnt");
    record.erase("packet");
    records[firewalled ? 1 : 0] = record.dump();
  }
  EXPECT_EQ(records[0], records[1]);
}

TEST(Releasing, SeveralDownloadsOfOneConnection) {
  Away rig;
  std::string all;
  for (unsigned i = 0; i < 3; ++i) {
    const std::string next = answer(noise(400'000 + i * 777, i));
    rig.exchange(get("/" + std::to_string(i)), next, seconds(8));
    all += next;
  }
  EXPECT_TRUE(rig.client.received == all);
  EXPECT_EQ(rig.counters().released, 3U);
  EXPECT_EQ(rig.counters().resumed, 3U);
  rig.client.write(kAttack);
  rig.run(seconds(2));
  expect_refused_exactly(rig);
}

TEST(Releasing, WhatRulesReadIsNotReleased) {
  Away rig;
  rig.exchange(get("/a"), answer(std::string(90'000, 'x'), "text/plain"));
  EXPECT_EQ(rig.counters().released, 0U) << "too short";
  const std::string secret = std::string(99'000, 'x') + "secret" + std::string(500'000, 'y');
  rig.exchange(get("/b"), answer(secret, "text/plain"));
  EXPECT_EQ(rig.counters().released, 0U);
  EXPECT_TRUE(rig.client.reset) << "phase 4 comes at the limit, before the rest";
  EXPECT_LT(rig.client.received.size(), 90'000U + 150'000U);
}

TEST(Releasing, BeyondTheLimitOfTheRules) {
  Away rig;
  const std::string response = answer(std::string(100'100, 'x') + "secret" + noise(600'000), "text/plain");
  rig.exchange(get("/a"), response);
  EXPECT_TRUE(rig.client.received == response);
  EXPECT_EQ(rig.counters().released, 1U);
  EXPECT_GT(rig.firewall.unseen[1], 400U);
}

TEST(Releasing, ChunkedBodiesAreRead) {
  Away rig;
  const std::string response = "HTTP/1.1 200 OK\r\nContent-Type: application/x\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n" +
                               noise(1'000'000) + "\r\n0\r\n\r\n";
  rig.exchange(get("/a"), response);
  EXPECT_TRUE(rig.client.received == response);
  EXPECT_EQ(rig.counters().released, 0U);
}

TEST(Releasing, UntilTheConnectionEnds) {
  Away rig;
  const std::string response = "HTTP/1.1 200 OK\r\nContent-Type: application/x\r\n\r\n" + noise(700'000);
  rig.client.write(get("/a"));
  rig.run(milliseconds(100));
  rig.server.write(response);
  rig.server.shut();
  rig.run(seconds(20));
  EXPECT_TRUE(rig.client.received == response);
  EXPECT_TRUE(rig.client.eof);
  EXPECT_GT(rig.firewall.unseen[1], 400U);
  rig.client.shut();
  rig.run(seconds(1));
  EXPECT_TRUE(rig.client.all_acked());
  ASSERT_EQ(rig.judge.recorder.http.size(), 1U) << "the end was seen";
  EXPECT_FALSE(rig.judge.recorder.http[0]["waf"].value("truncated", false));
}

// The next request while the body is still coming.
TEST(Releasing, APipelinedAttackNeverArrives) {
  for (const bool whole : {true, false}) {
    SCOPED_TRACE(whole);
    Away rig;
    rig.exchange(get("/a"), answer(noise(900'000)), milliseconds(20));
    ASSERT_TRUE(rig.firewall.away[1]);
    if (whole) {
      rig.client.write(get("/b") + kAttack);
    } else {
      rig.client.write(kAttack.substr(0, 20));
      rig.run(milliseconds(5));
      EXPECT_FALSE(rig.firewall.away[1]) << "back with the first octet";
      rig.client.write(kAttack.substr(20));
    }
    rig.run(seconds(20));
    EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
    EXPECT_TRUE(rig.server.reset);
    EXPECT_TRUE(rig.client.reset || rig.client.eof);
    EXPECT_EQ(rig.judge.recorder.drops.front()["drop"]["reason"], "rule");
  }
}

TEST(Releasing, ACleanPipelinedRequestBringsTheServerBack) {
  Away rig;
  const std::string first = answer(noise(900'000));
  rig.exchange(get("/a"), first, milliseconds(20));
  ASSERT_TRUE(rig.firewall.away[1]);
  rig.client.write(get("/b"));
  rig.run(milliseconds(5));
  EXPECT_FALSE(rig.firewall.away[1]);
  const std::string second = answer("secret", "text/plain");
  rig.server.write(second);
  rig.run(seconds(20));
  EXPECT_TRUE(rig.client.received.substr(0, first.size()) == first);
  EXPECT_THAT(rig.client.received, Not(HasSubstr("secret"))) << "the second answer is judged";
}

// An answer that is longer than it was to be: what is more came by unseen, the rest of the connection is not trusted.
TEST(Releasing, AnAnswerLongerThanItSays) {
  Away rig;
  rig.exchange(get("/a"), answer(noise(600'000)) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  rig.client.write(get("/b"));
  rig.run(seconds(5));
  EXPECT_TRUE(rig.client.reset);
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.judge.recorder.drops.front()["drop"]["detail"], "unseen");
}

TEST(Releasing, ResetsOfEitherEnd) {
  for (const bool from_client : {true, false}) {
    SCOPED_TRACE(from_client);
    Away rig;
    rig.exchange(get("/a"), answer(noise(900'000)), milliseconds(20));
    ASSERT_TRUE(rig.firewall.away[1]);
    (from_client ? rig.client : rig.server).abort();
    rig.run(seconds(3));
    EXPECT_TRUE((from_client ? rig.server : rig.client).reset);
  }
}

// D3: and a SYN takes all of it back.
TEST(Releasing, ATunnelAndTheNextConnectionOnTheSamePorts) {
  Away rig;
  rig.client.write(get("/chat", "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
  rig.run(milliseconds(100));
  rig.server.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  rig.run(milliseconds(100));
  for (int i = 0; i < 50; ++i) {
    rig.client.write(kAttack);  // nobody reads it as HTTP
    rig.server.write("reply");
    rig.run(milliseconds(50));
  }
  EXPECT_GT(rig.firewall.unseen[0], 40U);
  EXPECT_GT(rig.firewall.unseen[1], 40U);
  EXPECT_EQ(rig.counters().released, 1U);
  // The server forgets without a word, connection tracking does not.
  RigOptions fresh = releasing();
  fresh.client.isn += 5'000'000;
  fresh.server.isn += 9'000'000;
  rig.begin_again(fresh);
  ASSERT_TRUE(rig.client.established());
  EXPECT_FALSE(rig.firewall.away[0]);
  rig.client.write(kAttack);
  rig.run(seconds(2));
  expect_refused_exactly(rig);
}

// A SYN that leads to nothing does not bring a released connection back for good.
TEST(Releasing, ASynOnAReleasedConnectionChangesNothing) {
  Away rig;
  rig.client.write("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise(600));
  rig.server.write("\x16\x03\x03" + noise(600));
  rig.run(milliseconds(300));
  ASSERT_TRUE(rig.firewall.away[0] && rig.firewall.away[1]) << "TLS";
  std::string sent = rig.server.received;
  const auto say = [&rig, &sent](const std::string& words) {
    rig.client.write(words);
    sent += words;
  };
  say(noise(300'000));
  rig.run(seconds(5));
  TcpPeer stranger(PeerSetup{.address = "192.0.2.7", .other = "198.51.100.2", .port = 40000, .other_port = 80, .isn = 77});
  stranger.connect(rig.now);
  for (const Octets& frame : stranger.take()) {
    const Verdict v = rig.judge.feed(Capture::Frame{std::string(frame.begin(), frame.end()), rig.now.ns});
    EXPECT_TRUE(v.forwarded());
    rig.firewall.mark(frame, true, v.release);
  }
  EXPECT_FALSE(rig.firewall.away[0]);
  say("more");
  rig.run(milliseconds(100));
  EXPECT_FALSE(rig.firewall.away[0]) << "while the other connection may still come to life";
  for (int i = 0; i < 80; ++i) {
    rig.run(seconds(1));
    say("more");
  }
  rig.run(seconds(1));
  EXPECT_TRUE(rig.firewall.away[0]);
  EXPECT_TRUE(rig.server.received == sent) << rig.server.received.size() << " of " << sent.size();
}

TEST(Releasing, OtherPortsAndSitesThatAreOff) {
  RigOptions other = releasing();
  other.inspector.ports = {8080};
  Away not_looked_at(other);
  not_looked_at.exchange(kAttack, answer("x"), seconds(1));
  EXPECT_EQ(not_looked_at.counters().released, 1U);
  EXPECT_GT(not_looked_at.firewall.unseen[0] + not_looked_at.firewall.unseen[1], 2U);

  for (const bool off_sites : {true, false}) {
    RigOptions off = releasing(WafMode::Off);
    off.inspector.release.off_sites = off_sites;
    Away rig(off);
    rig.exchange(kAttack, answer("x"), seconds(1));
    EXPECT_THAT(rig.client.received, HasSubstr("200 OK"));
    EXPECT_EQ(rig.counters().released, off_sites ? 1U : 0U);
    EXPECT_EQ(rig.judge.end().size(), off_sites ? 0U : 1U);
  }
}

TEST(Releasing, SwitchedOffNothingIs) {
  RigOptions off;
  off.inspector.release = {false, false, false};
  Away rig(off);
  rig.exchange(get("/a"), answer(noise(600'000)));
  rig.client.write(get("/chat", "Upgrade: websocket\r\nConnection: Upgrade\r\n"));
  rig.run(milliseconds(100));
  rig.server.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  rig.run(milliseconds(100));
  rig.client.write("x");
  rig.run(milliseconds(100));
  EXPECT_EQ(rig.counters().released, 0U);
  EXPECT_EQ(rig.firewall.unseen[0] + rig.firewall.unseen[1], 0U);
}

// Taken up in the middle: whoever was here before may have let the server's side go.
TEST(Releasing, AConnectionThatIsTakenUpComesBack) {
  InspectorOptions options = in_line();
  options.midstream_grace = seconds(60);
  Judge judge(options);
  Conversation c;
  c.client(get("/a"));
  Capture capture;
  capture.add(c);
  const Verdict v = judge.feed(capture.frames.at(0));
  EXPECT_TRUE(v.forwarded());
  EXPECT_EQ(v.release, Release::Resume);
}

// Loss in all places, large and small answers, requests as soon as the last answer is there or before: whatever the
// client reads is what the server wrote, and no attack arrives.
TEST(Releasing, WithLossInAllPlaces) {
  std::uint64_t unseen = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Away rig;
    rig.lose = [&random](Hop) { return random() % 50 == 0; };
    const std::size_t requests = 2 + random() % 3;
    const bool patient = seed % 2 == 0;
    std::string written;
    std::size_t asked = 0, served = 0, read_to = 0;
    for (int turn = 0; turn < 600 && (served < requests || rig.client.received.size() < written.size()); ++turn) {
      if (asked < requests && (!patient || (asked == served && rig.client.received.size() == written.size()))) {
        rig.client.write(get("/" + std::to_string(asked++)));
      }
      rig.run(milliseconds(100));
      for (std::size_t at = rig.server.received.find("\r\n\r\n", read_to); at != std::string::npos;
           at = rig.server.received.find("\r\n\r\n", read_to)) {
        read_to = at + 4;
        const std::string next = answer(noise(random() % 3 != 0 ? 350'000 : 3'000, seed + static_cast<unsigned>(served++)));
        written += next;
        rig.server.write(next);
      }
    }
    EXPECT_EQ(served, requests);
    EXPECT_TRUE(rig.client.received == written) << rig.client.received.size() << " of " << written.size();
    rig.client.write(kAttack);
    rig.run(seconds(10));
    EXPECT_THAT(rig.server.received, Not(HasSubstr(kAttackEnd)));
    EXPECT_TRUE(rig.server.reset);
    EXPECT_EQ(rig.firewall.unseen[0], rig.firewall.unseen_acks);
    unseen += rig.firewall.unseen[1];
  }
  EXPECT_GT(unseen, 2'000U);
}

}  // namespace
}  // namespace weir::inspect::test
