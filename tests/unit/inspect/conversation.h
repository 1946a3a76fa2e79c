// Conversation: a TCP connection that a test writes down as who said what, turned into packets; and the
// ways of cutting, repeating and reordering its segments that must change nothing.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/packet.h"

namespace weir::inspect::test {

struct Segment {
  bool from_client = true;
  std::uint32_t seq = 0, ack = 0;
  std::uint8_t flags = 0;
  std::string payload;
  std::int64_t time_ns = 0;
};

struct Host {
  std::string address = "192.0.2.1";  // IPv4 or IPv6
  std::uint16_t port = 0;
};

class Conversation {
 public:
  explicit Conversation(std::uint16_t client_port = 40000, std::int64_t start_ns = 1'000'000'000);

  Conversation& open();                         // SYN, SYN/ACK, ACK
  Conversation& client(std::string_view bytes);  // data in segments, and the peer's ACK
  Conversation& server(std::string_view bytes);
  Conversation& close();                        // FIN from both sides
  Conversation& client_fin();
  Conversation& reset();                        // RST of the client
  Conversation& wait(std::int64_t ns) {
    time_ns_ += ns;
    return *this;
  }
  // The next segment of `from_client` data is never captured, but acknowledged.
  Conversation& lose_next() {
    lose_ = true;
    return *this;
  }

  Host client_host{"192.0.2.7", 40000};
  Host server_host{"198.51.100.2", 80};
  std::size_t mss = 1400;
  std::vector<Segment> segments;

 private:
  void say(bool from_client, std::string_view bytes);
  void add(bool from_client, std::uint8_t flags, std::string payload = {});

  std::uint32_t client_next_ = 0xfffff000;  // wraps soon
  std::uint32_t server_next_ = 77;
  std::int64_t time_ns_;
  bool lose_ = false;
};

// Packets that own their bytes.
struct Capture {
  struct Frame {
    std::string bytes;
    std::int64_t time_ns = 0;
  };
  std::vector<Frame> frames;
  void add(const Conversation& conversation, const std::vector<Segment>& segments);
  void add(const Conversation& conversation) { add(conversation, conversation.segments); }
  // As if all had been captured together: by time, stable.
  void sort();
};

[[nodiscard]] std::string ip_frame(const Host& from, const Host& to, const Segment& segment, bool ethernet = true);

// Each returns other segments for the same streams.
[[nodiscard]] std::vector<Segment> cut_to_bytes(const std::vector<Segment>& in);
[[nodiscard]] std::vector<Segment> cut_randomly(const std::vector<Segment>& in, std::mt19937& random);
[[nodiscard]] std::vector<Segment> duplicate(const std::vector<Segment>& in, std::mt19937& random);
// Segments of data that stand together and go the same way change places.
[[nodiscard]] std::vector<Segment> reorder(const std::vector<Segment>& in, std::mt19937& random);
// Some segments repeat the end of those before them and the beginning of those after them.
[[nodiscard]] std::vector<Segment> overlap(const std::vector<Segment>& in, std::mt19937& random);

}  // namespace weir::inspect::test
