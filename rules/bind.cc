#include "rules/bind.h"

#include <algorithm>
#include <array>

#include "rules/ascii.h"
#include "rules/bind_detail.h"
#include "rules/pattern_cache.h"
#include "rules/reporter.h"

namespace weir::rules {

namespace {

using namespace binding;
using syntax::quoted;

class Binder {
 public:
  Binder(const syntax::Unit& unit, const LoadOptions& options, Diagnostics& out)
      : unit_(unit), options_(options), messages_(unit, out), program_(std::make_unique<Program>()) {}

  std::unique_ptr<Program> run();
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  void statement(const syntax::Rule& rule);
  void statement(const syntax::Marker& marker);
  void statement(const syntax::DefaultAction& defaults);
  void statement(const syntax::Setting& setting);
  void head(const syntax::Rule& rule, PendingRule& pending);
  void finish_chain(Position at);
  void resolve_skips();
  void open_geo();
  void compile_relevant_status();
  [[nodiscard]] std::vector<std::string_view> patterns() const;
  std::optional<std::uint32_t> find_label(const std::string& label, const PendingRule& from) const;

  const syntax::Unit& unit_;
  const LoadOptions& options_;
  Messages messages_;
  std::unique_ptr<Program> program_;
  std::vector<PendingRule> pending_;
  std::vector<PendingMarker> markers_;
  std::map<std::uint64_t, Position> ids_;
  std::array<std::shared_ptr<const ActionList>, 6> defaults_;
  std::shared_ptr<const ActionList> latest_;
  int latest_phase_ = 2;
  bool in_chain_ = false;
  std::size_t sequence_ = 0;
  Position geo_position_;
  Position status_position_;
  bool failed_ = false;
  std::vector<std::size_t> built_;  // pending_ index of each program rule
};

bool has_chain(const syntax::Rule& rule) {
  return std::any_of(rule.actions.begin(), rule.actions.end(),
                     [](const syntax::Action& a) { return a.name == ActionName::Chain; });
}

void Binder::head(const syntax::Rule& rule, PendingRule& pending) {
  pending.sequence = sequence_;
  pending.phase = latest_ != nullptr ? latest_phase_ : 2;
  bool has_id = false;
  for (const syntax::Action& a : rule.actions) {
    if (a.name == ActionName::Id) {
      has_id = true;
      const auto id = parse_unsigned(a.argument);
      if (!id || *id == 0 || *id > INT64_MAX) {
        messages_.error(a.argument_position, "invalid-id",
                        quoted(a.argument) + " is no rule id: a positive whole number is needed");
        pending.faulty = true;
        continue;
      }
      pending.id = *id;
      const auto [there, fresh] = ids_.emplace(*id, rule.position);
      if (!fresh) {
        messages_.error(a.position, "duplicate-id",
                        "rule id " + std::to_string(*id) + " is taken by the rule at " +
                            unit_.files[there->second.file] + ":" +
                            std::to_string(there->second.line));
        pending.faulty = true;
      }
    } else if (a.name == ActionName::Phase) {
      const auto phase = phase_of(a.argument);
      if (!phase) {
        messages_.error(a.argument_position, "invalid-phase",
                        quoted(a.argument) + " is no phase: 1 to 5, request, response or logging");
        pending.faulty = true;
      } else {
        pending.phase = *phase;
      }
    }
  }
  if (!has_id && !rule.faulty) {
    messages_.error(rule.position, "missing-id", "the rule has no id action");
    pending.faulty = true;
  }
  const auto phase = static_cast<std::size_t>(pending.phase);
  if (defaults_[phase] != nullptr) {
    pending.defaults = defaults_[phase];
  } else if (program_->semantics == Semantics::ModSecurity2) {
    pending.defaults = latest_;
  }
}

void Binder::statement(const syntax::Rule& rule) {
  if (!in_chain_) {
    pending_.emplace_back();
    head(rule, pending_.back());
  }
  PendingRule& pending = pending_.back();
  pending.faulty = pending.faulty || rule.faulty;
  pending.links.push_back({&rule, rule.targets, rule.actions});
  in_chain_ = has_chain(rule);
}

void Binder::finish_chain(Position at) {
  if (!in_chain_) return;
  in_chain_ = false;
  messages_.warning(at, "unfinished-chain",
                    "the chain that begins in this rule has no further rule: it can never match");
  pending_.back().removed = true;
}

void Binder::statement(const syntax::Marker& marker) {
  if (in_chain_) finish_chain(pending_.back().links.front().source->position);
  markers_.push_back({marker.label, sequence_});
  ++program_->stats.markers;
}

void Binder::statement(const syntax::DefaultAction& defaults) {
  std::optional<int> phase;
  bool disruptive = false;
  for (const syntax::Action& a : defaults.actions) {
    switch (a.name) {
      case ActionName::Phase:
        phase = phase_of(a.argument);
        if (!phase) {
          messages_.error(a.argument_position, "invalid-phase", quoted(a.argument) + " is no phase");
          return;
        }
        break;
      case ActionName::Allow:
      case ActionName::Block:
      case ActionName::Deny:
      case ActionName::Drop:
      case ActionName::Pass:
      case ActionName::Redirect:
      case ActionName::Pause: disruptive = true; break;
      case ActionName::Id:
      case ActionName::Rev:
      case ActionName::Ver:
      case ActionName::Msg:
      case ActionName::Maturity:
      case ActionName::Accuracy:
      case ActionName::Chain:
      case ActionName::Skip:
      case ActionName::SkipAfter:
        messages_.error(a.position, "not-in-default-action",
                        "SecDefaultAction cannot have the action " + quoted(action_name(a.name)));
        return;
      case ActionName::T:
        messages_.warning(a.position, "transformation-in-default-action",
                          "transformations in SecDefaultAction are deprecated: rules that do not "
                          "begin with t:none inherit them");
        break;
      default: break;
    }
  }
  if (!disruptive) {
    messages_.error(defaults.position, "default-action-incomplete",
                    "SecDefaultAction needs a disruptive action (pass, deny, …)");
  }
  if (!phase) {
    messages_.error(defaults.position, "default-action-incomplete",
                    "SecDefaultAction needs a phase");
    return;
  }
  latest_ = std::make_shared<const ActionList>(defaults.actions);
  latest_phase_ = *phase;
  defaults_[static_cast<std::size_t>(*phase)] = latest_;
}

void Binder::statement(const syntax::Setting& setting) {
  if (setting.directive == Directive::SecGeoLookupDb) geo_position_ = setting.position;
  if (setting.directive == Directive::SecAuditLogRelevantStatus) {
    status_position_ = setting.argument_positions.empty() ? setting.position
                                                          : setting.argument_positions[0];
  }
  if (bind_setting(setting, program_->settings, messages_)) return;
  if (in_chain_) finish_chain(pending_.back().links.front().source->position);
  bind_update(setting, pending_, program_->v3(), messages_);
}

// The step after the first marker with this label, or the first rule with this id, behind `from`.
std::optional<std::uint32_t> Binder::find_label(const std::string& label,
                                                const PendingRule& from) const {
  std::size_t target = SIZE_MAX;
  for (const PendingMarker& m : markers_) {
    if (m.sequence > from.sequence && m.label == label) {
      target = m.sequence;
      break;
    }
  }
  const auto id = parse_unsigned(label);
  for (const PendingRule& r : pending_) {
    if (id && r.id == *id && r.sequence > from.sequence && r.phase == from.phase && !r.removed) {
      target = std::min(target, r.sequence);
      break;
    }
  }
  if (target == SIZE_MAX) return std::nullopt;
  const auto& steps = program_->phases[static_cast<std::size_t>(from.phase)];
  const auto after = std::partition_point(steps.begin(), steps.end(), [&](std::uint32_t rule) {
    return pending_[built_[rule]].sequence <= target;
  });
  return static_cast<std::uint32_t>(after - steps.begin());
}

void Binder::resolve_skips() {
  for (std::size_t i = 0; i < program_->rules.size(); ++i) {
    Rule& rule = program_->rules[i];
    const PendingRule& pending = pending_[built_[i]];
    for (const syntax::Action& a : pending.links.front().actions) {
      if (a.name != ActionName::SkipAfter) continue;
      const auto step = find_label(a.argument, pending);
      if (!step) {
        messages_.warning(a.argument_position, "unknown-marker",
                          "there is no SecMarker " + quoted(a.argument) +
                              " behind this rule: it will skip to the end of the phase");
      }
      rule.skip_to = step.value_or(
          static_cast<std::uint32_t>(program_->phases[static_cast<std::size_t>(rule.phase)].size()));
    }
  }
}

void Binder::compile_relevant_status() {
  const std::string& pattern = program_->settings.audit.relevant_status;
  if (pattern.empty()) return;
  auto regex = Regex::compile(pattern, {});
  if (regex) {
    program_->relevant_status = std::move(*regex);
  } else {
    messages_.error(status_position_, "invalid-regex", regex.error().message);
  }
}

// Of the rules that will be built. (Those with macros are compiled later, and are no harm here.)
std::vector<std::string_view> Binder::patterns() const {
  std::vector<std::string_view> out;
  for (const PendingRule& p : pending_) {
    if (p.removed) continue;
    for (const PendingLink& link : p.links) {
      const syntax::Operator& op = link.source->op;
      if (op.name == "rx" || op.name == "rxglobal") out.emplace_back(op.argument);
    }
  }
  return out;
}

void Binder::open_geo() {
  const std::string& path = program_->settings.geo_database;
  if (path.empty()) return;
  auto database = open_geo_database(path);
  if (database) {
    program_->geo = std::move(*database);
  } else {
    messages_.error(geo_position_, "missing-data-file", database.error().message);
  }
}

std::unique_ptr<Program> Binder::run() {
  program_->semantics = options_.semantics;
  program_->optimisations = options_.optimisations;
  program_->files = unit_.files;
  for (const syntax::Statement& s : unit_.statements) {
    ++sequence_;
    std::visit([this](const auto& statement_) { statement(statement_); }, s);
  }
  if (in_chain_) finish_chain(pending_.back().links.front().source->position);

  const PatternCache cached(patterns(), program_->v3(), options_.cache_directory);
  RuleBuilder builder(*program_, messages_, cached.known());
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const PendingRule& p = pending_[i];
    if (p.removed) continue;
    if (p.faulty || !builder.build(p)) {
      failed_ = true;
      continue;
    }
    const auto index = static_cast<std::uint32_t>(program_->rules.size() - 1);
    built_.push_back(i);
    program_->phases[static_cast<std::size_t>(p.phase)].push_back(index);
  }
  if (failed_) return nullptr;
  cached.remember();
  resolve_skips();
  builder.resolve_ctl();
  load_unicode_map(*program_, options_);
  open_geo();
  compile_relevant_status();
  const Settings& settings = program_->settings;
  program_->idle = program_->rules.empty() && !settings.request_body_access && !settings.response_body_access &&
                   settings.audit.engine == AuditEngine::Off;
  LoadStats& stats = program_->stats;
  stats.rules = program_->rules.size();
  stats.chained = program_->links.size() - program_->rules.size();
  stats.files = unit_.files.size();
  return std::move(program_);
}

}  // namespace

