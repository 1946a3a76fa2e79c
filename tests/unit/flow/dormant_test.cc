// Idle connections are packed and unpacked, and nobody can tell. (Every other test of the Tracker shows it too: beside a
// Script runs a Twin.)
#include "engine/flow/dormant.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/flow/key_store.h"
#include "tests/support/tcp_script.h"
#include "tests/support/tcp_twin.h"

namespace weir::test {
namespace {

using flow::Direction;
using flow::Flow;
using flow::HalfStream;

// --- one flow ---

Flow settled(std::mt19937_64& random) {
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  Flow f;
  f.first_time = {static_cast<std::int64_t>(below(1ULL << 61U))};
  f.last_time = {f.first_time.ns + static_cast<std::int64_t>(below(1ULL << below(56)))};
  f.lru_time = flow::whole_milliseconds(f.last_time) - static_cast<std::uint32_t>(below(1000));
  f.anomalies = static_cast<std::uint32_t>(below(1024));
  f.failures = static_cast<std::uint32_t>(random());
  f.client_side = static_cast<std::uint16_t>(random());
  f.lru_class = below(4) & 3U;
  f.client_is_low = below(2) != 0;
  f.handshake_seen = below(2) != 0;
  f.timestamps = below(2) != 0;
  f.lossy = below(2) != 0;
  f.bypassed = below(2) != 0;
  f.unwatched = below(2) != 0;
  f.away = below(2) != 0;
  for (std::size_t i = 0; i < 2; ++i) {
    HalfStream& h = f.halves[i];
    h.scale = static_cast<std::uint8_t>(below(16));
    if (h.scale == 15) h.scale = flow::kNoScale;
    const std::uint32_t by = h.scale == flow::kNoScale ? 0 : h.scale;
    h.next = static_cast<std::int64_t>(below(1ULL << below(41)));
    h.fin_reached = below(4) == 0;
    if (h.fin_reached) h.set_fin(h.next);
    h.ended = below(4) == 0;
    h.sent = h.expected();
    h.acked = below(4) == 0 ? 0 : h.expected();
    h.claimed = static_cast<std::int64_t>(below(static_cast<std::uint64_t>(h.acked) + 1));
    h.window = below(4) == 0 ? static_cast<std::uint32_t>(below(65536)) : static_cast<std::uint32_t>(below(65536)) << by;
    h.offered = below(4) == 0 ? static_cast<std::uint32_t>(below(65536)) : static_cast<std::uint32_t>(below(65536)) << by;
    h.origin = static_cast<std::uint32_t>(random());
    h.ack_known = below(4) != 0;
    h.has_timestamp = below(2) != 0;
    h.timestamp = h.has_timestamp ? static_cast<std::uint32_t>(random()) : 0;
    h.timestamp_at = static_cast<std::uint32_t>(f.last_time.ns / 1'000'000'000) - static_cast<std::uint32_t>(below(65536));
    h.mss = static_cast<std::uint16_t>(random());
    h.ttl = static_cast<std::uint8_t>(random());
    h.anchored = below(4) != 0;
    h.origin_known = below(2) != 0;
    h.skip = below(2) != 0;
    h.truncated = below(2) != 0;
    h.left_out = below(2) != 0;
    f.bytes[i] = static_cast<std::uint64_t>(h.next);
    f.packets[i] = below(1ULL << below(25));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    HalfStream& h = f.halves[i];
    h.edge = (h.ack_known ? h.acked + f.halves[1 - i].window : 0) + static_cast<std::int64_t>(below(65536));
  }
  return f;
}

Told all_of(const Flow& f) {
  Told out;
  tell(f, out);
  return out;
}

TEST(Dormant, WhatIsSettledSurvives) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const Flow f = settled(random);
    const std::optional<flow::Dormant> d = pack(f);
    ASSERT_TRUE(d) << i;
    Flow again;
    unpack(*d, again);
    const Told a = all_of(f), b = all_of(again);
    for (std::size_t n = 0; n < a.values.size(); ++n) ASSERT_EQ(a.values[n], b.values[n]) << a.names[n] << ' ' << i;
  }
}

TEST(Dormant, WhatTheListenerKeepsSurvives) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1000; ++i) {
    flow::Dormant d = *pack(settled(random));
    Flow before, after;
    unpack(d, before);
    const std::uint64_t what = random() >> (64 - flow::Dormant::kKeptBits);
    d.keep(what);
    EXPECT_EQ(d.kept(), what);
    unpack(d, after);
    EXPECT_EQ(all_of(before), all_of(after));
  }
}

