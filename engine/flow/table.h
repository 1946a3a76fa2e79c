// FlowTable: every connection that is remembered, found by its whole key.
//
// One index over two pools (flows, half-open records), four lists of flows by how easily they are given up
// (closed, skipped, idle, busy), each oldest first, and a timer wheel. It stores; the Tracker decides.
// Not thread-safe; one owner.
#pragma once

#include <array>
#include <cstdint>

#include "engine/base/flat_table.h"
#include "engine/base/pool.h"
#include "engine/base/timer_wheel.h"
#include "engine/flow/flow.h"
#include "engine/flow/half_open.h"
#include "engine/flow/options.h"
#include "engine/limits.h"

namespace weir::flow {

// In order of eviction.
enum class LruClass : std::uint8_t { Closed, Skipped, Idle, Busy };
inline constexpr std::size_t kLruClasses = 4;

class FlowTable {
 public:
  FlowTable(const FlowLimits& limits, const FlowOptions& options, PageStore& pages);

  struct Found {
    Flow* flow = nullptr;
    std::uint32_t half_open = base::kNone;
  };
  [[nodiscard]] std::uint32_t hash_of(const FlowKey& key) const {
    return static_cast<std::uint32_t>(hash_key(key, k0_, k1_));
  }
  [[nodiscard]] Found find(const FlowKey& key, std::uint32_t hash) const;
  // find(), with the hash. A flow that was found lately needs none: packets of a connection come in bursts.
  struct Looked {
    Found found;
    std::uint32_t hash = 0;
  };
  [[nodiscard]] Looked look_up(const FlowKey& key);

  // A new half-open record in the index (or, `attached`, outside it); kNone when full.
  [[nodiscard]] std::uint32_t add_half_open(const FlowKey& key, std::uint32_t hash, Timestamp start,
                                            bool attached);
  void remove_half_open(std::uint32_t index);
  // The attached record takes its flow's place in the index; the flow is out of the index afterwards.
  void promote_successor(Flow& flow);

  // A new flow in the index, or null when the pool is full.
  [[nodiscard]] Flow* add_flow(const FlowKey& key, std::uint32_t hash);
  void remove_flow(Flow& flow);
  // Takes the flow's record of a half-open successor away.
  void drop_successor(Flow& flow);

  // Puts the flow at the young end of its list.
  void touch(Flow& flow, LruClass to, Timestamp now);
  [[nodiscard]] Flow* oldest(LruClass in);

  void schedule(Flow& flow, Timestamp due) { wheel_.schedule(flows_.index_of(flow), due); }
  template <class Report>  // Report: (Flow&)
  bool advance(Timestamp now, std::size_t budget, Report&& report) {
    return wheel_.advance(now, budget, [&](std::uint32_t i) { report(flows_[i]); });
  }

  [[nodiscard]] HalfOpenStore& half_open() { return half_open_; }
  [[nodiscard]] std::uint32_t flows() const { return flows_.size(); }
  [[nodiscard]] bool full() const { return flows_.full(); }
  [[nodiscard]] std::uint64_t memory() const;

 private:
  static constexpr std::uint32_t kHalfOpenBit = 0x80000000U;
  struct List {
    std::uint32_t first = base::kNone;
    std::uint32_t last = base::kNone;
  };
  struct TimerOf {
    base::Pool<Flow>* flows;
    base::TimerLink& operator()(std::uint32_t i) const { return (*flows)[i].timer; }
  };
  void unlink(Flow& flow);
  // Where recent_ may name the key's flow. No secret is in it: whom recent_ names is compared in full, so that who
  // chooses keys can only make look_up() as slow as find().
  [[nodiscard]] static std::size_t place(const FlowKey& key);
  void forget_recent(const Flow& flow);

  std::uint64_t k0_;
  std::uint64_t k1_;
  base::Pool<Flow> flows_;
  mutable HalfOpenStore half_open_;
  base::FlatTable index_;
  static constexpr unsigned kRecentBits = 8;
  std::array<std::uint32_t, 1U << kRecentBits> recent_;  // flows that are in the index
  std::array<List, kLruClasses> lists_;
  base::TimerWheel<TimerOf> wheel_;
  std::uint64_t half_open_most_;
};

}  // namespace weir::flow
