// Memory, depth, timeouts and eviction (requirements B1 …, R5, R6).
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/tcp_script.h"

namespace weir::test {
namespace {

using flow::Anomaly;
using flow::DropReason;
using flow::FlowOptions;

TEST(TrackerB1, GlobalCapInlineDropsAndForgetsNothing) {
  FlowLimits limits = small_limits();
  limits.buffered_bytes = 100 * 1024;
  Script t(inline_options(), limits);
  t.handshake();
  t.server_ack(1);  // opens the scaled window
  EXPECT_LE(t.tracker().memory_ceiling(), 1U << 20);
  std::uint32_t seq = 3;
  while (t.client(seq, std::string(1000, 'x')).fate() == Fate::Forward) seq += 1000;
  EXPECT_EQ(t.last().reason(), DropReason::MemoryLimit);
  EXPECT_LE(t.counters().buffered_now, limits.buffered_bytes);
  // The hole is filled: what was taken is delivered, all of it; acknowledged, there is room again.
  EXPECT_EQ(t.client(1, "ab").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server().size(), seq - 1);
  t.server_ack(seq);
  EXPECT_EQ(t.counters().buffered_now, 0U);
  EXPECT_EQ(t.client(seq, std::string(1000, 'x')).fate(), Fate::Forward);
}

// Connections that wait behind holes leave room to fill them: otherwise all of them would wait for ever.
TEST(TrackerB1, WhatWaitsBehindHolesLeavesRoomForWhatFillsThem) {
  FlowLimits limits = small_limits();
  limits.buffered_bytes = 100 * 1024;
  Script t(inline_options(), limits);
  t.handshake();
  t.server_ack(1);
  std::uint32_t seq = 1 + 20 * 1000;
  while (t.client(seq, std::string(1000, 'x')).fate() == Fate::Forward) seq += 1000;
  EXPECT_EQ(t.last().reason(), DropReason::MemoryLimit);
  EXPECT_GT(t.counters().buffered_now, limits.buffered_bytes / 2);
  // Twenty pages of the hole, none of which was reserved before; the receiver acknowledges as it comes.
  for (std::uint32_t at = 1; at < 1 + 20 * 1000; at += 1000) {
    EXPECT_EQ(t.client(at, std::string(1000, 'y')).fate(), Fate::Forward) << at;
    t.server_ack(at + 1000);
  }
  EXPECT_EQ(t.to_server().size(), seq - 1);
}

// A capture without the receiver: what cannot wait for a hole is delivered with a gap.
TEST(TrackerB1, GlobalCapPassiveOneSidedGoesOnWithAGap) {
  FlowLimits limits = small_limits();
  limits.buffered_bytes = 100 * 1024;
  FlowOptions options;
  options.hole_bytes = UINT32_MAX;
  options.hole_segments = UINT32_MAX;
  Script t(options, limits);
  t.syn();
  t.send(true, 1, "", net::kAck, {.ack = 1});
  std::uint32_t seq = 3;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(t.client(seq, std::string(1000, 'x'), {.ack = 1}).fate(), Fate::Forward);
    seq += 1000;
  }
  EXPECT_EQ(t.to_server().substr(0, 4), "[2]x");
  EXPECT_EQ(t.to_server().size(), 3U + seq - 3);
  EXPECT_EQ(t.sink.events[1], ">gap 2 evicted");
  EXPECT_FALSE(t.sink.broken);
  EXPECT_LE(t.counters().buffered_now, limits.buffered_bytes);
}

// With both sides a sender must not be able to have a hole given up that it fills afterwards.
TEST(TrackerB1, CapsPassiveLeaveOutWhatCannotWait) {
  for (int cap = 0; cap < 4; ++cap) {
    FlowLimits limits = small_limits();
    if (cap == 0) limits.buffered_bytes = 100 * 1024;
    if (cap == 1) limits.direction_bytes = 100 * 1024;
    if (cap == 2) limits.direction_segments = 50;
    Script t(passive_options(), limits);
    t.handshake();
    t.server_ack(1);  // opens the scaled window
    if (cap == 3) {
      t.client(1 + 2'000'000, "far ahead, and in the window");
    }
    std::uint32_t seq = 7;
    for (int i = 0; i < 300; ++i) {
      t.client(seq, std::string(1000, 'x'));
      seq += 1000;
    }
    EXPECT_EQ(t.to_server(), "");
    t.client(1, "attack");
    EXPECT_EQ(t.to_server().substr(0, 8), "attackxx") << cap;
    if (cap != 3) {
      const std::size_t kept = t.to_server().size();
      EXPECT_LT(kept, seq - 1);
      t.server_ack(seq);
      t.client(seq, "next");
      EXPECT_EQ(t.to_server().substr(kept), "[" + std::to_string(seq - 1 - kept) + "]next") << cap;
    }
    EXPECT_FALSE(t.sink.broken);
  }
}

TEST(TrackerB1, DirectionCapBoundsHowFarASenderMayRunAhead) {
  FlowLimits limits = small_limits();
  limits.direction_bytes = 64 * 1024;
  Script t(inline_options(), limits);
  t.handshake();
  t.server_ack(1);
  std::uint32_t seq = 1;
  while (t.client(seq, std::string(1000, 'x')).fate() == Fate::Forward) seq += 1000;
  EXPECT_EQ(t.last().reason(), DropReason::DirectionLimit);
  EXPECT_EQ(seq, 65001U);
  t.server_ack(2001);
  EXPECT_EQ(t.client(seq, std::string(1000, 'x')).fate(), Fate::Forward);
}

// Another connection, from this port.
void open(Script& t, std::uint16_t port) {
  t.client_port(port);
  t.restart(1000, 2000);
  t.handshake();
  t.server_ack(1);
}

// Bytes that nobody acknowledges, or that wait behind a hole which nobody fills, do not keep others out for good.
TEST(TrackerB1, WhoeverMakesNoProgressMakesRoom) {
  for (const bool hole : {false, true}) {
    SCOPED_TRACE(hole);
    FlowLimits limits = small_limits();
    limits.buffered_bytes = 128 * 1024;
    Script t(inline_options(), limits);
    const auto send = [&](std::uint32_t from) { return t.client(from, std::string(1000, 'x')).fate() == Fate::Forward; };
    const auto wait = [&](int steps) {
      for (int i = 0; i < steps; ++i) t.wait(milliseconds(40));
    };
    open(t, 1);
    for (std::uint32_t i = 0; i < 30; ++i) ASSERT_TRUE(send(1 + i * 1000));
    open(t, 2);
    std::uint32_t seq = hole ? 2 : 1;
    while (send(seq)) seq += 1000;
    EXPECT_EQ(t.last().reason(), DropReason::MemoryLimit);
    open(t, 3);
    std::uint32_t mine = 1;
    while (send(mine)) mine += 1000;
    EXPECT_GT(mine, 10'000U) << "some is kept for what is in order, and for those who have little";
    EXPECT_LT(mine, 30'000U);
    EXPECT_EQ(t.counters().stalled_evicted, 0U) << "nobody has stood still for long";
    t.wait(seconds(1));  // at once: nobody could have done anything
    t.client_port(2);
    EXPECT_FALSE(send(seq));
    wait(20);
    t.client_port(1);
    t.server_ack(10'001);  // goes on, if slowly
    t.client_port(3);
    wait(10);
    for (std::uint32_t i = 0; i < 30; ++i) ASSERT_TRUE(send(mine + i * 1000)) << i;
    EXPECT_EQ(t.counters().stalled_evicted, 1U);
    t.client_port(2);
    EXPECT_FALSE(send(seq));
    EXPECT_EQ(t.last().reason(), DropReason::Midstream) << "forgotten";
    t.client_port(1);
    EXPECT_TRUE(send(30'001));
    EXPECT_EQ(t.counters().stalled_evicted, 1U);
  }
}

// Of what the listener released most acknowledgements do not come by.
TEST(TrackerB1, WhatGoesByUnseenIsGivenMoreTime) {
  FlowLimits limits = small_limits();
  limits.buffered_bytes = 64 * 1024;
  Script t(inline_options(), limits);
  const auto fill = [&] {
    std::uint32_t seq = 1;
    while (t.client(seq, std::string(1000, 'x')).fate() == Fate::Forward) seq += 1000;
  };
  open(t, 1);
  t.with_flow([](auto&, flow::Flow& f, auto&) { f.away = true; });
  fill();
  for (const std::uint16_t port : {2, 3, 4}) {
    for (int i = 0; i < 30; ++i) t.wait(milliseconds(40));
    open(t, port);
    fill();
    EXPECT_EQ(t.counters().stalled_evicted != 0, port == 4) << port;
  }
}

// Each packet of a conversation brings bytes and acknowledges those of the other side: something is always kept.
TEST(TrackerB1, AConversationIsProgress) {
  FlowLimits limits = small_limits();
  limits.buffered_bytes = 64 * 1024;
  Script t(inline_options(), limits);
  t.client_port(1);
  t.restart(1000, 2000);
  t.handshake();
  std::uint32_t at = 1;
  for (int i = 0; i < 50; ++i, at += 5) {
    ASSERT_EQ(t.send(true, at, "hello", net::kAck, {.ack = at}).fate(), Fate::Forward);
    t.wait(milliseconds(40));
    ASSERT_EQ(t.send(false, at, "world", net::kAck, {.ack = at + 5}).fate(), Fate::Forward);
    t.wait(milliseconds(20));
  }
  t.client_port(2);
  t.restart(1000, 2000);
  t.handshake();
  t.server_ack(1);
  for (std::uint32_t seq = 1; t.client(seq, std::string(1000, 'x')).fate() == Fate::Forward;) seq += 1000;
  EXPECT_EQ(t.counters().stalled_evicted, 0U);
}

// Inspect on arrival, not when the receiver acknowledges.
TEST(TrackerB2, BytesAreDeliveredOnArrival) {
  for (const bool in : {false, true}) {
    Script t(in ? inline_options() : passive_options());
    t.handshake();
    EXPECT_EQ(t.client(1, "GET / HTTP/1.1\r\n\r\n").delivered, 18U);
  }
}

// No depth: a long connection is delivered to its last byte in bounded memory.
TEST(TrackerB3, LongConnectionsAreDeliveredToTheEnd) {
  for (const bool in : {false, true}) {
    Script t(in ? inline_options() : passive_options());
    t.handshake();
    std::uint32_t seq = 1;
    const std::string block(1400, 'x');
    for (int i = 0; i < 20000; ++i) {
      ASSERT_EQ(t.client(seq, block).fate(), Fate::Forward);
      seq += 1400;
      if (i % 4 == 0) t.server_ack(seq);
      ASSERT_LE(t.counters().buffered_now, 80U * 1024);
      t.sink.bytes[0].clear();
      t.sink.events.clear();
    }
    EXPECT_EQ(t.counters().delivered_bytes, 20000U * 1400);
  }
}

TEST(TrackerB7, EvictionOrder) {
  FlowLimits limits = small_limits();
  limits.flows = 4;
  Script t(passive_options(), limits);
  const auto open = [&](std::uint16_t port) {
    t.client_port(port);
    t.restart(1000, 2000);
    t.handshake();
    return t.last().flow;
  };
  flow::Flow* busy = open(1);
  busy->busy = true;
  t.client(1, "x");
  open(2);  // idle, older
  t.wait(seconds(2));
  open(3);  // idle, younger
  open(4);
  t.client_rst(1);  // closed
  open(5);          // evicts 4
  EXPECT_EQ(t.counters().evicted[0], 1U);
  t.sink.events.clear();
  open(6);  // evicts 2, the oldest idle one
  EXPECT_EQ(t.counters().evicted[2], 1U);
  EXPECT_EQ(t.sink.events[0], ">end evicted");
  open(7);  // evicts 3
  open(8);
  open(9);
  EXPECT_EQ(t.counters().evicted[2], 4U);
  EXPECT_EQ(t.counters().evicted[3], 0U);
  t.client_port(1);
  t.send(true, 2, "y", net::kAck, {.ack = 1});  // the busy one is still there
  EXPECT_EQ(t.last().flow, busy);
  EXPECT_EQ(t.counters().flows_now, 4U);
}

TEST(TrackerB7, InlineARunningTransactionIsNotSacrificed) {
  FlowLimits limits = small_limits();
  limits.flows = 1;
  Script t(inline_options(), limits);
  t.handshake();
  t.last().flow->busy = true;
  t.client(1, "x");
  t.client_port(40001);
  t.restart(1000, 2000);
  t.syn();
  t.synack();
  EXPECT_EQ(t.send(true, 1, "", net::kAck, {.ack = 1}).reason(), DropReason::FlowLimit);
  EXPECT_EQ(t.sink.closed, 0);
}

TEST(TrackerB8, Timeouts) {
  for (const bool in : {false, true}) {
    Script t(in ? inline_options() : passive_options());
    t.syn();
    t.wait(seconds(31));
    EXPECT_EQ(t.counters().half_open_now, 0U);
    EXPECT_EQ(t.counters().half_open_expired, 1U);
    t.handshake();
    t.client(1, "x");
    t.wait(seconds(899));
    EXPECT_EQ(t.counters().flows_now, 1U);
    t.client(2, "y");  // activity counts
    t.wait(seconds(899));
    EXPECT_EQ(t.counters().flows_now, 1U);
    t.wait(seconds(5));
    EXPECT_EQ(t.counters().flows_now, 0U);
    EXPECT_EQ(t.sink.ended[0], EndCause::Timeout);
    EXPECT_EQ(t.sink.closed, 1);
    t.restart(500, 600);
    t.handshake();
    t.client_fin(1);
    t.server_fin(1);
    t.client_ack(2);
    EXPECT_EQ(t.counters().flows_now, 1U);  // remembered for a while
    EXPECT_EQ(t.sink.closed, 2);
    t.wait(seconds(40));
    EXPECT_EQ(t.counters().flows_now, 0U);
    EXPECT_FALSE(t.sink.broken);
  }
}

// A segment finds an expired flow gone even before the wheel has come to it.
TEST(TrackerB8, ExpiryDoesNotDependOnTicks) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "x");
  t.now = t.now + seconds(901);
  EXPECT_EQ(t.client(2, "y").reason(), DropReason::Midstream);
  EXPECT_EQ(t.sink.closed, 1);
}

TEST(TrackerB8, TimeRunningBackwardsIsHarmless) {
  Script t;
  t.handshake();
  t.client(1, "x");
  t.now = {0};
  EXPECT_EQ(t.client(2, "y").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), "xy");
}

TEST(TrackerB9, AHundredThousandHalfOpenConnections) {
  FlowLimits limits;
  limits.flows = 1024;
  limits.half_open = 100'000;
  limits.buffered_bytes = 1 << 20;
  Script t(inline_options(), limits);
  t.step = {1000};
  t.handshake();
  t.client(1, "established ");
  const std::uint64_t ceiling = t.tracker().memory_ceiling();
  for (std::uint32_t i = 0; i < 150'000; ++i) {
    t.client_address(100 + i / 50'000);
    t.client_port(static_cast<std::uint16_t>(1024 + i % 50'000));
    ASSERT_EQ(t.send(true, 0, "", net::kSyn).fate(), Fate::Forward);
  }
  EXPECT_EQ(t.counters().half_open_now, 100'000U);
  EXPECT_EQ(t.counters().half_open_evicted, 50'000U);
  t.client_address(1);
  t.client_port(40000);
  t.send(true, 13, "unharmed", net::kAck, {.ack = 1});  // the flood had its own pool
  EXPECT_EQ(t.to_server(), "established unharmed");
  std::printf("half-open connection: %zu bytes; ceiling with 100 000 of them and 1 024 flows: %llu KiB\n",
              sizeof(flow::HalfOpen), static_cast<unsigned long long>(ceiling / 1024));
  EXPECT_LE(sizeof(flow::HalfOpen), 80U);
}

TEST(TrackerB10, ManyHalfSentRequests) {
  FlowLimits limits;
  limits.flows = 20'000;
  limits.half_open = 1024;
  limits.buffered_bytes = 8 << 20;
  Script t(inline_options(), limits);
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    t.client_port(static_cast<std::uint16_t>(1024 + i));
    t.restart(i * 977, i * 31);
    t.handshake();
    t.client(1, "GET / HTTP/1.1\r\nHost:");
    t.server_ack(22);
    ASSERT_EQ(t.last().fate(), Fate::Forward);
  }
  EXPECT_EQ(t.counters().flows_now, 20'000U);
  EXPECT_EQ(t.counters().buffered_now, 0U);  // acknowledged and delivered: nothing is kept here
}

TEST(TrackerB10, OneByteSegmentFlood) {
  for (const bool in : {false, true}) {
    FlowLimits limits = small_limits();
    limits.buffered_bytes = 2 << 20;
    Script t(in ? inline_options() : passive_options(), limits);
    t.server_window = 65535;
    t.handshake();
    t.server_ack(1);
    // Every second byte of 400 KiB, backwards: no two segments touch.
    for (std::uint32_t i = 200'000; i > 0; --i) {
      t.client(2 * i, "x");
      ASSERT_LE(t.counters().buffered_now, limits.buffered_bytes);
    }
    EXPECT_FALSE(t.sink.broken);
    if (in) {
      EXPECT_EQ(t.last().reason(), DropReason::DirectionLimit);
    }
    t.end();
    EXPECT_EQ(t.counters().buffered_now, 0U);
  }
}

TEST(TrackerB11, AnIdleConnectionIsSmall) {
  Script t(inline_options());
  t.handshake();
  t.client(1, "GET / HTTP/1.1\r\n\r\n");
  t.server(1, "HTTP/1.1 204 No Content\r\n\r\n");
  t.client_ack(28);
  EXPECT_EQ(t.counters().buffered_now, 0U);
  std::printf("established connection: %zu bytes (one direction %zu), idle %zu, 4 of the index\n",
              sizeof(flow::Flow), sizeof(flow::HalfStream), sizeof(flow::Dormant));
  EXPECT_LE(sizeof(flow::Flow), 464U);
  EXPECT_LE(sizeof(flow::Dormant), 128U);
}

// The same segments give the same events, whatever the key of the table.
TEST(TrackerDeterminism, SameSegmentsSameEvents) {
  std::vector<std::string> first;
  for (std::uint64_t key = 0; key < 3; ++key) {
    FlowOptions o;
    o.table_k0 = key * 0x9e3779b97f4a7c15ULL;
    FlowLimits limits = small_limits();
    limits.flows = 16;
    Script t(o, limits);
    for (std::uint32_t i = 0; i < 200; ++i) {
      t.client_port(static_cast<std::uint16_t>(1024 + i % 37));
      t.restart(i * 1000, i * 2000);
      t.handshake();
      t.client(5, "behind");
      t.client(1, "abcd");
      if (i % 3 == 0) t.client_rst(11);
      if (i % 5 == 0) t.wait(seconds(20));
    }
    t.end();
    EXPECT_EQ(t.sink.opened, t.sink.closed);
    if (key == 0) first = t.sink.events;
    EXPECT_EQ(t.sink.events, first);
  }
}

}  // namespace
}  // namespace weir::test
