// Bell: wakes a thread that waits for work, from any thread or process that has its descriptor (eventfd(2)).
#pragma once

#include <utility>

#include "app/live/mailbox.h"
#include "engine/result.h"

namespace weir::app {

class Bell {
 public:
  static Result<Bell> make();

  // Never waits. It may ring without anybody's waiting: then the next wait() returns at once.
  static void ring(int descriptor);
  void ring() const { ring(descriptor()); }
  // Until it has rung, or so long; forgets how often it rang.
  void wait(int milliseconds) const;
  [[nodiscard]] int descriptor() const { return event_.get(); }

 private:
  explicit Bell(Descriptor event) : event_(std::move(event)) {}

  Descriptor event_;
};

}  // namespace weir::app
