// What the data path says of itself, in memory that all processes of `weir run` share: written by
// workers without locks, read by whoever answers health checks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/packet.h"
#include "engine/result.h"

namespace weir::app {

struct alignas(64) WorkerPulse {
  std::atomic<std::uint64_t> moved{0};  // packets that the worker gave back to the wire; it adds
  std::atomic<std::int64_t> beat{
      0};  // when its loop last came round, nanoseconds of CLOCK_MONOTONIC
};

struct PulseFlags {
  std::atomic<bool> ready{false};     // rules are loaded and all ports are open
  std::atomic<bool> draining{false};  // no new work is wanted
  std::atomic<bool> bypass{false};    // the operator wants nothing inspected
  std::atomic<std::uint64_t> stood_in{0};    // packets echoed for workers that were stuck
  std::atomic<std::uint64_t> taken_over{0};  // times that a worker was found stuck
};

// Memory for some workers; stays shared over fork().
class Pulse {
 public:
  static Result<Pulse> create(std::uint32_t workers);
  Pulse(Pulse&& other) noexcept;
  Pulse& operator=(Pulse&&) = delete;
  ~Pulse();

  [[nodiscard]] std::uint32_t workers() const { return workers_; }
  // REQUIRES: i < workers().
  [[nodiscard]] WorkerPulse& worker(std::uint32_t i) const { return at_[i]; }
  [[nodiscard]] PulseFlags& flags() const { return *flags_; }

 private:
  Pulse() = default;

  std::uint32_t workers_ = 0;
  std::size_t size_ = 0;
  PulseFlags* flags_ = nullptr;
  WorkerPulse* at_ = nullptr;
};

// CLOCK_MONOTONIC; only for intervals.
[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace weir::app
