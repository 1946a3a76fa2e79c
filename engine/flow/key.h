// FlowKey: the identity of a connection, the same for both directions.
//
// The whole key is compared, tunnel and VLANs included (two customers may use equal addresses); the hash
// only finds the place. 64 bytes without padding, so it is hashed and compared as bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engine/net/segment.h"

namespace weir::flow {

struct FlowKey {
  std::uint64_t domain = 0;
  std::uint64_t network = 0;
  std::array<std::uint8_t, 16> low_address{};  // the lesser endpoint (address, then port)
  std::array<std::uint8_t, 16> high_address{};
  std::uint16_t low_port = 0;
  std::uint16_t high_port = 0;
  std::array<std::uint16_t, 3> vlans{};
  std::uint8_t version = 0;  // 4 or 6
  std::array<std::uint8_t, 5> zero{};

  friend bool operator==(const FlowKey& a, const FlowKey& b) {
    std::array<std::uint64_t, sizeof(FlowKey) / 8> x, y;
    std::memcpy(x.data(), &a, sizeof(FlowKey));
    std::memcpy(y.data(), &b, sizeof(FlowKey));
    std::uint64_t different = 0;
    for (std::size_t i = 0; i < x.size(); ++i) different |= x[i] ^ y[i];
    return different == 0;
  }
  [[nodiscard]] net::Endpoint low() const;
  [[nodiscard]] net::Endpoint high() const;
  [[nodiscard]] net::Encapsulation encapsulation() const;
};
static_assert(sizeof(FlowKey) == 64 && std::has_unique_object_representations_v<FlowKey>);

struct KeyedSegment {
  FlowKey key;
  bool from_low = false;  // the source is the lesser endpoint
};

// vlans_in_key: false where the two directions carry different VLAN ids.
[[nodiscard]] KeyedSegment make_key(const net::TcpSegment& segment, bool vlans_in_key);

// SipHash-1-3 of the key. k0, k1: secret where an attacker chooses keys.
[[nodiscard]] std::uint64_t hash_key(const FlowKey& key, std::uint64_t k0, std::uint64_t k1);
// The same of the key and the time of the first segment: a connection's name, stable between runs.
[[nodiscard]] std::uint64_t flow_id(const FlowKey& key, Timestamp start, std::uint64_t k0,
                                    std::uint64_t k1);

}  // namespace weir::flow
