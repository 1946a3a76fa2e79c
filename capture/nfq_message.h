// Netlink messages of a queue (linux/netfilter/nfnetlink_queue.h): what the kernel sends, read without
// trusting its lengths, and the verdicts that go back. Pure; no sockets. libnetfilter_queue in the
// style of libmnl. Tested by tests/unit/capture/nfq_message_test.cc, fuzzed by
// tests/fuzz/capture/nfq_message_fuzz.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/packet.h"
#include "engine/port.h"

namespace weir::capture {

// A packet that waits in a queue for its verdict. Views into the message.
struct QueuedPacket {
  std::uint32_t id = 0;        // counts up within the queue
  Bytes payload;               // from the IP header on
  std::uint32_t length = 0;    // of the packet, of which `payload` may be the beginning
  std::uint32_t mark = 0;
  ChecksumState checksum = ChecksumState::Unknown;
  bool gso = false;            // several segments in one
  std::uint32_t bridge_in = 0;  // bridge port it came in by; 0: routed
  std::uint32_t bridge_out = 0;
  std::uint32_t routed_in = 0;  // interface it came in by; of a bridged packet the bridge. 0: made here
  std::uint32_t routed_out = 0;
  std::optional<std::array<std::uint8_t, 6>> mac;  // of the station it came from

  [[nodiscard]] std::uint32_t came_by() const noexcept { return bridge_in != 0 ? bridge_in : routed_in; }
  [[nodiscard]] std::uint32_t leaves_by() const noexcept { return bridge_in != 0 ? bridge_out : routed_out; }
};

enum class QueueMessage : std::uint8_t {
  Packet,
  Answer,     // to a request of ours: `error` is 0 or an errno
  Other,      // nothing that concerns us
  Malformed,  // lengths contradict each other; nothing behind it can be read
};

struct ParsedMessage {
  QueueMessage kind = QueueMessage::Malformed;
  QueuedPacket packet;       // Packet
  int error = 0;             // Answer
  std::size_t consumed = 0;  // bytes; 0 if Malformed
};

// The first message of a datagram.
[[nodiscard]] ParsedMessage parse_queue_message(Bytes datagram) noexcept;

// Messages to one queue, collected for one send(). The caller looks at room() first.
class VerdictBuffer {
 public:
  VerdictBuffer(std::uint16_t queue, std::size_t capacity);

  // Everything up to `id` is accepted, marks untouched.
  void accept_up_to(std::uint32_t id) noexcept;
  void drop_up_to(std::uint32_t id) noexcept;
  void verdict(std::uint32_t id, Fate fate, std::optional<std::uint32_t> mark) noexcept;
  // Accepted with another content.
  void replace(std::uint32_t id, Bytes bytes, std::optional<std::uint32_t> mark) noexcept;

  [[nodiscard]] bool room(std::size_t payload = 0) const {
    return buffer_.size() - used_ >= payload + kMostOverhead;
  }
  [[nodiscard]] Bytes bytes() const { return {buffer_.data(), used_}; }
  void clear() { used_ = 0; }

 private:
  static constexpr std::size_t kMostOverhead = 128;
  void batch(std::uint32_t id, std::uint32_t verdict) noexcept;

  std::uint16_t queue_;
  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
};

}  // namespace weir::capture
