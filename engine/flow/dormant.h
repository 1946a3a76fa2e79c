// Dormant: a connection that is idle, in 128 bytes instead of a Flow's 464. Both directions have everything delivered
// and acknowledged, nothing waits, nothing is kept, the listener is in the middle of nothing; then little is left that a
// Flow has room for, and most of that follows from the rest.
//
// pack() says whether a Flow can be told so, and unpack() makes of the record a Flow that nobody can tell from the one
// that it was: whatever a later verdict, counter, event or frame may depend on is the same. What does not fit (a
// counter beyond its width, offsets in a relation that is not foreseen here) is not packed, but stays a Flow.
//
// The links are those of the FlowTable: a record takes the Flow's very place in the index, in the order by age and in
// the timer wheel, so that packing changes the order of nothing either.
// Tested by tests/unit/flow/dormant_test.cc (trackers that pack at every opportunity against such that never do).
#pragma once

#include <cstdint>
#include <optional>

#include "engine/flow/flow.h"
#include "engine/flow/key_store.h"

namespace weir::flow {

// One direction's part.
struct DormantHalf {
  std::uint32_t scale : 4 = 0;  // 15: kNoScale
  std::uint32_t window_raw : 1 = 0;   // `window` stands as it is (of a SYN), not by the scale
  std::uint32_t offered_raw : 1 = 0;  // the same of `offered`
  std::uint32_t unacked : 1 = 0;      // acked is 0, whatever `next` is
  std::uint32_t anchored : 1 = 0;
  std::uint32_t origin_known : 1 = 0;
  std::uint32_t ack_known : 1 = 0;
  std::uint32_t has_timestamp : 1 = 0;
  std::uint32_t skip : 1 = 0;
  std::uint32_t fin : 1 = 0;  // there is one, and it was reached
  std::uint32_t ended : 1 = 0;
  std::uint32_t truncated : 1 = 0;
  std::uint32_t left_out : 1 = 0;
  std::uint32_t ttl : 8 = 0;
  std::uint32_t kept : 8 = 0;  // see Dormant::kept()
};
static_assert(sizeof(DormantHalf) == 4);

struct Dormant {
  static constexpr unsigned kKeptBits = 56;
  static constexpr unsigned kAgeBits = 56;
  static constexpr unsigned kNextBits = 40;
  static constexpr unsigned kPacketBits = 24;
  static constexpr unsigned kLruBits = 10;

  CompactKey key;
  std::int64_t first_time = 0;       // ns
  std::uint64_t age : kAgeBits = 0;  // last_time less first_time, ns
  std::uint64_t kept_high : 8 = 0;
  std::uint64_t next_0 : kNextBits = 0;  // of direction 0; so much was delivered or skipped, too
  std::uint64_t packets_0 : kPacketBits = 0;
  std::uint64_t next_1 : kNextBits = 0;
  std::uint64_t packets_1 : kPacketBits = 0;
  std::uint32_t origin[2] = {0, 0};
  std::uint32_t timestamp[2] = {0, 0};
  std::uint16_t timestamp_age[2] = {0, 0};  // of it at last_time, s
  std::uint16_t window[2] = {0, 0};
  std::uint16_t offered[2] = {0, 0};
  std::uint16_t beyond[2] = {0, 0};  // how far `edge` lies beyond acked and the receiver's window
  std::uint16_t mss[2] = {0, 0};
  DormantHalf halves[2];
  std::uint32_t failures = 0;
  std::uint32_t kept_middle = 0;
  std::uint16_t client_side = 0;
  std::uint16_t timer_slot = base::kNoSlot;  // of the table, as what stands at the end
  std::uint32_t lru_before : kLruBits = 0;  // last_time less lru_time, ms
  std::uint32_t anomalies : 10 = 0;
  std::uint32_t lru_class : 2 = 0;
  std::uint32_t client_is_low : 1 = 0;
  std::uint32_t handshake_seen : 1 = 0;
  std::uint32_t timestamps : 1 = 0;
  std::uint32_t lossy : 1 = 0;
  std::uint32_t bypassed : 1 = 0;
  std::uint32_t unwatched : 1 = 0;
  std::uint32_t away : 1 = 0;
  std::uint32_t spare : 3 = 0;
  // Of the table.
  std::uint32_t chain = base::kNone;
  std::uint32_t lru_previous = base::kNone;
  std::uint32_t lru_next = base::kNone;
  std::uint32_t timer_previous = base::kNone;
  std::uint32_t timer_next = base::kNone;

  [[nodiscard]] Timestamp last_time() const { return {first_time + static_cast<std::int64_t>(age)}; }
  // What the listener wants kept (StreamSink::on_rest).
  [[nodiscard]] std::uint64_t kept() const {
    return std::uint64_t{kept_high} << 48U | std::uint64_t{kept_middle} << 16U | std::uint64_t{halves[1].kept} << 8U |
           halves[0].kept;
  }
  void keep(std::uint64_t what) {
    kept_high = static_cast<std::uint8_t>(what >> 48U);
    kept_middle = static_cast<std::uint32_t>(what >> 16U);
    halves[1].kept = static_cast<std::uint8_t>(what >> 8U);
    halves[0].kept = static_cast<std::uint8_t>(what);
  }
};
static_assert(sizeof(Dormant) == 128);

// Nothing is under way in it, as far as is seen at a glance; whether it fits is for pack() to say. One that never will
// be (again): `never`.
enum class Idleness : std::uint8_t { Never, NotNow, Perhaps };
[[nodiscard]] Idleness idleness(const Flow& f);

// Everything but key, kept and the table's links; nullopt: it cannot be told in a Dormant.
[[nodiscard]] std::optional<Dormant> pack(const Flow& f);
// Into a fresh Flow; everything but key, hash, id, the listener's and the table's.
void unpack(const Dormant& d, Flow& f);

}  // namespace weir::flow
