// The least that any inspection of a capture costs: read it, decode each packet, find its flow by the whole
// key. Nothing is reassembled, parsed or judged. Prints one line.
//
//   read_flows CAPTURE
#include <array>
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "capture/pcap_file.h"
#include "engine/base/flat_table.h"
#include "engine/flow/key.h"
#include "engine/net/decode.h"
#include "engine/net/tcp.h"

namespace {

using namespace weir;

class Flows {
 public:
  Flows() { keys_.reserve(kMost); }
  void see(const net::TcpSegment& segment) {
    const flow::KeyedSegment keyed = flow::make_key(segment, true);
    const auto hash = static_cast<std::uint32_t>(flow::hash_key(keyed.key, 1, 2));
    std::uint32_t index = table_.find(hash, [&](std::uint32_t i) { return keys_[i].key == keyed.key; });
    if (index == base::kNone) {
      index = static_cast<std::uint32_t>(keys_.size());
      if (!table_.insert(hash, index)) return;
      keys_.push_back({keyed.key, 0});
    }
    keys_[index].bytes += segment.payload.size();
  }
  [[nodiscard]] std::size_t count() const { return keys_.size(); }

 private:
  struct Seen {
    flow::FlowKey key;
    std::uint64_t bytes = 0;
  };
  static constexpr std::size_t kMost = 1U << 20;
  base::FlatTable table_{kMost};
  std::vector<Seen> keys_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: read_flows CAPTURE\n", stderr);
    return 2;
  }
  capture::PcapFileOptions options;
  options.files = {argv[1]};
  auto port = capture::PcapFilePort::open(std::move(options));
  if (!port) {
    std::fprintf(stderr, "read_flows: %s\n", port.error().message.c_str());
    return 3;
  }
  Flows flows;
  std::uint64_t packets = 0;
  std::array<Packet, 256> batch;
  for (;;) {
    const auto got = (*port)->receive(batch, seconds(1));
    if (!got || got->ended) break;
    for (std::size_t i = 0; i < got->count; ++i) {
      const net::Decoded decoded = net::decode(batch[i], {});
      if (const auto* datagram = std::get_if<net::Datagram>(&decoded); datagram != nullptr && datagram->protocol == 6) {
        const net::TcpParsed parsed = net::parse_tcp(*datagram);
        if (parsed.ok()) flows.see(parsed.segment);
      }
      (*port)->settle(batch[i], Fate::Forward);
      ++packets;
    }
  }
  std::printf("%llu packets, %zu flows\n", static_cast<unsigned long long>(packets), flows.count());
  return 0;
}
