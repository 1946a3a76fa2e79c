// The rule sets that a configuration asks for: one for everything, one for each site. Sites that ask for
// the same share one.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands/rule_loading.h"
#include "app/config/config.h"
#include "engine/inspect/options.h"
#include "engine/inspect/sites.h"

namespace weir::app {

// A site's policy with what it takes over from the one for everything.
[[nodiscard]] PolicyConfig effective(const PolicyConfig& site, const PolicyConfig& everything);

struct LoadedPolicies {
  std::vector<LoadedRules> sets;       // distinct
  std::vector<PolicyConfig> policies;  // effective; [0] for everything, [1 + n] for sites[n]
  std::vector<std::size_t> set_of;     // by policy
  ExitCode exit = ExitCode::Fine;      // of the first set that did not load

  [[nodiscard]] const LoadedRules& rules(std::size_t policy) const { return sets[set_of[policy]]; }
};

// `audit`: SecAudit directives that have the last word; nullopt: no audit log is wanted.
[[nodiscard]] LoadedPolicies load_policies(const Config& config, const std::optional<std::string>& audit = std::nullopt);

// Who is judged by what. Where nothing can be refused (`may_block` false: a mirror) block means detect.
// REQUIRES: loaded.exit is Fine.
[[nodiscard]] std::shared_ptr<const inspect::Sites> make_sites(const Config& config, const LoadedPolicies& loaded,
                                                               bool may_block);

// How an inspector behaves, as the configuration says; `live`: not passive.
[[nodiscard]] inspect::InspectorOptions inspector_options(const Config& config, inspect::Stance stance);

}  // namespace weir::app
