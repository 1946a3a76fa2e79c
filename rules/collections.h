// Collections that rules write: TX, ENV, and the persistent ones (IP, SESSION, USER, GLOBAL, RESOURCE) as
// a transaction sees them. Keys ignore case and keep the spelling and the place of their first setting, as
// apr_table does: regular-expression selectors see them in that order.
//
// Names that a rule set speaks of have numbers (KnownNames): a table that is told of them finds such a variable by
// its number, without a hash and without comparing text.
//
// A table is owned by one transaction; keys and values are views into its arena or the rule set. clear() keeps the
// memory. Known names are the rule set's: filled at load, then shared by threads.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ascii.h"

namespace weir::rules {

// Where names and their hashes lead to; numbers from 1 on, 0: free. Linear probing.
class NameIndex {
 public:
  // The cell of the name, or a free one. `same(number)`: is that the name's? REQUIRES: a free cell.
  template <class Same>
  [[nodiscard]] std::uint32_t& cell(std::uint32_t hash, const Same& same) {
    return cells_.data()[at(hash, same)];
  }
  // The name's number, or 0.
  template <class Same>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, const Same& same) const {
    return cells_.empty() ? 0 : cells_.data()[at(hash, same)];
  }
  // Is there room for one more than `used`?
  [[nodiscard]] bool room(std::size_t used) const { return (used + 1) * 2 <= cells_.size(); }
  // Twice as large, and empty.
  void grow();
  void clear();
  [[nodiscard]] std::size_t memory() const { return cells_.capacity() * sizeof(std::uint32_t); }

 private:
  template <class Same>
  [[nodiscard]] std::size_t at(std::uint32_t hash, const Same& same) const {
    const std::size_t mask = cells_.size() - 1;
    std::size_t i = hash & mask;
    while (cells_.data()[i] != 0 && !same(cells_.data()[i])) i = (i + 1) & mask;
    return i;
  }
  std::vector<std::uint32_t> cells_;  // size a power of two, or none
};

// Names, each once, in whatever case.
class NumberedNames {
 public:
  // The name's number, which is a new one if need be; 0: there are too many.
  std::uint16_t add(std::string_view name);
  // 0: unknown. `hash` is fold_hash(name).
  [[nodiscard]] std::uint16_t find(std::string_view name, std::uint32_t hash) const {
    return static_cast<std::uint16_t>(index_.find(hash, [&](std::uint32_t n) { return is(n, name, hash); }));
  }
  [[nodiscard]] std::uint16_t find(std::string_view name) const { return find(name, fold_hash(name)); }
  // They are 1 … last().
  [[nodiscard]] std::size_t last() const { return names_.size(); }
  [[nodiscard]] std::string_view name(std::size_t number) const { return names_[number - 1].text; }

 private:
  struct Name {
    std::string text;
    std::uint32_t hash = 0;
  };
  [[nodiscard]] bool is(std::uint32_t number, std::string_view name, std::uint32_t hash) const {
    return names_[number - 1].hash == hash && fold_equal(names_[number - 1].text, name);
  }
  void enter(std::size_t number);

  std::deque<Name> names_;
  NameIndex index_;
};

class KnownNames : public NumberedNames {
 public:
  // Begins with the captures' names, "0" to "9".
  KnownNames();
  static constexpr std::uint16_t kFirstDigit = 1;
};

class VarTable {
 public:
  struct Var {
    std::string_view name;
    std::string_view value;
    std::uint32_t hash = 0;
    std::uint16_t known = 0;  // its number, 0: none
    bool live = true;         // false: unset; stays as a hole until clear()
  };

  // Null if there is no such variable. `hash` is fold_hash(name). Here and below `known` is the number of the name
  // among those of clear(), where the caller knows it.
  [[nodiscard]] const Var* find(std::string_view name, std::uint32_t hash, std::uint16_t known = 0) const {
    const std::uint32_t place = place_of(name, hash, known);
    if (place == 0) return nullptr;
    const Var& v = vars_.data()[place - 1];
    return v.live ? &v : nullptr;
  }
  [[nodiscard]] const Var* find(std::string_view name) const { return find(name, fold_hash(name)); }
  // Sets or adds. The views must outlive the table's content. False if the table is full
  // (kMaxVariables): a hostile request can make rules invent names without end.
  bool set(std::string_view name, std::uint32_t hash, std::string_view value, std::uint16_t known = 0);
  void unset(std::string_view name, std::uint32_t hash, std::uint16_t known = 0) {
    const std::uint32_t place = place_of(name, hash, known);
    if (place != 0) vars_.data()[place - 1].live = false;
  }
  // All that a table holds of whose names each has a number.
  struct Image {
    std::vector<Var> vars;
    std::vector<std::uint32_t> places;
  };
  [[nodiscard]] Image image() const { return {vars_, places_}; }
  // REQUIRES: the table is empty, and knows the names that the image's did.
  void assign(const Image& image) {
    vars_.assign(image.vars.begin(), image.vars.end());
    places_.assign(image.places.begin(), image.places.end());
  }
  // `names` outlives the content that follows; null: none are known.
  void clear(const KnownNames* names = nullptr);

  // All variables, in order of first setting; skip those that are not live.
  [[nodiscard]] const std::vector<Var>& all() const { return vars_; }

  [[nodiscard]] std::size_t memory() const {
    return vars_.capacity() * sizeof(Var) + places_.capacity() * sizeof(std::uint32_t) + index_.memory();
  }

  static constexpr std::size_t kMaxVariables = 65536;

 private:
  // 1 + the position in vars_; 0: it was never set.
  [[nodiscard]] std::uint32_t place_of(std::string_view name, std::uint32_t hash, std::uint16_t known) const {
    return known != 0 && known < places_.size() ? places_.data()[known] : look_up(name, hash);
  }
  [[nodiscard]] std::uint32_t look_up(std::string_view name, std::uint32_t hash) const;
  [[nodiscard]] bool is(std::uint32_t place, std::string_view name, std::uint32_t hash) const {
    const Var& v = vars_.data()[place - 1];
    return v.hash == hash && fold_equal(v.name, name);
  }
  std::uint32_t& unknown_cell(std::string_view name, std::uint32_t hash);

  std::vector<Var> vars_;
  const KnownNames* names_ = nullptr;
  std::vector<std::uint32_t> places_;  // by number of a known name: 1 + position in vars_, 0: none
  NameIndex index_;                    // the same of all others, ...
  std::size_t unknown_ = 0;            // which are so many
};

}  // namespace weir::rules
