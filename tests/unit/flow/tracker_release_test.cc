// One side released for the rest of a body (requirement D3): what of it comes by, and what the other says of it.
#include <gtest/gtest.h>

#include "tests/support/tcp_script.h"

namespace weir::test {
namespace {

using flow::DropReason;
using flow::FlowOptions;

// Request of 10 bytes; 100 bytes of the answer came by, 1000 more are released: numbers 101 to 1100.
struct Released : Script {
  explicit Released(std::uint64_t length = 1000) : Script(inline_options()) {
    handshake();
    client(1, "GET / 1\r\n\n");
    server(1, std::string(100, 'h'), {.ack = 11});
    client_ack(101);
    with_flow([length](auto& t, auto& f, auto&) { t.release(f, Direction::ToClient, length); });
    sink.events.clear();
  }
};

TEST(TrackerRelease, TheClientSaysHowFarItGot) {
  Released t;
  EXPECT_EQ(t.client(11, "", {.ack = 701}).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.events, std::vector<std::string>({"<gap 600 released"}));
  t.sink.events.clear();
  EXPECT_EQ(t.client(11, "GET / 2", {.ack = 1101}).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.events, std::vector<std::string>({"<gap 400 released", "> GET / 2"})) << "first the answer's end";
  EXPECT_EQ(t.counters().released_bytes, 1000U);
  EXPECT_EQ(t.counters().gaps, 0U);
  EXPECT_EQ(t.server(1101, "next", {.ack = 18}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client().substr(t.to_client().size() - 4), "next");
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerRelease, SoDoTheServersSegments) {
  Released t;
  EXPECT_EQ(t.server(501, std::string(100, 'x'), {.ack = 11}).fate(), Fate::Forward);
  EXPECT_EQ(t.server(301, std::string(100, 'y'), {.ack = 11}).fate(), Fate::Forward) << "late: nobody wanted it";
  EXPECT_EQ(t.server(1101, "", {.ack = 11}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client(), std::string(100, 'h') + "[400]" + std::string(100, 'x') + "[500]");
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerRelease, AllMayComeByAsIfNothingHadBeenSaid) {
  Released t;
  for (std::uint32_t seq = 101; seq < 1101; seq += 100) t.server(seq, std::string(100, 'x'), {.ack = 11});
  t.client(11, "GET", {.ack = 1101});
  EXPECT_EQ(t.to_client(), std::string(100, 'h') + std::string(1000, 'x'));
  EXPECT_EQ(t.counters().released_bytes, 0U);
}

// Whatever the client claims, it cannot make the next answer go by unseen.
TEST(TrackerRelease, AClientThatClaimsTooMuch) {
  Released t;
  EXPECT_EQ(t.client(11, "GET", {.ack = 1102}).reason(), DropReason::Unseen);
  EXPECT_EQ(t.client(11, "GET", {.ack = 0x20000000}).fate(), Fate::Drop);
  EXPECT_EQ(t.client(11, "GET", {.ack = 1101}).fate(), Fate::Forward) << "not yet, but it is the end";
  EXPECT_EQ(t.server(601, std::string(500, 'x'), {.ack = 11}).fate(), Fate::Forward);
  EXPECT_EQ(t.server(1101, "answer", {.ack = 14}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client(), std::string(100, 'h') + "[1000]answer");
  EXPECT_EQ(t.client(14, "x", {.ack = 1200}).reason(), DropReason::BadAck) << "nothing is released any more";
}

TEST(TrackerRelease, FirstDataWinsAllTheSame) {
  Released t;
  t.client(11, "decoy!", {.ack = 1101});  // the server discards it: it has not sent so much
  EXPECT_EQ(t.client(11, "attack", {.ack = 301}).reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.client(14, "attack", {.ack = 301}).reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.to_server(), "GET / 1\r\n\ndecoy!");
}

// The server's window grew where nobody saw it.
TEST(TrackerRelease, TheServersWindowIsNotHeldAgainstTheClient) {
  Released t;
  const std::uint32_t far = 11 + (65160U << 7U) + 100;  // beyond all that was offered
  EXPECT_EQ(t.client(far, "later", {.ack = 1101}).reason(), DropReason::DirectionLimit) << "but for what can be remembered";
  EXPECT_EQ(t.client(11 + 500'000, "later", {.ack = 1101}).fate(), Fate::Forward);
  EXPECT_EQ(t.client(11 + 500'000, "other", {.ack = 1101}).reason(), DropReason::OverlapConflict);
}

TEST(TrackerRelease, TheServersAcknowledgementsAreNotBelievedMore) {
  Released t;
  EXPECT_EQ(t.server(301, "", {.ack = 12}).reason(), DropReason::Unseen);
}

TEST(TrackerRelease, AFinEndsIt) {
  Released t;
  EXPECT_EQ(t.send(false, 1001, std::string(100, 'x'), net::kFin | net::kAck, {.ack = 11}).fate(), Fate::Forward);
  EXPECT_EQ(t.client(11, "", {.ack = 1102}).fate(), Fate::Forward);
  t.client_fin(11);
  t.server_ack(12);
  EXPECT_EQ(t.sink.ended[1], EndCause::Fin);
  EXPECT_EQ(t.sink.closed, 1);
  EXPECT_EQ(t.to_client(), std::string(100, 'h') + "[900]" + std::string(100, 'x'));
}

TEST(TrackerRelease, AFinBeforeTheEnd) {
  Released t;
  t.server_fin(601);
  EXPECT_EQ(t.sink.ended[1], EndCause::Fin);
  EXPECT_EQ(t.client(11, "GET", {.ack = 1101}).fate(), Fate::Drop) << "the server never sent so much";
  EXPECT_EQ(t.client(11, "GET", {.ack = 602}).fate(), Fate::Forward);
}

// Its number cannot be held against anything; whether the client believes it, it will say.
TEST(TrackerRelease, AResetOfTheServersPassesAndEndsNothing) {
  Released t;
  EXPECT_EQ(t.server_rst(701).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.closed, 0);
  EXPECT_EQ(t.server_rst(1102).reason(), DropReason::BadReset);
  EXPECT_EQ(t.client(11, "GET", {.ack = 1101}).fate(), Fate::Forward);
  EXPECT_EQ(t.client_rst(14).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.closed, 1);
}

TEST(TrackerRelease, BeyondFourGibibytes) {
  Released t(1ULL << 62U);  // until the connection ends
  std::uint32_t ack = 101;
  for (int i = 0; i < 10; ++i) {
    ack += 1U << 30U;
    ASSERT_EQ(t.client(11, "", {.ack = ack}).fate(), Fate::Forward) << i;
  }
  EXPECT_EQ(t.counters().released_bytes, 10ULL << 30U);
  EXPECT_EQ(t.last().flow->half(Direction::ToClient).next, (10LL << 30U) + 100);
  EXPECT_EQ(t.server(ack, "on", {.ack = 11}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_client().substr(t.to_client().size() - 2), "on");
}

// The other way: 100 bytes of the request came by, 1000 more are released: numbers 101 to 1100.
struct Uploaded : Script {
  explicit Uploaded(std::uint64_t length = 1000) : Script(inline_options()) {
    handshake();
    client(1, std::string(100, 'h'));
    with_flow([length](auto& t, auto& f, auto&) { t.release(f, Direction::ToServer, length); });
    server_ack(101);
    sink.events.clear();
  }
};

TEST(TrackerUpload, TheServerSaysHowFarItGot) {
  Uploaded t;
  EXPECT_EQ(t.server(1, "", {.ack = 701}).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.events, std::vector<std::string>({">gap 600 released"}));
  t.sink.events.clear();
  EXPECT_EQ(t.server(1, "answer", {.ack = 1101}).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.events, std::vector<std::string>({">gap 400 released", "< answer"})) << "first the request's end";
  EXPECT_EQ(t.client(1101, "next", {.ack = 7}).fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), std::string(100, 'h') + "[600][400]next");
  EXPECT_EQ(t.counters().released_bytes, 1000U);
  EXPECT_EQ(t.counters().gaps, 0U);
  EXPECT_FALSE(t.sink.broken);
}

// What comes behind is in its place at once, before the server has said anything: nothing waits behind a hole.
TEST(TrackerUpload, BehindTheEndNothingWaits) {
  Uploaded t;
  EXPECT_EQ(t.client(1101, "next").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), std::string(100, 'h') + "[1000]next");
  EXPECT_EQ(t.client(1105, "!").fate(), Fate::Forward);
  EXPECT_EQ(t.client(1107, "hole").fate(), Fate::Forward) << "one that is Weir's to fill";
  EXPECT_EQ(t.to_server(), std::string(100, 'h') + "[1000]next!");
  EXPECT_EQ(t.client(1106, "?").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), std::string(100, 'h') + "[1000]next!?hole");
}

TEST(TrackerUpload, AcrossTheEdges) {
  Uploaded t;
  EXPECT_EQ(t.client(1091, std::string(10, 'b') + "next").fate(), Fate::Forward);
  EXPECT_EQ(t.to_server(), std::string(100, 'h') + "[990]" + std::string(10, 'b') + "next");
  // Again, with other bytes: those of the body are nobody's concern, but they came by here, and are remembered.
  EXPECT_EQ(t.client(1091, std::string(10, 'b') + "evil").reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.client(1101, "evil").reason(), DropReason::OverlapConflict);
  EXPECT_EQ(t.client(1050, std::string(41, 'x')).fate(), Fate::Forward) << "late";
  EXPECT_EQ(t.client(91, std::string(10, 'h') + std::string(90, 'x')).fate(), Fate::Forward) << "across the beginning";
  EXPECT_EQ(t.to_server(), std::string(100, 'h') + "[990]" + std::string(10, 'b') + "next");
  EXPECT_FALSE(t.sink.broken);
}

TEST(TrackerUpload, AServerThatClaimsTooMuch) {
  Uploaded t;
  EXPECT_EQ(t.server(1, "", {.ack = 1102}).reason(), DropReason::Unseen);
  EXPECT_EQ(t.server(1, "", {.ack = 1101}).fate(), Fate::Forward);
  EXPECT_EQ(t.server(1, "", {.ack = 1102}).reason(), DropReason::Unseen);
}

// Acknowledgements of the server's bytes went by with the client's.
TEST(TrackerUpload, TheClientsWindowIsNotHeldAgainstTheServer) {
  Uploaded t;
  EXPECT_EQ(t.server(1, "", {.ack = 701}).fate(), Fate::Forward);
  EXPECT_EQ(t.server((64240U << 7U) + 1000 - (1U << 23U) + 400'000, "far", {.ack = 701}).fate(), Fate::Forward);
  EXPECT_EQ(t.client(1101, "next", {.ack = 2}).fate(), Fate::Drop) << "it has nothing of the server's";
}

// Acknowledgements that opened it may have gone by. What the server does not take is a decoy: the first one counts.
TEST(TrackerUpload, NorTheServersAgainstTheClient) {
  Uploaded t(900U << 20U);
  EXPECT_EQ(t.client(101 + (65160U << 7U) + 1000, "far").fate(), Fate::Forward);
  EXPECT_EQ(t.client(101 + 500'000, "near").fate(), Fate::Forward);
  Uploaded before(9U << 20U);
  const std::uint32_t end = 101 + (9U << 20U);
  EXPECT_EQ(before.client(end, "first").fate(), Fate::Forward) << "beyond the window";
  EXPECT_EQ(before.client(end, "other").reason(), DropReason::OverlapConflict);
  EXPECT_NE(before.to_server().find("first"), std::string::npos);
}

TEST(TrackerUpload, FinAndReset) {
  Uploaded t;
  EXPECT_EQ(t.client_rst(701).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.closed, 0) << "whether the server believes it, it will say";
  EXPECT_EQ(t.client_rst(1102).reason(), DropReason::BadReset);
  EXPECT_EQ(t.client_fin(901).fate(), Fate::Forward);
  EXPECT_EQ(t.sink.ended[0], EndCause::Fin);
  EXPECT_EQ(t.client(1101, "attack").reason(), DropReason::AfterFin);
  EXPECT_EQ(t.client(951, std::string(10, 'x')).fate(), Fate::Drop);
}

}  // namespace
}  // namespace weir::test
