// Sequence numbers, acknowledgements, windows and timestamps (requirements W1 …).
#include <gtest/gtest.h>

#include "tests/support/tcp_script.h"

namespace weir::test {
namespace {

using flow::Anomaly;
using flow::DropReason;
using flow::FlowOptions;

class Window : public testing::TestWithParam<bool> {
 public:
  static FlowOptions options() { return GetParam() ? inline_options() : passive_options(); }
};
INSTANTIATE_TEST_SUITE_P(Tracker, Window, testing::Bool(),
                         [](const auto& p) { return p.param ? "Inline" : "Passive"; });

TEST_P(Window, W1_OffsetsBeyondFourGibibytes) {
  // The listener skips after the first bytes, so that only positions are followed.
  Script t(options());
  t.sink.skip_after[0] = 1;
  t.handshake();
  const std::string block(60000, 'x');
  std::uint32_t seq = 1;
  std::uint64_t total = 0;
  while (total < (4ULL << 30) + 1'000'000) {
    const auto v = t.client(seq, block);
    ASSERT_EQ(v.fate(), Fate::Forward) << total;
    seq += 60000;
    total += 60000;
    if (total < 600000 || total % 600000 == 0) t.server_ack(seq);
  }
  EXPECT_EQ(t.last().flow->bytes[0], total);
  EXPECT_EQ(t.last().flow->half(Direction::ToServer).next, static_cast<std::int64_t>(total));
}

TEST_P(Window, W1_OutOfOrderAcrossTheWrap) {
  Script t(options());
  t.client_isn = 0xfffffffdU;
  t.handshake();
  t.client(4, "defg");
  t.client(8, "hi");
  t.client(1, "abc");
  EXPECT_EQ(t.to_server(), "abcdefghi");
}

TEST_P(Window, W2_BeyondTheWindowIsRefused) {
  Script t(options());
  t.server_window = 1000;
  t.server_scale = 0;
  t.handshake();
  EXPECT_EQ(t.client(1001, "decoy").reason(), DropReason::OutOfWindow);
  EXPECT_EQ(t.client(200000, "decoy").reason(), DropReason::OutOfWindow);
  EXPECT_EQ(t.client(0x40000000, "decoy").reason(), DropReason::OutOfWindow);
  t.client(1, std::string(1000, 'a'));
  t.server_ack(1001);
  EXPECT_EQ(t.client(1001, "attack").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server().substr(1000), "attack");
}

TEST(TrackerW2, PassiveZeroWindowProbeIsNotData) {
  Script t;
  t.server_scale = 0;
  t.handshake();
  t.client(1, "GET /");
  t.server_window = 0;
  t.server_ack(6);
  // The window had been larger; make it truly full first.
  t.client(6, std::string(65155, 'a'));
  t.server_ack(65161);
  EXPECT_EQ(t.client(65161, "X").reason(), DropReason::OutOfWindow);
  t.server_window = 1000;
  t.server_ack(65161);
  t.client(65161, "attack");
  EXPECT_EQ(t.to_server().substr(65160), "attack");
}

TEST(TrackerW2, InlineZeroWindowProbeIsInspectedBeforeItIsForwarded) {
  Script t(inline_options());
  t.server_scale = 0;
  t.server_window = 5;
  t.handshake();
  t.client(1, "GET /");
  t.server_window = 0;
  t.server_ack(6);
  EXPECT_EQ(t.client(6, "X").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "GET /X");
  EXPECT_EQ(t.client(6, "Y").reason(), DropReason::OverlapConflict);
  t.server_window = 1000;
  t.server_ack(6);
  EXPECT_EQ(t.client(6, "attack").reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.client(6, "Xtra").fate(), Fate::Forward);
}

TEST_P(Window, W3_TheWindowNeverShrinks) {
  Script t(options());
  t.server_scale = 0;
  t.server_window = 1000;
  t.handshake();
  t.server_window = 100;
  t.server_ack(1);
  EXPECT_EQ(t.client(1, std::string(600, 'a')).fate(), Fate::Forward);
  EXPECT_EQ(t.client(601, std::string(399, 'b')).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server().size(), 999U);
}

TEST_P(Window, W4_AckOfDataNeverSentIsRefused) {
  Script t(options());
  t.handshake();
  EXPECT_EQ(t.client(1, "decoy!", {.ack = 2}).reason(), DropReason::BadAck);
  EXPECT_EQ(t.client(1, "decoy!", {.ack = 0x7ffffff}).reason(), DropReason::BadAck);
  t.client(1, "attack");
  EXPECT_EQ(t.to_server(), "attack");
}

TEST_P(Window, W4_AckFarInThePastIsRefused) {
  Script t(options());
  t.handshake();
  t.client(1, "a");
  t.server(1, std::string(3000, 's'));
  t.client_ack(3001);
  EXPECT_EQ(t.client(2, "decoy", {.ack = 0x80000000U}).reason(), DropReason::BadAck);
  EXPECT_EQ(t.client(2, "decoy", {.ack = 0xfff00000U}).reason(), DropReason::BadAck);
  EXPECT_EQ(t.client(2, "b", {.ack = 1}).fate(), Fate::Forward);  // old, but acceptable
  EXPECT_EQ(t.to_server(), "ab");
}

TEST_P(Window, W4_WithoutAckFlagIsRefused) {
  Script t(options());
  t.handshake();
  EXPECT_EQ(t.send(true, 1, "decoy!", net::kPsh).reason(), DropReason::NoAckFlag);
  EXPECT_EQ(t.send(true, 1, "decoy!", 0).reason(), DropReason::NoAckFlag);
  EXPECT_EQ(t.send(true, 1, "", net::kFin).reason(), DropReason::NoAckFlag);
  t.client(1, "attack");
  EXPECT_EQ(t.to_server(), "attack");
}

TEST(TrackerW5, PassiveLostSegmentIsAGapOfKnownSize) {
  Script t;
  t.handshake();
  t.client(1, "abc");
  t.client(6, "fgh");
  EXPECT_EQ(t.to_server(), "abc");
  t.server_ack(9);
  EXPECT_EQ(t.to_server(), "abc[2]fgh");
  t.client(9, "ijk");
  EXPECT_EQ(t.to_server(), "abc[2]fghijk");
  EXPECT_EQ(t.counters().gap_bytes, 2U);
}

TEST(TrackerW5, PassiveLostLastSegmentShowsWithTheNextOne) {
  Script t;
  t.handshake();
  t.client(1, "GET /1\r\n");
  // The whole answer (100 bytes) was not captured; the client's ACK and next request were.
  t.client_ack(101);
  t.client(9, "GET /2\r\n", {.ack = 101});
  EXPECT_EQ(t.last().reason(), DropReason::BadAck);  // could be a decoy: wait for the server
  t.server(101, "answer 2", {.ack = 17});
  EXPECT_EQ(t.to_server(), "GET /1\r\nGET /2\r\n");
  EXPECT_EQ(t.to_client(), "[100]answer 2");
  EXPECT_TRUE(t.sink.saw(Anomaly::RescuedData));
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerW5, PassiveRequestPrecedesTheAnswerThatAcknowledgesIt) {
  Script t;
  t.handshake();
  t.client(4, "lost its head");
  t.server(1, "answer", {.ack = 17});
  ASSERT_GE(t.sink.events.size(), 4U);
  EXPECT_EQ(t.sink.events[1], ">gap 3 lost");
  EXPECT_EQ(t.sink.events[2], "> lost its head");
  EXPECT_EQ(t.sink.events[3], "< answer");
}

TEST(TrackerW5, PassiveLostTailIsReportedAtTheEnd) {
  Script t;
  t.handshake();
  t.client(1, "abc");
  t.client(10, "");
  t.server(1, "x", {.ack = 4});
  t.server_fin(2);
  t.client_ack(3);
  t.client_fin(8);  // four bytes before it are missing
  t.server_ack(9);
  t.end();
  EXPECT_EQ(t.to_server(), "abc[4]");
  EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerW5, InlineAckOfWhatWasNotForwardedIsRefused) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "abc");
  t.client(6, "fgh");
  EXPECT_EQ(t.server(1, "x", {.ack = 9}).reason(), DropReason::Unseen);
  EXPECT_EQ(t.server(1, "x", {.ack = 4}).fate(), Fate::Forward);
}

