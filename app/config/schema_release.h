// What need not come by, in weir.yaml: `release` (docs/decisions/release.md).
#pragma once

#include <vector>

#include "app/config/schema.h"

namespace weir::app {

[[nodiscard]] std::vector<Field> release_fields();

}  // namespace weir::app