std::unique_ptr<Program> bind(const syntax::Unit& unit, const LoadOptions& options,
                              Diagnostics& out) {
  Binder binder(unit, options, out);
  std::unique_ptr<Program> program = binder.run();
  return has_errors(out) ? nullptr : std::move(program);
}

namespace binding {

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::uint64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return n;
}

bool IdRanges::contains(std::uint64_t id) const {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& r) { return id >= r.first && id <= r.second; });
}

std::optional<IdRanges> parse_ranges(std::string_view text) {
  IdRanges out;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(", \t");
    std::string_view one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (one.empty()) continue;
    while (one.size() > 2 && (one.front() == '"' || one.front() == '\'') && one.back() == one.front()) {
      one = one.substr(1, one.size() - 2);
    }
    const std::size_t dash = one.find('-');
    const auto low = parse_unsigned(one.substr(0, dash));
    const auto high = dash == std::string_view::npos ? low : parse_unsigned(one.substr(dash + 1));
    if (!low || !high || *low > *high) return std::nullopt;
    out.ranges.emplace_back(*low, *high);
  }
  if (out.ranges.empty()) return std::nullopt;
  return out;
}

Result<TextSelector> TextSelector::make(std::string_view text, bool v3) {
  TextSelector s;
  s.text_ = text;
  if (v3) return s;
  auto regex = Regex::compile(text, {});
  if (!regex) return fail(regex.error().message);
  s.regex_ = std::move(*regex);
  return s;
}

bool TextSelector::takes(std::string_view text, ReScratch& scratch) const {
  if (regex_ == nullptr) return text == text_;
  return regex_->search(text, scratch, {}) == ReResult::Match;
}

std::optional<int> phase_of(std::string_view text) {
  if (fold_equal(text, "request")) return 2;
  if (fold_equal(text, "response")) return 4;
  if (fold_equal(text, "logging")) return 5;
  if (text.size() == 1 && text[0] >= '1' && text[0] <= '5') return text[0] - '0';
  return std::nullopt;
}

int severity_of(std::string_view text) {
  constexpr std::array<std::string_view, 8> kNames = {"emergency", "alert",  "critical", "error",
                                                      "warning",   "notice", "info",     "debug"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (fold_equal(text, kNames[i])) return static_cast<int>(i);
  }
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '7') return text[0] - '0';
  return -1;
}

}  // namespace binding

}  // namespace weir::rules
