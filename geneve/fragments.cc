#include "geneve/fragments.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weir::geneve {

FragmentKey FragmentKey::of(std::uint64_t domain, Bytes ip, const Inner& inner) {
  FragmentKey key;
  key.domain = domain;
  key.id = inner.fragment_id;
  key.version = inner.version;
  const std::size_t size = inner.version == 4 ? 4 : 16;
  std::memcpy(key.addresses.data(), ip.data() + (inner.version == 4 ? 12 : 8), 2 * size);
  return key;
}

FragmentRoutes::FragmentRoutes(std::uint32_t most, const base::SipKey& key)
    : entries_(std::bit_ceil(std::max<std::uint32_t>(most, kWays))),
      mask_(static_cast<std::uint32_t>(entries_.size() / kWays - 1)),
      key_(key) {}

FragmentRoutes::Entry* FragmentRoutes::set_of(const FragmentKey& key) {
  static_assert(sizeof(FragmentKey) == 48);  // no padding: its bytes are hashed
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&key);
  return &entries_[(base::siphash13({bytes, sizeof key}, key_) & mask_) * kWays];
}

std::uint32_t FragmentRoutes::find(const FragmentKey& key, Timestamp now) {
  Entry* set = set_of(key);
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set[i].route != kUnknown && set[i].key == key && now - set[i].used < kLife) {
      return set[i].route;
    }
  }
  return kUnknown;
}

void FragmentRoutes::learn(const FragmentKey& key, std::uint32_t route, Timestamp now) {
  Entry* set = set_of(key);
  Entry* place = set;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set[i].route != kUnknown && set[i].key == key) {
      place = &set[i];
      break;
    }
    if (set[i].used < place->used) place = &set[i];
  }
  *place = {key, now, route};
}

}  // namespace weir::geneve
