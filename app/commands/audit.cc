#include "app/commands/audit.h"

#include <charconv>

#include "rules/ascii.h"
#include "weir_version.h"

namespace weir::app {
namespace {

// "0640", or "default".
mode_t mode_of(const std::string& text, mode_t otherwise) {
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  return error == std::errc{} && end == text.data() + text.size() && mode <= 07777
             ? static_cast<mode_t>(mode)
             : otherwise;
}

Result<void> configured_places(const rules::AuditSettings& settings, AuditPlan& plan) {
  for (const std::string* log : {&settings.log, &settings.log2}) {
    if (log->empty()) continue;
    if (log->front() == '|') {
      return fail("the rules give the audit log to a program (SecAuditLog \"" + *log +
                  "\"): Weir starts none; name a file with --audit-log");
    }
    plan.places.logs.push_back(*log);
  }
  if (rules::fold_equal(settings.type, "Concurrent")) {
    if (settings.storage_directory.empty()) {
      return fail(
          "the rules want a file for each transaction (SecAuditLogType Concurrent), but name no "
          "SecAuditLogStorageDir; name one with --audit-dir");
    }
    plan.places.directory = settings.storage_directory;
  } else if (!rules::fold_equal(settings.type, "Serial")) {
    return fail("SecAuditLogType " + settings.type +
                " needs a connection to elsewhere, which Weir does not open; "
                "write to a file with --audit-log");
  } else if (plan.places.logs.empty()) {
    return fail("the rules name no SecAuditLog; name a file with --audit-log");
  }
  return {};
}

}  // namespace

std::optional<std::string> audit_directives(const AuditOptions& options) {
  if (!options.wanted()) return std::nullopt;
  std::string text;
  if (options.which) {
    text += *options.which == AuditChoice::All ? "SecAuditEngine On\n"
                                               : "SecAuditEngine RelevantOnly\n";
  }
  if (options.format) {
    text += *options.format == AuditFormatChoice::Json ? "SecAuditLogFormat JSON\n"
                                                       : "SecAuditLogFormat Native\n";
  }
  if (!options.parts.empty()) text += "SecAuditLogParts " + options.parts + "\n";
  return text;
}

AuditOptions audit_options(const AuditConfig& config) {
  AuditOptions out;
  out.log = config.file;
  out.directory = config.directory;
  out.parts = config.parts;
  if (config.format == AuditConfig::Format::Json) out.format = AuditFormatChoice::Json;
  if (config.format == AuditConfig::Format::Native) out.format = AuditFormatChoice::Native;
  if (config.which == AuditConfig::Which::Relevant) out.which = AuditChoice::Relevant;
  if (config.which == AuditConfig::Which::All) out.which = AuditChoice::All;
  return out;
}

Result<AuditPlan> plan_audit(const AuditOptions& options, const rules::AuditSettings& settings,
                             const std::string& command) {
  AuditPlan plan;
  if (options.as_configured) {
    rules::AuditSettings places = settings;
    // What the command line names takes the place of what the rules name.
    if (!options.log.empty()) {
      places.log = options.log;
      places.log2.clear();
    }
    if (!options.directory.empty()) {
      places.storage_directory = options.directory;
      places.type = "Concurrent";
    }
    if (auto ok = configured_places(places, plan); !ok) return Unexpected(ok.error());
  } else {
    if (!options.log.empty()) plan.places.logs.push_back(options.log);
    plan.places.directory = options.directory;
  }
  plan.places.file_mode = mode_of(settings.file_mode, plan.places.file_mode);
  plan.places.directory_mode = mode_of(settings.directory_mode, plan.places.directory_mode);
  plan.shape.concurrent = !plan.places.directory.empty();
  plan.shape.format = rules::fold_equal(settings.format, "JSON") ? rules::AuditFormat::Json
                                                                 : rules::AuditFormat::Native;
  plan.shape.engine = std::string("Weir ") + kVersion;
  plan.shape.connector = command;
  if (settings.engine == rules::AuditEngine::Off) {
    plan.warning = "warning: the rules switch the audit log off (SecAuditEngine Off); " +
                   std::string(command == "weir run" ? "audit.transactions: " : "--audit-transactions ") +
                   "relevant or all overrides them";
  }
  return plan;
}

}  // namespace weir::app
