// Whose packet a worker has in hand, kept where others can read it when the worker is gone: a request that keeps a
// worker busy until its supervisor ends it, or that crashes it, must not go on unjudged at the worker's successor.
//
//   FlowInHand slot;                                  // in memory that outlives the worker
//   { Holding holding(&slot, key); … }                // the worker, around work that a packet causes
//   if (const auto key = slot.read()) …               // its supervisor, when it is dead
//
// The whole key, not a hash of it: identity is never a hash.
#pragma once

#include <atomic>
#include <optional>

#include "engine/flow/key.h"
#include "engine/packet.h"

namespace weir::flow {

// One writer, which takes nothing from the heap and waits for nobody. Others read when its process is dead: until then only
// a compiler could bring what it writes into another order.
class FlowInHand {
 public:
  void take(const FlowKey& key) noexcept {
    held_.store(false, std::memory_order_relaxed);  // what is written only in part is nobody's
    std::atomic_signal_fence(std::memory_order_release);
    key_ = key;
    held_.store(true, std::memory_order_release);
  }
  void put_down() noexcept { held_.store(false, std::memory_order_release); }
  // For the writer; for others once there is no writer.
  [[nodiscard]] std::optional<FlowKey> read() const noexcept {
    if (!held_.load(std::memory_order_acquire)) return std::nullopt;
    return key_;
  }

 private:
  std::atomic<bool> held_{false};
  FlowKey key_;
};

// While it lives `slot` names `key`, and afterwards what it named before. Null: nobody wants to know.
class Holding {
 public:
  Holding(FlowInHand* slot, const FlowKey& key) noexcept : slot_(slot) {
    if (slot_ == nullptr) return;
    before_ = slot_->read();
    slot_->take(key);
  }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;
  ~Holding() {
    if (slot_ == nullptr) return;
    if (before_) {
      slot_->take(*before_);
    } else {
      slot_->put_down();
    }
  }

 private:
  FlowInHand* slot_;
  std::optional<FlowKey> before_;
};

// A connection that is not to be taken up in the middle.
struct PoisonedFlow {
  FlowKey key;
  Duration left = {0};  // for how long from the first packet on
};

}  // namespace weir::flow
