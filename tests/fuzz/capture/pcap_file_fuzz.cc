// Any bytes as a capture file. Reading ends, in order, with bounded memory;
// whatever is wrong is an error or damage with words.
// Input: one byte that chooses a filter, then the capture.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "capture/pcap_file.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// One file for the whole run, written anew for each input.
const std::string& scratch() {
  static const std::string path = [] {
    std::string pattern = "/tmp/weir-fuzz-XXXXXX";
    const int descriptor = ::mkstemp(pattern.data());
    require(descriptor >= 0);
    ::close(descriptor);
    std::atexit([] { ::unlink(scratch().c_str()); });
    return pattern;
  }();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  using namespace weir::capture;
  if (size == 0) return 0;
  FILE* file = std::fopen(scratch().c_str(), "wb");
  require(file != nullptr);
  std::fwrite(data + 1, 1, size - 1, file);
  std::fclose(file);

  PcapFileOptions options;
  options.files = {scratch(), scratch()};
  // libpcap's compiler is not what is tested: a few fixed expressions.
  static const char* const kFilters[] = {"", "tcp port 80", "ip6 or vlan",
                                         "ether host 02:00:00:00:00:01"};
  options.filter = kFilters[data[0] % 4];
  auto port = PcapFilePort::open(std::move(options));
  if (!port) {
    require(!port.error().message.empty());
    return 0;
  }
  std::vector<Packet> batch(16);
  std::uint64_t number = 0;
  for (;;) {
    auto received = (*port)->receive(batch, {});
    require(received.has_value());
    for (std::size_t i = 0; i < received->count; ++i) {
      const Packet& p = batch[i];
      require(p.number > number && p.wire_length >= p.bytes.size() &&
              p.bytes.size() <= kMostPacketBytes);
      require(p.time.ns >= 0 && !(*port)->file_of(p).empty());
      number = p.number;
      std::uint8_t all = 0;
      for (const std::uint8_t b : p.bytes)
        all = static_cast<std::uint8_t>(all | b);  // readable
      static volatile std::uint8_t sink = 0;
      sink = all;
      static_cast<void>(sink);
      (*port)->settle(p, Fate::Forward);
    }
    if (received->ended) break;
  }
  require((*port)->bytes_read() <= (*port)->bytes_total());
  require((*port)->damage().size() <= 4);
  return 0;
}
