#include "crs/distribution.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <variant>

#include "crs/engine_setup.h"
#include "rules/include.h"
#include "rules/lexer.h"
#include "rules/names.h"
#include "rules/parser.h"

namespace weir::crs {

namespace {

namespace fs = std::filesystem;
namespace syntax = rules::syntax;
using rules::Source;

constexpr std::size_t kMostFiles = 4096;
constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr std::string_view kNoRules = "none";

bool is_directory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The files of a rule set, with what is known about each.
class Collector {
 public:
  explicit Collector(Distribution& out) : out_(out) {}

  void add(std::string file) { files_.push_back(std::move(file)); }
  // After `file` the tuning may come.
  void add_setup(std::string file) {
    add(std::move(file));
    if (after_ == 0) after_ = files_.size();
  }
  std::size_t add_matching(const std::string& pattern) {
    auto found = syntax::expand(pattern, kMostFiles);
    if (!found) {
      error(found.error().message);
      return 0;
    }
    for (std::string& file : *found)
      add(std::move(file));
    return found->size();
  }
  void error(std::string sentence) { out_.errors.push_back(std::move(sentence)); }

  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
  // Number of files in front of the tuning; 0 if no set-up file was met.
  [[nodiscard]] std::size_t tuning_after() const { return after_; }

 private:
  Distribution& out_;
  std::vector<std::string> files_;
  std::size_t after_ = 0;
};

void add_debian(const std::string& root, Collector& out) {
  const std::string set_up = root + "/etc/modsecurity/crs/";
  const std::string rules = root + "/usr/share/modsecurity-crs/rules";
  if (!is_directory(rules)) {
    out.error("there is no " + rules +
              ": install the package modsecurity-crs, or name the rules to use");
    return;
  }
  if (!is_file(set_up + "crs-setup.conf")) {
    out.error("there is no " + set_up +
              "crs-setup.conf, which the package modsecurity-crs installs");
    return;
  }
  out.add_setup(set_up + "crs-setup.conf");
  const std::string before = set_up + "REQUEST-900-EXCLUSION-RULES-BEFORE-CRS.conf";
  const std::string after = set_up + "RESPONSE-999-EXCLUSION-RULES-AFTER-CRS.conf";
  if (is_file(before)) out.add(before);
  if (out.add_matching(rules + "/*.conf") == 0) out.error("there are no rule files in " + rules);
  if (is_file(after)) out.add(after);
}

// An unpacked release, in the order that CRS' INSTALL file gives.
void add_release(const std::string& directory, Collector& out) {
  std::string set_up = directory + "/crs-setup.conf";
  if (!is_file(set_up)) set_up += ".example";
  if (is_file(set_up)) out.add_setup(set_up);
  out.add_matching(directory + "/plugins/*-config.conf");
  out.add_matching(directory + "/plugins/*-before.conf");
  if (out.add_matching(directory + "/rules/*.conf") == 0) {
    out.error("there are no rule files in " + directory + "/rules");
  }
  out.add_matching(directory + "/plugins/*-after.conf");
}

void add_directory(std::string directory, Collector& out) {
  while (directory.size() > 1 && directory.back() == '/')
    directory.pop_back();
  if (is_directory(directory + "/rules")) {
    add_release(directory, out);
    return;
  }
  auto found = syntax::expand(directory + "/*.conf", kMostFiles);
  if (!found) {
    out.error(found.error().message);
    return;
  }
  if (found->empty()) out.error("there are no rule files (*.conf) in " + directory);
  // A set-up file sorts behind REQUEST-… but has to come first.
  const auto is_setup = [](const std::string& file) { return ends_with(file, "/crs-setup.conf"); };
  for (std::string& file : *found) {
    if (is_setup(file)) out.add_setup(file);
  }
  for (std::string& file : *found) {
    if (!is_setup(file)) out.add(std::move(file));
  }
}

// The files that a file of nothing but Includes stands for; nothing if it holds something else or
// names files that are not there (the parser then says where).
std::vector<std::string> included_by(const std::string& file) {
  auto text = syntax::read_file(file, kMostBytes);
  if (!text) return {};
  std::vector<std::string> files;
  syntax::Lexer lexer(*text, 0);
  syntax::LogicalLine line;
  while (lexer.next(line)) {
    std::size_t offset = 0;
    const auto name = syntax::next_word(line.text(), offset, rules::Semantics::ModSecurity2);
    const auto path = syntax::next_word(line.text(), offset, rules::Semantics::ModSecurity2);
    const bool optional = name && rules::same_name(name->text, "IncludeOptional");
    if (!name || !path || offset != line.text().size() ||
        (!optional && !rules::same_name(name->text, "Include"))) {
      return {};
    }
    auto found = syntax::expand(syntax::beside(syntax::directory_of(file), path->text), kMostFiles);
    if (!found || (found->empty() && !optional)) return {};
    files.insert(files.end(), found->begin(), found->end());
  }
  return files;
}

void add_file(const std::string& file, Collector& out) {
  std::vector<std::string> files = included_by(file);
  if (files.empty()) files.push_back(file);
  for (std::string& one : files) {
    if (ends_with(one, "crs-setup.conf") || ends_with(one, "crs-setup.conf.example")) {
      out.add_setup(std::move(one));
    } else {
      out.add(std::move(one));
    }
  }
}

// What the files say about themselves; syntax errors are left to those who load them.
struct Survey {
  std::string version;
  std::set<long> ids;
};

long to_number(std::string_view text) {
  long value = 0;
  if (text.empty() || text.size() > 10) return 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + (c - '0');
  }
  return value;
}

void survey_signature(const std::string& signature, Survey& out) {
  constexpr std::string_view kPrefix = "OWASP_CRS/";
  if (!out.version.empty() || signature.rfind(kPrefix, 0) != 0) return;
  const std::string version = signature.substr(kPrefix.size());
  out.version = version.substr(0, version.find_first_not_of("0123456789."));
}

Survey survey(const std::vector<std::string>& files) {
  std::vector<Source> sources;
  for (const std::string& file : files)
    sources.push_back(Source::file(file));
  rules::Diagnostics ignored;
  const syntax::Unit unit = syntax::parse(sources, ignored);
  Survey out;
  for (const syntax::Statement& statement : unit.statements) {
    if (const auto* setting = std::get_if<syntax::Setting>(&statement)) {
      if (setting->directive == rules::Directive::SecComponentSignature) {
        survey_signature(setting->arguments.front(), out);
      }
    } else if (const auto* rule = std::get_if<syntax::Rule>(&statement)) {
      for (const syntax::Action& action : rule->actions) {
        if (action.name == rules::ActionName::Id) out.ids.insert(to_number(action.argument));
        if (action.name == rules::ActionName::Ver) survey_signature(action.argument, out);
      }
    }
  }
  return out;
}

void check_tuning(const Tuning& tuning, std::vector<std::string>& errors) {
  const auto level = [&errors](const std::optional<int>& value, const char* name) {
    if (value && (*value < 1 || *value > 4)) {
      errors.push_back(std::string(name) + " is " + std::to_string(*value) +
                       ", but must be 1 to 4");
    }
  };
  level(tuning.paranoia_level, "the paranoia level");
  level(tuning.detection_paranoia_level, "the detection paranoia level");
  if (tuning.paranoia_level && tuning.detection_paranoia_level &&
      *tuning.detection_paranoia_level < *tuning.paranoia_level) {
    errors.emplace_back("the detection paranoia level must not be below the paranoia level");
  }
  const auto threshold = [&errors](const std::optional<int>& value, const char* name) {
    if (value && *value < 1) {
      errors.push_back(std::string(name) + " is " + std::to_string(*value) +
                       ", but must be at least 1");
    }
  };
  threshold(tuning.inbound_threshold, "the inbound anomaly threshold");
  threshold(tuning.outbound_threshold, "the outbound anomaly threshold");
}

bool is_tuned(const DistributionOptions& options) {
  const Tuning& t = options.tuning;
  return t.paranoia_level || t.detection_paranoia_level || t.inbound_threshold ||
         t.outbound_threshold || t.early_blocking;
}

void assemble(const DistributionOptions& options, const Collector& collected, const Survey& found,
              Distribution& out) {
  const auto memory = [&out](std::string_view name, std::string text) {
    if (!text.empty()) out.sources.push_back(Source::memory(std::string(name), std::move(text)));
  };
  const auto tuning = [&] {
    memory(kTuningSource, tuning_text(options.tuning, out.version));
    if (options.regression_suite && !out.version.empty()) {
      memory(kSuiteSource, suite_text(out.version, options.tuning.paranoia_level.value_or(4)));
    }
  };
  memory(kEngineSource, engine_setup(found.ids, options.audit.has_value()));
  // Without a set-up file of its own, a rule set finds the variables set before it begins.
  if (collected.tuning_after() == 0) tuning();
  for (std::size_t i = 0; i < collected.files().size(); ++i) {
    out.sources.push_back(Source::file(collected.files()[i]));
    if (i + 1 == collected.tuning_after()) tuning();
  }
  const bool as_configured = options.mode == Mode::AsConfigured;
  memory(kAuditSource, options.audit.value_or(as_configured ? "" : "SecAuditEngine Off\n"));
  memory(kModeSource, mode_text(options.mode));
}

}  // namespace

