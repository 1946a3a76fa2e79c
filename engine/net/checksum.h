// The Internet checksum (RFC 1071) and what captures show in its place when a network card was to
// fill it in.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/base/flat_table.h"
#include "engine/base/ip_address.h"
#include "engine/base/pool.h"
#include "engine/base/siphash.h"
#include "engine/packet.h"

namespace weir::net {

// One's complement sum of the bytes as 16-bit words (an odd last byte counts as the high one),
// folded to 16 bits, not complemented. `start` is a sum to go on from; it must be of an even number
// of bytes.
[[nodiscard]] std::uint16_t ones_sum(Bytes bytes, std::uint16_t start = 0);

// Of the pseudo header (RFC 9293 3.1, RFC 8200 8.1). `length` is of the transport header and
// payload.
[[nodiscard]] std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination,
                                              std::uint8_t protocol, std::uint32_t length);

// The value for the checksum field of a segment whose field is zero. UDP: 0 must be sent as 0xffff.
[[nodiscard]] std::uint16_t transport_checksum(const IpAddress& source,
                                               const IpAddress& destination, std::uint8_t protocol,
                                               Bytes segment);

enum class ChecksumVerdict : std::uint8_t {
  Right,
  Wrong,
  Partial,      // holds exactly the pseudo header's sum: left for the network card to complete
  NotVerified,  // part of the segment was not captured, or the packet's ChecksumState says not to
};

// REQUIRES: the checksum field is at field_at in `segment`, which is complete.
[[nodiscard]] ChecksumVerdict verify_transport(const IpAddress& source,
                                               const IpAddress& destination, std::uint8_t protocol,
                                               Bytes segment, std::size_t field_at);

// Captures taken on a sending host with checksum offload show partial sums for what that host
// sends. This remembers per source address whether it is such a host, from what it sent first:
//   * a partial sum before any complete one on a SYN or on data: it offloads; its partial sums are
//   accepted
//   * a right sum on a SYN or on data: it does not; partial sums are wrong like any other
// Wrong sums that are not exactly partial are always wrong. Both kinds of host are counted.
// One per worker; bounded: hosts beyond the table are taken not to offload. No allocation after
// construction.
class OffloadDetector {
 public:
  OffloadDetector(std::uint32_t hosts, const base::SipKey& key);

  // `telling`: the segment has SYN or payload. Returns whether the checksum counts as valid.
  [[nodiscard]] bool accept(const IpAddress& source, ChecksumVerdict verdict, bool telling);
  [[nodiscard]] bool offloads(const IpAddress& source) const;

  [[nodiscard]] std::uint64_t accepted() const { return accepted_; }  // segments with a partial sum
  [[nodiscard]] std::uint32_t offloading_hosts() const { return offloading_; }
  [[nodiscard]] bool full() const { return hosts_.full(); }

 private:
  struct Host {
    IpAddress address;
    bool offloads;
  };
  // Where recent_ may have the address: no secret is needed, for whom it has is looked at in full.
  [[nodiscard]] static std::size_t place(const IpAddress& address);
  [[nodiscard]] std::uint32_t hash(const IpAddress& address) const;
  [[nodiscard]] std::uint32_t find(const IpAddress& address, std::uint32_t hash) const;

  base::Pool<Host> hosts_;
  base::FlatTable table_;
  base::SipKey key_;
  static constexpr unsigned kRecentBits = 8;
  std::array<std::uint32_t, 1U << kRecentBits> recent_;  // hosts: a right sum of theirs says nothing new
  std::uint64_t accepted_ = 0;
  std::uint32_t offloading_ = 0;
};

}  // namespace weir::net
