// Netlink messages as the kernel's nfnetlink_queue makes them, for tests.
#pragma once

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace weir::test {

class MessageBuilder {
 public:
  explicit MessageBuilder(std::uint16_t type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, bool generic = true) {
    bytes_.resize(sizeof(nlmsghdr));
    at<nlmsghdr>(0).nlmsg_type = type;
    if (generic) bytes_.resize(bytes_.size() + sizeof(nfgenmsg));
  }
  MessageBuilder& attribute(std::uint16_t type, const void* value, std::size_t size) {
    const std::size_t from = bytes_.size();
    bytes_.resize(from + ((NLA_HDRLEN + size + 3) & ~std::size_t{3}));
    nlattr header{};
    header.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + size);
    header.nla_type = type;
    std::memcpy(bytes_.data() + from, &header, sizeof header);
    if (size != 0) std::memcpy(bytes_.data() + from + NLA_HDRLEN, value, size);
    return *this;
  }
  MessageBuilder& number(std::uint16_t type, std::uint32_t value) {
    const std::uint32_t big = htonl(value);
    return attribute(type, &big, sizeof big);
  }
  MessageBuilder& packet(std::uint32_t id) {
    nfqnl_msg_packet_hdr header{};
    header.packet_id = htonl(id);
    header.hw_protocol = htons(0x0800);
    return attribute(NFQA_PACKET_HDR, &header, sizeof header);
  }
  MessageBuilder& hardware(const std::array<std::uint8_t, 6>& mac) {
    nfqnl_msg_packet_hw hw{};
    hw.hw_addrlen = htons(6);
    std::memcpy(hw.hw_addr, mac.data(), 6);
    return attribute(NFQA_HWADDR, &hw, sizeof hw);
  }
  MessageBuilder& payload(std::string_view bytes) { return attribute(NFQA_PAYLOAD, bytes.data(), bytes.size()); }
  MessageBuilder& raw(std::initializer_list<int> more) {
    for (const int b : more) bytes_.push_back(static_cast<std::uint8_t>(b));
    return *this;
  }
  [[nodiscard]] std::vector<std::uint8_t> done() {
    at<nlmsghdr>(0).nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    return bytes_;
  }

 private:
  template <class T>
  T& at(std::size_t offset) {
    return *reinterpret_cast<T*>(bytes_.data() + offset);
  }
  std::vector<std::uint8_t> bytes_;
};

}  // namespace weir::test
