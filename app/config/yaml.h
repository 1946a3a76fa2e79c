// A YAML document as a tree with positions, and nothing that YAML would guess: every scalar is the text
// that was written. Anchors, aliases, tags and several documents are refused: a configuration needs none
// of them, and each is a way to write something else than one means. yaml-cpp is used here only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/diagnostic.h"

namespace weir::app::yaml {

struct Place {
  std::uint32_t line = 0, column = 0;  // from 1; columns count bytes
};

enum class Kind : std::uint8_t { Empty, Scalar, List, Map };

struct Entry;

struct Node {
  Kind kind = Kind::Empty;
  Place at;
  std::string text;          // Scalar
  bool quoted = false;       // Scalar
  std::vector<Node> items;   // List
  std::vector<Entry> entries;  // Map, as written: duplicates are there
};

struct Entry {
  std::string key;
  Place at;
  Node value;
};

inline constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kDeepest = 16;

struct Document {
  Node root;
  bool whole = false;  // false: `diagnostics` says why
};

// Adds what is wrong to `diagnostics`, under the name `file`.
[[nodiscard]] Document parse(std::string_view text, const std::string& file,
                             rules::Diagnostics& diagnostics);

// Line `number` of the text, without its end; for messages. Empty if there is none.
[[nodiscard]] std::string_view line_of(std::string_view text, std::uint32_t number);

[[nodiscard]] std::string_view name(Kind kind);  // "a list"

}  // namespace weir::app::yaml
