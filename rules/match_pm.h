// Phrase lists (@pm, @pmFromFile): Aho–Corasick over bytes, without regard to ASCII case, in one
// pass of linear time. The automaton is a double array with failure links: 16 bytes for each node.
//
// What ModSecurity 2 reports for a match is the text of the trie node it stands on when the first
// phrase ends. That is the phrase (as written in the list, not as in the input) unless the phrase
// is the tail of a longer one that is under way: with "abcd" and "bc", the input "abc" reports
// "abc". Kept, for equal logs. Not kept: its failure links follow only one step, and so it misses
// phrases after some near misses.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

// Immutable after construction; shared by threads.
class PhraseMatcher {
 public:
  // Empty phrases are left out, and so are those that differ from an earlier one only in case.
  explicit PhraseMatcher(const std::vector<std::string>& phrases);

  struct Found {
    bool found = false;
    std::string_view text;  // of this object
  };
  // The first phrase to end in `value`.
  [[nodiscard]] Found find(std::string_view value) const;

  [[nodiscard]] const std::vector<std::string>& phrases() const { return phrases_; }
  [[nodiscard]] std::size_t bytes() const { return nodes_.size() * sizeof(Node); }

 private:
  struct Node {
    std::uint32_t base = 0;    // child for class c, if there is one: nodes_[base + c]
    std::uint32_t parent = 0;  // kFree: no node here
    std::uint32_t failure = 0;
    std::uint32_t report = 0;  // 0: no phrase ends here; else index + 1 into reports_
  };
  struct Report {
    std::uint32_t phrase = 0;
    std::uint32_t length = 0;  // of the node's text: the first bytes of that phrase
  };
  class Sorted;  // the phrases, while the array is made from them
  // A node, the length of its text, and the phrases (of Sorted) that begin with it.
  struct Range {
    std::uint32_t node, depth, from, to;
  };
  static constexpr std::uint32_t kFree = 0xffffffff;
  static constexpr std::uint32_t kRoot = 0;

  void set_classes();
  void lay_out(const Sorted& sorted);
  void set_failure(const Sorted& sorted, const Range& of);
  std::uint32_t place(const std::vector<std::uint8_t>& classes);
  [[nodiscard]] std::uint32_t child(std::uint32_t node, std::uint8_t c) const {
    const std::uint32_t at = nodes_[node].base + c;
    return c != 0 && nodes_[at].parent == node ? at : kFree;
  }

  std::vector<std::string> phrases_;
  std::array<std::uint8_t, 256> class_of_{};    // 0: byte occurs in no phrase
  std::array<std::uint32_t, 256> from_root_{};  // by byte: node after it, starting at the root
  std::vector<Node> nodes_;
  std::vector<Report> reports_;
  std::uint32_t class_count_ = 1;
  std::uint32_t first_free_ = 0;  // while building: no free place below
  std::uint32_t end_ = 0;         // beyond the last node
};

// The phrases of @pm's argument and of one line of a phrase file, with ModSecurity 2's `|41 42|`
// and
// `\:`, `\;`, `\\`, `\"`. nullopt-like: false if there is an escape it does not know (the text is
// then taken as it stands).
bool parse_pm_content(std::string_view text, std::string& out);

std::vector<std::string> split_phrases(std::string_view argument);
// Appends the phrases of a file: one a line, blanks at both ends cut, `#` lines and empty ones left
// out.
void parse_phrase_file(std::string_view contents, std::vector<std::string>& out);

}  // namespace weir::rules
