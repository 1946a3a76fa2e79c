// Whose packet is in hand; and connections that are not taken up because an earlier worker died with a packet of theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/flow/in_hand.h"
#include "tests/unit/inspect/rig.h"

namespace weir::inspect::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

flow::FlowKey key_of(const std::string& client, std::uint16_t client_port, const std::string& server, std::uint16_t server_port) {
  net::TcpSegment segment;
  segment.source = {*IpAddress::parse(client), client_port};
  segment.destination = {*IpAddress::parse(server), server_port};
  return flow::make_key(segment, true).key;
}

flow::FlowKey key_of(const Conversation& c) {
  return key_of(c.client_host.address, c.client_host.port, c.server_host.address, c.server_host.port);
}

// Looks at the slot each time that something is told, as a supervisor would that finds its worker dead just then.
struct Looker final : EventSink {
  void write(const Event& event) override {
    if (event.type == EventType::Http) seen.push_back(slot.read());
  }
  flow::FlowInHand slot;
  std::vector<std::optional<flow::FlowKey>> seen;
};

struct Watched {
  explicit Watched(InspectorOptions options) : inspector(with(std::move(options), looker.slot), looker, rule_set()) {}
  static InspectorOptions with(InspectorOptions options, flow::FlowInHand& slot) {
    options.in_hand = &slot;
    return options;
  }
  void feed(const Conversation& c) {
    Capture capture;
    capture.add(c);
    for (const Capture::Frame& frame : capture.frames) {
      Packet packet;
      packet.bytes = Bytes(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()), frame.bytes.size());
      packet.wire_length = static_cast<std::uint32_t>(frame.bytes.size());
      packet.link = LinkType::Ethernet;
      packet.time = {frame.time_ns};
      packet.number = packet.token = ++number;
      static_cast<void>(inspector.on_packet(packet));
      EXPECT_FALSE(looker.slot.read()) << "nothing is in hand between packets";
    }
  }
  Looker looker;
  Inspector inspector;
  std::uint64_t number = 0;
};

TEST(InHand, IsThatOfThePacketWhileItIsJudged) {
  for (const Stance stance : {Stance::Inline, Stance::Passive}) {
    InspectorOptions options = in_line();
    options.stance = stance;
    Watched w(options);
    Conversation one(40001), other(40002);
    w.feed(one.open().client(get("/a")).server(ok("1")));
    w.feed(other.open().client(get("/b")).server(ok("2")));
    ASSERT_THAT(w.looker.seen, SizeIs(2));
    EXPECT_EQ(w.looker.seen[0], key_of(one));
    EXPECT_EQ(w.looker.seen[1], key_of(other));
  }
}

TEST(InHand, IsTheSameForBothDirections) {
  EXPECT_EQ(key_of("192.0.2.7", 40000, "198.51.100.2", 80), key_of("198.51.100.2", 80, "192.0.2.7", 40000));
}

// Whoever must make room is judged during another one's packet; if that takes too long it is not the other's fault.
TEST(InHand, IsThatOfARequestThatMakesRoomForAnother) {
  InspectorOptions options = in_line();
  options.transactions = 1;
  Watched w(options);
  Conversation half(40001), other(40002);
  const std::string request = post("a=1&b=2");
  w.feed(half.open().client(request.substr(0, request.size() - 2)));
  w.feed(other.open().client(get("/b")).server(ok("2")));
  ASSERT_THAT(w.looker.seen, SizeIs(2));
  EXPECT_EQ(w.looker.seen[0], key_of(half));
  EXPECT_EQ(w.looker.seen[1], key_of(other));
}