TEST(TrackerW5, InlineAdoptedFlowMayHaveEarlierDataInFlight) {
  FlowOptions o = inline_options();
  o.midstream = flow::MidstreamPolicy::Adopt;
  Script t(o);
  t.positions(5000, 9000);
  t.client(5000, "hole filler");
  t.server(9000, "x", {.ack = 6000});
  EXPECT_EQ(t.last().fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "hole filler[989]");
  EXPECT_EQ(t.client(6000, "GET /").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "hole filler[989]GET /");
}

Tweak stamp(std::uint32_t value, std::uint32_t echo = 0) {
  return {.timestamps = net::TcpOptions::Timestamps{value, echo}};
}

void handshake_with_timestamps(Script& t, std::uint32_t value) {
  t.syn(stamp(value));
  t.synack(stamp(5000));
  Tweak ack = stamp(value + 1, 5000);
  t.client(1, "", ack);
}

TEST_P(Window, W6_OldTimestampIsRefused) {
  Script t(options());
  handshake_with_timestamps(t, 1000);
  EXPECT_EQ(t.client(1, "decoy!", stamp(500)).reason(), DropReason::OldTimestamp);
  EXPECT_EQ(t.client(1, "attack", stamp(1002)).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "attack");
}

TEST_P(Window, W6_TimestampWrapIsNormal) {
  Script t(options());
  handshake_with_timestamps(t, 0xfffffff0U);
  t.client(1, "one ", stamp(0xfffffffeU));
  t.server_ack(5);
  t.client(5, "two ", stamp(3));
  t.server_ack(9);
  EXPECT_EQ(t.client(9, "decoy", stamp(0xfffffff5U)).reason(), DropReason::OldTimestamp);
  t.client(9, "three", stamp(4));
  EXPECT_EQ(t.to_server(), "one two three");
}

