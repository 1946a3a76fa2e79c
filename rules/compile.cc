#include "rules/compile.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "rules/variables.h"

namespace weir::rules {

namespace {

// Patterns that cost Hyperscan seconds, or come out so large that a scan is slower than PCRE2 behind the
// byte filter (measured on CRS 3.3.4 and 4.28).
constexpr std::size_t kLongestPattern = 1500;
// Smaller sets are not worth a scan.
constexpr std::size_t kFewestPatterns = 6;

bool is_response(Variable v) {
  return v == Variable::RESPONSE_BODY || v == Variable::RESPONSE_HEADERS ||
         v == Variable::RESPONSE_HEADERS_NAMES;
}

std::string signature(const std::vector<TargetSpec>& targets) {
  std::string s;
  for (const TargetSpec& t : targets) {
    s += std::to_string(static_cast<int>(t.variable));
    s += t.count ? '&' : t.exclude ? '!' : ':';
    s += std::to_string(static_cast<int>(t.kind));
    s += std::to_string(t.key.size()) + ':' + t.key + '|';
  }
  return s;
}

// Large bounded repeats of wide classes make automata explode.
bool expensive(const std::string& pattern) {
  if (pattern.size() > kLongestPattern) return true;
  for (std::size_t i = pattern.find('{'); i != std::string::npos; i = pattern.find('{', i + 1)) {
    std::size_t n = 0;
    std::size_t most = 0;
    for (std::size_t j = i + 1; j < pattern.size() && pattern[j] != '}'; ++j) {
      if (pattern[j] == ',') {
        n = 0;
      } else if (pattern[j] >= '0' && pattern[j] <= '9') {
        n = std::min<std::size_t>(n * 10 + static_cast<std::size_t>(pattern[j] - '0'), 1U << 20);
        most = std::max(most, n);
      } else {
        most = 0;
        break;
      }
    }
    if (most > 64) return true;
  }
  return false;
}

class Compiler {
 public:
  Compiler(Program& program, const LoadOptions& options) : program_(program), options_(options) {}

  void run();

 private:
  void find_guards();
  [[nodiscard]] bool scannable(const Link& link) const;
  void place(std::uint32_t link_index);
  std::uint32_t pattern_bit(std::uint32_t unit, std::uint32_t link_index);
  void finish_unit(std::uint32_t unit);
  void choose_scanned(ScanUnit& unit) const;

