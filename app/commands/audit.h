// From the audit log's options and the rules' SecAudit directives to what is written, and where.
#pragma once

#include <optional>
#include <string>

#include "app/config/config.h"
#include "app/options.h"
#include "app/runtime/audit_collector.h"
#include "app/sinks/audit_files.h"
#include "engine/result.h"
#include "rules/settings.h"

namespace weir::app {

// Directives that the options stand for; they have the last word. nullopt: no audit log is wanted.
[[nodiscard]] std::optional<std::string> audit_directives(const AuditOptions& options);

// What a configuration says of it.
[[nodiscard]] AuditOptions audit_options(const AuditConfig& config);

struct AuditPlan {
  AuditShape shape;
  AuditPlaces places;
  std::string warning;  // a sentence; may be empty
};

// `settings`: of the rules, with the directives above. `command`: who writes, for the log. Errors
// are the operator's mistakes. REQUIRES: options.wanted().
Result<AuditPlan> plan_audit(const AuditOptions& options, const rules::AuditSettings& settings,
                             const std::string& command);

}  // namespace weir::app
