#include "rules/profile.h"

#include <algorithm>

#include "rules/program.h"

namespace weir::rules {

namespace {

void add_to(ProfileCost& a, const ProfileCost& b) {
  a.calls += b.calls;
  a.ns += b.ns;
}

void add_all(std::vector<ProfileCost>& a, const std::vector<ProfileCost>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) add_to(a[i], b[i]);
}

// "t:none", or the transformations of the chain in order.
std::string chain_name(const Program& program, std::uint16_t node) {
  std::string name;
  for (; node != 0; node = program.chains[node].parent) {
    const std::string step = "t:" + std::string(transform_name(program.chains[node].transform));
    name = name.empty() ? step : step + "," + name;
  }
  return name.empty() ? "t:none" : name;
}

}  // namespace

Profile::Profile(std::shared_ptr<const RuleSet> rules, ProfileClock clock)
    : set_(std::move(rules)),
      clock_(clock),
      rules_(set_->program().rules.size()),
      links_(set_->program().links.size()),
      units_(set_->program().prefilter.units.size()) {}

void Profile::add(const Profile& other) {
  add_all(rules_, other.rules_);
  add_all(links_, other.links_);
  add_all(units_, other.units_);
  add_to(filter_, other.filter_);
  for (std::size_t i = 0; i < kTransforms; ++i) add_to(transforms_[i], other.transforms_[i]);
}

std::vector<ProfileRow> Profile::rows() const {
  const Program& program = set_->program();
  std::vector<ProfileRow> out;
  const auto row = [&out](ProfileKind kind, std::uint64_t id, std::string name, const ProfileCost& cost) {
    if (cost.calls > 0) out.push_back({kind, id, std::move(name), cost});
  };
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    row(ProfileKind::Rule, program.rules[i].id, std::to_string(program.rules[i].id), rules_[i]);
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const Link& link = program.links[i];
    row(ProfileKind::Operator, program.rules[link.rule].id,
        (link.negated ? "!@" : "@") + link.op_name + " " + link.op_argument, links_[i]);
  }
  for (std::size_t i = 0; i < units_.size(); ++i) {
    const ScanUnit& unit = program.prefilter.units[i];
    row(ProfileKind::Scan, 0,
        chain_name(program, unit.chain) + ", " + std::to_string(unit.to_scan.size()) + " patterns", units_[i]);
  }
  row(ProfileKind::Filter, 0, "all", filter_);
  for (std::size_t i = 0; i < kTransforms; ++i) {
    const auto t = static_cast<Transform>(i);
    row(ProfileKind::Transform, 0, "t:" + std::string(transform_name(t)), transforms_[i]);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.cost.ns > b.cost.ns; });
  return out;
}

}  // namespace weir::rules
