#include "engine/flow/key_store.h"

#include <cstddef>
#include <cstring>

#include "engine/base/siphash.h"

namespace weir::flow {
namespace {

using base::kNone;

std::uint32_t first_four(const std::array<std::uint8_t, 16>& address) {
  std::uint32_t out = 0;
  std::memcpy(&out, address.data(), sizeof out);
  return out;
}

// In the first four bytes, the rest is zero (IpAddress).
void put_four(std::uint32_t from, std::array<std::uint8_t, 16>& address) { std::memcpy(address.data(), &from, sizeof from); }

bool only_four(const std::array<std::uint8_t, 16>& address) {
  std::array<std::uint8_t, 16> four{};
  put_four(first_four(address), four);
  return four == address;
}

}  // namespace

KeyStore::KeyStore(std::uint32_t keys, std::uint64_t k0, std::uint64_t k1)
    : k0_(k0), k1_(k1), places_(kMostPlaces), wide_(keys), index_(ChainOf{&places_}, kMostPlaces) {}

std::uint32_t KeyStore::hash_of(const Place& place) const {
  std::array<std::uint8_t, 24> bytes{};
  static_assert(offsetof(Place, uses) == bytes.size());
  std::memcpy(bytes.data(), &place, bytes.size());
  return static_cast<std::uint32_t>(base::siphash13(bytes, k0_, k1_));
}

std::uint32_t KeyStore::place_of(const FlowKey& key) {
  if (latest_ != kNone && places_[latest_].of(key)) return latest_;
  Place wanted;
  wanted.domain = key.domain;
  wanted.network = key.network;
  wanted.vlans = key.vlans;
  const std::uint32_t hash = hash_of(wanted);
  std::uint32_t index = index_.find(hash, [&](std::uint32_t i) { return places_[i].of(key); });
  if (index == kNone) {
    index = places_.allocate();
    if (index == kNone) return kNone;
    places_[index] = wanted;
    index_.insert(hash, index);
  }
  latest_ = index;
  return index;
}

std::optional<CompactKey> KeyStore::add(const FlowKey& key) {
  CompactKey out;
  out.low_port = key.low_port;
  out.high_port = key.high_port;
  out.version = key.version;
  const bool narrow = key.version == 4 && only_four(key.low_address) && only_four(key.high_address);
  const std::uint32_t place = narrow ? place_of(key) : kNone;
  if (place != kNone) {
    ++places_[place].uses;
    out.low = first_four(key.low_address);
    out.high = first_four(key.high_address);
    out.place = static_cast<std::uint16_t>(place);
    return out;
  }
  const std::uint32_t index = wide_.allocate();
  if (index == kNone) return std::nullopt;
  wide_[index] = {key.low_address, key.high_address, key.domain, key.network};
  out.wide = true;
  out.low = index;
  out.high = std::uint32_t{key.vlans[0]} << 16U | key.vlans[1];
  out.place = key.vlans[2];
  return out;
}

void KeyStore::remove(const CompactKey& key) {
  if (key.wide) {
    wide_.release(key.low);
    return;
  }
  Place& place = places_[key.place];
  if (--place.uses != 0) return;
  if (latest_ == key.place) latest_ = kNone;
  index_.erase(hash_of(place), key.place);
  places_.release(key.place);
}

FlowKey KeyStore::expand(const CompactKey& key) const {
  FlowKey out;
  out.low_port = key.low_port;
  out.high_port = key.high_port;
  out.version = key.version;
  if (key.wide) {
    const Wide& wide = wide_[key.low];
    out.domain = wide.domain;
    out.network = wide.network;
    out.low_address = wide.low;
    out.high_address = wide.high;
    out.vlans = {static_cast<std::uint16_t>(key.high >> 16U), static_cast<std::uint16_t>(key.high), key.place};
    return out;
  }
  const Place& place = places_[key.place];
  out.domain = place.domain;
  out.network = place.network;
  out.vlans = place.vlans;
  put_four(key.low, out.low_address);
  put_four(key.high, out.high_address);
  return out;
}

bool KeyStore::same(const CompactKey& compact, const FlowKey& key) const {
  if (compact.low_port != key.low_port || compact.high_port != key.high_port) return false;
  return expand(compact) == key;
}

}  // namespace weir::flow
