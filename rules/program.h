// The program: what bind makes of the syntax tree. Immutable after compile(), shared by threads.
//
// A rule is a head (metadata, the disruptive action, flow) and one or more links (targets, operator,
// transformations, actions of its own): a plain SecRule has one link, a chain several. Every phase is a
// list of rules; skipAfter is an index into it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/verdict.h"
#include "rules/collections.h"
#include "rules/diagnostic.h"
#include "rules/hurdles.h"
#include "rules/listed_names.h"
#include "rules/macro.h"
#include "rules/match_re.h"
#include "rules/names.h"
#include "rules/operators/geo.h"
#include "rules/operators/operator.h"
#include "rules/prefilter.h"
#include "rules/regex_tree.h"
#include "rules/ruleset.h"
#include "rules/settings.h"
#include "rules/syntax.h"
#include "rules/values.h"

namespace weir::rules {

// A target, its selector compiled.
struct TargetSpec {
  Variable variable{};
  syntax::Selector::Kind kind = syntax::Selector::Kind::None;
  std::string key;                // literal or xpath, as written; of a regex its pattern
  std::uint32_t hash = 0;         // fold_hash(key)
  std::uint16_t known = 0;        // of a literal key of TX: Program::tx_names
  Bits takes_known;               // of a regex of TX, if it is plain text: the names of tx_names that it takes
  std::string full_name;          // of a literal key of what rules write: name_of() a member that is spelled so
  std::shared_ptr<const Regex> regex;
  std::shared_ptr<const PlainText> plain;  // the same, if it is no more than text; null: it is more
  std::uint8_t selector = 0;  // its number, if it is below Entry::kSelectors
  bool count = false;
  bool exclude = false;
  bool wildcard = false;  // ctl only: `*` in a json. key stands for one component
  std::uint16_t header = 0;  // of a literal key of headers: Prefilters::headers; 0: none

  // Does this selector take a member with this key? (None takes all.)
  [[nodiscard]] bool takes(std::string_view key, ReScratch& scratch, const ReLimits& limits) const;
};

// The collections that setvar and friends write.
enum class Written : std::uint8_t { Tx, Ip, Session, User, Global, Resource };
constexpr std::size_t kWritten = 6;

struct SetVar {
  Written collection = Written::Tx;
  Macro name;                // without the collection
  std::uint32_t hash = 0;    // of a literal name
  std::uint16_t known = 0;   // of a literal name of TX: Program::tx_names
  enum class How : std::uint8_t { Assign, Add, Subtract, Unset } how = How::Assign;
  Macro value;               // without the sign of Add and Subtract
};

// expirevar, deprecatevar: a variable of a persistent collection.
struct TimedVar {
  bool deprecate = false;
  Written collection = Written::Ip;
  Macro name;
  Macro value;  // seconds; or "amount/period"
};

struct InitCol {
  Written collection = Written::Ip;
  std::string store_name;  // what the store calls it: "ip", "default_SESSION"
  Macro key;
};

struct SetEnv {
  Macro name;
  std::uint32_t hash = 0;  // of a literal name
  Macro value;
  bool unset = false;
};

struct CtlAction {
  Ctl option{};
  std::string text;                  // the value as written
  std::int64_t number = 0;           // limits; 0/1 of switches; EngineMode, AuditEngine
  std::vector<std::uint32_t> rules;  // ruleRemove…: indexes into Program::rules, ascending
  std::vector<TargetSpec> targets;   // ruleRemoveTarget…
};

// sanitise*: what the audit log must mask.
struct Sanitise {
  ActionName what{};
  std::string argument;
};

using Action = std::variant<SetVar, TimedVar, InitCol, SetEnv, CtlAction, Sanitise>;

// What every evaluation looks at comes first: rules are many, and a request touches few of the lines they lie on.
struct Link {
  std::optional<Comparison> number;    // the operator, if it compares one TX variable with a number
  std::vector<TargetSpec> targets;
  std::unique_ptr<const Operator> op;  // null: SecAction, always matches
  std::uint16_t chain = 0;             // ChainNode
  bool op_has_macros = false;
  bool looks_up_geo = false;           // @geoLookup: its record becomes GEO
  bool negated = false;
  bool capture = false;
  bool multi_match = false;
  bool last = true;                    // of its chain
  bool remembered = false;             // negated; its item stands for values of which it is not known that it says no
  std::uint32_t rule = 0;              // its head
  ReadRef read;                        // prefilter: where to look up whether it can match
  std::vector<Action> actions;         // in order
  std::vector<std::uint16_t> steps;    // multiMatch: the nodes from the first transformation to the last
  std::string op_argument;             // as written
  Macro op_macro;                      // its compiled form, if it has macros
  std::string op_name;
  Position position;
};

struct Rule {
  static constexpr std::uint32_t kNoSkip = 0xffffffff;
  enum class Disruption : std::uint8_t { Pass, Allow, AllowPhase, AllowRequest, Deny, Drop, Redirect };

  // As of a Link: what comes first is looked at most.
  std::uint64_t id = 0;
  std::uint32_t first_link = 0, links = 1;
  std::uint32_t first_hurdle = 0, hurdles = 0;  // in Program::hurdles
  std::uint32_t independent = 1;  // links of which all before would leave nothing behind (hurdles.h)
  std::uint32_t gate = 0;         // of them: the one that the filter is asked for
  std::uint32_t skip = 0;
  std::uint32_t skip_to = kNoSkip;  // step to go on at; may be the end of the phase
  std::uint8_t listed = 0;  // 1 + its place in Program::listed_names; 0: it is none of them
  Phase phase = Phase::RequestBody;
  Disruption disruption = Disruption::Pass;
  std::int8_t severity = -1, maturity = -1, accuracy = -1;
  bool log = true, audit = true;
  std::uint16_t status = 403;
  bool status_given = false;
  Macro redirect;
  Macro message, log_data;
  std::vector<Macro> tags;
  std::vector<std::string_view> plain_tags;  // views of `tags`, if none has a macro
  std::string revision, version;
  Position position;
};

class Foregone;  // rules/foregone.h

class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Settings settings;
  Semantics semantics = Semantics::ModSecurity2;
  Optimisations optimisations;
  std::vector<std::string> files;  // Position::file
  std::vector<Rule> rules;
  std::vector<Link> links;
  std::array<std::vector<std::uint32_t>, 6> phases;  // [1…5]: indexes of rules
  std::vector<ChainNode> chains{ChainNode{}};
  ChainSteps chain_steps;  // by compile()
  std::unique_ptr<const UnicodeMap> unicode;
  std::shared_ptr<const GeoDatabase> geo;  // SecGeoLookupDb
  std::shared_ptr<const Regex> relevant_status;  // SecAuditLogRelevantStatus; null: none
  Prefilters prefilter;
  KnownNames tx_names;
  std::vector<ListedNames> listed_names;
  std::vector<Hurdle> hurdles;
  std::shared_ptr<const Foregone> foregone;  // null: every rule is run
  std::array<bool, 256> reads{};  // by Variable: some target or macro reads it
  bool idle = false;  // no rules, no bodies, no audit log: nothing of a message is looked at
  LoadStats stats;

  [[nodiscard]] std::span<const Link> links_of(const Rule& rule) const {
    return {links.data() + rule.first_link, rule.links};
  }
  [[nodiscard]] bool v3() const { return semantics == Semantics::ModSecurity3; }
};

}  // namespace weir::rules
