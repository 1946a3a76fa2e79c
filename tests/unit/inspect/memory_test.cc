// What connections cost in memory while they are idle, by what the process really has got from the kernel.
#include <gmock/gmock.h>
#include <malloc.h>
#include <sys/prctl.h>

#include <array>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include "engine/flow/dormant.h"
#include "tests/support/crowd.h"
#include "tests/support/resident.h"
#include "tests/unit/inspect/judge.h"

namespace weir::inspect::test {
namespace {

using weir::test::Crowd;
using weir::test::resident_bytes;

constexpr std::uint32_t kConnections = 20'000;
constexpr std::uint32_t kFirst = 30'000;  // by then as many are awake as ever will be
constexpr std::size_t kAllowed = 160;
// Of the index, for each.
constexpr std::size_t kIndex = 8;

// Pools of memory that is the kernel's still, whatever an earlier test has touched, in small pages: of a huge one
// everything is resident before anything is used.
InspectorOptions many() {
  malloc_trim(0);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  InspectorOptions options = in_line();
  options.flow_limits.flows = 600'000;
  return options;
}

struct Forget final : EventSink {
  void write(const Event&) override { ++events; }
  std::uint64_t events = 0;
};

// Two requests with their answers on each of `count` connections from `first` on, all left open.
void exchange(Crowd& crowd, std::uint32_t first, std::uint32_t count) {
  const std::string request = get("/index.html"), response = ok("hello");
  for (std::uint32_t n = first; n < first + count; ++n) {
    ASSERT_TRUE(crowd.connect(n));
    Crowd::Connection c;
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(crowd.client(n, c, request).forwarded());
      ASSERT_TRUE(crowd.server(n, c, response).forwarded());
    }
  }
}

TEST(Memory, AnIdleKeepAliveConnectionTakesAtMost160Bytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "memory is the sanitizer's";
#endif
  Forget sink;
  Inspector inspector(many(), sink, rule_set());
  Crowd crowd(inspector);
  exchange(crowd, 0, kFirst);  // what is taken once
  const std::size_t before = resident_bytes();
  exchange(crowd, kFirst, kConnections);
  const std::size_t grown = resident_bytes() - before;
  EXPECT_EQ(inspector.flow_counters().flows_now, kConnections + kFirst);
  EXPECT_EQ(inspector.counters().transactions, 2 * (kConnections + kFirst));
  const double each = static_cast<double>(grown) / kConnections + kIndex;
  std::printf("an idle keep-alive connection: %.0f bytes, %zu of them of the index\n", each, kIndex);
  EXPECT_LE(each, kAllowed);
  EXPECT_GE(each, sizeof(flow::Dormant) * 3 / 4) << "something is not counted";
}

// The same of connections that never said a word.
TEST(Memory, ASilentConnectionTakesAtMost160Bytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "memory is the sanitizer's";
#endif
  Forget sink;
  Inspector inspector(many(), sink, rule_set());
  Crowd crowd(inspector);
  for (std::uint32_t n = 0; n < kFirst; ++n) ASSERT_TRUE(crowd.connect(n));
  const std::size_t before = resident_bytes();
  for (std::uint32_t n = kFirst; n < kFirst + kConnections; ++n) ASSERT_TRUE(crowd.connect(n));
  const std::size_t grown = resident_bytes() - before;
  EXPECT_EQ(inspector.flow_counters().flows_now, kConnections + kFirst);
  EXPECT_LE(grown / kConnections + kIndex, kAllowed);
}

// --- requests that never end ---

struct Half {
  const char* what;
  std::string bytes;
};

std::vector<Half> halves() {
  return {{"a header section", "POST /x HTTP/1.1\r\nHost: h\r\nX-Pad: " + std::string(1200, 'p')},
          {"a line", "GET /" + std::string(1300, 'a')},
          {"a body", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n\r\n" +
                         std::string(1300, 'b')}};
}

class HalfSent : public testing::TestWithParam<std::tuple<std::size_t, bool>> {};

TEST_P(HalfSent, AreBoundedInMemoryAndGoAsThePolicySays) {
  const auto [which, open] = GetParam();
  const Half half = halves()[which];
  SCOPED_TRACE(half.what);
  constexpr std::uint32_t kCrowd = 3000;
  InspectorOptions options = in_line();
  options.transactions = 1U << 20U;
  options.transaction_bytes = which == 1 ? 1U << 20U : 8U << 20U;
  options.failures.open = open;
  Forget sink;
  Inspector inspector(options, sink, rule_set());
  Crowd crowd(inspector);
  std::array<Crowd::Connection, kCrowd> all{};
  std::uint64_t refused = 0;
  for (std::uint32_t n = 0; n < kCrowd; ++n) {
    ASSERT_TRUE(crowd.connect(n));
    ASSERT_TRUE(crowd.client(n, all[n], half.bytes).forwarded()) << n;
    EXPECT_LE(inspector.counters().held, options.transaction_bytes);
    if (n % 100 != 0) continue;
    // Others do not notice.
    Crowd::Connection clean;
    ASSERT_TRUE(crowd.connect(kCrowd + n));
    EXPECT_TRUE(crowd.client(kCrowd + n, clean, get("/")).forwarded());
    EXPECT_TRUE(crowd.server(kCrowd + n, clean, ok("x")).forwarded());
    EXPECT_FALSE(crowd.client(kCrowd + n, clean, get("/?x=attack")).forwarded());
    EXPECT_EQ(inspector.counters().refused, ++refused);
  }
  const FailureAction action = open ? FailureAction::Pass : FailureAction::Reset;
  const std::uint64_t fired = inspector.counters().failures[static_cast<std::size_t>(FailureCause::TransactionMemory)]
                                                           [static_cast<std::size_t>(action)];
  EXPECT_GT(fired, kCrowd / 2);
  EXPECT_EQ(inspector.counters().evicted, fired);
  // The first to come was the first to go; the last one is still there.
  EXPECT_EQ(crowd.client(0, all[0], "x").forwarded(), open);
  EXPECT_EQ(inspector.counters().resets, open ? 0U : 1U);
  EXPECT_TRUE(crowd.client(kCrowd - 1, all[kCrowd - 1], "x").forwarded());
  inspector.end_of_input();
  EXPECT_EQ(inspector.flow_counters().flows_now, 0U);
}

INSTANTIATE_TEST_SUITE_P(Memory, HalfSent, testing::Combine(testing::Values(0U, 1U, 2U), testing::Bool()));

// One that needs more than there is at all goes itself.
TEST(TransactionMemory, OneRequestThatIsTooLarge) {
  InspectorOptions options = in_line();
  options.transaction_bytes = 128U << 10U;
  Forget sink;
  Inspector inspector(options, sink, load("SecRequestBodyAccess On\nSecRequestBodyLimit 10000000\n"));
  Crowd crowd(inspector);
  Crowd::Connection c;
  ASSERT_TRUE(crowd.connect(0));
  bool passed = crowd.client(0, c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                                     "Content-Length: 900000\r\n\r\n").forwarded();
  std::uint32_t sent = 0;
  for (; passed && sent < 600; ++sent) passed = crowd.client(0, c, std::string(1400, 'b')).forwarded();
  EXPECT_FALSE(passed);
  EXPECT_GT(sent, 10U);
  EXPECT_EQ(inspector.counters().resets, 1U);
  EXPECT_LE(inspector.counters().held, options.transaction_bytes);
}

// --- what is put aside between requests is still there ---

TEST(Parked, TheNextRequestIsJudgedAndNumbered) {
  Judge judge(in_line());
  Conversation c;
  c.open();
  for (int i = 0; i < 3; ++i) c.client(get("/" + std::to_string(i))).server(ok("x"));
  c.client(get("/?x=attack"));
  const auto dropped = judge.feed(c);
  EXPECT_FALSE(dropped.empty());
  const auto& all = judge.end();
  ASSERT_EQ(all.size(), 4U);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)]["tx_id"], i);
  EXPECT_THAT(ids(all[3]), testing::ElementsAre(10));
}

