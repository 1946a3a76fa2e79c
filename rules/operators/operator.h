// SecLang operators other than the pattern matchers' insides: one object for each use in a rule,
// made at load, immutable, shared by threads. Scanned-ahead operators (rx, pm, pmFromFile) expose
// their patterns so that the prefilter can be compiled; their match() is the exact evaluation.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/arena.h"
#include "engine/base/ip_address.h"
#include "engine/result.h"
#include "rules/factors.h"
#include "rules/match_re.h"

namespace weir::rules {

class GeoDatabase;  // rules/operators/geo.h
struct GeoRecord;

// What capture puts into TX:0 … TX:9. Views into the value, the rule set, or the arena.
struct Captures {
  std::array<std::string_view, 10> groups;
  std::uint8_t count = 0;  // groups set; 0: this operator or match captured nothing
};

// Given to every evaluation.
struct OperatorContext {
  ReScratch& re;              // the worker's
  base::Arena& arena;         // the transaction's
  std::string_view argument;  // macro-expanded, where the operator has macros(); else the literal
  Captures* captures = nullptr;  // null: not wanted
  ReLimits limits{};               // SecPcreMatchLimit and -Recursion
  bool* limit_exceeded =
      nullptr;  // set if a regular expression hit its limits (TX:MSC_PCRE_LIMITS_EXCEEDED)
  std::uint64_t* work = nullptr;     // bytes looked at are added
  bool linear = false;               // what backtracks is asked in linear time first (Regex::ahead), ...
  bool whole = false;                // ... and where that tells the whole match, nobody else is
  const GeoDatabase* geo = nullptr;  // SecGeoLookupDb; null: @geoLookup never matches
  GeoRecord* geo_record = nullptr;   // filled by @geoLookup where it matches
  bool filters_sqli = false;          // libinjection is asked only about what could be SQL injection
};

// A comparison with a number that is known at load.
struct Comparison {
  enum class Order : std::uint8_t { Eq, Ge, Gt, Le, Lt } order = Order::Eq;
  std::int64_t number = 0;
  // Does `value` compare so?
  [[nodiscard]] bool holds(std::string_view value) const;
  [[nodiscard]] bool holds(std::int64_t value) const;
};

class Operator {
 public:
  Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  virtual ~Operator() = default;

  // True if `value` matches (before negation, which the evaluator applies).
  [[nodiscard]] virtual bool match(std::string_view value, OperatorContext& context) const = 0;

  // For the prefilter: the pattern as given to PCRE2, or null if this is no scannable @rx.
  [[nodiscard]] virtual const Regex* regex() const { return nullptr; }
  // For the prefilter: the phrases (matched without regard to ASCII case), or null.
  [[nodiscard]] virtual const std::vector<std::string>* phrases() const { return nullptr; }
  // For the prefilter: sets of bytes; of each, one is in every value that matches.
  [[nodiscard]] virtual std::vector<ByteSet> necessary_bytes() const { return {}; }
  // For the prefilter: a piece of text that is in every value that matches; nullopt: none is known.
  [[nodiscard]] virtual std::optional<Piece> necessary_text() const { return std::nullopt; }
  // For the prefilter: where may_be_sqli() (sqli_filter.h) says false nothing matches.
  [[nodiscard]] virtual bool finds_sqli() const { return false; }
  // What the operator does, if it is no more than that (numbers.cc).
  [[nodiscard]] virtual std::optional<Comparison> comparison() const { return std::nullopt; }
  // What the operator's user should be told at load ("@rbl never matches: …"), or empty.
  [[nodiscard]] virtual std::string_view warning() const { return {}; }
};

// What making an operator needs from outside.
class OperatorFiles {
 public:
  virtual ~OperatorFiles() = default;
  // Contents of a file that a rule names (pmFromFile, ipMatchFromFile): relative names are looked
  // up beside the rule file.
  virtual Result<std::string> read(std::string_view name) = 0;
};

struct OperatorSpec {
  std::string_view name;      // lower case, without '@'
  std::string_view argument;  // as in syntax::Operator
  bool has_macros = false;    // argument contains %{…}: its expansion comes with each evaluation
  bool v3 = false;            // Semantics::ModSecurity3 where the operator differs
  bool compiles = false;      // known of its regular expression, if it is one (pattern_cache.h)
};

// The error is a sentence naming what is wrong with the argument ("missing closing parenthesis at
// 12").
Result<std::unique_ptr<Operator>> make_operator(const OperatorSpec& spec, OperatorFiles& files);

// Names of all operators that make_operator knows, lower case; and those that exist in ModSecurity
// but stay out of Weir, with the reason (fuzzyHash, gsbLookup, …).
[[nodiscard]] bool operator_exists(std::string_view lower_name);
[[nodiscard]] std::string_view operator_left_out(std::string_view lower_name);  // reason, or empty
[[nodiscard]] const std::vector<std::string_view>& operator_names();

}  // namespace weir::rules
