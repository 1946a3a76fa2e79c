// From packets to records: every test writes a conversation, and reads what the Inspector said of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "app/formats/jsonl.h"
#include "engine/inspect/inspector.h"
#include "tests/unit/inspect/conversation.h"

namespace weir::inspect::test {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const char kRules[] = R"(
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html
SecRequestBodyLimit 100000
SecResponseBodyLimit 100000
SecResponseBodyLimitAction ProcessPartial
SecAction "id:1,phase:1,pass,nolog,setvar:tx.anomaly_score=0"
SecRule ARGS_GET "@contains attack" "id:10,phase:1,deny,status:403,log,msg:'attack in the query',severity:CRITICAL,tag:'t1',tag:'t2',setvar:tx.anomaly_score=+5"
SecRule ARGS_POST "@contains attack" "id:20,phase:2,deny,status:406,log,msg:'attack in the body',setvar:tx.anomaly_score=+7"
SecRule REQUEST_HEADERS:X-Note "@rx ." "id:21,phase:2,pass,log,msg:'note %{UNIQUE_ID}'"
SecRule REQUEST_HEADERS:X-Late "@rx ." "id:22,phase:2,deny,status:403,log,msg:'trailer'"
SecRule RESPONSE_HEADERS:X-Leak "@rx ." "id:30,phase:3,deny,status:500,log,msg:'leaking header'"
SecRule RESPONSE_BODY "@contains secret" "id:40,phase:4,deny,status:502,log,msg:'secret in the page'"
SecRule REQUEST_URI "@contains redirect" "id:11,phase:1,redirect:https://elsewhere.example/,status:302,log,msg:'go away'"
SecRule REQUEST_URI "@contains dropme" "id:12,phase:1,drop,log,msg:'drop'"
SecRule REQUEST_METHOD "@rx ." "id:50,phase:5,pass,nolog"
)";

std::shared_ptr<const rules::RuleSet> load(const std::string& text) {
  rules::LoadResult result = rules::RuleSet::load({rules::Source::memory("test", text)}, {});
  for (const auto& d : result.diagnostics) {
    EXPECT_NE(d.severity, rules::Severity::Error) << d.file << ':' << d.line << ": " << d.message;
  }
  return result.rules;
}

std::shared_ptr<const rules::RuleSet> rule_set() {
  static const auto rules = load(kRules);
  return rules;
}

struct Recorder final : EventSink {
  void write(const Event& event) override {
    std::string line;
    format.append(event, {"test"}, line);
    json record = json::parse(line);
    (event.type == EventType::Http ? http : drops).push_back(record);
  }
  app::JsonlFormat format;
  std::vector<json> http, drops;
};

struct Session1 {  // an inspector with its recorder
  explicit Session1(const InspectorOptions& options = {},
                    std::shared_ptr<const rules::RuleSet> rules = rule_set())
      : inspector(options, recorder, std::move(rules)) {}

  Verdict feed(const Capture::Frame& frame) {
    Packet packet;
    packet.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
    packet.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
    packet.link = link;
    packet.time = {frame.time_ns};
    packet.number = packet.token = ++number;
    return inspector.on_packet(packet);
  }
  // The numbers of the packets that were not let through.
  std::vector<std::uint64_t> feed(const Capture& capture) {
    std::vector<std::uint64_t> dropped;
    for (const auto& frame : capture.frames) {
      if (feed(frame).kind == VerdictKind::Drop) dropped.push_back(number);
    }
    return dropped;
  }
  std::vector<std::uint64_t> feed(const Conversation& c) {
    Capture capture;
    capture.add(c);
    return feed(capture);
  }
  const std::vector<json>& end() {
    inspector.end_of_input();
    return recorder.http;
  }

  Recorder recorder;
  Inspector inspector;
  LinkType link = LinkType::Ethernet;
  std::uint64_t number = 0;
};

std::vector<json> records(const Conversation& c, const InspectorOptions& options = {}) {
  Session1 s(options);
  s.feed(c);
  return s.end();
}

InspectorOptions blocking() {
  InspectorOptions o;
  o.mode = WafMode::Block;
  return o;
}

InspectorOptions in_line(WafMode mode = WafMode::Block) {
  InspectorOptions o;
  o.stance = Stance::Inline;
  o.mode = mode;
  return o;
}

std::vector<int> ids(const json& record) {
  std::vector<int> out;
  for (const auto& rule : record["waf"]["rules"]) out.push_back(rule["id"]);
  return out;
}

std::string get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test/1\r\n" + more + "\r\n";
}

std::string post(const std::string& body, const std::string& more = "") {
  return "POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
}

std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

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
  Session1 s;
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
  Session1 s;
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
  Session1 s;
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
  Session1 s;
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
  Session1 s;
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
  Session1 s(o);
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
  Session1 s;
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
  Session1 s;
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

// --- inline ---

