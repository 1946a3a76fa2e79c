// Signals of the processes that the supervisor forks: its own are not theirs; SIGTERM is how it ends them.
#pragma once

namespace weir::app {

// In the child, once, before it begins its work. Everything that was blocked is let through again.
void take_stop_signal();
// SIGTERM has come since then.
[[nodiscard]] bool stop_asked();

}  // namespace weir::app
