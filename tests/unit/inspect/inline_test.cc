// Verdicts: what an inline Weir lets through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/inspect/judge.h"

namespace weir::inspect::test {
namespace {

using ::testing::IsEmpty;

TEST(Inline, ThePacketThatCompletesTheHeadersIsDropped) {
  Judge s(in_line());
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
  Judge s(in_line());
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
  Judge s(in_line());
  Conversation c;
  c.open().client(get("/a") + post("x=y")).server(ok("1") + ok("2")).close();
  EXPECT_THAT(s.feed(c), IsEmpty());
  EXPECT_EQ(s.end().size(), 2U);
}

TEST(Inline, DetectModeDropsNothing) {
  Judge s(in_line(WafMode::Detect));
  Conversation c;
  c.open().client(get("/?x=attack")).server(ok("secret")).close();
  EXPECT_THAT(s.feed(c), IsEmpty());
  const auto& all = s.end();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0]["waf"]["decision"], "deny");
}

TEST(Inline, AmbiguousFramingIsRefused) {
  Judge s(in_line());
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
  Judge s(in_line());
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

// Servers that hand trailer fields to the application wait for them.
TEST(Inline, TrailersAreJudgedThoughTheLastChunkCameBefore) {
  for (const bool attack : {true, false}) {
    Judge s(in_line());
    Conversation c;
    c.open().client("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n");
    c.client(attack ? "X-Late: 1\r\n" : "X-Note: 1\r\n");
    const std::size_t before = c.segments.size();
    c.client("\r\n");
    const auto dropped = s.feed(c);
    EXPECT_EQ(dropped.empty(), !attack);
    if (attack) {
      EXPECT_EQ(dropped.front(), before + 1);
    }
  }
}

// Two fragments of an IPv4 packet without options.
std::vector<std::string> fragments(const std::string& ip) {
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
  return {piece(0, first, true), piece(first, ip.size() - 20, false)};
}

TEST(Inline, FragmentsWaitForTheirDatagram) {
  Judge s(in_line());
  s.link = LinkType::RawIp;
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

TEST(Inline, FragmentsThatMustGoForOthersAreCounted) {
  for (const bool open : {false, true}) {
    SCOPED_TRACE(open);
    InspectorOptions o = in_line();
    o.failures.open = open;
    o.fragment_limits.datagrams = 2;
    Judge s(o);
    s.link = LinkType::RawIp;
    std::vector<std::uint64_t> held;
    for (const std::uint16_t port : {1, 2, 3, 4}) {
      Conversation c(port);
      c.open().client(get("/"));
      const Segment& segment = *std::find_if(c.segments.begin(), c.segments.end(), [](const Segment& one) { return !one.payload.empty(); });
      std::string ip = ip_frame(c.client_host, c.server_host, segment, false);
      ip[5] = static_cast<char>(port);  // of another datagram each
      const Verdict v = s.feed({fragments(ip).front(), segment.time_ns});
      EXPECT_EQ(v.kind, VerdictKind::Hold);
      held.push_back(s.number);
      if (port < 3) continue;
      ASSERT_EQ(v.held.size(), 1U);
      EXPECT_EQ(v.held[0].number, held[port - 3U]) << "the oldest";
      EXPECT_EQ(v.held[0].fate, open ? Fate::Forward : Fate::Drop);
    }
    const auto& failed = s.inspector.counters().failures[static_cast<std::size_t>(FailureCause::FragmentMemory)];
    EXPECT_EQ(failed[static_cast<std::size_t>(open ? FailureAction::Pass : FailureAction::Drop)], 2U);
    EXPECT_EQ(s.inspector.counters().fragments_lost, 2U);
  }
}

}  // namespace
}  // namespace weir::inspect::test
