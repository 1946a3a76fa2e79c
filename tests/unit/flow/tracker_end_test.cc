// Overlaps, urgent data, FIN and RST (requirements O1 …).
#include <gtest/gtest.h>

#include "tests/support/tcp_script.h"

namespace weir::test {
namespace {

using flow::Anomaly;
using flow::DropReason;
using flow::FlowOptions;
using flow::OverlapPolicy;

class End : public testing::TestWithParam<bool> {
 public:
  static FlowOptions options() { return GetParam() ? inline_options() : passive_options(); }
};
INSTANTIATE_TEST_SUITE_P(Tracker, End, testing::Bool(),
                         [](const auto& p) { return p.param ? "Inline" : "Passive"; });

struct Overlap {
  const char* name;
  std::uint32_t old_seq;
  const char* old_bytes;
  std::uint32_t new_seq;
  const char* new_bytes;
  const char* first;
  const char* last;
  const char* linux_;
  const char* bsd;
  const char* windows;
};

// Both segments lie behind a hole of one byte at seq 1, filled with '.' at the end.
constexpr Overlap kOverlaps[] = {
    {"exact", 2, "aaaa", 2, "bbbb", ".aaaa", ".bbbb", ".aaaa", ".aaaa", ".aaaa"},
    {"covers both sides", 4, "aa", 2, "bbbbbb", ".bbaabb", ".bbbbbb", ".bbbbbb", ".bbbbbb",
     ".bbbbbb"},
    {"left overlap", 4, "aaaa", 2, "bbbb", ".bbaaaa", ".bbbbaa", ".bbbbaa", ".bbbbaa", ".bbaaaa"},
    {"right overlap", 2, "aaaa", 4, "bbbb", ".aaaabb", ".aabbbb", ".aaaabb", ".aaaabb", ".aaaabb"},
    {"inside", 2, "aaaaaa", 4, "bb", ".aaaaaa", ".aabbaa", ".aaaaaa", ".aaaaaa", ".aaaaaa"},
    {"same start, longer", 2, "aa", 2, "bbbb", ".aabb", ".bbbb", ".bbbb", ".aabb", ".aabb"},
    {"same start, shorter", 2, "aaaa", 2, "bb", ".aaaa", ".bbaa", ".aaaa", ".aaaa", ".aaaa"},
    {"same end, longer", 4, "aa", 2, "bbbb", ".bbaa", ".bbbb", ".bbbb", ".bbbb", ".bbaa"},
};

TEST(TrackerO1, OverlapPolicies) {
  for (const Overlap& c : kOverlaps) {
    const std::pair<OverlapPolicy, const char*> policies[] = {{OverlapPolicy::First, c.first},
                                                              {OverlapPolicy::Last, c.last},
                                                              {OverlapPolicy::Linux, c.linux_},
                                                              {OverlapPolicy::Bsd, c.bsd},
                                                              {OverlapPolicy::Windows, c.windows}};
    for (const auto& [policy, expected] : policies) {
      FlowOptions o;
      o.overlap = policy;
      Script t(o);
      t.handshake();
      t.client(c.old_seq, c.old_bytes);
      t.client(c.new_seq, c.new_bytes);
      t.client(1, ".");
      EXPECT_EQ(t.to_server(), expected) << c.name << ", policy " << static_cast<int>(policy);
      EXPECT_EQ(t.counters().conflicts, 1U);
    }
  }
}

TEST(TrackerO1, InlineDropsEveryConflictWhateverThePolicy) {
  for (const Overlap& c : kOverlaps) {
    FlowOptions o = inline_options();
    o.overlap = OverlapPolicy::Last;
    Script t(o);
    t.handshake();
    EXPECT_EQ(t.client(c.old_seq, c.old_bytes).fate(), Fate::Forward);
    EXPECT_EQ(t.client(c.new_seq, c.new_bytes).reason(), DropReason::OverlapConflict) << c.name;
  }
}

// What was delivered stays delivered, under every policy.
TEST(TrackerO1, DeliveredBytesAlwaysWin) {
  for (const OverlapPolicy p : {OverlapPolicy::First, OverlapPolicy::Last, OverlapPolicy::Linux,
                                OverlapPolicy::Bsd, OverlapPolicy::Windows}) {
    FlowOptions o;
    o.overlap = p;
    Script t(o);
    t.handshake();
    t.client(1, "aaaa");
    t.client(1, "bbbbcc");
    t.client(7, "d");
    EXPECT_EQ(t.to_server(), "aaaaccd");
  }
}

TEST(TrackerO1, NewSegmentOverSeveralOldOnes) {
  FlowOptions o;
  o.overlap = OverlapPolicy::Linux;
  Script t(o);
  t.handshake();
  t.client(3, "aa");
  t.client(7, "bb");
  t.client(11, "cc");
  t.client(4, "XXXXXXXX");  // right overlap of a, covers b, left overlap of c
  t.client(1, "..");
  EXPECT_EQ(t.to_server(), "..aaXXXXXXXc");
}

TEST(TrackerO2, InlineOutOfOrderSegmentsAreBounded) {
  FlowLimits limits = small_limits();
  limits.direction_segments = 100;
  Script t(inline_options(), limits);
  t.handshake();
  int taken = 0;
  for (std::uint32_t i = 0; i < 200; ++i) {
    taken += t.client(3 + 2 * i, "x").fate() == Fate::Forward ? 1 : 0;
  }
  EXPECT_EQ(taken, 100);
  EXPECT_EQ(t.last().reason(), DropReason::DirectionLimit);
  EXPECT_EQ(t.client(1, "ab").fate(), Fate::Forward);
}

TEST(TrackerO3, InlineClearsUrgent) {
  Script t(inline_options());
  t.handshake();
  const auto v = t.send(true, 1, "abXcd", net::kAck | net::kUrg, {.urgent = 3});
  EXPECT_EQ(v.fate(), Fate::Forward);
  EXPECT_TRUE(v.clear_urgent);
  EXPECT_EQ(t.to_server(), "abXcd");
  EXPECT_TRUE(t.client(6, "e", {.urgent = 9}).clear_urgent);  // a pointer without the flag too
  EXPECT_FALSE(t.client(7, "f").clear_urgent);
}

// CVE-2024-55629 and after: the byte at the pointer leaves the stream, wherever it lies.
TEST(TrackerO3, PassiveUrgentByteIsTakenOut) {
  struct Case {
    std::uint16_t pointer;
    const char* expected;
  };
  for (const Case& c : {Case{3, "abde"}, Case{1, "bcde"}, Case{0, "bcde"}, Case{5, "abcd"},
                        Case{9, "abcde"}}) {
    Script t;
    t.handshake();
    t.send(true, 1, "abcde", net::kAck | net::kUrg, {.urgent = c.pointer});
    EXPECT_EQ(t.to_server(), c.expected) << c.pointer;
    EXPECT_FALSE(t.sink.broken);
    t.client(6, "fghi");
    EXPECT_EQ(t.to_server(), std::string(c.expected) + (c.pointer == 9 ? "fgh" : "fghi"));
    EXPECT_TRUE(t.sink.saw(Anomaly::UrgentData));
    EXPECT_FALSE(t.sink.broken);
  }
}

TEST(TrackerO3, PassiveOnlyTheLatestUrgentByteCounts) {
  Script t;
  t.handshake();
  t.send(true, 3, "cd", net::kAck | net::kUrg, {.urgent = 1});  // 'c', not yet read
  t.send(true, 5, "ef", net::kAck | net::kUrg, {.urgent = 1});  // 'e'
  t.client(1, "ab");
  EXPECT_EQ(t.to_server(), "abcdf");
}

TEST(TrackerO3, PassiveUrgentMayBeInStream) {
  FlowOptions o;
  o.urgent = flow::UrgentPolicy::InStream;
  Script t(o);
  t.handshake();
  t.send(true, 1, "abcde", net::kAck | net::kUrg, {.urgent = 3});
  EXPECT_EQ(t.to_server(), "abcde");
}

TEST_P(End, O4_FinEndsItsDirectionOnly) {
  Script t(options());
  t.handshake();
  t.client(1, "GET /");
  t.client_fin(6);
  t.server_ack(7);
  EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
  EXPECT_FALSE(t.sink.ended[1].has_value());
  for (std::uint32_t i = 0; i < 50; ++i) t.server(1 + 3 * i, "xyz");  // a close-delimited answer
  EXPECT_EQ(t.to_client().size(), 150U);
  EXPECT_EQ(t.sink.closed, 0);
  t.server_fin(151);
  t.client_ack(152);
  EXPECT_EQ(t.sink.ended[1], EndCause::Fin);
  EXPECT_EQ(t.sink.closed, 1);
  EXPECT_FALSE(t.sink.broken);
}

TEST_P(End, O4_FinWithData) {
  Script t(options());
  t.handshake();
  t.send(true, 1, "last", net::kAck | net::kFin);
  t.server_ack(6);
  EXPECT_EQ(t.to_server(), "last");
  EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
}

TEST_P(End, O4_FinBehindAHoleWaits) {
  Script t(options());
  t.handshake();
  t.client(1, "abc");
  t.send(true, 6, "fg", net::kAck | net::kFin);
  EXPECT_FALSE(t.sink.ended[0].has_value());
  t.client(4, "de");
  t.server_ack(9);
  EXPECT_EQ(t.to_server(), "abcdefg");
  EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
}

TEST_P(End, O4_FinOutOfWindowIsIgnored) {
  Script t(options());
  t.server_scale = 0;
  t.server_window = 100;
  t.handshake();
  EXPECT_EQ(t.client_fin(5000).reason(), DropReason::OutOfWindow);
  t.client(1, "attack");
  EXPECT_EQ(t.to_server(), "attack");
  EXPECT_FALSE(t.sink.ended[0].has_value());
}

TEST_P(End, O4_DataAfterFinIsRefused) {
  Script t(options());
  t.handshake();
  t.client(1, "abc");
  t.client_fin(4);
  t.server_ack(5);
  EXPECT_EQ(t.client(4, "more").reason(), DropReason::AfterFin);
  EXPECT_EQ(t.client(5, "more").reason(), DropReason::AfterFin);
  EXPECT_EQ(t.client(1, "abc").fate(), Fate::Forward);
  EXPECT_EQ(t.client_fin(4).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "abc");
}

// CVE-2019-18625: a FIN that the receiver never sees (low TTL), and the stream goes on.
TEST(TrackerO4, PassiveFinThatWasNotReceived) {
  Script t;
  t.handshake();
  t.client(1, "GET /");
  t.send(true, 6, "", net::kFin | net::kAck, {.ttl = 1});
  EXPECT_FALSE(t.sink.ended[0].has_value());  // not acknowledged yet
  t.client(6, "attack");
  EXPECT_EQ(t.to_server(), "GET /");
  t.server_ack(12);
  EXPECT_EQ(t.to_server(), "GET /attack");
  t.client(12, " on");
  EXPECT_EQ(t.to_server(), "GET /attack on");
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerO4, InlineFinAtTwoPlacesIsRefused) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "abc");
  EXPECT_EQ(t.client_fin(10).fate(), Fate::Forward);
  EXPECT_EQ(t.client_fin(6).reason(), DropReason::FinConflict);
  EXPECT_EQ(t.client(8, "across").reason(), DropReason::FinConflict);
  EXPECT_EQ(t.client(4, "defghi").fate(), Fate::Forward);
  EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
  Script u(inline_options());
  u.handshake();
  u.client(10, "behind a hole");
  EXPECT_EQ(u.client_fin(5).reason(), DropReason::FinConflict);
}

