// Small helpers around UDP sockets for the benchmarks of the GENEVE echo.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace weir::bench {

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(3);
}

inline double seconds(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

inline sockaddr_in endpoint(const char* address, std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  if (::inet_pton(AF_INET, address, &a.sin_addr) != 1) die(address);
  return a;
}

inline void set(int socket, int level, int option, int value) {
  if (::setsockopt(socket, level, option, &value, sizeof value) != 0) die("setsockopt");
}

inline int udp_socket(const char* address, std::uint16_t port) {
  const int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  set(s, SOL_SOCKET, SO_REUSEADDR, 1);
  sockaddr_in a = endpoint(address, port);
  if (::bind(s, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) die("bind");
  int buffer = 8 << 20;
  ::setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  ::setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  return s;
}

// The size of a merged datagram's parts, or its own.
inline std::size_t part_size(msghdr& m, std::size_t length) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0) return static_cast<std::size_t>(size);
    }
  }
  return length;
}

}  // namespace weir::bench
