#include "rules/audit_log.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <md5.h>

#include "engine/base/json_writer.h"
#include "rules/audit_sanitise.h"
#include "rules/audit_text.h"
#include "rules/body/message.h"

namespace weir::rules {
namespace {

using audit::asctime_of;
using audit::body_without_files;
using audit::Calendar;
using audit::calendar_of;
using audit::common_log_time;
using audit::dash_if_empty;
using audit::header;
using audit::in_quotes;
using audit::match_text;
using audit::one_line;
using audit::print;
using base::JsonWriter;
using body::equal_ignoring_case;

constexpr std::string_view kLetters = "ABCDEFGHIJKZ";

std::string md5_of(std::string_view bytes) {
  MD5_CTX context;
  MD5Init(&context);
  MD5Update(&context, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  std::array<std::uint8_t, MD5_DIGEST_LENGTH> digest{};
  MD5Final(digest.data(), &context);
  std::string out;
  for (const std::uint8_t byte : digest)
    out += print("%02x", byte);
  return out;
}

// A version such as "1.1" is a number in ModSecurity 3's JSON; whatever else was sent is a string.
void write_version(JsonWriter& json, std::string_view version) {
  json.key("http_version");
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() == 3 && digit(version[0]) && version[1] == '.' && digit(version[2])) {
    json.number((version[0] - '0') + (version[2] - '0') / 10.0);
  } else {
    json.string(version);
  }
}

// An object with a key for each name: repeats are joined, since many readers keep only one of them.
void write_headers(JsonWriter& json, std::span<const AuditField> headers) {
  json.key("headers");
  json.begin_object();
  std::map<std::string, std::pair<std::string_view, std::string>> joined;
  std::vector<const std::pair<std::string_view, std::string>*> order;
  for (const AuditField& h : headers) {
    std::string name(h.name);
    std::transform(name.begin(), name.end(), name.begin(), body::ascii_lower);
    const auto [at, fresh] = joined.try_emplace(std::move(name), h.name, std::string(h.value));
    if (fresh) {
      order.push_back(&at->second);
    } else {
      at->second.second.append(", ").append(h.value);
    }
  }
  for (const auto* field : order)
    json.field(field->first, field->second);
  json.end_object();
}

void write_message(JsonWriter& json, const AuditMessage& m) {
  json.begin_object();
  json.field("message", m.message);
  json.key("details");
  json.begin_object();
  json.field("match", match_text(m));
  json.field("reference", "");  // places inside the value: nobody needs them
  json.field("ruleId", std::to_string(m.rule_id));
  json.field("file", m.file);
  json.field("lineNumber", std::to_string(m.line));
  json.field("data", m.data);
  json.field("severity", std::to_string(m.severity < 0 ? 0 : m.severity));
  json.field("ver", m.version);
  json.field("rev", m.revision);
  json.key("tags");
  json.begin_array();
  for (const std::string_view tag : m.tags)
    json.string(tag);
  json.end_array();
  json.field("maturity", std::to_string(m.maturity));
  json.field("accuracy", std::to_string(m.accuracy));
  json.end_object();
  json.end_object();
}

void write_request(JsonWriter& json, const AuditRecord& r, const AuditParts& parts) {
  json.key("request");
  json.begin_object();
  json.field("method", dash_if_empty(r.method));
  write_version(json, r.http_version);
  json.field("uri", r.uri);
  if (parts.has('I')) {
    json.field("body", body_without_files(r));
  } else if (parts.has('C')) {
    json.field("body", r.request_body);
  }
  if (parts.has('B')) write_headers(json, r.request_headers);
  json.end_object();
}

void write_response(JsonWriter& json, const AuditRecord& r, const AuditParts& parts) {
  json.key("response");
  json.begin_object();
  if (parts.has('E')) json.field("body", r.response_body);
  json.field("http_code", r.http_code);
  if (parts.has('F')) write_headers(json, r.response_headers);
  json.end_object();
}

void write_trailer(JsonWriter& json, const AuditRecord& r) {
  json.key("producer");
  json.begin_object();
  json.field("modsecurity", r.engine);
  json.field("connector", r.connector);
  json.field("secrules_engine", r.secrules_engine);
  json.key("components");
  json.begin_array();
  for (const std::string_view c : r.components)
    json.string(c);
  json.end_array();
  json.end_object();
  json.key("messages");
  json.begin_array();
  for (const AuditMessage& m : r.messages)
    write_message(json, m);
  json.end_array();
}

void write_files_and_rules(JsonWriter& json, const AuditRecord& r, const AuditParts& parts) {
  if (parts.has('J') && !r.files.empty()) {
    json.key("files");
    json.begin_array();
    for (const AuditFile& f : r.files) {
      json.begin_object();
      json.field("name", f.name);
      json.field("filename", f.filename);
      json.field("content_type", f.content_type);
      json.field("size", f.size);
      json.end_object();
    }
    json.end_array();
  }
  if (parts.has('K')) {
    json.key("matched_rules");
    json.begin_array();
    for (const std::uint64_t rule : r.matched_rules)
      json.number(rule);
    json.end_array();
  }
}

std::string json_line(const AuditRecord& r, const AuditParts& parts) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("transaction");
  json.begin_object();
  json.field("client_ip", r.client_ip);
  json.field("time_stamp", asctime_of(r.time));
  json.field("server_id", r.server_id);
  json.field("client_port", r.client_port);
  json.field("host_ip", r.host_ip);
  json.field("host_port", r.host_port);
  json.field("unique_id", r.unique_id);
  write_request(json, r, parts);
  write_response(json, r, parts);
  if (parts.has('H')) write_trailer(json, r);
  write_files_and_rules(json, r, parts);
  json.end_object();
  json.end_object();
  out += '\n';
  return out;
}

std::string formatted(const AuditRecord& record, const AuditParts& parts, AuditFormat format,
                      std::string_view boundary) {
  return format == AuditFormat::Json ? format_audit_json(record, parts)
                                     : format_audit_native(record, parts, boundary);
}

}  // namespace

