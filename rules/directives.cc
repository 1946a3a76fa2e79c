#include "rules/directives.h"

#include <array>
#include <cstddef>

namespace weir::rules {

namespace {

constexpr std::string_view kStoreInMemory = "where persistent collections are kept is the command line's or configuration's matter (--collections)";
constexpr std::string_view kOwnLog = "Weir's own log is set up in its configuration";
constexpr std::string_view kInterceptOnError =
    "a rule that fails while it runs counts as not matching";
constexpr std::string_view kBodiesInMemory =
    "Weir keeps bodies in memory, up to SecRequestBodyLimit";
constexpr std::string_view kNoContexts = "Weir has one rule set, and nothing to inherit from";
constexpr std::string_view kMetrics = "Weir measures rules in its metrics";
constexpr std::string_view kNotAServer = "Weir is not the web server";
constexpr std::string_view kStatusEngine = "Weir reports to nobody";
constexpr std::string_view kStream = "Weir inspects parsed bodies and does not rewrite the stream";
constexpr std::string_view kNoLookups = "Weir asks no name server for each request: @rbl never matches";
constexpr std::string_view kNoFiles = "Weir stores no uploaded file";
constexpr std::string_view kKeepFiles =
    "Weir stores no uploaded file; put body parts into the audit log";
constexpr std::string_view kExternalEntity = "Weir never fetches what an XML body refers to";
constexpr std::string_view kConnections =
    "connections are limited in Weir's configuration, for all protocols alike";
constexpr std::string_view kDecompresses = "Weir decompresses a copy of the response to inspect it";
constexpr std::string_view kAlwaysCaches = "Weir shares transformed values between rules by itself";
constexpr std::string_view kContentInjection = "Weir does not rewrite pages that it lets through";
constexpr std::string_view kExternalProgram = "Weir starts no program while it judges traffic";
constexpr std::string_view kIgnoreErrors =
    "a rule set with errors is never loaded in part; remove the faulty rules";
constexpr std::string_view kPrefilter =
    "Weir always looks ahead with Hyperscan, without changing verdicts";
constexpr std::string_view kHash =
    "Weir does not rewrite the links in pages, which the hash engine needs";
constexpr std::string_view kRemoteRules =
    "rules come from files; fetch them with a tool that checks signatures, then reload";
constexpr std::string_view kLua = "Weir has no Lua; write the check as a SecRule";
constexpr std::string_view kSafeBrowsing =
    "the local Safe Browsing database is no longer published";

// clang-format off
constexpr auto make_table() {
  using D = Directive;
  using F = ArgumentForm;
  using S = Standing;
  return std::array<DirectiveFacts, 81>{{
    {D::SecArgumentSeparator, "SecArgumentSeparator", 1, 1, F::OneCharacter, S::Supported, {}},
    {D::SecArgumentsLimit, "SecArgumentsLimit", 1, 1, F::Number, S::Supported, {}},
    {D::SecAuditEngine, "SecAuditEngine", 1, 1, F::RelevantOnly, S::Supported, {}},
    {D::SecAuditLog, "SecAuditLog", 1, 1, F::Any, S::Supported, {}},
    {D::SecAuditLog2, "SecAuditLog2", 1, 1, F::Any, S::Supported, {}},
    {D::SecAuditLogDirMode, "SecAuditLogDirMode", 1, 1, F::FileMode, S::Supported, {}},
    {D::SecAuditLogFileMode, "SecAuditLogFileMode", 1, 1, F::FileMode, S::Supported, {}},
    {D::SecAuditLogFormat, "SecAuditLogFormat", 1, 1, F::AuditFormat, S::Supported, {}},
    {D::SecAuditLogParts, "SecAuditLogParts", 1, 1, F::AuditParts, S::Supported, {}},
    {D::SecAuditLogRelevantStatus, "SecAuditLogRelevantStatus", 1, 1, F::Any, S::Supported, {}},
    {D::SecAuditLogStorageDir, "SecAuditLogStorageDir", 1, 1, F::Any, S::Supported, {}},
    {D::SecAuditLogType, "SecAuditLogType", 1, 1, F::AuditType, S::Supported, {}},
    {D::SecCollectionTimeout, "SecCollectionTimeout", 1, 1, F::Number, S::Supported, {}},
    {D::SecComponentSignature, "SecComponentSignature", 1, 1, F::Any, S::Supported, {}},
    {D::SecCookieFormat, "SecCookieFormat", 1, 1, F::CookieFormat, S::Supported, {}},
    {D::SecCookieV0Separator, "SecCookieV0Separator", 1, 1, F::OneCharacter, S::Supported, {}},
    {D::SecDataDir, "SecDataDir", 1, 1, F::Any, S::WithoutEffect, kStoreInMemory},
    {D::SecDebugLog, "SecDebugLog", 1, 1, F::Any, S::WithoutEffect, kOwnLog},
    {D::SecDebugLogLevel, "SecDebugLogLevel", 1, 1, F::NumberOrZero, S::WithoutEffect, kOwnLog},
    {D::SecGeoLookupDb, "SecGeoLookupDb", 1, 1, F::Any, S::Supported, {}},
    {D::SecHttpBlKey, "SecHttpBlKey", 1, 1, F::Any, S::WithoutEffect, kNoLookups},
    {D::SecInterceptOnError, "SecInterceptOnError", 1, 1, F::OnOff, S::OffOnly, kInterceptOnError},
    {D::SecParseXmlIntoArgs, "SecParseXmlIntoArgs", 1, 1, F::OnlyArgs, S::Supported, {}},
    {D::SecPcreMatchLimit, "SecPcreMatchLimit", 1, 1, F::Number, S::Supported, {}},
    {D::SecPcreMatchLimitRecursion, "SecPcreMatchLimitRecursion", 1, 1,
     F::Number, S::Supported, {}},
    {D::SecRequestBodyAccess, "SecRequestBodyAccess", 1, 1, F::OnOff, S::Supported, {}},
    {D::SecRequestBodyInMemoryLimit, "SecRequestBodyInMemoryLimit", 1, 1,
     F::Number, S::WithoutEffect, kBodiesInMemory},
    {D::SecRequestBodyJsonDepthLimit, "SecRequestBodyJsonDepthLimit", 1, 1,
     F::Number, S::Supported, {}},
    {D::SecRequestBodyLimit, "SecRequestBodyLimit", 1, 1, F::Number, S::Supported, {}},
    {D::SecRequestBodyLimitAction, "SecRequestBodyLimitAction", 1, 1,
     F::LimitAction, S::Supported, {}},
    {D::SecRequestBodyNoFilesLimit, "SecRequestBodyNoFilesLimit", 1, 1,
     F::Number, S::Supported, {}},
    {D::SecResponseBodyAccess, "SecResponseBodyAccess", 1, 1, F::OnOff, S::Supported, {}},
    {D::SecResponseBodyLimit, "SecResponseBodyLimit", 1, 1, F::Number, S::Supported, {}},
    {D::SecResponseBodyLimitAction, "SecResponseBodyLimitAction", 1, 1,
     F::LimitAction, S::Supported, {}},
    {D::SecResponseBodyMimeType, "SecResponseBodyMimeType", 1, kAnyNumber,
     F::Any, S::Supported, {}},
    {D::SecResponseBodyMimeTypesClear, "SecResponseBodyMimeTypesClear", 0, 0,
     F::Any, S::Supported, {}},
    {D::SecRuleEngine, "SecRuleEngine", 1, 1, F::Engine, S::Supported, {}},
    {D::SecRuleInheritance, "SecRuleInheritance", 1, 1, F::OnOff, S::WithoutEffect, kNoContexts},
    {D::SecRulePerfTime, "SecRulePerfTime", 1, 1, F::Any, S::WithoutEffect, kMetrics},
    {D::SecRuleRemoveById, "SecRuleRemoveById", 1, kAnyNumber, F::Any, S::Supported, {}},
    {D::SecRuleRemoveByMsg, "SecRuleRemoveByMsg", 1, kAnyNumber, F::Any, S::Supported, {}},
    {D::SecRuleRemoveByTag, "SecRuleRemoveByTag", 1, kAnyNumber, F::Any, S::Supported, {}},
    {D::SecRuleUpdateActionById, "SecRuleUpdateActionById", 2, 2, F::Any, S::Supported, {}},
    {D::SecRuleUpdateTargetById, "SecRuleUpdateTargetById", 2, 3, F::Any, S::Supported, {}},
    {D::SecRuleUpdateTargetByMsg, "SecRuleUpdateTargetByMsg", 2, 3, F::Any, S::Supported, {}},
    {D::SecRuleUpdateTargetByTag, "SecRuleUpdateTargetByTag", 2, 3, F::Any, S::Supported, {}},
    {D::SecSensorId, "SecSensorId", 1, 1, F::Any, S::Supported, {}},
    {D::SecServerSignature, "SecServerSignature", 1, 1, F::Any, S::WithoutEffect, kNotAServer},
    {D::SecStatusEngine, "SecStatusEngine", 1, 1, F::OnOff, S::OffOnly, kStatusEngine},
    {D::SecStreamInBodyInspection, "SecStreamInBodyInspection", 1, 1,
     F::OnOff, S::OffOnly, kStream},
    {D::SecStreamOutBodyInspection, "SecStreamOutBodyInspection", 1, 1,
     F::OnOff, S::OffOnly, kStream},
    {D::SecTmpDir, "SecTmpDir", 1, 1, F::Any, S::WithoutEffect, kNoFiles},
    {D::SecTmpSaveUploadedFiles, "SecTmpSaveUploadedFiles", 1, 1,
     F::OnOff, S::WithoutEffect, kNoFiles},
    {D::SecUnicodeMapFile, "SecUnicodeMapFile", 1, 2, F::Any, S::Supported, {}},
    {D::SecUploadDir, "SecUploadDir", 1, 1, F::Any, S::WithoutEffect, kNoFiles},
    {D::SecUploadFileLimit, "SecUploadFileLimit", 1, 1, F::Number, S::Supported, {}},
    {D::SecUploadFileMode, "SecUploadFileMode", 1, 1, F::FileMode, S::WithoutEffect, kNoFiles},
    {D::SecUploadKeepFiles, "SecUploadKeepFiles", 1, 1, F::RelevantOnly, S::OffOnly, kKeepFiles},
    {D::SecWebAppId, "SecWebAppId", 1, 1, F::Any, S::Supported, {}},
    {D::SecXmlExternalEntity, "SecXmlExternalEntity", 1, 1, F::OnOff, S::OffOnly, kExternalEntity},
    {D::SecConnEngine, "SecConnEngine", 1, 1, F::Engine, S::WithoutEffect, kConnections},
    {D::SecConnReadStateLimit, "SecConnReadStateLimit", 1, 2,
     F::Any, S::WithoutEffect, kConnections},
    {D::SecConnWriteStateLimit, "SecConnWriteStateLimit", 1, 2,
     F::Any, S::WithoutEffect, kConnections},
    {D::SecReadStateLimit, "SecReadStateLimit", 1, 2, F::Any, S::WithoutEffect, kConnections},
    {D::SecWriteStateLimit, "SecWriteStateLimit", 1, 2, F::Any, S::WithoutEffect, kConnections},
    {D::SecDisableBackendCompression, "SecDisableBackendCompression", 1, 1,
     F::OnOff, S::WithoutEffect, kDecompresses},
    {D::SecCacheTransformations, "SecCacheTransformations", 1, 2,
     F::Any, S::WithoutEffect, kAlwaysCaches},
    {D::SecChrootDir, "SecChrootDir", 1, 1, F::Any, S::WithoutEffect, kNotAServer},
    {D::SecContentInjection, "SecContentInjection", 1, 1, F::OnOff, S::OffOnly, kContentInjection},
    {D::SecGuardianLog, "SecGuardianLog", 1, 2, F::Any, S::LeftOut, kExternalProgram},
    {D::SecIgnoreRuleCompilationErrors, "SecIgnoreRuleCompilationErrors", 1, 1,
     F::OnOff, S::OffOnly, kIgnoreErrors},
    {D::SecRxPreFilter, "SecRxPreFilter", 1, 1, F::OnOff, S::WithoutEffect, kPrefilter},
    {D::SecHashEngine, "SecHashEngine", 1, 1, F::OnOff, S::OffOnly, kHash},
    {D::SecHashKey, "SecHashKey", 1, 2, F::Any, S::LeftOut, kHash},
    {D::SecHashMethodPm, "SecHashMethodPm", 1, 2, F::Any, S::LeftOut, kHash},
    {D::SecHashMethodRx, "SecHashMethodRx", 1, 2, F::Any, S::LeftOut, kHash},
    {D::SecHashParam, "SecHashParam", 1, 1, F::Any, S::LeftOut, kHash},
    {D::SecRemoteRules, "SecRemoteRules", 2, 3, F::Any, S::LeftOut, kRemoteRules},
    {D::SecRemoteRulesFailAction, "SecRemoteRulesFailAction", 1, 1,
     F::Any, S::LeftOut, kRemoteRules},
    {D::SecRuleScript, "SecRuleScript", 1, 2, F::Any, S::LeftOut, kLua},
    {D::SecGsbLookupDb, "SecGsbLookupDb", 1, 1, F::Any, S::LeftOut, kSafeBrowsing},
  }};
}

// clang-format on

constexpr auto kTable = make_table();

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].directive) != i) return false;
  }
  return true;
}
static_assert(in_order());

