// Searching in time that is linear in the value, whatever the value: a deterministic automaton (RE2), made as
// it is needed, in bounded memory. Where few places of a text can be a match's beginning it is asked at those alone.
// PCRE2 tries a pattern at each place of the value, and at each may look at all that follows; its limits count anew at
// each place, so that they do not bound a search.
//
// The automaton is made from the pattern's tree (regex_tree.h), in bytes: what PCRE2 and RE2 take differently
// in a pattern's text plays no part. Contract: where it finds nothing, the pattern does not match; and the
// pattern does not match at any place before the one that it tells. What it finds PCRE2 has to confirm, but where the
// tree says all of the pattern: there it is the match that PCRE2 would tell.
//
// Thread-safe; threads share what is made as it goes.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rules/beginnings.h"
#include "rules/regex_tree.h"

namespace weir::rules {

class LinearSearch {
 public:
  // Null: the tree is too large for it.
  static std::unique_ptr<const LinearSearch> compile(const RegexTree& tree);
  ~LinearSearch();
  LinearSearch(const LinearSearch&) = delete;
  LinearSearch& operator=(const LinearSearch&) = delete;

  // May the pattern match somewhere in `value`?
  [[nodiscard]] bool may_match(std::string_view value) const;
  // No match begins before this place; npos: none does. Costs about twice as much where there is one.
  [[nodiscard]] std::size_t first(std::string_view value) const;
  // The first match, of those that begin there the one that the pattern prefers; no data: there is none.
  [[nodiscard]] std::string_view find(std::string_view value) const;
  // Is a search sooner done than any other, however short the value? So it is where the pattern is no more than a run of
  // bytes of one set (`\W{4}`).
  [[nodiscard]] bool quick() const { return run_.has_value(); }
  // Is what find() says PCRE2's own answer?
  [[nodiscard]] bool exact() const { return exact_; }

  // Of one pattern's automaton, at most; beyond it begins anew.
  static constexpr std::size_t kMostBytes = std::size_t{4} << 20;

 private:
  struct Automaton;
  struct Run {
    std::array<bool, 256> set{};
    std::size_t least = 1, most = 1;  // `most`: as many as the match holds, if there are more
  };
  LinearSearch(std::unique_ptr<Automaton> automaton, std::unique_ptr<const Beginnings> beginnings, bool exact);
  explicit LinearSearch(const Run& run);
  static std::optional<Run> run_of(const RegexTree& tree);
  static std::string_view find_run(const Run& run, std::string_view value);

  std::unique_ptr<Automaton> automaton_;  // or run_
  std::unique_ptr<const Beginnings> beginnings_;
  std::optional<Run> run_;
  bool exact_;
};

// The tree as text that RE2 understands: sets as ranges of bytes, and nothing else that could be taken in two
// ways. For tests.
[[nodiscard]] std::string linear_pattern(const RegexTree& tree);

}  // namespace weir::rules
