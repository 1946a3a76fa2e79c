#include "rules/foregone.h"

#include <algorithm>

#include "rules/ascii.h"
#include "rules/evaluate.h"

namespace weir::rules {

namespace {

// Names of TX variables that rules set which are not closed, of those that the rule set speaks of.
class ForeignNames {
 public:
  explicit ForeignNames(const KnownNames& names) : names_(names) { clear(); }
  void clear() {
    foreign_.assign(names_.last() + 1, false);
    foreign_[0] = true;  // a name without a number
  }
  void add(std::uint16_t number) { foreign_[number] = true; }
  void add(std::string_view name) { add(names_.find(name, fold_hash(name))); }
  // What comes of macros may be anything; before them the name is as written, but for what is escaped.
  void add_beginning(std::string_view name) {
    const auto plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '\\'; };
    const std::string_view text = name.substr(0, name.find("%{"));
    const auto length = std::find_if_not(text.begin(), text.end(), plain) - text.begin();
    for (std::size_t i = 1; i < foreign_.size(); ++i) {
      if (fold_starts_with(names_.name(i), text.substr(0, static_cast<std::size_t>(length)))) foreign_[i] = true;
    }
  }
  [[nodiscard]] bool contains(std::uint16_t number) const { return foreign_[number]; }

 private:
  const KnownNames& names_;
  std::vector<bool> foreign_;  // by number
};

bool counts(const SetVar& set) { return set.how == SetVar::How::Add || set.how == SetVar::How::Subtract; }

// Which rules are closed. All that look like it are taken to be, until one reads what another kind of rule sets.
class Closure {
 public:
  Closure(const Program& program, Foregone::Way way) : foreign(program.tx_names), program_(program), way_(way) {}
  void find();
  // By number: the names that rules which are not closed set, and others read to tell what is foregone.
  [[nodiscard]] std::vector<bool> watched() const;

  std::vector<bool> closed;  // by rule
  ForeignNames foreign;

 private:
  [[nodiscard]] bool looks_closed(const Rule& rule) const;
  [[nodiscard]] static bool looks_closed(const Link& link);
  [[nodiscard]] static bool of_constants(const Macro& macro);
  [[nodiscard]] bool reads_foreign(const Rule& rule) const;
  [[nodiscard]] bool reads_foreign(const Macro& macro) const;
  void gather_foreign();
  void add_set(ForeignNames& names) const;

