// TCP handshake and start of flow. The numbers in the names (H1 …) are the project's requirement numbers.
#include <gtest/gtest.h>

#include "tests/support/tcp_script.h"

namespace weir::test {
namespace {

using flow::Anomaly;
using flow::DropReason;
using flow::FlowOptions;
using flow::MidstreamPolicy;

constexpr std::uint8_t kSynAck = net::kSyn | net::kAck;

class Handshake : public testing::TestWithParam<bool> {
 public:
  static FlowOptions options() { return GetParam() ? inline_options() : passive_options(); }
};
INSTANTIATE_TEST_SUITE_P(Tracker, Handshake, testing::Bool(),
                         [](const auto& p) { return p.param ? "Inline" : "Passive"; });

TEST_P(Handshake, H1_HandshakeThenBytesOfBothDirections) {
  Script t(options());
  EXPECT_EQ(t.syn().fate(), Fate::Forward);
  EXPECT_EQ(t.last().flow, nullptr);
  EXPECT_EQ(t.synack().fate(), Fate::Forward);
  EXPECT_EQ(t.sink.opened, 0);
  EXPECT_TRUE(t.client_ack(1).opened);
  EXPECT_EQ(t.sink.opened, 1);
  EXPECT_EQ(t.client(1, "GET / HTTP/1.1\r\n\r\n").delivered, 18U);
  EXPECT_EQ(t.server(1, "HTTP/1.1 200 OK\r\n\r\n").delivered, 19U);
  EXPECT_EQ(t.to_server(), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(t.to_client(), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(t.last().flow->client().port, 40000);
  EXPECT_EQ(t.last().flow->server().port, 80);
  EXPECT_FALSE(t.sink.broken);
}

TEST_P(Handshake, H1_AckWithDataCompletesTheHandshake) {
  Script t(options());
  t.syn();
  t.synack();
  const auto v = t.client(1, "abc");
  EXPECT_TRUE(v.opened);
  EXPECT_EQ(v.fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "abc");
}

// CVE-2025-59147: a SYN is sent again with another sequence number; the server answers either.
TEST_P(Handshake, H1_SeveralSynsTheSynAckChooses) {
  for (int chosen = 0; chosen < 5; ++chosen) {
    Script t(options());
    for (std::uint32_t i = 0; i < 5; ++i) {
      EXPECT_EQ(t.send(true, i * 1000, "", net::kSyn).fate(), Fate::Forward) << i;
    }
    const auto base = static_cast<std::uint32_t>(chosen) * 1000;
    EXPECT_EQ(t.send(false, 0, "", kSynAck, {.ack = base + 1}).fate(), Fate::Forward);
    EXPECT_TRUE(t.send(true, base + 1, "", net::kAck, {.ack = 1}).opened);
    t.send(true, base + 1, "attack", net::kAck, {.ack = 1});
    EXPECT_EQ(t.to_server(), "attack") << chosen;
    EXPECT_TRUE(t.sink.saw(Anomaly::SeveralSyns));
  }
}

TEST_P(Handshake, H1_SeveralSynAcksTheAckChooses) {
  Script t(options());
  t.syn();
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.send(false, 7000, "", kSynAck, {.ack = 1});
  EXPECT_TRUE(t.send(true, 1, "", net::kAck, {.ack = 7001}).opened);
  t.send(false, 7001, "answer", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_client(), "answer");
}

TEST_P(Handshake, H1_DifferingSynsAreBounded) {
  Script t(options());
  int forwarded = 0;
  for (std::uint32_t i = 0; i < 50; ++i) {
    forwarded += t.send(true, i * 100, "", net::kSyn).fate() == Fate::Forward ? 1 : 0;
  }
  EXPECT_EQ(forwarded, 10);
  EXPECT_EQ(t.last().reason(), DropReason::HandshakeLimit);
}

TEST_P(Handshake, H2_SynAckMustAcknowledgeTheSyn) {
  Script t(options());
  t.syn();
  EXPECT_EQ(t.send(false, 0, "", kSynAck, {.ack = 2}).reason(), DropReason::BadSynAck);
  EXPECT_EQ(t.send(false, 0, "", kSynAck, {.ack = 0}).reason(), DropReason::BadSynAck);
  EXPECT_EQ(t.send(true, 0, "", kSynAck, {.ack = 1}).reason(), DropReason::BadSynAck);
  EXPECT_EQ(t.synack().fate(), Fate::Forward);
}

// A wrong ACK field in the client's completing segment (Suricata issue 4504): the server would reset.
TEST_P(Handshake, H2_AckMustAcknowledgeTheSynAck) {
  Script t(options());
  t.syn();
  t.synack();
  EXPECT_EQ(t.send(true, 1, "decoy!", net::kAck, {.ack = 77777}).reason(), DropReason::BadAck);
  EXPECT_EQ(t.sink.opened, 0);
  t.client(1, "attack");
  EXPECT_EQ(t.to_server(), "attack");
}

TEST(TrackerH3, SynDataWithoutFastOpenIsNotDelivered) {
  Script t;
  t.send(true, 0, "decoy!", net::kSyn);
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.send(true, 1, "attack", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_server(), "attack");
}

TEST(TrackerH3, SynDataWithFastOpenIsDeliveredIfAcknowledged) {
  Script t;
  t.send(true, 0, "GET /", net::kSyn, {.fast_open = true});
  t.send(false, 0, "", kSynAck, {.ack = 6});
  t.send(true, 6, " HTTP/1.1", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_server(), "GET / HTTP/1.1");
  EXPECT_TRUE(t.sink.saw(Anomaly::SynData));
}

TEST(TrackerH3, SynDataWithFastOpenIsIgnoredIfNotAcknowledged) {
  Script t;
  t.send(true, 0, "decoy", net::kSyn, {.fast_open = true});
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.send(true, 1, "attack", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_server(), "attack");
}

TEST(TrackerH3, InlineStripsFastOpenAndDropsSynData) {
  Script t(inline_options());
  const auto v = t.syn({.fast_open = true});
  EXPECT_EQ(v.fate(), Fate::Forward);
  EXPECT_TRUE(v.strip_fast_open);
  EXPECT_EQ(t.send(true, 0, "data", net::kSyn).reason(), DropReason::SynData);
  EXPECT_EQ(t.send(false, 0, "data", kSynAck, {.ack = 1}).reason(), DropReason::SynData);
}

constexpr Tweak kIn{.came_by = 3, .leaves_by = 4};      // from where the client is
constexpr Tweak kOut{.came_by = 4, .leaves_by = 3};     // from where the server is
constexpr Tweak kForged{.came_by = 3, .leaves_by = 3};  // in the server's name, from where the client is

// Whoever sends from the client's side knows all numbers of the connection but the server's first.
TEST_P(Handshake, H2_NothingOfTheServersComesFromTheClientsSide) {
  Script t(options());
  t.syn(kIn);
  EXPECT_EQ(t.synack(kForged).reason(), DropReason::WrongSide);
  t.synack(kOut);
  EXPECT_TRUE(t.send(true, 1, "", net::kAck, kIn).opened);
  t.send(true, 1, "GET", net::kAck, kIn);
  for (const unsigned flags : {unsigned{net::kAck}, unsigned{net::kRst}, unsigned{kSynAck}, unsigned{net::kFin | net::kAck}}) {
    EXPECT_EQ(t.send(false, 1, "", static_cast<std::uint8_t>(flags), kForged).reason(), DropReason::WrongSide) << flags;
  }
  EXPECT_EQ(t.send(false, 1, "HTTP/1.1 101 S\r\n", net::kAck, kForged).reason(), DropReason::WrongSide);
  EXPECT_EQ(t.to_client(), "");
  EXPECT_FALSE(t.sink.ended[0] || t.sink.ended[1]);
  EXPECT_EQ(t.send(false, 1, "HTTP/1.1 200 OK\r\n", net::kAck, kOut).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client(), "HTTP/1.1 200 OK\r\n");
}

// A forged acknowledgement would let other bytes into the place of those that it acknowledges.
TEST(TrackerW9, ForgedAcknowledgementFreesNothing) {
  Script t(inline_options());
  t.syn(kIn);
  t.synack(kOut);
  t.send(true, 1, "", net::kAck, kIn);
  t.send(true, 1, "GET /fake", net::kAck, kIn);
  EXPECT_EQ(t.send(false, 1, "", net::kAck, kForged).reason(), DropReason::WrongSide);
  EXPECT_EQ(t.send(true, 1, "GET /evil", net::kAck, kIn).reason(), DropReason::OverlapConflict);
}

// A router with one interface sends everything back by the one it came by: there is no side to tell.
TEST_P(Handshake, H2_OneArmedRoutersHaveNoSides) {
  Script t(options());
  t.syn(kForged);
  EXPECT_EQ(t.synack(kForged).fate(), Fate::Forward);
  EXPECT_TRUE(t.send(true, 1, "", net::kAck, kForged).opened);
  EXPECT_EQ(t.send(false, 1, "HTTP", net::kAck, kForged).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client(), "HTTP");
}

TEST(TrackerH8, TheSideOfAnAdoptedClientIsThatOfItsFirstData) {
  FlowOptions options = inline_options();
  options.midstream = MidstreamPolicy::Adopt;
  Script t(options);
  EXPECT_TRUE(t.send(true, 100, "GET", net::kAck, kIn).opened);
  EXPECT_EQ(t.send(false, 1, "", net::kAck, {.ack = 103, .came_by = 3, .leaves_by = 3}).reason(), DropReason::WrongSide);
}

TEST_P(Handshake, H4_SimultaneousOpenIsRefused) {
  Script t(options());
  t.syn();
  EXPECT_EQ(t.send(false, 0, "", net::kSyn).reason(), DropReason::SimultaneousOpen);
}

// CVE-2018-6794: data of the server before the handshake is complete.
TEST(TrackerH5, InlineServerDataBeforeTheHandshakeIsDropped) {
  Script t(inline_options());
  t.syn();
  t.synack();
  EXPECT_EQ(t.server(1, "early").reason(), DropReason::HandshakeIncomplete);
  t.client_ack(1);
  EXPECT_EQ(t.server(1, "early").fate(), Fate::Forward);
  EXPECT_EQ(t.to_client(), "early");
}

TEST(TrackerH5, PassiveClientsAckMayBeLost) {
  Script t;
  t.syn();
  t.synack();
  t.server(1, "220 ready\r\n");
  EXPECT_EQ(t.to_client(), "220 ready\r\n");
  t.client(1, "HELO\r\n");
  EXPECT_EQ(t.to_server(), "HELO\r\n");
}

TEST(TrackerH5, InlineClientDataBeforeTheSynAckIsDropped) {
  Script t(inline_options());
  t.syn();
  EXPECT_EQ(t.send(true, 1, "early", net::kAck, {.ack = 1}).reason(),
            DropReason::OneSided);
}

// A decoy between SYN and SYN/ACK: the server answers it with a reset and goes on.
TEST(TrackerH5, PassiveDecoyBeforeTheSynAckIsNotTheStream) {
  Script t;
  t.syn();
  t.send(true, 1, "decoy!", net::kAck, {.ack = 424242});
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.send(true, 1, "", net::kAck, {.ack = 1});
  t.sink.bytes[0].clear();
  t.send(true, 1, "attack", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_server(), "attack");
}

// The same with the decoy behind a hole, where it would win as the first writer.
TEST(TrackerH5, PassiveOutOfOrderDecoyBeforeTheSynAckIsForgotten) {
  Script t;
  t.syn();
  t.send(true, 4, "decoy!", net::kAck, {.ack = 424242});
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.send(true, 1, "", net::kAck, {.ack = 1});
  t.send(true, 1, "the attack", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_server(), "the attack");
}

// Directions merged a little out of order: the client's ACK and request captured before the SYN/ACK.
TEST(TrackerH5, PassiveSynAckCapturedLate) {
  Script t;
  t.syn();
  t.send(true, 1, "", net::kAck, {.ack = 1});
  t.send(true, 1, "GET /", net::kAck, {.ack = 1});
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.server(1, "answer", {.ack = 6});
  EXPECT_EQ(t.to_server(), "GET /");
  EXPECT_EQ(t.to_client(), "answer");
  EXPECT_EQ(t.sink.opened, 1);
}

TEST(TrackerH6, WindowScaleOnlyIfBothSentIt) {
  // The server's SYN/ACK (a SYN cookie) has lost the option: the client's window is not scaled.
  Script t(inline_options());
  t.server_scale.reset();
  t.client_window = 1000;
  t.handshake();
  EXPECT_EQ(t.server(1, std::string(1000, 'a')).fate(), Fate::Forward);
  EXPECT_EQ(t.server(1001, "b").fate(), Fate::Forward);  // looks like a zero-window probe
  EXPECT_EQ(t.server(1002, "beyond").reason(), DropReason::OutOfWindow);
}

TEST(TrackerH6, OptionsAreThoseOfTheChosenSyn) {
  Script t(inline_options());
  t.client_window = 100;
  t.client_scale = 0;
  t.send(true, 0, "", net::kSyn);
  t.client_scale = 7;
  t.send(true, 5000, "", net::kSyn);
  t.send(false, 0, "", kSynAck, {.ack = 1});  // the first one
  t.send(true, 1, "", net::kAck, {.ack = 1});
  EXPECT_EQ(t.send(false, 200, "beyond", net::kAck, {.ack = 1}).reason(), DropReason::OutOfWindow);
}

TEST_P(Handshake, H7_SynOnALiveConnectionChangesNothing) {
  Script t(options());
  t.handshake();
  t.client(1, "one ");
  EXPECT_EQ(t.send(true, 900000, "", net::kSyn).fate(), Fate::Forward);
  EXPECT_TRUE(t.sink.saw(Anomaly::SynInEstablished));
  t.server(1, "still here", {.ack = 5});  // the challenge ACK of RFC 5961
  t.send(true, 5, "two", net::kAck, {.ack = 11});
  EXPECT_EQ(t.to_server(), "one two");
  EXPECT_EQ(t.sink.closed, 0);
}

TEST_P(Handshake, H7_NewConnectionWhenTheServerAnswersTheSyn) {
  Script t(options());
  t.handshake();
  t.client(1, "old");
  t.restart(0x10000000, 0x20000000);
  t.syn();
  EXPECT_EQ(t.sink.closed, 0);
  t.synack();
  EXPECT_EQ(t.sink.closed, 1);
  t.client(1, "new");
  EXPECT_EQ(t.to_server(), "oldnew");
  EXPECT_EQ(t.sink.opened, 2);
  EXPECT_FALSE(t.sink.broken);
}

TEST_P(Handshake, H7_PortReuseAfterReset) {
  Script t(options());
  t.handshake();
  t.client(1, "old");
  t.client_rst(4);
  t.restart(0x30000000, 0x40000000);
  t.handshake();
  t.client(1, "new");
  EXPECT_EQ(t.to_server(), "oldnew");
  EXPECT_EQ(t.sink.opened, 2);
  EXPECT_EQ(t.sink.closed, 1);
}

TEST_P(Handshake, H7_PortReuseAfterFin) {
  Script t(options());
  t.handshake();
  t.client(1, "old");
  t.client_fin(4);
  t.server_fin(1);
  t.client_ack(2);
  EXPECT_EQ(t.sink.closed, 1);
  t.restart(0x30000000, 0x40000000);
  t.handshake();
  t.client(1, "new");
  EXPECT_EQ(t.to_server(), "oldnew");
}

TEST_P(Handshake, H7_RepeatedHandshakeSegmentsAreHarmless) {
  Script t(options());
  t.syn();
  t.syn();
  t.synack();
  t.synack();
  t.client_ack(1);
  EXPECT_EQ(t.send(false, 0, "", kSynAck, {.ack = 1}).fate(), Fate::Forward);
  t.client(1, "x");
  EXPECT_EQ(t.to_server(), "x");
  EXPECT_EQ(t.sink.opened, 1);
}

TEST(TrackerH8, MidstreamPolicies) {
  struct Case {
    MidstreamPolicy policy;
    Fate fate;
    bool reject;
    int opened;
  };
  for (const Case& c : {Case{MidstreamPolicy::Adopt, Fate::Forward, false, 1},
                        Case{MidstreamPolicy::Pass, Fate::Forward, false, 0},
                        Case{MidstreamPolicy::Drop, Fate::Drop, false, 0},
                        Case{MidstreamPolicy::Reject, Fate::Drop, true, 0}}) {
    FlowOptions o = inline_options();
    o.midstream = c.policy;
    Script t(o);
    const auto v = t.client(5000, "GET / HTTP/1.1\r\n\r\n", {.ack = 9000});
    EXPECT_EQ(v.fate(), c.fate);
    EXPECT_EQ(v.reject, c.reject);
    EXPECT_EQ(t.sink.opened, c.opened);
    EXPECT_EQ(t.to_server().empty(), c.opened == 0);
  }
}

TEST(TrackerH8, GraceAdoptsAfterStart) {
  FlowOptions o = inline_options();
  o.midstream_grace = seconds(10);
  Script t(o);
  EXPECT_EQ(t.client(5000, "a", {.ack = 9000}).fate(), Fate::Forward);
  t.wait(seconds(11));
  t.client_port(40001);
  EXPECT_TRUE(t.client(5000, "a", {.ack = 9000}).reject);
}

TEST(TrackerH8, DirectionOfAMidstreamFlow) {
  struct Case {
    std::uint16_t client_port;
    bool first_from_client;
  };
  for (const Case& c : {Case{40000, true}, Case{40000, false}, Case{22, true}, Case{22, false}}) {
    Script t;
    t.client_port(c.client_port);
    t.send(c.first_from_client, 5000, "hello", net::kAck, {.ack = 9000});
    ASSERT_NE(t.last().flow, nullptr);
    EXPECT_EQ(t.last().flow->server().port, 80) << c.client_port;  // a configured port decides
    EXPECT_EQ(t.last().direction,
              c.first_from_client ? Direction::ToServer : Direction::ToClient);
  }
  Script t;
  t.send(false, 0, "", kSynAck, {.ack = 1});  // a SYN/ACK decides better than ports
  t.client(1, "x");
  EXPECT_EQ(t.last().direction, Direction::ToServer);
}

TEST(TrackerH9, OnlyTheClientsSide) {
  Script t;
  t.syn();
  t.send(true, 1, "", net::kAck, {.ack = 1});
  t.send(true, 1, "GET /a ", net::kAck, {.ack = 1});
  t.send(true, 8, "HTTP/1.1", net::kAck, {.ack = 5000});
  EXPECT_EQ(t.to_server(), "GET /a HTTP/1.1");
  t.client_fin(16);
  t.end();
  EXPECT_EQ(t.counters().one_sided, 1U);
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerH9, OnlyTheServersSide) {
  Script t;
  t.send(false, 0, "", kSynAck, {.ack = 1});
  t.send(false, 1, "HTTP/1.1 200 OK", net::kAck, {.ack = 500});
  EXPECT_EQ(t.to_client(), "HTTP/1.1 200 OK");
}

TEST(TrackerH9, HoleOfAOneSidedFlowIsWaitedForThenSkipped) {
  for (const bool by_time : {true, false}) {
    Script t;
    t.syn();
    t.send(true, 1, "abc", net::kAck, {.ack = 1});
    t.send(true, 6, "fgh", net::kAck, {.ack = 1});
    EXPECT_EQ(t.to_server(), "abc");
    if (by_time) {
      t.wait(seconds(7));
    } else {
      for (std::uint32_t i = 0; i < 200; ++i) t.send(true, 9 + i, "x", net::kAck, {.ack = 1});
    }
    EXPECT_EQ(t.to_server().substr(0, 9), "abc[2]fgh") << by_time;
  }
}

TEST(TrackerH9, HoleOfAOneSidedFlowCanStillBeFilled) {
  Script t;
  t.syn();
  t.send(true, 1, "abc", net::kAck, {.ack = 1});
  t.send(true, 6, "fgh", net::kAck, {.ack = 1});
  t.send(true, 4, "de", net::kAck, {.ack = 1});
  EXPECT_EQ(t.to_server(), "abcdefgh");
}

TEST(TrackerH10, MidstreamStartsAtTheFirstByteSeenAndGoesOn) {
  Script t;
  t.positions(5000, 9000);
  t.client(5000, "tail of a body\r\n");
  t.server(9000, "HTTP/1.1 200 OK\r\n\r\n");
  t.client(5016, "GET /next HTTP/1.1\r\n\r\n");
  EXPECT_EQ(t.to_server(), "tail of a body\r\nGET /next HTTP/1.1\r\n\r\n");
  EXPECT_EQ(t.to_client(), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerH10, BareAcksOfUnknownConnectionsLeaveNoState) {
  Script t;
  t.positions(5000, 9000);
  EXPECT_EQ(t.client_ack(9000).fate(), Fate::Forward);
  EXPECT_EQ(t.counters().flows_now, 0U);
}

// The same addresses in different tunnels, domains and VLANs are different connections.
TEST_P(Handshake, P2_EncapsulationIsPartOfTheIdentity) {
  Script t(options());
  for (std::uint64_t domain : {1ULL, 2ULL}) {
    t.encapsulation.domain = domain;
    t.restart(100, 200);
    t.handshake();
  }
  for (std::uint64_t domain : {1ULL, 2ULL}) {
    t.encapsulation.domain = domain;
    t.send(true, 1, domain == 1 ? "first" : "second", net::kAck, {.ack = 1});
  }
  EXPECT_EQ(t.to_server(), "firstsecond");
  EXPECT_EQ(t.counters().flows_now, 2U);
}

TEST(TrackerP3, VlansMayBeLeftOutOfTheKey) {
  FlowOptions o;
  o.vlans_in_key = false;
  Script t(o);
  t.encapsulation.vlans = {10, 0, 0};
  t.syn();
  t.encapsulation.vlans = {20, 0, 0};
  t.synack();
  t.encapsulation.vlans = {10, 0, 0};
  t.client(1, "x");
  EXPECT_EQ(t.to_server(), "x");
}

TEST(TrackerKey, FlowIdIsStableAndDistinct) {
  std::uint64_t first = 0;
  for (int run = 0; run < 2; ++run) {
    FlowOptions o;
    o.table_k0 = static_cast<std::uint64_t>(run);  // the table's key does not matter
    Script t(o);
    t.handshake();
    t.client(1, "x");
    if (run == 0) first = t.last().flow->id;
    EXPECT_EQ(t.last().flow->id, first);
    t.client_port(40001);
    t.restart(1, 2);
    t.handshake();
    t.client(1, "x");
    EXPECT_NE(t.last().flow->id, first);
  }
}

}  // namespace
}  // namespace weir::test