// One thing each that there is no room for, or that is not over.
TEST(Dormant, WhatDoesNotFitIsNotPacked) {
  using Change = void (*)(Flow&);
  const std::vector<Change> changes{
      [](Flow& f) { f.first_time.ns = f.last_time.ns + 1; },
      [](Flow& f) { f.last_time.ns = f.first_time.ns + (std::int64_t{1} << 56); },
      [](Flow& f) { f.lru_time -= 2000; },
      [](Flow& f) { f.lru_time = flow::whole_milliseconds(f.last_time) + 1; },
      [](Flow& f) { f.packets[1] = 1U << 24U; },
      [](Flow& f) { f.bytes[0] += 1; },
      [](Flow& f) { f.anomalies |= 1024; },
      [](Flow& f) { f.state = flow::FlowState::Reset; },
      [](Flow& f) { f.state = flow::FlowState::Closed; },
      [](Flow& f) { f.closed = true; },
      [](Flow& f) { f.refused = true; },
      [](Flow& f) { f.busy = true; },
      [](Flow& f) { f.user = &f; },
      [](Flow& f) { f.answer = 1; },
      [](Flow& f) { f.successor = 1; },
      [](Flow& f) { f.released_to = 0; },
      [](Flow& f) { f.halves[0].next = std::int64_t{1} << 40, f.halves[0].sent = f.halves[0].acked = f.halves[0].expected(), f.bytes[0] = 1ULL << 40U; },
      [](Flow& f) { f.halves[1].acked = f.halves[1].expected() - 1; },
      [](Flow& f) { f.halves[1].sent = f.halves[1].expected() + 1; },
      [](Flow& f) { f.halves[1].claimed = f.halves[1].acked + 1; },
      [](Flow& f) { f.halves[0].edge += 1 << 17; },
      [](Flow& f) { f.halves[0].edge -= 1 << 17; },
      [](Flow& f) { f.halves[0].removed = 1; },
      [](Flow& f) { f.halves[0].behind = 1; },
      [](Flow& f) { f.halves[0].segments_behind = 1; },
      [](Flow& f) { f.halves[0].pages = {1, 1}; },
      [](Flow& f) { f.halves[1].pieces = 1; },
      [](Flow& f) { f.halves[1].suspects = 1; },
      [](Flow& f) { f.halves[1].suspect_count = 1; },
      [](Flow& f) { f.halves[1].refusals = 1; },
      [](Flow& f) { f.halves[1].set_urgent(f.halves[1].next + 1); },
      [](Flow& f) { f.halves[1].set_cut(f.halves[1].next); },
      [](Flow& f) { f.halves[1].set_fin(f.halves[1].next + 1); },
      [](Flow& f) { f.halves[1].acks_away = true; },
      [](Flow& f) { f.halves[0].scale = 40; },
      [](Flow& f) { f.halves[0].scale = 7, f.halves[0].window = 65537; },
      [](Flow& f) { f.halves[0].scale = 7, f.halves[0].offered = 65537; },
      [](Flow& f) { f.halves[0].has_timestamp = true, f.halves[0].timestamp_at -= 65536 * 2; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::mt19937_64 random(3);
    for (int n = 0; n < 50; ++n) {
      Flow f = settled(random);
      f.halves[1].next = 1000, f.halves[1].sent = f.halves[1].acked = f.halves[1].expected(), f.bytes[1] = 1000, f.halves[1].claimed = 0;
      if (f.halves[1].fin_reached) f.halves[1].set_fin(1000);
      f.halves[0].edge = 0, f.halves[1].edge = 0;
      for (std::size_t d = 0; d < 2; ++d) {
        if (f.halves[d].ack_known) f.halves[d].edge = f.halves[d].acked + f.halves[1 - d].window;
      }
      ASSERT_TRUE(pack(f)) << i;
      changes[i](f);
      EXPECT_FALSE(pack(f)) << i;
    }
  }
}

// --- keys ---

flow::FlowKey key_of(std::mt19937_64& random, std::uint64_t places, bool v6) {
  flow::FlowKey k;
  k.version = v6 ? 6 : 4;
  for (std::size_t i = 0; i < (v6 ? 16U : 4U); ++i) {
    k.low_address[i] = static_cast<std::uint8_t>(random());
    k.high_address[i] = static_cast<std::uint8_t>(random());
  }
  k.low_port = static_cast<std::uint16_t>(random());
  k.high_port = static_cast<std::uint16_t>(random());
  k.domain = random() % places;
  k.network = k.domain * 3;
  k.vlans = {static_cast<std::uint16_t>(k.domain), 7, static_cast<std::uint16_t>(k.domain >> 4U)};
  return k;
}

TEST(KeyStore, GivesBackWhatItGot) {
  for (const std::uint64_t places : {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{1} << 40U}) {
    std::mt19937_64 random(places);
    flow::KeyStore store(20'000, 1, 2);
    std::vector<std::pair<flow::FlowKey, flow::CompactKey>> held;
    for (int i = 0; i < 60'000; ++i) {
      if (held.size() < 20'000 && random() % 3 != 0) {
        const flow::FlowKey key = key_of(random, places, random() % 4 == 0);
        const auto compact = store.add(key);
        ASSERT_TRUE(compact);
        held.emplace_back(key, *compact);
      } else if (!held.empty()) {
        const std::size_t at = random() % held.size();
        ASSERT_EQ(store.expand(held[at].second), held[at].first);
        ASSERT_TRUE(store.same(held[at].second, held[at].first));
        flow::FlowKey other = held[at].first;
        reinterpret_cast<std::uint8_t*>(&other)[random() % sizeof other] ^= 1U;
        ASSERT_FALSE(store.same(held[at].second, other));
        store.remove(held[at].second);
        held[at] = held.back();
        held.pop_back();
      }
    }
    EXPECT_EQ(store.places() == flow::KeyStore::kMostPlaces, places > 5);  // what is beyond is kept whole
    for (const auto& [key, compact] : held) store.remove(compact);
    EXPECT_EQ(store.places(), 0U);
    EXPECT_EQ(store.wide(), 0U);
  }
}

TEST(KeyStore, SaysWhenThereIsNoRoom) {
  std::mt19937_64 random(1);
  flow::KeyStore store(2, 1, 2);
  EXPECT_TRUE(store.add(key_of(random, 1, true)));
  const auto second = store.add(key_of(random, 1, true));
  EXPECT_TRUE(second);
  EXPECT_FALSE(store.add(key_of(random, 1, true)));
  EXPECT_TRUE(store.add(key_of(random, 1, false)));
  store.remove(*second);
  EXPECT_TRUE(store.add(key_of(random, 1, true)));
}

// --- many connections, by themselves and against the twin ---

struct Ends {
  std::uint32_t client = 0, server = 0;  // next sequence numbers
  std::uint32_t acked = 0;               // of the server's, by the client
  std::uint32_t clock = 0;
  bool open = false;
};

net::TcpSegment between(std::uint32_t n, bool from_client, Timestamp now, bool v6) {
  net::TcpSegment s;
  std::array<std::uint8_t, 16> raw{0x20, 0x01};
  raw[15] = static_cast<std::uint8_t>(n % 7);
  net::Endpoint client, server;
  client.address = v6 ? IpAddress::v6(raw) : Script::address(n % 7);
  raw[14] = 9;
  server.address = v6 ? IpAddress::v6(raw) : Script::address(1000);
  client.port = static_cast<std::uint16_t>(1024 + n);
  server.port = 80;
  s.source = from_client ? client : server;
  s.destination = from_client ? server : client;
  s.encapsulation.domain = n % 3;
  s.time = now;
  s.ttl = static_cast<std::uint8_t>(from_client ? 60 : 50);
  s.window = from_client ? 502 : 509;
  s.flags = net::kAck;
  return s;
}

// Traffic as it is, mostly: `connections` that open, talk, rest, close, and come back by the same ports.
class Traffic {
 public:
  Traffic(std::uint64_t seed, std::size_t connections) : random_(seed), ends_(connections) {}

  template <class Feed>
  void step(Feed&& feed) {
    const std::uint32_t n = below(static_cast<std::uint32_t>(ends_.size()));
    Ends& e = ends_[n];
    now = now + Duration{static_cast<std::int64_t>(below(8) == 0 ? random_() % 20'000'000'000 : random_() % 20'000'000)};
    const bool timestamps = n % 2 == 0, v6 = n % 5 == 4;
    const auto send = [&](bool from_client, std::uint8_t flags, const std::string& text, std::int32_t off = 0) {
      net::TcpSegment s = between(n, from_client, now, v6);
      std::uint32_t& mine = from_client ? e.client : e.server;
      s.seq = mine + static_cast<std::uint32_t>(off);
      s.flags = flags;
      s.ack = (flags & net::kAck) == 0 ? 0 : from_client ? e.server : e.client;
      s.payload = Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
      if ((flags & net::kSyn) != 0) {
        s.options.mss = 1460;
        if (n % 3 != 0) s.options.window_scale = 7;
        s.window = 64240;
      }
      if (below(16) == 0) s.window = static_cast<std::uint16_t>(below(600));
      if (timestamps) s.options.timestamps = net::TcpOptions::Timestamps{static_cast<std::uint32_t>(now.ns / 1'000'000), 0};
      if (off == 0) mine += static_cast<std::uint32_t>(text.size()) + ((flags & (net::kSyn | net::kFin)) != 0 ? 1 : 0);
      s.packet_number = ++packets;
      now = now + Duration{100'000};
      feed(s);
    };
    if (!e.open || below(64) == 0) {
      e = {static_cast<std::uint32_t>(random_()), static_cast<std::uint32_t>(random_()), 0, 0, true};
      send(true, net::kSyn, "");
      if (below(16) == 0) return;
      send(false, net::kSyn | net::kAck, "");
      send(true, net::kAck, "");
      return;
    }
    switch (below(16)) {
      case 0: send(true, net::kAck | net::kFin, ""), send(false, net::kAck, ""); break;
      case 1: send(false, net::kAck | net::kFin, ""), send(true, net::kAck, ""); break;
      case 2: send(below(2) == 0, net::kRst, ""), e.open = below(2) == 0; break;
      case 3: send(below(2) == 0, net::kAck, "old", -3); break;    // again, perhaps otherwise
      case 4: send(below(2) == 0, net::kAck, "ahead", 70); break;  // a hole
      case 5: send(below(2) == 0, net::kAck, "", -1); break;       // keep-alive
      case 6: send(below(2) == 0, net::kAck, "lie", 1 << below(31)); break;
      default:
        send(true, net::kAck, "GET / HTTP/1.1\r\n\r\n");
        if (below(16) == 0) return;
        send(false, net::kAck, std::string(below(2000), 'x'));
        if (below(16) != 0) send(true, net::kAck, "");
        break;
    }
  }

  Timestamp now{1'700'000'000'000'000'000};
  std::uint64_t packets = 0;

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::mt19937_64 random_;
  std::vector<Ends> ends_;
};

class DormantTraffic : public testing::TestWithParam<bool> {};

TEST_P(DormantTraffic, NobodyCanTell) {
  std::uint64_t woken = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    flow::FlowOptions o = GetParam() ? inline_options() : passive_options();
    o.midstream = static_cast<flow::MidstreamPolicy>(seed % 4);
    o.timeouts.established = seconds(seed % 2 == 0 ? 60 : 2000);  // more than the wheel has slots, too
    o.unseen = seed % 3 == 0;
    FlowLimits limits = small_limits();
    limits.flows = seed % 5 == 0 ? 12 : 64;  // then some are given up
    Twin twin(o, limits);
    Traffic traffic(seed, 40);
    for (int i = 0; i < 1500; ++i) {
      traffic.step([&](const net::TcpSegment& s) { twin.on_segment(s); });
      if (i % 7 == 0) twin.on_time(traffic.now);
    }
    twin.end_of_input();
    woken += twin.woken();
  }
  EXPECT_GT(woken, 10'000U);
}

INSTANTIATE_TEST_SUITE_P(Dormant, DormantTraffic, testing::Values(false, true), [](const auto& which) {
  return which.param ? "Inline" : "Passive";
});

struct Quiet final : flow::StreamSink {
  void on_open(Flow&) override {}
  flow::StreamAction on_bytes(Flow&, Direction, const flow::StreamBytes&) override { return flow::StreamAction::Continue; }
  flow::StreamAction on_gap(Flow&, Direction, const flow::StreamGap&) override { return flow::StreamAction::Continue; }
  void on_end(Flow&, Direction, flow::EndCause) override {}
  void on_close(Flow&) override {}
};

void open(flow::Tracker& t, std::uint32_t n, Timestamp now) {
  net::TcpSegment s = between(n, true, now, false);
  s.flags = net::kSyn;
  (void)t.on_segment(s);
  s = between(n, false, now, false);
  s.flags = net::kSyn | net::kAck, s.ack = 1;
  (void)t.on_segment(s);
  s = between(n, true, now, false);
  s.seq = 1, s.ack = 1;
  ASSERT_EQ(t.on_segment(s).fate(), Fate::Forward);
}

TEST(Dormant, PackedAfterAWhileAndNotWhileItIsBusy) {
  Quiet sink;
  flow::Tracker t(small_limits(), inline_options(), sink);
  Timestamp now{1'700'000'000'000'000'000};
  open(t, 1, now), open(t, 2, now);
  std::uint32_t seq = 1;
  for (int i = 0; i < 40; ++i) {  // the second one says something each half second
    now = now + milliseconds(500);
    net::TcpSegment s = between(2, true, now, false);
    const std::uint8_t x = 'x';
    s.seq = seq++, s.ack = 1, s.payload = Bytes(&x, 1);
    ASSERT_EQ(t.on_segment(s).fate(), Fate::Forward);
    s = between(2, false, now, false);
    s.seq = 1, s.ack = seq;
    ASSERT_EQ(t.on_segment(s).fate(), Fate::Forward);
    ASSERT_LE(t.dormant(), 1U);
    if (i < 9 || i > 11) {
      EXPECT_EQ(t.dormant(), i < 9 ? 0U : 1U) << i;
    }
  }
  EXPECT_EQ(t.counters().flows_now, 2U);
  for (int i = 0; i < 3; ++i) t.on_time(now = now + seconds(6));
  EXPECT_EQ(t.dormant(), 2U);
  t.on_time(now = now + seconds(1000));
  EXPECT_EQ(t.counters().flows_now, 0U);
  EXPECT_EQ(t.dormant(), 0U);
}

// A crowd in a moment: packing keeps up.
TEST(Dormant, ACrowdIsPackedAsItComes) {
  Quiet sink;
  FlowLimits limits = small_limits();
  limits.flows = 30'000;
  flow::Tracker t(limits, inline_options(), sink);
  Timestamp now{1'700'000'000'000'000'000};
  for (std::uint32_t n = 0; n < 30'000; ++n) {
    open(t, n, now = now + Duration{1000});
    ASSERT_LE(t.counters().flows_now - t.dormant(), 4400U) << n;
  }
  EXPECT_EQ(t.counters().flows_now, 30'000U);
  EXPECT_EQ(t.counters().evicted[2], 0U);
}

}  // namespace
}  // namespace weir::test
