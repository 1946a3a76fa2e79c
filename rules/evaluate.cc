#include "rules/evaluate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <span>

#include "rules/foregone.h"
#include "rules/hurdles.h"
#include "rules/listed_names.h"
#include "rules/prescan.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

constexpr std::size_t kMaxMatchedVars = 65536;

// One link of a rule while its targets are gone through.
class LinkRun {
 public:
  LinkRun(TransactionState& tx, const Rule& rule, std::uint32_t index)
      : tx_(tx),
        rule_(rule),
        index_(index),
        link_(tx.program->links.data()[rule.first_link + index]),
        remembers_(link_.op != nullptr && (!link_.negated || link_.remembered) && !link_.op_has_macros && !link_.looks_up_geo &&
                   tx.program->optimisations.prefilter && tx.program->optimisations.recurring &&
                   tx.trace == nullptr) {}

  LinkResult run();

 private:
  [[nodiscard]] bool ruled_out(const TargetValue& target, std::uint32_t item) const;
  [[nodiscard]] bool scanned_out(const TargetValue& target, Form& form) const;
  bool removed(const TargetValue& value) const;
  // Applies the operator to one form of a value, of which `item` is the item (or ReadRef::kNone).
  // `denied`: it is known to say no. False: stop, the transaction is intercepted.
  bool test(const TargetValue& target, std::string_view text, std::uint32_t item, bool denied = false);
  // Does the operator, which there is, say yes? What it captures is in the scratch.
  bool holds(std::string_view text, std::string_view argument, bool& limit_exceeded, GeoRecord* geo);
  bool test_target(TargetValue& target);
  bool test_every_step(TargetValue& target);
  bool matched(const TargetValue& target, std::string_view text);

  TransactionState& tx_;
  const Rule& rule_;
  std::uint32_t index_;
  const Link& link_;
  const bool remembers_;  // what the operator says follows from the value alone
  bool any_ = false;
};

void set_geo(TransactionState& tx, const GeoRecord& record) {
  tx.geo.clear();
  const auto set = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) tx.geo.set(name, fold_hash(name), value);
  };
  set("COUNTRY_CODE", record.country_code);
  set("COUNTRY_NAME", record.country_name);
  set("COUNTRY_CONTINENT", record.country_continent);
  set("REGION", record.region);
  set("CITY", record.city);
  set("POSTAL_CODE", record.postal_code);
  if (!record.has_location) return;
  const auto degrees = [&](double d) {
    char text[32];
    const int n = std::snprintf(text, sizeof text, "%f", d);
    return tx.arena.copy({text, static_cast<std::size_t>(n)});
  };
  set("LATITUDE", degrees(record.latitude));
  set("LONGITUDE", degrees(record.longitude));
}

// TX:0 … TX:9.
constexpr std::string_view kDigits = "0123456789";
constexpr std::array<std::uint32_t, 10> kDigitHashes = [] {
  std::array<std::uint32_t, 10> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = fold_hash(kDigits.substr(i, 1));
  return out;
}();

bool LinkRun::removed(const TargetValue& value) const {
  const auto rule = static_cast<std::uint32_t>(&rule_ - tx_.program->rules.data());
  for (const CtlAction* ctl : tx_.target_removals) {
    if (!std::binary_search(ctl->rules.begin(), ctl->rules.end(), rule)) continue;
    for (const TargetSpec& t : ctl->targets) {
      if (t.variable != value.variable) continue;
      ++tx_.work;
      if (t.kind == syntax::Selector::Kind::None) return true;
      if (!value.count && t.takes(value.key, tx_.scratch.re, tx_.pcre())) return true;
    }
  }
  return false;
}

