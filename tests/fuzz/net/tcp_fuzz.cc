// Any bytes as a TCP segment and as TCP options.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/net/tcp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weir;
  using namespace weir::net;
  if (size == 0) return 0;
  const std::vector<std::uint8_t> bytes(data + 1, data + size);
  static_cast<void>(parse_tcp_options(bytes));
  Datagram d;
  d.source = *IpAddress::parse((data[0] & 1) != 0 ? "2001:db8::1" : "10.0.0.1");
  d.destination = *IpAddress::parse((data[0] & 1) != 0 ? "2001:db8::2" : "10.0.0.2");
  d.payload = bytes;
  d.missing = data[0] >> 4;
  d.protocol = 6;
  const TcpParsed t = parse_tcp(d);
  if (!t.ok()) {
    if (consequence(t.malformed) != Consequence::Malformed) std::abort();
    return 0;
  }
  if (t.segment.payload.data() + t.segment.payload.size() != bytes.data() + bytes.size())
    std::abort();
  if (d.missing != 0 && t.checksum != ChecksumVerdict::NotVerified) std::abort();
  return 0;
}
