// Where in a value a match of a pattern may begin, told from the first bytes of all of its matches: `busybox|su(?:do)?\s` begins
// with "bus" and a few more, or with "su" and 'd' or a blank. Ordinary text has few such places, and between them thirty-two bytes
// are passed over at a time; an automaton goes through them one by one.
//
// Contract: no match begins at a place that is not told, and places are the same on every machine.
//
// Made from the pattern's tree, then immutable; shared by threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "rules/regex_tree.h"

namespace weir::rules {

class Beginnings {
 public:
  // Null: nothing is known of the first bytes, or ordinary text is full of them.
  static std::unique_ptr<const Beginnings> of(const RegexTree& tree);

  // The first place from `from` on where a match may begin; npos: none does.
  [[nodiscard]] std::size_t next(std::string_view value, std::size_t from) const;

  static constexpr std::size_t kTogether = 4;  // bytes of a place that are looked at with those of others

 private:
  // The bytes that beginnings have at one place, and how they go on. A beginning ends where nothing does.
  struct Node {
    ByteSet set;
    std::uint32_t first = 0, count = 0;  // in nodes_
  };
  static constexpr std::size_t kMostRoots = 64;
  // Lots of beginnings, of which the bytes of a place are told by one bit each: those that the lower and the upper half of a byte may
  // be of, by the bytes of the place. The first eight lots have the shortest beginnings.
  struct Halves {
    std::array<std::uint8_t, 16> low{}, high{};
  };
  struct Eight {
    std::array<Halves, kTogether> bytes;
    std::size_t length = 0;  // so many of them say something
  };
  static constexpr std::size_t kLots = 16;

  void grow(const std::vector<std::vector<ByteSet>>& beginnings);
  [[nodiscard]] bool goes_on(const Node& node, std::string_view rest) const;
  [[nodiscard]] bool begins(std::string_view value, std::size_t at) const;
  [[nodiscard]] std::size_t next_by_step(std::string_view value, std::size_t from) const;

  bool at_start_ = false;  // some match begins only where the value does
  std::vector<Node> nodes_;
  std::array<std::uint64_t, 256> roots_{};  // by byte: of the first nodes, those that have it
  std::array<Eight, kLots / 8> lots_;
};

}  // namespace weir::rules
