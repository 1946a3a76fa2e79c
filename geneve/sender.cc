#include "geneve/sender.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <linux/filter.h>
#include <netinet/udp.h>
#include <sys/time.h>

#include "engine/net/wire.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace weir::geneve {
namespace {

constexpr int kNoSocket = -1;
constexpr int kRefused = -2;
constexpr int kSendBuffer = 4 << 20;

int set(int socket, int level, int option, int value) {
  return ::setsockopt(socket, level, option, &value, sizeof value);
}

// A device that takes nothing must not stop the worker for ever.
void bound_waiting(int socket) {
  timeval wait{0, 50'000};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (set(socket, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer) != 0) {
    set(socket, SOL_SOCKET, SO_SNDBUF, kSendBuffer);
  }
}

template <class T>
void append(msghdr& message, std::size_t& used, int level, int type, const T& value) {
  auto* at = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) + used);
  at->cmsg_level = level;
  at->cmsg_type = type;
  at->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(at), &value, sizeof value);
  used += CMSG_SPACE(sizeof value);
}

}  // namespace

Sender::Sender(const SenderOptions& options)
    : options_(options), by_port_(65'536, kNoSocket), opened_(options.source_sockets) {}

Result<std::unique_ptr<Sender>> Sender::open(const SenderOptions& options) {
  std::unique_ptr<Sender> sender(new Sender(options));
  if (!options.raw) return sender;
  sender->raw_ = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (sender->raw_ >= 0) {
    bound_waiting(sender->raw_);
    return sender;
  }
  if ((errno == EPERM || errno == EACCES) && options.source_sockets > 0) return sender;
  return fail(std::string("no raw socket to send with: ") + std::strerror(errno) +
              " (it needs CAP_NET_RAW)");
}

Sender::~Sender() {
  if (raw_ >= 0) ::close(raw_);
  for (const int s : by_port_) {
    if (s >= 0) ::close(s);
  }
}

void Sender::add(const Run& run) {
  const std::uint32_t count = run.count();
  if ((count >= options_.merge_from || raw_ < 0) && send_merged(run)) return;
  if (raw_ < 0) {
    counters_.failed += count;
    return;
  }
  for (std::uint32_t at = 0; at < run.length; at += run.part) {
    queue_raw(run, run.data + at, std::min(run.part, run.length - at));
  }
}

void Sender::write_headers(std::uint8_t* at, const Run& run, std::size_t size) {
  std::memset(at, 0, kHeaders);
  at[0] = 0x45;  // the kernel fills in the checksum of this header
  net::store16(at + 2, static_cast<std::uint32_t>(kHeaders + size));
  net::store16(at + 4, ip_id_++);
  at[6] = 0x40;  // DF
  at[8] = 64;
  at[9] = IPPROTO_UDP;
  std::memcpy(at + 12, &run.from, 4);
  std::memcpy(at + 16, &run.to, 4);
  std::memcpy(at + 20, &run.source_port, 2);
  std::memcpy(at + 22, &run.destination_port, 2);
  net::store16(at + 24, static_cast<std::uint32_t>(8 + size));
}

void Sender::queue_raw(const Run& run, const std::uint8_t* data, std::size_t size) {
  if (size > 65'535 - kHeaders) {
    ++counters_.too_large;
    return;
  }
  if (queued_ == kBatch) flush_raw();
  const std::size_t i = queued_++;
  queued_ports_ |= std::uint64_t{1} << (run.source_port >> 8 & 63);  // its low byte
  const bool in_place = run.headroom && data == run.data;
  auto* bytes = const_cast<std::uint8_t*>(data);
  std::uint8_t* headers = in_place ? bytes - kHeaders : headers_[i].data();
  write_headers(headers, run, size);
  pieces_[i][0] = {headers, in_place ? kHeaders + size : kHeaders};
  pieces_[i][1] = {bytes, size};
  names_[i] = {};
  names_[i].sin_family = AF_INET;
  names_[i].sin_addr = run.to;
  messages_[i].msg_hdr = {
      &names_[i], sizeof names_[i], pieces_[i].data(), in_place ? 1U : 2U, nullptr, 0, 0};
}

void Sender::flush() {
  flush_raw();
}

void Sender::flush_raw() {
  for (std::size_t at = 0; at < queued_;) {
    const int n = ::sendmmsg(raw_, &messages_[at], static_cast<unsigned>(queued_ - at), 0);
    if (n > 0) {
      counters_.datagrams += static_cast<std::uint64_t>(n);
      at += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      refused(errno);
      ++at;
    }
  }
  queued_ = 0;
  queued_ports_ = 0;
}

void Sender::refused(int error) {
  if (error == EMSGSIZE)
    ++counters_.too_large;
  else
    ++counters_.failed;
}

bool Sender::send_merged(const Run& run) {
  const int socket = socket_for(run.source_port, run.count() >= options_.merge_from || raw_ < 0);
  if (socket < 0) return false;
  // What is queued of this flow goes first.
  if ((queued_ports_ & std::uint64_t{1} << (run.source_port >> 8 & 63)) != 0) flush_raw();
  const std::uint32_t parts = std::clamp(kMostMerged / std::max(run.part, 1U), 1U, kMostParts);
  const std::uint32_t step = parts * run.part;
  for (std::uint32_t at = 0; at < run.length; at += step) {
    const std::uint32_t size = std::min(step, run.length - at);
    const std::uint32_t count = (size + run.part - 1) / run.part;
    const iovec piece{const_cast<std::uint8_t*>(run.data + at), size};
    if (send_from_port(socket, run, &piece, 1, count > 1 ? run.part : 0)) {
      counters_.datagrams += count;
      if (count > 1) counters_.merged += count;
    } else if (count > 1 && raw_ >= 0 && errno != EMSGSIZE) {
      // Merging was refused (no such feature, a device without checksums): one by one.
      for (std::uint32_t i = at; i < at + size; i += run.part) {
        queue_raw(run, run.data + i, std::min(run.part, at + size - i));
      }
    } else {
      for (std::uint32_t i = 0; i < count; ++i)
        refused(errno);
    }
  }
  return true;
}

bool Sender::send_from_port(int socket, const Run& run, const iovec* pieces, std::size_t count,
                            std::uint32_t part) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = run.to;
  name.sin_port = run.destination_port;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(2)> control;
  msghdr message{
      &name, sizeof name, const_cast<iovec*>(pieces), count, control.data(), control.size(), 0};
  std::size_t used = 0;
  in_pktinfo info{};
  info.ipi_spec_dst = run.from;
  append(message, used, IPPROTO_IP, IP_PKTINFO, info);
  if (part != 0) append(message, used, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(part));
  message.msg_controllen = used;
  for (;;) {
    if (::sendmsg(socket, &message, 0) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

bool Sender::send(const Run& head, Bytes tail) {
  flush_raw();
  const std::size_t size = head.length + tail.size();
  std::array<iovec, 3> pieces{};
  pieces[1] = {const_cast<std::uint8_t*>(head.data), head.length};
  pieces[2] = {const_cast<std::uint8_t*>(tail.data()), tail.size()};
  bool sent = false;
  if (raw_ >= 0) {
    std::array<std::uint8_t, kHeaders> headers;
    write_headers(headers.data(), head, size);
    pieces[0] = {headers.data(), kHeaders};
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr = head.to;
    const msghdr message{&name, sizeof name, pieces.data(), 3, nullptr, 0, 0};
    sent = ::sendmsg(raw_, &message, 0) >= 0;
  } else if (const int socket = socket_for(head.source_port, true); socket >= 0) {
    sent = send_from_port(socket, head, &pieces[1], 2, 0);
  }
  if (sent)
    ++counters_.datagrams;
  else
    refused(errno);
  return sent;
}

int Sender::socket_for(in_port_t port, bool worth_it) {
  int& socket = by_port_[port];
  if (socket >= 0) return socket;
  if (socket == kRefused || !worth_it || opened_.empty()) return kNoSocket;
  if (open_sockets_ == opened_.size()) {
    const in_port_t leaving = opened_[oldest_];
    ::close(by_port_[leaving]);
    by_port_[leaving] = kNoSocket;
    --open_sockets_;
  }
  socket = open_source_socket(port);
  if (socket < 0) return kNoSocket;
  opened_[oldest_] = port;
  oldest_ = (oldest_ + 1) % opened_.size();
  ++open_sockets_;
  ++counters_.sockets_opened;
  return socket;
}

int Sender::open_source_socket(in_port_t port) {
  const int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return kNoSocket;
  // Other workers send from the same port; what comes in to it is nobody's.
  set(s, SOL_SOCKET, SO_REUSEPORT, 1);
  std::array<sock_filter, 1> nothing{{{BPF_RET | BPF_K, 0, 0, 0}}};
  sock_fprog none{1, nothing.data()};
  ::setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &none, sizeof none);
  set(s, IPPROTO_IP, IP_MTU_DISCOVER,
      IP_PMTUDISC_PROBE);  // DF, and only the interface's MTU counts
  set(s, IPPROTO_IP, IP_TTL, 64);
  bound_waiting(s);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = port;
  if (::bind(s, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return s;
  ::close(s);
  return kRefused;
}

}  // namespace weir::geneve
