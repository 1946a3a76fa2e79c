// Macros: text with %{VARIABLE} and %{COLLECTION.key} in it, compiled once at load so that expanding one
// is a walk over its parts (reference manual, "Macro Expansion").
//
// As in ModSecurity 2 the first '.' separates the key, an unknown or empty variable expands to nothing, and
// of several values the first is taken. ':' separates too (libmodsecurity).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/names.h"

namespace weir::rules {

class KnownNames;
struct TransactionState;

class Macro {
 public:
  Macro() = default;
  static Macro compile(std::string_view text);
  // Gives the TX variables in it their numbers among `names`, which every transaction's TX is told of.
  void number(KnownNames& names);

  [[nodiscard]] bool empty() const { return parts_.empty(); }
  // True if the text has no macro in it: text() is the whole value.
  [[nodiscard]] bool literal() const { return !has_variables_; }
  // The text as written.
  [[nodiscard]] const std::string& text() const { return text_; }

  // The expansion: a view of the text itself, or bytes in the transaction's arena. Never longer than
  // kMaxExpansion bytes (a longer one is cut).
  [[nodiscard]] std::string_view expand(TransactionState& tx) const;

  static constexpr std::size_t kMaxExpansion = 1024 * 1024;

  // Variables read, for bind's warnings; nullopt entries are names that nothing fills.
  struct Part {
    std::string text;  // literal text, or the key
    std::optional<Variable> variable;
    bool is_variable = false;
    std::string lower_key;
    std::uint32_t key_hash = 0;  // fold_hash(lower_key)
    std::uint16_t known = 0;     // number(); 0: none
  };
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }

 private:
  std::string text_;
  std::vector<Part> parts_;
  bool has_variables_ = false;
};

}  // namespace weir::rules
