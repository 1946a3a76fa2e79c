// The GENEVE header (RFC 8926) as gateway load balancers send it: read, never written. What goes
// back goes back in the very bytes it came in, so that options nobody here knows are kept too.
//
// parse() walks the options one by one: their order and number may change (Google says so of its
// own), and options of unknown classes are passed over. Every end is checked against the option
// area, and that against the datagram. Pure, noexcept, no allocation.
//
// Sources: RFC 8926 3.4, 3.5; AWS class 0x0108: AWS documentation of Gateway Load Balancer target
// groups; Google class 0x0132: documentation of Network Security Integration, layout as in
// Wireshark's fields. Tested by tests/unit/geneve/header_test.cc, fuzzed by
// tests/fuzz/geneve/header_fuzz.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/packet.h"

namespace weir::geneve {

inline constexpr std::uint16_t kPort = 6081;
inline constexpr std::size_t kBaseLength = 8;
inline constexpr std::size_t kMostHeader = kBaseLength + 63 * 4;
// Of the header that AWS sends: three options.
inline constexpr std::size_t kAwsHeader = 40;

// Why a datagram is not taken. All of these are dropped; none is answered.
enum class Fault : std::uint8_t {
  None,
  Short,            // less than the base header
  Version,          // not 0 (RFC 8926 3.4: such a packet must be dropped)
  OptionsPastEnd,   // the option area is longer than the datagram
  OptionPastEnd,    // an option is longer than what is left of the area
  CriticalUnknown,  // an option that must be understood and is not (RFC 8926 3.5)
  Control,          // O bit: for the control plane of the tunnel end, not for forwarding
};
inline constexpr std::size_t kFaults = 7;

// A stable word for counters and logs.
[[nodiscard]] std::string_view name(Fault fault) noexcept;

struct Header {
  std::uint16_t length = 0;    // bytes, options included: where the inner packet begins
  std::uint16_t protocol = 0;  // EtherType of what follows
  std::uint32_t vni = 0;
  bool critical = false;  // the C bit
  // What was found. An option of a known class and type with an unexpected length counts as
  // unknown.
  bool has_endpoint = false;
  bool has_attachment = false;
  bool has_cookie = false;
  bool has_google_network = false;
  bool unknown_options = false;
  std::uint64_t endpoint = 0;        // AWS type 1: vpce-0 and these 16 hex digits
  std::uint64_t attachment = 0;      // AWS type 2
  std::uint32_t cookie = 0;          // AWS type 3
  std::uint32_t google_network = 0;  // Google type 1: the upper 28 bits

  // All three options that every packet of AWS carries.
  [[nodiscard]] bool complete_aws() const { return has_endpoint && has_attachment && has_cookie; }
  // Packet::domain. Endpoint ids of AWS as they are; other kinds are told apart in the upper 16
  // bits.
  [[nodiscard]] std::uint64_t domain() const noexcept;
};

struct Parsed {
  Fault fault = Fault::None;
  Header header;  // meaningful if there is no fault
};

// `datagram` is the payload of UDP.
[[nodiscard]] Parsed parse(Bytes datagram) noexcept;

}  // namespace weir::geneve
