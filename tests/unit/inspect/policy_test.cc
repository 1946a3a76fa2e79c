// Failure policies (inline.md 1.11): each cause forced, each action done and counted; and the causes that
// can be brought about from outside, brought about.
#include "engine/inspect/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/crowd.h"
#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::uint64_t count(const Rig& rig, FailureCause cause, FailureAction action) {
  return rig.judge.inspector.counters().failures[static_cast<std::size_t>(cause)][static_cast<std::size_t>(action)];
}

TEST(Policy, R12EveryCauseForcedDoesWhatIsChosen) {
  for (std::size_t i = 0; i < kFailureCauses; ++i) {
    const auto cause = static_cast<FailureCause>(i);
    for (const FailureAction action : {FailureAction::Pass, FailureAction::Drop, FailureAction::Reset}) {
      SCOPED_TRACE(std::string(name(cause)) + ' ' + std::string(name(action)));
      RigOptions o;
      o.inspector.failures.choose(cause, action);
      o.inspector.force = cause;
      o.inspector.force_every = 4;  // SYN, SYN/ACK and ACK pass, the request meets it
      Rig rig(o);
      rig.open();
      ASSERT_TRUE(rig.client.established());
      rig.client.write(get("/clean"));
      rig.run(milliseconds(50));
      EXPECT_EQ(count(rig, cause, action), 1U);
      if (action == FailureAction::Pass) {
        EXPECT_EQ(rig.server.received, get("/clean"));
        rig.client.write(kRules);  // nothing is judged any more: anything goes
        rig.run(seconds(1));
        EXPECT_THAT(rig.server.received, HasSubstr("SecAction"));
      } else if (action == FailureAction::Drop) {
        EXPECT_EQ(rig.server.received, "");
        EXPECT_EQ(rig.judge.recorder.drops.at(0)["drop"]["reason"], "policy");
        EXPECT_EQ(rig.judge.recorder.drops.at(0)["drop"]["detail"], std::string(name(cause)));
        rig.run(seconds(2));
        EXPECT_EQ(rig.server.received, get("/clean")) << "the sender repeats it";
      } else {
        EXPECT_EQ(rig.server.received, "");
        EXPECT_TRUE(rig.client.reset);
        EXPECT_TRUE(rig.server.reset);
        EXPECT_EQ(rig.client.challenges + rig.server.challenges, 0);
      }
    }
  }
}

TEST(Policy, H8MidstreamIsResetUnlessItMayPassOrInTheGraceAfterTheStart) {
  for (const int how : {0, 1, 2}) {
    SCOPED_TRACE(how);
    RigOptions o;
    if (how == 1) o.inspector.failures.open = true;
    if (how == 2) o.inspector.midstream_grace = seconds(10);
    Rig before;  // a Weir that is restarted
    before.open();
    before.client.write(get("/one"));
    before.run(milliseconds(50));
    before.serve(ok("first"));
    before.run(milliseconds(50));
    Rig rig(o);
    rig.client = before.client;
    rig.server = before.server;
    rig.now = before.now;
    rig.client.write(get("/two"));
    rig.run(milliseconds(200));
    if (how == 0) {
      EXPECT_TRUE(rig.client.reset);
      EXPECT_TRUE(rig.server.reset);
      EXPECT_GE(count(rig, FailureCause::Midstream, FailureAction::Reset), 1U);
      continue;
    }
    EXPECT_THAT(rig.server.received, HasSubstr("/two"));
    EXPECT_EQ(count(rig, FailureCause::Midstream, FailureAction::Pass), 1U);
    rig.server.write(ok("second"));
    rig.run(milliseconds(100));
    EXPECT_THAT(rig.client.received, HasSubstr("second"));
    rig.client.write(get("/?x=attack"));
    rig.run(seconds(1));
    EXPECT_THAT(rig.server.received, Not(HasSubstr("attack HTTP/1.1\r\n"))) << "H10: later requests are inspected";
    EXPECT_THAT(rig.client.received, HasSubstr("403"));
  }
}

