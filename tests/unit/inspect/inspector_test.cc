// From packets to records: every test writes a conversation, and reads what the Inspector said of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/inspect/judge.h"

namespace weir::inspect::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Inspector, OneCleanTransaction) {
  Conversation c;
  const auto all = records(c.open().client(get("/a?b=c")).server(ok("hello")).close());
  ASSERT_EQ(all.size(), 1U);
  const json& r = all[0];
  EXPECT_EQ(r["tx_id"], 0);
  EXPECT_EQ(r["src_ip"], "192.0.2.7");
  EXPECT_EQ(r["src_port"], 40000);
  EXPECT_EQ(r["dest_ip"], "198.51.100.2");
  EXPECT_EQ(r["dest_port"], 80);
  EXPECT_EQ(r["pcap_cnt"], 6) << "the packet with the end of the response";
  EXPECT_EQ(r["timestamp"], "1970-01-01T00:00:01.003000+0000") << "of the request";
  EXPECT_EQ(r["http"]["hostname"], "example.com");
  EXPECT_EQ(r["http"]["url"], "/a?b=c");
  EXPECT_EQ(r["http"]["http_method"], "GET");
  EXPECT_EQ(r["http"]["protocol"], "HTTP/1.1");
  EXPECT_EQ(r["http"]["status"], 200);
  EXPECT_EQ(r["http"]["request_body_len"], 0);
  EXPECT_EQ(r["http"]["response_body_len"], 5);
  EXPECT_EQ(r["http"]["http_user_agent"], "test/1");
  EXPECT_EQ(r["http"]["http_content_type"], "text/plain");
  EXPECT_EQ(r["waf"]["decision"], "pass");
  EXPECT_EQ(r["waf"]["mode"], "detect");
  EXPECT_FALSE(r["waf"].contains("status"));
  EXPECT_THAT(r["waf"]["rules"], IsEmpty());
  EXPECT_THAT(r["waf"]["violations"], IsEmpty());
  EXPECT_EQ(r["waf"]["truncated"], false);
}

TEST(Inspector, DetectModeSaysWhatBlockModeWouldDo) {
  Conversation c;
  c.open().client(get("/?q=attack&x=redirect")).server(ok("secret")).close();
  const auto detect = records(c);
  ASSERT_EQ(detect.size(), 1U);
  EXPECT_EQ(detect[0]["waf"]["decision"], "deny");
  EXPECT_EQ(detect[0]["waf"]["status"], 403);
  EXPECT_EQ(detect[0]["waf"]["score"]["inbound"], 5);
  EXPECT_THAT(ids(detect[0]), ElementsAre(10, 11, 40)) << "judged to the end";
  const json& rule = detect[0]["waf"]["rules"][0];
  EXPECT_EQ(rule["phase"], 1);
  EXPECT_EQ(rule["msg"], "attack in the query");
  EXPECT_EQ(rule["severity"], "CRITICAL");
  EXPECT_THAT(rule["tags"], ElementsAre("t1", "t2"));
  EXPECT_EQ(rule["target"], "ARGS_GET:q");
  EXPECT_EQ(rule["value"]["text"], "attack");

  const auto block = records(c, blocking());
  ASSERT_EQ(block.size(), 1U);
  EXPECT_EQ(block[0]["waf"]["decision"], "deny");
  EXPECT_EQ(block[0]["waf"]["mode"], "block");
  EXPECT_THAT(ids(block[0]), ElementsAre(10)) << "stops at the decision";
}

