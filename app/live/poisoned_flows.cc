#include "app/live/poisoned_flows.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>

namespace weir::app {

bool crashed(int status) {
  if (!WIFSIGNALED(status)) return false;
  switch (WTERMSIG(status)) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGTRAP: return true;
    default: return false;
  }
}

void PoisonedFlows::add(const flow::FlowKey& key, std::int64_t now) {
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(count_, kMost));
  const auto known = std::find_if(entries_.begin(), end, [&key](const Entry& e) { return e.key == key; });
  Entry& entry = known != end ? *known : entries_[count_++ % kMost];
  entry = {key, now + kRemembered};
}

std::vector<flow::PoisonedFlow> PoisonedFlows::at(std::int64_t now) const {
  std::vector<flow::PoisonedFlow> out;
  for (std::size_t i = 0; i < std::min(count_, kMost); ++i) {
    const Entry& entry = entries_[i];
    if (entry.until > now) out.push_back({entry.key, Duration{entry.until - now}});
  }
  return out;
}

}  // namespace weir::app
