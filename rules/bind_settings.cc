// Directives that set a value. Their arguments' form was checked by the parser (directives.h).

#include <algorithm>

#include "rules/ascii.h"
#include "rules/bind_detail.h"
#include "rules/include.h"
#include "rules/reporter.h"

namespace weir::rules::binding {

namespace {

bool on(const std::string& text) { return fold_equal(text, "on"); }

std::uint64_t number(const std::string& text) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, leading_integer(text)));
}

std::uint32_t number32(const std::string& text) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(number(text), UINT32_MAX));
}

LimitAction limit_action(const std::string& text) {
  return fold_equal(text, "ProcessPartial") ? LimitAction::ProcessPartial : LimitAction::Reject;
}

void mime_types(const std::vector<std::string>& arguments, Settings& out) {
  // The first of these directives replaces the defaults; later ones add.
  if (!out.response_mime_types_given) out.response_mime_types.clear();
  out.response_mime_types_given = true;
  for (const std::string& a : arguments) {
    std::string type = lower(a);
    if (const std::size_t parameter = type.find(';'); parameter != std::string::npos) {
      type.resize(parameter);
    }
    out.response_mime_types.push_back(std::move(type));
  }
}

bool audit_setting(Directive d, const std::string& a, AuditSettings& out) {
  switch (d) {
    case Directive::SecAuditEngine:
      out.engine = on(a) ? AuditEngine::On
                   : fold_equal(a, "RelevantOnly") ? AuditEngine::RelevantOnly : AuditEngine::Off;
      return true;
    case Directive::SecAuditLog: out.log = a; return true;
    case Directive::SecAuditLog2: out.log2 = a; return true;
    case Directive::SecAuditLogDirMode: out.directory_mode = a; return true;
    case Directive::SecAuditLogFileMode: out.file_mode = a; return true;
    case Directive::SecAuditLogFormat: out.format = a; return true;
    case Directive::SecAuditLogParts: out.parts = a; return true;
    case Directive::SecAuditLogRelevantStatus: out.relevant_status = a; return true;
    case Directive::SecAuditLogStorageDir: out.storage_directory = a; return true;
    case Directive::SecAuditLogType: out.type = a; return true;
    default: return false;
  }
}

bool limit_setting(Directive d, const std::string& a, Settings& out) {
  switch (d) {
    case Directive::SecRequestBodyLimit: out.request_body_limit = number(a); return true;
    case Directive::SecRequestBodyNoFilesLimit:
      out.request_body_no_files_limit = number(a);
      return true;
    case Directive::SecRequestBodyLimitAction:
      out.request_body_limit_action = limit_action(a);
      return true;
    case Directive::SecResponseBodyLimit: out.response_body_limit = number(a); return true;
    case Directive::SecResponseBodyLimitAction:
      out.response_body_limit_action = limit_action(a);
      return true;
    case Directive::SecRequestBodyJsonDepthLimit: out.body.json_depth = number32(a); return true;
    case Directive::SecArgumentsLimit: out.body.arguments = number32(a); return true;
    case Directive::SecUploadFileLimit: out.body.files = number32(a); return true;
    case Directive::SecPcreMatchLimit: out.pcre.match = number32(a); return true;
    case Directive::SecPcreMatchLimitRecursion: out.pcre.depth = number32(a); return true;
    case Directive::SecCollectionTimeout:
      out.collection_timeout = seconds(static_cast<std::int64_t>(number32(a)));
      return true;
    default: return false;
  }
}

bool text_setting(Directive d, const syntax::Setting& s, Settings& out) {
  const std::string& a = s.arguments.front();
  switch (d) {
    case Directive::SecDataDir: out.data_directory = a; return true;
    case Directive::SecWebAppId: out.web_app_id = a; return true;
    case Directive::SecSensorId: out.sensor_id = a; return true;
    case Directive::SecServerSignature: out.server_signature = a; return true;
    case Directive::SecComponentSignature: out.component_signatures.push_back(a); return true;
    case Directive::SecResponseBodyMimeType: mime_types(s.arguments, out); return true;
    case Directive::SecArgumentSeparator:
      out.body.argument_separator = a.empty() ? '&' : a.front();
      return true;
    case Directive::SecCookieV0Separator:
      if (!a.empty()) out.cookie_separator = a.front();
      return true;
    default: return false;
  }
}

}  // namespace

bool bind_setting(const syntax::Setting& s, Settings& out, Messages& messages) {
  if (s.directive == Directive::SecResponseBodyMimeTypesClear) {
    out.response_mime_types.clear();
    out.response_mime_types_given = true;
    return true;
  }
  if (s.arguments.empty()) return false;
  const std::string& a = s.arguments.front();
  if (audit_setting(s.directive, a, out.audit) || limit_setting(s.directive, a, out) ||
      text_setting(s.directive, s, out)) {
    return true;
  }
  switch (s.directive) {
    case Directive::SecRuleEngine:
      out.engine = on(a) ? EngineMode::On
                   : fold_equal(a, "DetectionOnly") ? EngineMode::DetectionOnly : EngineMode::Off;
      return true;
    case Directive::SecRequestBodyAccess: out.request_body_access = on(a); return true;
    case Directive::SecResponseBodyAccess: out.response_body_access = on(a); return true;
    case Directive::SecCookieFormat: out.cookie_format = a == "1" ? 1 : 0; return true;
    case Directive::SecParseXmlIntoArgs:
      out.xml_into_args = on(a) ? Settings::XmlArgs::On
                          : fold_equal(a, "OnlyArgs") ? Settings::XmlArgs::OnlyArgs
                                                      : Settings::XmlArgs::Off;
      return true;
    case Directive::SecGeoLookupDb:
      out.geo_database =
          syntax::beside(syntax::directory_of(messages.unit().files[s.position.file]), a);
      return true;
    case Directive::SecUnicodeMapFile:
      out.unicode_map_file =
          syntax::beside(syntax::directory_of(messages.unit().files[s.position.file]), a);
      if (s.arguments.size() > 1) {
        out.unicode_code_page = number32(s.arguments[1]);
      } else if (const std::size_t blank = a.find(' '); blank != std::string::npos) {
        out.unicode_map_file.resize(out.unicode_map_file.size() - (a.size() - blank));
        out.unicode_code_page = number32(a.substr(blank + 1));
      }
      if (!syntax::read_file(out.unicode_map_file, std::size_t{16} << 20)) {
        messages.error(s.argument_positions.empty() ? s.position : s.argument_positions[0],
                       "missing-data-file", "cannot read the Unicode map " +
                                                syntax::quoted(out.unicode_map_file));
      }
      return true;
    default: return false;
  }
}

void load_unicode_map(Program& program, const LoadOptions& options) {
  std::vector<std::string> places;
  if (!program.settings.unicode_map_file.empty()) {
    places.push_back(program.settings.unicode_map_file);
  } else if (!options.unicode_map_file.empty()) {
    places.push_back(options.unicode_map_file);
  } else {
    places = {"/etc/modsecurity/unicode.mapping", "/usr/share/modsecurity-crs/unicode.mapping"};
  }
  for (const std::string& place : places) {
    const auto text = syntax::read_file(place, std::size_t{16} << 20);
    if (!text) continue;
    auto map = std::make_unique<UnicodeMap>();
    if (parse_unicode_map(*text, program.settings.unicode_code_page, *map)) {
      program.unicode = std::move(map);
      return;
    }
  }
}

}  // namespace weir::rules::binding
