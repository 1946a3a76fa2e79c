// Regular expressions with exact PCRE semantics, through PCRE2 with JIT. Byte-oriented, DOTALL and
// DOLLAR_ENDONLY as ModSecurity 2 compiles them (trap 2 of RULES.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/result.h"

namespace weir::rules {

// Bounds of one match attempt (PCRE2 match limit and depth limit). 0: PCRE2's default.
struct ReLimits {
  std::uint32_t match = 0;
  std::uint32_t depth = 0;
};

class Regex;
struct ReOptions;

// Per worker: match data and JIT stack, and the expansions of patterns with macros.
class ReScratch {
 public:
  ReScratch();
  ~ReScratch();
  ReScratch(const ReScratch&) = delete;
  ReScratch& operator=(const ReScratch&) = delete;
  struct State;
  [[nodiscard]] State& state() { return *state_; }

  // A pattern that is known only now, because it holds macros. The last kExpansions distinct ones
  // stay compiled; null: it does not compile, or is longer than kMaxExpansion. Valid until the next
  // call.
  static constexpr std::size_t kExpansions = 32;
  static constexpr std::size_t kMaxExpansion = 4096;
  [[nodiscard]] const Regex* compiled(std::string_view pattern, const ReOptions& options);

 private:
  std::unique_ptr<State> state_;
};

enum class ReResult : std::uint8_t { NoMatch, Match, LimitExceeded };

struct ReOptions {
  bool caseless = false;
  bool multiline = false;  // ModSecurity 3 compiles with it, 2 does not; `$` then is PCRE's own
  bool not_empty = false;  // an empty match is none (verifyCC and its kin)
  bool jit = true;         // not worth its cost for a pattern that is used once
};

// Shared by threads. Compiled by PCRE2 when it is made, or later if it is known to be right; to machine code when it
// is first searched with (or warm() is called): that is most of the cost, and of a large rule set most patterns wait
// long for a value that they have to look at. Whoever comes meanwhile waits, so that a search never depends on who
// was first.
class Regex {
 public:
  // The error is PCRE2's message with the byte offset in the pattern.
  static Result<std::unique_ptr<Regex>> compile(std::string_view pattern, const ReOptions& options);
  // Compiled when it is first searched with. For a pattern that is known to compile, because it did before with the
  // same library (pattern_cache.h); if it does not after all, each search answers LimitExceeded.
  static std::unique_ptr<Regex> deferred(std::string_view pattern, const ReOptions& options);
  // What decides whether and how a pattern compiles, besides the pattern: PCRE2's version and build.
  static std::string library();
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  // Searches `subject`. `groups` (may be null) receives up to `max_groups` groups, unset ones
  // empty; `group_count` how many are meaningful (highest set group + 1).
  ReResult search(std::string_view subject, ReScratch& scratch, const ReLimits& limits,
                  std::string_view* groups = nullptr, std::size_t max_groups = 0,
                  std::size_t* group_count = nullptr, std::size_t start = 0) const;

  // What is known of a search before it: in time linear in the subject, and mostly sooner than search()
  // (linear_search.h); nothing, at once, where asking would cost more than it may save.
  struct Ahead {
    std::size_t start = 0;   // no match begins before this place; npos: there is none at all
    bool certain = false;    // there is a match, ...
    std::string_view match;  // ... this one, which nothing else captures; no data: not known
  };
  [[nodiscard]] Ahead ahead(std::string_view subject) const;

  [[nodiscard]] const std::string& pattern() const { return pattern_; }
  [[nodiscard]] const ReOptions& options() const { return options_; }
  // Makes the machine code now.
  void warm() const;
  // Whether there is any (a kernel may forbid executable pages).
  [[nodiscard]] bool jit() const;

 private:
  struct Code;
  Regex(std::string pattern, const ReOptions& options, std::unique_ptr<Code> code);
  std::string pattern_;
  ReOptions options_;
  std::unique_ptr<Code> code_;
};

}  // namespace weir::rules
