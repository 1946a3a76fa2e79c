// Words that describe the matches of a pattern, and the pieces of text that speak for them: what rules/factors.h is made of.
// How rare a piece is in ordinary text is guessed from its letters.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "rules/factors.h"

namespace weir::rules::factors {

// A language is described by words over bytes (lower case) and these marks, so that each of its
// strings is described by some word.
using Symbol = char16_t;
using Word = std::u16string;
using Words = std::vector<Word>;
constexpr Symbol kGap = 0x100;       // any bytes, or none
constexpr Symbol kNoWord = 0x101;    // one or more bytes that are none of a word
constexpr Symbol kBoundary = 0x102;  // \b: stands for no byte
constexpr Symbol kBegin = 0x103;     // the value begins here
constexpr Symbol kEnd = 0x104;       // the value ends here
constexpr Symbol kSet = 0x200;       // this and those behind: any bytes, among them one of a set, by its number

// In order, no two alike: words, or pieces. (Words that were joined mostly are that already.)
template <class T>
void tidy(std::vector<T>& all) {
  const auto out_of_order = [](const T& a, const T& b) { return !(a < b); };
  if (std::adjacent_find(all.begin(), all.end(), out_of_order) == all.end()) return;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

inline bool is_byte(Symbol s) { return s < 0x100; }
bool is_word_symbol(Symbol s);
inline bool is_gap(Symbol s) { return s == kGap || s >= kSet; }
inline bool takes_room(Symbol s) { return s <= kNoWord || s >= kSet; }

// How much of ordinary text bytes of a set are, capitals counted as the small letters.
double share_of(const ByteSet& set);

// What stands between two marks of a word that take room, without the marks at its ends.
struct Part {
  std::size_t from = 0, to = 0;
  Piece::Edge left = Piece::Edge::Open, right = Piece::Edge::Open;
  double cost = 1;  // how often it occurs at any one place of ordinary text, roughly
};
// The rarest of the parts of a word; false if it holds no byte.
bool rarest_part(const Word& word, Part& best);

// How often ordinary text holds what the words require, at any one place.
double cost_of(const Words& words);

// One of `pieces`, or a byte of `bytes`, is in each string of the language; no pieces and no bytes: nothing is known.
struct Text {
  std::vector<Piece> pieces;  // in order, no two alike
  ByteSet bytes;
  double cost = 1;  // how often one of them is at any one place of ordinary text, roughly
};
// The pieces that ordinary text holds least often of those that suffice.
Text text_of(const Words& words);
// What else each string holds, as far as that is known; the same as `first` where it is not. `sets`: those that words
// speak of, by number.
Text second_text_of(const Words& words, const Text& first, const std::vector<ByteSet>& sets);

}  // namespace weir::rules::factors