  Program& program_;
  const LoadOptions& options_;
  std::vector<std::uint32_t> guard_class_;  // by rule
  std::map<std::tuple<std::uint16_t, std::uint32_t, bool>, std::uint32_t> units_;
  std::vector<std::map<std::pair<bool, std::string>, std::uint32_t>> unit_patterns_;
  std::map<std::tuple<std::uint8_t, std::uint32_t, std::string>, std::uint32_t> groups_;
};

// A rule that may be jumped over is worth scanning for only if it is reached: rules under the same
// conditions are compiled together.
void Compiler::find_guards() {
  std::map<std::string, std::uint32_t> guards;
  std::map<std::vector<std::uint32_t>, std::uint32_t> classes;
  guard_class_.assign(program_.rules.size(), 0);
  for (const auto& steps : program_.phases) {
    std::vector<std::set<std::uint32_t>> over(steps.size());
    for (std::uint32_t i = 0; i < steps.size(); ++i) {
      const Rule& rule = program_.rules[steps[i]];
      if (rule.skip_to == Rule::kNoSkip) continue;
      std::string key;
      for (std::uint32_t l = 0; l < rule.links; ++l) {
        const Link& link = program_.links[rule.first_link + l];
        key += signature(link.targets) + (link.negated ? "!@" : "@") + link.op_name + ' ' +
               link.op_argument + '\n';
      }
      const auto id = guards.emplace(std::move(key), static_cast<std::uint32_t>(guards.size())).first->second;
      for (std::uint32_t j = i + 1; j < std::min<std::size_t>(rule.skip_to, steps.size()); ++j) {
        over[j].insert(id);
      }
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::vector<std::uint32_t> key(over[i].begin(), over[i].end());
      guard_class_[steps[i]] =
          classes.emplace(std::move(key), static_cast<std::uint32_t>(classes.size())).first->second;
    }
  }
}

bool Compiler::scannable(const Link& link) const {
  if (link.op == nullptr || link.negated || link.multi_match || link.op_has_macros) return false;
  if (link.op->regex() == nullptr && link.op->phrases() == nullptr) return false;
  bool any = false;
  for (const TargetSpec& t : link.targets) {
    if (t.count || !is_static(t.variable)) return false;
    any = any || !t.exclude;
  }
  return any;
}

std::uint32_t Compiler::pattern_bit(std::uint32_t unit, std::uint32_t link_index) {
  const Link& link = program_.links[link_index];
  const Regex* regex = link.op->regex();
  std::string key = regex == nullptr
                        ? link.op_name + ' ' + std::to_string(link.position.file) + ' ' + link.op_argument
                        : std::string(regex->options().caseless ? "i" : "c") +
                              (regex->options().multiline ? "m" : "s") + regex->pattern();
  ScanUnit& u = program_.prefilter.units[unit];
  const auto [there, fresh] = unit_patterns_[unit].emplace(
      std::make_pair(regex != nullptr, std::move(key)), static_cast<std::uint32_t>(u.patterns.size()));
  if (fresh) u.patterns.push_back(link_index);
  return there->second;
}

void Compiler::place(std::uint32_t link_index) {
  Link& link = program_.links[link_index];
  if (!scannable(link)) return;
  const Rule& rule = program_.rules[link.rule];
  const bool response = std::any_of(link.targets.begin(), link.targets.end(),
                                    [](const TargetSpec& t) { return is_response(t.variable); });
  Prefilter& p = program_.prefilter;
  const auto [unit, fresh] =
      units_.emplace(std::make_tuple(link.chain, guard_class_[link.rule], response),
                     static_cast<std::uint32_t>(p.units.size()));
  if (fresh) {
    p.units.emplace_back();
    p.units.back().chain = link.chain;
    unit_patterns_.emplace_back();
  }
  const auto phase = static_cast<std::uint8_t>(rule.phase);
  const auto [group, fresh_group] =
      groups_.emplace(std::make_tuple(phase, unit->second, signature(link.targets)),
                      static_cast<std::uint32_t>(p.groups.size()));
  if (fresh_group) p.groups.push_back({unit->second, link_index, phase});
  link.read.bit = pattern_bit(unit->second, link_index);
  link.read.group = group->second;
}

// What Hyperscan is to look for; the databases are compiled later (scanners.h).
void Compiler::choose_scanned(ScanUnit& unit) const {
  std::vector<std::uint32_t> bits;
  for (std::uint32_t bit = 0; bit < unit.patterns.size(); ++bit) {
    const Regex* regex = program_.links[unit.patterns[bit]].op->regex();
    if (regex == nullptr || regex->options().not_empty || expensive(regex->pattern())) continue;
    bits.push_back(bit);
  }
  if (bits.size() >= kFewestPatterns) unit.to_scan = std::move(bits);
}

void Compiler::finish_unit(std::uint32_t index) {
  ScanUnit& unit = program_.prefilter.units[index];
  std::vector<Necessary> necessary;
  necessary.reserve(unit.patterns.size());
  for (const std::uint32_t link : unit.patterns) {
    const Operator& op = *program_.links[link].op;
    if (const Regex* regex = op.regex(); regex != nullptr) {
      necessary.push_back(necessary_of(regex->pattern(), regex->options().caseless));
    } else {
      necessary.push_back(necessary_of_phrases(*op.phrases()));
    }
  }
  unit.bytes.build(necessary);
  program_.stats.memory_bytes += unit.bytes.bytes();
  choose_scanned(unit);
}

void Compiler::run() {
  std::set<std::string> patterns;
  for (const Link& link : program_.links) {
    if (link.op == nullptr) continue;
    if (const Regex* regex = link.op->regex(); regex != nullptr) patterns.insert(regex->pattern());
    if (const auto* phrases = link.op->phrases(); phrases != nullptr) {
      program_.stats.phrases += phrases->size();
    }
  }
  program_.stats.patterns = patterns.size();
  if (!options_.optimisations.prefilter) return;
  find_guards();
  for (std::uint32_t i = 0; i < program_.links.size(); ++i) place(i);
  for (std::uint32_t i = 0; i < program_.prefilter.units.size(); ++i) finish_unit(i);
}

}  // namespace

void compile(Program& program, const LoadOptions& options) { Compiler(program, options).run(); }

}  // namespace weir::rules