  const Program& program_;
  const Foregone::Way way_;
};

// Does the macro speak of nothing but single TX variables?
bool Closure::of_constants(const Macro& macro) {
  return std::all_of(macro.parts().begin(), macro.parts().end(), [](const Macro::Part& p) {
    return !p.is_variable || (p.variable == Variable::TX && !p.text.empty());
  });
}

bool Closure::looks_closed(const Link& link) {
  constexpr std::string_view kOperators[] = {"eq", "ge", "gt", "le", "lt", "streq"};
  if (link.chain != 0 || link.multi_match || !of_constants(link.op_macro)) return false;
  const bool compares = std::count(std::begin(kOperators), std::end(kOperators), link.op_name) > 0;
  if (link.op != nullptr && !compares) return false;
  for (const TargetSpec& t : link.targets) {
    const bool variable = t.variable == Variable::TX && t.kind == syntax::Selector::Kind::Literal && !t.wildcard;
    const bool always = link.op == nullptr && t.variable == Variable::REMOTE_ADDR && !t.count;
    if (t.exclude || (!variable && !always)) return false;
  }
  return std::all_of(link.actions.begin(), link.actions.end(), [](const Action& action) {
    const auto* set = std::get_if<SetVar>(&action);
    return set != nullptr && set->collection == Written::Tx && set->name.literal() && of_constants(set->value);
  });
}

bool Closure::looks_closed(const Rule& rule) const {
  if (rule.plain_tags.size() != rule.tags.size() || !of_constants(rule.message) || !of_constants(rule.log_data)) {
    return false;
  }
  std::vector<std::uint16_t> names;  // each once: what a rule sets is read when it has been run
  for (const Link& link : program_.links_of(rule)) {
    if (!looks_closed(link)) return false;
    for (const Action& action : link.actions) {
      const std::uint16_t name = std::get<SetVar>(action).known;
      if (name == 0 || std::count(names.begin(), names.end(), name) > 0) return false;
      names.push_back(name);
    }
  }
  return true;
}

bool Closure::reads_foreign(const Macro& macro) const {
  return std::any_of(macro.parts().begin(), macro.parts().end(), [&](const Macro::Part& p) {
    return p.is_variable && foreign.contains(p.known);
  });
}

bool Closure::reads_foreign(const Rule& rule) const {
  if (reads_foreign(rule.message) || reads_foreign(rule.log_data)) return true;
  for (const Link& link : program_.links_of(rule)) {
    if (reads_foreign(link.op_macro)) return true;
    for (const TargetSpec& t : link.targets) {
      if (t.variable == Variable::TX && foreign.contains(t.known)) return true;
    }
    for (const Action& action : link.actions) {
      const auto& set = std::get<SetVar>(action);
      if (reads_foreign(set.value) || (counts(set) && foreign.contains(set.known))) return true;
    }
  }
  return false;
}

void Closure::gather_foreign() {
  foreign.clear();
  for (std::uint16_t i = 0; i < 10; ++i) foreign.add(static_cast<std::uint16_t>(KnownNames::kFirstDigit + i));
  foreign.add("MSC_PCRE_LIMITS_EXCEEDED");
  if (way_ == Foregone::Way::Strict) add_set(foreign);
}

// Adds what rules set that are not closed.
void Closure::add_set(ForeignNames& names) const {
  for (std::size_t r = 0; r < closed.size(); ++r) {
    if (closed[r]) continue;
    for (const Link& link : program_.links_of(program_.rules[r])) {
      for (const Action& action : link.actions) {
        const auto* set = std::get_if<SetVar>(&action);
        if (set == nullptr || set->collection != Written::Tx) continue;
        if (set->name.literal()) {
          names.add(set->known);
        } else {
          names.add_beginning(set->name.text());
        }
      }
    }
  }
}

void Closure::find() {
  for (const Rule& rule : program_.rules) closed.push_back(looks_closed(rule));
  for (bool changed = true; changed;) {
    gather_foreign();
    changed = false;
    for (std::size_t r = 0; r < closed.size(); ++r) {
      if (!closed[r] || !reads_foreign(program_.rules[r])) continue;
      closed[r] = false;
      changed = true;
    }
  }
}

std::vector<bool> Closure::watched() const {
  ForeignNames set(program_.tx_names);
  add_set(set);
  std::vector<bool> out(program_.tx_names.last() + 1, false);
  const auto read = [&](std::uint16_t name) {
    if (name != 0 && set.contains(name)) out[name] = true;
  };
  const auto read_by = [&](const Macro& macro) {
    for (const Macro::Part& p : macro.parts()) {
      if (p.is_variable) read(p.known);
    }
  };
  for (std::size_t r = 0; r < closed.size(); ++r) {
    const Rule& rule = program_.rules[r];
    if (const Link& first = program_.links_of(rule).front(); first.number) read(first.targets.front().known);  // CourseRecorder asks
    if (!closed[r]) continue;
    read_by(rule.message);
    read_by(rule.log_data);
    for (const Link& link : program_.links_of(rule)) {
      read_by(link.op_macro);
      for (const TargetSpec& t : link.targets) read(t.known);
      for (const Action& action : link.actions) {
        const auto& a = std::get<SetVar>(action);
        read_by(a.value);
        if (counts(a)) read(a.known);
      }
    }
  }
  return out;
}

}  // namespace

// Goes through phases as a transaction would of which nothing is known.
class CourseRecorder {
 public:
  CourseRecorder(const Program& program, const Closure& closure, Foregone::Way way, Foregone& out);
  // After the phases that it has been through. False: a closed rule would end the phase, so that nothing is foregone.
  bool run(Phase phase);

 private:
  bool closed_step(std::uint32_t step, const Rule& rule, Course& course, std::size_t& to);
  bool run_links(const Rule& rule, Course& course);
  [[nodiscard]] bool stays_near(std::size_t step, std::size_t to) const;
  std::string_view keep(std::string_view text) { return *out_.texts_.emplace(text).first; }
  [[nodiscard]] bool of_client(std::string_view value) const { return value.data() == tx_.client_text.data(); }
  void keep_beginning(const std::vector<std::uint32_t>& steps, Course& course) const;
  void note(std::uint32_t step, std::uint32_t rule, std::uint64_t work, Course& course);

  const Program& program_;
  const Closure& closure_;
  const Foregone::Way way_;
  Foregone& out_;
  Scratch scratch_;
  TransactionState tx_;
};

CourseRecorder::CourseRecorder(const Program& program, const Closure& closure, Foregone::Way way, Foregone& out)
    : program_(program), closure_(closure), way_(way), out_(out), tx_(scratch_, nullptr) {
  tx_.program = &program;
  tx_.forms.arena = &tx_.arena;
  tx_.forms.chains = &program.chains;
  tx_.forms.steps = &program.chain_steps;
  tx_.forms.work = &tx_.work;
  tx_.mode = EngineMode::DetectionOnly;  // so that run_links() sees the end of every rule
  tx_.client_text = "client";
  tx_.tx.clear(&program.tx_names);
  tx_.rule_matched.assign(program.rules.size(), 0);
}

