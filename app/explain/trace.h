// Story: what the rules did with one transaction, step by step, as text or as JSON lines.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/event.h"
#include "rules/explain.h"

namespace weir::app {

// What of a story is wanted.
struct Interest {
  bool all = false;              // also what did not match and what was skipped
  std::set<std::uint64_t> only;  // only these rules, and all of them; empty: every rule

  // What did not match is wanted, too.
  [[nodiscard]] bool whole(std::uint64_t rule) const { return all || only.count(rule) != 0; }
  [[nodiscard]] bool wants(std::uint64_t rule) const { return only.empty() || only.count(rule) != 0; }
};

// Collects the steps of a transaction and writes them down when the transaction is over, because only then
// it is known which rules were logged.
class TextStory final : public rules::TraceSink {
 public:
  TextStory(Interest interest, bool colored) : interest_(std::move(interest)), colored_(colored) {}

  void on_phase(Phase phase) override;
  void on_skipped(const RuleStep& rule, Skipped why) override;
  void on_target_removed(const RuleStep& rule, std::string_view target) override;
  void on_evaluation(const Evaluation& evaluation) override;
  void on_action(const RuleStep& rule, std::string_view action, std::string_view name,
                 std::string_view value) override;
  void on_match(const RuleStep& rule, const Decision& decision, bool effective) override;

  // Everything, with the transaction's result at the end.
  [[nodiscard]] std::string told(const Event& event) const;

 private:
  struct Rule {
    std::uint64_t id = 0;
    std::string place;
    std::string lines;
    bool matched = false;
    bool disruptive = false;
    bool about_request = false;  // it matched something else than the rules' own variables
    bool phase_heading = false;  // not a rule: `lines` is the heading of a phase
  };
  Rule& rule(const RuleStep& step);

  Interest interest_;
  bool colored_;
  std::vector<Rule> rules_;
};

class JsonStory final : public rules::TraceSink {
 public:
  explicit JsonStory(Interest interest) : interest_(std::move(interest)) {}
  void on_phase(Phase phase) override;
  void on_skipped(const RuleStep& rule, Skipped why) override;
  void on_target_removed(const RuleStep& rule, std::string_view target) override;
  void on_evaluation(const Evaluation& evaluation) override;
  void on_action(const RuleStep& rule, std::string_view action, std::string_view name,
                 std::string_view value) override;
  void on_match(const RuleStep& rule, const Decision& decision, bool effective) override;
  // All lines; the transaction's record is the last.
  [[nodiscard]] std::string told(const Event& event, std::string_view capture) const;

 private:
  Interest interest_;
  std::string text_;
};

}  // namespace weir::app
