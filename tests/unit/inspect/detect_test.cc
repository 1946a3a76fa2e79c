// Mode detect in the wire: nothing is refused or dropped because of HTTP, whatever it is, and events say what would have
// been done and what becomes of the rest of the connection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/inspect/policy.h"
#include "engine/inspect/sites.h"
#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::uint64_t count(const Rig& rig, FailureCause cause, FailureAction action) {
  return rig.judge.inspector.counters().failures[static_cast<std::size_t>(cause)][static_cast<std::size_t>(action)];
}

RigOptions in_mode(WafMode mode) {
  RigOptions o;
  o.inspector = in_line(mode);
  o.inspector.anomaly_events = true;
  return o;
}

// "cause action would rest" of each failure that was told.
std::vector<std::string> failures(const Recorder& recorder) {
  std::vector<std::string> out;
  for (const json& e : recorder.drops) {
    if (e["event_type"] != "anomaly" || e["anomaly"]["type"] != "failure") continue;
    const json& a = e["anomaly"];
    out.push_back(a["event"].get<std::string>() + " " + a["action"].get<std::string>() + " " + a.value("would", "-") + " " + a.value("rest", "-"));
  }
  return out;
}

bool nothing_dropped(const Recorder& recorder) {
  return std::none_of(recorder.drops.begin(), recorder.drops.end(), [](const json& e) { return e["event_type"] == "drop"; });
}

struct Odd {
  const char* name;
  FailureCause cause;
  const char* rest;
  bool recorded;      // as a transaction
  bool found_again;   // a request behind it is judged
  std::string bytes;
};

