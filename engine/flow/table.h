// FlowTable: every connection that is remembered, found by its whole key.
//
// One index over three pools (flows, dormant ones, half-open records), four lists of flows and dormant ones by how easily
// they are given up (closed, skipped, idle, busy), each oldest first, and a timer wheel. It stores; the Tracker decides.
// A flow that becomes dormant, or a dormant one that becomes a flow again, keeps its place in all of them.
// Not thread-safe; one owner.
#pragma once

#include <array>
#include <cstdint>

#include "engine/base/chain_table.h"
#include "engine/base/pool.h"
#include "engine/base/timer_wheel.h"
#include "engine/flow/dormant.h"
#include "engine/flow/flow.h"
#include "engine/flow/half_open.h"
#include "engine/flow/key_store.h"
#include "engine/flow/options.h"
#include "engine/limits.h"

namespace weir::flow {

// In order of eviction.
enum class LruClass : std::uint8_t { Closed, Skipped, Idle, Busy };
inline constexpr std::size_t kLruClasses = 4;

class FlowTable {
 public:
  FlowTable(const FlowLimits& limits, const FlowOptions& options, PageStore& pages);

  // One of the three, or nothing.
  struct Found {
    Flow* flow = nullptr;
    std::uint32_t half_open = base::kNone;
    std::uint32_t dormant = base::kNone;
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

  // A new flow in the index, or null when there are as many as there may be.
  [[nodiscard]] Flow* add_flow(const FlowKey& key, std::uint32_t hash);
  void remove_flow(Flow& flow);
  // Takes the flow's record of a half-open successor away.
  void drop_successor(Flow& flow);

  // The flow becomes `d`, which has everything but its key. false, and nothing changed: there is no room for its key.
  [[nodiscard]] bool lay_down(Flow& flow, Dormant d);
  // The other way round; the flow has no id yet. There is always room.
  [[nodiscard]] Flow& take_up(std::uint32_t dormant);
  [[nodiscard]] const Dormant& dormant(std::uint32_t index) const { return dormant_[index]; }

  // Those that may become dormant, whoever was thought of longest ago first. `now`: whole_milliseconds.
  [[nodiscard]] Flow* next_to_rest() { return wakeful_.first == base::kNone ? nullptr : &flows_[wakeful_.first]; }
  [[nodiscard]] std::uint32_t wakeful() const { return wakeful_now_; }
  void think_again(Flow& flow, std::uint32_t now);
  void forget_rest(Flow& flow);

  // Those of which bytes are kept, whoever has had none of them acknowledged for longest first. `now`: whole milliseconds of the Tracker's.
  [[nodiscard]] Flow* longest_held() { return holders_.first == base::kNone ? nullptr : &flows_[holders_.first]; }
  void hold_anew(Flow& flow, std::uint32_t now);
  void forget_held(Flow& flow);

  // Puts the flow at the young end of its list.
  void touch(Flow& flow, LruClass to, Timestamp now);
  // A connection past its handshake: a flow, or dormant.
  struct Aged {
    Flow* flow = nullptr;
    std::uint32_t dormant = base::kNone;
    [[nodiscard]] bool none() const { return flow == nullptr && dormant == base::kNone; }
  };
  [[nodiscard]] Aged oldest(LruClass in);

  void schedule(Flow& flow, Timestamp due) { wheel_.schedule(flows_.index_of(flow), due); }
  void schedule(std::uint32_t dormant, Timestamp due) { wheel_.schedule(dormant | kDormantBit, due); }
  template <class Report>  // Report: (Aged)
  bool advance(Timestamp now, std::size_t budget, Report&& report) {
    return wheel_.advance(now, budget, [&](std::uint32_t record) { report(aged(record)); });
  }

  [[nodiscard]] HalfOpenStore& half_open() { return half_open_; }
  [[nodiscard]] std::uint32_t flows() const { return flows_.size() + dormant_.size(); }
  [[nodiscard]] std::uint32_t dormants() const { return dormant_.size(); }
  [[nodiscard]] bool full() const { return flows() == flows_.capacity(); }
  [[nodiscard]] std::uint64_t memory() const;

 private:
  // A record is a number of a pool, and which pool it is.
  static constexpr std::uint32_t kHalfOpenBit = 0x80000000U;
  static constexpr std::uint32_t kDormantBit = 0x40000000U;
  struct List {
    std::uint32_t first = base::kNone;
    std::uint32_t last = base::kNone;
  };
  struct ChainOf {
    base::Pool<Flow>* flows;
    base::Pool<Dormant>* dormant;
    HalfOpenStore* half_open;
    std::uint32_t& operator()(std::uint32_t r) const {
      if ((r & kHalfOpenBit) != 0) return (*half_open)[r & ~kHalfOpenBit].chain;
      if ((r & kDormantBit) != 0) return (*dormant)[r & ~kDormantBit].chain;
      return (*flows)[r].chain;
    }
  };
  struct TimerOf {
    base::Pool<Flow>* flows;
    base::Pool<Dormant>* dormant;
    base::TimerLinkRef operator()(std::uint32_t r) const {
      if ((r & kDormantBit) != 0) {
        Dormant& d = (*dormant)[r & ~kDormantBit];
        return {d.timer_previous, d.timer_next, d.timer_slot};
      }
      base::TimerLink& link = (*flows)[r].timer;
      return {link.previous, link.next, link.slot};
    }
  };
  [[nodiscard]] Aged aged(std::uint32_t record) {
    if ((record & kDormantBit) != 0) return {nullptr, record & ~kDormantBit};
    return {&flows_[record], base::kNone};
  }
  [[nodiscard]] std::uint32_t& lru_previous(std::uint32_t r) {
    return (r & kDormantBit) != 0 ? dormant_[r & ~kDormantBit].lru_previous : flows_[r].lru_previous;
  }
  [[nodiscard]] std::uint32_t& lru_next(std::uint32_t r) {
    return (r & kDormantBit) != 0 ? dormant_[r & ~kDormantBit].lru_next : flows_[r].lru_next;
  }
  void append(Flow& flow, LruClass to);
  void unlink(Flow& flow);
  // `to` stands where `from` stood in the index, by age and in the wheel.
  void take_place(std::uint32_t hash, std::uint32_t from, std::uint32_t to, std::uint8_t lru_class);
  // At the end of a row; out of it: false if it was not in it.
  void enter(Flow& flow, Row Flow::*row, List& list);
  bool leave(Flow& flow, Row Flow::*row, List& list);
  void await_rest(Flow& flow);
  // Where recent_ may name the key's flow. No secret is in it: whom recent_ names is compared in full, so that who
  // chooses keys can only make look_up() as slow as find().
  [[nodiscard]] static std::size_t place(const FlowKey& key);
  void forget_recent(const Flow& flow);

  std::uint64_t k0_;
  std::uint64_t k1_;
  base::Pool<Flow> flows_;
  base::Pool<Dormant> dormant_;
  KeyStore keys_;
  HalfOpenStore half_open_;
  base::ChainTable<ChainOf> index_;
  static constexpr unsigned kRecentBits = 8;
  std::array<std::uint32_t, 1U << kRecentBits> recent_;  // flows that are in the index
  std::array<List, kLruClasses> lists_;
  List wakeful_;
  List holders_;
  std::uint32_t wakeful_now_ = 0;
  base::TimerWheel<TimerOf> wheel_;
  std::uint64_t half_open_most_;
};

}  // namespace weir::flow
