#include "capture/raw_sender.h"

#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace weir::capture {
namespace {

constexpr std::size_t kIp4Header = 20;
constexpr std::size_t kIp6Header = 40;
constexpr std::uint16_t kEtherIp4 = 0x0800;
constexpr std::uint16_t kEtherIp6 = 0x86dd;

std::string why(const char* what, int error) {
  return std::string(what) + ": " + std::generic_category().message(error);
}

int raw_socket(int family, std::uint32_t mark) {
  const int descriptor = ::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  if (descriptor < 0) return -1;
  const int on = 1;
  const int failed =
      ::setsockopt(descriptor, SOL_SOCKET, SO_MARK, &mark, sizeof mark) |
      (family == AF_INET ? ::setsockopt(descriptor, IPPROTO_IP, IP_HDRINCL, &on, sizeof on)
                         : ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on));
  if (failed != 0) {
    const int error = errno;
    ::close(descriptor);
    errno = error;
    return -1;
  }
  return descriptor;
}

}  // namespace

bool addresses_of(Bytes packet, IpAddress& source, IpAddress& destination) noexcept {
  if (packet.size() >= kIp4Header && packet[0] >> 4U == 4) {
    source = IpAddress::v4(packet.subspan<12, 4>());
    destination = IpAddress::v4(packet.subspan<16, 4>());
    return true;
  }
  if (packet.size() >= kIp6Header && packet[0] >> 4U == 6) {
    source = IpAddress::v6(packet.subspan<8, 16>());
    destination = IpAddress::v6(packet.subspan<24, 16>());
    return true;
  }
  return false;
}

Result<std::unique_ptr<RawSender>> RawSender::open(std::uint32_t mark) {
  std::unique_ptr<RawSender> sender(new RawSender);
  sender->ip4_ = raw_socket(AF_INET, mark);
  if (sender->ip4_ < 0) return fail(why("cannot open a raw socket (CAP_NET_RAW and CAP_NET_ADMIN are needed)", errno));
  sender->ip6_ = raw_socket(AF_INET6, mark);
  // Protocol 0: it only sends.
  sender->frames_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (sender->frames_ < 0) return fail(why("cannot open a packet socket (CAP_NET_RAW is needed)", errno));
  return sender;
}

RawSender::~RawSender() {
  for (const int descriptor : {ip4_, ip6_, frames_}) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

Result<void> RawSender::send(Bytes packet) noexcept {
  IpAddress source;
  IpAddress destination;
  if (!addresses_of(packet, source, destination)) return fail("no IP packet");
  ssize_t sent = -1;
  if (destination.version == 4) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, destination.bytes.data(), 4);
    sent = ::sendto(ip4_, packet.data(), packet.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    std::memcpy(&to.sin6_addr, destination.bytes.data(), 16);
    sent = ::sendto(ip6_, packet.data(), packet.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  if (sent < 0) return fail(why("cannot send", errno));
  return {};
}

Result<void> RawSender::send(Bytes packet, const Neighbour& to,
                             const std::array<std::uint8_t, 6>& from) noexcept {
  std::array<std::uint8_t, 14> header{};
  std::memcpy(header.data(), to.mac.data(), 6);
  std::memcpy(header.data() + 6, from.data(), 6);
  const std::uint16_t type = !packet.empty() && packet[0] >> 4U == 6 ? kEtherIp6 : kEtherIp4;
  header[12] = static_cast<std::uint8_t>(type >> 8U);
  header[13] = static_cast<std::uint8_t>(type & 0xffU);
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(type);
  where.sll_ifindex = static_cast<int>(to.interface);
  where.sll_halen = 6;
  std::memcpy(where.sll_addr, to.mac.data(), 6);
  std::array<iovec, 2> parts{};
  parts[0] = {header.data(), header.size()};
  parts[1] = {const_cast<std::uint8_t*>(packet.data()), packet.size()};
  msghdr message{};
  message.msg_name = &where;
  message.msg_namelen = sizeof where;
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (::sendmsg(frames_, &message, MSG_DONTWAIT) < 0) return fail(why("cannot send a frame", errno));
  return {};
}

}  // namespace weir::capture
