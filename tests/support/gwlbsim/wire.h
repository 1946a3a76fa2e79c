// What the simulator knows of wire formats: written apart from Weir's own code, whose oracle it is.
// Offsets and byte order by hand, after RFC 791, 8200, 9293, 768, 8926 and AWS's description of its
// options.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace gwlbsim {

using Octets = std::vector<std::uint8_t>;

inline unsigned get16(const std::uint8_t* p) {
  return p[0] * 256U + p[1];
}
inline std::uint32_t get32(const std::uint8_t* p) {
  return get16(p) * 65536U + get16(p + 2);
}
inline void put16(std::uint8_t* p, unsigned v) {
  p[0] = static_cast<std::uint8_t>(v / 256);
  p[1] = static_cast<std::uint8_t>(v);
}
inline void put32(std::uint8_t* p, std::uint32_t v) {
  put16(p, v / 65536);
  put16(p + 2, v & 65535);
}
inline void put64(std::uint8_t* p, std::uint64_t v) {
  put32(p, static_cast<std::uint32_t>(v >> 32));
  put32(p + 4, static_cast<std::uint32_t>(v));
}

// RFC 1071, on a sum that was begun.
inline std::uint64_t add_words(const std::uint8_t* p, std::size_t n, std::uint64_t sum) {
  for (; n > 1; p += 2, n -= 2)
    sum += get16(p);
  return n == 1 ? sum + p[0] * 256U : sum;
}
inline unsigned finish(std::uint64_t sum) {
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<unsigned>(~sum & 0xffff);
}

// One end of a flow: address (IPv4 in the first four bytes) and port.
struct End {
  std::array<std::uint8_t, 16> address{};
  unsigned port = 0;
  auto operator<=>(const End&) const = default;
};

struct Inner {
  bool ip = false;
  unsigned version = 0;
  unsigned protocol = 0;
  bool fragment = false;  // other than the first: without ports
  End source;
  End destination;
  std::size_t transport_at = 0;
  std::size_t length = 0;  // by the IP header
};

Inner read_inner(const std::uint8_t* p, std::size_t size);

// Whether a packet that the appliance made is one that a host takes: lengths and checksums.
bool well_formed(const std::uint8_t* p, std::size_t size, std::string& why);

enum class Options { Aws, Reordered, Extra, Long, Bare };

// Header and options, without the inner packet.
Octets geneve_header(Options kind, std::uint64_t endpoint, std::uint32_t cookie, unsigned version);

// The cookie in a header, where there is one; and the header's length. 0: no GENEVE.
std::size_t read_header(const std::uint8_t* p, std::size_t size, bool& has_cookie,
                        std::uint32_t& cookie);

}  // namespace gwlbsim
