#include "crs/log_line.h"

#include <array>

namespace weir::crs {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        if (byte >= 0x20 && byte < 0x7f) {
          out.push_back(c);
        } else {
          out += "\\x";
          out.push_back(kHex[byte >> 4U]);
          out.push_back(kHex[byte & 15U]);
        }
    }
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(" [").append(name).append(" \"");
  append_escaped(out, value);
  out += "\"]";
}

void append_given(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) append_field(out, name, value);
}

}  // namespace

std::string log_line(const RuleHit& hit, const HttpPart& http, std::string_view unique_id) {
  constexpr std::array<std::string_view, 8> kSeverities = {
      "EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
  std::string out = "ModSecurity: Warning. ";
  if (hit.target.empty()) {
    out += "Unconditional match in SecAction.";
  } else {
    out += "Matched at ";
    append_escaped(out, hit.target);
    out += ".";
  }
  append_given(out, "file", hit.file);
  if (hit.line != 0) append_field(out, "line", std::to_string(hit.line));
  append_field(out, "id", std::to_string(hit.id));
  append_given(out, "rev", hit.revision);
  append_given(out, "msg", hit.message);
  append_given(out, "data", hit.data);
  if (hit.severity >= 0 && hit.severity < 8) {
    append_field(out, "severity", kSeverities[static_cast<std::size_t>(hit.severity)]);
  }
  append_given(out, "ver", hit.version);
  for (const std::string_view tag : hit.tags)
    append_field(out, "tag", tag);
  append_given(out, "hostname", http.hostname.value_or(""));
  append_given(out, "uri", http.url.value_or(""));
  append_given(out, "unique_id", unique_id);
  return out;
}

}  // namespace weir::crs
