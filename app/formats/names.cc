#include <array>
#include <cstdint>

#include "app/formats/format.h"

namespace weir::app {

void append_timestamp(std::string& out, Timestamp time) {
  std::int64_t seconds = time.ns / 1'000'000'000;
  std::int64_t rest = time.ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  // Days to a date as in "chrono-Compatible Low-Level Date Algorithms" (Hinnant), in years that begin in
  // March: gmtime_r and strftime cost more than the rest of a record.
  const std::int64_t days = (seconds >= 0 ? seconds : seconds - 86'399) / 86'400;
  const std::int64_t of_day = seconds - days * 86'400;
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const std::int64_t day_of_era = shifted - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);

  const auto digits = [&out](std::int64_t value, int count, char after) {
    std::array<char, 8> text{};
    for (int i = count - 1; i >= 0; --i, value /= 10) {
      text[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
    }
    out.append(text.data(), static_cast<std::size_t>(count));
    out += after;
  };
  digits(year, 4, '-');
  digits(month, 2, '-');
  digits(day, 2, 'T');
  digits(of_day / 3600, 2, ':');
  digits(of_day / 60 % 60, 2, ':');
  digits(of_day % 60, 2, '.');
  digits(rest / 1000, 6, '+');
  out += "0000";
}

std::string_view severity_name(int severity) {
  static constexpr std::array<std::string_view, 8> kNames{
      "EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
  if (severity < 0 || severity > 7) return {};
  return kNames[static_cast<std::size_t>(severity)];
}

std::string_view decision_name(DecisionKind kind) {
  switch (kind) {
    case DecisionKind::Continue:
    case DecisionKind::Allow: return "pass";
    case DecisionKind::Deny: return "deny";
    case DecisionKind::Drop: return "drop";
    case DecisionKind::Redirect: return "redirect";
  }
  return "pass";
}

std::string_view mode_name(WafMode mode) {
  switch (mode) {
    case WafMode::Off: return "off";
    case WafMode::Detect: return "detect";
    case WafMode::Block: return "block";
  }
  return "off";
}

}  // namespace weir::app
