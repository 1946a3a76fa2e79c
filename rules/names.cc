#include "rules/names.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "rules/directives.h"

namespace weir::rules {

namespace {

// In the order of the enumerators (held by a test).
// clang-format off
constexpr std::array<std::string_view, 106> kVariables = {
    "ARGS", "ARGS_COMBINED_SIZE", "ARGS_GET", "ARGS_GET_NAMES", "ARGS_NAMES", "ARGS_POST",
    "ARGS_POST_NAMES", "AUTH_TYPE", "DURATION", "ENV", "FILES", "FILES_COMBINED_SIZE",
    "FILES_NAMES", "FILES_SIZES", "FILES_TMPNAMES", "FILES_TMP_CONTENT", "FULL_REQUEST",
    "FULL_REQUEST_LENGTH", "GEO", "GLOBAL", "HIGHEST_SEVERITY", "INBOUND_DATA_ERROR", "IP",
    "MATCHED_VAR", "MATCHED_VAR_NAME", "MATCHED_VARS", "MATCHED_VARS_NAMES", "MODSEC_BUILD",
    "MSC_PCRE_ERROR", "MSC_PCRE_LIMITS_EXCEEDED", "MULTIPART_BOUNDARY_QUOTED",
    "MULTIPART_BOUNDARY_WHITESPACE", "MULTIPART_CRLF_LF_LINES", "MULTIPART_DATA_AFTER",
    "MULTIPART_DATA_BEFORE", "MULTIPART_FILE_LIMIT_EXCEEDED", "MULTIPART_FILENAME",
    "MULTIPART_HEADER_FOLDING", "MULTIPART_INVALID_HEADER_FOLDING", "MULTIPART_INVALID_PART",
    "MULTIPART_INVALID_QUOTING", "MULTIPART_LF_LINE", "MULTIPART_MISSING_SEMICOLON",
    "MULTIPART_NAME", "MULTIPART_PART_HEADERS", "MULTIPART_STRICT_ERROR",
    "MULTIPART_UNMATCHED_BOUNDARY", "OUTBOUND_DATA_ERROR", "PATH_INFO", "QUERY_STRING",
    "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "REMOTE_USER", "REQBODY_ERROR",
    "REQBODY_ERROR_MSG", "REQBODY_PROCESSOR", "REQBODY_PROCESSOR_ERROR",
    "REQBODY_PROCESSOR_ERROR_MSG", "REQUEST_BASENAME", "REQUEST_BODY", "REQUEST_BODY_LENGTH",
    "REQUEST_COOKIES", "REQUEST_COOKIES_NAMES", "REQUEST_FILENAME", "REQUEST_HEADERS",
    "REQUEST_HEADERS_NAMES", "REQUEST_LINE", "REQUEST_METHOD", "REQUEST_PROTOCOL", "REQUEST_URI",
    "REQUEST_URI_RAW", "RESOURCE", "RESPONSE_BODY", "RESPONSE_CONTENT_LENGTH",
    "RESPONSE_CONTENT_TYPE", "RESPONSE_HEADERS", "RESPONSE_HEADERS_NAMES", "RESPONSE_PROTOCOL",
    "RESPONSE_STATUS", "RULE", "SDBM_DELETE_ERROR",
    "SERVER_ADDR", "SERVER_NAME", "SERVER_PORT", "SESSION", "SESSIONID", "STATUS", "STATUS_LINE",
    "TIME", "TIME_DAY", "TIME_EPOCH", "TIME_HOUR", "TIME_MIN", "TIME_MON", "TIME_SEC", "TIME_WDAY",
    "TIME_YEAR", "TX", "UNIQUE_ID", "URLENCODED_ERROR", "USER", "USERAGENT_IP", "USERID",
    "WEBAPPID", "XML",};

constexpr std::array<std::string_view, 47> kActions = {
    "accuracy", "allow", "append", "auditlog", "block", "capture", "chain", "ctl", "deny",
    "deprecatevar", "drop", "exec", "expirevar", "id", "initcol", "log", "logdata", "maturity",
    "msg", "multiMatch", "noauditlog", "nolog", "pass", "pause", "phase", "prepend", "proxy",
    "redirect", "rev", "sanitiseArg", "sanitiseMatched", "sanitiseMatchedBytes",
    "sanitiseRequestHeader", "sanitiseResponseHeader", "setenv", "setrsc", "setsid", "setuid",
    "setvar", "severity", "skip", "skipAfter", "status", "t", "tag", "ver", "xmlns",};

constexpr std::array<std::string_view, 21> kCtls = {
    "auditEngine", "auditLogParts", "debugLogLevel", "forceRequestBodyVariable",
    "forceResponseBodyVariable", "hashEnforcement", "hashEngine", "parseXmlIntoArgs",
    "requestBodyAccess", "requestBodyLimit", "requestBodyProcessor", "responseBodyAccess", "responseBodyLimit",
    "responseBodyProcessor", "ruleEngine", "ruleRemoveById", "ruleRemoveByMsg", "ruleRemoveByTag",
    "ruleRemoveTargetById", "ruleRemoveTargetByMsg", "ruleRemoveTargetByTag",};
// clang-format on

static_assert(kVariables.size() == static_cast<std::size_t>(Variable::XML) + 1);
static_assert(kActions.size() == static_cast<std::size_t>(ActionName::XmlNs) + 1);
static_assert(kCtls.size() == static_cast<std::size_t>(Ctl::RuleRemoveTargetByTag) + 1);

template <class T>
struct Alias {
  std::string_view name;
  T means;
};

constexpr std::array kVariableAliases = {
    Alias<Variable>{"MULTIPART_SEMICOLON_MISSING", Variable::MULTIPART_MISSING_SEMICOLON},
};

constexpr std::array kActionAliases = {
    Alias<ActionName>{"sanitizeArg", ActionName::SanitiseArg},
    Alias<ActionName>{"sanitizeMatched", ActionName::SanitiseMatched},
    Alias<ActionName>{"sanitizeMatchedBytes", ActionName::SanitiseMatchedBytes},
    Alias<ActionName>{"sanitizeRequestHeader", ActionName::SanitiseRequestHeader},
    Alias<ActionName>{"sanitizeResponseHeader", ActionName::SanitiseResponseHeader},
};

struct LeftOut {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kStream =
    "Weir inspects parsed bodies; use REQUEST_BODY or RESPONSE_BODY instead";
constexpr std::string_view kPerf = "Weir measures itself in its metrics, not in variables";

constexpr std::string_view kScript = "Weir runs beside the web server and does not see its files";

constexpr std::array kVariablesLeftOut = {
    LeftOut{"STREAM_INPUT_BODY", kStream},
    LeftOut{"STREAM_OUTPUT_BODY", kStream},
    LeftOut{"PERF_ALL", kPerf},
    LeftOut{"PERF_COMBINED", kPerf},
    LeftOut{"PERF_GC", kPerf},
    LeftOut{"PERF_LOGGING", kPerf},
    LeftOut{"PERF_PHASE1", kPerf},
    LeftOut{"PERF_PHASE2", kPerf},
    LeftOut{"PERF_PHASE3", kPerf},
    LeftOut{"PERF_PHASE4", kPerf},
    LeftOut{"PERF_PHASE5", kPerf},
    LeftOut{"PERF_RULES", kPerf},
    LeftOut{"PERF_SREAD", kPerf},
    LeftOut{"PERF_SWRITE", kPerf},
    LeftOut{"WEBSERVER_ERROR_LOG", "Weir runs beside the web server and does not see its log"},
    LeftOut{"MULTIPART_CRLF_LINE",
            "every line of a proper multipart body ends so; use MULTIPART_CRLF_LF_LINES"},
    LeftOut{"ARGS_PATH", "Weir does not know the routes of the application"},
    LeftOut{"JSON", "Weir puts JSON members into ARGS"},
    LeftOut{"REQUEST_XML", "Weir puts XML bodies of requests into XML"},
    LeftOut{"RESPONSE_XML", "Weir does not parse the bodies of responses"},
    LeftOut{"RESPONSE_ARGS", "Weir does not parse the bodies of responses"},
    LeftOut{"RES_BODY_ERROR", "Weir does not parse the bodies of responses"},
    LeftOut{"RES_BODY_ERROR_MSG", "Weir does not parse the bodies of responses"},
    LeftOut{"RES_BODY_PROCESSOR", "Weir does not parse the bodies of responses"},
    LeftOut{"RES_BODY_PROCESSOR_ERROR", "Weir does not parse the bodies of responses"},
    LeftOut{"RES_BODY_PROCESSOR_ERROR_MSG", "Weir does not parse the bodies of responses"},
    LeftOut{"SCRIPT_BASENAME", kScript},
    LeftOut{"SCRIPT_FILENAME", kScript},
    LeftOut{"SCRIPT_GID", kScript},
    LeftOut{"SCRIPT_GROUPNAME", kScript},
    LeftOut{"SCRIPT_MODE", kScript},
    LeftOut{"SCRIPT_UID", kScript},
    LeftOut{"SCRIPT_USERNAME", kScript},
};

constexpr std::array kActionsLeftOut = {
    LeftOut{"exec", "Weir starts no program while it judges traffic"},
    LeftOut{"append", "Weir does not rewrite pages that it lets through"},
    LeftOut{"prepend", "Weir does not rewrite pages that it lets through"},
    LeftOut{"proxy", "Weir is not a proxy and cannot send a request elsewhere"},
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

template <class Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (same_name(names[i], name)) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

template <class Enum, std::size_t N>
std::optional<Enum> find_alias(const std::array<Alias<Enum>, N>& aliases, std::string_view name) {
  for (const auto& alias : aliases) {
    if (same_name(alias.name, name)) return alias.means;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string_view why(const std::array<LeftOut, N>& left_out, std::string_view name) {
  for (const auto& entry : left_out) {
    if (same_name(entry.name, name)) return entry.why;
  }
  return {};
}

template <std::size_t N>
std::vector<std::string_view> list(const std::array<std::string_view, N>& names) {
  return {names.begin(), names.end()};
}

constexpr std::size_t kLongestSuggested = 64;

// Edit distance with adjacent transpositions (optimal string alignment), ignoring ASCII case.
std::size_t distance(std::string_view a, std::string_view b) {
  std::array<std::size_t, kLongestSuggested + 1> two{};
  std::array<std::size_t, kLongestSuggested + 1> one{};
  std::array<std::size_t, kLongestSuggested + 1> row{};
  for (std::size_t j = 0; j <= b.size(); ++j)
    one[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({one[j] + 1, row[j - 1] + 1, one[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], two[j - 2] + 1);
      }
    }
    two = one;
    one = row;
  }
  return one[b.size()];
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& candidates) {
  if (name.empty() || name.size() > kLongestSuggested) return {};
  // A third of the letters may be wrong, but never more than three.
  std::size_t best = std::min<std::size_t>(3, std::max<std::size_t>(1, name.size() / 3)) + 1;
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestSuggested) continue;
    const std::size_t gap = candidate.size() > name.size() ? candidate.size() - name.size()
                                                           : name.size() - candidate.size();
    if (gap >= best) continue;
    const std::size_t d = distance(name, candidate);
    if (d < best && d < candidate.size()) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

std::optional<Variable> find_variable(std::string_view name) {
  if (auto found = find<Variable>(kVariables, name)) return found;
  return find_alias(kVariableAliases, name);
}

std::optional<ActionName> find_action(std::string_view name) {
  if (auto found = find<ActionName>(kActions, name)) return found;
  return find_alias(kActionAliases, name);
}

std::optional<Ctl> find_ctl(std::string_view name) {
  return find<Ctl>(kCtls, name);
}

std::optional<Directive> find_directive(std::string_view name) {
  for (const DirectiveFacts& facts : directive_facts()) {
    if (same_name(facts.name, name)) return facts.directive;
  }
  return std::nullopt;
}

std::string_view variable_name(Variable v) {
  return kVariables[static_cast<std::size_t>(v)];
}
std::string_view action_name(ActionName a) {
  return kActions[static_cast<std::size_t>(a)];
}
std::string_view ctl_name(Ctl c) {
  return kCtls[static_cast<std::size_t>(c)];
}
std::string_view directive_name(Directive d) {
  return facts_of(d).name;
}

bool is_collection(Variable v) {
  switch (v) {
    case Variable::ARGS:
    case Variable::ARGS_GET:
    case Variable::ARGS_GET_NAMES:
    case Variable::ARGS_NAMES:
    case Variable::ARGS_POST:
    case Variable::ARGS_POST_NAMES:
    case Variable::ENV:
    case Variable::FILES:
    case Variable::FILES_NAMES:
    case Variable::FILES_SIZES:
    case Variable::FILES_TMPNAMES:
    case Variable::FILES_TMP_CONTENT:
    case Variable::GEO:
    case Variable::GLOBAL:
    case Variable::IP:
    case Variable::MATCHED_VARS:
    case Variable::MATCHED_VARS_NAMES:
    case Variable::MULTIPART_PART_HEADERS:
    case Variable::REQUEST_COOKIES:
    case Variable::REQUEST_COOKIES_NAMES:
    case Variable::REQUEST_HEADERS:
    case Variable::REQUEST_HEADERS_NAMES:
    case Variable::RESOURCE:
    case Variable::RESPONSE_HEADERS:
    case Variable::RESPONSE_HEADERS_NAMES:
    case Variable::RULE:
    case Variable::SESSION:
    case Variable::TX:
    case Variable::USER:
    case Variable::XML:
      return true;
    default:
      return false;
  }
}

ActionArgument action_argument(ActionName a) {
  switch (a) {
    case ActionName::AuditLog:
    case ActionName::Block:
    case ActionName::Capture:
    case ActionName::Chain:
    case ActionName::Deny:
    case ActionName::Drop:
    case ActionName::Log:
    case ActionName::MultiMatch:
    case ActionName::NoAuditLog:
    case ActionName::NoLog:
    case ActionName::Pass:
    case ActionName::SanitiseMatched:
      return ActionArgument::None;
    case ActionName::Allow:
    case ActionName::SanitiseMatchedBytes:
      return ActionArgument::Optional;
    default:
      return ActionArgument::Required;
  }
}

std::string_view nearest_variable(std::string_view name) {
  return nearest(name, list(kVariables));
}
std::string_view nearest_action(std::string_view name) {
  return nearest(name, list(kActions));
}
std::string_view nearest_ctl(std::string_view name) {
  return nearest(name, list(kCtls));
}

std::string_view nearest_directive(std::string_view name) {
  std::vector<std::string_view> names = {"SecRule",          "SecAction", "SecMarker",
                                         "SecDefaultAction", "Include",   "IncludeOptional"};
  for (const DirectiveFacts& facts : directive_facts())
    names.push_back(facts.name);
  return nearest(name, names);
}

std::string_view variable_left_out(std::string_view name) {
  return why(kVariablesLeftOut, name);
}
std::string_view action_left_out(std::string_view name) {
  return why(kActionsLeftOut, name);
}

std::string_view directive_without_effect(Directive d) {
  const DirectiveFacts& facts = facts_of(d);
  return facts.standing == Standing::WithoutEffect ? facts.why : std::string_view{};
}

}  // namespace weir::rules