TEST_P(Window, W6_MissingTimestampIsTaken) {
  Script t(options());
  handshake_with_timestamps(t, 1000);
  EXPECT_EQ(t.client(1, "plain").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "plain");
}

TEST_P(Window, W6_TimestampsAreIgnoredIfNotNegotiated) {
  Script t(options());
  t.syn(stamp(1000));
  t.synack();
  t.client(1, "a", stamp(900));
  t.client(2, "b", stamp(100));
  EXPECT_EQ(t.to_server(), "ab");
}

TEST_P(Window, W6_AfterTwentyFourDaysAnyTimestampWillDo) {
  FlowOptions o = options();
  o.timeouts.established = seconds(40LL * 86400);
  Script t(o);
  handshake_with_timestamps(t, 1000);
  t.wait(seconds(25LL * 86400));
  EXPECT_EQ(t.client(1, "late", stamp(10)).fate(), Fate::Forward);
}

// An out-of-order segment must not advance TS.Recent (RFC 7323 4.3), or the hole could not be filled.
TEST_P(Window, W6_OutOfOrderTimestampDoesNotCount) {
  Script t(options());
  handshake_with_timestamps(t, 1000);
  t.client(4, "def", stamp(1010));
  EXPECT_EQ(t.client(1, "abc", stamp(1005)).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "abcdef");
}

TEST_P(Window, W7_KeepAliveIsForwardedAndNotDelivered) {
  Script t(options());
  t.handshake();
  EXPECT_EQ(t.client(0, "").fate(), Fate::Forward);
  EXPECT_EQ(t.client(0, "Z").fate(), Fate::Forward);  // before any data: the SYN's own number
  t.client(1, "abc");
  t.server_ack(4);
  EXPECT_EQ(t.client(3, "").fate(), Fate::Forward);
  EXPECT_EQ(t.client(3, "Z").fate(), Fate::Forward);
  EXPECT_EQ(t.counters().conflicts, 0U);
  t.client(4, "def");
  EXPECT_EQ(t.to_server(), "abcdef");
}

TEST_P(Window, W8_SpuriousRetransmissionIsForwarded) {
  Script t(options());
  t.handshake();
  t.client(1, "abc");
  t.server_ack(4);
  t.client(4, "def");
  t.server_ack(7);
  EXPECT_EQ(t.client(1, "abc").fate(), Fate::Forward);
  EXPECT_TRUE(t.last().retransmission);
  EXPECT_EQ(t.client(1, "abcdef").fate(), Fate::Forward);
  EXPECT_EQ(t.client(4, "XYZ").fate(), Fate::Forward);  // the receiver has it and will not look
  EXPECT_EQ(t.to_server(), "abcdef");
}

TEST_P(Window, W9_EqualRetransmissionsAreForwarded) {
  Script t(options());
  t.handshake();
  t.client(1, "abcdef");
  EXPECT_EQ(t.client(1, "abc").fate(), Fate::Forward);
  EXPECT_EQ(t.client(4, "def").fate(), Fate::Forward);
  EXPECT_EQ(t.client(1, "abcdefgh").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "abcdefgh");
  EXPECT_EQ(t.counters().conflicts, 0U);
}

