// The parts of the schema about the audit log and persistent collections.
#pragma once

#include <vector>

#include "app/config/schema.h"

namespace weir::app {

[[nodiscard]] std::vector<Field> audit_fields();
[[nodiscard]] std::vector<Field> collection_fields();

}  // namespace weir::app
