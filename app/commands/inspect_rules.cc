#include "app/commands/inspect_rules.h"

#include <fstream>
#include <iterator>
#include <string>

#include "app/commands/audit.h"
#include "app/commands/rule_loading.h"
#include "app/config/policies.h"
#include "app/live/loader.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

constexpr std::size_t kShownWarnings = 0;  // they are weir check's matter

WafMode mode_of(const InspectOptions& options) {
  if (options.mode) return *options.mode == ModeChoice::Block ? WafMode::Block : WafMode::Detect;
  return options.inline_mode ? WafMode::Block : WafMode::Detect;
}

inspect::Stance stance_of(const InspectOptions& options) {
  return options.inline_mode ? inspect::Stance::Inline : inspect::Stance::Passive;
}

InspectRules of_command_line(const InspectOptions& options) {
  InspectRules out;
  const crs::Mode engine = mode_of(options) == WafMode::Block ? crs::Mode::On : crs::Mode::DetectionOnly;
  const LoadedRules loaded = load_rules(options.rules, engine, false, audit_directives(options.audit));
  report_rules(loaded, options.color, kShownWarnings);
  out.exit = loaded.exit;
  if (!loaded.rules) return out;
  out.options.stance = stance_of(options);
  out.options.mode = mode_of(options);
  out.options.paranoia = static_cast<std::uint8_t>(options.rules.paranoia.value_or(1));
  if (!loaded.scores.inbound.empty()) out.options.inbound_score = {loaded.scores.inbound};
  if (!loaded.scores.outbound.empty()) out.options.outbound_score = {loaded.scores.outbound};
  out.options.ports = options.ports;
  out.sets = {loaded.rules};
  out.sites = inspect::without_sites(out.options, loaded.rules);
  return out;
}

InspectRules of_configuration(const InspectOptions& options) {
  InspectRules out;
  std::ifstream in(options.config, std::ios::binary);
  if (!in) {
    complain(options.config + " cannot be read");
    out.exit = ExitCode::Environment;
    return out;
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const LoadOutcome outcome = load_configuration(text, options.config, &options.audit);
  print_error(outcome.why);
  out.exit = outcome.exit;
  if (!outcome.loaded) return out;
  const Loaded& loaded = *outcome.loaded;
  out.options = inspector_options(loaded.config, stance_of(options));
  out.options.block.page = loaded.page;
  // What a capture is not asked to tell, and how its checksums are.
  out.options.anomaly_events = out.options.flow_events = false;
  out.options.detect_offload = true;
  for (const LoadedRules& set : loaded.policies.sets) out.sets.push_back(set.rules);
  out.sites = make_sites(loaded.config, loaded.policies, true);
  return out;
}

}  // namespace

InspectRules load_for_inspect(const InspectOptions& options) {
  InspectRules out = options.config.empty() ? of_command_line(options) : of_configuration(options);
  // A capture begins in the middle of things.
  FailurePolicies& failures = out.options.failures;
  if (!failures.chosen[static_cast<std::size_t>(FailureCause::Midstream)]) {
    failures.choose(FailureCause::Midstream, FailureAction::Pass);
  }
  return out;
}

}  // namespace weir::app