bool LinkRun::matched(const TargetValue& target, std::string_view text) {
  any_ = true;
  const std::string_view name = name_of(tx_, target);
  tx_.matched_var = {name, text};
  if (tx_.matched_vars.size() < kMaxMatchedVars) tx_.matched_vars.push_back({name, text});
  if (link_.last && rule_.severity > 0 && rule_.severity < tx_.highest_severity) {
    tx_.highest_severity = rule_.severity;
  }
  // Trap 4: once for each matching value, at once, whatever the rest of the chain says (trap 5).
  for (const Action& action : link_.actions) perform(tx_, rule_, index_, action);
  return !link_.last || !conclude(tx_, rule_);
}

bool LinkRun::holds(std::string_view text, std::string_view argument, bool& limit_exceeded, GeoRecord* geo) {
  OperatorContext context{tx_.scratch.re,
                          tx_.arena,
                          argument,
                          link_.capture ? &tx_.scratch.captures : nullptr,
                          tx_.pcre(),
                          &limit_exceeded,
                          &tx_.work,
                          tx_.program->optimisations.linear,
                          tx_.program->optimisations.whole,
                          tx_.program->geo.get(),
                          geo,
                          tx_.program->optimisations.injection};
  std::optional<ProfileSpan> span;
  if (tx_.profile != nullptr) {
    span.emplace(*tx_.profile, tx_.profile->link(static_cast<std::size_t>(&link_ - tx_.program->links.data())));
  }
  return link_.op->match(text, context);
}

bool LinkRun::test(const TargetValue& target, std::string_view text, std::uint32_t item, bool denied) {
  ++tx_.work;
  Captures& captures = tx_.scratch.captures;
  captures.count = 0;
  bool limit_exceeded = false;
  const std::string_view argument =
      link_.op_has_macros ? link_.op_macro.expand(tx_) : std::string_view(link_.op_argument);
  bool result = true;
  if (link_.looks_up_geo) {
    GeoRecord geo;
    result = holds(text, argument, limit_exceeded, &geo);
    if (result) set_geo(tx_, geo);
  } else if (link_.op != nullptr) {
    result = !denied && holds(text, argument, limit_exceeded, nullptr);
  }
  if (limit_exceeded) {
    tx_.pcre_limits_exceeded = true;
    constexpr std::string_view kName = "MSC_PCRE_LIMITS_EXCEEDED";
    tx_.tx.set(kName, fold_hash(kName), "1");
    result = link_.negated;  // an error is no match, also of a negated operator
  } else if (result && captures.count > 0) {
    set_captures(tx_, captures);
  }
  const bool match = result != link_.negated;
  if (!match && !limit_exceeded && item != ReadRef::kNone && remembers_ && target.slot != nullptr) {
    rule_out(tx_, target, item);
  }
  if (tx_.trace != nullptr) {
    TraceSink::Evaluation e;
    e.rule = trace_step(tx_, rule_, index_);
    e.target = name_of(tx_, target);
    e.value = target.text;
    e.transformed = text;
    e.op = link_.op_name;
    e.argument = argument;
    e.negated = link_.negated;
    e.matched = match;
    tx_.trace->on_evaluation(e);
  }
  return !match || matched(target, text);
}

bool LinkRun::ruled_out(const TargetValue& target, std::uint32_t item) const {
  return item != ReadRef::kNone && target.slot != nullptr && tx_.program->optimisations.prefilter &&
         !may_match(tx_, target, item);
}

// Has Hyperscan looked for the pattern in the form, and not found it?
bool LinkRun::scanned_out(const TargetValue& target, Form& form) const {
  const std::uint32_t unit = link_.read.unit;
  if (unit == ReadRef::kNone || tx_.scanners == nullptr) return false;
  const std::uint64_t* hits = scan_unit(tx_, unit, *target.slot, form);
  return hits != nullptr && !bit_of(hits, link_.read.unit_bit);
}