TEST(InHand, IsThatOfARequestWhoseTimeIsOver) {
  Watched w(in_line());
  Conversation half(40001);
  const std::string request = post("a=1&b=2");
  w.feed(half.open().client(request.substr(0, request.size() - 2)));
  static_cast<void>(w.inspector.on_time({1'000'000'000 + seconds(7200).ns}));
  ASSERT_THAT(w.looker.seen, SizeIs(1));
  EXPECT_EQ(w.looker.seen[0], key_of(half));
  EXPECT_FALSE(w.looker.slot.read());
}

// --- at the successor ---

const std::string kBody = "x=1&y=attack";
constexpr std::size_t kLast = 6;  // what the worker did not live to judge

std::uint64_t count(const Rig& rig, FailureAction action) {
  return rig.judge.inspector.counters().failures[static_cast<std::size_t>(FailureCause::Poisoned)][static_cast<std::size_t>(action)];
}

// A connection with a request under way, as another worker finds it.
std::unique_ptr<Rig> successor(RigOptions options, Duration left = seconds(600)) {
  Rig before;
  before.open();
  before.client.write(post(kBody).substr(0, post(kBody).size() - kLast));
  before.run(milliseconds(50));
  options.inspector.poisoned = {{key_of(options.client.address, options.client.port, options.server.address, options.server.port), left}};
  auto rig = std::make_unique<Rig>(options);
  rig->client = before.client;
  rig->server = before.server;
  rig->now = before.now;
  return rig;
}

TEST(Poisoned, IsResetWhateverMidstreamSays) {
  for (const int how : {0, 1, 2, 3}) {
    SCOPED_TRACE(how);
    RigOptions o;
    if (how == 1) o.inspector.failures.open = true;
    if (how == 2) o.inspector.midstream_grace = seconds(60);
    if (how == 3) o.inspector.failures.choose(FailureCause::Midstream, FailureAction::Pass);
    const auto held = successor(o);
    Rig& rig = *held;
    const std::string before = rig.server.received;
    rig.client.write(kBody.substr(kBody.size() - kLast));
    rig.run(seconds(5));
    EXPECT_EQ(rig.server.received, before);
    EXPECT_TRUE(rig.client.reset);
    EXPECT_TRUE(rig.server.reset);
    EXPECT_GE(count(rig, FailureAction::Reset), 1U);
    EXPECT_EQ(rig.judge.recorder.drops.at(0)["drop"]["detail"], "poisoned");
  }
}

TEST(Poisoned, IsResetWhenTheServerSpeaksToo) {
  RigOptions o;
  o.inspector.failures.open = true;
  const auto held = successor(o);
  Rig& rig = *held;
  rig.server.write(ok("early"));
  rig.run(seconds(1));
  EXPECT_EQ(rig.client.received, "");
  EXPECT_TRUE(rig.client.reset);
  EXPECT_TRUE(rig.server.reset);
}

TEST(Poisoned, IsDroppedOrPassedIfThatIsChosen) {
  RigOptions o;
  o.inspector.failures.open = true;
  o.inspector.failures.choose(FailureCause::Poisoned, FailureAction::Drop);
  const auto first = successor(o);
  Rig& dropped = *first;
  const std::string before = dropped.server.received;
  dropped.client.write(kBody.substr(kBody.size() - kLast));
  dropped.run(seconds(5));
  EXPECT_EQ(dropped.server.received, before);
  EXPECT_FALSE(dropped.client.reset || dropped.server.reset);
  EXPECT_GE(count(dropped, FailureAction::Drop), 2U) << "the sender repeats it";

  o.inspector.failures.choose(FailureCause::Poisoned, FailureAction::Pass);
  const auto second = successor(o);
  Rig& passed = *second;
  passed.client.write(kBody.substr(kBody.size() - kLast) + get("/?x=attack"));
  passed.run(seconds(1));
  EXPECT_THAT(passed.server.received, HasSubstr("attack HTTP/1.1")) << "nothing of it is judged any more";
  EXPECT_GE(count(passed, FailureAction::Pass), 1U);
}

TEST(Poisoned, IsForgottenWhenItsTimeIsOver) {
  RigOptions o;
  o.inspector.failures.open = true;
  const auto held = successor(o, seconds(60));
  Rig& rig = *held;
  rig.run(seconds(61));
  rig.client.write(kBody.substr(kBody.size() - kLast));
  rig.run(seconds(1));
  EXPECT_THAT(rig.server.received, HasSubstr(kBody));
  EXPECT_EQ(count(rig, FailureAction::Reset), 0U);
}

TEST(Poisoned, ANewConnectionOnTheSamePortsIsJudgedAndAnotherIsTakenUp) {
  RigOptions o;
  o.inspector.failures.open = true;
  o.inspector.poisoned = {{key_of(o.client.address, o.client.port, o.server.address, o.server.port), seconds(600)}};
  Rig fresh(o);
  fresh.open();
  fresh.client.write(get("/clean"));
  fresh.run(milliseconds(50));
  EXPECT_EQ(fresh.server.received, get("/clean"));
  fresh.serve(ok("clean"));
  fresh.run(milliseconds(50));
  fresh.client.write(get("/?x=attack"));
  fresh.run(seconds(1));
  EXPECT_THAT(fresh.server.received, Not(HasSubstr("attack")));
  EXPECT_THAT(fresh.client.received, HasSubstr("HTTP/1.1 403 "));

  o.client.port = o.server.other_port = 40001;
  Rig before(o);
  before.open();
  Rig other(o);
  other.client = before.client;
  other.server = before.server;
  other.now = before.now;
  other.client.write(get("/other"));
  other.run(milliseconds(200));
  EXPECT_THAT(other.server.received, HasSubstr("/other"));
}

}  // namespace
}  // namespace weir::inspect::test
