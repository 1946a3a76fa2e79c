#include "app/report/report.h"

#include <unistd.h>

#include <algorithm>

#include "rules/render.h"

namespace weir::app {
void print_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void complain(std::string_view sentence) {
  print_error("weir: " + std::string(sentence) + "\n");
}

DiagnosticCounts count(const rules::Diagnostics& diagnostics) {
  DiagnosticCounts counts;
  for (const rules::Diagnostic& d : diagnostics) {
    counts.errors += d.severity == rules::Severity::Error ? 1U : 0U;
    counts.warnings += d.severity == rules::Severity::Warning ? 1U : 0U;
  }
  return counts;
}

std::string rendered(const rules::Diagnostics& diagnostics, bool colored, std::size_t most_warnings) {
  std::string out;
  std::size_t warnings = 0;
  for (const rules::Diagnostic& d : diagnostics) {
    if (d.severity != rules::Severity::Error && ++warnings > most_warnings) continue;
    out += rules::render(d, colored);
  }
  if (const std::size_t more = warnings - std::min(warnings, most_warnings); more > 0) {
    out += "weir: the rules load with " + std::to_string(more) + (most_warnings > 0 ? " more" : "") +
           (more == 1 ? " warning" : " warnings") + ": see weir check\n";
  }
  return out;
}

}  // namespace weir::app
