// "Did you mean …?": the nearest of some known words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir::app {

// The candidate with the smallest edit distance (insertions, deletions, replacements and swaps of
// neighbours), if that is at most a third of the word's length (at least 1); empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace weir::app
