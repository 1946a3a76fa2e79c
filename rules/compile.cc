#include "rules/compile.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "rules/ascii.h"
#include "rules/levels.h"
#include "rules/prescan.h"
#include "rules/requirement_cache.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

// Patterns that cost Hyperscan seconds, or come out so large that a scan is slower than PCRE2 behind the
// byte filter (measured on CRS 3.3.4 and 4.28).
constexpr std::size_t kLongestPattern = 1500;
// Smaller sets are not worth a scan.
constexpr std::size_t kFewestPatterns = 6;

const std::string kAny = "any";  // the key of all that is negated and not remembered

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

// Variables whose values are the same slots.
Variable family(Variable v) {
  switch (v) {
    case Variable::ARGS_GET:
    case Variable::ARGS_POST: return Variable::ARGS;
    case Variable::ARGS_GET_NAMES:
    case Variable::ARGS_POST_NAMES: return Variable::ARGS_NAMES;
    default: return v;
  }
}

bool is_headers(Variable v) {
  return v == Variable::REQUEST_HEADERS || v == Variable::RESPONSE_HEADERS;
}

class Compiler {
 public:
  Compiler(Program& program, const LoadOptions& options) : program_(program), options_(options) {}

  void run();

 private:
  struct Use {
    std::uint32_t link;
    std::uint32_t step;  // of multiMatch: 1 + index; 0: the link's own chain, or the value as it is
    bool denied = false;  // ReadRef::denied
  };
  void find_guards();
  void count_patterns();
  void find_comparisons();
  [[nodiscard]] static bool readable(const Link& link);
  [[nodiscard]] static std::string operator_key(const Link& link);
  void use(std::uint32_t link_index);
  [[nodiscard]] bool remembers(std::uint32_t link_index) const;
  [[nodiscard]] bool demands(const Link& link) const;
  void find_gates();
  void find_requirements();
  void number_pieces();
  void number_items();
  [[nodiscard]] bool is_head(std::uint32_t link) const {
    return program_.rules[program_.links[link].rule].first_link == link;
  }
  void name_headers();
  void make_filters();
  void fill_filter(Prefilter& p, const std::vector<bool>& known);
  void read_targets(Prefilter& p, const std::vector<bool>& known) const;
  void add_source(Prefilter& p, Phase phase, const TargetSpec& target, std::uint32_t step,
                  const ReadRef& read) const;
  void want(Prefilter& p, const TargetSpec& target, const ReadRef& read) const;
  void place(std::uint32_t link_index);
  void choose_scanned(ScanUnit& unit) const;