std::optional<AuditParts> AuditParts::parse(std::string_view letters) {
  AuditParts out;
  out.bits_ = bit('A') | bit('Z');
  for (const char c : letters) {
    if (kLetters.find(c) == std::string_view::npos) return std::nullopt;
    out.bits_ |= bit(c);
  }
  return out;
}

bool AuditParts::apply(std::string_view change) {
  const char sign = change.empty() ? '\0' : change.front();
  if (sign == '+' || sign == '-') change.remove_prefix(1);
  const auto parsed = parse(change);
  if (!parsed || change.empty()) return false;
  if (sign == '+') {
    bits_ |= parsed->bits_;
  } else if (sign == '-') {
    bits_ = (bits_ & ~parsed->bits_) | bit('A') | bit('Z');
  } else {
    bits_ = parsed->bits_;
  }
  return true;
}

bool AuditParts::has(char letter) const {
  return (bits_ & bit(letter)) != 0;
}

std::optional<SanitiseTarget> sanitise_target(std::string_view variable) {
  using List = SanitiseTarget::List;
  const std::size_t colon = variable.find(':');
  const bool has_key = colon != std::string_view::npos;
  const std::string_view collection = variable.substr(0, colon);
  const std::string_view name = has_key ? variable.substr(colon + 1) : std::string_view();
  const auto is_one_of = [collection](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [collection](std::string_view s) {
      return equal_ignoring_case(collection, s);
    });
  };
  if (is_one_of({"REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_LINE", "QUERY_STRING",
                 "REQUEST_FILENAME", "REQUEST_BASENAME", "PATH_INFO"})) {
    return SanitiseTarget{List::Uri, {}};
  }
  if (is_one_of({"REQUEST_BODY", "XML", "FILES_TMP_CONTENT", "MULTIPART_PART_HEADERS"})) {
    return SanitiseTarget{List::RequestBody, {}};
  }
  if (is_one_of({"RESPONSE_BODY"})) return SanitiseTarget{List::ResponseBody, {}};
  if (!has_key) return std::nullopt;
  // A parameter may have no name: "ARGS:".
  if (is_one_of({"ARGS", "ARGS_NAMES", "ARGS_GET", "ARGS_GET_NAMES", "ARGS_POST", "ARGS_POST_NAMES",
                 "FILES", "FILES_NAMES"})) {
    return SanitiseTarget{List::Arguments, name};
  }
  // A cookie is hidden with its header.
  if (is_one_of({"REQUEST_COOKIES", "REQUEST_COOKIES_NAMES"})) {
    return SanitiseTarget{List::RequestHeaders, "Cookie"};
  }
  if (name.empty()) return std::nullopt;
  if (is_one_of({"REQUEST_HEADERS", "REQUEST_HEADERS_NAMES"})) {
    return SanitiseTarget{List::RequestHeaders, name};
  }
  if (is_one_of({"RESPONSE_HEADERS", "RESPONSE_HEADERS_NAMES"})) {
    return SanitiseTarget{List::ResponseHeaders, name};
  }
  return std::nullopt;
}

