// Collections that rules write: TX, ENV, and the persistent ones (IP, SESSION, USER, GLOBAL, RESOURCE) as
// a transaction sees them. Keys ignore case and keep the spelling and the place of their first setting, as
// apr_table does: regular-expression selectors see them in that order.
//
// Owned by one transaction; keys and values are views into its arena or the rule set. clear() keeps the
// memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rules/ascii.h"

namespace weir::rules {

class VarTable {
 public:
  struct Var {
    std::string_view name;
    std::string_view value;
    std::uint32_t hash = 0;
    bool live = true;  // false: unset; stays as a hole until clear()
  };

  // Null if there is no such variable. `hash` is fold_hash(name).
  [[nodiscard]] const Var* find(std::string_view name, std::uint32_t hash) const;
  [[nodiscard]] const Var* find(std::string_view name) const { return find(name, fold_hash(name)); }
  // Sets or adds. The views must outlive the table's content. False if the table is full
  // (kMaxVariables): a hostile request can make rules invent names without end.
  bool set(std::string_view name, std::uint32_t hash, std::string_view value);
  void unset(std::string_view name, std::uint32_t hash);
  void clear();

  // All variables, in order of first setting; skip those that are not live.
  [[nodiscard]] const std::vector<Var>& all() const { return vars_; }

  [[nodiscard]] std::size_t memory() const {
    return vars_.capacity() * sizeof(Var) + index_.capacity() * sizeof(std::uint32_t);
  }

  static constexpr std::size_t kMaxVariables = 65536;

 private:
  [[nodiscard]] std::size_t slot_of(std::string_view name, std::uint32_t hash) const;
  void grow();

  std::vector<Var> vars_;
  std::vector<std::uint32_t> index_;  // 1 + position in vars_, 0: free; size a power of two
};

}  // namespace weir::rules
