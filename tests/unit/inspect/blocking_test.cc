// Block pages and resets on the wire, between two strict models of TCP hosts. Numbers are those of the
// requirements (I1 … I11: injection) that docs/THREAT_MODEL.md names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kAttack = get("/?x=attack");

std::string header(const std::string& response, const std::string& name) {
  const std::size_t at = response.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "(none)";
  const std::size_t from = at + name.size() + 4;
  return response.substr(from, response.find("\r\n", from) - from);
}

std::string body(const std::string& response) {
  const std::size_t at = response.find("\r\n\r\n");
  return at == std::string::npos ? "(none)" : response.substr(at + 4);
}

// What every blocked connection has in common once its client has closed.
void expect_clean_ends(Rig& rig) {
  EXPECT_THAT(rig.client.complaints, IsEmpty());
  EXPECT_THAT(rig.server.complaints, IsEmpty());
  EXPECT_TRUE(rig.client.eof);
  EXPECT_FALSE(rig.client.reset) << "a reset would make the client throw the page away";
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.server.challenges, 0) << "the reset must have the exact number";
  EXPECT_THAT(rig.server.received, Not(HasSubstr("attack HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\n\r\n")));
  EXPECT_EQ(rig.passed_after_block, 0);
  rig.client.shut();
  rig.run(seconds(2));
  EXPECT_TRUE(rig.client.all_acked());
  EXPECT_FALSE(rig.client.reset);
}

void expect_page(const std::string& page, int status = 403) {
  EXPECT_THAT(page, StartsWith("HTTP/1.1 " + std::to_string(status) + " "));
  EXPECT_EQ(header(page, "Content-Length"), std::to_string(body(page).size()));
  EXPECT_EQ(header(page, "Connection"), "close");
  EXPECT_THAT(page, Not(HasSubstr("attack"))) << "no echo of input";
}

TEST(Blocking, TheClientReadsA403) {
  for (const bool six : {false, true}) {
    SCOPED_TRACE(six ? "IPv6" : "IPv4");
    Rig rig(six ? over6() : RigOptions{});
    rig.open();
    rig.client.write(kAttack);
    rig.run(seconds(1));
    expect_page(rig.client.received);
    EXPECT_THAT(rig.client.received, HasSubstr("\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"));
    expect_clean_ends(rig);
    EXPECT_EQ(rig.judge.inspector.counters().pages, 1U);
    EXPECT_EQ(rig.judge.inspector.counters().pages_read, 1U);
    const auto& records = rig.judge.end();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0]["waf"]["status"], 403);
  }
}

TEST(Blocking, I5ALostPageIsSentAgain) {
  for (int lost = 1; lost <= 4; ++lost) {
    SCOPED_TRACE(lost);
    Rig rig;
    rig.open();
    int n = 0;
    rig.lose = [&](Hop hop) { return hop == Hop::PageToClient && n++ < lost; };
    rig.client.write(kAttack);
    rig.run(seconds(20));
    expect_page(rig.client.received);
    expect_clean_ends(rig);
  }
}