TEST(Inspector, EveryPhaseDecides) {
  const struct {
    const char* name;
    std::string request, response;
    int id, status;
    const char* decision;
  } cases[] = {
      {"headers", get("/?a=attack"), ok("x"), 10, 403, "deny"},
      {"body", post("a=attack"), ok("x"), 20, 406, "deny"},
      {"response headers", get("/"), ok("x", "X-Leak: 1\r\n"), 30, 500, "deny"},
      {"response body", get("/"), ok("a secret"), 40, 502, "deny"},
      {"redirect", get("/redirect"), ok("x"), 11, 302, "redirect"},
      {"drop", get("/dropme"), ok("x"), 12, 0, "drop"},
      {"chunked", "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na=at\r\n4\r\ntack\r\n0\r\n\r\n", ok("x"), 20, 406, "deny"},
      {"trailer", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Late: 1\r\n\r\n", ok("x"), 22, 403, "deny"},
  };
  for (const auto& test : cases) {
    for (const WafMode mode : {WafMode::Detect, WafMode::Block}) {
      InspectorOptions o;
      o.mode = mode;
      Conversation c;
      const auto all = records(c.open().client(test.request).server(test.response).close(), o);
      ASSERT_EQ(all.size(), 1U) << test.name;
      EXPECT_EQ(all[0]["waf"]["decision"], test.decision) << test.name;
      EXPECT_EQ(all[0]["waf"].value("status", 0), test.status) << test.name;
      EXPECT_THAT(ids(all[0]), ElementsAre(test.id)) << test.name;
    }
  }
}

TEST(Inspector, KeepAliveAndPipelining) {
  Conversation c;
  c.open().client(get("/0")).server(ok("0"));
  c.client(get("/1?x=attack") + post("a=b") + get("/3")).server(ok("1") + ok("2") + ok("3")).close();
  const auto all = records(c);
  ASSERT_EQ(all.size(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)]["tx_id"], i);
  EXPECT_EQ(all[2]["http"]["http_method"], "POST");
  EXPECT_EQ(all[2]["http"]["request_body_len"], 3);
  EXPECT_THAT(ids(all[1]), ElementsAre(10));
  EXPECT_THAT(ids(all[3]), IsEmpty());
}

TEST(Inspector, ARequestWithoutResponseIsJudged) {
  for (const bool close : {false, true}) {
    Conversation c;
    c.open().client(get("/?x=attack"));
    if (close) c.close();
    const auto all = records(c);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_THAT(ids(all[0]), ElementsAre(10));
    EXPECT_FALSE(all[0]["http"].contains("status"));
    EXPECT_EQ(all[0]["waf"]["truncated"], false) << "the request is whole";
  }
}

TEST(Inspector, ARequestThatNeverEndsIsJudgedAsFarAsItCame) {
  Conversation c;
  c.open().client("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na=attack");
  const auto all = records(c);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(ids(all[0]), ElementsAre(20));
  EXPECT_EQ(all[0]["waf"]["truncated"], true);
}

TEST(Inspector, AnEarlyResponseWaitsForPhaseTwo) {
  Conversation c;
  c.open()
      .client("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\na=a")
      .server(ok("the secret", "X-Leak: 1\r\n"))
      .client("ttack")
      .close();
  const auto all = records(c);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(ids(all[0]), ElementsAre(20, 30, 40)) << "in the order of the phases";
  EXPECT_EQ(all[0]["http"]["status"], 200);
  EXPECT_EQ(all[0]["waf"]["truncated"], false);
}

TEST(Inspector, AnEarlyResponseIsKeptWithinABound) {
  InspectorOptions o;
  o.early_response_bytes = 10;
  Conversation c;
  c.open()
      .client("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\na")
      .server(ok(std::string(50, 'x') + "secret"))
      .client("b")
      .close();
  const auto all = records(c, o);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(ids(all[0]), IsEmpty());
  EXPECT_EQ(all[0]["waf"]["truncated"], true);
}

