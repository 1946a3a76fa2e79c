// Bypass: stands in for a worker that is stuck. It takes datagrams from the worker's own sockets
// and echoes them, without the engine and without a look inside: a load balancer whose targets all
// fail drops the traffic, so failing open is Weir's own matter.
//
// It shares nothing with the port but the sockets (the kernel gives each datagram to one reader),
// so the worker may wake up at any time and go on. One owner, one thread, of the program's choice.
// Tested by tests/unit/geneve/port_test.cc and C21 of tests/e2e/gateway.
#pragma once

#include <memory>

#include "geneve/port.h"

namespace weir::geneve {

class Bypass {
 public:
  // `port` must outlive it.
  static Result<std::unique_ptr<Bypass>> open(const GenevePort& port);

  // Echoes what comes within `wait`, a few batches at most. Returns how many datagrams.
  std::uint64_t run(Duration wait);

  [[nodiscard]] const GeneveCounters& counters() const { return counters_; }

 private:
  explicit Bypass(std::unique_ptr<GenevePort> echo) : echo_(std::move(echo)) {}

  std::unique_ptr<GenevePort> echo_;  // a port of its own, on the sockets of the other
  GeneveCounters counters_;
};

}  // namespace weir::geneve