// Trap 17: the original, then every form that a transformation changed.
bool LinkRun::test_every_step(TargetValue& target) {
  if (!ruled_out(target, link_.read.item) && !test(target, target.text, link_.read.item)) return false;
  Slot own;
  own.text = target.text;
  Slot& slot = target.slot != nullptr ? *target.slot : own;
  for (std::size_t i = 0; i < link_.steps.size(); ++i) {
    if (link_.read.scanned() && ruled_out(target, link_.read.steps[i])) continue;
    const Form& form = tx_.forms.form(slot, link_.steps[i]);
    const std::uint32_t item = link_.read.scanned() ? link_.read.steps[i] : ReadRef::kNone;
    if (form.changed && !test(target, form.text, item)) return false;
  }
  return true;
}

bool LinkRun::test_target(TargetValue& target) {
  if (link_.multi_match) return test_every_step(target);
  if (target.slot != nullptr) {
    if (ruled_out(target, link_.read.item)) return true;
    Form& form = tx_.forms.form(*target.slot, link_.chain);
    return scanned_out(target, form) || test(target, form.text, link_.read.item, ruled_out(target, link_.read.denied));
  }
  if (link_.chain == 0) return test(target, target.text, ReadRef::kNone);
  Slot own;
  own.text = target.text;
  return test(target, tx_.forms.form(own, link_.chain).text, ReadRef::kNone);
}

LinkResult LinkRun::run() {
  TargetList& targets = tx_.scratch.targets;
  targets.clear();
  // What happens to values that cannot match matters only to those who watch.
  const ReadRef* const asked = tx_.program->optimisations.prefilter && tx_.trace == nullptr ? &link_.read : nullptr;
  for (const TargetSpec& t : link_.targets) collect(tx_, t, asked, targets);
  const auto rule = static_cast<std::size_t>(&rule_ - tx_.program->rules.data());
  // As in ModSecurity 2 removals name the head; further links have no id, tag or message.
  const bool check = index_ == 0 && tx_.rule_flags_used &&
                     (tx_.rule_flags[rule] & TransactionState::kTargetsRemoved) != 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (check && removed(targets[i])) {
      if (tx_.trace != nullptr) {
        tx_.trace->on_target_removed(trace_step(tx_, rule_, index_), name_of(tx_, targets[i]));
      }
      continue;
    }
    if (!test_target(targets[i])) return LinkResult::Stop;
  }
  return any_ ? LinkResult::Match : LinkResult::NoMatch;
}

}  // namespace

void set_captures(TransactionState& tx, const Captures& captures) {
  for (std::size_t i = 0; i < 10; ++i) {
    const std::string_view name = kDigits.substr(i, 1);
    const auto known = static_cast<std::uint16_t>(KnownNames::kFirstDigit + i);
    if (i < captures.count) {
      tx.tx.set(name, kDigitHashes[i], captures.groups[i], known);
    } else if (!tx.program->v3()) {  // trap 9: ModSecurity 3 leaves old groups
      tx.tx.unset(name, kDigitHashes[i], known);
    }
  }
}

LinkResult run_link(TransactionState& tx, const Rule& rule, std::uint32_t link) { return LinkRun(tx, rule, link).run(); }

bool compares(const TransactionState& tx, const TargetSpec& target, const Comparison& number, bool negated) {
  const VarTable::Var* v = tx.tx.find(target.key, target.hash, target.known);
  if (target.count) return number.holds(std::int64_t{v == nullptr ? 0 : 1}) != negated;
  return v != nullptr && number.holds(v->value) != negated;
}

bool fails_at_once(const TransactionState& tx, const Rule& rule) {
  const Link& link = tx.program->links.data()[rule.first_link];
  if (!link.number || tx.trace != nullptr) return false;
  return !compares(tx, link.targets.front(), *link.number, link.negated);
}

std::size_t after_match(const Rule& rule, std::size_t step, std::size_t steps) {
  return rule.skip_to != Rule::kNoSkip ? rule.skip_to : std::min<std::size_t>(step + 1 + rule.skip, steps);
}