// Runs a rule; what it has set is in `course`. True: all of its links matched.
bool CourseRecorder::run_links(const Rule& rule, Course& course) {
  tx_.current_rule = &rule;
  tx_.matched_vars.clear();
  for (std::uint32_t i = 0; i < rule.links; ++i) {
    if (run_link(tx_, rule, i) != LinkResult::Match) return false;
    for (const Action& action : program_.links[rule.first_link + i].actions) {
      const auto& set = std::get<SetVar>(action);
      const VarTable::Var* v = tx_.tx.find(set.name.text(), set.hash, set.known);
      course.sets.push_back({set.name.text(), v == nullptr ? "" : keep(v->value), set.hash, set.known, v == nullptr});
    }
  }
  return true;
}

// Adds a turn, if the rule did anything. `work`: as it was before.
void CourseRecorder::note(std::uint32_t step, std::uint32_t rule, std::uint64_t work, Course& course) {
  Course::Turn turn;
  if (!course.turns.empty()) turn = course.turns.back();
  const bool matched = !tx_.matched_var.name.empty();
  if (tx_.work == work && !matched) return;
  turn.work += tx_.work - work;
  turn.sets = static_cast<std::uint32_t>(course.sets.size());
  for (Match m : tx_.matches.all({})) {
    const bool client = of_client(m.value);
    for (std::string_view* text : {&m.message, &m.data, &m.target, &m.value}) *text = keep(*text);
    course.noted.push_back(rule);
    course.of_client.push_back(client ? 1 : 0);
    course.matches.push_back(m);
    course.logs = course.logs || m.log;
    course.audits = course.audits || m.audit;
  }
  turn.noted = static_cast<std::uint32_t>(course.noted.size());
  turn.severity = std::min(turn.severity, tx_.highest_severity);
  if (matched) {
    turn.matched_by = static_cast<std::uint32_t>(course.turns.size() + 1);
    turn.matched = {keep(tx_.matched_var.name), keep(tx_.matched_var.value)};
    turn.of_client = of_client(tx_.matched_var.value);
  }
  course.turns.push_back(turn);
  course.steps.push_back(step);
}

bool CourseRecorder::closed_step(std::uint32_t step, const Rule& rule, Course& course, std::size_t& to) {
  const std::uint64_t work = tx_.work;
  tx_.matches.clear();
  tx_.matched_var = {};
  tx_.highest_severity = 255;
  const bool match = run_links(rule, course);
  if (match && rule.disruption != Rule::Disruption::Pass) return false;
  note(step, static_cast<std::uint32_t>(&rule - program_.rules.data()), work, course);
  if (match) to = after_match(rule, step, program_.phases[static_cast<std::size_t>(tx_.phase)].size());
  return way_ == Foregone::Way::Strict || stays_near(step, to);
}

// Does a jump from `step` leave out nothing that is done on the strict course, which must go on from any place?
bool CourseRecorder::stays_near(std::size_t step, std::size_t to) const {
  const Course* const strict = out_.course(tx_.phases_done, tx_.phase);
  return strict == nullptr || !strict->left_by(strict->turn_at(step + 1), to);
}

namespace {

void put(const Course::Set& s, VarTable& vars) {
  if (s.unset) {
    vars.unset(s.name, s.hash, s.known);
  } else {
    vars.set(s.name, s.hash, s.value, s.known);
  }
}

}  // namespace

// Of the turns before the first step that is run in every transaction.
void CourseRecorder::keep_beginning(const std::vector<std::uint32_t>& steps, Course& course) const {
  const auto always = [&](std::uint32_t step) {
    return bit_of(course.open.data(), step) && !program_.links[program_.rules[steps[step]].first_link].read.scanned();
  };
  std::uint32_t step = 0;
  while (step < steps.size() && !always(step)) ++step;
  course.begins_turns = course.turn_at(step);
  if (course.begins_turns == 0) return;
  VarTable vars;
  vars.clear(&program_.tx_names);
  for (std::uint32_t i = 0; i < course.turns[course.begins_turns - 1].sets; ++i) put(course.sets[i], vars);
  course.begins = vars.image();
}

bool CourseRecorder::run(Phase phase) {
  const auto& steps = program_.phases[static_cast<std::size_t>(phase)];
  Course course;
  course.open.assign((steps.size() + 63) / 64, 0);
  tx_.phase = phase;
  for (std::size_t i = 0; i < steps.size();) {
    const auto step = static_cast<std::uint32_t>(i++);
    const Rule& rule = program_.rules[steps[step]];
    const Link& first = program_.links[rule.first_link];
    // Whether a rule does anything may be foregone even where what it does is not.
    const bool asks = first.number && !closure_.foreign.contains(first.targets.front().known);
    if ((closure_.closed[steps[step]] || asks) && fails_at_once(tx_, rule)) continue;
    if (!closure_.closed[steps[step]]) {
      set_bit(course.open.data(), step);
    } else if (!closed_step(step, rule, course, i)) {
      return false;
    }
  }
  const VarTable::Var* level = tx_.tx.find(program_.prefilter.level_name, program_.prefilter.level_hash);
  if (level != nullptr) course.level = leading_integer(level->value);
  if (tx_.phases_done == 0) keep_beginning(steps, course);
  if (out_.course(tx_.phases_done, phase, way_) == nullptr) {
    out_.courses_.push_back({tx_.phases_done, phase, way_, std::move(course)});
  }
  tx_.phases_done = static_cast<std::uint8_t>(tx_.phases_done | 1U << static_cast<unsigned>(phase));
  return true;
}

