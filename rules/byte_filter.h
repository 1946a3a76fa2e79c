// What a regular expression cannot match without: the least length of a match, and sets of bytes of which
// each must be present. A cheap look at a value (which bytes occur in it?) then rules most patterns out.
//
// Contract: if a filter says no, the pattern cannot match. (It may say yes for values that do not match.)
// The analysis understands a subset of PCRE and answers "nothing is necessary" wherever it does not.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

using ByteSet = std::bitset<256>;

struct Necessary {
  std::size_t min_length = 0;
  std::vector<ByteSet> sets;  // each: at least one of its bytes occurs in any match
};

// `caseless` as the pattern is compiled; inline flags at its beginning are understood.
Necessary necessary_of(std::string_view pattern, bool caseless);
// Of a phrase list: any one phrase, without regard to case.
Necessary necessary_of_phrases(const std::vector<std::string>& phrases);

// Which bytes occur in a value.
using BytesPresent = std::array<std::uint64_t, 4>;
BytesPresent bytes_present(std::string_view value);

// Many patterns' sets, transposed so that one walk over a value's distinct bytes answers for all.
class ByteFilter {
 public:
  static constexpr std::size_t kPlanes = 6;

  void build(const std::vector<Necessary>& patterns);
  // Sets `out` (words() words) to the patterns that may match a value of this length with these bytes.
  void survivors(std::size_t length, const BytesPresent& present, std::uint64_t* out) const;
  void survivors(std::string_view value, std::uint64_t* out) const {
    survivors(value.size(), bytes_present(value), out);
  }
  [[nodiscard]] std::size_t words() const { return words_; }
  [[nodiscard]] std::size_t bytes() const { return table_.size() * 8; }

 private:
  std::size_t patterns_ = 0;
  std::size_t words_ = 0;
  std::vector<std::uint64_t> table_;    // [plane][byte][word]
  std::vector<std::uint64_t> always_;   // [plane][word]: patterns with no set in this plane
  std::vector<std::uint64_t> by_length_;  // [length 0 … 15][word]: patterns that short values may match
  static constexpr std::size_t kLengths = 16;
};

}  // namespace weir::rules