TEST(Policy, AfterABypassConnectionsAreTakenUpAsAfterAStart) {
  RigOptions o;
  o.inspector.midstream_grace = seconds(10);
  Rig rig(o);
  rig.open();
  rig.client.write(get("/one"));
  rig.run(seconds(60));  // the grace after the start is over
  rig.serve(ok("first"));
  rig.client.write(get("/two"));
  rig.run(milliseconds(50));
  rig.judge.inspector.begin_anew(rig.now);
  EXPECT_EQ(rig.judge.inspector.flow_counters().flows_now, 0U);
  // More than Weir could ever make up for passes between the ends.
  const std::string large = ok(std::string(9U << 20U, 'r'));
  rig.server.write(large);
  for (int i = 0; i < 20'000; ++i) {
    for (const Octets& frame : rig.server.take()) rig.client.on_frame(frame, rig.now);
    for (const Octets& frame : rig.client.take()) rig.server.on_frame(frame, rig.now);
  }
  ASSERT_THAT(rig.client.received, HasSubstr(large));
  rig.now = rig.now + seconds(60);
  rig.judge.inspector.begin_anew(rig.now);
  rig.client.write(get("/three"));
  rig.run(milliseconds(200));
  EXPECT_THAT(rig.server.received, HasSubstr("/three"));
  rig.server.write(ok("third"));
  rig.run(milliseconds(200));
  EXPECT_THAT(rig.client.received, HasSubstr("third"));
  rig.client.write(get("/?x=attack"));
  rig.run(seconds(1));
  EXPECT_THAT(rig.server.received, Not(HasSubstr("attack HTTP/1.1\r\n")));
  EXPECT_THAT(rig.client.received, HasSubstr("403"));
  EXPECT_EQ(count(rig, FailureCause::Midstream, FailureAction::Pass), 1U);
}

TEST(Policy, ABypassEndsAnAnswerThatIsUnderWay) {
  Rig rig;
  rig.open();
  rig.client.write(get("/?x=attack"));
  rig.run(milliseconds(2));
  rig.judge.inspector.begin_anew(rig.now);
  const std::size_t before = rig.injected.size();
  rig.now = rig.now + seconds(60);
  const Verdict v = rig.judge.inspector.on_time(rig.now);
  EXPECT_TRUE(v.inject.empty());
  EXPECT_EQ(rig.injected.size(), before);
}

