// What the bytes just fed completed: the inspector judges these before it lets the packet go.
#pragma once

#include <cstdint>

namespace weir::http {

// The rest of a body that ends with its connection: more than any stream has.
inline constexpr std::uint64_t kEndless = 1ULL << 62U;

struct Progress {
  std::uint32_t headers_done = 0;   // header sections completed (1xx not counted)
  std::uint32_t messages_done = 0;  // messages that ended, complete or not
  std::uint32_t violations = 0;
  // Octets looked at or copied: a few for each octet fed, whatever the octets are (tests hold it to
  // that).
  std::uint64_t work = 0;
  // The last-chunk line is complete and the trailer section is not: some servers act on the body
  // now. Hold the packet until messages_done, or judge the body as it is.
  bool body_ended = false;
  bool refused = false;    // a violation that ParserOptions refuses: reject
  bool tunnel = false;     // the server agreed to leave HTTP
  bool exhausted = false;  // no memory: the side is read no further, apply the policy for that
};

enum class SideState : std::uint8_t {
  Idle,       // between messages
  InHeaders,  // start line or header section
  InBody,     // body or trailer section
  Lost,       // after a gap or foreign octets: waiting for something that looks like a start line
  Tunnel,     // left HTTP: nothing is read
  Opaque,     // TLS or HTTP/2: nothing is read
  Refused,
  Ended,
};

enum class StreamEnd : std::uint8_t {
  Clean,  // FIN: also what ends a body without a length
  Reset,  // RST, timeout, eviction, end of the capture
};

}  // namespace weir::http
