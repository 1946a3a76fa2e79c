// Every name of SecLang as an enumerator, with lookup from text. The tables in names.cc also say what
// each name takes, and why the names that stay out of Weir do (docs/RULES.md is checked against them).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace weir::rules {

// Variables and collections (reference manual, "Variables"). Spelled as in the manual.
enum class Variable : std::uint8_t {
  ARGS, ARGS_COMBINED_SIZE, ARGS_GET, ARGS_GET_NAMES, ARGS_NAMES, ARGS_POST, ARGS_POST_NAMES,
  AUTH_TYPE, DURATION, ENV, FILES, FILES_COMBINED_SIZE, FILES_NAMES, FILES_SIZES, FILES_TMPNAMES,
  FILES_TMP_CONTENT, FULL_REQUEST, FULL_REQUEST_LENGTH, GEO, GLOBAL, HIGHEST_SEVERITY,
  INBOUND_DATA_ERROR, IP, MATCHED_VAR, MATCHED_VAR_NAME, MATCHED_VARS, MATCHED_VARS_NAMES,
  MODSEC_BUILD, MSC_PCRE_ERROR, MSC_PCRE_LIMITS_EXCEEDED, MULTIPART_BOUNDARY_QUOTED,
  MULTIPART_BOUNDARY_WHITESPACE, MULTIPART_CRLF_LF_LINES, MULTIPART_DATA_AFTER,
  MULTIPART_DATA_BEFORE, MULTIPART_FILE_LIMIT_EXCEEDED, MULTIPART_FILENAME,
  MULTIPART_HEADER_FOLDING, MULTIPART_INVALID_HEADER_FOLDING, MULTIPART_INVALID_PART,
  MULTIPART_INVALID_QUOTING, MULTIPART_LF_LINE, MULTIPART_MISSING_SEMICOLON, MULTIPART_NAME,
  MULTIPART_PART_HEADERS, MULTIPART_STRICT_ERROR, MULTIPART_UNMATCHED_BOUNDARY,
  OUTBOUND_DATA_ERROR, PATH_INFO, QUERY_STRING, REMOTE_ADDR, REMOTE_HOST, REMOTE_PORT, REMOTE_USER,
  REQBODY_ERROR, REQBODY_ERROR_MSG, REQBODY_PROCESSOR, REQBODY_PROCESSOR_ERROR,
  REQBODY_PROCESSOR_ERROR_MSG, REQUEST_BASENAME, REQUEST_BODY, REQUEST_BODY_LENGTH,
  REQUEST_COOKIES, REQUEST_COOKIES_NAMES, REQUEST_FILENAME, REQUEST_HEADERS, REQUEST_HEADERS_NAMES,
  REQUEST_LINE, REQUEST_METHOD, REQUEST_PROTOCOL, REQUEST_URI, REQUEST_URI_RAW, RESOURCE,
  RESPONSE_BODY, RESPONSE_CONTENT_LENGTH, RESPONSE_CONTENT_TYPE, RESPONSE_HEADERS,
  RESPONSE_HEADERS_NAMES, RESPONSE_PROTOCOL, RESPONSE_STATUS, RULE,
  SDBM_DELETE_ERROR, SERVER_ADDR, SERVER_NAME, SERVER_PORT, SESSION, SESSIONID, STATUS, STATUS_LINE,
  TIME, TIME_DAY, TIME_EPOCH, TIME_HOUR, TIME_MIN, TIME_MON, TIME_SEC, TIME_WDAY, TIME_YEAR, TX,
  UNIQUE_ID, URLENCODED_ERROR, USER, USERAGENT_IP, USERID, WEBAPPID, XML,
};

enum class ActionName : std::uint8_t {
  Accuracy, Allow, Append, AuditLog, Block, Capture, Chain, Ctl, Deny, DeprecateVar, Drop, Exec,
  ExpireVar, Id, InitCol, Log, LogData, Maturity, Msg, MultiMatch, NoAuditLog, NoLog, Pass, Pause,
  Phase, Prepend, Proxy, Redirect, Rev, SanitiseArg, SanitiseMatched, SanitiseMatchedBytes,
  SanitiseRequestHeader, SanitiseResponseHeader, SetEnv, SetRsc, SetSid, SetUid, SetVar, Severity,
  Skip, SkipAfter, Status, T, Tag, Ver, XmlNs,
};

