#include "capture/nfq_message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace weir::capture {
namespace {

using Attributes = std::array<Bytes, NFQA_MAX + 1>;  // contents, by type

constexpr std::uint16_t kPacketType = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET;
constexpr std::size_t kNfGenHeader = sizeof(nlmsghdr) + sizeof(nfgenmsg);

// nfq_nlmsg_parse() rounds the message's length up before it compares, and so takes an attribute that
// ends up to three bytes behind it. False: an attribute's length is none.
bool split(Bytes rest, Attributes& out) {
  while (rest.size() >= sizeof(nlattr)) {
    nlattr header{};
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > rest.size()) return false;
    const std::size_t type = header.nla_type & NLA_TYPE_MASK;
    if (type < out.size()) out[type] = rest.first(header.nla_len).subspan(sizeof header);
    rest = rest.subspan(std::min(rest.size(), (header.nla_len + std::size_t{3}) & ~std::size_t{3}));
  }
  return true;
}

template <class T>
bool take(const Attributes& attributes, std::size_t type, T& out) {
  if (attributes[type].size() < sizeof(T)) return false;
  std::memcpy(&out, attributes[type].data(), sizeof(T));
  return true;
}

std::uint32_t number(const Attributes& attributes, std::size_t type) {
  std::uint32_t value = 0;
  return take(attributes, type, value) ? ntohl(value) : 0;
}

ChecksumState checksum_of(std::uint32_t info) {
  if ((info & NFQA_SKB_CSUMNOTREADY) != 0) return ChecksumState::NotFilled;
  return (info & NFQA_SKB_CSUM_NOTVERIFIED) != 0 ? ChecksumState::Unknown : ChecksumState::Verified;
}

bool read_packet(Bytes body, QueuedPacket& out) {
  Attributes attributes{};
  if (!split(body, attributes)) return false;
  nfqnl_msg_packet_hdr packet{};
  if (!take(attributes, NFQA_PACKET_HDR, packet)) return false;
  out.id = ntohl(packet.packet_id);
  out.payload = attributes[NFQA_PAYLOAD];
  out.length = static_cast<std::uint32_t>(out.payload.size());
  if (const std::uint32_t whole = number(attributes, NFQA_CAP_LEN); whole > out.length) out.length = whole;
  out.mark = number(attributes, NFQA_MARK);
  const std::uint32_t info = number(attributes, NFQA_SKB_INFO);
  out.checksum = checksum_of(info);
  out.gso = (info & NFQA_SKB_GSO) != 0;
  out.bridge_in = number(attributes, NFQA_IFINDEX_PHYSINDEV);
  out.routed_in = number(attributes, NFQA_IFINDEX_INDEV);
  out.routed_out = number(attributes, NFQA_IFINDEX_OUTDEV);
  out.bridge_out = number(attributes, NFQA_IFINDEX_PHYSOUTDEV);
  nfqnl_msg_packet_hw hardware{};
  if (take(attributes, NFQA_HWADDR, hardware) && ntohs(hardware.hw_addrlen) == 6) {
    out.mac.emplace();
    std::memcpy(out.mac->data(), hardware.hw_addr, out.mac->size());
  }
  return true;
}

}  // namespace

ParsedMessage parse_queue_message(Bytes datagram) noexcept {
  ParsedMessage parsed;
  nlmsghdr header{};
  if (datagram.size() < sizeof header) return parsed;
  std::memcpy(&header, datagram.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return parsed;
  const std::size_t aligned = (header.nlmsg_len + std::size_t{3}) & ~std::size_t{3};
  const std::size_t consumed = aligned < datagram.size() ? aligned : datagram.size();
  if (header.nlmsg_type == NLMSG_ERROR) {
    if (header.nlmsg_len < sizeof header + sizeof(int)) return parsed;
    int error = 0;
    std::memcpy(&error, datagram.data() + sizeof header, sizeof error);
    parsed.kind = QueueMessage::Answer;
    // A kernel's error is a small negative number.
    parsed.error = error <= 0 && error > -4096 ? -error : 0;
  } else if (header.nlmsg_type == kPacketType) {
    if (header.nlmsg_len < kNfGenHeader) return parsed;
    if (!read_packet(datagram.first(header.nlmsg_len).subspan(kNfGenHeader), parsed.packet)) return parsed;
    parsed.kind = QueueMessage::Packet;
  } else {
    parsed.kind = QueueMessage::Other;
  }
  parsed.consumed = consumed;
  return parsed;
}

VerdictBuffer::VerdictBuffer(std::uint16_t queue, std::size_t capacity) : queue_(queue), buffer_(capacity) {}

void VerdictBuffer::batch(std::uint32_t id, std::uint32_t verdict) noexcept {
  assert(room());
  auto* at = reinterpret_cast<char*>(buffer_.data() + used_);
  nlmsghdr* message = nfq_nlmsg_put(at, NFQNL_MSG_VERDICT_BATCH, queue_);
  nfq_nlmsg_verdict_put(message, static_cast<int>(id), static_cast<int>(verdict));
  used_ += message->nlmsg_len;
}

void VerdictBuffer::accept_up_to(std::uint32_t id) noexcept { batch(id, NF_ACCEPT); }
void VerdictBuffer::drop_up_to(std::uint32_t id) noexcept { batch(id, NF_DROP); }

void VerdictBuffer::verdict(std::uint32_t id, Fate fate, std::optional<std::uint32_t> mark) noexcept {
  assert(room());
  auto* at = reinterpret_cast<char*>(buffer_.data() + used_);
  nlmsghdr* message = nfq_nlmsg_put(at, NFQNL_MSG_VERDICT, queue_);
  nfq_nlmsg_verdict_put(message, static_cast<int>(id), fate == Fate::Forward ? NF_ACCEPT : NF_DROP);
  if (mark) nfq_nlmsg_verdict_put_mark(message, *mark);
  used_ += message->nlmsg_len;
}

void VerdictBuffer::replace(std::uint32_t id, Bytes bytes, std::optional<std::uint32_t> mark) noexcept {
  assert(room(bytes.size()));
  auto* at = reinterpret_cast<char*>(buffer_.data() + used_);
  nlmsghdr* message = nfq_nlmsg_put(at, NFQNL_MSG_VERDICT, queue_);
  nfq_nlmsg_verdict_put(message, static_cast<int>(id), NF_ACCEPT);
  if (mark) nfq_nlmsg_verdict_put_mark(message, *mark);
  nfq_nlmsg_verdict_put_pkt(message, bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  used_ += (message->nlmsg_len + std::size_t{3}) & ~std::size_t{3};
}

}  // namespace weir::capture