TEST(Parked, ARequestAfterCloseIsStillTheServersLast) {
  Judge judge(in_line());
  Conversation c;
  judge.feed(c.open().client(get("/", "Connection: close\r\n")).server(ok("x")).client(get("/again")));
  const auto& all = judge.end();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[1]["waf"]["violations"].dump(), testing::HasSubstr("request-after-close"));
}

TEST(Parked, EmptyLinesBetweenRequestsAreCounted) {
  Judge judge(in_line());
  Conversation c;
  judge.feed(c.open().client(get("/")).server(ok("x")).client("\r\n\r\n").client(get("/next")).server(ok("y")));
  const auto& all = judge.end();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[1]["waf"]["violations"].dump(), testing::HasSubstr("leading-crlf"));
}

TEST(Parked, WhatTheServerSaysUnaskedIsStillSeen) {
  InspectorOptions options;
  Judge judge(options);
  Conversation c;
  judge.feed(c.open().client(get("/")).server(ok("x")).server(ok("unasked")));
  const auto& all = judge.end();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[1]["waf"]["violations"].dump(), testing::HasSubstr("response-without-request"));
}

TEST(Parked, WhoTheProxySaysItIs) {
  InspectorOptions options = in_line();
  options.client.proxy_protocol = ProxyProtocol::Accept;
  options.client.trusted.push_back(*IpPrefix::parse("0.0.0.0/0"));
  Judge judge(options);
  Conversation c;
  c.open().client("PROXY TCP4 203.0.113.9 198.51.100.2 4711 80\r\n" + get("/")).server(ok("x"));
  judge.feed(c.client(get("/?x=attack")));
  const auto& all = judge.end();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["src_ip"], all[1]["src_ip"]);
  EXPECT_EQ(all[0].value("client_ip", ""), all[1].value("client_ip", ""));
  EXPECT_THAT(all[1].dump(), testing::HasSubstr("203.0.113.9"));
}

TEST(Parked, ATunnelStaysOneAndIsToldAsHttp) {
  InspectorOptions options = in_line();
  options.flow_events = true;
  Judge judge(options);
  Conversation c;
  const std::string upgrade = get("/chat", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
  c.open().client(upgrade).server("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  c.client("\x81\x05hello").server("\x81\x05hello").client("GET /?x=attack HTTP/1.1\r\nHost: h\r\n\r\n").close();
  EXPECT_TRUE(judge.feed(c).empty());
  judge.end();
  EXPECT_EQ(judge.inspector.counters().tunnels, 1U);
  EXPECT_EQ(judge.inspector.counters().flows_http, 1U);
  ASSERT_EQ(judge.recorder.drops.size(), 1U);
  EXPECT_EQ(judge.recorder.drops[0]["event_type"], "flow");
  EXPECT_EQ(judge.recorder.drops[0]["app_proto"], "http");
}

}  // namespace
}  // namespace weir::inspect::test