namespace {

LinkResult run_rule(TransactionState& tx, const Rule& rule) {
  if (fails_at_once(tx, rule) || stopped(tx, rule)) return LinkResult::NoMatch;
  std::optional<ProfileSpan> span;
  if (tx.profile != nullptr) {
    span.emplace(*tx.profile,
                 tx.profile->rule(static_cast<std::size_t>(&rule - tx.program->rules.data())));
  }
  tx.current_rule = &rule;
  tx.matched_vars.clear();
  if (rule.listed != 0 && none_is_listed(tx, rule)) return LinkResult::NoMatch;
  for (std::uint32_t i = 0; i < rule.links; ++i) {
    const LinkResult result = run_link(tx, rule, i);
    if (result != LinkResult::Match) return result;
  }
  return LinkResult::Match;
}

void note_skipped(TransactionState& tx, const Rule& rule, TraceSink::Skipped why) {
  if (tx.trace != nullptr) tx.trace->on_skipped(trace_step(tx, rule, 0), why);
}

void note_jump(TransactionState& tx, const std::vector<std::uint32_t>& steps, std::size_t from,
               std::size_t to, TraceSink::Skipped why) {
  if (tx.trace == nullptr) return;
  for (std::size_t i = from; i < to; ++i) note_skipped(tx, tx.program->rules[steps[i]], why);
}

// Steps that the prefilter has ruled out.
void note_not_run(TransactionState& tx, const std::vector<std::uint32_t>& steps, std::size_t from,
                  std::size_t to) {
  if (tx.trace == nullptr) return;
  for (std::size_t i = from; i < to; ++i) {
    const bool removed = tx.rule_flags_used &&
                         (tx.rule_flags[steps[i]] & TransactionState::kRuleRemoved) != 0;
    note_skipped(tx, tx.program->rules[steps[i]],
                 removed ? TraceSink::Skipped::Removed : TraceSink::Skipped::Prefilter);
  }
}

}  // namespace

TraceSink::RuleStep trace_step(const TransactionState& tx, const Rule& rule, std::uint32_t link) {
  const Position at = tx.program->links[rule.first_link + link].position;
  const auto& files = tx.program->files;
  return {rule.id, link, at.file < files.size() ? std::string_view(files[at.file]) : "", at.line};
}

namespace {

// The first step from `from` on that is to be run, of those in `way` (null: of all).
std::size_t next_step(std::span<const std::uint64_t> all, const std::uint64_t* way, std::size_t from, std::size_t end) {
  if (from >= end) return end;
  const std::uint64_t* const steps = all.data();
  const auto bits_of = [&](std::size_t word) { return way == nullptr ? steps[word] : steps[word] & way[word]; };
  std::size_t word = from / 64;
  std::uint64_t bits = bits_of(word) & ~std::uint64_t{0} << (from % 64);
  while (bits == 0) {
    if (++word == all.size()) return end;
    bits = bits_of(word);
  }
  return word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
}

// The way through a phase as far as it is foregone.
class Way {
 public:
  Way(TransactionState& tx, Phase phase) : tx_(tx), phase_(phase) {
    const Foregone* const foregone = tx.program->foregone.get();
    tx.course = nullptr;
    if (foregone == nullptr || tx.astray || tx.trace != nullptr || tx.profile != nullptr) return;
    if (!tx.disappointed) tx.course = foregone->course(tx.phases_done, phase, Foregone::Way::Hopeful);
    hopeful_ = tx.course != nullptr;
    if (!hopeful_) tx.course = foregone->course(tx.phases_done, phase);
  }
  // The first step from `from` on that is to be run; what is foregone before it is put in place.
  std::size_t next(std::size_t from, std::size_t end) {
    if (hopeful_ && tx_.disappointed) be_strict(from);
    if (tx_.course != nullptr && (tx_.astray || !tx_.course->fits(tx_))) tx_.course = nullptr;
    const std::size_t step = next_step(tx_.steps_to_run, tx_.course == nullptr ? nullptr : tx_.course->open.data(), from, end);
    if (tx_.course != nullptr) turn_ = tx_.course->follow(tx_, turn_, step);
    return step;
  }
  // A rule jumps to `to`; `behind` it nothing has been done.
  void jump(std::size_t behind, std::size_t to) {
    if (tx_.course == nullptr || !tx_.course->left_by(turn_, to)) return;
    if (hopeful_) {
      tx_.disappointed = true;
      be_strict(behind);
    }
    if (tx_.course != nullptr && tx_.course->left_by(turn_, to)) tx_.astray = true;
  }

