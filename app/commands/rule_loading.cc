#include "app/commands/rule_loading.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "app/formats/colors.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

constexpr std::string_view kSettingsSource = "weir:configuration";

std::optional<int> as_int(const std::optional<unsigned>& number) {
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

}  // namespace

std::string cache_directory(const RuleOptions& options) {
  if (!options.cache) return {};
  std::string place = options.cache_directory;
  if (place.empty()) {
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    if (geteuid() == 0) {
      place = "/var/cache/weir";
    } else if (cache != nullptr && cache[0] == '/') {
      place = std::string(cache) + "/weir";
    } else if (home != nullptr && home[0] == '/') {
      place = std::string(home) + "/.cache/weir";
    } else {
      return {};
    }
  }
  std::error_code error;
  std::filesystem::create_directories(place, error);
  if (error) {
    // Without a cache everything works, only slower; but who names a place wants to know.
    if (!options.cache_directory.empty()) {
      complain("warning: no cache: cannot make the directory " + place + ": " + error.message());
    }
    return {};
  }
  return place;
}

LoadedRules load_rules(const RuleOptions& options, crs::Mode mode, bool suite,
                       const std::optional<std::string>& audit) {
  const auto began = std::chrono::steady_clock::now();
  crs::DistributionOptions wanted;
  wanted.rules = options.rules;
  wanted.tuning.paranoia_level = as_int(options.paranoia);
  wanted.tuning.inbound_threshold = as_int(options.inbound_threshold);
  wanted.tuning.outbound_threshold = as_int(options.outbound_threshold);
  wanted.tuning.detection_paranoia_level = as_int(options.detection_paranoia);
  wanted.tuning.early_blocking = options.early_blocking;
  wanted.mode = mode;
  wanted.regression_suite = suite;
  wanted.audit = audit;
  const crs::Distribution found = crs::find_distribution(wanted);

  LoadedRules loaded;
  loaded.named = !options.rules.empty();
  loaded.scores = found.scores;
  loaded.crs_version = found.version;
  if (!found.errors.empty()) {
    loaded.complaints = found.errors;
    // Named rules that are not there are a mistake on the command line; Debian's missing is the system's.
    loaded.exit = options.rules.empty() ? ExitCode::Environment : ExitCode::Usage;
    return loaded;
  }
  std::vector<rules::Source> sources = found.sources;
  if (!options.settings.empty()) {
    sources.push_back(rules::Source::memory(std::string(kSettingsSource), options.settings));
  }
  rules::LoadOptions load;
  if (options.modsecurity3) load.semantics = rules::Semantics::ModSecurity3;
  load.optimisations.prefilter = options.prefilter;
  load.cache_directory = cache_directory(options);
  load.scanners_later = true;
  rules::LoadResult result = rules::RuleSet::load(sources, load);
  loaded.rules = std::move(result.rules);
  loaded.diagnostics = std::move(result.diagnostics);
  if (!loaded.rules) loaded.exit = ExitCode::Usage;
  loaded.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return loaded;
}

void report_rules(const LoadedRules& loaded, ColorChoice color, std::size_t most_warnings) {
  for (const std::string& sentence : loaded.complaints) complain(sentence);
  // The warnings of Debian's package are not news to who did not choose it.
  const bool count_only = most_warnings == 0 && !loaded.named && loaded.rules != nullptr;
  const std::string text =
      count_only ? "" : rendered(loaded.diagnostics, use_color(color, STDERR_FILENO), most_warnings);
  if (!text.empty()) print_error(text);
  if (loaded.rules == nullptr && loaded.complaints.empty()) {
    const DiagnosticCounts counts = count(loaded.diagnostics);
    complain("the rules do not load: " + std::to_string(counts.errors) +
             (counts.errors == 1 ? " error" : " errors"));
  }
}

}  // namespace weir::app
