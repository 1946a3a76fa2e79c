#include <array>
#include <cstdio>
#include <ctime>

#include "app/formats/format.h"

namespace weir::app {

void append_timestamp(std::string& out, Timestamp time) {
  std::int64_t seconds = time.ns / 1'000'000'000;
  std::int64_t rest = time.ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const std::time_t whole = static_cast<std::time_t>(seconds);
  std::tm utc{};
  if (gmtime_r(&whole, &utc) == nullptr) utc = std::tm{};
  std::array<char, 64> text{};
  const std::size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  out.append(text.data(), n);
  std::array<char, 32> fraction{};
  const int m = std::snprintf(fraction.data(), fraction.size(), ".%06d+0000",
                              static_cast<int>(rest / 1000));
  out.append(fraction.data(), static_cast<std::size_t>(m));
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
