// Datagrams that one worker hands to another, because the kernel could not see to whom they belong:
// a short queue with copies, behind a lock (it is rare), and a descriptor to wait for. When it is
// full the datagram is dropped and counted by the sender. No allocation after construction.
//
// Workers may be processes that were forked after it was made: it lives in shared memory, and a
// worker that dies while it holds the lock leaves the queue usable. Tested by
// tests/unit/geneve/tables_test.cc.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "engine/packet.h"
#include "geneve/flows.h"

namespace weir::geneve {

// The longest datagram that is copied: the largest inner packet that a jumbo frame brings, and
// headers.
inline constexpr std::size_t kMostCopied = 9'472;

class Inbox {
 public:
  // Throws std::bad_alloc if the memory cannot be had (start-up only).
  explicit Inbox(std::uint32_t most);
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;
  ~Inbox();

  // Becomes readable when something was put in.
  [[nodiscard]] int descriptor() const { return event_; }
  [[nodiscard]] bool empty() const { return shared_->count.load(std::memory_order_acquire) == 0; }

  // Any thread or process. false: full, or too long.
  bool put(const Outer& outer, Bytes datagram);
  // The owner. `into` has room for kMostCopied bytes; 0: empty.
  std::uint32_t take(Outer& outer, std::uint8_t* into);

  [[nodiscard]] std::size_t memory() const { return size_; }

 private:
  struct Item {
    Outer outer;
    std::uint32_t length;
    std::uint8_t bytes[kMostCopied];
  };
  struct Shared {
    pthread_mutex_t mutex;
    std::uint32_t first;
    std::atomic<std::uint32_t> count;
  };
  class Lock;

  std::uint32_t most_;
  std::size_t size_;
  Shared* shared_;
  Item* items_;
  int event_;
};

}  // namespace weir::geneve
