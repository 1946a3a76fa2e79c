// What every match of a pattern contains: pieces of text of which at least one occurs, and sets of
// bytes of each of which one is present. Computed from the pattern's tree, as RE2's prefilter does
// it, for values in which certain bytes are known to be absent: many patterns of CRS allow quotes
// or brackets between any two letters, and have no pieces to speak of until those are ruled out.
//
// Contract: if a value without any of the absent bytes matches, then `possible` is true, the value
// is at least `least` bytes long, one of `pieces` (if there are any) occurs in it, and so does a
// byte of each of `bytes`; and, if there are any of them, one of `second` or a byte of `second_bytes`. Case is
// disregarded throughout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/regex_tree.h"

namespace weir::rules {

// A piece of text, lower case and never empty, with what is known of its surroundings.
struct Piece {
  enum class Edge : std::uint8_t {
    Open,      // nothing
    Boundary,  // no byte of a word stands there
    End,       // the value ends (or begins) there
  };
  std::string text;
  Edge left = Edge::Open, right = Edge::Open;

  // Pieces shorter than that are looked for by themselves, which costs as much again for each length.
  static constexpr std::size_t kLong = 4;
  [[nodiscard]] bool is_short() const { return text.size() < kLong; }

  friend bool operator==(const Piece&, const Piece&) = default;
  friend bool operator<(const Piece& a, const Piece& b);
};

struct Factors {
  bool possible = true;
  std::size_t least = 0;
  std::vector<Piece> pieces;  // in order, no two alike; empty: none is known
  // (Of `create\s+table|drop\s+index` ordinary text may hold "table" or "index", but hardly "create" or "drop" as well.)
  std::vector<Piece> second;  // in order, no two alike
  ByteSet second_bytes;       // without letters
  double cost = 1;  // how often one of `pieces` occurs at any one place of ordinary text, roughly
  std::vector<ByteSet> bytes;  // those without letters and digits first, then by how rare they are
};

Factors factors_of(const RegexTree& tree, const ByteSet& absent);

// True if the absence of these bytes tells more about the tree's matches than nothing does.
bool absence_matters(const RegexTree& tree, const ByteSet& absent);

// Of a list of phrases, any one of which matches, without regard to case.
Factors factors_of_phrases(const std::vector<std::string>& phrases);

// How often a piece occurs at any one place of ordinary text, roughly; the second: a text with open edges.
double commonness(const Piece& piece);
double commonness(std::string_view text);

}  // namespace weir::rules
