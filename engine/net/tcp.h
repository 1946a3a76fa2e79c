// parse_tcp(): the TCP header of a Datagram to a TcpSegment. Pure, noexcept, no allocation.
// Sources: RFC 9293 3.1, 3.2; RFC 7323, 2018, 7413, 2385, 5925. Tested by
// tests/unit/net/tcp_test.cc.
#pragma once

#include <cstdint>

#include "engine/net/anomaly.h"
#include "engine/net/checksum.h"
#include "engine/net/decode.h"
#include "engine/net/segment.h"

namespace weir::net {

struct TcpParsed {
  // None: `segment` is complete. Else why there is none: TcpHeaderShort, TcpDataOffset,
  // CapturedTooShort.
  Anomaly malformed = Anomaly::None;
  ChecksumVerdict checksum = ChecksumVerdict::NotVerified;
  AnomalySet anomalies;  // the datagram's and those of TCP
  TcpSegment segment;    // checksum_bad: the sum is Wrong or Partial

  [[nodiscard]] bool ok() const { return malformed == Anomaly::None; }
  // The receiving host discards it, for a reason other than the checksum.
  [[nodiscard]] bool dropped_by_host() const { return !anomalies.empty() && anomalies.worst() == Consequence::HostDrops; }
  [[nodiscard]] bool suspicious() const { return !anomalies.empty() && anomalies.worst() >= Consequence::Doubtful; }
};

// REQUIRES: datagram.protocol is TCP and it is no fragment.
[[nodiscard]] TcpParsed parse_tcp(const Datagram& datagram) noexcept;
// The same, made where it is kept.
void parse_tcp(const Datagram& datagram, TcpParsed& out) noexcept;

// Lets the detector judge what parse_tcp() found: corrects segment.checksum_bad and, for a sending
// host that leaves IPv4 header checksums to its card too, the anomaly. Only for captures; inline
// the kernel tells.
void judge_offload(TcpParsed& parsed, OffloadDetector& detector);

[[nodiscard]] TcpOptions parse_tcp_options(Bytes options) noexcept;

}  // namespace weir::net
