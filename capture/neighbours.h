// Behind which bridge port, and behind which station, an address was last seen: what a frame needs that
// Weir sends through a bridge. A cache: an address that meets another in its place forgets that one.
// Fixed memory; keyed hash, whole-key compares.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/ip_address.h"
#include "engine/base/siphash.h"

namespace weir::capture {

struct Neighbour {
  std::uint32_t interface = 0;  // index
  std::array<std::uint8_t, 6> mac{};
  bool operator==(const Neighbour&) const = default;
};

class Neighbours {
 public:
  explicit Neighbours(const base::SipKey& key) : key_(key), entries_(kSets * kWays) {}

  void seen(const IpAddress& address, const Neighbour& where) {
    const std::span<Entry> set = set_of(address);
    for (Entry& entry : set) {
      if (entry.address == address) {
        entry.where = where;
        return;
      }
    }
    // The place that was filled longest ago.
    for (std::size_t i = set.size() - 1; i > 0; --i) set[i] = set[i - 1];
    set[0] = {address, where};
  }
  [[nodiscard]] std::optional<Neighbour> find(const IpAddress& address) {
    for (const Entry& entry : set_of(address)) {
      if (entry.address == address) return entry.where;
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kSets = 4096;
  static constexpr std::size_t kWays = 4;
  struct Entry {
    IpAddress address;
    Neighbour where;
  };
  std::span<Entry> set_of(const IpAddress& address) {
    const std::uint64_t hash = base::siphash13({address.bytes.data(), address.bytes.size()}, key_);
    return std::span<Entry>(entries_).subspan((hash % kSets) * kWays, kWays);
  }

  base::SipKey key_;
  std::vector<Entry> entries_;
};

}  // namespace weir::capture