TEST(TrackerW9, InlineDifferingRetransmissionIsDroppedUntilAcknowledged) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "benign");
  EXPECT_EQ(t.client(1, "attack").reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.client(4, "Xgn more").reason(), DropReason::OverlapConflict);
  EXPECT_TRUE(t.sink.saw(Anomaly::OverlapConflict));
  t.client(10, "later");
  EXPECT_EQ(t.client(9, "XXX").reason(), DropReason::OverlapConflict);  // behind the hole too
  EXPECT_EQ(t.client(10, "later").fate(), Fate::Forward);
  EXPECT_EQ(t.client(7, "123later!").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "benign123later!");
}

TEST(TrackerW9, PassiveDifferingRetransmissionIsCounted) {
  Script t;
  t.handshake();
  t.client(1, "benign");
  EXPECT_EQ(t.client(1, "attack").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "benign");
  EXPECT_EQ(t.counters().conflicts, 1U);
  EXPECT_TRUE(t.sink.saw(Anomaly::OverlapConflict));
}

TEST_P(Window, W10_CongestionBitsPass) {
  Script t(options());
  t.handshake();
  t.send(true, 1, "x", net::kAck | net::kEce | net::kCwr);
  EXPECT_EQ(t.last().fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "x");
}

TEST_P(Window, W11_AuthenticatedSegmentsAreRefused) {
  Script t(options());
  t.handshake();
  EXPECT_EQ(t.client(1, "decoy!", {.authentication = true}).reason(), DropReason::Authentication);
  EXPECT_EQ(t.send(true, 1, "", net::kRst, {.authentication = true}).reason(),
            DropReason::Authentication);
  t.client(1, "attack");
  EXPECT_EQ(t.to_server(), "attack");
}

TEST(TrackerW11, MalformedOptionsAreDroppedInlineAndTakenInACapture) {
  Script in(inline_options());
  in.handshake();
  EXPECT_EQ(in.client(1, "x", {.malformed_options = true}).reason(), DropReason::MalformedOptions);
  Script passive;
  passive.handshake();
  EXPECT_EQ(passive.client(1, "x", {.malformed_options = true}).fate(), Fate::Forward);
  EXPECT_EQ(passive.to_server(), "x");
}

TEST_P(Window, W12_SegmentsMayBeLargerThanTheMss) {
  Script t(options());  // offload makes super-segments
  t.handshake();
  EXPECT_EQ(t.client(1, std::string(60000, 'a')).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server().size(), 60000U);
}

TEST_P(Window, P6_BadChecksumIsRefused) {
  Script t(options());
  t.handshake();
  EXPECT_EQ(t.client(1, "decoy!", {.checksum_bad = true}).reason(), DropReason::BadChecksum);
  t.client(1, "attack");
  EXPECT_EQ(t.to_server(), "attack");
}

// Refused for its checksum, yet acknowledged and nothing else was seen: the capture was taken before the
// network card filled it in.
TEST(TrackerP6, PassiveRefusedButAcknowledgedIsDelivered) {
  Script t;
  t.handshake();
  t.client(1, "GET / ", {.checksum_bad = true});
  EXPECT_EQ(t.to_server(), "");
  t.server_ack(7);
  EXPECT_EQ(t.to_server(), "GET / ");
  EXPECT_EQ(t.counters().rescued, 1U);
}

TEST(TrackerP6, InlineRefusedIsNeverDelivered) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "decoy!", {.checksum_bad = true});
  EXPECT_EQ(t.server(1, "", {.ack = 7}).reason(), DropReason::Unseen);
  EXPECT_EQ(t.to_server(), "");
}

TEST(TrackerP11, TruncatedSegmentsLeaveATypedGap) {
  Script t;
  t.handshake();
  t.client(1, "abc", {.missing = 1000});
  t.client(1004, "def");
  EXPECT_EQ(t.to_server(), "abc[1000]def");
  EXPECT_EQ(t.sink.events[2], ">gap 1000 truncated");
  Script in(inline_options());
  in.handshake();
  EXPECT_EQ(in.client(1, "abc", {.missing = 1000}).reason(), DropReason::Truncated);
}