 private:
  void be_strict(std::size_t step) {
    hopeful_ = false;
    if (tx_.course == nullptr) return;
    tx_.course = tx_.program->foregone->course(tx_.phases_done, phase_);
    if (tx_.course != nullptr) turn_ = tx_.course->turn_at(step);
  }
  TransactionState& tx_;
  const Phase phase_;
  bool hopeful_ = false;
  std::size_t turn_ = 0;  // of the course: what is before it is done
};

// Whoever watches shall see of heads what the filter would say of them.
void show_heads(TransactionState& tx, Phase phase, const std::vector<std::uint32_t>& steps) {
  if (tx.trace == nullptr) return;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Rule& rule = tx.program->rules[steps[i]];
    if (rule.gate == 0 || !tx.filter->knows(static_cast<std::size_t>(phase), i)) continue;
    clear_bit(tx.steps_to_run.data(), i);
    if (head_may_match(tx, rule)) set_bit(tx.steps_to_run.data(), i);
  }
}

// False: the phase was left before its end.
bool run_steps(TransactionState& tx, Phase phase, const std::vector<std::uint32_t>& steps, Way& way) {
  for (std::size_t i = 0; i < steps.size();) {
    if (tx.mode == EngineMode::Off) return false;
    const std::size_t next = way.next(i, steps.size());
    note_not_run(tx, steps, i, next);
    if (next >= steps.size()) break;
    i = next;
    if (tx.program->optimisations.prefilter && widen(tx, phase, i)) {
      show_heads(tx, phase, steps);
      continue;
    }
    const Rule& rule = tx.program->rules.data()[steps.data()[i]];
    if (tx.rule_flags_used &&
        (tx.rule_flags[steps[i]] & TransactionState::kRuleRemoved) != 0) {
      note_skipped(tx, rule, TraceSink::Skipped::Removed);
      ++i;
      continue;
    }
    const LinkResult result = run_rule(tx, rule);
    if (result == LinkResult::Stop) return false;
    std::size_t to = i + 1;
    if (result == LinkResult::Match) {
      to = after_match(rule, i, steps.size());
      const bool jump = rule.skip_to != Rule::kNoSkip;
      note_jump(tx, steps, i + 1, to, jump ? TraceSink::Skipped::SkipAfter : TraceSink::Skipped::Skip);
      way.jump(i + 1, to);
    }
    i = to;
  }
  return true;
}

}  // namespace

void run_phase(TransactionState& tx, Phase phase) {
  tx.phase = phase;
  if (tx.trace != nullptr) tx.trace->on_phase(phase);
  const auto& steps = tx.program->phases[static_cast<std::size_t>(phase)];
  Way way(tx, phase);
  if (tx.program->optimisations.prefilter) {
    prescan(tx, phase);
    show_heads(tx, phase, steps);
  } else {
    tx.steps_to_run.assign((steps.size() + 63) / 64, ~std::uint64_t{0});
  }
  const bool whole = run_steps(tx, phase, steps, way);
  if (!whole || tx.course == nullptr) tx.astray = true;
  tx.course = nullptr;
  tx.matched_vars.clear();
  tx.current_rule = nullptr;
  tx.phases_done = static_cast<std::uint8_t>(tx.phases_done | 1U << static_cast<unsigned>(phase));
}

}  // namespace weir::rules
