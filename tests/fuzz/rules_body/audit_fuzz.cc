// The audit log of hostile transactions: valid JSON on one line, sections that nothing imitates, and no trace of
// what is to be hidden, wherever else the client wrote it. Fields of the input are separated by 0xFF; the first
// byte chooses what is hidden.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "rules/audit_log.h"
#include "rules/body/json.h"

namespace {

using weir::rules::AuditField;
using weir::rules::AuditFile;
using weir::rules::AuditMessage;
using weir::rules::AuditParts;
using weir::rules::AuditRecord;

void require(bool ok, const char* what, const std::string& text) {
  if (ok) return;
  std::fprintf(stderr, "%s\n%.*s\n", what, static_cast<int>(text.size()), text.data());
  std::abort();
}

class Valid final : public weir::rules::body::BodySink {
 public:
  bool on_argument(std::string_view, std::string_view) override { return true; }
  void on_error(std::string_view) override { broken = true; }
  bool broken = false;
};

bool is_json(std::string_view text) {
  Valid valid;
  weir::rules::body::BodyLimits limits;
  limits.arguments = 1'000'000;
  weir::rules::body::JsonProcessor json;
  json.begin(limits, weir::rules::body::JsonNames::ModSecurity2, valid);
  json.feed(text);
  json.finish();
  return !valid.broken;
}

std::string letters_of(std::string_view text) {
  std::string out = "zq";  // no word of the log itself begins so
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) out += c;
  }
  return out;
}

std::size_t sections(const std::string& text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    if (text.compare(at, 9, "--bound1-") == 0) ++count;
    if (text.find('\n', at) == std::string::npos) break;
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 8192) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> fields;
  for (std::size_t at = 1; fields.size() < 8;) {
    const std::size_t end = std::min(input.find('\xff', at), input.size());
    fields.push_back(input.substr(std::min(at, input.size()), end - std::min(at, input.size())));
    at = end + 1;
  }
  const std::string secret = letters_of(fields[0]);
  const bool hide = (data[0] & 1U) != 0 && secret.size() >= 6;
  const bool as_header = (data[0] & 2U) != 0;

  const std::vector<AuditField> request_headers = {
      {"Host", fields[1]}, {"Referer", fields[2]}, {"X-Secret", as_header ? std::string_view(secret) : fields[3]}};
  const std::vector<AuditField> response_headers = {{"Location", fields[2]}, {"X", fields[4]}};
  const std::vector<AuditField> arguments = {{"pw", as_header ? fields[3] : std::string_view(secret)}, {"b", fields[5]}};
  const std::vector<AuditFile> files = {{"f", fields[6], fields[7], 3}};
  AuditMessage message;
  message.message = fields[4];
  message.operator_name = "rx";
  message.target = (data[0] & 4U) != 0 ? "ARGS:b" : "REQUEST_BODY";
  message.value = fields[5];
  message.data = fields[6];
  message.file = "f.conf";
  const std::vector<AuditMessage> messages = {message};
  const std::vector<std::string_view> hidden_arguments = {"pw"}, hidden_headers = {"x-secret"};
  AuditRecord record;
  record.unique_id = "u-1";
  record.method = "GET";
  record.uri = fields[1];
  record.http_version = "1.1";
  record.request_headers = request_headers;
  record.request_body = fields[5];
  record.arguments = arguments;
  if ((data[0] & 8U) != 0) record.files = files;
  record.response_headers = response_headers;
  record.response_body = fields[7];
  record.messages = messages;
  if (hide) {
    if (as_header) {
      record.sanitise.request_headers = hidden_headers;
    } else {
      record.sanitise.arguments = hidden_arguments;
    }
  }
  const AuditParts parts = *AuditParts::parse("ABCEFHJKZ"), with_i = *AuditParts::parse("ABEFHIJKZ");
  for (const AuditParts& p : {parts, with_i}) {
    const std::string json = weir::rules::format_audit_json(record, p);
    require(json.find('\n') == json.size() - 1, "not one line", json);
    require(is_json(std::string_view(json).substr(0, json.size() - 1)), "no JSON", json);
    require(!hide || json.find(secret) == std::string::npos, "what was to be hidden is shown", json);
    const std::string native = weir::rules::format_audit_native(record, p, "bound1");
    require(!hide || native.find(secret) == std::string::npos, "what was to be hidden is shown", native);
    require(sections(native) <= 9, "a section too many", native);
  }
  const std::string line = weir::rules::audit_index_line(record, "/x", "y");
  require(line.find('\n') == line.size() - 1, "not one line", line);
  require(!hide || line.find(secret) == std::string::npos, "what was to be hidden is shown", line);
  return 0;
}
