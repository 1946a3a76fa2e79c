// From a worker's events to lines in its ring: chooses what the configuration wants recorded, formats
// at once, counts what finds no room.
#pragma once

#include <cstdint>
#include <string>

#include "app/config/config.h"
#include "app/formats/jsonl.h"
#include "app/live/event_ring.h"
#include "engine/event.h"

namespace weir::app {

class LiveSink final : public EventSink {
 public:
  // `ring` must outlive it. `wake`: descriptor of an eventfd that the writer waits on.
  LiveSink(const EventsConfig& events, std::string input, EventRing& ring, int wake)
      : events_(events), input_(std::move(input)), ring_(ring), wake_(wake) {}

  void write(const Event& event) override;
  // Tells the writer that there are lines, if there are.
  void flush();
  void use(const EventsConfig& events) { events_ = events; }

  [[nodiscard]] std::uint64_t written() const { return written_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  [[nodiscard]] bool wanted(const Event& event) const;

  EventsConfig events_;
  std::string input_;
  EventRing& ring_;
  int wake_;
  JsonlFormat format_;
  std::string line_;
  bool pending_ = false;
  std::uint64_t written_ = 0, lost_ = 0;
};

}  // namespace weir::app