// After both FINs the bytes in flight are still compared.
TEST(TrackerO4, InlineClosedFlowStillComparesRetransmissions) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "benign");
  t.client_fin(7);
  t.server(1, "x", {.ack = 1});
  t.send(false, 2, "", net::kFin | net::kAck, {.ack = 1});
  EXPECT_EQ(t.sink.closed, 1);
  EXPECT_EQ(t.client(1, "attack").reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.client(1, "benign").fate(), Fate::Forward);
  EXPECT_FALSE(t.sink.broken);
}

TEST_P(End, O5_ResetMustBeExact) {
  for (const std::uint32_t wrong : {3U, 5U, 100U, 60000U, 0x7fffffffU}) {
    Script t(options());
    t.handshake();
    t.client(1, "abc");
    t.server_ack(4);
    EXPECT_EQ(t.client_rst(wrong).reason(), DropReason::BadReset) << wrong;
    t.client(4, "attack");
    EXPECT_EQ(t.to_server(), "abcattack");
    EXPECT_EQ(t.sink.closed, 0);
  }
}

TEST_P(End, O5_ExactResetWithAnAbsurdAckCounts) {
  Script t(options());
  t.handshake();
  t.client(1, "abc");
  EXPECT_EQ(t.send(true, 4, "", net::kRst | net::kAck, {.ack = 0x12345678}).fate(), Fate::Forward);
  t.client(4, "more");
  EXPECT_EQ(t.to_server(), "abc");
  t.end();
  EXPECT_EQ(t.sink.ended[0], EndCause::Reset);
  EXPECT_EQ(t.sink.closed, 1);
}

