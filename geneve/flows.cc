#include "geneve/flows.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <type_traits>

namespace weir::geneve {

Connections::Connections(std::uint32_t most, const base::SipKey& key)
    : count_(std::bit_ceil(std::max<std::uint32_t>(most, kWays))),
      mask_(static_cast<std::uint32_t>(count_ / kWays - 1)),
      key_(key) {
  static_assert(std::is_trivially_copyable_v<Connection>);
  entries_.reset(static_cast<Connection*>(std::calloc(count_, sizeof(Connection))));
  if (entries_ == nullptr) throw std::bad_alloc();
}

Connections::Place Connections::place(std::uint64_t domain, Bytes ip, const Inner& inner) {
  Place place;
  const std::size_t size = inner.version == 4 ? 4 : 16;
  const std::uint8_t* source = ip.data() + (inner.version == 4 ? 12 : 8);
  const std::uint8_t* destination = source + size;
  const int order = std::memcmp(source, destination, size);
  const bool up = order < 0 || (order == 0 && inner.source_port <= inner.destination_port);
  ConnectionKey& key = place.key;
  key.domain = domain;
  key.version = inner.version;
  std::memcpy(key.low_address.data(), up ? source : destination, size);
  std::memcpy(key.high_address.data(), up ? destination : source, size);
  key.low_port = up ? inner.source_port : inner.destination_port;
  key.high_port = up ? inner.destination_port : inner.source_port;
  place.direction = up ? 0 : 1;
  return place;
}

Connection* Connections::set_of(const ConnectionKey& key) {
  static_assert(sizeof(ConnectionKey) == 48);  // no padding: its bytes are hashed
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&key);
  const std::uint64_t hash = base::siphash13({bytes, sizeof key}, key_);
  return &entries_[(hash & mask_) * kWays];
}

Connection* Connections::find(const ConnectionKey& key) {
  Connection* set = set_of(key);
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set[i].seen != 0 && set[i].key == key) return &set[i];
  }
  return nullptr;
}

Connection& Connections::take(const ConnectionKey& key) {
  if (++clock_ == 0) {  // wrapped: all are old alike
    clock_ = 2;
    for (std::size_t i = 0; i < count_; ++i)
      entries_[i].seen = entries_[i].seen == 0 ? 0 : 1;
  }
  Connection* set = set_of(key);
  Connection* oldest = set;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set[i].seen != 0 && set[i].key == key) {
      set[i].seen = clock_;
      return set[i];
    }
    if (set[i].seen < oldest->seen) oldest = &set[i];
  }
  if (oldest->seen != 0) ++forgotten_;
  oldest->key = key;
  oldest->seen = clock_;
  take_back(*oldest);
  oldest->round = 0;
  oldest->envelopes[0].length = 0;
  oldest->envelopes[1].length = 0;
  return *oldest;
}

void remember(Envelope& envelope, const Outer& outer, Bytes header) {
  if (header.size() > Envelope::kMost) return;
  envelope.outer = outer;
  envelope.length = static_cast<std::uint16_t>(header.size());
  std::memcpy(envelope.bytes.data(), header.data(), header.size());
}

}  // namespace weir::geneve
