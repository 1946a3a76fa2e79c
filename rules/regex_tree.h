// What a regular expression consists of, as far as the prefilter wants to know: a tree that
// describes the pattern's language or a larger one, never a smaller one. Look-arounds,
// back-references and the like are "anything"; a pattern with constructs that are not understood
// has no tree.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::rules {

using ByteSet = std::bitset<256>;

// The bytes from `from` to `to`, both included.
ByteSet byte_range(unsigned from, unsigned to);
// [0-9A-Za-z_]
const ByteSet& word_bytes();
// Letters of one case bring in those of the other.
void fold_case(ByteSet& set);

struct RegexNode {
  enum class Kind : std::uint8_t {
    Empty,         // matches the empty string
    Anything,      // any string, also the empty one
    Set,           // one byte of `set`
    Sequence,      // `parts` in order
    Choice,        // one of `parts`
    Repeat,        // parts[0], `least` to `most` times
    Begin,         // holds only where the value begins
    End,           // holds only where it ends
    WordBoundary,  // \b
  };
  static constexpr std::uint32_t kUnbounded = 0xffffffff;

  Kind kind = Kind::Empty;
  ByteSet set;
  std::uint32_t least = 0, most = 0;
  bool lazy = false;  // Repeat: as few times as do
  std::vector<std::uint32_t> parts;
};

// A pattern that is nothing but text, at a place or anywhere, without regard to ASCII case.
struct PlainText {
  std::string text;  // small letters; not empty
  bool at_begin = false, at_end = false;
  [[nodiscard]] bool matches(std::string_view value) const;
};

class RegexTree {
 public:
  // `caseless` and `multiline` as the pattern is compiled (match_re.h); flags in the pattern are
  // understood. Sets are folded where case does not matter.
  static std::optional<RegexTree> parse(std::string_view pattern, bool caseless, bool multiline);

  // Does the tree say all of the pattern: what it matches, and which match it prefers of several that begin at one
  // place? And is nothing captured but the whole match?
  [[nodiscard]] bool exact() const { return exact_; }

  // What the pattern is, if it is no more than that.
  [[nodiscard]] std::optional<PlainText> plain_text() const;

  [[nodiscard]] const RegexNode& node(std::uint32_t i) const { return nodes_[i]; }
  [[nodiscard]] std::uint32_t root() const { return root_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }

  // Groups in groups beyond this are not understood; walks over the tree may recurse.
  static constexpr int kMostDepth = 100;

 private:
  friend class RegexReader;
  std::vector<RegexNode> nodes_;
  std::uint32_t root_ = 0;
  bool exact_ = true;
};

}  // namespace weir::rules
