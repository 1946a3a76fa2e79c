// What is foregone: rules that look at nothing of a message. CRS begins with dozens that give TX variables their
// defaults, and asks before each group of rules for the level (`SecRule TX:detection_paranoia_level "@lt 2"
// "…,skipAfter:…"`). They read constants, and TX variables that only rules of their own kind set: what they do is
// the same in every transaction. It is found out once, at load, by running them; afterwards what came of it is put
// in place, and they are not looked at.
//
// A *closed* rule compares such variables with such values (or always matches, as SecAction does), sets TX variables
// to such values, and goes on; it may jump. A *course* is the way through a phase: what the closed rules on it do,
// rule by rule, and which other steps lie on it. A transaction *strays* from it where another rule jumps over a closed one,
// where ctl: removes one, and where a phase is left before its end. From then on its rules are run one by one.
//
// Scores are no such variables: rules of the message add to them. Yet of most messages none does, and then what CRS makes of
// them at the end of each phase is the same, too. So there is a second, *hopeful*, course beside the strict one: on it
// rules count as closed that read what others set, as long as those have not. Which names that is about is known at
// load; where one of them is set the transaction is *disappointed*, and goes on by the strict course.
//
// Invariants: between any two rules that are run TX, the matches, MATCHED_VAR, HIGHEST_SEVERITY and the work are
// what they would be had the closed rules been run. With a trace or a profile all rules are run. Tested by
// tests/unit/rules_core/foregone_test.cc and differential_test.cc.
//
// Made at load, then immutable; shared by threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/transaction_state.h"

namespace weir::rules {

struct Course {
  struct Set {
    std::string_view name, value;
    std::uint32_t hash = 0;   // fold_hash(name)
    std::uint16_t known = 0;  // Program::tx_names
    bool unset = false;
  };
  // A rule that does something. Sums are those of the course up to and with it.
  struct Turn {
    std::uint32_t sets = 0, noted = 0;
    std::uint64_t work = 0;
    int severity = 255;            // the highest
    std::uint32_t matched_by = 0;  // 1 + the turn of the last match; 0: none yet
    MatchedVar matched;            // its own last match
    bool of_client = false;        // of which the value is REMOTE_ADDR
  };
  std::vector<std::uint64_t> open;  // bits: steps on the way that are to be run
  std::vector<Turn> turns;          // by step
  std::vector<std::uint32_t> steps;  // theirs
  std::vector<Set> sets;
  // By match:
  std::vector<std::uint32_t> noted;     // its rule
  std::vector<std::uint8_t> of_client;  // 1: its value is REMOTE_ADDR, as SecAction's is
  std::vector<Match> matches;
  bool logs = false, audits = false;    // is any of them to be logged, or relevant for the audit log?
  // What the first turns make of an empty TX, in one piece: CRS' set-up is dozens of variables.
  VarTable::Image begins;
  std::size_t begins_turns = 0;
  std::optional<std::int64_t> level;  // Prefilters::level_name at the end

  // Is there room for all that it sets? A hostile request may have filled TX.
  [[nodiscard]] bool fits(const TransactionState& tx) const {
    return tx.tx.all().size() + sets.size() <= VarTable::kMaxVariables;
  }
  // Does a jump from before `turn` to `step` leave something out?
  [[nodiscard]] bool left_by(std::size_t turn, std::size_t step) const {
    return turn < steps.size() && steps[turn] < step;
  }
  [[nodiscard]] std::size_t bytes() const;
  // The first turn that is not before `step`.
  [[nodiscard]] std::size_t turn_at(std::size_t step) const;
  // Puts what the turns from `turn` to those before `step` do in place; returns the first that is left.
  std::size_t follow(TransactionState& tx, std::size_t turn, std::size_t step) const;

 private:
  void add_matches(TransactionState& tx, std::size_t from, std::size_t to) const;
};

class Foregone {
 public:
  enum class Way : std::uint8_t { Strict, Hopeful };
  // Null: nothing is known of a transaction that has run exactly the phases `done` (TransactionState::phases_done).
  [[nodiscard]] const Course* course(std::uint8_t done, Phase phase, Way way = Way::Strict) const;
  [[nodiscard]] bool closed(std::uint32_t rule, Way way = Way::Strict) const {
    return (way == Way::Strict ? closed_ : hoped_)[rule];
  }
  // Does setting the TX variable with this number (Program::tx_names) disappoint?
  [[nodiscard]] bool watches(std::uint16_t known) const { return watched_[known]; }
  // Of memory, all courses together; what the heap adds to its pieces not counted.
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class CourseRecorder;
  friend std::shared_ptr<const Foregone> find_foregone(const Program& program);
  struct After {
    std::uint8_t done = 0;
    Phase phase{};
    Way way{};
    Course course;
  };
  std::vector<bool> closed_, hoped_;  // by rule
  std::vector<bool> watched_;         // by number of a name
  std::vector<After> courses_;
  std::set<std::string, std::less<>> texts_;  // what the courses' views are of, if not of the program
};

// `program` is compiled and outlives the result.
std::shared_ptr<const Foregone> find_foregone(const Program& program);

}  // namespace weir::rules
