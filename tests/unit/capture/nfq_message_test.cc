// Messages of a queue: what the kernel sends, whole, odd and cut; the verdicts, read back; the kernel's
// table of queues; which way an injected packet goes.
#include "capture/nfq_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>

#include <cerrno>
#include <string>

#include "capture/neighbours.h"
#include "capture/nfqueue.h"
#include "capture/raw_sender.h"
#include "tests/support/queue_message.h"

namespace weir::capture {
namespace {

using test::MessageBuilder;

std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

TEST(QueueMessages, APacketWithAllThatTheKernelTells) {
  const auto message = MessageBuilder()
                           .packet(0x01020304)
                           .number(NFQA_MARK, 0x55)
                           .number(NFQA_IFINDEX_PHYSINDEV, 7)
                           .number(NFQA_IFINDEX_PHYSOUTDEV, 9)
                           .hardware({2, 0, 0, 0, 0, 1})
                           .number(NFQA_CAP_LEN, 4000)
                           .number(NFQA_SKB_INFO, NFQA_SKB_CSUMNOTREADY | NFQA_SKB_GSO)
                           .payload("E-packet")
                           .done();
  const ParsedMessage parsed = parse_queue_message(message);
  ASSERT_EQ(parsed.kind, QueueMessage::Packet);
  EXPECT_EQ(parsed.consumed, message.size());
  const QueuedPacket& p = parsed.packet;
  EXPECT_EQ(p.id, 0x01020304U);
  EXPECT_EQ(p.mark, 0x55U);
  EXPECT_EQ(p.bridge_in, 7U);
  EXPECT_EQ(p.bridge_out, 9U);
  EXPECT_EQ(p.came_by(), 7U);
  EXPECT_EQ(p.leaves_by(), 9U);
  EXPECT_EQ(p.length, 4000U);
  EXPECT_EQ(text(p.payload), "E-packet");
  EXPECT_TRUE(p.gso);
  EXPECT_EQ(p.checksum, ChecksumState::NotFilled);
  ASSERT_TRUE(p.mac);
  EXPECT_EQ((*p.mac)[5], 1);
}

TEST(QueueMessages, OfARoutedPacketTheInterfacesAreThoseOfRouting) {
  const auto message = MessageBuilder().packet(1).number(NFQA_IFINDEX_INDEV, 3).number(NFQA_IFINDEX_OUTDEV, 4).done();
  const QueuedPacket packet = parse_queue_message(message).packet;
  EXPECT_EQ(packet.came_by(), 3U);
  EXPECT_EQ(packet.leaves_by(), 4U);
}

TEST(QueueMessages, ABridgedPacketCameByItsPortNotByTheBridge) {
  const auto message = MessageBuilder().packet(1).number(NFQA_IFINDEX_INDEV, 3).number(NFQA_IFINDEX_OUTDEV, 3)
                           .number(NFQA_IFINDEX_PHYSINDEV, 7).number(NFQA_IFINDEX_PHYSOUTDEV, 9).done();
  const QueuedPacket packet = parse_queue_message(message).packet;
  EXPECT_EQ(packet.came_by(), 7U);
  EXPECT_EQ(packet.leaves_by(), 9U);
}

TEST(QueueMessages, ChecksumStateIsTheKernelsWord) {
  const auto state = [](std::uint32_t info) {
    return parse_queue_message(MessageBuilder().packet(1).number(NFQA_SKB_INFO, info).done()).packet.checksum;
  };
  EXPECT_EQ(state(0), ChecksumState::Verified);
  EXPECT_EQ(state(NFQA_SKB_GSO), ChecksumState::Verified);
  EXPECT_EQ(state(NFQA_SKB_CSUM_NOTVERIFIED), ChecksumState::Unknown);
  EXPECT_EQ(state(NFQA_SKB_CSUMNOTREADY), ChecksumState::NotFilled);
  // The attribute is left out when no flag is set.
  EXPECT_EQ(parse_queue_message(MessageBuilder().packet(1).done()).packet.checksum, ChecksumState::Verified);
}

TEST(QueueMessages, Answers) {
  const auto answer = [](int error) {
    MessageBuilder builder(NLMSG_ERROR, false);
    for (std::size_t i = 0; i < sizeof error; ++i) builder.raw({error >> (8 * i) & 0xff});
    return parse_queue_message(builder.done());
  };
  EXPECT_EQ(answer(0).kind, QueueMessage::Answer);
  EXPECT_EQ(answer(0).error, 0);
  EXPECT_EQ(answer(-EBUSY).error, EBUSY);
  EXPECT_EQ(parse_queue_message(MessageBuilder(NLMSG_ERROR, false).raw({1, 2}).done()).kind, QueueMessage::Malformed);
  EXPECT_EQ(parse_queue_message(MessageBuilder(NLMSG_NOOP, false).done()).kind, QueueMessage::Other);
}

TEST(QueueMessages, EveryCutIsRefusedOrStaysInside) {
  const auto whole = MessageBuilder().packet(1).number(NFQA_MARK, 1).hardware({}).payload("0123456789").done();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    // With the length of the whole: cut on the way. With its own length: a liar.
    std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_EQ(parse_queue_message(cut).kind, QueueMessage::Malformed) << n;
    if (n < 4) continue;
    cut[0] = static_cast<std::uint8_t>(n);
    cut[1] = cut[2] = cut[3] = 0;
    const ParsedMessage parsed = parse_queue_message(cut);
    if (parsed.kind == QueueMessage::Packet && !parsed.packet.payload.empty()) {
      EXPECT_GE(parsed.packet.payload.data(), cut.data());
      EXPECT_LE(parsed.packet.payload.data() + parsed.packet.payload.size(), cut.data() + cut.size());
    }
  }
  EXPECT_EQ(parse_queue_message(MessageBuilder().payload("no header").done()).kind, QueueMessage::Malformed);
  EXPECT_EQ(parse_queue_message({}).kind, QueueMessage::Malformed);
}

struct Verdict {
  std::uint16_t type = 0;
  std::uint32_t verdict = 99, id = 0;
  std::uint32_t mark = 0;
  bool has_mark = false;
  std::string payload;
  bool operator==(const Verdict&) const = default;
};

// A reader of its own for what VerdictBuffer writes.
std::vector<Verdict> read(Bytes bytes) {
  std::vector<Verdict> out;
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len > bytes.size()) ADD_FAILURE() << "longer than the buffer";
    EXPECT_EQ(bytes[sizeof header + 2], 0);  // res_id: the queue, big endian
    EXPECT_EQ(bytes[sizeof header + 3], 7);
    Verdict v;
    v.type = header.nlmsg_type & 0xff;
    Bytes rest = bytes.first(header.nlmsg_len).subspan(sizeof header + sizeof(nfgenmsg));
    while (rest.size() >= 4) {
      std::uint16_t length, type;
      std::memcpy(&length, rest.data(), 2);
      std::memcpy(&type, rest.data() + 2, 2);
      const auto number = [&](std::size_t at) {
        std::uint32_t n;
        std::memcpy(&n, rest.data() + at, 4);
        return ntohl(n);
      };
      if (type == NFQA_VERDICT_HDR) v.verdict = number(4), v.id = number(8);
      if (type == NFQA_MARK) v.mark = number(4), v.has_mark = true;
      if (type == NFQA_PAYLOAD) v.payload = text(rest.subspan(4, length - 4U));
      rest = rest.subspan(std::min<std::size_t>(rest.size(), (length + 3U) & ~3U));
    }
    out.push_back(v);
    bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), (header.nlmsg_len + 3U) & ~3U));
  }
  EXPECT_TRUE(bytes.empty());
  return out;
}