TEST(Blocking, I5ALongPageGoesInSegmentsWithinTheWindow) {
  RigOptions o;
  o.inspector.block.page = std::string(20'000, 'p') + "{{transaction_id}}|{{status}}";
  o.client.mss = 536;
  o.client.buffer = 2000;
  o.client.scale.reset();
  Rig rig(o);
  rig.open();
  rig.client.hold_reading(true);  // the window closes
  rig.client.write(kAttack);
  rig.run(seconds(5));
  EXPECT_LE(rig.client.received.size(), 2001U) << "the window and one probe";
  rig.client.hold_reading(false);
  rig.run(seconds(20));
  expect_page(rig.client.received);
  EXPECT_THAT(rig.client.received, EndsWith("|403"));
  expect_clean_ends(rig);
}

TEST(Blocking, I5WithLossInAllPlacesThePageArrives) {
  int read = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    RigOptions o;
    o.inspector.block.page = std::string(6'000, 'p');
    o.client.timestamps = seed % 2 == 0;
    Rig rig(o);
    rig.open();
    std::mt19937 random(seed);
    rig.lose = [&](Hop) { return random() % 5 == 0; };
    rig.client.write(kAttack);
    rig.run(seconds(29));
    if (!rig.client.established() || !rig.server.reset) continue;  // the models themselves gave up
    if (!rig.client.eof) continue;
    expect_page(rig.client.received);
    EXPECT_THAT(rig.client.complaints, IsEmpty());
    ++read;
  }
  EXPECT_GE(read, 50);
}

TEST(Blocking, I4AnUploadingClientReadsThePage) {
  Rig rig;
  rig.open();
  const std::string rest(300'000, 'u');
  rig.client.write("POST /?x=attack HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + rest);
  rig.run(seconds(3));
  expect_page(rig.client.received);
  EXPECT_TRUE(rig.client.all_acked()) << "what it still sends is acknowledged and discarded";
  EXPECT_THAT(rig.server.received, Not(HasSubstr("uuu")));
  expect_clean_ends(rig);
}

TEST(Blocking, I4AClientThatNeverClosesIsReset) {
  Rig rig;
  rig.open();
  rig.client.write(kAttack);
  rig.run(seconds(1));
  EXPECT_TRUE(rig.client.eof);
  rig.run(seconds(32));
  EXPECT_TRUE(rig.client.reset);
  EXPECT_EQ(rig.client.challenges, 0);
}

TEST(Blocking, TheLastByteOfAnUploadDecides) {
  Rig rig;
  rig.open();
  const std::string request = post(std::string(50'000, 'a') + "&b=attack");
  rig.client.write(request);
  rig.run(seconds(3));
  expect_page(rig.client.received, 406);
  EXPECT_LT(rig.server.received.size(), request.size());
  EXPECT_GT(rig.server.received.size(), 40'000U) << "nothing is held back";
  expect_clean_ends(rig);
}

// What is let in of it, a proxy in front of the server relays as soon as it has opened its tunnel; a reset may then reach the
// server as a clean end, which some take for the end of the header section.
TEST(Blocking, NothingBehindConnectIsLetInBeforeItIsAnswered) {
  const std::string connect = "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n";
  const std::string hidden = "GET /?x=attack HTTP/1.1\r\nHost: h\r\n";  // but for its last line end
  for (const bool together : {false, true}) {
    SCOPED_TRACE(together ? "one segment" : "two segments");
    Rig rig;
    rig.open();
    if (together) {
      rig.client.write(connect + hidden);
    } else {
      rig.client.write(connect);
      rig.run(milliseconds(5));
      rig.client.write(hidden);
    }
    rig.run(milliseconds(500));
    EXPECT_EQ(rig.server.received, connect);
    rig.serve("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    rig.run(seconds(1));
    EXPECT_EQ(rig.server.received, connect);
    EXPECT_THAT(rig.client.received, AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("HTTP/1.1 400 ")));
    EXPECT_TRUE(rig.client.eof);
    EXPECT_TRUE(rig.server.reset);
    EXPECT_THAT(rig.client.complaints, IsEmpty());
    EXPECT_THAT(rig.server.complaints, IsEmpty());
  }
}

TEST(Blocking, WhatFollowsAnAnsweredConnectIsJudged) {
  Rig rig;
  rig.open();
  rig.client.write("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
  rig.run(milliseconds(100));
  rig.serve("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
  rig.run(milliseconds(100));
  rig.client.write(get("/next"));
  rig.run(milliseconds(100));
  EXPECT_THAT(rig.server.received, HasSubstr("GET /next "));
  rig.serve(ok("next"));
  rig.run(milliseconds(100));
  rig.client.write(kAttack);
  rig.run(seconds(1));
  EXPECT_THAT(rig.server.received, Not(HasSubstr("attack")));
  EXPECT_THAT(rig.client.received, HasSubstr("HTTP/1.1 403 "));
  expect_clean_ends(rig);
}

TEST(Blocking, HeadGetsNoBody) {
  Rig rig;
  rig.open();
  rig.client.write("HEAD /?x=attack HTTP/1.1\r\nHost: h\r\n\r\n");
  rig.run(seconds(1));
  EXPECT_THAT(rig.client.received, StartsWith("HTTP/1.1 403 "));
  EXPECT_NE(header(rig.client.received, "Content-Length"), "0");
  EXPECT_EQ(body(rig.client.received), "");
  expect_clean_ends(rig);
}

TEST(Blocking, ARedirectSaysWhereTo) {
  Rig rig;
  rig.open();
  rig.client.write(get("/redirect"));
  rig.run(seconds(1));
  expect_page(rig.client.received, 302);
  EXPECT_EQ(header(rig.client.received, "Location"), "https://elsewhere.example/");
  expect_clean_ends(rig);
}

TEST(Blocking, DropClosesWithoutAnAnswer) {
  Rig rig;
  rig.open();
  rig.client.write(get("/dropme"));
  rig.run(seconds(1));
  EXPECT_EQ(rig.client.received, "");
  EXPECT_TRUE(rig.client.reset);
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.client.challenges + rig.server.challenges, 0);
}

TEST(Blocking, AmbiguousFramingIsAnswered400) {
  Rig rig;
  rig.open();
  rig.client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  rig.run(seconds(1));
  expect_page(rig.client.received, 400);
  expect_clean_ends(rig);
}

TEST(Blocking, I9WhatIsNotHttpIsReset) {
  InspectorOptions o = in_line();
  for (const std::string& bytes : {std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
    Rig rig({.inspector = o});
    rig.open();
    rig.client.write(bytes);
    rig.run(seconds(1));
    EXPECT_EQ(rig.client.received, "");
    EXPECT_TRUE(rig.client.reset);
    EXPECT_TRUE(rig.server.reset);
  }
}

TEST(Blocking, I3TheSecondRequestOfAConnection) {
  Rig rig;
  rig.open();
  rig.client.write(get("/one"));
  rig.run(milliseconds(100));
  rig.serve(ok("first"));
  rig.run(milliseconds(100));
  EXPECT_EQ(body(rig.client.received), "first");
  const std::size_t before = rig.client.received.size();
  rig.client.write(kAttack);
  rig.run(seconds(1));
  expect_page(rig.client.received.substr(before));
  expect_clean_ends(rig);
}

TEST(Blocking, I3ThePageComesAfterTheResponsesThatAreOwed) {
  for (const bool together : {false, true}) {  // in one segment, or each in its own
    for (const bool close : {false, true}) {
      SCOPED_TRACE(std::string(together ? "one segment" : "two segments") + (close ? ", server closes" : ""));
      Rig rig;
      rig.open();
      if (together) {
        rig.client.write(get("/one") + kAttack);
      } else {
        rig.client.write(get("/one"));
        rig.run(milliseconds(5));
        rig.client.write(kAttack);
      }
      rig.run(seconds(2));
      EXPECT_EQ(rig.client.received, "") << "the page must not be taken for the first response";
      EXPECT_FALSE(rig.server.reset);
      EXPECT_THAT(rig.server.received, EndsWith("\r\n\r\n"));
      EXPECT_THAT(rig.server.received, AllOf(HasSubstr("/one"), Not(HasSubstr("attack"))));
      const std::string first = ok(std::string(5000, 'f'));
      rig.serve(first);
      if (close) rig.server.shut();
      rig.run(seconds(2));
      ASSERT_THAT(rig.client.received, StartsWith(first));
      expect_page(rig.client.received.substr(first.size()));
      EXPECT_THAT(rig.client.complaints, IsEmpty());
      EXPECT_THAT(rig.server.complaints, IsEmpty());
      EXPECT_TRUE(rig.client.eof);
      EXPECT_FALSE(rig.client.reset);
      EXPECT_TRUE(rig.server.reset);
      rig.client.shut();
      rig.run(seconds(2));
      EXPECT_TRUE(rig.client.all_acked());
      EXPECT_THAT(rig.server.received, Not(HasSubstr("attack")));
    }
  }
}

TEST(Blocking, I3WithLossTheOwedResponsesArriveWholeBeforeThePage) {
  int whole = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Rig rig;
    rig.open();
    std::mt19937 random(seed);
    rig.lose = [&](Hop) { return random() % 6 == 0; };
    rig.client.write(get("/one") + get("/two") + kAttack);
    rig.run(seconds(4));
    const std::string first = ok(std::string(5000, 'f'));
    rig.serve(first);
    rig.run(seconds(20));
    EXPECT_THAT(rig.server.received, Not(HasSubstr("attack")));
    if (rig.client.received.size() > first.size() * 2) {
      ASSERT_EQ(rig.client.received.substr(0, first.size() * 2), first + first);
    }
    if (!rig.client.eof) continue;
    expect_page(rig.client.received.substr(first.size() * 2));
    ++whole;
  }
  EXPECT_GE(whole, 30);
}

TEST(Blocking, I3AServerThatKeepsTheClientWaiting) {
  RigOptions o;
  o.inspector.block.linger = seconds(10);
  Rig rig(o);
  rig.open();
  rig.client.write(get("/one") + kAttack);
  rig.run(seconds(9));
  EXPECT_FALSE(rig.client.reset);
  rig.run(seconds(2));
  EXPECT_TRUE(rig.client.reset);
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.server.challenges, 0);
}

TEST(Blocking, I3AResponseUnderWayEndsInResets) {
  Rig rig;
  rig.open();
  const std::string request = post("a=" + std::string(3000, 'x') + "attack");
  rig.client.write(request.substr(0, 2000));
  rig.run(milliseconds(50));
  rig.server.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly");
  rig.run(milliseconds(50));
  rig.client.write(request.substr(2000));
  rig.run(seconds(1));
  EXPECT_TRUE(rig.client.reset);
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.client.challenges + rig.server.challenges, 0);
}

TEST(Blocking, I3AfterA100ContinueThePageCanBeSent) {
  Rig rig;
  rig.open();
  const std::string request = post("a=attack", "Expect: 100-continue\r\n");
  const std::size_t head = request.find("\r\n\r\n") + 4;
  rig.client.write(request.substr(0, head));
  rig.run(milliseconds(50));
  const std::string interim = "HTTP/1.1 100 Continue\r\n\r\n";
  rig.server.write(interim);
  rig.run(milliseconds(50));
  EXPECT_EQ(rig.client.received, interim);
  rig.client.write(request.substr(head));
  rig.run(seconds(1));
  expect_page(rig.client.received.substr(interim.size()), 406);
  expect_clean_ends(rig);
}

TEST(Blocking, I10AResponseIsReplacedWhileNothingOfItWasForwarded) {
  Rig rig;
  rig.open();
  rig.client.write(get("/"));
  rig.run(milliseconds(50));
  rig.serve(ok("fine", "X-Leak: 1\r\n"));
  rig.run(seconds(1));
  expect_page(rig.client.received, 500);
  EXPECT_THAT(rig.client.received, Not(HasSubstr("fine")));
  expect_clean_ends(rig);
}

TEST(Blocking, I10AResponseBodyIsReplacedIfItCameInOnePacket) {
  Rig rig;
  rig.open();
  rig.client.write(get("/"));
  rig.run(milliseconds(50));
  rig.serve(ok("the secret"));
  rig.run(seconds(1));
  expect_page(rig.client.received, 502);
  EXPECT_THAT(rig.client.received, Not(HasSubstr("secret")));
  expect_clean_ends(rig);
}

TEST(Blocking, I10BehindTheEndOfAnotherResponseInTheSamePacket) {
  Rig rig;
  rig.open();
  rig.client.write(get("/one") + get("/two"));
  rig.run(milliseconds(50));
  const std::string first = ok("first");
  rig.server.write(first + ok("fine", "X-Leak: 1\r\n"));
  rig.run(seconds(1));
  ASSERT_THAT(rig.client.received, StartsWith(first));
  expect_page(rig.client.received.substr(first.size()), 500);
  expect_clean_ends(rig);
}

TEST(Blocking, I10OnceItHasBegunOnlyResetsAreLeft) {
  Rig rig;
  rig.open();
  rig.client.write(get("/"));
  rig.run(milliseconds(50));
  rig.serve(ok(std::string(4000, 's') + "secret"));
  rig.run(seconds(1));
  EXPECT_TRUE(rig.client.reset);
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.client.challenges + rig.server.challenges, 0);
  EXPECT_THAT(rig.client.received, Not(HasSubstr("secret")));
}

TEST(Blocking, I2ALostResetIsRepeatedWhenTheServerSpeaks) {
  Rig rig;
  rig.open();
  bool lose = true;
  rig.lose = [&](Hop hop) { return hop == Hop::ResetToServer && lose; };
  rig.client.write(kAttack);
  rig.run(milliseconds(500));
  EXPECT_FALSE(rig.server.reset);
  lose = false;
  rig.server.write("HTTP/1.1 408 Request Timeout\r\n\r\n");
  rig.run(milliseconds(100));
  EXPECT_TRUE(rig.server.reset);
  EXPECT_EQ(rig.server.challenges, 0);
  expect_page(rig.client.received);
  EXPECT_THAT(rig.client.received, Not(HasSubstr("408"))) << "I8: late packets of the server are dropped";
}

TEST(Blocking, I2WithUnacknowledgedBytesInFlightTheServerIsResetAllTheSame) {
  Rig rig;
  rig.open();
  rig.lose = [](Hop hop) { return hop == Hop::WeirToServer; };  // the server never gets the beginning
  rig.client.write("GET /?x=attack HTTP/1.1\r\nHost: example.com\r\n");
  rig.run(milliseconds(5));
  rig.lose = nullptr;
  rig.client.write("\r\n");
  rig.run(seconds(2));
  // Its own number is lower than what was forwarded: it answers with a challenge, and that with the number
  // it wants.
  EXPECT_TRUE(rig.server.reset);
  expect_page(rig.client.received);
}

TEST(Blocking, I6LinkAddressesTagsAndHopsAreThoseOfTheOtherEnd) {
  RigOptions o;
  o.client.vlan = o.server.vlan = 77;
  Rig rig(o);
  rig.open();
  rig.client.write(kAttack);
  rig.run(seconds(1));
  expect_page(rig.client.received);
  EXPECT_EQ(rig.client.last_ttl, 44) << "as the server's packets came by";
  EXPECT_EQ(rig.server.last_ttl, 61);
  expect_clean_ends(rig);
}

TEST(Blocking, I5WithoutTimestampsNoneAreSent) {
  RigOptions o;
  o.client.timestamps = false;
  Rig rig(o);
  rig.open();
  rig.client.write(kAttack);
  rig.run(seconds(1));
  expect_page(rig.client.received);
  expect_clean_ends(rig);
}

TEST(Blocking, I11NoMoreFramesThanTheLimit) {
  RigOptions o;
  o.inspector.block.frames_per_second = 10;
  o.inspector.block.page = std::string(30'000, 'p');
  Rig rig(o);
  rig.open();
  rig.client.write(kAttack);
  rig.run(milliseconds(900));
  EXPECT_LE(rig.injected.size(), 20U);
  EXPECT_GT(rig.judge.inspector.counters().injection_limited, 0U);
  rig.run(seconds(25));
  expect_page(rig.client.received);
}

TEST(Blocking, I11AResetIsNotAnswered) {
  Rig rig;
  rig.open();
  rig.client.write(get("/dropme"));
  rig.run(milliseconds(300));
  const std::size_t before = rig.injected.size();
  Conversation c(40000);
  Segment s;
  s.flags = 4;
  s.seq = 12345;
  for (const bool from_client : {true, false}) {
    const Host client{"192.0.2.7", 40000}, server{"198.51.100.2", 80};
    const Verdict v = rig.judge.feed({ip_frame(from_client ? client : server, from_client ? server : client, s), rig.now.ns});
    EXPECT_FALSE(v.forwarded());
    EXPECT_THAT(v.inject, IsEmpty());
  }
  EXPECT_EQ(rig.injected.size(), before);
}

TEST(Blocking, WithoutRoomForAnotherAnswerBothEndsAreReset) {
  RigOptions o;
  o.inspector.block.connections = 1;
  Rig rig(o);
  rig.open();
  rig.client.write(kAttack);
  rig.run(milliseconds(300));
  expect_page(rig.client.received);
  // The first one lingers; a second one comes.
  Judge& judge = rig.judge;
  Conversation c(40001, rig.now.ns);
  c.open().client(kAttack);
  Capture capture;
  capture.add(c);
  bool client = false, server = false;
  for (const auto& frame : capture.frames) {
    for (const Injection& one : judge.feed(frame).inject) {
      (one.towards == Towards::Client ? client : server) = true;
      EXPECT_EQ(one.frame[14 + 20 + 13] & 4, 4) << "a reset";
    }
  }
  EXPECT_TRUE(client && server);
}

TEST(Blocking, ANewConnectionOnTheSameAddressesIsJudgedAnew) {
  Rig rig;
  rig.open();
  rig.client.write(kAttack);
  rig.run(milliseconds(300));
  rig.client.shut();
  rig.run(seconds(1));
  RigOptions again;
  again.client.isn = 0x11112222;
  again.server.isn = 0x33334444;
  rig.client = TcpPeer(again.client);
  rig.server = TcpPeer(again.server);
  rig.open();
  ASSERT_TRUE(rig.client.established());
  rig.client.write(get("/clean"));
  rig.run(milliseconds(200));
  EXPECT_EQ(rig.server.received, get("/clean"));
  rig.server.write(ok("yes"));
  rig.run(milliseconds(200));
  EXPECT_EQ(body(rig.client.received), "yes");
  rig.client.write(kAttack);
  rig.run(seconds(1));
  EXPECT_THAT(rig.client.received, HasSubstr("HTTP/1.1 403 "));
}

}  // namespace
}  // namespace weir::inspect::test