std::string format_audit_json(const AuditRecord& record, const AuditParts& parts) {
  const SanitisedRecord sanitised(record);
  return json_line(sanitised.get(), parts);
}

std::string format_audit_native(const AuditRecord& record, const AuditParts& parts,
                                std::string_view boundary) {
  const SanitisedRecord sanitised(record);
  return native_text(sanitised.get(), parts, boundary);
}

std::string audit_path(const AuditRecord& record) {
  const Calendar c = calendar_of(record.time);
  const std::string day = print("%04d%02d%02d", c.year, c.month, c.day);
  const std::string minute = day + print("-%02d%02d", c.hour, c.minute);
  std::string path = day + "/" + minute + "/" + minute + print("%02d-", c.second);
  for (const char ch : record.unique_id.substr(0, 128)) {
    const bool plain = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                       (ch >= 'A' && ch <= 'Z') || ch == '-' || ch == '_' || ch == '@';
    path += plain ? ch : '_';
  }
  return path;
}

std::string audit_index_line(const AuditRecord& record, std::string_view path,
                             std::string_view content) {
  const SanitisedRecord sanitised(record);
  const AuditRecord& r = sanitised.get();
  const auto field = [](std::string_view text) {
    // One word: a blank would shift all fields behind it.
    std::string out = one_line(dash_if_empty(text));
    std::replace(out.begin(), out.end(), ' ', '_');
    std::replace(out.begin(), out.end(), '\t', '_');
    return out;
  };
  std::string out = field(header(r.request_headers, "Host")) + " " + field(r.client_ip) + " - - " +
                    common_log_time(r.time) + " \"";
  out += in_quotes(dash_if_empty(r.method)) + " " + in_quotes(r.uri) + " HTTP/" +
         in_quotes(r.http_version) + "\" ";
  out += std::to_string(r.http_code) + " " + std::to_string(r.response_bytes) + " \"";
  out += in_quotes(dash_if_empty(header(r.request_headers, "Referer"))) + "\" \"";
  out += in_quotes(dash_if_empty(header(r.request_headers, "User-Agent"))) + "\" ";
  out += field(r.unique_id) + " \"-\" " + field(path) + " 0 " + std::to_string(content.size()) +
         " md5:" + md5_of(content) + "\n";
  return out;
}

Result<void> write_audit_serial(const AuditRecord& record, const AuditParts& parts,
                                AuditFormat format, std::string_view boundary, AuditSink& sink) {
  return sink.append(formatted(record, parts, format, boundary));
}

Result<void> write_audit_concurrent(const AuditRecord& record, const AuditParts& parts,
                                    AuditFormat format, std::string_view boundary,
                                    AuditSink& sink) {
  const std::string content = formatted(record, parts, format, boundary);
  const auto name = sink.store(audit_path(record), content);
  if (!name) return Unexpected(name.error());
  return sink.append(audit_index_line(record, *name, content));
}

}  // namespace weir::rules
