// For whom requests come: PROXY protocol in front of a connection, X-Forwarded-For and Forwarded within, each
// believed from trusted hops only; and that nothing of this lets a request by that was not judged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/inspect/client_address.h"
#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress address(const char* text) { return *IpAddress::parse(text); }

ClientAddressOptions options(ProxyProtocol protocol, ForwardedHeader header = ForwardedHeader::None) {
  ClientAddressOptions o;
  o.proxy_protocol = protocol;
  o.header = header;
  // The conversation's client, and two proxies in front of it.
  o.trusted = {*IpPrefix::parse("192.0.2.7"), *IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("2001:db8:a::/48")};
  return o;
}

std::string found(ForwardedHeader header, const char* hop, const std::vector<std::string_view>& fields) {
  const Client client = client_of(options(ProxyProtocol::Off, header), {address(hop), 0, {}}, fields);
  return client.address.to_string() + (client.port != 0 ? " " + std::to_string(client.port) : "") +
         (client.source.empty() ? "" : " " + std::string(client.source));
}

TEST(Client, TheFirstHopFromTheRightThatIsNotTrusted) {
  const auto xff = [](const char* hop, const std::vector<std::string_view>& fields) {
    return found(ForwardedHeader::XForwardedFor, hop, fields);
  };
  EXPECT_EQ(xff("192.0.2.7", {"203.0.113.9"}), "203.0.113.9 x-forwarded-for");
  EXPECT_EQ(xff("203.0.113.1", {"203.0.113.9"}), "203.0.113.1") << "who sends is not trusted";
  EXPECT_EQ(xff("192.0.2.7", {"1.1.1.1, 203.0.113.9"}), "203.0.113.9 x-forwarded-for") << "the client wrote the first one";
  EXPECT_EQ(xff("192.0.2.7", {"1.1.1.1, 203.0.113.9, 10.1.1.1"}), "203.0.113.9 x-forwarded-for");
  EXPECT_EQ(xff("192.0.2.7", {"1.1.1.1", "203.0.113.9", "10.1.1.1"}), "203.0.113.9 x-forwarded-for") << "lines are one list";
  EXPECT_EQ(xff("192.0.2.7", {"10.1.1.1, 10.1.1.2"}), "10.1.1.1 x-forwarded-for") << "all are trusted";
  EXPECT_EQ(xff("192.0.2.7", {"203.0.113.9, junk, 10.1.1.1"}), "10.1.1.1 x-forwarded-for") << "it does not say for whom";
  EXPECT_EQ(xff("192.0.2.7", {"203.0.113.9, junk"}), "192.0.2.7");
  EXPECT_EQ(xff("192.0.2.7", {"203.0.113.9,"}), "192.0.2.7");
  EXPECT_EQ(xff("192.0.2.7", {}), "192.0.2.7");
  EXPECT_EQ(xff("192.0.2.7", {""}), "192.0.2.7");
  EXPECT_EQ(xff("192.0.2.7", {"[2001:db8::9]:81"}), "2001:db8::9 81 x-forwarded-for");
  EXPECT_EQ(xff("::ffff:192.0.2.7", {"::ffff:203.0.113.9"}), "203.0.113.9 x-forwarded-for");
  EXPECT_EQ(xff("2001:db8:a::1", {"203.0.113.9, ::ffff:10.0.0.1"}), "203.0.113.9 x-forwarded-for");
  const auto rfc = [](const char* hop, const std::vector<std::string_view>& fields) {
    return found(ForwardedHeader::Forwarded, hop, fields);
  };
  EXPECT_EQ(rfc("192.0.2.7", {"for=1.1.1.1, for=203.0.113.9;proto=http, for=\"10.0.0.1:99\""}), "203.0.113.9 forwarded");
  EXPECT_EQ(rfc("192.0.2.7", {"for=203.0.113.9, for=unknown"}), "192.0.2.7");
  EXPECT_EQ(rfc("192.0.2.7", {"for=203.0.113.9, for=_x, for=10.0.0.1"}), "10.0.0.1 forwarded");
  EXPECT_EQ(found(ForwardedHeader::None, "192.0.2.7", {"203.0.113.9"}), "192.0.2.7");
}