TEST(Verdicts, AreWrittenInOrder) {
  VerdictBuffer buffer(7, 4096);
  const std::string content = "other";
  buffer.accept_up_to(5);
  buffer.verdict(6, Fate::Drop, std::nullopt);
  buffer.verdict(7, Fate::Forward, 0x10000000U);
  buffer.replace(8, {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}, std::nullopt);
  buffer.drop_up_to(9);
  EXPECT_THAT(read(buffer.bytes()),
              ::testing::ElementsAre(Verdict{NFQNL_MSG_VERDICT_BATCH, NF_ACCEPT, 5, 0, false, ""},
                                     Verdict{NFQNL_MSG_VERDICT, NF_DROP, 6, 0, false, ""},
                                     Verdict{NFQNL_MSG_VERDICT, NF_ACCEPT, 7, 0x10000000U, true, ""},
                                     Verdict{NFQNL_MSG_VERDICT, NF_ACCEPT, 8, 0, false, "other"},
                                     Verdict{NFQNL_MSG_VERDICT_BATCH, NF_DROP, 9, 0, false, ""}));
}

TEST(Verdicts, RoomIsEnoughForWhatIsPutIn) {
  VerdictBuffer buffer(7, 1000);
  int written = 0;
  while (buffer.room(10)) {
    buffer.replace(1, Bytes(buffer.bytes().data(), 10), 1U);
    ++written;
  }
  EXPECT_GT(written, 5);
  EXPECT_LE(buffer.bytes().size(), 1000U);
  EXPECT_EQ(read(buffer.bytes()).size(), static_cast<std::size_t>(written));
}

