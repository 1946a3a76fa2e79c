#include "app/gateway/stand_in.h"

#include <time.h>

namespace weir::app {
namespace {

constexpr Duration kShort = milliseconds(5);

}  // namespace

Result<std::unique_ptr<StandIn>> StandIn::open(
    std::span<const std::unique_ptr<geneve::GenevePort>> ports, const Pulse& pulse,
    Duration stuck_after) {
  std::unique_ptr<StandIn> made(new StandIn(pulse, stuck_after));
  for (const auto& port : ports) {
    auto bypass = geneve::Bypass::open(*port);
    if (!bypass) return Unexpected(Error{bypass.error()});
    made->bypasses_.push_back(std::move(*bypass));
  }
  made->stuck_.resize(ports.size());
  return made;
}

void StandIn::run_once() {
  bool any = false;
  for (std::size_t i = 0; i < bypasses_.size(); ++i) {
    const std::int64_t beat =
        pulse_->worker(static_cast<std::uint32_t>(i)).beat.load(std::memory_order_relaxed);
    const bool stuck = monotonic_ns() - beat > stuck_after_.ns;
    if (stuck && !stuck_[i]) ++taken_over_;
    stuck_[i] = stuck;
    if (!stuck) continue;
    any = true;
    echoed_ += bypasses_[i]->run(kShort);
  }
  if (any) return;
  const timespec wait{0, kShort.ns * 4};
  ::nanosleep(&wait, nullptr);
}

}  // namespace weir::app
