#include "app/live/loader.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "app/commands/audit.h"
#include "app/config/memory.h"
#include "app/config/reader.h"
#include "app/report/report.h"
#include "app/runtime/priority.h"

namespace weir::app {
namespace {

constexpr std::size_t kLongestPage = 32 * 1024;

Result<std::string> read_page(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail("block_page.file: " + file + " cannot be read");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.size() > kLongestPage) return fail("block_page.file: " + file + " is longer than 32 KiB");
  if (text.empty()) return fail("block_page.file: " + file + " is empty");
  return text;
}

}  // namespace

LoadOutcome load_configuration(const std::string& text, const std::string& file,
                               const AuditOptions* audit) {
  LoadOutcome outcome;
  const ConfigResult read = parse_config(text, file);
  outcome.why = rendered(read.diagnostics, false);
  if (!read.config) return outcome;
  auto loaded = std::make_shared<Loaded>();
  loaded->config = *read.config;
  if (!loaded->config.block_page.file.empty()) {
    Result<std::string> page = read_page(loaded->config.block_page.file);
    if (!page) {
      outcome.why += page.error().message + "\n";
      return outcome;
    }
    loaded->page = std::move(*page);
  }
  loaded->policies = load_policies(loaded->config, audit_directives(audit != nullptr ? *audit : audit_options(loaded->config.audit)));
  if (loaded->policies.exit != ExitCode::Fine) {
    for (const LoadedRules& set : loaded->policies.sets) {
      for (const std::string& sentence : set.complaints) outcome.why += sentence + "\n";
      if (!set.rules) outcome.why += rendered(set.diagnostics, false, 0);
    }
    outcome.exit = loaded->policies.exit;
    return outcome;
  }
  bound_scanners(loaded->config, loaded->policies);
  if (const Result<void> room = fits(loaded->config, plan_memory(loaded->config, &loaded->policies)); !room) {
    outcome.why += room.error().message + "\n";
    return outcome;
  }
  outcome.exit = ExitCode::Fine;
  outcome.loaded = std::move(loaded);
  return outcome;
}

std::string fingerprint(const Loaded& loaded) {
  std::string out = std::to_string(loaded.page.size());
  for (const LoadedRules& set : loaded.policies.sets) {
    const rules::LoadStats& s = set.rules->stats();
    out += ";" + set.crs_version;
    for (const std::size_t n : {s.rules, s.chained, s.markers, s.patterns, s.phrases, s.files}) {
      out += "," + std::to_string(n);
    }
  }
  return out;
}

Loader::~Loader() {
  if (thread_.joinable()) thread_.join();
}

void Loader::start(std::string text, std::string file, std::uint32_t generation) {
  if (thread_.joinable()) thread_.join();
  done_.store(false, std::memory_order_relaxed);
  generation_ = generation;
  outcome_ = {};
  thread_ = std::thread([this, text = std::move(text), file = std::move(file)] {
    set_thread_priority(kLowestPriority);
    LoadOutcome outcome;
    try {
      outcome = load_configuration(text, file);
    } catch (const std::exception& error) {
      outcome = {nullptr, std::string("the configuration cannot be loaded: ") + error.what() + "\n", ExitCode::Environment};
    }
    outcome_ = std::move(outcome);
    // Where it may: take() does not wait for its turn.
    set_thread_priority(kOrdinaryPriority);
    done_.store(true, std::memory_order_release);
  });
}

LoadOutcome Loader::take() {
  thread_.join();
  return std::move(outcome_);
}

}  // namespace weir::app
