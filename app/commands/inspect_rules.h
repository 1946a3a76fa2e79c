// By what weir inspect judges: the rules of its command line, or a configuration with its sites.
#pragma once

#include <memory>
#include <vector>

#include "app/exit_code.h"
#include "app/options.h"
#include "engine/inspect/options.h"
#include "engine/inspect/sites.h"
#include "rules/ruleset.h"

namespace weir::app {

struct InspectRules {
  std::shared_ptr<const inspect::Sites> sites;
  std::vector<std::shared_ptr<const rules::RuleSet>> sets;  // distinct; the first is that for everything
  inspect::InspectorOptions options;
  ExitCode exit = ExitCode::Fine;  // else the reason was said
};

[[nodiscard]] InspectRules load_for_inspect(const InspectOptions& options);

}  // namespace weir::app
