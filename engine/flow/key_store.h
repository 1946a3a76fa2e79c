// KeyStore: flow keys in 16 bytes, for records that there are very many of (half-open and dormant connections).
//
// Of a connection of IPv4 everything but its place (domain, network, VLANs) stands in the CompactKey itself; places, of
// which there are few, are kept once each and counted. What does not fit so (IPv6, or more places than there is room
// for) has its addresses and place in a pool of 48 bytes each. Nothing is abridged: expand() gives back the whole key.
//
// Not thread-safe; one owner.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "engine/base/chain_table.h"
#include "engine/base/pool.h"
#include "engine/flow/key.h"

namespace weir::flow {

struct CompactKey {
  std::uint32_t low = 0;   // IPv4 address as its bytes stand; else of KeyStore's wide keys
  std::uint32_t high = 0;  // IPv4 address; else the two outer VLANs
  std::uint16_t low_port = 0;
  std::uint16_t high_port = 0;
  std::uint16_t place = 0;   // of KeyStore's places; else the third VLAN
  std::uint8_t version = 0;  // FlowKey::version
  bool wide = false;
};
static_assert(sizeof(CompactKey) == 16);

class KeyStore {
 public:
  // For `keys` keys at once. k0, k1: see hash_key().
  KeyStore(std::uint32_t keys, std::uint64_t k0, std::uint64_t k1);

  // nullopt: there is no room for so many.
  [[nodiscard]] std::optional<CompactKey> add(const FlowKey& key);
  // REQUIRES: it came from add() and was not removed since.
  void remove(const CompactKey& key);
  [[nodiscard]] FlowKey expand(const CompactKey& key) const;
  [[nodiscard]] bool same(const CompactKey& compact, const FlowKey& key) const;

  [[nodiscard]] std::uint32_t places() const { return places_.size(); }
  [[nodiscard]] std::uint32_t wide() const { return wide_.size(); }
  // Bytes reserved.
  [[nodiscard]] std::uint64_t memory() const {
    return std::uint64_t{wide_.capacity()} * sizeof(Wide) + std::uint64_t{places_.capacity()} * sizeof(Place) + index_.memory();
  }
  static constexpr std::uint32_t kMostPlaces = 4096;

 private:
  struct Place {
    std::uint64_t domain = 0;
    std::uint64_t network = 0;
    std::array<std::uint16_t, 3> vlans{};
    std::uint16_t zero = 0;
    std::uint32_t uses = 0;
    std::uint32_t chain = base::kNone;
    [[nodiscard]] bool of(const FlowKey& key) const {
      return domain == key.domain && network == key.network && vlans == key.vlans;
    }
  };
  struct Wide {
    std::array<std::uint8_t, 16> low{};
    std::array<std::uint8_t, 16> high{};
    std::uint64_t domain = 0;
    std::uint64_t network = 0;
  };
  struct ChainOf {
    base::Pool<Place>* places;
    std::uint32_t& operator()(std::uint32_t i) const { return (*places)[i].chain; }
  };

  [[nodiscard]] std::uint32_t hash_of(const Place& place) const;
  // The number of the key's place, taken up if need be; kNone: there is no room.
  [[nodiscard]] std::uint32_t place_of(const FlowKey& key);

  std::uint64_t k0_;
  std::uint64_t k1_;
  base::Pool<Place> places_;
  base::Pool<Wide> wide_;
  base::ChainTable<ChainOf> index_;
  std::uint32_t latest_ = base::kNone;  // a place that is in use, most likely the next one's too
};

}  // namespace weir::flow