TEST(Policy, StreamMemoryIsADropTheSenderRepairsOrTheEndOfInspection) {
  for (const bool open : {false, true}) {
    RigOptions o;
    o.inspector.failures.open = open;
    o.inspector.flow_limits.buffered_bytes = 8 << 10;
    Rig rig(o);
    rig.open();
    const std::string big = get("/clean", "X-Pad: " + std::string(12'000, 'p') + "\r\n");
    rig.client.write(big);
    rig.run(seconds(20));
    EXPECT_TRUE(rig.server.received == big)
        << "open or closed, an honest client gets through: " << rig.server.received.size() << " of " << big.size();
    const FailureAction action = open ? FailureAction::Pass : FailureAction::Drop;
    EXPECT_GT(count(rig, FailureCause::StreamMemory, action), 0U);
  }
}

// Whoever has bytes kept and makes no progress goes when there is no room; that what it had sent is then judged as it
// stands, and refused, takes nothing from the judgement of the one that came.
TEST(Policy, StalledConnectionsMakeRoomForOthers) {
  InspectorOptions o = in_line();
  o.flow_limits.buffered_bytes = 8 << 10;
  Recorder recorder;
  Inspector inspector(o, recorder, rule_set());
  weir::test::Crowd crowd(inspector);
  const auto wait = [&] {
    for (int i = 0; i < 30; ++i) (void)inspector.on_time(crowd.now = crowd.now + milliseconds(40));
  };
  const std::string half = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 900\r\n\r\na=attack&b=";
  std::uint32_t n = 0;
  do ASSERT_TRUE(crowd.connect(++n));
  while (crowd.unheard(n, half).forwarded());
  ASSERT_GT(n, 2U);
  weir::test::Crowd::Connection clean, attack;
  ASSERT_TRUE(crowd.connect(100));
  EXPECT_FALSE(crowd.client(100, clean, get("/")).forwarded()) << "nobody has stood still for long";
  wait();
  EXPECT_TRUE(crowd.client(100, clean, get("/")).forwarded());
  EXPECT_EQ(inspector.flow_counters().stalled_evicted, 1U);
  EXPECT_FALSE(crowd.unheard(1, "x").forwarded()) << "what is still to come of the one that went";
  while (crowd.connect(++n) && crowd.unheard(n, half).forwarded()) {}
  const std::uint64_t before = inspector.flow_counters().stalled_evicted;
  ASSERT_TRUE(crowd.connect(101));
  wait();
  const Verdict v = crowd.client(101, attack, get("/?x=attack"));
  EXPECT_EQ(v.kind, VerdictKind::Drop);
  EXPECT_EQ(v.reason, DropReason::Rule);
  EXPECT_GT(inspector.flow_counters().stalled_evicted, before);
}

// A request that was given up for others keeps no place in the table of connections from anybody either.
TEST(Policy, WhoseTransactionWasGivenUpIsBusyNoMore) {
  for (const bool open : {false, true}) {
    SCOPED_TRACE(open);
    InspectorOptions o = in_line();
    o.failures.open = open;
    o.transactions = 1;
    o.flow_limits.flows = 2;
    Recorder recorder;
    Inspector inspector(o, recorder, rule_set());
    weir::test::Crowd crowd(inspector);
    for (const std::uint32_t n : {1, 2}) {
      weir::test::Crowd::Connection at;
      ASSERT_TRUE(crowd.connect(n));
      ASSERT_TRUE(crowd.client(n, at, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na=").forwarded());
    }
    EXPECT_EQ(inspector.counters().evicted, 1U);
    EXPECT_TRUE(crowd.connect(3));
    EXPECT_EQ(inspector.flow_counters().evicted, (std::array<std::uint64_t, 4>{0, 0, 1, 0}));
  }
}

TEST(Policy, B7TransactionsThatAreGivenUpDoNotPassUnjudged) {
  for (const bool open : {false, true}) {
    SCOPED_TRACE(open ? "open" : "closed");
    RigOptions o;
    o.inspector.transactions = 1;
    o.inspector.failures.open = open;
    Rig rig(o);
    rig.open();
    const std::string attack = post("a=attack");
    send_around_another(rig, attack);
    EXPECT_GE(count(rig, FailureCause::Transactions, open ? FailureAction::Pass : FailureAction::Reset), 1U);
    if (!open) {
      EXPECT_NE(rig.server.received, attack);
      EXPECT_TRUE(rig.client.reset);
      EXPECT_TRUE(rig.server.reset);
    }
  }
}

TEST(Policy, W5WhatTheServerAcknowledgesUnseen) {
  for (const auto action : {FailureAction::Pass, FailureAction::Reset}) {
    SCOPED_TRACE(std::string(name(action)));
    RigOptions o;
    o.inspector.failures.choose(FailureCause::Unseen, action);
    Rig rig(o);
    rig.open();
    const std::string part = "GET /clean HTTP/1.1\r\n";
    rig.client.write(part);
    // A full queue let it pass: Weir never saw it.
    for (const Octets& frame : rig.client.take()) rig.server.on_frame(frame, rig.now);
    EXPECT_EQ(rig.server.received, part);
    rig.run(milliseconds(50));
    EXPECT_GE(count(rig, FailureCause::Unseen, action), 1U) << rig.judge.recorder.drops.size();
    EXPECT_EQ(rig.client.reset, action == FailureAction::Reset);
    EXPECT_EQ(rig.server.reset, action == FailureAction::Reset);
    if (action == FailureAction::Reset) continue;
    rig.client.write("Host: h\r\n\r\n");
    rig.run(milliseconds(100));
    rig.client.write(get("/?x=attack"));
    rig.run(seconds(1));
    EXPECT_THAT(rig.server.received, Not(HasSubstr("?x=attack HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\n\r\n")));
  }
}

TEST(Policy, H9OnlyOneDirectionComesBy) {
  for (const bool open : {false, true}) {
    SCOPED_TRACE(open ? "open" : "closed");
    RigOptions o;
    o.inspector.failures.open = open;
    Rig rig(o);
    Conversation c;
    c.open().client(get("/one"));
    bool passed = false;
    for (const Segment& s : c.segments) {
      if (!s.from_client) continue;
      const Verdict v = rig.judge.feed({ip_frame(c.client_host, c.server_host, s), s.time_ns});
      passed = v.forwarded();
    }
    EXPECT_EQ(passed, open);
    EXPECT_EQ(count(rig, FailureCause::Asymmetric, FailureAction::Reset) > 0, !open);
    EXPECT_EQ(rig.judge.end().size(), open ? 1U : 0U) << "requests are inspected";
  }
}

TEST(Policy, ATolerantNameForEachLeniency) {
  RigOptions o;
  const std::string folded = "GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n";
  {
    Rig rig(o);
    rig.open();
    rig.client.write(folded);
    rig.run(seconds(1));
    EXPECT_THAT(rig.client.received, HasSubstr("HTTP/1.1 400 "));
    EXPECT_EQ(count(rig, FailureCause::HttpViolation, FailureAction::Reset), 1U);
  }
  o.inspector.tolerated = {"header-folded", "no-such-name"};
  Rig rig(o);
  rig.open();
  rig.client.write(folded);
  rig.run(seconds(1));
  EXPECT_EQ(rig.server.received, folded);
  EXPECT_EQ(count(rig, FailureCause::HttpViolation, FailureAction::Pass), 1U);
}

TEST(Policy, TlsPassesAndHttp2DoesNotUnlessItMay) {
  const std::string hello("\x16\x03\x01\x00\x05hello", 10);
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  Rig tls;
  tls.open();
  tls.client.write(hello);
  tls.run(seconds(1));
  EXPECT_EQ(tls.server.received, hello);
  EXPECT_EQ(count(tls, FailureCause::Tls, FailureAction::Pass), 1U);
  RigOptions o;
  o.inspector.failures.choose(FailureCause::Http2, FailureAction::Pass);
  Rig two(o);
  two.open();
  two.client.write(preface);
  two.run(seconds(1));
  EXPECT_EQ(two.server.received, preface);
  o.inspector.failures.choose(FailureCause::Tls, FailureAction::Reset);
  Rig refused(o);
  refused.open();
  refused.client.write(hello);
  refused.run(seconds(1));
  EXPECT_TRUE(refused.client.reset);
}

TEST(Policy, EventsTellOfFailuresAndFlows) {
  RigOptions o;
  o.inspector.anomaly_events = o.inspector.flow_events = true;
  o.inspector.force = FailureCause::Overload;
  o.inspector.force_every = 4;
  Rig rig(o);
  rig.open();
  rig.client.write(get("/clean"));
  rig.run(seconds(1));
  rig.judge.end();
  int failures = 0, flows = 0;
  for (const json& e : rig.judge.recorder.drops) {
    if (e["event_type"] == "anomaly") {
      ++failures;
      EXPECT_EQ(e["anomaly"]["event"], "overload");
      EXPECT_EQ(e["anomaly"]["action"], "drop");
    }
    if (e["event_type"] == "flow") {
      ++flows;
      EXPECT_EQ(e["app_proto"], "http");
      EXPECT_EQ(e["flow"]["reason"], "shutdown");
      EXPECT_EQ(e["flow"]["tx_cnt"], 1);
      EXPECT_EQ(e["flow"]["bytes_toserver"], get("/clean").size());
    }
  }
  EXPECT_EQ(failures, 1) << "once for a flow";
  EXPECT_EQ(flows, 1);
}

}  // namespace
}  // namespace weir::inspect::test