  Program& program_;
  const LoadOptions& options_;
  std::vector<std::uint32_t> guard_class_;  // by rule
  // What an operator requires, and the numbers of the pieces that each of its texts speaks of.
  struct Needed {
    Requirement requirement;
    std::vector<std::vector<std::uint32_t>> pieces;
  };
  std::map<std::string, Needed> needed_;  // by operator; empty for what is negated
  std::vector<PieceScanner::Choice> pieces_;  // by number: of needed_
  std::vector<Prefilter::Item> items_;
  std::map<std::pair<std::uint16_t, std::string>, std::vector<Use>> uses_;  // chain and operator
  std::map<std::tuple<std::uint16_t, std::uint32_t, bool>, std::uint32_t> units_;
  std::vector<std::map<std::uint32_t, std::uint32_t>> unit_items_;  // item -> bit
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

// The prefilter can answer for links all of whose values stay as they are while a phase runs.
bool Compiler::readable(const Link& link) {
  if (link.op == nullptr) return false;
  bool any = false;
  for (const TargetSpec& t : link.targets) {
    if (t.count || !is_static(t.variable)) return false;
    any = any || !t.exclude;
  }
  return any;
}

// Operators with the same key match the same values.
std::string Compiler::operator_key(const Link& link) {
  if (const Regex* regex = link.op->regex(); regex != nullptr) {
    return std::string(regex->options().caseless ? "rx i" : "rx c") +
           (regex->options().multiline ? 'm' : 's') + (regex->options().not_empty ? 'n' : 'e') +
           regex->pattern();
  }
  return link.op_name + ' ' + (link.op_has_macros ? 'm' : 'l') + std::to_string(link.position.file) +
         ' ' + link.op_argument;
}

// A negated head whose operator says yes of a value that recurs, as of "HTTP/1.1": it need not be asked again. It has
// an item of its own for that, which requires nothing.
bool Compiler::remembers(std::uint32_t link_index) const {
  const Link& link = program_.links[link_index];
  return options_.optimisations.recurring && link.negated && is_head(link_index) && !link.multi_match && !link.capture &&
         !link.op_has_macros && !link.looks_up_geo && link.op->phrases() == nullptr;
}

void Compiler::use(std::uint32_t link_index) {
  const Link& link = program_.links[link_index];
  if (!readable(link)) return;
  // What is negated matches nearly everything.
  if (remembers(link_index)) program_.links[link_index].remembered = true;
  const std::string key = link.remembered ? '!' + operator_key(link) : link.negated ? kAny : operator_key(link);
  if (!link.multi_match) {
    uses_[{link.chain, key}].push_back({link_index, 0});
    // A list of phrases reads the whole value to find none of them, which the filter mostly knows.
    if (link.negated && link.op->phrases() != nullptr) uses_[{link.chain, operator_key(link)}].push_back({link_index, 0, true});
    return;
  }
  uses_[{0, key}].push_back({link_index, 0});
  for (std::uint32_t i = 0; i < link.steps.size(); ++i) {
    uses_[{link.steps[i], key}].push_back({link_index, i + 1});
  }
}

// By operator: chains share them. What is negated requires nothing.
void Compiler::find_requirements() {
  std::map<std::string, const Operator*> operators;
  for (const auto& [key, uses] : uses_) {
    if (key.second != kAny && key.second.front() != '!') operators.emplace(key.second, program_.links[uses.front().link].op.get());
  }
  std::vector<const Operator*> list;
  for (const auto& [key, op] : operators) list.push_back(op);
  std::vector<Requirement> found = requirements_of(list, options_.cache_directory);
  std::size_t i = 0;
  for (const auto& [key, op] : operators) needed_[key].requirement = std::move(found[i++]);
}

// Numbers the pieces that are not alike, in order, and chooses how each is found, once for all filters.
void Compiler::number_pieces() {
  struct Spoken {
    std::uint64_t begins = 0;  // its first eight bytes, as a number: most comparisons end there
    const Piece* piece = nullptr;
    std::vector<std::uint32_t>* by = nullptr;
  };
  std::vector<Spoken> all;
  for (auto& [key, needed] : needed_) {
    const auto& texts = needed.requirement.texts;
    needed.pieces.resize(texts.size());
    for (std::size_t t = 0; t < texts.size(); ++t) {
      for (const Piece& piece : texts[t].pieces) {
        std::uint64_t begins = 0;
        for (std::size_t i = 0; i < 8; ++i) {
          begins = begins << 8U | (i < piece.text.size() ? static_cast<std::uint8_t>(piece.text[i]) : 0U);
        }
        all.push_back({begins, &piece, &needed.pieces[t]});
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const Spoken& a, const Spoken& b) {
    return a.begins != b.begins ? a.begins < b.begins : *a.piece < *b.piece;
  });
  for (const Spoken& s : all) {
    if (pieces_.empty() || !(*pieces_.back().piece == *s.piece)) pieces_.push_back(PieceScanner::choose(*s.piece));
    const auto number = static_cast<std::uint32_t>(pieces_.size() - 1);
    if (s.by->empty() || s.by->back() != number) s.by->push_back(number);
  }
}

void Compiler::number_items() {
  find_requirements();
  number_pieces();
  for (const auto& [key, uses] : uses_) {
    const Needed& needed = needed_[key.second];
    // Where nothing is required nothing is ruled out. For a rule's first link that still tells whether there
    // is any value; the others are mostly not reached, and preparing for them would cost their transformations.
    if (!demands_anything(needed.requirement) &&
        std::none_of(uses.begin(), uses.end(), [&](const Use& u) { return !u.denied && is_head(u.link); })) {
      continue;
    }
    const auto number = static_cast<std::uint32_t>(items_.size());
    items_.push_back({key.first, &needed.requirement, &needed.pieces});
    for (const Use& u : uses) {
      ReadRef& read = program_.links[u.link].read;
      if (u.denied) {
        read.denied = number;
      } else if (u.step == 0) {
        read.item = number;
      } else {
        if (read.steps.size() < u.step) read.steps.resize(u.step, ReadRef::kNone);
        read.steps[u.step - 1] = number;
      }
    }
  }
}

// Does the filter know of values that the link does not match?
bool Compiler::demands(const Link& link) const {
  return link.read.scanned() && !link.multi_match && demands_anything(*items_[link.read.item].requirement);
}

// Of a rule of whose head the filter knows nothing: the link to ask for in its place.
void Compiler::find_gates() {
  const auto whole = [](const Link& link) {
    return std::none_of(link.targets.begin(), link.targets.end(), [](const TargetSpec& t) { return t.exclude; });
  };
  for (Rule& rule : program_.rules) {
    const Link* const links = &program_.links[rule.first_link];
    if (demands(links[0]) || !whole(links[0])) continue;
    for (std::uint32_t i = 1; i < rule.independent && rule.gate == 0; ++i) {
      if (demands(links[i]) && whole(links[i])) rule.gate = i;
    }
  }
}

void Compiler::name_headers() {
  Prefilters& p = program_.prefilter;
  for (Link& link : program_.links) {
    for (TargetSpec& t : link.targets) {
      if (!is_headers(t.variable) || t.kind != syntax::Selector::Kind::Literal) continue;
      t.header = p.headers.add(t.key);
    }
  }
}

void Compiler::add_source(Prefilter& p, Phase phase, const TargetSpec& target, std::uint32_t step,
                          const ReadRef& read) const {
  auto& sources = p.sources[static_cast<std::size_t>(phase)];
  const bool keyed = target.kind == syntax::Selector::Kind::Literal;
  const std::string key = keyed ? lower(target.key) : std::string();
  auto at = std::find_if(sources.begin(), sources.end(), [&](const ReadSource& s) {
    return s.variable == target.variable && s.keyed == keyed && s.key == key;
  });
  if (at == sources.end()) {
    ReadSource s;
    s.variable = target.variable;
    s.keyed = keyed;
    s.key = key;
    if (keyed && is_headers(target.variable)) s.header = program_.prefilter.headers.find(key);
    sources.push_back(std::move(s));
    at = sources.end() - 1;
  }
  at->readers.push_back({p.own_item[read.item], step});
  for (const std::uint32_t item : read.steps) at->readers.push_back({p.own_item[item], step});
}

void Compiler::want(Prefilter& p, const TargetSpec& target, const ReadRef& read) const {
  const auto mark = [&](Prefilter::Wanted& bits) {
    bits.resize(p.words());
    if (read.scanned()) set_bit(bits.data(), p.own_item[read.item]);
    if (read.denied != ReadRef::kNone) set_bit(bits.data(), p.own_item[read.denied]);
    for (const std::uint32_t item : read.steps) set_bit(bits.data(), p.own_item[item]);
  };
  const bool one_header = is_headers(target.variable) && target.kind == syntax::Selector::Kind::Literal;
  if (one_header) {
    mark(p.header_wanted[program_.prefilter.headers.find(target.key)]);
  } else if (is_headers(target.variable)) {
    for (Prefilter::Wanted& wanted : p.header_wanted) mark(wanted);
  } else {
    mark(p.wanted[static_cast<std::size_t>(family(target.variable))]);
  }
}

// Which values each rule reads, and which items each value is asked for.
void Compiler::read_targets(Prefilter& p, const std::vector<bool>& known) const {
  p.header_wanted.assign(program_.prefilter.headers.last() + 1, Bits(p.words()));
  for (std::size_t phase = 1; phase < program_.phases.size(); ++phase) {
    const auto& steps = program_.phases[phase];
    p.always[phase].assign((steps.size() + 63) / 64, 0);
    p.outside[phase].assign((steps.size() + 63) / 64, 0);
    for (std::uint32_t step = 0; step < steps.size(); ++step) {
      const Rule& rule = program_.rules[steps[step]];
      const Link& link = program_.links[rule.first_link + rule.gate];
      if (!known[steps[step]]) set_bit(p.outside[phase].data(), step);
      if (!known[steps[step]] || !link.read.scanned()) {
        set_bit(p.always[phase].data(), step);
        continue;
      }
      for (const TargetSpec& t : link.targets) {
        if (!t.exclude) add_source(p, static_cast<Phase>(phase), t, step, link.read);
      }
    }
    for (ReadSource& source : p.sources[phase]) {
      std::stable_sort(source.readers.begin(), source.readers.end(),
                       [](const ReadSource::Reader& a, const ReadSource::Reader& b) { return a.item < b.item; });
    }
  }
  for (const Link& link : program_.links) {
    if (!known[link.rule] || !link.read.asks()) continue;
    for (const TargetSpec& t : link.targets) {
      if (!t.exclude) want(p, t, link.read);
    }
  }
  for (std::size_t v = 0; v < p.wanted.size(); ++v) {
    const auto f = static_cast<std::size_t>(family(static_cast<Variable>(v)));
    if (f != v) p.wanted[v] = p.wanted[f];
    p.wanted[v].resize(p.words());
  }
}

// A filter for the rules in `known`.
void Compiler::fill_filter(Prefilter& p, const std::vector<bool>& known) {
  p.own_item.assign(items_.size(), Prefilter::kUnknown);
  for (const auto& link : program_.links) {
    if (!known[link.rule] || !link.read.asks()) continue;
    if (link.read.scanned()) p.own_item[link.read.item] = 0;
    if (link.read.denied != ReadRef::kNone) p.own_item[link.read.denied] = 0;
    for (const std::uint32_t item : link.read.steps) p.own_item[item] = 0;
  }
  std::vector<const Prefilter::Item*> items;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (p.own_item[i] == Prefilter::kUnknown) continue;
    p.own_item[i] = static_cast<std::uint32_t>(items.size());
    items.push_back(&items_[i]);
  }
  std::vector<std::vector<Transform>> paths(program_.chains.size());
  std::vector<std::uint16_t> parents(program_.chains.size());
  for (std::size_t i = 1; i < paths.size(); ++i) {
    paths[i] = paths[program_.chains[i].parent];
    paths[i].push_back(program_.chains[i].transform);
    parents[i] = program_.chains[i].parent;
  }
  p.build(items, pieces_, std::move(paths), parents, options_.optimisations);
  read_targets(p, known);
  program_.stats.memory_bytes += p.bytes();
}

void Compiler::make_filters() {
  Prefilters& p = program_.prefilter;
  Levels levels;
  if (options_.optimisations.levels) levels = find_levels(program_);
  p.level_name = levels.name;
  p.level_hash = fold_hash(levels.name);
  p.levels = levels.steps;
  p.filters.resize(p.levels.size() + 2);
  std::vector<bool> known(program_.rules.size());
  const auto is_response_rule = [&](std::size_t r) {
    const Phase phase = program_.rules[r].phase;
    return phase == Phase::ResponseHeaders || phase == Phase::ResponseBody;
  };
  for (std::size_t i = 0; i <= p.levels.size(); ++i) {
    for (std::size_t r = 0; r < known.size(); ++r) {
      const bool reached = i == p.levels.size() || levels.of_rule[r] < p.levels[i];
      known[r] = reached && !is_response_rule(r);
    }
    fill_filter(p.filters[i], known);
  }
  for (std::size_t r = 0; r < known.size(); ++r) known[r] = is_response_rule(r);
  fill_filter(p.filters.back(), known);
}

// Hyperscan takes what is a regular expression and nothing else.
void Compiler::place(std::uint32_t link_index) {
  Link& link = program_.links[link_index];
  const bool scannable = link.read.scanned() && !link.negated && !link.multi_match &&
                         link.op->regex() != nullptr && !link.op->regex()->options().not_empty;
  if (!scannable) return;
  const bool response = std::any_of(link.targets.begin(), link.targets.end(),
                                    [](const TargetSpec& t) { return is_response(t.variable); });
  Prefilters& p = program_.prefilter;
  const auto [unit, fresh] =
      units_.emplace(std::make_tuple(link.chain, guard_class_[link.rule], response),
                     static_cast<std::uint32_t>(p.units.size()));
  if (fresh) {
    p.units.emplace_back();
    p.units.back().chain = link.chain;
    unit_items_.emplace_back();
  }
  ScanUnit& u = p.units[unit->second];
  const auto [bit, first] = unit_items_[unit->second].emplace(
      link.read.item, static_cast<std::uint32_t>(u.patterns.size()));
  if (first) {
    u.patterns.push_back(link_index);
    u.items.push_back(link.read.item);
  }
  link.read.unit = unit->second;
  link.read.unit_bit = bit->second;
}

// What Hyperscan is to look for; the databases are compiled later (scanners.h).
void Compiler::choose_scanned(ScanUnit& unit) const {
  std::vector<std::uint32_t> bits;
  for (std::uint32_t bit = 0; bit < unit.patterns.size(); ++bit) {
    const Regex& regex = *program_.links[unit.patterns[bit]].op->regex();
    if (!expensive(regex.pattern())) bits.push_back(bit);
  }
  if (bits.size() >= kFewestPatterns) unit.to_scan = std::move(bits);
}

// Which links only compare a TX variable with a number, as the guards of CRS's levels do.
void Compiler::find_comparisons() {
  for (Link& link : program_.links) {
    if (link.op == nullptr || link.targets.size() != 1 || link.chain != 0 || link.multi_match) continue;
    const TargetSpec& t = link.targets.front();
    const bool literal = t.variable == Variable::TX && t.kind == syntax::Selector::Kind::Literal;
    if (literal && !t.exclude && !t.wildcard) link.number = link.op->comparison();
  }
}

void Compiler::count_patterns() {
  std::set<std::string> patterns;
  for (const Link& link : program_.links) {
    if (link.op == nullptr) continue;
    if (const Regex* regex = link.op->regex(); regex != nullptr) patterns.insert(regex->pattern());
    if (const auto* phrases = link.op->phrases(); phrases != nullptr) {
      program_.stats.phrases += phrases->size();
    }
  }
  program_.stats.patterns = patterns.size();
}

void Compiler::run() {
  count_patterns();
  program_.chain_steps.build(program_.chains);
  if (options_.optimisations.numbers) find_comparisons();
  if (!options_.optimisations.prefilter) return;
  find_guards();
  for (std::uint32_t i = 0; i < program_.links.size(); ++i) use(i);
  number_items();
  name_headers();
  if (options_.optimisations.hurdles) {
    find_hurdles(program_);
    find_gates();
  }
  make_filters();
  for (std::uint32_t i = 0; i < program_.links.size(); ++i) place(i);
  if (!options_.optimisations.hyperscan) return;
  for (ScanUnit& unit : program_.prefilter.units) choose_scanned(unit);
}

}  // namespace

void compile(Program& program, const LoadOptions& options) { Compiler(program, options).run(); }

}  // namespace weir::rules
