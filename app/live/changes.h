// Which parts of a configuration cannot change while Weir runs.
#pragma once

#include <string>

#include "app/config/config.h"

namespace weir::app {

// Names of the fields that differ and need a restart, for a message; empty: there are none.
[[nodiscard]] std::string needs_restart(const Config& now, const Config& next);

}  // namespace weir::app
