#include "rules/levels.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "rules/ascii.h"

namespace weir::rules {

namespace {

constexpr std::int64_t kAlways = std::numeric_limits<std::int64_t>::min();

struct Guard {
  std::string name;
  std::int64_t least = 0;
};

std::optional<Guard> guard_of(const Program& program, const Rule& rule) {
  if (rule.skip_to == Rule::kNoSkip || rule.links != 1) return std::nullopt;
  const Link& link = program.links[rule.first_link];
  if (link.targets.size() != 1 || link.negated || link.multi_match || link.chain != 0) return std::nullopt;
  const TargetSpec& t = link.targets.front();
  const bool one = t.variable == Variable::TX && t.kind == syntax::Selector::Kind::Literal && !t.count && !t.exclude;
  if (!one || link.op_name != "lt" || link.op_has_macros) return std::nullopt;
  return Guard{lower(t.key), leading_integer(link.op_argument)};
}

}  // namespace

Levels find_levels(const Program& program) {
  std::map<std::string, std::map<std::uint32_t, std::int64_t>> guarded;  // name -> rule -> level
  for (const auto& steps : program.phases) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Rule& rule = program.rules[steps[i]];
      const std::optional<Guard> guard = guard_of(program, rule);
      if (!guard) continue;
      auto& of_rule = guarded[guard->name];
      for (std::size_t j = i + 1; j < std::min<std::size_t>(rule.skip_to, steps.size()); ++j) {
        const auto at = of_rule.emplace(steps[j], guard->least).first;
        at->second = std::max(at->second, guard->least);
      }
    }
  }
  Levels out;
  out.of_rule.assign(program.rules.size(), kAlways);
  const auto most = std::max_element(guarded.begin(), guarded.end(), [](const auto& a, const auto& b) {
    return a.second.size() < b.second.size();
  });
  if (most == guarded.end()) return out;
  std::set<std::int64_t> steps;
  for (const auto& [rule, level] : most->second) steps.insert(level);
  if (steps.size() > Levels::kMost) return out;
  out.name = most->first;
  out.steps.assign(steps.begin(), steps.end());
  for (const auto& [rule, level] : most->second) out.of_rule[rule] = level;
  return out;
}

}  // namespace weir::rules