TEST(Inspector, AGapIsSaidNotInvented) {
  // In a body of known length: counted, the connection goes on.
  Conversation c;
  c.mss = 200;
  c.open();
  c.client("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 30\r\n\r\n");
  c.client("a=12345678");
  c.lose_next().client("&b=attack1");
  c.client("&c=1234567").server(ok("x")).client(get("/next?x=attack")).server(ok("y")).close();
  const auto all = records(c);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["waf"]["truncated"], true);
  EXPECT_THAT(ids(all[0]), IsEmpty());
  EXPECT_EQ(all[1]["waf"]["truncated"], false);
  EXPECT_THAT(ids(all[1]), ElementsAre(10));
  // Within the headers: the transaction ends there, the next one is found again.
  Conversation d;
  d.mss = 200;
  d.open().client("GET /one HTTP/1.1\r\nHost: h\r\n").lose_next().client("X-A: b\r\n").client("X-C: d\r\n\r\n").server(ok("x"));
  d.client(get("/two?x=attack")).server(ok("y")).close();
  const auto two = records(d);
  ASSERT_GE(two.size(), 2U);
  EXPECT_EQ(two[0]["waf"]["truncated"], true);
  EXPECT_THAT(ids(two.back()), ElementsAre(10));
}

TEST(Inspector, MidstreamIsPickedUp) {
  Conversation c;
  c.open().client(get("/before")).server(ok("x")).client(get("/?x=attack")).server(ok("y")).close();
  Capture capture;
  capture.add(c, {c.segments.begin() + 5, c.segments.end()});  // from the first response on
  Judge s;
  s.feed(capture);
  const auto& all = s.end();
  ASSERT_FALSE(all.empty());
  EXPECT_THAT(ids(all.back()), ElementsAre(10));
  EXPECT_EQ(all.back()["src_port"], 40000);
}

TEST(Inspector, AResponseAloneIsToldButNotJudged) {
  Conversation c;
  c.open().client(get("/")).server(ok("the secret")).close();
  std::vector<Segment> responses;
  for (const Segment& s : c.segments) {
    if (!s.from_client) responses.push_back(s);
  }
  Capture capture;
  capture.add(c, responses);
  Judge s;
  s.feed(capture);
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["http"]["status"], 200);
  EXPECT_FALSE(all[0]["http"].contains("url"));
  EXPECT_EQ(all[0]["waf"]["truncated"], true);
  EXPECT_THAT(ids(all[0]), IsEmpty());
  EXPECT_EQ(all[0]["dest_port"], 80);
}