TEST(TrackerO5, InlineResetForUnacknowledgedPositionIsForwardedAndChangesNothing) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "abc");  // may be lost on the way to the server
  EXPECT_EQ(t.client_rst(1).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.closed, 0);
  EXPECT_EQ(t.client(4, "def").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "abcdef");
}

TEST(TrackerO6, InlineDataAfterResetIsDropped) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "abc");
  t.client_rst(4);
  EXPECT_EQ(t.sink.closed, 1);
  const auto v = t.client(4, "post");
  EXPECT_EQ(v.reason(), DropReason::AfterReset);
  EXPECT_TRUE(v.reject);
  EXPECT_EQ(t.server(1, "post").reason(), DropReason::AfterReset);
  EXPECT_EQ(t.server_ack(4).fate(), Fate::Forward);
  EXPECT_EQ(t.client_rst(4).fate(), Fate::Forward);
  EXPECT_FALSE(t.sink.broken);
}

// A reset that the server never sees (low TTL; Suricata issue 3286, "fake closed session").
TEST(TrackerO6, PassiveResetThatWasNotReceived) {
  Script t;
  t.handshake();
  t.client(1, "GET /");
  t.server_ack(6);
  t.send(true, 6, "", net::kRst, {.ttl = 1});
  t.client(6, "attack");
  EXPECT_EQ(t.to_server(), "GET /");
  t.server(1, "still here", {.ack = 12});
  EXPECT_EQ(t.to_server(), "GET /attack");
  t.client_ack(11);
  t.client(12, "!");
  EXPECT_EQ(t.to_server(), "GET /attack!");
  EXPECT_EQ(t.sink.closed, 0);
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerO6, PassiveResetEndsTheFlowAfterAWhile) {
  Script t;
  t.handshake();
  t.client(1, "abc");
  t.client_rst(4);
  EXPECT_EQ(t.sink.closed, 0);
  t.wait(seconds(12));
  EXPECT_EQ(t.sink.closed, 1);
  EXPECT_EQ(t.sink.ended[0], EndCause::Reset);
  EXPECT_EQ(t.client(4, "late").reason(), DropReason::AfterReset);
  EXPECT_FALSE(t.sink.broken);
}

