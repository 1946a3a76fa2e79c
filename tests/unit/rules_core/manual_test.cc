// Every name that the reference manuals of ModSecurity 2.9 and 3 and Coraza's documentation have: it works, or
// it is an error (or, where skipping is safe, a note) that says why it does not. None is unknown.

#include <functional>
#include <iterator>
#include <set>
#include <sstream>

#include "tests/unit/rules_core/waf.h"

namespace weir::rules::testing {
namespace {

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

enum class Standing { Works, SaysWhy, Unknown };

// Of rules with one thing in question; anything said that is no reason counts as unknown.
Standing standing_of(const std::string& rules) {
  const Waf waf(rules);
  Standing standing = waf.rules() == nullptr ? Standing::Unknown : Standing::Works;
  for (const Diagnostic& d : waf.diagnostics()) {
    if (d.code.rfind("unknown", 0) == 0) return Standing::Unknown;
    const bool reason = d.code.find("left-out") != std::string::npos || d.code == "without-effect" ||
                        d.code == "operator-warning";
    if (reason && d.message.find(": ") != std::string::npos) standing = Standing::SaysWhy;
  }
  return standing;
}

// `reasons`: the names that are to say why; every other is to work.
void expect_standing(const std::vector<std::string>& names, const std::string& reasons,
                     const std::function<std::string(const std::string&)>& rules) {
  const auto with_reason = words(reasons);
  const std::set<std::string> left_out(with_reason.begin(), with_reason.end());
  std::size_t found = 0;
  for (const std::string& name : names) {
    const bool out = left_out.count(name) != 0;
    found += out ? 1 : 0;
    EXPECT_EQ(standing_of(rules(name)), out ? Standing::SaysWhy : Standing::Works) << rules(name);
  }
  EXPECT_EQ(found, left_out.size());
}

TEST(Manual, Transformations) {
  expect_standing(words("none base64Decode base64DecodeExt base64Encode cmdLine compressWhitespace cssDecode "
                        "escapeSeqDecode hexDecode hexEncode htmlEntityDecode jsDecode length lowercase md5 "
                        "normalisePath normalizePath normalisePathWin normalizePathWin parityEven7bit parityOdd7bit "
                        "parityZero7bit phpArgsNames removeComments removeCommentsChar removeNulls removeWhitespace "
                        "replaceComments replaceNulls sha1 sqlHexDecode trim trimLeft trimRight uppercase urlDecode "
                        "urlDecodeUni urlEncode utf8toUnicode"),
                  "", [](const std::string& name) {
                    return "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,t:" + name + "\"\n";
                  });
}

TEST(Manual, Variables) {
  expect_standing(
      words("ARGS ARGS:x ARGS:/x/ !ARGS:x|ARGS &ARGS ARGS_COMBINED_SIZE ARGS_GET ARGS_GET_NAMES ARGS_NAMES ARGS_POST "
            "ARGS_POST_NAMES AUTH_TYPE DURATION ENV ENV:x FILES FILES_COMBINED_SIZE FILES_NAMES FILES_SIZES "
            "FILES_TMPNAMES FILES_TMP_CONTENT FULL_REQUEST FULL_REQUEST_LENGTH GEO GEO:CITY GLOBAL:x "
            "HIGHEST_SEVERITY INBOUND_DATA_ERROR IP:x MATCHED_VAR MATCHED_VARS MATCHED_VAR_NAME MATCHED_VARS_NAMES "
            "MODSEC_BUILD MSC_PCRE_ERROR MSC_PCRE_LIMITS_EXCEEDED MULTIPART_BOUNDARY_QUOTED "
            "MULTIPART_BOUNDARY_WHITESPACE MULTIPART_CRLF_LF_LINES MULTIPART_DATA_AFTER MULTIPART_DATA_BEFORE "
            "MULTIPART_FILENAME MULTIPART_FILE_LIMIT_EXCEEDED MULTIPART_HEADER_FOLDING "
            "MULTIPART_INVALID_HEADER_FOLDING MULTIPART_INVALID_PART MULTIPART_INVALID_QUOTING MULTIPART_LF_LINE "
            "MULTIPART_MISSING_SEMICOLON MULTIPART_SEMICOLON_MISSING MULTIPART_NAME MULTIPART_PART_HEADERS "
            "MULTIPART_STRICT_ERROR MULTIPART_UNMATCHED_BOUNDARY OUTBOUND_DATA_ERROR PATH_INFO PERF_ALL "
            "PERF_COMBINED PERF_GC PERF_LOGGING PERF_PHASE1 PERF_PHASE2 PERF_PHASE3 PERF_PHASE4 PERF_PHASE5 "
            "PERF_RULES PERF_SREAD PERF_SWRITE QUERY_STRING REMOTE_ADDR REMOTE_HOST REMOTE_PORT REMOTE_USER "
            "REQBODY_ERROR REQBODY_ERROR_MSG REQBODY_PROCESSOR REQBODY_PROCESSOR_ERROR REQBODY_PROCESSOR_ERROR_MSG "
            "REQUEST_BASENAME REQUEST_BODY REQUEST_BODY_LENGTH REQUEST_COOKIES REQUEST_COOKIES_NAMES "
            "REQUEST_FILENAME REQUEST_HEADERS REQUEST_HEADERS:Host REQUEST_HEADERS_NAMES REQUEST_LINE "
            "REQUEST_METHOD REQUEST_PROTOCOL REQUEST_URI REQUEST_URI_RAW RESPONSE_BODY RESPONSE_CONTENT_LENGTH "
            "RESPONSE_CONTENT_TYPE RESPONSE_HEADERS RESPONSE_HEADERS_NAMES RESPONSE_PROTOCOL RESPONSE_STATUS "
            "RESOURCE:x RULE:id RULE:msg SCRIPT_BASENAME SCRIPT_FILENAME SCRIPT_GID SCRIPT_GROUPNAME SCRIPT_MODE "
            "SCRIPT_UID SCRIPT_USERNAME SDBM_DELETE_ERROR SERVER_ADDR SERVER_NAME SERVER_PORT SESSION:x SESSIONID "
            "STATUS STATUS_LINE STREAM_INPUT_BODY STREAM_OUTPUT_BODY TIME TIME_DAY TIME_EPOCH TIME_HOUR TIME_MIN "
            "TIME_MON TIME_SEC TIME_WDAY TIME_YEAR TX TX:x TX:/x/ UNIQUE_ID URLENCODED_ERROR USER:x USERAGENT_IP "
            "USERID WEBAPPID WEBSERVER_ERROR_LOG XML:/* XML://@* "
            // Coraza's own
            "ARGS_PATH JSON REQUEST_XML RESPONSE_XML RESPONSE_ARGS RES_BODY_ERROR RES_BODY_ERROR_MSG "
            "RES_BODY_PROCESSOR RES_BODY_PROCESSOR_ERROR RES_BODY_PROCESSOR_ERROR_MSG"),
      "PERF_ALL PERF_COMBINED PERF_GC PERF_LOGGING PERF_PHASE1 PERF_PHASE2 PERF_PHASE3 PERF_PHASE4 PERF_PHASE5 "
      "PERF_RULES PERF_SREAD PERF_SWRITE SCRIPT_BASENAME SCRIPT_FILENAME SCRIPT_GID SCRIPT_GROUPNAME SCRIPT_MODE "
      "SCRIPT_UID SCRIPT_USERNAME STREAM_INPUT_BODY STREAM_OUTPUT_BODY WEBSERVER_ERROR_LOG ARGS_PATH JSON "
      "REQUEST_XML RESPONSE_XML RESPONSE_ARGS RES_BODY_ERROR RES_BODY_ERROR_MSG RES_BODY_PROCESSOR "
      "RES_BODY_PROCESSOR_ERROR RES_BODY_PROCESSOR_ERROR_MSG",
      [](const std::string& name) { return "SecRule " + name + " \"@rx a\" \"id:1,phase:5,pass\"\n"; });
}

TEST(Manual, Operators) {
  const std::vector<std::string> uses = {
      "beginsWith x", "contains x", "containsWord x", "detectSQLi", "detectXSS", "endsWith x", "eq 1", "fuzzyHash x 6",
      "ge 1", "geoLookup", "gsbLookup x", "gt 1", "inspectFile x", "ipMatch 192.0.2.0/24", "le 1", "lt 1", "noMatch",
      "pm a b", "rbl x.test", "rsub s/a/b/", "rx a", "rxGlobal a", "streq a", "strmatch a", "unconditionalMatch",
      "validateByteRange 1-5", "validateDTD x", "validateHash x", "validateSchema x", "validateUrlEncoding",
      "validateUtf8Encoding", "verifyCC [0-9]{13}", "verifyCPF [0-9]{9}", "verifySSN [0-9]{9}", "verifySVNR [0-9]{9}",
      "within a b", "restpath /a/{b}", "validateNid cl [0-9]+", "pmFromDataset x", "ipMatchFromDataset x"};
  const std::set<std::string> out = {"fuzzyHash x 6", "gsbLookup x", "inspectFile x", "rbl x.test", "rsub s/a/b/",
                                     "validateDTD x", "validateHash x", "validateSchema x", "pmFromDataset x",
                                     "ipMatchFromDataset x"};
  for (const std::string& use : uses) {
    EXPECT_EQ(standing_of("SecRule ARGS \"@" + use + "\" \"id:1,phase:2,pass\"\n"),
              out.count(use) != 0 ? Standing::SaysWhy : Standing::Works)
        << use;
  }
}

TEST(Manual, Actions) {
  expect_standing(
      words("accuracy:3 allow allow:phase allow:request append:x auditlog block capture deny deprecatevar:ip.x=60/300 "
            "drop exec:/x expirevar:ip.x=60 initcol:ip=%{REMOTE_ADDR} initcol:resource=x log logdata:x maturity:3 "
            "msg:x multiMatch noauditlog nolog pass pause:100 prepend:x proxy:http://x redirect:http://x rev:1 "
            "sanitiseArg:x sanitizeArg:x sanitiseMatched sanitizeMatched sanitiseMatchedBytes sanitizeMatchedBytes:1/2 "
            "sanitiseRequestHeader:x sanitizeRequestHeader:x sanitiseResponseHeader:x sanitizeResponseHeader:x "
            "setenv:x=y setenv:!x setrsc:x setsid:x setuid:x setvar:tx.x=1 setvar:tx.x=+1 setvar:tx.x=-1 setvar:!tx.x "
            "setvar:tx.x severity:2 severity:CRITICAL skip:1 status:404 t:none tag:x ver:1 xmlns:x=http://y"),
      "append:x exec:/x pause:100 prepend:x proxy:http://x", [](const std::string& use) {
        // As rules do it, collections are opened before.
        return "SecAction \"id:9,phase:1,pass,initcol:ip=x\"\nSecRule ARGS \"@rx a\" \"id:1,phase:2," + use +
               "\"\nSecAction \"id:2,phase:2,pass\"\n";
      });
}

TEST(Manual, Controls) {
  expect_standing(
      words("auditEngine=On auditLogParts=+E debugLogLevel=3 forceRequestBodyVariable=On forceResponseBodyVariable=On "
            "hashEnforcement=On hashEngine=On parseXmlIntoArgs=OnlyArgs requestBodyAccess=On requestBodyLimit=10 "
            "requestBodyProcessor=JSON requestBodyProcessor=MULTIPART requestBodyProcessor=RAW "
            "requestBodyProcessor=URLENCODED requestBodyProcessor=XML responseBodyAccess=On responseBodyLimit=10 "
            "responseBodyProcessor=JSON ruleEngine=Off ruleRemoveById=1-5 ruleRemoveByMsg=x ruleRemoveByTag=x "
            "ruleRemoveTargetById=1;ARGS:x ruleRemoveTargetById=1;ARGS:/x.*/ ruleRemoveTargetById=1;ARGS:json.a.*.b "
            "ruleRemoveTargetByMsg=x;ARGS ruleRemoveTargetByTag=x;ARGS:y"),
      "debugLogLevel=3 hashEnforcement=On hashEngine=On responseBodyProcessor=JSON",
      [](const std::string& use) { return "SecAction \"id:1,phase:1,pass,ctl:" + use + "\"\n"; });
}

TEST(Manual, Directives) {
  const std::string rule = "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,msg:'x',tag:'x'\"\n";
  const std::vector<std::pair<std::string, bool>> uses = {
      {"SecAction \"id:9,pass\"", true}, {"SecArgumentSeparator ;", true}, {"SecArgumentsLimit 10", true},
      {"SecAuditEngine On", true}, {"SecAuditLog x", true}, {"SecAuditLog2 x", true}, {"SecAuditLogDirMode 0755", true},
      {"SecAuditLogFileMode 0600", true}, {"SecAuditLogFormat JSON", true}, {"SecAuditLogParts ABZ", true},
      {"SecAuditLogRelevantStatus ^5", true}, {"SecAuditLogStorageDir x", true}, {"SecAuditLogType Serial", true},
      {"SecCacheTransformations On", false}, {"SecChrootDir /x", false}, {"SecCollectionTimeout 60", true},
      {"SecComponentSignature x", true}, {"SecConnEngine On", false}, {"SecConnReadStateLimit 9", false},
      {"SecConnWriteStateLimit 9", false}, {"SecContentInjection On", false}, {"SecCookieFormat 0", true},
      {"SecCookieV0Separator ;", true}, {"SecDataDir /tmp", false}, {"SecDataset x y", false}, {"SecDebugLog x", false},
      {"SecDebugLogLevel 0", false}, {"SecDefaultAction phase:2,pass", true},
      {"SecDisableBackendCompression On", false}, {"SecGsbLookupDb x", false}, {"SecGuardianLog x", false},
      {"SecHashEngine On", false}, {"SecHashKey x KeyOnly", false}, {"SecHashMethodPm HashHref x", false},
      {"SecHashMethodRx HashHref x", false}, {"SecHashParam x", false}, {"SecHttpBlKey x", false},
      {"SecIgnoreRuleCompilationErrors On", false}, {"SecInterceptOnError On", false}, {"SecMarker x", true},
      {"SecParseXmlIntoArgs On", true}, {"SecPcreMatchLimit 9", true}, {"SecPcreMatchLimitRecursion 9", true},
      {"SecPdfProtect On", false}, {"SecPdfProtectMethod x", false}, {"SecPdfProtectSecret x", false},
      {"SecPdfProtectTimeout 1", false}, {"SecPdfProtectTokenName x", false}, {"SecReadStateLimit 9", false},
      {"SecRemoteRules k https://x.test/", false}, {"SecRemoteRulesFailAction Warn", false},
      {"SecRequestBodyAccess On", true}, {"SecRequestBodyInMemoryLimit 9", false},
      {"SecRequestBodyJsonDepthLimit 9", true}, {"SecRequestBodyLimit 9", true},
      {"SecRequestBodyLimitAction Reject", true}, {"SecRequestBodyNoFilesLimit 9", true},
      {"SecResponseBodyAccess On", true}, {"SecResponseBodyLimit 9", true},
      {"SecResponseBodyLimitAction ProcessPartial", true}, {"SecResponseBodyMimeType text/html", true},
      {"SecResponseBodyMimeTypesClear", true}, {"SecRuleEngine On", true}, {"SecRuleInheritance On", false},
      {"SecRulePerfTime 9", false}, {"SecRuleRemoveById 1 2-5", true}, {"SecRuleRemoveByMsg x", true},
      {"SecRuleRemoveByTag x", true}, {"SecRuleScript x.lua", false}, {"SecRuleUpdateActionById 1 \"deny\"", true},
      {"SecRuleUpdateTargetById 1 \"!ARGS:/x/\"", true}, {"SecRuleUpdateTargetByMsg x \"!ARGS:x\"", true},
      {"SecRuleUpdateTargetByTag x \"!ARGS:json.a.*\"", true}, {"SecRxPreFilter On", false}, {"SecSensorId x", true},
      {"SecServerSignature x", false}, {"SecStatusEngine On", false}, {"SecStreamInBodyInspection On", false},
      {"SecStreamOutBodyInspection On", false}, {"SecTmpDir /tmp", false}, {"SecTmpSaveUploadedFiles On", false},
      {"SecUnicodeCodePage 20127", false}, {"SecUploadDir /tmp", false}, {"SecUploadFileLimit 9", true},
      {"SecUploadFileMode 0600", false}, {"SecUploadKeepFiles On", false}, {"SecWebAppId x", true},
      {"SecWriteStateLimit 9", false}, {"SecXmlExternalEntity On", false}};
  for (const auto& [use, works] : uses) {
    EXPECT_EQ(standing_of(rule + use + "\n"), works ? Standing::Works : Standing::SaysWhy) << use;
  }
  EXPECT_EQ(standing_of("SecNoSuchThing On\n"), Standing::Unknown);
}

TEST(Manual, XmlIntoArgumentsOnDemand) {
  const auto arguments = [](const std::string& mode) {
    Waf waf("SecAction \"id:9,phase:1,nolog,pass,ctl:requestBodyProcessor=XML" +
            (mode.empty() ? "" : ",ctl:parseXmlIntoArgs=" + mode) +
            "\"\nSecRule ARGS \"@streq b\" \"id:1,phase:2,pass\"\nSecRule XML:/* \"@contains b\" \"id:2,phase:2,pass\"\n");
    waf.run(post("text/xml", "<r><a>b</a></r>"));
    return waf.logged();
  };
  using Ids = std::vector<std::uint64_t>;
  EXPECT_EQ(arguments(""), (Ids{2}));
  EXPECT_EQ(arguments("Off"), (Ids{2}));
  EXPECT_EQ(arguments("On"), (Ids{1, 2}));
  EXPECT_EQ(arguments("OnlyArgs"), (Ids{1}));
}

TEST(Manual, RawBody) {
  Waf waf("SecAction \"id:9,phase:1,nolog,pass,ctl:requestBodyProcessor=RAW\"\n"
          "SecRule REQUEST_BODY \"@streq a=b\" \"id:1,phase:2,pass\"\nSecRule ARGS|REQBODY_ERROR \"@rx b|1\" \"id:2,phase:2,pass\"\n");
  LOADED(waf);
  waf.run(post("text/strange", "a=b"));
  EXPECT_EQ(waf.logged(), (std::vector<std::uint64_t>{1}));
}

}  // namespace
}  // namespace weir::rules::testing
