// Connections that are idle are packed, and unpacked when anything is to be done with them (engine/flow/dormant.h).
//
// Whoever may be packed stands in one row (FlowTable::next_to_rest). The first is thought of when it has stood there for
// a while, or at once while there are many: who has had packets since it took its place, or is in the middle of
// something, goes to the end, the others are packed. So a busy connection is not packed and unpacked at each request,
// and a crowd of new ones is packed as fast as it comes.
#include "engine/flow/tracker.h"

namespace weir::flow {
namespace {

constexpr Duration kRestAfter = seconds(5);
constexpr Duration kRestLook = milliseconds(100);  // how often it is looked whether it is time

}  // namespace

std::optional<std::uint64_t> StreamSink::on_rest(Flow& flow) { return flow.parked; }
void StreamSink::on_wake(Flow& flow, std::uint64_t kept) { flow.parked = static_cast<std::uint32_t>(kept); }

void Tracker::think(std::size_t at_most, std::size_t in_a_crowd) {
  const bool at_once = options_.rest == RestPolicy::AtOnce;
  if (at_once) at_most = table_.wakeful();
  for (std::size_t i = 0; i < at_most; ++i) {
    Flow* f = table_.next_to_rest();
    const bool due = f != nullptr && (at_once || passed_since(f->wake.time, now_) >= kRestAfter);
    if (!due && !at_once) rest_due_ = now_ + kRestLook;
    if (!due && (table_.wakeful() <= wakeful_most_ || i >= in_a_crowd)) return;
    think_of(*f);
  }
}

void Tracker::think_of(Flow& f) {
  const Idleness idle = idleness(f);
  if (idle == Idleness::Never) {
    table_.forget_rest(f);
    return;
  }
  const bool lately = options_.rest != RestPolicy::AtOnce && passed_since(f.wake.time, f.last_time) > Duration{0};
  if (idle == Idleness::Perhaps && !lately) {
    if (std::optional<Dormant> d = pack(f)) {
      if (const std::optional<std::uint64_t> kept = sink_.on_rest(f)) {
        d->keep(*kept);
        if (table_.lay_down(f, *d)) return;
        sink_.on_wake(f, *kept);
      }
    }
  }
  table_.think_again(f, whole_milliseconds(now_));
}

Flow& Tracker::wake(std::uint32_t dormant) {
  const std::uint64_t kept = table_.dormant(dormant).kept();
  Flow& f = table_.take_up(dormant);
  f.id = flow_id(f.key, f.first_time, options_.id_k0, options_.id_k1);
  f.wake.time = whole_milliseconds(now_);
  sink_.on_wake(f, kept);
  return f;
}

// What on_timer() does; it has no holes.
void Tracker::on_dormant_timer(std::uint32_t dormant) {
  const Timestamp due = table_.dormant(dormant).last_time() + options_.timeouts.established;
  if (due > now_) {
    table_.schedule(dormant, due);
  } else {
    finish(wake(dormant), EndCause::Timeout);
  }
}

}  // namespace weir::flow