// The receiver is not captured any more: after a while its windows and ACKs are not asked for.
TEST(TrackerW5, PassiveReceiverVanishesFromTheCapture) {
  Script t;
  t.handshake();
  std::uint32_t seq = 1;
  for (std::uint32_t i = 0; i < 40; ++i) {
    t.client(seq, "0123456789", {.ack = 1 + 500 * i});
    seq += 10;
    t.wait(milliseconds(500));
  }
  EXPECT_TRUE(t.last().fate() == Fate::Forward);
  t.end();
  EXPECT_FALSE(t.sink.broken);
}

// A connection that went on elsewhere (FlowOptions::unseen) and came back.
FlowOptions unseen_options() {
  FlowOptions o = inline_options();
  o.unseen = true;
  return o;
}

class CameBack : public testing::Test {
 protected:
  CameBack() {
    t.server_scale = t.client_scale = 0;
    t.handshake();
    t.client(1, "1st?");
    t.server(1, "1st!");
    t.client_ack(5);
  }
  Script t{unseen_options()};
};

TEST_F(CameBack, WithARequest) {
  // 100 bytes of requests and 1,000 of answers were elsewhere.
  EXPECT_EQ(t.client(105, "2nd?", {.ack = 1005}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "1st?");  // is remembered until the server says that it has what is before
  EXPECT_EQ(t.server(1005, "2nd!", {.ack = 109}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "1st?[100]2nd?");
  EXPECT_EQ(t.to_client(), "1st![1000]2nd!");
  EXPECT_EQ(t.client(109, "3rd?", {.ack = 1009}).fate(), Fate::Forward);
  EXPECT_EQ(t.server(1009, "3rd!").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "1st?[100]2nd?3rd?");
  EXPECT_EQ(t.to_client(), "1st![1000]2nd!3rd!");
}

TEST_F(CameBack, WithTheServersAcknowledgementBeforeItsAnswer) {
  t.client(105, "2nd?", {.ack = 1005});
  EXPECT_EQ(t.send(false, 1005, "", net::kAck, {.ack = 109}).fate(), Fate::Forward);
  t.server(1005, "2nd!", {.ack = 109});
  EXPECT_EQ(t.to_server(), "1st?[100]2nd?");
  EXPECT_EQ(t.to_client(), "1st![1000]2nd!");
}

TEST_F(CameBack, FartherThanAnyWindow) {
  t.client(1'000'005, "2nd?", {.ack = 50'000'005});
  t.server(50'000'005, "2nd!", {.ack = 1'000'009});
  EXPECT_EQ(t.to_server(), "1st?[1000000]2nd?");
  EXPECT_EQ(t.to_client(), "1st![50000000]2nd!");
  // The request was told before its answer.
  const auto at = [&](std::string_view begin) {
    const auto& e = t.sink.events;
    return std::find_if(e.begin(), e.end(), [&](const std::string& s) { return s.starts_with(begin); }) - e.begin();
  };
  EXPECT_LT(at(">gap"), at("<gap"));
}

TEST_F(CameBack, InTheMiddleOfAnAnswer) {
  // Within the window: nothing is known until the client acknowledges what both have seen.
  t.server(2005, "of it");
  EXPECT_EQ(t.to_client(), "1st!");
  t.send(true, 5, "", net::kAck, {.ack = 2010});
  EXPECT_EQ(t.to_client(), "1st![2000]of it");
  // Beyond it: the server says so itself.
  t.server(9'000'000, "the end");
  EXPECT_EQ(t.to_client(), "1st![2000]of it[8997990]the end");
}

// A client alone makes no hole: what its server really sends is inspected.
TEST_F(CameBack, AClaimIsNotBelieved) {
  t.send(true, 5, "", net::kAck, {.ack = 1005});
  t.send(true, 5, "", net::kAck, {.ack = 0x1000000});
  EXPECT_EQ(t.server(5, std::string(2000, 'a'), {.ack = 5}).fate(), Fate::Forward);
  EXPECT_EQ(t.server(2005, std::string(2000, 'b'), {.ack = 5}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client(), "1st!" + std::string(2000, 'a') + std::string(2000, 'b'));
}

// Neither does data: what the server has not acknowledged is not told, and other bytes in its place are dropped.
TEST_F(CameBack, DataAheadIsHeldToWhatItWas) {
  EXPECT_EQ(t.client(300'000, "decoy").fate(), Fate::Forward);
  EXPECT_EQ(t.client(5, "attack").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "1st?attack");
  EXPECT_EQ(t.client(300'000, "other").reason(), DropReason::OverlapConflict);
}

}  // namespace
}  // namespace weir::test
