// Profile: where the time of judging goes, by rule, operator, scan and transformation (weir inspect --profile).
//
//   Profile profile(*rules, clock);
//   transaction.profile_to(&profile);     // after begin(), before anything is judged
//   for (const ProfileRow& row : profile.rows()) …
//
// The clock is the caller's: nothing here reads one. Time that is counted at one place is not counted again
// where it was called from, so that all rows together are the whole. Not thread-safe: one for each worker;
// add() sums them. Without a profile the cost is a comparison with null for each evaluation.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/ruleset.h"
#include "rules/transforms/transform.h"

namespace weir::rules {

// Nanoseconds from any beginning, never backwards.
using ProfileClock = std::uint64_t (*)();

struct ProfileCost {
  std::uint64_t calls = 0;
  std::uint64_t ns = 0;
};

enum class ProfileKind : std::uint8_t {
  Rule,       // collecting targets, actions; without what is below
  Operator,   // a pattern, a phrase list, libinjection
  Scan,       // Hyperscan over a value, by scan unit
  Filter,     // ruling out: bytes, lengths, pieces of text
  Transform,
};

struct ProfileRow {
  ProfileKind kind = ProfileKind::Rule;
  std::uint64_t rule_id = 0;  // of Rule and Operator
  std::string name;           // "942100", "@rx (?i)union…", "t:lowercase"
  ProfileCost cost;
};

class Profile {
 public:
  Profile(std::shared_ptr<const RuleSet> rules, ProfileClock clock);
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  // REQUIRES: of the same rule set.
  void add(const Profile& other);
  // What was called at all, the dearest first.
  [[nodiscard]] std::vector<ProfileRow> rows() const;

  // The places where time is counted.
  [[nodiscard]] ProfileCost& rule(std::size_t index) { return rules_[index]; }
  [[nodiscard]] ProfileCost& link(std::size_t index) { return links_[index]; }
  [[nodiscard]] ProfileCost& unit(std::size_t index) { return units_[index]; }
  [[nodiscard]] ProfileCost& filter() { return filter_; }
  [[nodiscard]] ProfileCost& transform(Transform t) { return transforms_[static_cast<std::size_t>(t)]; }

  // For ProfileSpan. Returns the place that was counted at until now.
  ProfileCost* enter(ProfileCost& place) {
    ++place.calls;
    return change(&place);
  }
  ProfileCost* change(ProfileCost* place) {
    const std::uint64_t now = clock_();
    if (at_ != nullptr) at_->ns += now - since_;
    since_ = now;
    ProfileCost* before = at_;
    at_ = place;
    return before;
  }

 private:
  static constexpr std::size_t kTransforms = static_cast<std::size_t>(Transform::Utf8ToUnicode) + 1;

  std::shared_ptr<const RuleSet> set_;
  ProfileClock clock_;
  std::vector<ProfileCost> rules_, links_, units_;
  ProfileCost filter_;
  std::array<ProfileCost, kTransforms> transforms_{};
  ProfileCost* at_ = nullptr;
  std::uint64_t since_ = 0;
};

// Counts at `place` while it lives; std::optional<ProfileSpan> where there may be no profile.
class ProfileSpan {
 public:
  ProfileSpan(Profile& profile, ProfileCost& place) : profile_(profile), before_(profile.enter(place)) {}
  ~ProfileSpan() { profile_.change(before_); }
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 private:
  Profile& profile_;
  ProfileCost* before_;
};

}  // namespace weir::rules
