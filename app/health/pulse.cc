#include "app/health/pulse.h"

#include <time.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <sys/mman.h>

namespace weir::app {

Result<Pulse> Pulse::create(std::uint32_t workers) {
  static_assert(sizeof(PulseFlags) <= sizeof(WorkerPulse));
  Pulse pulse;
  pulse.workers_ = workers;
  pulse.size_ = sizeof(WorkerPulse) * (workers + 1);
  void* memory =
      ::mmap(nullptr, pulse.size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail(std::string("no shared memory: ") + std::strerror(errno));
  pulse.flags_ = ::new (memory) PulseFlags;
  pulse.at_ = reinterpret_cast<WorkerPulse*>(static_cast<char*>(memory) + sizeof(WorkerPulse));
  for (std::uint32_t i = 0; i < workers; ++i)
    ::new (static_cast<void*>(pulse.at_ + i)) WorkerPulse;
  return pulse;
}

Pulse::Pulse(Pulse&& other) noexcept
    : workers_(other.workers_),
      size_(other.size_),
      flags_(std::exchange(other.flags_, nullptr)),
      at_(std::exchange(other.at_, nullptr)) {}

Pulse::~Pulse() {
  if (flags_ != nullptr) ::munmap(flags_, size_);
}

std::int64_t monotonic_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace weir::app
