// The requests of one connection that wait for their response, oldest first (RFC 9112 9.3:
// responses come in the order of the requests). 64 of them at most, one octet each; those beyond
// are counted, so that their responses still get the right number, but what their requests asked is
// forgotten.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/http/sink.h"

namespace weir::http {

// What a response's framing depends on.
enum RequestTraits : std::uint8_t {
  kSeen = 1,  // the request line was read
  kHead = 2,
  kConnect = 4,
  kUpgrade = 8,
  kHttp09 = 16,
};

class ExchangeQueue {
 public:
  static constexpr std::size_t kCapacity = 64;

  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] std::uint64_t size() const noexcept { return count_ + beyond_; }

  // Appends `id`, which follows the last one unless the queue is empty.
  void push(ExchangeId id) noexcept {
    if (empty()) first_ = id;
    if (beyond_ > 0 || count_ == kCapacity) {
      ++beyond_;
      return;
    }
    at(count_++) = 0;
  }

  // REQUIRES: !empty().
  [[nodiscard]] ExchangeId front() const noexcept { return first_; }
  // Of the front; nothing if it is one of those beyond.
  [[nodiscard]] std::uint8_t front_traits() const noexcept {
    return count_ > 0 ? traits_[head_] : std::uint8_t{0};
  }

  // REQUIRES: !empty().
  void pop() noexcept {
    ++first_;
    if (count_ == 0) {
      --beyond_;
      return;
    }
    if ((traits_[head_] & kConnect) != 0) --connects_;
    if ((traits_[head_] & kUpgrade) != 0) --upgrades_;
    head_ = static_cast<std::uint8_t>((head_ + 1U) % kCapacity);
    --count_;
  }

  // Adds to what is known of a request, if it still waits.
  void mark(ExchangeId id, std::uint8_t traits) noexcept {
    if (empty() || id < first_ || id - first_ >= count_) return;
    std::uint8_t& entry = at(static_cast<std::size_t>(id - first_));
    const auto added = static_cast<std::uint8_t>(traits & ~entry);
    entry = static_cast<std::uint8_t>(entry | traits);
    if ((added & kConnect) != 0) ++connects_;
    if ((added & kUpgrade) != 0) ++upgrades_;
  }

  // Some waiting request asked to leave HTTP.
  [[nodiscard]] bool connect_waits() const noexcept { return connects_ > 0; }
  [[nodiscard]] bool upgrade_waits() const noexcept { return upgrades_ > 0; }

 private:
  std::uint8_t& at(std::size_t i) noexcept { return traits_[(head_ + i) % kCapacity]; }

  ExchangeId first_ = 0;
  std::uint64_t beyond_ = 0;
  std::array<std::uint8_t, kCapacity> traits_{};
  std::uint8_t head_ = 0;
  std::uint8_t count_ = 0;
  std::uint8_t connects_ = 0;
  std::uint8_t upgrades_ = 0;
};

}  // namespace weir::http
