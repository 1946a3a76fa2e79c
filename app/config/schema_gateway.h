// The part of the schema that is about a gateway load balancer (docs/GATEWAY.md).
#pragma once

#include <vector>

#include "app/config/schema.h"

namespace weir::app {

[[nodiscard]] std::vector<Field> gateway_input_fields();   // inputs.geneve
[[nodiscard]] std::vector<Field> gateway_health_fields();  // health, drain

}  // namespace weir::app
