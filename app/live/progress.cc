#include "app/live/progress.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace weir::app {

std::optional<Scheduling> scheduling_of(pid_t process) {
  const std::string base = "/proc/" + std::to_string(process) + "/task/" + std::to_string(process);
  Scheduling out;
  std::ifstream times(base + "/schedstat");
  if (!(times >> out.ran >> out.waited)) return std::nullopt;
  std::ifstream in(base + "/stat");
  const std::string stat{std::istreambuf_iterator<char>(in), {}};
  const std::size_t name_end = stat.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) return std::nullopt;
  out.ready = stat[name_end + 2] == 'R';
  return out;
}

void Progress::begin(std::int64_t now) {
  looked_at_ = now;
  stood_ = 0;
  before_.reset();
}

void Progress::still(std::int64_t now, const std::optional<Scheduling>& scheduling) {
  std::int64_t counts = now - looked_at_;
  looked_at_ = now;
  if (before_ && scheduling) {
    const auto ran = static_cast<std::int64_t>(scheduling->ran - before_->ran);
    const auto waited = static_cast<std::int64_t>(scheduling->waited - before_->waited);
    // A wait is added up when it is over: ready all the while, and it did not run, is one that goes on.
    const bool waits = scheduling->ready && before_->ready && ran == 0 && waited == 0;
    counts = waits ? 0 : std::max<std::int64_t>(0, counts - waited);
  }
  before_ = scheduling;
  stood_ += std::min(counts, kMostPerLook);
}

}  // namespace weir::app
