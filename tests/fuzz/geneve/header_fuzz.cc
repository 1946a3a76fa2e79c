// Any bytes as a GENEVE datagram: parse() against a literal second reading of RFC 8926, and look()
// and steer_hash() on what is inside.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "geneve/header.h"
#include "geneve/inner.h"

namespace {

using namespace weir;
using namespace weir::geneve;

void require(bool condition) {
  if (!condition) std::abort();
}

Fault naive(const std::vector<std::uint8_t>& b) {
  if (b.size() < 8) return Fault::Short;
  if ((b[0] & 0xc0) != 0) return Fault::Version;
  const std::size_t end = 8 + static_cast<std::size_t>(b[0] % 64) * 4;
  if (end > b.size()) return Fault::OptionsPastEnd;
  if ((b[1] & 0x80) != 0) return Fault::Control;
  std::size_t at = 8;
  while (at != end) {
    if (at + 4 > end) return Fault::OptionPastEnd;
    const unsigned klass = b.at(at) * 256U + b.at(at + 1);
    const unsigned type = b.at(at + 2);
    const std::size_t size = b.at(at + 3) % 32 * 4U;
    if (at + 4 + size > end) return Fault::OptionPastEnd;
    static_cast<void>(klass);
    if (type >= 128) return Fault::CriticalUnknown;  // no known option is critical
    at += 4 + size;
  }
  return Fault::None;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> bytes(data, data + size);
  const Parsed parsed = parse(bytes);
  require(parsed.fault == naive(bytes));
  if (parsed.fault != Fault::None) return 0;
  const Header& header = parsed.header;
  require(header.length >= kBaseLength && header.length <= kMostHeader && header.length <= size);
  static_cast<void>(header.domain());
  const Bytes ip = Bytes(bytes).subspan(header.length);
  const Inner inner = look(ip, header.protocol);
  if (inner.has_ports()) require(inner.tcp_at + 4 <= ip.size());
  for (const std::uint32_t workers : {1U, 3U, 255U}) {
    require(steer(steer_hash(ip, inner, {}), workers) < workers);
  }
  return 0;
}
