// What cannot be SQL injection, told without libinjection, which looks every word of a value up in a
// table of a thousand. Its verdict is a matter of the first five tokens' types; no combination of
// its table is made up of bare words, functions, numbers and plain operators alone, nor with variables
// instead of operators. So a value
// without quotes, parentheses, comments and the like, none of whose words is a keyword, is harmless
// whatever else it says.
//
// Contract: where may_be_sqli() says false, libinjection finds nothing. (That a match holds more
// than the letters, digits and underscores of one word is what @detectSQLi tells the prefilter.)
// Held to libinjection exhaustively for short values, by its whole table, and at random:
// tests/unit/rules_match/sqli_filter_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::rules::operators {

// What libinjection takes a word for, remembered: the same few words make up most of what is asked.
// One for each worker. What it answers never depends on what it holds.
class WordTypes {
 public:
  // May the word be anything else than a bare word, a function or a number, or begin a keyword of
  // several words?
  [[nodiscard]] bool matters(std::string_view word);
  // Is the word a keyword of any type (functions too)? libinjection ends words in front of a dot
  // behind one.
  [[nodiscard]] bool ends_at_dot(std::string_view word);

  static constexpr std::size_t kLongest = 31;  // longer words are never keywords

 private:
  static constexpr std::size_t kEntries = 1024;
  static constexpr std::uint8_t kKnown = 1, kMatters = 2, kKeyword = 4;
  // The word padded with NUL, which no word holds; the last byte: what is known of it.
  struct Entry {
    std::array<std::uint64_t, 4> words{};
  };
  std::uint8_t look_up(std::string_view word);
  std::vector<Entry> entries_;  // made when first asked
};

[[nodiscard]] bool may_be_sqli(std::string_view value, WordTypes& types);

}  // namespace weir::rules::operators
