// A worker's end of a ring: counts what finds no room, and wakes the writer once for all that was put in.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "app/live/bell.h"
#include "app/live/event_ring.h"

namespace weir::app {

class RingFeed {
 public:
  // `ring` must outlive it. `wake`: descriptor of the writer's bell.
  RingFeed(EventRing& ring, int wake) : ring_(ring), wake_(wake) {}

  void put(std::string_view item) {
    ++(ring_.put(item) ? taken_ : lost_);
    pending_ = true;
  }
  // Tells the writer that there is something, if there is.
  void flush() {
    if (std::exchange(pending_, false)) Bell::ring(wake_);
  }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  EventRing& ring_;
  int wake_;
  bool pending_ = false;
  std::uint64_t taken_ = 0, lost_ = 0;
};

}  // namespace weir::app