// A decoy with a low TTL, then other bytes for the same place: first wins, and the conflict is dropped.
TEST(TrackerO7, InlineLowTtlDecoyStallsItsOwnSender) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "decoy!", {.ttl = 1});
  EXPECT_EQ(t.client(1, "attack").reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.to_server(), "decoy!");
}

TEST_P(End, O8_NonsenseFlagsAreRefused) {
  for (const std::uint8_t flags : {std::uint8_t{net::kSyn | net::kFin},
                                   std::uint8_t{net::kSyn | net::kRst},
                                   std::uint8_t{net::kSyn | net::kFin | net::kAck}}) {
    Script t(options());
    EXPECT_EQ(t.send(true, 0, "", flags).reason(), DropReason::InvalidFlags);
    t.handshake();
    EXPECT_EQ(t.send(true, 1, "decoy!", flags).reason(), DropReason::InvalidFlags);
    t.client(1, "attack");
    EXPECT_EQ(t.to_server(), "attack");
  }
}

TEST(TrackerSkip, NoMoreBytesAreDeliveredOrKept) {
  for (const bool in : {false, true}) {
    Script t(in ? inline_options() : passive_options());
    t.sink.skip_after[0] = 3;
    t.handshake();
    t.client(1, "abcdef");
    t.client(7, "ghi");
    t.client(20, "behind a hole");
    EXPECT_EQ(t.to_server(), "abcdef");
    EXPECT_EQ(t.counters().buffered_now, 0U);
    t.server(1, "answer", {.ack = 10});
    EXPECT_EQ(t.to_client(), "answer");
    t.client(10, "0123456789");
    t.server_ack(20);
    t.client_fin(33);
    t.client(20, "behind a hole");
    t.server_ack(34);
    EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
    EXPECT_EQ(t.sink.next_offset[0], 6U);
  }
}

