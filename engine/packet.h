// One packet as a port delivers it. It knows nothing of where it came from: `token` is opaque and only
// the port that made it understands it (house rule: no union of every capture method's private parts).
#pragma once

#include <compare>
#include <cstdint>
#include <span>

namespace weir {

using Bytes = std::span<const std::uint8_t>;

// Nanoseconds since the Unix epoch, UTC. Everything below app/ is given the time; nothing reads a clock.
struct Timestamp {
  std::int64_t ns = 0;
  auto operator<=>(const Timestamp&) const = default;
};

struct Duration {
  std::int64_t ns = 0;
  auto operator<=>(const Duration&) const = default;
};

constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
constexpr Timestamp operator+(Timestamp t, Duration d) { return {t.ns + d.ns}; }
constexpr Duration operator-(Timestamp a, Timestamp b) { return {a.ns - b.ns}; }

// What the first byte of Packet::bytes is. Names follow the LINKTYPE registry of tcpdump.org.
enum class LinkType : std::uint8_t {
  Ethernet,
  LinuxSll,   // Linux cooked capture v1
  LinuxSll2,  // Linux cooked capture v2
  RawIp,      // IPv4 or IPv6 by the version nibble (also what NFQUEUE and GENEVE deliver)
  Null,       // BSD loopback: 4-byte family in the byte order of the capturing host
  Loop,       // OpenBSD loopback: 4-byte family in network order
  Ppp,
};

// What is known of the transport checksum, from the kernel or the capture; never guessed per packet.
enum class ChecksumState : std::uint8_t {
  Unknown,     // verify it; on a mismatch the packet is invalid
  Verified,    // the kernel or NIC has verified it
  NotFilled,   // sent by this host with checksum offload: the field holds a partial sum
  Ignore,      // the operator said so (mirror ports, captures taken on a sending host)
};

struct Packet {
  Bytes bytes;                    // valid until settled at the port
  std::uint32_t wire_length = 0;  // length on the wire; larger than bytes.size() if cut by snaplen
  LinkType link = LinkType::Ethernet;
  ChecksumState checksum = ChecksumState::Unknown;
  Timestamp time;
  // Address space: equal addresses in different domains are different hosts (GENEVE endpoint id). 0 = none.
  std::uint64_t domain = 0;
  std::uint64_t number = 0;  // 1, 2, … in order of arrival at this port (pcap_cnt in records)
  std::uint64_t token = 0;   // the port's own
  // What the port needs, besides, to send a packet of Weir's the way this one goes (an outer header);
  // opaque, empty for most ports. At most kMostEnvelope bytes, valid as long as `bytes`. The engine keeps a
  // copy for a connection that it answers, and gives it back in PacketPort::inject().
  Bytes envelope;
  // The interfaces that it came in by and is to leave by, numbers of the port's own; 0: not known. An
  // address is easily forged, the interface is not (flow::DropReason::WrongSide).
  std::uint16_t came_by = 0;
  std::uint16_t leaves_by = 0;
};

inline constexpr std::size_t kMostEnvelope = 128;

}  // namespace weir