TEST(Client, HopsAreBounded) {
  std::string all = "203.0.113.9";
  for (std::size_t i = 0; i < kMostHops; ++i) all += ",10.0.0." + std::to_string(i);
  EXPECT_EQ(found(ForwardedHeader::XForwardedFor, "192.0.2.7", {all}), "10.0.0.0 x-forwarded-for");
  std::string fewer = "203.0.113.9";
  for (std::size_t i = 1; i < kMostHops; ++i) fewer += ",10.0.0." + std::to_string(i);
  EXPECT_EQ(found(ForwardedHeader::XForwardedFor, "192.0.2.7", {fewer}), "203.0.113.9 x-forwarded-for");
}

// --- on connections ---

const char kWho[] = "SecRule REMOTE_ADDR \"@rx .\" \"id:5,phase:1,pass,log,msg:'%{REMOTE_ADDR} %{REMOTE_PORT}'\"\n";

std::shared_ptr<const rules::RuleSet> who() {
  static const auto rules = load(std::string(kRules) + kWho);
  return rules;
}

InspectorOptions with(const ClientAddressOptions& client, Stance stance = Stance::Inline) {
  InspectorOptions o = in_line();
  o.stance = stance;
  o.client = client;
  return o;
}

// What the rules saw, and what the record says.
std::vector<std::string> clients(const std::vector<json>& records) {
  std::vector<std::string> out;
  for (const json& r : records) {
    std::string one;
    for (const json& rule : r["waf"]["rules"]) {
      if (rule["id"] == 5) one = rule["msg"];
    }
    if (r.contains("client")) {
      one += " | " + r["client"]["ip"].get<std::string>() + " " + std::to_string(r["client"].value("port", 0)) + " " +
             r["client"]["source"].get<std::string>();
    }
    EXPECT_EQ(r["src_ip"], "192.0.2.7") << "the connection's own stays";
    out.push_back(one);
  }
  return out;
}

const std::string kLine = "PROXY TCP4 203.0.113.9 198.51.100.2 4711 80\r\n";
std::string binary_header() {
  std::string out("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11", 16);
  out += std::string("\xcb\x00\x71\x09\xc6\x33\x64\x02\x12\x67\x00\x50", 12);
  return out + std::string("\x04\0\2xy", 5);
}

TEST(ProxyProtocol, FromATrustedProxyInEveryCut) {
  std::mt19937 random(5);
  for (const std::string& header : {kLine, binary_header()}) {
    Conversation c;
    c.open().client(header + get("/a") + post("x=y")).server(ok("1") + ok("2")).client(get("/b")).server(ok("3")).close();
    for (int turn = 0; turn < 12; ++turn) {
      Judge s(with(options(turn % 2 == 0 ? ProxyProtocol::Accept : ProxyProtocol::Require)), who());
      Capture capture;
      capture.add(c, turn == 0 ? c.segments : turn == 1 ? cut_to_bytes(c.segments) : cut_randomly(c.segments, random));
      EXPECT_THAT(s.feed(capture), IsEmpty());
      EXPECT_THAT(clients(s.end()), ElementsAre("203.0.113.9 4711 | 203.0.113.9 4711 proxy-protocol",
                                                "203.0.113.9 4711 | 203.0.113.9 4711 proxy-protocol",
                                                "203.0.113.9 4711 | 203.0.113.9 4711 proxy-protocol"));
    }
  }
}

TEST(ProxyProtocol, WhatFollowsIsJudgedAndBlockedWhereItStands) {
  for (const std::string& header : {kLine, binary_header()}) {
    RigOptions o;
    o.inspector.client = options(ProxyProtocol::Require);
    Rig rig(o);
    rig.open();
    rig.client.write(header + get("/"));
    rig.run(milliseconds(200));
    rig.serve(ok("passed"));
    rig.run(milliseconds(200));
    EXPECT_EQ(rig.server.received, header + get("/"));
    // Pipelined behind a clean one whose response is owed: the page comes behind that.
    rig.client.write(get("/clean") + get("/?x=attack"));
    rig.run(milliseconds(200));
    rig.serve(ok("again"));
    rig.run(seconds(2));
    EXPECT_EQ(rig.server.received, header + get("/") + get("/clean")) << "and not a byte of the attack";
    EXPECT_NE(rig.client.received.find("again"), std::string::npos) << rig.client.received;
    EXPECT_NE(rig.client.received.find("HTTP/1.1 403 "), std::string::npos) << rig.client.received;
  }
}

TEST(ProxyProtocol, AcceptTakesConnectionsWithoutIt) {
  Judge s(with(options(ProxyProtocol::Accept)), who());
  Conversation c;
  const std::string request = "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n";
  c.open().client("\r\n" + request).server(ok("1")).client(get("/")).server(ok("2")).close();
  Capture capture;
  capture.add(c, cut_to_bytes(c.segments));
  EXPECT_THAT(s.feed(capture), IsEmpty());
  const auto& all = s.end();
  EXPECT_THAT(clients(all), ElementsAre("192.0.2.7 40000", "192.0.2.7 40000"));
  EXPECT_EQ(all[0]["http"]["http_method"], "PROPFIND");
}

