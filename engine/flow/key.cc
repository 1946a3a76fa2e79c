#include "engine/flow/key.h"

#include "engine/base/siphash.h"
#include "engine/net/wire.h"

namespace weir::flow {
namespace {

net::Endpoint endpoint(const std::array<std::uint8_t, 16>& address, std::uint16_t port,
                       std::uint8_t version) {
  net::Endpoint e;
  e.address.bytes = address;
  e.address.version = version;
  e.port = port;
  return e;
}

// As a number, of which the order is that of the bytes.
std::uint64_t half_of(const std::array<std::uint8_t, 16>& address, std::size_t at) {
  return net::load64(address.data() + at);
}

// (address, then port)
bool not_greater(const net::Endpoint& a, const net::Endpoint& b) {
  const std::uint64_t high = half_of(a.address.bytes, 0), other_high = half_of(b.address.bytes, 0);
  if (high != other_high) return high < other_high;
  const std::uint64_t low = half_of(a.address.bytes, 8), other_low = half_of(b.address.bytes, 8);
  return low != other_low ? low < other_low : a.port <= b.port;
}

}  // namespace

net::Endpoint FlowKey::low() const { return endpoint(low_address, low_port, version); }
net::Endpoint FlowKey::high() const { return endpoint(high_address, high_port, version); }

net::Encapsulation FlowKey::encapsulation() const {
  net::Encapsulation e;
  e.domain = domain;
  e.network = network;
  e.vlans = vlans;
  return e;
}

KeyedSegment make_key(const net::TcpSegment& segment, bool vlans_in_key) {
  const net::Endpoint& a = segment.source;
  const net::Endpoint& b = segment.destination;
  KeyedSegment out;
  out.from_low = not_greater(a, b);
  const net::Endpoint& low = out.from_low ? a : b;
  const net::Endpoint& high = out.from_low ? b : a;
  out.key.domain = segment.encapsulation.domain;
  out.key.network = segment.encapsulation.network;
  if (vlans_in_key) out.key.vlans = segment.encapsulation.vlans;
  out.key.low_address = low.address.bytes;
  out.key.high_address = high.address.bytes;
  out.key.low_port = low.port;
  out.key.high_port = high.port;
  out.key.version = a.address.version;
  return out;
}

std::uint64_t hash_key(const FlowKey& key, std::uint64_t k0, std::uint64_t k1) {
  return base::siphash13({reinterpret_cast<const std::uint8_t*>(&key), sizeof key}, k0, k1);
}

std::uint64_t flow_id(const FlowKey& key, Timestamp start, std::uint64_t k0, std::uint64_t k1) {
  std::array<std::uint8_t, sizeof(FlowKey) + sizeof start.ns> bytes;
  std::memcpy(bytes.data(), &key, sizeof key);
  std::memcpy(bytes.data() + sizeof key, &start.ns, sizeof start.ns);
  return base::siphash13(bytes, k0, k1);
}

}  // namespace weir::flow
