// Datagrams that one worker hands to another, because the kernel could not see to whom they belong:
// a short queue with copies, behind a lock (it is rare), and a descriptor to wait for. When it is
// full the datagram is dropped and counted by the sender. No allocation after construction.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include <sys/eventfd.h>

#include "engine/packet.h"
#include "geneve/flows.h"

namespace weir::geneve {

// The longest datagram that is copied: the largest inner packet that a jumbo frame brings, and
// headers.
inline constexpr std::size_t kMostCopied = 9'472;

class Inbox {
 public:
  explicit Inbox(std::uint32_t most)
      : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(std::size_t{most} * kMostCopied)),
        heads_(most),
        event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox() { ::close(event_); }

  // Becomes readable when something was put in.
  [[nodiscard]] int descriptor() const { return event_; }
  [[nodiscard]] bool empty() const { return count_.load(std::memory_order_acquire) == 0; }

  // Any thread. false: full, or too long.
  bool put(const Outer& outer, Bytes datagram) {
    if (datagram.size() > kMostCopied) return false;
    const std::lock_guard lock(mutex_);
    const std::uint32_t count = count_.load(std::memory_order_relaxed);
    if (count == heads_.size()) return false;
    const std::size_t at = (first_ + count) % heads_.size();
    heads_[at] = {outer, static_cast<std::uint32_t>(datagram.size())};
    std::memcpy(&bytes_[at * kMostCopied], datagram.data(), datagram.size());
    count_.store(count + 1, std::memory_order_release);
    if (count == 0) {
      const std::uint64_t one = 1;
      static_cast<void>(::write(event_, &one, sizeof one) < 0);
    }
    return true;
  }

  // The owner. `into` has room for kMostCopied bytes; 0: empty.
  std::uint32_t take(Outer& outer, std::uint8_t* into) {
    const std::lock_guard lock(mutex_);
    const std::uint32_t count = count_.load(std::memory_order_relaxed);
    if (count == 0) return 0;
    outer = heads_[first_].outer;
    const std::uint32_t length = heads_[first_].length;
    std::memcpy(into, &bytes_[first_ * kMostCopied], length);
    first_ = (first_ + 1) % heads_.size();
    count_.store(count - 1, std::memory_order_release);
    if (count == 1) {  // nothing is left: the descriptor rests
      std::uint64_t events = 0;
      static_cast<void>(::read(event_, &events, sizeof events) < 0);
    }
    return length;
  }

  [[nodiscard]] std::size_t memory() const { return heads_.size() * kMostCopied; }

 private:
  struct Head {
    Outer outer;
    std::uint32_t length = 0;
  };

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::vector<Head> heads_;
  std::mutex mutex_;
  std::size_t first_ = 0;
  std::atomic<std::uint32_t> count_{0};
  int event_;
};

}  // namespace weir::geneve
