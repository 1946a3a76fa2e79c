#include "crs/engine_setup.h"

#include <utility>
#include <vector>

namespace weir::crs {

namespace {

// Later directives override these, so files that set up the engine themselves have the last word.
constexpr std::string_view kSettings = R"~(# What Weir puts in front of the rules.
SecRuleEngine On

SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000

SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial

SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000

SecArgumentSeparator &
SecCookieFormat 0

)~";

// What ModSecurity's recommended configuration has, but for the bodies of responses.
constexpr std::string_view kAudit = R"~(SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecAuditLogParts ABIFHJKZ
SecAuditLogFormat JSON

)~";

struct SetupRule {
  long id;
  std::string_view text;
};

// The ids are those of ModSecurity's recommended configuration, so that exclusions written for it
// apply.
constexpr SetupRule kRules[] = {
    {200000, R"~(# Bodies that are XML by their content type are parsed as XML ...
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:text/xml|application/(?:soap\+)?xml)" \
    "id:200000,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=XML"
)~"},
    {200001, R"~(# ... and those that are JSON as JSON.
SecRule REQUEST_HEADERS:Content-Type "@beginsWith application/json" \
    "id:200001,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON"
)~"},
    {200006, R"~(SecRule REQUEST_HEADERS:Content-Type "@rx ^application/[a-z0-9.-]+\+json" \
    "id:200006,phase:1,pass,nolog,t:none,t:lowercase,ctl:requestBodyProcessor=JSON"
)~"},
    {200002, R"~(# A body that could not be parsed was not inspected.
SecRule REQBODY_ERROR "!@eq 0" \
    "id:200002,phase:2,deny,status:400,log,t:none,severity:CRITICAL,\
    msg:'The request body could not be parsed',\
    logdata:'%{REQBODY_ERROR_MSG}'"
)~"},
    {200003, R"~(# Applications read malformed multipart bodies in ways that differ from Weir's.
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
    "id:200003,phase:2,deny,status:400,log,t:none,severity:CRITICAL,\
    msg:'The multipart body is malformed',\
    logdata:'processor error %{REQBODY_PROCESSOR_ERROR}, boundary quoted %{MULTIPART_BOUNDARY_QUOTED},\
 boundary white space %{MULTIPART_BOUNDARY_WHITESPACE}, data before %{MULTIPART_DATA_BEFORE},\
 data after %{MULTIPART_DATA_AFTER}, header folding %{MULTIPART_HEADER_FOLDING},\
 LF lines %{MULTIPART_LF_LINE}, missing semicolon %{MULTIPART_MISSING_SEMICOLON},\
 invalid quoting %{MULTIPART_INVALID_QUOTING}, invalid part %{MULTIPART_INVALID_PART},\
 invalid folding %{MULTIPART_INVALID_HEADER_FOLDING},\
 too many files %{MULTIPART_FILE_LIMIT_EXCEEDED}'"
)~"},
    {200004, R"~(SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" \
    "id:200004,phase:2,deny,log,t:none,severity:CRITICAL,\
    msg:'The multipart body holds a line that looks like a boundary and is none'"
)~"},
    {200005, R"~(# A limit of the engine was hit, so that a rule may have missed something.
SecRule TX:/^MSC_/ "!@streq 0" \
    "id:200005,phase:2,deny,log,t:none,severity:CRITICAL,\
    msg:'The rule engine reports %{MATCHED_VAR_NAME}'"
)~"},
};

// Far above the ids that ModSecurity's manual hands out, and within 31 bits.
constexpr long kTuningId = 2000000001;
constexpr long kSuiteId = 2000000002;

using Variables = std::vector<std::pair<std::string, std::string>>;

std::string action(long id, std::string_view comment, const std::vector<std::string>& extra,
                   const Variables& variables) {
  std::string text = "# " + std::string(comment) +
                     "\nSecAction \\\n    \"id:" + std::to_string(id) +
                     ",phase:1,pass,nolog,t:none";
  for (const std::string& item : extra)
    text += ",\\\n    " + item;
  for (const auto& [name, value] : variables)
    text += ",\\\n    setvar:'tx." + name + "=" + value + "'";
  return text + "\"\n";
}

}  // namespace

std::string engine_setup(const std::set<long>& ids_in_use, bool audit) {
  std::string text(kSettings);
  if (audit) text += kAudit;
  for (const SetupRule& rule : kRules) {
    if (ids_in_use.count(rule.id) == 0) text += rule.text;
  }
  return text;
}

std::string tuning_text(const Tuning& tuning, std::string_view version) {
  const bool four = major_version(version) >= 4;
  Variables variables;
  if (tuning.paranoia_level) {
    variables.emplace_back(four ? "blocking_paranoia_level" : "paranoia_level",
                           std::to_string(*tuning.paranoia_level));
  }
  if (tuning.detection_paranoia_level) {
    variables.emplace_back(four ? "detection_paranoia_level" : "executing_paranoia_level",
                           std::to_string(*tuning.detection_paranoia_level));
  }
  if (tuning.inbound_threshold) {
    variables.emplace_back("inbound_anomaly_score_threshold",
                           std::to_string(*tuning.inbound_threshold));
  }
  if (tuning.outbound_threshold) {
    variables.emplace_back("outbound_anomaly_score_threshold",
                           std::to_string(*tuning.outbound_threshold));
  }
  if (tuning.early_blocking && four) {
    variables.emplace_back("early_blocking", *tuning.early_blocking ? "1" : "0");
  }
  if (variables.empty()) return {};
  return action(kTuningId, "From Weir's configuration.", {}, variables);
}

std::string suite_text(std::string_view version, int paranoia_level) {
  const bool four = major_version(version) >= 4;
  return action(kSuiteId, "What the regression tests of the CRS expect.",
                {"ctl:ruleEngine=DetectionOnly", "ctl:ruleRemoveById=910000"},
                {{four ? "blocking_paranoia_level" : "paranoia_level", std::to_string(paranoia_level)},
                 {"crs_validate_utf8_encoding", "1"},
                 {"arg_name_length", "100"},
                 {"arg_length", "400"},
                 {"total_arg_length", "64000"},
                 {"max_num_args", "255"},
                 {"max_file_size", "64100"},
                 {"combined_file_sizes", "65535"}});
}

std::string mode_text(Mode mode) {
  switch (mode) {
    case Mode::AsConfigured:
      return {};
    case Mode::On:
      return "SecRuleEngine On\n";
    case Mode::DetectionOnly:
      return "SecRuleEngine DetectionOnly\n";
    case Mode::Off:
      return "SecRuleEngine Off\n";
  }
  return {};
}

}  // namespace weir::crs
