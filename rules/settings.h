// What the directives other than rules say, bound to values. Defaults are ModSecurity 2.9's (reference
// manual, "Configuration Directives"). ctl: actions change copies inside a transaction, never these.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/packet.h"
#include "rules/body/body_sink.h"
#include "rules/body/cookies.h"
#include "rules/match_re.h"
#include "rules/transaction.h"

namespace weir::rules {

enum class LimitAction : std::uint8_t { Reject, ProcessPartial };
enum class AuditEngine : std::uint8_t { Off, On, RelevantOnly };

// Everything SecAudit*: kept for whoever writes the audit log.
struct AuditSettings {
  AuditEngine engine = AuditEngine::Off;
  std::string parts = "ABCFHZ";
  std::string relevant_status;  // SecAuditLogRelevantStatus, a regular expression; empty: none
  std::string log, log2;        // SecAuditLog, SecAuditLog2
  std::string type = "Serial";  // SecAuditLogType
  std::string format = "Native";
  std::string storage_directory;
  std::string directory_mode, file_mode;
};

struct Settings {
  EngineMode engine = EngineMode::Off;
  bool request_body_access = false;
  bool response_body_access = false;
  std::uint64_t request_body_limit = 134217728;
  std::uint64_t request_body_no_files_limit = 1048576;
  std::uint64_t response_body_limit = 524288;
  LimitAction request_body_limit_action = LimitAction::Reject;
  LimitAction response_body_limit_action = LimitAction::Reject;
  std::vector<std::string> response_mime_types = {"text/plain", "text/html"};  // lower case
  bool response_mime_types_given = false;
  body::BodyLimits body;       // SecArgumentsLimit, JSON depth, upload file limit, separator
  int cookie_format = 0;       // SecCookieFormat
  char cookie_separator = body::kAutomaticSeparator;  // SecCookieV0Separator
  enum class XmlArgs : std::uint8_t { Off, On, OnlyArgs } xml_into_args = XmlArgs::Off;
  ReLimits pcre;               // SecPcreMatchLimit, SecPcreMatchLimitRecursion
  Duration collection_timeout = seconds(3600);
  std::string unicode_map_file;
  unsigned unicode_code_page = 20127;
  std::string geo_database;    // SecGeoLookupDb
  std::string data_directory;  // SecDataDir
  std::string web_app_id = "default";
  std::string sensor_id = "default";
  std::string server_signature;
  std::vector<std::string> component_signatures;
  AuditSettings audit;
};

}  // namespace weir::rules
