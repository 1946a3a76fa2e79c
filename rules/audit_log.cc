#include "rules/audit_log.h"

#include <md5.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <utility>

#include "engine/base/json_writer.h"
#include "rules/audit_sanitise.h"
#include "rules/body/message.h"

namespace weir::rules {
namespace {

using base::JsonWriter;
using body::equal_ignoring_case;

constexpr std::string_view kLetters = "ABCDEFGHIJKZ";

struct Calendar {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, weekday = 0;
};

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// The proleptic Gregorian calendar, UTC (days are counted in eras of 400 years, from March on).
Calendar calendar_of(Timestamp t) {
  constexpr std::int64_t kSecond = 1'000'000'000, kDay = 86'400;
  std::int64_t seconds = t.ns / kSecond;
  if (t.ns % kSecond < 0) --seconds;
  std::int64_t days = seconds / kDay;
  std::int64_t rest = seconds % kDay;
  if (rest < 0) rest += kDay, --days;
  Calendar c;
  c.hour = static_cast<int>(rest / 3600);
  c.minute = static_cast<int>(rest / 60 % 60);
  c.second = static_cast<int>(rest % 60);
  c.weekday = static_cast<int>(((days % 7) + 11) % 7);  // 1970-01-01 was a Thursday
  const std::int64_t z = days + 719'468;
  const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const std::int64_t doe = z - era * 146'097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  c.day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  c.month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  c.year = static_cast<int>(yoe + era * 400 + (c.month <= 2 ? 1 : 0));
  return c;
}

// For numbers and short constants only.
__attribute__((format(printf, 1, 2))) std::string print(const char* format, ...) {  // NOLINT
  std::array<char, 160> text{};
  va_list arguments;
  va_start(arguments, format);
  const int n = std::vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  return {text.data(), static_cast<std::size_t>(std::clamp(n, 0, 159))};
}

std::string asctime_of(Timestamp t) {
  const Calendar c = calendar_of(t);
  return print("%s %s %2d %02d:%02d:%02d %d", kDays[static_cast<std::size_t>(c.weekday)],
               kMonths[static_cast<std::size_t>(c.month - 1)], c.day, c.hour, c.minute, c.second,
               c.year);
}

std::string common_log_time(Timestamp t) {
  const Calendar c = calendar_of(t);
  return print("[%02d/%s/%04d:%02d:%02d:%02d +0000]", c.day,
               kMonths[static_cast<std::size_t>(c.month - 1)], c.year, c.hour, c.minute, c.second);
}

std::string md5_of(std::string_view bytes) {
  MD5_CTX context;
  MD5Init(&context);
  MD5Update(&context, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  std::array<std::uint8_t, MD5_DIGEST_LENGTH> digest{};
  MD5Final(digest.data(), &context);
  std::string out;
  for (const std::uint8_t byte : digest) out += print("%02x", byte);
  return out;
}

std::string_view dash_if_empty(std::string_view s) { return s.empty() ? std::string_view("-") : s; }

std::string_view header(std::span<const AuditField> headers, std::string_view name) {
  for (const AuditField& h : headers) {
    if (equal_ignoring_case(h.name, name)) return h.value;
  }
  return {};
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
  for (const auto* field : order) json.field(field->first, field->second);
  json.end_object();
}

void write_message(JsonWriter& json, const AuditMessage& m) {
  json.begin_object();
  json.field("message", m.message);
  json.key("details");
  json.begin_object();
  json.field("match", m.match);
  json.field("reference", m.reference);
  json.field("ruleId", std::to_string(m.rule_id));
  json.field("file", m.file);
  json.field("lineNumber", std::to_string(m.line));
  json.field("data", m.data);
  json.field("severity", std::to_string(m.severity < 0 ? 0 : m.severity));
  json.field("ver", m.version);
  json.field("rev", m.revision);
  json.key("tags");
  json.begin_array();
  for (const std::string_view tag : m.tags) json.string(tag);
  json.end_array();
  json.field("maturity", std::to_string(m.maturity));
  json.field("accuracy", std::to_string(m.accuracy));
  json.end_object();
  json.end_object();
}

// Part I: the fields of the body, without files, as one urlencoded text.
std::string body_without_files(const AuditRecord& r) {
  if (r.files.empty()) return std::string(r.request_body);
  std::string out;
  const auto append = [&out](std::string_view text) {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || c == '*' || c == '-' || c == '.' || c == '_';
      if (plain) {
        out += c;
      } else if (c == ' ') {
        out += '+';
      } else {
        out += print("%%%02x", byte);
      }
    }
  };
  for (const AuditField& a : r.arguments) {
    if (!out.empty()) out += '&';
    append(a.name);
    out += '=';
    append(a.value);
  }
  return out;
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
  for (const std::string_view c : r.components) json.string(c);
  json.end_array();
  json.end_object();
  json.key("messages");
  json.begin_array();
  for (const AuditMessage& m : r.messages) write_message(json, m);
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
    for (const std::uint64_t rule : r.matched_rules) json.number(rule);
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

// Sections of the native format.
class NativeWriter {
 public:
  explicit NativeWriter(std::string_view boundary) : mark_("--" + std::string(boundary) + "-") {}

  void section(char letter) { out_.append(mark_).append(1, letter).append("--\n"); }
  void line(std::string_view text) { out_.append(one_line(text)).append(1, '\n'); }
  void raw(std::string_view text) { out_ += text; }

  // A body, byte for byte, but no line of it can be taken for a section.
  void body(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
      if (text.substr(0, mark_.size()) == mark_) out_ += ' ';
      out_ += text.substr(0, end);
      text.remove_prefix(end);
    }
    if (!out_.empty() && out_.back() != '\n') out_ += '\n';
    out_ += '\n';
  }

  void headers(std::span<const AuditField> fields) {
    for (const AuditField& h : fields) line(std::string(h.name) + ": " + std::string(h.value));
  }

  [[nodiscard]] std::string take() { return std::move(out_); }

  // Line breaks and other control characters, which would start a line of their own, as \xhh.
  static std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if ((byte < 0x20U && c != '\t') || byte == 0x7FU) {
        out += print("\\x%02x", byte);
      } else {
        out += c;
      }
    }
    return out;
  }