TEST(Inspector, WhatIsNoHttpMakesNoTransaction) {
  Judge s;
  Conversation tls(40001);
  tls.open().client(std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", 10)).server("\x16\x03").close();
  Conversation ssh(40002);
  ssh.open().server("SSH-2.0-OpenSSH_9.2\r\n").client("SSH-2.0-OpenSSH_9.2\r\n").close();
  Conversation h2(40003);
  h2.open().client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").server("x").close();
  Conversation silent(40004);
  silent.open().close();
  for (const auto* c : {&tls, &ssh, &h2, &silent}) s.feed(*c);
  EXPECT_THAT(s.end(), IsEmpty());
  const InspectorCounters& n = s.inspector.counters();
  EXPECT_EQ(n.flows, 4U);
  EXPECT_EQ(n.flows_tls, 1U);
  EXPECT_EQ(n.flows_http2, 1U);
  EXPECT_EQ(n.flows_other, 2U);
  EXPECT_EQ(n.flows_http, 0U);
}

TEST(Inspector, AnyPortButThoseThatAreAskedFor) {
  Conversation c;
  c.server_host.port = 12345;
  c.open().client(get("/")).server(ok("x")).close();
  EXPECT_EQ(records(c).size(), 1U);
  InspectorOptions o;
  o.ports = {80};
  EXPECT_EQ(records(c, o).size(), 0U);
  o.ports = {80, 12345};
  EXPECT_EQ(records(c, o).size(), 1U);
}

TEST(Inspector, ViolationsHaveNames) {
  Conversation c;
  const auto all = records(c.open().client("GET / HTTP/1.1\nHost: h\n\n").server(ok("x")).close());
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(all[0]["waf"]["violations"], ElementsAre("bare-lf"));
}

TEST(Inspector, UpgradeEndsTheReading) {
  Conversation c;
  c.open()
      .client(get("/chat", "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
      .server("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
      .client(get("/?x=attack"))
      .server("abc")
      .close();
  Judge s;
  s.feed(c);
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["http"]["status"], 101);
  EXPECT_EQ(s.inspector.counters().tunnels, 1U);
}

TEST(Inspector, UniqueIdsAreUniqueAndStable) {
  Conversation c;
  c.open();
  for (int i = 0; i < 3; ++i) c.client(get("/", "X-Note: 1\r\n")).server(ok("x"));
  c.close();
  const auto once = records(c), again = records(c);
  ASSERT_EQ(once.size(), 3U);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < 3; ++i) {
    seen.insert(once[i]["waf"]["rules"][0]["msg"]);
    EXPECT_EQ(once[i], again[i]);
  }
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_LT(once[0]["flow_id"].get<std::uint64_t>(), 1ULL << 53);
}

TEST(Inspector, NewRulesForNewTransactions) {
  const auto other = load("SecAction \"id:99,phase:1,pass,log,msg:'new'\"\nSecAction \"id:98,phase:2,pass,log,msg:'new'\"");
  Judge s;
  Conversation c;
  c.open().client("GET /?x=attack HTTP/1.1\r\n");
  const std::size_t half = c.segments.size();
  c.client("Host: h\r\n\r\n").server(ok("x")).client(get("/?x=attack")).server(ok("y")).close();
  Capture before, after;
  before.add(c, {c.segments.begin(), c.segments.begin() + static_cast<std::ptrdiff_t>(half)});
  after.add(c, {c.segments.begin() + static_cast<std::ptrdiff_t>(half), c.segments.end()});
  s.feed(before);
  s.inspector.use(other);
  s.feed(after);
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(ids(all[0]), ElementsAre(10));
  EXPECT_THAT(ids(all[1]), ElementsAre(99, 98));
}

TEST(Inspector, TooManyTransactionsAtATime) {
  InspectorOptions o;
  o.transactions = 4;
  Judge s(o);
  for (int i = 0; i < 20; ++i) {
    Conversation c(static_cast<std::uint16_t>(41000 + i), 1'000'000'000 + i);
    s.feed(c.open().client("GET /?x=attack HTTP/1.1\r\nHost: h\r\n"));
  }
  EXPECT_EQ(s.recorder.http.size(), 16U);
  EXPECT_EQ(s.inspector.counters().evicted, 16U);
  const auto& all = s.end();
  EXPECT_EQ(all.size(), 20U);
  for (const json& r : all) {
    EXPECT_EQ(r["waf"]["truncated"], true);
    EXPECT_THAT(ids(r), ElementsAre(10)) << "what came is judged";
  }
}

TEST(Inspector, ConnectionsEndWithTime) {
  Judge s;
  Conversation c;
  s.feed(c.open().client(get("/?x=attack")));
  EXPECT_THAT(s.recorder.http, IsEmpty());
  (void)s.inspector.on_time({1'000'000'000'000'000});
  ASSERT_EQ(s.recorder.http.size(), 1U);
  EXPECT_EQ(s.recorder.http[0]["pcap_cnt"], 4) << "its own last packet";
}

TEST(Inspector, SixAndFour) {
  Conversation c;
  c.client_host.address = "2001:db8::7";
  c.server_host.address = "2001:db8::80";
  const auto all = records(c.open().client(get("/?x=attack")).server(ok("x")).close());
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["src_ip"], "2001:db8::7");
  EXPECT_THAT(ids(all[0]), ElementsAre(10));
}

TEST(Inspector, GarbageIsCounted) {
  Judge s;
  Capture capture;
  capture.frames.push_back({std::string("\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00\x45", 15), 1});
  capture.frames.push_back({std::string("\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x06", 14), 2});
  capture.frames.push_back({"", 3});
  s.feed(capture);
  EXPECT_THAT(s.end(), IsEmpty());
  EXPECT_EQ(s.inspector.counters().packets, 3U);
  EXPECT_EQ(s.inspector.counters().not_tcp, 1U);
  EXPECT_EQ(s.inspector.counters().malformed, 2U);
}

}  // namespace
}  // namespace weir::inspect::test