int major_version(std::string_view version) {
  return static_cast<int>(to_number(version.substr(0, version.find('.'))));
}

ScoreNames score_names(std::string_view version) {
  const int major = major_version(version);
  if (major >= 4) return {"blocking_inbound_anomaly_score", "blocking_outbound_anomaly_score"};
  if (major == 3) return {"anomaly_score", "outbound_anomaly_score"};
  return {};
}

Distribution find_distribution(const DistributionOptions& options) {
  Distribution out;
  Collector collected(out);
  check_tuning(options.tuning, out.errors);
  if (options.rules.empty()) add_debian(options.root, collected);
  const bool none = options.rules.size() == 1 && options.rules.front() == kNoRules;
  for (const std::string& name : none ? std::vector<std::string>{} : options.rules) {
    if (is_directory(name)) {
      add_directory(name, collected);
    } else if (is_file(name)) {
      add_file(name, collected);
    } else {
      std::error_code error;
      const bool there = fs::exists(name, error);
      collected.error(there ? name + " is neither a file nor a directory"
                            : "there is no file or directory " + name);
    }
  }
  const Survey found = survey(collected.files());
  out.version = found.version;
  out.scores = score_names(found.version);
  if (out.errors.empty() && found.version.empty() && is_tuned(options)) {
    out.errors.emplace_back(
        "paranoia levels and anomaly thresholds are settings of the CRS, but no CRS is among the "
        "rules");
  }
  if (none) {
    out.sources.push_back(Source::memory(std::string(kEngineSource), "SecRuleEngine On\n"));
    out.sources.push_back(Source::memory(std::string(kModeSource), mode_text(options.mode)));
  } else {
    assemble(options, collected, found, out);
  }
  return out;
}

}  // namespace weir::crs
