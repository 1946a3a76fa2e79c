#include "rules/audit_text.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "rules/body/message.h"

namespace weir::rules::audit {
namespace {

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// A form of a text that is safe in any line, cut after `most` characters, as ModSecurity 3 does it.
std::string limited(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  const std::string left_out = std::to_string(text.size() - most);
  text.resize(most);
  return text + " (" + left_out + " characters omitted)";
}

// As ModSecurity 3 spells operators in its messages. Those that are not here get a capital only.
constexpr std::array<std::string_view, 21> kOperators = {"BeginsWith",
                                                         "ContainsWord",
                                                         "DetectSQLi",
                                                         "DetectXSS",
                                                         "EndsWith",
                                                         "GeoLookup",
                                                         "IpMatch",
                                                         "NoMatch",
                                                         "PmFromFile",
                                                         "RxGlobal",
                                                         "StrEq",
                                                         "StrMatch",
                                                         "VerifyCC",
                                                         "VerifyCPF",
                                                         "VerifySSN",
                                                         "VerifySVNR",
                                                         "IpMatchFromFile",
                                                         "UnconditionalMatch",
                                                         "ValidateByteRange",
                                                         "ValidateUrlEncoding",
                                                         "ValidateUtf8Encoding"};

std::string spelled(std::string_view name) {
  for (const std::string_view known : kOperators) {
    if (body::equal_ignoring_case(known, name)) return std::string(known);
  }
  std::string out(name);
  if (out.front() >= 'a' && out.front() <= 'z')
    out.front() = static_cast<char>(out.front() - 'a' + 'A');
  return out;
}

std::string hexed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte > 0x7EU) {
      out += print("\\x%02x", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

// Days are counted in eras of 400 years, from March on.
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

std::string print(const char* format, ...) {  // NOLINT
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

std::string_view dash_if_empty(std::string_view s) {
  return s.empty() ? std::string_view("-") : s;
}

std::string_view header(std::span<const AuditField> headers, std::string_view name) {
  for (const AuditField& h : headers) {
    if (body::equal_ignoring_case(h.name, name)) return h.value;
  }
  return {};
}

std::string one_line(std::string_view text) {
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

std::string in_quotes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return one_line(out);
}

std::string match_text(const AuditMessage& m) {
  if (m.operator_name.empty()) return {};
  return "Matched \"Operator `" + spelled(m.operator_name) + "' with parameter `" +
         limited(std::string(m.operator_argument), 200) + "' against variable `" +
         std::string(m.target) + "' (Value: `" + limited(hexed(m.value), 100) + "' )";
}

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

}  // namespace weir::rules::audit