 private:
  std::string mark_;
  std::string out_;
};

// A value inside a bracket of a message: [msg "…"].
std::string in_quotes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return NativeWriter::one_line(out);
}

std::string message_line(const AuditMessage& m) {
  std::string out = "Message: " + std::string(m.match);
  const auto add = [&out](const char* name, std::string_view value) {
    out.append(" [").append(name).append(" \"").append(in_quotes(value)).append("\"]");
  };
  add("file", m.file);
  add("line", std::to_string(m.line));
  add("id", std::to_string(m.rule_id));
  if (!m.revision.empty()) add("rev", m.revision);
  if (!m.message.empty()) add("msg", m.message);
  if (!m.data.empty()) add("data", m.data);
  if (m.severity >= 0) add("severity", std::to_string(m.severity));
  if (!m.version.empty()) add("ver", m.version);
  for (const std::string_view tag : m.tags) add("tag", tag);
  return out;
}

std::string native_text(const AuditRecord& r, const AuditParts& parts, std::string_view boundary) {
  NativeWriter out(boundary);
  out.section('A');
  out.line(common_log_time(r.time) + " " + std::string(r.unique_id) + " " +
           std::string(r.client_ip) + " " + std::to_string(r.client_port) + " " +
           std::string(r.host_ip) + " " + std::to_string(r.host_port));
  if (parts.has('B')) {
    out.section('B');
    out.line(std::string(dash_if_empty(r.method)) + " " + std::string(r.uri) + " HTTP/" +
             std::string(r.http_version));
    out.headers(r.request_headers);
    out.raw("\n");
  }
  if (parts.has('C') && !parts.has('I') && !r.request_body.empty()) {
    out.section('C');
    out.body(r.request_body);
  }
  if (parts.has('E') && !r.response_body.empty()) {
    out.section('E');
    out.body(r.response_body);
  }
  if (parts.has('F')) {
    out.section('F');
    out.line("HTTP/" + std::string(r.response_protocol) + " " + std::to_string(r.http_code));
    out.headers(r.response_headers);
    out.raw("\n");
  }
  if (parts.has('H')) {
    out.section('H');
    for (const AuditMessage& m : r.messages) out.line(message_line(m));
    out.line("Producer: " + std::string(r.engine) + ".");
    out.line("Engine-Mode: \"" + in_quotes(r.secrules_engine) + "\"");
    out.raw("\n");
  }
  if (parts.has('I')) {
    const std::string text = body_without_files(r);
    if (!text.empty()) {
      out.section('I');
      out.body(text);
    }
  }
  if (parts.has('J') && !r.files.empty()) {
    out.section('J');
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < r.files.size(); ++i) {
      const AuditFile& f = r.files[i];
      total += f.size;
      out.line(std::to_string(i + 1) + "," + std::to_string(f.size) + ",\"" + in_quotes(f.filename) +
               "\",\"" + in_quotes(f.content_type) + "\"");
    }
    out.line("Total," + std::to_string(total));
    out.raw("\n");
  }
  if (parts.has('K')) {
    out.section('K');
    for (const std::uint64_t rule : r.matched_rules) out.line(std::to_string(rule));
    out.raw("\n");
  }
  out.section('Z');
  out.raw("\n");
  return out.take();
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

bool AuditParts::has(char letter) const { return (bits_ & bit(letter)) != 0; }

std::optional<SanitiseTarget> sanitise_target(std::string_view variable) {
  using List = SanitiseTarget::List;
  const std::size_t colon = variable.find(':');
  if (colon == std::string_view::npos || colon + 1 == variable.size()) return std::nullopt;
  const std::string_view collection = variable.substr(0, colon), name = variable.substr(colon + 1);
  const auto is = [collection](std::string_view s) { return equal_ignoring_case(collection, s); };
  for (const std::string_view c : {"ARGS", "ARGS_NAMES", "ARGS_GET", "ARGS_GET_NAMES", "ARGS_POST",
                                   "ARGS_POST_NAMES", "FILES", "FILES_NAMES"}) {
    if (is(c)) return SanitiseTarget{List::Arguments, name};
  }
  if (is("REQUEST_HEADERS") || is("REQUEST_HEADERS_NAMES")) {
    return SanitiseTarget{List::RequestHeaders, name};
  }
  // A cookie is hidden with its header.
  if (is("REQUEST_COOKIES") || is("REQUEST_COOKIES_NAMES")) {
    return SanitiseTarget{List::RequestHeaders, "Cookie"};
  }
  if (is("RESPONSE_HEADERS") || is("RESPONSE_HEADERS_NAMES")) {
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
    std::string out = NativeWriter::one_line(dash_if_empty(text));
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
                                    AuditFormat format, std::string_view boundary, AuditSink& sink) {
  const std::string content = formatted(record, parts, format, boundary);
  const auto name = sink.store(audit_path(record), content);
  if (!name) return Unexpected(name.error());
  return sink.append(audit_index_line(record, *name, content));
}

}  // namespace weir::rules
