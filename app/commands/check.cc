#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "app/commands/commands.h"
#include "app/commands/rule_loading.h"
#include "app/report/progress.h"
#include "app/report/report.h"
#include "app/sinks/output.h"

namespace weir::app {
namespace {

std::string line(const char* name, const std::string& value) {
  std::string out = name;
  out.resize(20, ' ');
  return out + value + "\n";
}

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f s", value);
  return text;
}

std::string mebibytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

// What the process has needed at most so far, compiling included.
std::string peak_memory() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return "unknown";
  return mebibytes(static_cast<std::size_t>(usage.ru_maxrss) * 1024);  // Linux counts in KiB
}

std::string counts(const LoadedRules& loaded) {
  const rules::LoadStats& s = loaded.rules->stats();
  std::string out;
  out += line("core rule set", loaded.crs_version.empty() ? "none" : loaded.crs_version);
  out += line("files", grouped(s.files));
  out += line("rules", grouped(s.rules) + " (and " + grouped(s.chained) + " chained)");
  out += line("markers", grouped(s.markers));
  out += line("patterns", grouped(s.patterns) + " (" + grouped(s.patterns_prefiltered) + " scanned ahead)");
  out += line("phrases", grouped(s.phrases));
  out += line("memory", mebibytes(s.memory_bytes));
  out += line("process memory", peak_memory());
  out += line("load time", seconds(loaded.seconds) + (s.from_cache ? " (patterns from the cache)" : ""));
  out += line("warnings", grouped(count(loaded.diagnostics).warnings));
  return out;
}

}  // namespace

ExitCode run_check(const CheckOptions& options) {
  const LoadedRules loaded = load_rules(options.rules, crs::Mode::AsConfigured);
  report_rules(loaded, options.color, SIZE_MAX);
  if (!loaded.rules) return loaded.exit;
  Result<Output> output = Output::open({});
  output->write(counts(loaded));
  const Result<void> written = output->finish();
  if (written || output->reader_gone()) return ExitCode::Fine;
  complain(written.error().message);
  return ExitCode::Environment;
}

}  // namespace weir::app
