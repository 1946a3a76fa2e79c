// Any bytes as what a queue's socket delivers: reading goes forward and stays inside.
#include <cstdint>
#include <cstdlib>

#include "capture/nfq_message.h"
#include "capture/nfqueue.h"
#include "capture/raw_sender.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  using namespace weir::capture;
  const Bytes all(data, size);
  for (Bytes rest = all; !rest.empty();) {
    const ParsedMessage parsed = parse_queue_message(rest);
    if (parsed.kind == QueueMessage::Malformed) break;
    if (parsed.consumed == 0 || parsed.consumed > rest.size()) std::abort();
    if (parsed.kind == QueueMessage::Packet) {
      const Bytes payload = parsed.packet.payload;
      if (!payload.empty() && (payload.data() < rest.data() || payload.data() + payload.size() > rest.data() + rest.size())) {
        std::abort();
      }
      if (parsed.packet.length < payload.size()) std::abort();
      IpAddress source;
      IpAddress destination;
      static_cast<void>(addresses_of(payload, source, destination));
    }
    rest = rest.subspan(parsed.consumed);
  }
  static_cast<void>(parse_queue_counters({reinterpret_cast<const char*>(data), size}, 7));
  return 0;
}
