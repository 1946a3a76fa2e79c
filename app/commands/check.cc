// weir check: everything that can be found wrong without touching traffic.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "app/commands/audit.h"
#include "app/commands/commands.h"
#include "app/commands/rule_loading.h"
#include "app/config/memory.h"
#include "app/config/policies.h"
#include "app/config/reader.h"
#include "app/formats/colors.h"
#include "app/report/progress.h"
#include "app/report/report.h"
#include "app/sinks/output.h"
#include "capture/filter.h"
#include "capture/link_type.h"
#include "capture/upload_ranges.h"

namespace weir::app {
namespace {

std::string line(const std::string& name, const std::string& value) {
  std::string out = name;
  out.resize(std::max<std::size_t>(20, name.size() + 1), ' ');
  return out + value + "\n";
}

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f s", value);
  return text;
}

std::string mebibytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

// What the process has needed at most so far, compiling included.
std::string peak_memory() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return "unknown";
  return mebibytes(static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);  // Linux counts in KiB
}

std::string scanners(const rules::ScannerStats& s) {
  std::string out = grouped(s.ready) + " of " + grouped(s.wanted) + " databases";
  if (s.ready > 0) out += ", " + grouped(s.patterns) + " patterns";
  if (s.restored > 0) out += ", " + grouped(s.restored) + " from the cache";
  if (s.left_out > 0) out += ", " + grouped(s.left_out) + " do not fit";
  if (s.ready + s.left_out < s.wanted) out += "; the rest is compiled while Weir runs, or now with --compile";
  return out;
}

std::string counts(const LoadedRules& loaded) {
  const rules::LoadStats& s = loaded.rules->stats();
  std::string out;
  out += line("core rule set", loaded.crs_version.empty() ? "none" : loaded.crs_version);
  out += line("files", grouped(s.files));
  out += line("rules", grouped(s.rules) + " (and " + grouped(s.chained) + " chained)");
  out += line("markers", grouped(s.markers));
  out += line("patterns", grouped(s.patterns));
  out += line("phrases", grouped(s.phrases));
  out += line("scanners", scanners(loaded.rules->scanner_stats()));
  out += line("memory", mebibytes(s.memory_bytes + loaded.rules->scanner_stats().bytes));
  out += line("process memory", peak_memory());
  out += line("load time", seconds(loaded.seconds));
  out += line("warnings", grouped(count(loaded.diagnostics).warnings));
  return out;
}

std::string mode_word(const PolicyConfig& policy) {
  switch (policy.mode.value_or(WafMode::Detect)) {
    case WafMode::Off: return "off";
    case WafMode::Detect: return "detect";
    case WafMode::Block: return "block";
  }
  return "detect";
}

// What the kernel's program lets by.
std::string by_program(const std::string& pins, const std::string& otherwise) {
  const Result<void> possible = capture::UploadRanges::check(pins);
  if (!possible) return otherwise + ": " + possible.error().message;
  std::error_code ignored;
  return std::filesystem::exists(pins + "/uploads", ignored) ? "released, by rules with " + pins + "/uploads"
                                                              : "released, when weir run has made " + pins + "/uploads for the rules";
}

std::string inputs(const Config& config) {
  std::string out;
  if (config.nfqueue) {
    std::string queues;
    for (const std::uint32_t queue : config.nfqueue->queues) queues += (queues.empty() ? "" : ", ") + std::to_string(queue);
    out += line("input", "nfqueue, queue " + queues + (config.nfqueue->fail_open ? ", fail open" : ""));
    if (config.release.requests) out += line("uploads", by_program(config.nfqueue->pins, "not released"));
    if (config.release.responses) out += line("acks", by_program(config.nfqueue->pins, "all come by"));
  }
  if (config.mirror) {
    std::string names;
    for (const std::string& name : config.mirror->interfaces) names += (names.empty() ? "" : ", ") + name;
    out += line("input", "mirror, interface " + names + " (detects only)");
  }
  if (config.geneve) {
    static constexpr std::array<std::string_view, 4> kProfiles{"aws", "generic", "azure", "mirror (detects only)"};
    std::string sources;
    for (const IpPrefix& source : config.geneve->sources) {
      sources += (sources.empty() ? "" : ", ") + source.address.to_string() + "/" + std::to_string(source.length);
    }
    out += line("input", "gateway load balancer, profile " +
                             std::string(kProfiles[static_cast<std::size_t>(config.geneve->profile)]) + ", from " + sources);
  }
  if (out.empty()) out = line("input", "none configured");
  return out;
}

