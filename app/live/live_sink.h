// From a worker's events to lines in its ring: chooses what the configuration wants recorded, formats
// at once, counts what finds no room.
#pragma once

#include <cstdint>
#include <string>

#include "app/config/config.h"
#include "app/formats/jsonl.h"
#include "app/live/ring_feed.h"
#include "engine/event.h"

namespace weir::app {

class LiveSink final : public EventSink {
 public:
  // `ring` must outlive it. `wake`: descriptor of the writer's bell.
  LiveSink(const EventsConfig& events, std::string input, EventRing& ring, int wake)
      : events_(events), input_(std::move(input)), feed_(ring, wake) {}

  void write(const Event& event) override;
  // Tells the writer that there are lines, if there are.
  void flush() { feed_.flush(); }
  void use(const EventsConfig& events) { events_ = events; }

  [[nodiscard]] std::uint64_t written() const { return feed_.taken(); }
  [[nodiscard]] std::uint64_t lost() const { return feed_.lost(); }

 private:
  [[nodiscard]] bool wanted(const Event& event) const;

  EventsConfig events_;
  std::string input_;
  RingFeed feed_;
  JsonlFormat format_;
  std::string line_;
};

}  // namespace weir::app
