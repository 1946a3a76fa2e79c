// A packet through every worker of a GENEVE (or VXLAN) port and back, over loopback: the kernel's
// steering, the worker's loop, the port and its way of sending. It looks like one of the load
// balancer's, from a loopback address that the port takes for nothing else
// (PortOptions::self_test), and is not TCP, so that no engine sees it. One owner, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <netinet/in.h>

#include "engine/base/ip_address.h"
#include "engine/result.h"
#include "geneve/port.h"

namespace weir::app {

class SelfTest {
 public:
  // For PortOptions::self_test.
  [[nodiscard]] static IpAddress address();

  // After the group's ports were opened with `options`.
  static Result<std::unique_ptr<SelfTest>> open(const geneve::PortOptions& options);
  SelfTest(const SelfTest&) = delete;
  SelfTest& operator=(const SelfTest&) = delete;
  ~SelfTest();

  // Sends one packet to each worker. What came back by now is taken note of.
  void tick(std::int64_t now_ns);
  // When a packet last returned from the worker, on the clock of tick(); 0: never.
  [[nodiscard]] std::int64_t returned(std::uint32_t worker) const { return returned_[worker]; }
  // Readable when something came back.
  [[nodiscard]] int descriptor() const { return socket_; }
  void collect(std::int64_t now_ns);

 private:
  SelfTest() = default;

  int socket_ = -1;
  sockaddr_in to_{};
  std::vector<std::vector<std::uint8_t>> packets_;  // by worker
  std::vector<std::int64_t> returned_;
};

}  // namespace weir::app