TEST(ProxyProtocol, LocalAndUnknownAreTheProxyItself) {
  for (const std::string& header : {std::string("PROXY UNKNOWN\r\n"), std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16),
                                    std::string("\r\n\r\n\0\r\nQUIT\n\x21\0\0\0", 16)}) {
    Judge s(with(options(ProxyProtocol::Require)), who());
    Conversation c;
    c.open().client(header + get("/")).server(ok("1")).close();
    EXPECT_THAT(s.feed(c), IsEmpty());
    EXPECT_THAT(clients(s.end()), ElementsAre("192.0.2.7 40000"));
  }
}

struct Refused {
  const char* why;
  ProxyProtocol protocol;
  bool from_trusted;
  std::string bytes;
};

std::vector<Refused> refused() {
  return {{"missing", ProxyProtocol::Require, true, get("/?x=attack")},
          {"broken line", ProxyProtocol::Accept, true, "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n" + get("/?x=attack")},
          {"broken length", ProxyProtocol::Accept, true, std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01x", 17) + get("/?x=attack")},
          {"broken line of a stranger", ProxyProtocol::Accept, false, "PROXY TCP4 203.0.113.9 198.51.100.2 4711 80 \r\n" + get("/?x=attack")},
          {"not to be believed", ProxyProtocol::Accept, false, kLine + get("/?x=attack")},
          {"not to be believed", ProxyProtocol::Require, false, binary_header() + get("/?x=attack")}};
}

TEST(ProxyProtocol, WhatIsNotToBeBelievedIsReset) {
  for (const Refused& r : refused()) {
    for (const bool bytewise : {false, true}) {
      InspectorOptions o = with(options(r.protocol));
      if (!r.from_trusted) o.client.trusted = {*IpPrefix::parse("10.0.0.0/8")};
      o.anomaly_events = true;
      Judge s(o, who());
      Conversation c;
      c.open().client(r.bytes);
      Capture capture;
      capture.add(c, bytewise ? cut_to_bytes(c.segments) : c.segments);
      EXPECT_FALSE(s.feed(capture).empty()) << r.why;
      EXPECT_THAT(s.end(), IsEmpty()) << r.why;
      EXPECT_EQ(s.recorder.drops.front()["anomaly"]["event"], "proxy-protocol") << r.why;
      EXPECT_EQ(s.recorder.drops[1]["drop"]["detail"], "proxy-protocol") << r.why;
      EXPECT_EQ(s.inspector.counters().resets, 1U) << r.why;
    }
  }
}

TEST(ProxyProtocol, OrPassesUnreadIfTheOperatorWantsThat) {
  for (const Refused& r : refused()) {
    InspectorOptions o = with(options(r.protocol));
    if (!r.from_trusted) o.client.trusted = {*IpPrefix::parse("10.0.0.0/8")};
    o.failures.choose(FailureCause::ProxyProtocol, FailureAction::Pass);
    Judge s(o, who());
    Conversation c;
    c.open().client(r.bytes).server(ok("1")).close();
    EXPECT_THAT(s.feed(c), IsEmpty()) << r.why;
    EXPECT_THAT(s.end(), IsEmpty());
    using C = FailureCause;
    EXPECT_EQ(s.inspector.counters().failures[static_cast<std::size_t>(C::ProxyProtocol)][0], 1U) << r.why;
  }
}

TEST(ProxyProtocol, OffReadsNoSuchThing) {
  InspectorOptions o = with(options(ProxyProtocol::Off));
  o.failures.choose(FailureCause::NotHttp, FailureAction::Reset);
  Judge s(o, who());
  Conversation c;
  c.open().client(kLine + get("/"));
  EXPECT_FALSE(s.feed(c).empty());
  EXPECT_EQ(s.recorder.drops.front()["drop"]["detail"], "not-http");
}

TEST(ProxyProtocol, OfNextConnectionsNothingIsLeft) {
  Judge s(with(options(ProxyProtocol::Accept)), who());
  Capture capture;
  Conversation first(40001), cut_short(40002), second(40003);
  first.client_host.port = 40001;
  cut_short.client_host.port = 40002;
  second.client_host.port = 40003;
  first.open().client(kLine + get("/")).server(ok("1")).close();
  cut_short.open().client("PROXY TCP4 203.0.1").client_fin();
  second.open().client(get("/")).server(ok("1")).close();
  for (const Conversation* c : {&first, &cut_short, &second}) capture.add(*c);
  EXPECT_THAT(s.feed(capture), IsEmpty());
  EXPECT_THAT(clients(s.end()), ElementsAre("203.0.113.9 4711 | 203.0.113.9 4711 proxy-protocol", "192.0.2.7 40003"));
}

TEST(ProxyProtocol, PassiveReadsItToo) {
  Judge s(with(options(ProxyProtocol::Accept), Stance::Passive), who());
  Conversation c;
  c.open().client(binary_header() + get("/")).server(ok("1")).close();
  s.feed(c);
  EXPECT_THAT(clients(s.end()), ElementsAre("203.0.113.9 4711 | 203.0.113.9 4711 proxy-protocol"));
}

TEST(Forwarded, OfEachRequestOfAConnection) {
  Judge s(with(options(ProxyProtocol::Off, ForwardedHeader::XForwardedFor)), who());
  Conversation c;
  c.open();
  c.client(get("/1", "X-Forwarded-For: 203.0.113.1\r\n")).server(ok("1"));
  c.client(get("/2", "x-forwarded-for: 6.6.6.6\r\nA: b\r\nX-FORWARDED-FOR: 203.0.113.2, 10.0.0.1\r\n")).server(ok("2"));
  c.client(get("/3", "Forwarded: for=203.0.113.3\r\n")).server(ok("3"));
  c.client(get("/4", "X-Forwarded-For: 203.0.113.4, nonsense\r\n")).server(ok("4")).close();
  Capture capture;
  capture.add(c, cut_to_bytes(c.segments));
  EXPECT_THAT(s.feed(capture), IsEmpty());
  EXPECT_THAT(clients(s.end()),
              ElementsAre("203.0.113.1 40000 | 203.0.113.1 0 x-forwarded-for", "203.0.113.2 40000 | 203.0.113.2 0 x-forwarded-for",
                          "192.0.2.7 40000", "192.0.2.7 40000"));
}

TEST(Forwarded, AStrangerIsNotBelieved) {
  InspectorOptions o = with(options(ProxyProtocol::Off, ForwardedHeader::Forwarded));
  o.client.trusted = {*IpPrefix::parse("10.0.0.0/8")};
  Judge s(o, who());
  Conversation c;
  c.open().client(get("/", "Forwarded: for=203.0.113.1\r\n")).server(ok("1")).close();
  s.feed(c);
  EXPECT_THAT(clients(s.end()), ElementsAre("192.0.2.7 40000"));
}

// The connection is a trusted proxy's, on behalf of another one, which says for whom each request is.
TEST(Forwarded, BehindTheProxyProtocol) {
  Judge s(with(options(ProxyProtocol::Require, ForwardedHeader::XForwardedFor)), who());
  Conversation c;
  c.open().client("PROXY TCP4 10.9.9.9 198.51.100.2 4711 80\r\n" + get("/", "X-Forwarded-For: 203.0.113.1\r\n")).server(ok("1"));
  c.client(get("/")).server(ok("2")).close();
  Judge stranger(with(options(ProxyProtocol::Require, ForwardedHeader::XForwardedFor)), who());
  Conversation d;
  d.open().client(kLine + get("/", "X-Forwarded-For: 203.0.113.1\r\n")).server(ok("1")).close();
  s.feed(c);
  stranger.feed(d);
  EXPECT_THAT(clients(s.end()), ElementsAre("203.0.113.1 40000 | 203.0.113.1 0 x-forwarded-for", "10.9.9.9 4711 | 10.9.9.9 4711 proxy-protocol"));
  EXPECT_THAT(clients(stranger.end()), ElementsAre("203.0.113.9 4711 | 203.0.113.9 4711 proxy-protocol"));
}

TEST(Forwarded, WaitingForItMissesNothing) {
  RigOptions o;
  o.inspector.client = options(ProxyProtocol::Off, ForwardedHeader::XForwardedFor);
  Rig rig(o);
  rig.open();
  rig.client.write(get("/?x=attack", "X-Forwarded-For: 203.0.113.1\r\n"));
  rig.run(seconds(1));
  EXPECT_NE(rig.client.received.find("HTTP/1.1 403 "), std::string::npos);
  EXPECT_EQ(rig.server.received.find("\r\n\r\n"), std::string::npos);
}

}  // namespace
}  // namespace weir::inspect::test
