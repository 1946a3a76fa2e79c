// Predecessor: the `weir run` whose place this one takes (`weir run --replace`). It gives its queues away as they are, so that
// they are never without an owner, goes on judging until this one is ready, and leaves.
//
//   auto found = Predecessor::find(config.control);
//   auto queues = (*found)->queues();   // open, and its workers' still
//   …                                   // load, reserve memory
//   (*found)->leave();                  // from now on packets wait in the queues for this process
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/live/mailbox.h"
#include "engine/packet.h"
#include "engine/result.h"

namespace weir::app {

// A queue that is bound to the socket.
struct GivenQueue {
  std::uint16_t number = 0;
  Descriptor socket;
};

class Predecessor {
 public:
  // Null: nobody listens there.
  static Result<std::unique_ptr<Predecessor>> find(const std::string& control);
  [[nodiscard]] Result<std::vector<GivenQueue>> queues();
  // Returns when its workers are gone.
  [[nodiscard]] Result<void> leave(Duration wait);

 private:
  explicit Predecessor(Descriptor connection) : connection_(std::move(connection)) {}

  Descriptor connection_;
};

}  // namespace weir::app
