// How the TCP model behaves. Plain values; the configuration fills them in.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/flow/in_hand.h"
#include "engine/packet.h"

namespace weir::flow {

enum class Mode : std::uint8_t {
  Passive,  // a mirror or a capture: say what the endpoints received
  Inline,   // every segment waits for its verdict: let through only what the model accounts for
};

// Which bytes win where out-of-order segments overlap and differ. Bytes already delivered always win.
// Inline it is always First (a conflicting segment is dropped); the others describe endpoints.
enum class OverlapPolicy : std::uint8_t {
  First,    // the bytes seen first
  Last,     // the bytes seen last
  Linux,    // measured: a new segment wins where it starts before an old one, or starts with it and
            // ends after it
  Bsd,      // a new segment wins where it starts before the old one
  Windows,  // a new segment wins over an old one that it covers on both sides
};

// What becomes of a segment whose connection's start was not seen.
enum class MidstreamPolicy : std::uint8_t {
  Adopt,   // take it up and inspect from here on
  Pass,    // forward, do not inspect
  Drop,
  Reject,  // drop, and ask for resets to both ends
};

// RFC 9293 3.8.5 urgent data. Inline, URG is always cleared, so that every endpoint reads it in line.
enum class UrgentPolicy : std::uint8_t {
  OutOfBand,  // the byte at the urgent pointer is not part of the stream (Linux, BSD)
  InStream,   // it is (SO_OOBINLINE)
};

// When connections that are idle are packed (engine/flow/dormant.h). It changes nothing but what they cost.
enum class RestPolicy : std::uint8_t {
  WhenIdle,  // after some time; earlier those that are idle longest, when there are many
  AtOnce,    // for tests: before each segment, whoever can be
  Never,     // for tests
};

struct FlowTimeouts {
  Duration half_open = seconds(30);
  Duration established = seconds(900);  // not less than that of the load balancer in front (350 s)
  Duration closed = seconds(30);        // how long a closed connection is remembered
  Duration reset = seconds(10);  // passive: how long a reset may still prove not to have been received
  Duration hole = seconds(5);    // one-sided capture: how long a hole may be waited for
  Duration refused = seconds(120);  // how long after its last packet a refused connection is remembered
};

struct FlowOptions {
  Mode mode = Mode::Passive;
  OverlapPolicy overlap = OverlapPolicy::First;
  MidstreamPolicy midstream = MidstreamPolicy::Adopt;
  // Inline: for so long after the first segment every unknown connection is adopted (restart, failover).
  Duration midstream_grace = {0};
  // Connections that are not taken up in the middle, whatever is said above: neither adopted nor passed, but for a new
  // SYN. (The entry outlives that SYN: anybody can send one.)
  std::vector<PoisonedFlow> poisoned;
  // Inline: a connection of which only one direction comes by is followed as far as that goes; else its
  // segments are dropped (DropReason::OneSided).
  bool one_sided = false;
  // Inline: a connection may go on where it is not seen (another appliance) and come back. What a server
  // acknowledges although it never came by is a hole in the stream, and so is what it must have sent elsewhere:
  // before bytes beyond the window that its client offered here, and where both say so. Else such acknowledgements
  // are dropped (DropReason::Unseen), and such bytes (OutOfWindow).
  bool unseen = false;
  UrgentPolicy urgent = UrgentPolicy::OutOfBand;
  FlowTimeouts timeouts;
  // Passive: how many delivered bytes of a direction are kept to compare retransmissions with, at most.
  std::uint32_t compare_bytes = 64 * 1024;
  // One-sided capture: bytes or segments behind a hole after which it is given up.
  std::uint32_t hole_bytes = 256 * 1024;
  std::uint32_t hole_segments = 128;
  bool vlans_in_key = true;
  RestPolicy rest = RestPolicy::WhenIdle;
  // Ports that tell the server's side of a connection taken up midstream; else the lower port does.
  std::vector<std::uint16_t> server_ports{80, 443, 3000, 5000, 8000, 8008, 8080, 8081, 8443, 8888};
  // Key of the flow table; random per process where an attacker chooses addresses and ports.
  std::uint64_t table_k0 = 0;
  std::uint64_t table_k1 = 0;
  // Key of flow ids; the same key gives the same capture the same ids.
  std::uint64_t id_k0 = 0;
  std::uint64_t id_k1 = 0;
};

}  // namespace weir::flow
