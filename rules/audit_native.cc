// The sections of the native format.

#include <algorithm>
#include <utility>

#include "rules/audit_text.h"

namespace weir::rules {
namespace {

using audit::body_without_files;
using audit::common_log_time;
using audit::dash_if_empty;
using audit::in_quotes;
using audit::match_text;
using audit::one_line;

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
    for (const AuditField& h : fields)
      line(std::string(h.name) + ": " + std::string(h.value));
  }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string mark_;
  std::string out_;
};

// As ModSecurity 2 begins its messages, which programs that read them go by.
std::string outcome(const AuditMessage& m) {
  if (!m.intercepted) return "Warning. ";
  const std::string phase = " (phase " + std::to_string(m.phase) + "). ";
  if (m.status == 0) return "Access denied with connection close" + phase;
  return "Access denied with code " + std::to_string(m.status) + phase;
}

std::string message_line(const AuditMessage& m) {
  std::string out = "Message: " + outcome(m) + match_text(m);
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
  for (const std::string_view tag : m.tags)
    add("tag", tag);
  return out;
}

}  // namespace

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
    for (const AuditMessage& m : r.messages)
      out.line(message_line(m));
    if (r.intercepted_phase != 0) {
      out.line("Action: Intercepted (phase " + std::to_string(r.intercepted_phase) + ")");
    }
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
      out.line(std::to_string(i + 1) + "," + std::to_string(f.size) + ",\"" +
               in_quotes(f.filename) + "\",\"" + in_quotes(f.content_type) + "\"");
    }
    out.line("Total," + std::to_string(total));
    out.raw("\n");
  }
  if (parts.has('K')) {
    out.section('K');
    for (const std::uint64_t rule : r.matched_rules)
      out.line(std::to_string(rule));
    out.raw("\n");
  }
  out.section('Z');
  out.raw("\n");
  return out.take();
}

}  // namespace weir::rules