// A hole in a skipped direction is not tracked, but its acknowledgement must pass.
TEST(TrackerSkip, InlineAcknowledgementBeyondAFilledHole) {
  Script t(inline_options());
  t.sink.skip_after[0] = 1;
  t.handshake();
  t.client(1, "abc");
  t.client(7, "ghi");
  t.client(4, "def");
  EXPECT_EQ(t.server(1, "x", {.ack = 10}).fate(), Fate::Forward);
  EXPECT_EQ(t.server(2, "x", {.ack = 11}).reason(), DropReason::Unseen);
  t.client(10, "jkl");
  EXPECT_EQ(t.client_rst(13).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.closed, 1);
}

TEST_P(End, O5_DataOfAResetIsNotDelivered) {
  Script t(options());
  t.handshake();
  t.client(1, "abc");
  t.send(true, 4, "not data", net::kRst | net::kAck);
  t.end();
  EXPECT_EQ(t.to_server(), "abc");
  EXPECT_EQ(t.sink.ended[0], EndCause::Reset);
}

TEST(TrackerVerdict, NothingIsForwardedByDefault) {
  const flow::SegmentVerdict v;
  EXPECT_EQ(v.fate(), Fate::Drop);
  EXPECT_EQ(v.reason(), DropReason::NotExamined);
  static_assert(!std::is_default_constructible_v<flow::Accepted> ||
                !std::is_constructible_v<flow::SegmentVerdict, Fate>);
}

TEST(TrackerVerdict, EveryReasonHasAName) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < flow::kDropReasons; ++i) {
    const std::string_view n = name(static_cast<DropReason>(i));
    EXPECT_FALSE(n.empty());
    EXPECT_EQ(n.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"), std::string_view::npos);
    for (const auto& other : names) EXPECT_NE(other, n);
    names.push_back(n);
  }
  EXPECT_EQ(name(DropReason::OutOfWindow), "out-of-window");
  EXPECT_EQ(name(DropReason::FlowLimit), "flow-limit");
}

}  // namespace
}  // namespace weir::test