std::size_t Course::follow(TransactionState& tx, std::size_t turn, std::size_t step) const {
  const std::uint32_t* const by_step = steps.data();
  std::size_t to = turn;
  while (to < steps.size() && by_step[to] < step) ++to;
  if (to == turn) return turn;
  static const Turn kNone;
  const Turn& before = turn == 0 ? kNone : turns[turn - 1];
  const Turn& last = turns[to - 1];
  std::size_t set = before.sets;
  if (turn == 0 && to >= begins_turns && begins_turns != 0 && tx.tx.all().empty()) {
    tx.tx.assign(begins);
    set = turns[begins_turns - 1].sets;
  }
  for (; set < last.sets; ++set) put(sets[set], tx.tx);
  add_matches(tx, before.noted, last.noted);
  tx.work += last.work - before.work;
  tx.highest_severity = std::min(tx.highest_severity, last.severity);
  if (last.matched_by > turn) {  // else another rule may have matched since
    const Turn& by = turns[last.matched_by - 1];
    tx.matched_var = {by.matched.name, by.of_client ? tx.client_text : by.matched.value};
  }
  return to;
}

void Course::add_matches(TransactionState& tx, std::size_t from, std::size_t to) const {
  if (tx.matches.size() + (to - from) <= TransactionState::kMaxMatches) {
    // That these rules have matched need not be noted: the matches of a rule follow each other, and are all of these.
    tx.matches.add({std::span(matches).subspan(from, to - from), of_client.data() + from, logs, audits});
    return;
  }
  for (std::size_t i = from; i < to; ++i) {
    if (!tx.keeps_match(noted[i], false)) continue;
    Match m = matches[i];
    if (of_client[i] != 0) m.value = tx.client_text;
    tx.matches.add(m);
  }
}

std::size_t Course::turn_at(std::size_t step) const {
  return static_cast<std::size_t>(std::lower_bound(steps.begin(), steps.end(), step) - steps.begin());
}

const Course* Foregone::course(std::uint8_t done, Phase phase, Way way) const {
  for (const After& a : courses_) {
    if (a.done == done && a.phase == phase && a.way == way) return &a.course;
  }
  return nullptr;
}

std::size_t Course::bytes() const {
  return open.capacity() * sizeof(open[0]) + turns.capacity() * sizeof(turns[0]) + steps.capacity() * sizeof(steps[0]) +
         sets.capacity() * sizeof(sets[0]) + noted.capacity() * sizeof(noted[0]) + of_client.capacity() +
         matches.capacity() * sizeof(matches[0]) + begins.vars.capacity() * sizeof(begins.vars[0]) +
         begins.places.capacity() * sizeof(begins.places[0]);
}

std::size_t Foregone::bytes() const {
  std::size_t n = (closed_.size() + hoped_.size() + watched_.size()) / 8 + courses_.capacity() * sizeof(After);
  for (const After& after : courses_) n += after.course.bytes();
  for (const std::string& text : texts_) n += sizeof text + text.capacity();
  return n;
}

std::shared_ptr<const Foregone> find_foregone(const Program& program) {
  using Way = Foregone::Way;
  Closure strict(program, Way::Strict);
  Closure hopeful(program, Way::Hopeful);
  strict.find();
  hopeful.find();
  auto out = std::make_shared<Foregone>();
  out->closed_ = strict.closed;
  out->hoped_ = hopeful.closed;
  out->watched_ = hopeful.watched();
  // The ways that transactions take: a request with or without its response, or with its head only.
  constexpr Phase kAll[] = {Phase::RequestHeaders, Phase::RequestBody, Phase::ResponseHeaders, Phase::ResponseBody};
  const auto record = [&](Way way, const Closure& closure) {
    for (std::size_t n = std::size(kAll); n > 0; --n) {
      CourseRecorder recorder(program, closure, way, *out);
      bool whole = true;
      for (std::size_t i = 0; i < n && whole; ++i) whole = recorder.run(kAll[i]);
      if (whole) recorder.run(Phase::Logging);
    }
  };
  record(Way::Strict, strict);
  if (program.optimisations.hopeful) record(Way::Hopeful, hopeful);
  return out;
}

}  // namespace weir::rules