TEST(Inline, ThePacketThatCompletesTheHeadersIsDropped) {
  Session1 s(in_line());
  Conversation c;
  c.mss = 40;
  c.open().client(get("/?x=attack"));
  const std::size_t request = c.segments.size();
  c.server(ok("never")).close();
  const auto dropped = s.feed(c);
  // SYN, SYN/ACK, ACK, all of the request but its last segment go through.
  ASSERT_FALSE(dropped.empty());
  EXPECT_EQ(dropped.front(), request - 1) << "the last data segment; after it comes the server's ACK";
  EXPECT_EQ(dropped.size(), c.segments.size() - request + 2) << "and everything after it";
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["waf"]["decision"], "deny");
  EXPECT_EQ(all[0]["waf"]["mode"], "block");
  EXPECT_FALSE(all[0]["http"].contains("status"));
  EXPECT_EQ(s.recorder.drops.front()["drop"]["reason"], "rule");
  EXPECT_EQ(s.recorder.drops.front()["drop"]["rule_id"], 10);
  EXPECT_EQ(s.recorder.drops.back()["drop"]["reason"], "flow-blocked");
  EXPECT_EQ(s.inspector.counters().dropped_packets, dropped.size());
}

TEST(Inline, TheLastByteOfTheBodyIsDropped) {
  Session1 s(in_line());
  Conversation c;
  const std::string request = post("a=attack");
  c.open().client(request.substr(0, request.size() - 1));
  const std::size_t before = c.segments.size();
  c.client(request.substr(request.size() - 1));
  const auto dropped = s.feed(c);
  ASSERT_FALSE(dropped.empty());
  EXPECT_EQ(dropped.front(), before + 1);
}

TEST(Inline, CleanTrafficPasses) {
  Session1 s(in_line());
  Conversation c;
  c.open().client(get("/a") + post("x=y")).server(ok("1") + ok("2")).close();
  EXPECT_THAT(s.feed(c), IsEmpty());
  EXPECT_EQ(s.end().size(), 2U);
}

TEST(Inline, DetectModeDropsNothing) {
  Session1 s(in_line(WafMode::Detect));
  Conversation c;
  c.open().client(get("/?x=attack")).server(ok("secret")).close();
  EXPECT_THAT(s.feed(c), IsEmpty());
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["waf"]["decision"], "deny");
}

TEST(Inline, AmbiguousFramingIsRefused) {
  Session1 s(in_line());
  Conversation c;
  c.open().client(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  c.server(ok("x"));
  const auto dropped = s.feed(c);
  ASSERT_FALSE(dropped.empty());
  EXPECT_EQ(dropped.front(), 4U);
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["waf"]["decision"], "deny");
  EXPECT_EQ(all[0]["waf"]["status"], 400);
  EXPECT_THAT(all[0]["waf"]["violations"], ::testing::Contains("content-length-with-transfer-encoding"));
  EXPECT_EQ(s.recorder.drops.front()["drop"]["reason"], "http-violation");
}

TEST(Inline, AChunkedBodyIsJudgedAtTheLastChunk) {
  Session1 s(in_line());
  Conversation c;
  c.open().client(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
      "Transfer-Encoding: chunked\r\n\r\n8\r\na=attack\r\n");
  const std::size_t before = c.segments.size();
  c.client("0\r\n");  // some servers act on this
  c.client("\r\n");
  const auto dropped = s.feed(c);
  ASSERT_FALSE(dropped.empty());
  EXPECT_EQ(dropped.front(), before + 1);
}

TEST(Inline, FragmentsWaitForTheirDatagram) {
  Session1 s(in_line());
  s.link = LinkType::RawIp;
  const auto fragments = [](const std::string& ip) {
    // Two fragments of an IPv4 packet without options.
    const std::size_t first = 24;
    const auto piece = [&ip](std::size_t from, std::size_t to, bool more) {
      std::string p = ip.substr(0, 20) + ip.substr(20 + from, to - from);
      const std::size_t length = p.size();
      p[2] = static_cast<char>(length >> 8);
      p[3] = static_cast<char>(length);
      const std::size_t offset = from / 8 + (more ? 0x2000 : 0);
      p[6] = static_cast<char>(offset >> 8);
      p[7] = static_cast<char>(offset);
      p[10] = p[11] = 0;
      std::uint32_t sum = 0;
      for (std::size_t i = 0; i < 20; i += 2) {
        sum += static_cast<std::uint32_t>(static_cast<unsigned char>(p[i]) << 8 | static_cast<unsigned char>(p[i + 1]));
      }
      while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
      p[10] = static_cast<char>(~sum >> 8);
      p[11] = static_cast<char>(~sum);
      return p;
    };
    return std::vector<std::string>{piece(0, first, true), piece(first, ip.size() - 20, false)};
  };
  for (const bool attack : {false, true}) {
    Conversation c(attack ? 40001 : 40002);
    c.open().client(get(attack ? "/?x=attack" : "/"));
    for (const Segment& segment : c.segments) {
      const std::string ip = ip_frame(segment.from_client ? c.client_host : c.server_host,
                                      segment.from_client ? c.server_host : c.client_host, segment, false);
      if (segment.payload.empty()) {
        if (segment.from_client || (segment.flags & 2) != 0) {
          EXPECT_TRUE(s.feed({ip, segment.time_ns}).forwarded());
        }
        continue;
      }
      const auto parts = fragments(ip);
      const Verdict first = s.feed({parts[0], segment.time_ns});
      EXPECT_EQ(first.kind, VerdictKind::Hold);
      const std::uint64_t held = s.number;
      const Verdict second = s.feed({parts[1], segment.time_ns});
      EXPECT_EQ(second.forwarded(), !attack);
      ASSERT_EQ(second.held.size(), 1U);
      EXPECT_EQ(second.held[0].number, held);
      EXPECT_EQ(second.held[0].fate, attack ? Fate::Drop : Fate::Forward);
    }
  }
  ASSERT_EQ(s.end().size(), 2U);
}

}  // namespace
}  // namespace weir::inspect::test