struct OtherLeftOut {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kPdf = "ModSecurity itself dropped it in version 2.6";

// Known to ModSecurity or Coraza, without an enumerator here.
constexpr std::array kOthersLeftOut = {
    OtherLeftOut{"SecUnicodeCodePage", "name the code page in SecUnicodeMapFile"},
    OtherLeftOut{"SecRequestEncoding", "Weir inspects bytes, whatever the encoding"},
    OtherLeftOut{"SecDataset", "put the phrases into a file for @pmFromFile"},
    OtherLeftOut{"SecEncryptionEngine", kHash},
    OtherLeftOut{"SecEncryptionKey", kHash},
    OtherLeftOut{"SecFilter", "this is a directive of ModSecurity 1"},
    OtherLeftOut{"SecFilterEngine", "this is a directive of ModSecurity 1"},
    OtherLeftOut{"SecFilterSelective", "this is a directive of ModSecurity 1"},
    OtherLeftOut{"SecPdfProtect", kPdf},
    OtherLeftOut{"SecPdfProtectMethod", kPdf},
    OtherLeftOut{"SecPdfProtectSecret", kPdf},
    OtherLeftOut{"SecPdfProtectTimeout", kPdf},
    OtherLeftOut{"SecPdfProtectTokenName", kPdf},
};

bool is_number(std::string_view text, bool zero) {
  if (text.empty() || text.size() > 10) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value <= 0x7fffffff && (zero || value > 0);
}

bool is_mode(std::string_view text) {
  if (same_name(text, "default")) return true;
  if (text.empty() || text.size() > 5) return false;
  return text.find_first_not_of("01234567") == std::string_view::npos;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (same_name(text, word)) return true;
  }
  return false;
}

}  // namespace