// What the configuration names outside of itself.
std::vector<std::string> surroundings(const Config& config) {
  std::vector<std::string> wrong;
  if (config.mirror) {
    capture::Filter filter(config.mirror->filter);
    const Result<void> checked = filter.check(capture::dlt_of(LinkType::Ethernet));
    if (!checked) wrong.push_back("inputs.mirror.filter: " + checked.error().message);
  }
  const auto can_be_made = [&wrong](const std::string& key, const std::string& path) {
    if (path.empty()) return;
    const std::filesystem::path file(path);
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored)) {
      wrong.push_back(key + ": " + path + " is a directory");
    } else if (file.has_parent_path() && !std::filesystem::is_directory(file.parent_path(), ignored)) {
      wrong.push_back(key + ": there is no directory " + file.parent_path().string());
    }
  };
  can_be_made("events.file", config.events.file);
  can_be_made("audit.file", config.audit.file);
  std::error_code ignored;
  if (!config.audit.directory.empty() && std::filesystem::exists(config.audit.directory, ignored) &&
      !std::filesystem::is_directory(config.audit.directory, ignored)) {
    wrong.push_back("audit.directory: " + config.audit.directory + " is no directory");
  }
  return wrong;
}

std::string ceiling(const Config& config, const MemoryPlan& plan) {
  std::string out = line("memory ceiling", mebibytes(plan.sum()) + (config.limits.memory == 0 ? "" : " of " + mebibytes(config.limits.memory)));
  out += line("  workers", std::to_string(plan.workers) + ", for each:");
  out += line("  connections", mebibytes(plan.stores.connections));
  out += line("  sessions", mebibytes(plan.stores.sessions) + " (if all connections were in the middle of a message)");
  out += line("  fragments", mebibytes(plan.stores.fragments));
  out += line("  transactions", mebibytes(plan.stores.transactions));
  out += line("  decoders", mebibytes(plan.stores.decoders));
  out += line("  input", mebibytes(plan.input));
  out += line("  events", mebibytes(plan.events));
  if (plan.audit > 0) out += line("  audit log", mebibytes(plan.audit));
  out += line("  heap's waste", mebibytes(plan.waste));
  out += line("  collections", mebibytes(plan.collections) + (config.collections.shared ? ", shared" : ", of all workers"));
  out += line("  rules", mebibytes(plan.rules) + ", of all processes");
  out += line("  processes", mebibytes(plan.processes) + ", code and stacks");
  return out;
}

ExitCode say(const std::string& text, bool quiet) {
  if (quiet) return ExitCode::Fine;
  Result<Output> output = Output::open({});
  output->write(text);
  const Result<void> written = output->finish();
  if (written || output->reader_gone()) return ExitCode::Fine;
  complain(written.error().message);
  return ExitCode::Environment;
}

ExitCode check_config(const CheckOptions& options) {
  const ConfigResult read = read_config(options.config);
  print_error(rendered(read.diagnostics, use_color(options.color, STDERR_FILENO)));
  if (!read.config) return read.unreadable ? ExitCode::Environment : ExitCode::Usage;
  const Config& config = *read.config;
  const std::vector<std::string> wrong = surroundings(config);
  for (const std::string& sentence : wrong) complain(sentence);
  const LoadedPolicies loaded = load_policies(config, audit_directives(audit_options(config.audit)));
  // Sets have most of their files in common: what is wrong with those is said once.
  std::set<std::string> said;
  for (LoadedRules set : loaded.sets) {
    const auto known = [&said](const rules::Diagnostic& d) {
      return !said.insert(d.file + ":" + std::to_string(d.line) + ":" + std::to_string(d.column) + d.message).second;
    };
    set.diagnostics.erase(std::remove_if(set.diagnostics.begin(), set.diagnostics.end(), known), set.diagnostics.end());
    report_rules(set, options.color, SIZE_MAX);
  }
  if (loaded.exit != ExitCode::Fine) return loaded.exit;
  if (!wrong.empty()) return ExitCode::Usage;
  bound_scanners(config, loaded);
  for (const LoadedRules& set : loaded.sets) {
    if (options.compile) set.rules->compile_scanners();
  }

  std::string out = line("configuration", config.file) + inputs(config);
  out += line("mode", mode_word(loaded.policies.front())) + counts(loaded.rules(0));
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    const LoadedRules& set = loaded.rules(i + 1);
    out += line("site " + config.sites[i].name,
                mode_word(loaded.policies[i + 1]) + ", " + grouped(set.rules->stats().rules) + " rules" +
                    (loaded.set_of[i + 1] == 0 ? " (the same)" : ""));
  }
  const MemoryPlan plan = plan_memory(config, &loaded);
  if (const Result<void> room = fits(config, plan); !room) {
    complain(room.error().message);
    return ExitCode::Usage;
  }
  if (const std::string sentence = left_out(loaded); !sentence.empty()) complain("note: " + sentence);
  return say(out + ceiling(config, plan), options.quiet);
}

}  // namespace

ExitCode run_check(const CheckOptions& options) {
  if (!options.config.empty()) return check_config(options);
  const LoadedRules loaded = load_rules(options.rules, crs::Mode::AsConfigured);
  report_rules(loaded, options.color, SIZE_MAX);
  if (!loaded.rules) return loaded.exit;
  if (options.compile) loaded.rules->compile_scanners();
  return say(counts(loaded), options.quiet);
}

}  // namespace weir::app
