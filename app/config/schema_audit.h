// The part of the schema about the audit log.
#pragma once

#include <vector>

#include "app/config/schema.h"

namespace weir::app {

[[nodiscard]] std::vector<Field> audit_fields();

}  // namespace weir::app
