// Patterns and values that are small enough to try all of one on all of the other.
#pragma once

#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace weir::rules {

inline const std::string kAlphabet = "ab'( ";

// All values over an alphabet up to a length.
inline std::vector<std::string> all_values(const std::string& alphabet, std::size_t longest) {
  std::vector<std::string> out{""};
  for (std::size_t from = 0, n = 0; n < longest; ++n) {
    const std::size_t to = out.size();
    for (; from < to; ++from) {
      for (const char c : alphabet)
        out.push_back(out[from] + c);
    }
  }
  return out;
}

// One atom with a quantifier, and two of them, in order or as a choice.
inline std::vector<std::string> small_patterns() {
  const std::vector<std::string> atoms = {"a",    "b",   "'",   "\\(", " ", "[ab]", "[^a]",
                                          "['(]", "\\s", "\\W", "\\b", "^", "$",    "."};
  std::vector<std::string> out;
  for (const std::string& atom : atoms) {
    for (const char* after : {"", "*", "+", "?", "{2}", "{1,2}"}) {
      const std::string x = atom + after;
      out.push_back(x);
      for (const std::string& y : atoms) {
        out.push_back(x + y);
        out.push_back(x + "|" + y);
      }
    }
  }
  return out;
}

inline std::string random_pattern(std::mt19937& random, int depth) {
  const auto pick = [&](std::initializer_list<const char*> list) {
    return std::string(list.begin()[random() % list.size()]);
  };
  if (depth == 0 || random() % 4 == 0) {
    return pick({"a",    "b",    "ab",    "ba",    "'",     "\\(",   " ", "[ab]",
                 "[^a]", "['(]", "\\s",   "\\W",   "\\w",   "\\b",   "^", "$",
                 ".",    "a'b",  "(?i)A", "(?=a)", "(?!b)", "[^'( ]"});
  }
  const auto inner = [&] { return random_pattern(random, depth - 1); };
  switch (random() % 4) {
    case 0:
      return inner() + inner();
    case 1:
      return "(?:" + inner() + "|" + inner() + ")";
    case 2:
      return "(?:" + inner() + ")" + pick({"*", "+", "?", "{2}", "{0,2}", "{2,}", "*?", "++"});
    default:
      return "(" + inner() + ")" + inner();
  }
}

}  // namespace weir::rules