TEST(QueueTable, IsReadByColumn) {
  const char* table =
      "    0  31621     0 2 65535     0     0        0  1\n"
      "    7  31622    12 2 65535     3     4     1234  1\n";
  const auto counters = parse_queue_counters(table, 7);
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->waiting, 12U);
  EXPECT_EQ(counters->queue_full, 3U);
  EXPECT_EQ(counters->socket_full, 4U);
  EXPECT_EQ(counters->last_id, 1234U);
  EXPECT_FALSE(parse_queue_counters(table, 1));
  EXPECT_FALSE(parse_queue_counters("7 1 2\n\n x y", 7));
  EXPECT_FALSE(parse_queue_counters("", 7));
}

TEST(Neighbours, RemembersWhereAnAddressWasSeenLast) {
  Neighbours neighbours({1, 2});
  const auto address = [](int n) {
    return IpAddress::v4(std::array<std::uint8_t, 4>{10, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
  };
  neighbours.seen(address(1), {3, {2, 2, 2, 2, 2, 2}});
  neighbours.seen(address(1), {4, {2, 2, 2, 2, 2, 3}});
  EXPECT_EQ(neighbours.find(address(1)), (Neighbour{4, {2, 2, 2, 2, 2, 3}}));
  EXPECT_FALSE(neighbours.find(address(2)));
  // A flood of others costs at most some of the places.
  int kept = 0;
  for (int i = 0; i < 1000; ++i) neighbours.seen(address(i), {static_cast<std::uint32_t>(i + 1), {}});
  for (int i = 0; i < 1000; ++i) {
    const auto found = neighbours.find(address(i));
    if (!found) continue;
    ++kept;
    EXPECT_EQ(found->interface, static_cast<std::uint32_t>(i + 1));
  }
  EXPECT_GT(kept, 950);
}

TEST(Addresses, OfAPacket) {
  std::vector<std::uint8_t> four(20);
  four[0] = 0x45;
  four[12] = 10;
  four[19] = 9;
  IpAddress source;
  IpAddress destination;
  ASSERT_TRUE(addresses_of(four, source, destination));
  EXPECT_EQ(source.to_string(), "10.0.0.0");
  EXPECT_EQ(destination.to_string(), "0.0.0.9");
  std::vector<std::uint8_t> six(40);
  six[0] = 0x60;
  six[8] = 0x20;
  six[39] = 1;
  ASSERT_TRUE(addresses_of(six, source, destination));
  EXPECT_EQ(source.to_string(), "2000::");
  EXPECT_EQ(destination.to_string(), "::1");
  EXPECT_FALSE(addresses_of(Bytes(four).first(19), source, destination));
  EXPECT_FALSE(addresses_of(Bytes(six).first(39), source, destination));
  EXPECT_FALSE(addresses_of({}, source, destination));
}

}  // namespace
}  // namespace weir::capture