// Directives other than SecRule, SecAction, SecMarker, SecDefaultAction and Include.
enum class Directive : std::uint8_t {
  SecArgumentSeparator, SecArgumentsLimit, SecAuditEngine, SecAuditLog, SecAuditLog2,
  SecAuditLogDirMode, SecAuditLogFileMode, SecAuditLogFormat, SecAuditLogParts,
  SecAuditLogRelevantStatus, SecAuditLogStorageDir, SecAuditLogType, SecCollectionTimeout,
  SecComponentSignature, SecCookieFormat, SecCookieV0Separator, SecDataDir, SecDebugLog,
  SecDebugLogLevel, SecGeoLookupDb, SecHttpBlKey, SecInterceptOnError, SecParseXmlIntoArgs,
  SecPcreMatchLimit, SecPcreMatchLimitRecursion, SecRequestBodyAccess, SecRequestBodyInMemoryLimit,
  SecRequestBodyJsonDepthLimit, SecRequestBodyLimit, SecRequestBodyLimitAction,
  SecRequestBodyNoFilesLimit, SecResponseBodyAccess, SecResponseBodyLimit,
  SecResponseBodyLimitAction, SecResponseBodyMimeType, SecResponseBodyMimeTypesClear, SecRuleEngine,
  SecRuleInheritance, SecRulePerfTime, SecRuleRemoveById, SecRuleRemoveByMsg, SecRuleRemoveByTag,
  SecRuleUpdateActionById, SecRuleUpdateTargetById, SecRuleUpdateTargetByMsg,
  SecRuleUpdateTargetByTag, SecSensorId, SecServerSignature, SecStatusEngine,
  SecStreamInBodyInspection, SecStreamOutBodyInspection, SecTmpDir, SecTmpSaveUploadedFiles,
  SecUnicodeMapFile, SecUploadDir, SecUploadFileLimit, SecUploadFileMode, SecUploadKeepFiles,
  SecWebAppId, SecXmlExternalEntity, SecConnEngine, SecConnReadStateLimit, SecConnWriteStateLimit,
  SecReadStateLimit, SecWriteStateLimit, SecDisableBackendCompression, SecCacheTransformations,
  SecChrootDir, SecContentInjection, SecGuardianLog, SecIgnoreRuleCompilationErrors, SecRxPreFilter,
  SecHashEngine, SecHashKey, SecHashMethodPm, SecHashMethodRx, SecHashParam, SecRemoteRules,
  SecRemoteRulesFailAction, SecRuleScript, SecGsbLookupDb,
};

// ctl:… options.
enum class Ctl : std::uint8_t {
  AuditEngine, AuditLogParts, DebugLogLevel, ForceRequestBodyVariable, ForceResponseBodyVariable,
  HashEnforcement, HashEngine, ParseXmlIntoArgs, RequestBodyAccess, RequestBodyLimit, RequestBodyProcessor,
  ResponseBodyAccess, ResponseBodyLimit, ResponseBodyProcessor, RuleEngine, RuleRemoveById,
  RuleRemoveByMsg, RuleRemoveByTag, RuleRemoveTargetById, RuleRemoveTargetByMsg,
  RuleRemoveTargetByTag,
};

// All lookups ignore ASCII case.
std::optional<Variable> find_variable(std::string_view name);
std::optional<ActionName> find_action(std::string_view name);
std::optional<Directive> find_directive(std::string_view name);
std::optional<Ctl> find_ctl(std::string_view name);
std::string_view variable_name(Variable v);
std::string_view action_name(ActionName a);
std::string_view directive_name(Directive d);
std::string_view ctl_name(Ctl c);

// Collections take a selector (ARGS:id); scalars do not.
[[nodiscard]] bool is_collection(Variable v);

// The candidate nearest to a misspelled name by edit distance, ignoring ASCII case; empty if none is near
// enough to be meant. Ties: the first candidate. Linear in the candidates' length; names over 64 bytes have
// no neighbour.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& candidates);

// The known name nearest to a misspelled one (for "did you mean"), or empty.
std::string_view nearest_variable(std::string_view name);
std::string_view nearest_action(std::string_view name);
std::string_view nearest_directive(std::string_view name);
std::string_view nearest_ctl(std::string_view name);

// Compares without regard to ASCII case.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

// What stands after the colon of an action.
enum class ActionArgument : std::uint8_t { None, Optional, Required };
[[nodiscard]] ActionArgument action_argument(ActionName a);

// Why a name that ModSecurity or Coraza knows stays out of Weir; empty if it does not stay out.
std::string_view variable_left_out(std::string_view name);
std::string_view action_left_out(std::string_view name);
std::string_view directive_left_out(std::string_view name);

// Directives that Weir accepts without effect, because leaving them undone changes no verdict (a temporary
// directory, a server signature); the reason, or empty. The parser gives a note and drops them.
std::string_view directive_without_effect(Directive d);

}  // namespace weir::rules