DirectiveTable directive_facts() {
  return {kTable.data(), kTable.data() + kTable.size()};
}

const DirectiveFacts& facts_of(Directive d) {
  return kTable[static_cast<std::size_t>(d)];
}

std::string_view directive_left_out(std::string_view name) {
  for (const OtherLeftOut& other : kOthersLeftOut) {
    if (same_name(other.name, name)) return other.why;
  }
  for (const DirectiveFacts& facts : kTable) {
    if (facts.standing == Standing::LeftOut && same_name(facts.name, name)) return facts.why;
  }
  return {};
}

bool has_form(ArgumentForm form, std::string_view argument) {
  switch (form) {
    case ArgumentForm::Any:
      return true;
    case ArgumentForm::OnOff:
      return is_one_of(argument, {"On", "Off"});
    case ArgumentForm::Engine:
      return is_one_of(argument, {"On", "Off", "DetectionOnly"});
    case ArgumentForm::RelevantOnly:
      return is_one_of(argument, {"On", "Off", "RelevantOnly"});
    case ArgumentForm::OnlyArgs:
      return is_one_of(argument, {"On", "Off", "OnlyArgs"});
    case ArgumentForm::LimitAction:
      return is_one_of(argument, {"Reject", "ProcessPartial"});
    case ArgumentForm::AuditType:
      return is_one_of(argument, {"Serial", "Concurrent", "Parallel", "HTTPS"});
    case ArgumentForm::AuditFormat:
      return is_one_of(argument, {"JSON", "Native"});
    case ArgumentForm::AuditParts:
      return !argument.empty() &&
             argument.find_first_not_of("ABCDEFGHIJKZ") == std::string_view::npos;
    case ArgumentForm::CookieFormat:
      return argument == "0" || argument == "1";
    case ArgumentForm::OneCharacter:
      return argument.size() == 1;
    case ArgumentForm::Number:
      return is_number(argument, false);
    case ArgumentForm::NumberOrZero:
      return is_number(argument, true);
    case ArgumentForm::FileMode:
      return is_mode(argument);
  }
  return false;
}

std::string_view form_in_words(ArgumentForm form) {
  switch (form) {
    case ArgumentForm::Any:
      return "anything";
    case ArgumentForm::OnOff:
      return "On or Off";
    case ArgumentForm::Engine:
      return "On, Off or DetectionOnly";
    case ArgumentForm::RelevantOnly:
      return "On, Off or RelevantOnly";
    case ArgumentForm::OnlyArgs:
      return "On, Off or OnlyArgs";
    case ArgumentForm::LimitAction:
      return "Reject or ProcessPartial";
    case ArgumentForm::AuditType:
      return "Serial, Concurrent or HTTPS";
    case ArgumentForm::AuditFormat:
      return "JSON or Native";
    case ArgumentForm::AuditParts:
      return "letters from A to K, and Z";
    case ArgumentForm::CookieFormat:
      return "0 or 1";
    case ArgumentForm::OneCharacter:
      return "one character";
    case ArgumentForm::Number:
      return "a number from 1 to 2147483647";
    case ArgumentForm::NumberOrZero:
      return "a number from 0 to 2147483647";
    case ArgumentForm::FileMode:
      return "an octal mode such as 0640, or default";
  }
  return {};
}

}  // namespace weir::rules
