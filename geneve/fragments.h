// To which worker the fragments of an inner TCP datagram go. The kernel spreads fragments by their
// addresses, so all of a datagram come to one worker; only the first names the ports, and with them
// the worker that has the connection. This remembers what the first one said, for those that
// follow.
//
// A fixed table of sets of four; the longest unused of a set makes room. Time is an argument. One
// owner. Tested by tests/unit/geneve/tables_test.cc.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/base/siphash.h"
#include "engine/packet.h"
#include "geneve/inner.h"

namespace weir::geneve {

struct FragmentKey {
  std::uint64_t domain = 0;
  std::array<std::uint8_t, 32> addresses{};  // source, destination
  std::uint32_t id = 0;
  std::uint32_t version = 0;

  bool operator==(const FragmentKey&) const = default;

  // REQUIRES: inner.fragment(), of the same `ip`.
  [[nodiscard]] static FragmentKey of(std::uint64_t domain, Bytes ip, const Inner& inner);
};

class FragmentRoutes {
 public:
  static constexpr std::uint32_t kUnknown = 0xffffffff;
  static constexpr std::uint32_t kEcho = 0xfffffffe;  // not inspected
  // A datagram is put together within this time, or not at all (RFC 8200 4.5: 60 s; Linux: 30 s).
  static constexpr Duration kLife = seconds(30);

  FragmentRoutes(std::uint32_t most, const base::SipKey& key);

  [[nodiscard]] std::uint32_t find(const FragmentKey& key, Timestamp now);
  void learn(const FragmentKey& key, std::uint32_t route, Timestamp now);

 private:
  static constexpr std::size_t kWays = 4;
  struct Entry {
    FragmentKey key;
    Timestamp used;
    std::uint32_t route = kUnknown;
  };
  [[nodiscard]] Entry* set_of(const FragmentKey& key);

  std::vector<Entry> entries_;
  std::uint32_t mask_;
  base::SipKey key_;
};

}  // namespace weir::geneve