std::vector<Odd> odd_requests() {
  const std::string host = "Host: h\r\n";
  const auto violation = FailureCause::HttpViolation;
  return {
      {"fold", violation, "read", true, true, "GET / HTTP/1.1\r\n" + host + "X-A: b\r\n c\r\n\r\n"},
      {"two lengths", violation, "read", true, true, "POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\na"},
      {"length and chunks", violation, "read", true, true,
       "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"bare CR", violation, "read", true, true, "GET / HTTP/1.1\r\n" + host + "X-A: b\rc\r\n\r\n"},
      {"no host", violation, "read", true, true, "GET / HTTP/1.1\r\n\r\n"},
      {"chunk size", violation, "searched", true, true,
       "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"},
      {"blank first", violation, "read", true, true, " GET / HTTP/1.1\r\n" + host + "\r\n"},
      {"control octet first", violation, "searched", true, true, "\x1cGET / HTTP/1.1\r\n" + host + "\r\n"},
      {"a long line", FailureCause::HttpLimit, "read", true, true, "GET / HTTP/1.1\r\n" + host + "X-A: " + std::string(20'000, 'a') + "\r\n\r\n"},
      {"unknown coding", FailureCause::DecodeLimit, "read", true, true,
       "POST / HTTP/1.1\r\n" + host + "Content-Encoding: x-odd\r\nContent-Length: 1\r\n\r\na"},
      {"HTTP/2", FailureCause::Http2, "unread", false, false, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
  };
}

TEST(Detect, WhatIsRefusedElsewhereGoesOnAndIsTold) {
  for (const Odd& odd : odd_requests()) {
    for (const bool bytewise : {false, true}) {
      SCOPED_TRACE(std::string(odd.name) + (bytewise ? " byte by byte" : ""));
      Rig rig(in_mode(WafMode::Detect));
      rig.open();
      for (std::size_t i = 0; bytewise && odd.bytes.size() < 1000 && i < odd.bytes.size(); ++i) {
        rig.client.write(odd.bytes.substr(i, 1));
        rig.run(milliseconds(5));
      }
      if (!bytewise || odd.bytes.size() >= 1000) rig.client.write(odd.bytes);
      rig.run(milliseconds(500));
      EXPECT_EQ(rig.server.received, odd.bytes);
      rig.server.write(ok("first"));
      rig.run(milliseconds(100));
      EXPECT_EQ(rig.client.received, ok("first"));
      const std::string attack = get("/?x=attack");
      rig.client.write(attack);
      rig.run(milliseconds(500));
      EXPECT_EQ(rig.server.received, odd.bytes + attack);
      EXPECT_FALSE(rig.client.reset || rig.server.reset);
      EXPECT_GE(count(rig, odd.cause, FailureAction::Pass), 1U);
      EXPECT_EQ(count(rig, odd.cause, FailureAction::Reset), 0U);
      const std::vector<json> records = rig.judge.end();
      EXPECT_TRUE(nothing_dropped(rig.judge.recorder));
      EXPECT_EQ(failures(rig.judge.recorder).front(), std::string(name(odd.cause)) + " pass reset " + odd.rest);
      const json* first = records.empty() ? nullptr : &records.front();
      ASSERT_EQ(first != nullptr, odd.recorded);
      if (odd.recorded) {
        EXPECT_EQ((*first)["waf"]["decision"], "deny");
        EXPECT_EQ((*first)["waf"]["status"], 400);
        EXPECT_EQ((*first)["waf"]["mode"], "detect");
      }
      bool judged = false;
      for (const json& r : records) judged = judged || ids(r) == std::vector<int>{10};
      EXPECT_EQ(judged, odd.found_again);
    }
  }
}

TEST(Detect, TheSameIsRefusedWhereRequestsAreBlocked) {
  for (const Odd& odd : odd_requests()) {
    SCOPED_TRACE(odd.name);
    Rig rig(in_mode(WafMode::Block));
    rig.open();
    rig.client.write(odd.bytes);
    rig.run(seconds(1));
    EXPECT_NE(rig.server.received, odd.bytes);
    EXPECT_EQ(count(rig, odd.cause, FailureAction::Reset), 1U);
    EXPECT_THAT(failures(rig.judge.recorder), ElementsAre(std::string(name(odd.cause)) + " reset - -"));
  }
}

TEST(Detect, OffSaysNothingOfWhatWouldBe) {
  Rig rig(in_mode(WafMode::Off));
  rig.open();
  const std::string folded = "GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n";
  rig.client.write(folded);
  rig.run(milliseconds(500));
  EXPECT_EQ(rig.server.received, folded);
  EXPECT_THAT(failures(rig.judge.recorder), ElementsAre("http-violation pass - read"));
  for (const json& r : rig.judge.end()) EXPECT_EQ(r["waf"]["decision"], "pass");
}

TEST(Detect, WhenLessOfTheRestIsReadItIsToldAgain) {
  Rig rig(in_mode(WafMode::Detect));
  rig.open();
  for (const char* text : {"GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n c\r\n\r\n",
                           "no request at all\r\n\r\n", "again none\r\n\r\n"}) {
    rig.client.write(text);
    rig.run(milliseconds(50));
  }
  EXPECT_THAT(failures(rig.judge.recorder), ElementsAre("http-violation pass reset read", "http-violation pass reset searched"));
}

TEST(Detect, TheServersSideToo) {
  Rig rig(in_mode(WafMode::Detect));
  rig.open();
  rig.client.write(get("/"));
  rig.run(milliseconds(50));
  const std::string odd = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na";
  rig.server.write(odd);
  rig.run(milliseconds(500));
  EXPECT_EQ(rig.client.received, odd);
  EXPECT_THAT(failures(rig.judge.recorder), ElementsAre("http-violation pass reset read"));
  EXPECT_EQ(rig.judge.end().front()["waf"]["status"], 502);
}

TEST(Detect, AProxyHeaderThatIsBroken) {
  RigOptions o = in_mode(WafMode::Detect);
  o.inspector.client.proxy_protocol = ProxyProtocol::Require;
  o.inspector.client.trusted = {*IpPrefix::parse("192.0.2.0/24")};
  Rig rig(o);
  rig.open();
  rig.client.write(get("/?x=attack"));
  rig.run(milliseconds(500));
  EXPECT_EQ(rig.server.received, get("/?x=attack"));
  EXPECT_THAT(failures(rig.judge.recorder), ElementsAre("proxy-protocol pass reset unread"));
}

TEST(Detect, ATransactionThatMustGoTakesNobodyAlong) {
  RigOptions o = in_mode(WafMode::Detect);
  o.inspector.transactions = 1;
  Rig rig(o);
  rig.open();
  const std::string whole = post("a=attack");
  send_around_another(rig, whole);
  EXPECT_EQ(rig.server.received, whole);
  EXPECT_FALSE(rig.client.reset);
  EXPECT_THAT(failures(rig.judge.recorder), ElementsAre("transactions pass reset -"));
}

TEST(Detect, ARehearsalHeedsTheMode) {
  for (const auto& [cause, refused] : {std::pair{FailureCause::HttpViolation, false}, std::pair{FailureCause::Midstream, true}}) {
    RigOptions o = in_mode(WafMode::Detect);
    o.inspector.force = cause;
    o.inspector.force_every = 4;
    Rig rig(o);
    rig.open();
    rig.client.write(get("/"));
    rig.run(milliseconds(50));
    EXPECT_EQ(rig.client.reset, refused);
    EXPECT_EQ(rig.server.received == get("/"), !refused);
  }
}

// --- sites of both kinds on one address ---

std::shared_ptr<const Sites> one_blocks() {
  const SitePolicy watched{"", rule_set(), WafMode::Detect, 1, {}}, kept{"kept", rule_set(), WafMode::Block, 1, {}};
  return std::make_shared<const Sites>(watched, std::vector<Site>{{{{}, {}, {"kept.example"}, {}}, kept}});
}

std::string folded(const std::string& host) { return "GET / HTTP/1.1\r\nX-A: b\r\n c\r\nHost: " + host + "\r\n\r\n"; }

TEST(Detect, BesideASiteThatBlocks) {
  Rig rig(in_mode(WafMode::Block));
  rig.judge.inspector.use(one_blocks());
  rig.open();
  rig.client.write(folded("other.example"));
  rig.run(milliseconds(200));
  EXPECT_EQ(rig.server.received, folded("other.example"));
  rig.server.write(ok("first"));
  rig.run(milliseconds(200));
  rig.client.write(folded("kept.example"));
  rig.run(seconds(1));
  EXPECT_EQ(rig.server.received, folded("other.example"));
  EXPECT_THAT(rig.client.received, HasSubstr("HTTP/1.1 400 "));
}

// A server that skips the blank, or ends lines with CR, would find a request to the site that blocks.
TEST(Detect, WhoseRequestItIsNobodyKnows) {
  const std::string hidden = "GET /?x=attack HTTP/1.1\r\nHost: kept.example\r\n\r\n", open = get("/open");
  for (const std::string& odd : {" " + hidden + open, "\x1c" + hidden + open, std::string("GET /?x=attack HTTP/1.1\r\nHost: kept.example\r\n\rX: y\r\nZ: z"),
                                 std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
    SCOPED_TRACE(odd);
    Rig rig(in_mode(WafMode::Block));
    rig.judge.inspector.use(one_blocks());
    rig.open();
    rig.client.write(odd);
    rig.run(seconds(1));
    EXPECT_EQ(rig.server.received, "");
    Rig free(in_mode(WafMode::Detect));
    free.open();
    free.client.write(odd);
    free.run(seconds(1));
    EXPECT_EQ(free.server.received, odd) << "with nobody to protect";
  }
}

TEST(Detect, BytesThatAreNoRequestGoOnWhereTheAddressOnlyDetects) {
  const SitePolicy kept{"kept", rule_set(), WafMode::Block, 1, {}}, watched{"watched", rule_set(), WafMode::Detect, 1, {}};
  const auto sites = std::make_shared<const Sites>(
      kept, std::vector<Site>{{{{*IpPrefix::parse("198.51.100.0/24")}, {}, {"a.example"}, {}}, watched},
                              {{{*IpPrefix::parse("198.51.100.0/24")}, {}, {}, {}}, watched}});
  Rig rig(in_mode(WafMode::Block));
  rig.judge.inspector.use(sites);
  rig.open();
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  rig.client.write(preface);
  rig.run(seconds(1));
  EXPECT_EQ(rig.server.received, preface);
}

TEST(Detect, AReloadHoldsForTheNextRequestOfAConnection) {
  Rig rig(in_mode(WafMode::Block));
  rig.open();
  rig.client.write(get("/one"));
  rig.run(milliseconds(50));
  rig.serve(ok("first"));
  rig.run(milliseconds(50));
  rig.judge.inspector.use(std::make_shared<const Sites>(SitePolicy{"", rule_set(), WafMode::Detect, 1, {}}));
  rig.client.write(folded("h"));
  rig.run(milliseconds(500));
  EXPECT_THAT(rig.server.received, HasSubstr(folded("h")));
  rig.server.write(ok("second"));
  rig.run(milliseconds(50));
  rig.judge.inspector.use(std::make_shared<const Sites>(SitePolicy{"", rule_set(), WafMode::Block, 1, {}}));
  rig.client.write("GET /two HTTP/1.1\r\nX-A: b\r\n c\r\nHost: h\r\n\r\n");
  rig.run(seconds(1));
  EXPECT_THAT(rig.server.received, Not(HasSubstr("/two")));
  EXPECT_THAT(rig.client.received, HasSubstr("HTTP/1.1 400 "));
}

}  // namespace
}  // namespace weir::inspect::test
