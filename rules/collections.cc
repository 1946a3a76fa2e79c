#include "rules/collections.h"

#include <algorithm>
#include <limits>

namespace weir::rules {

void NameIndex::grow() { cells_.assign(std::max<std::size_t>(256, cells_.size() * 2), 0U); }

void NameIndex::clear() {
  // One transaction with very many names must not make clearing slow for ever.
  if (cells_.size() > 4096) {
    cells_.clear();
  } else {
    std::fill(cells_.begin(), cells_.end(), 0U);
  }
}

KnownNames::KnownNames() {
  for (const char* digit : {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) add(digit);
}

void NumberedNames::enter(std::size_t number) {
  const Name& n = names_[number - 1];
  index_.cell(n.hash, [&](std::uint32_t other) { return is(other, n.text, n.hash); }) = static_cast<std::uint32_t>(number);
}

std::uint16_t NumberedNames::add(std::string_view name) {
  const std::uint32_t hash = fold_hash(name);
  if (const std::uint16_t there = find(name, hash); there != 0) return there;
  if (names_.size() >= std::numeric_limits<std::uint16_t>::max()) return 0;
  names_.push_back({std::string(name), hash});
  if (index_.room(names_.size())) {
    enter(names_.size());
  } else {
    index_.grow();
    for (std::size_t i = 1; i <= names_.size(); ++i) enter(i);
  }
  return static_cast<std::uint16_t>(names_.size());
}

std::uint32_t VarTable::look_up(std::string_view name, std::uint32_t hash) const {
  if (const std::uint16_t known = names_ == nullptr ? std::uint16_t{0} : names_->find(name, hash); known != 0) {
    return places_[known];
  }
  return unknown_ == 0 ? 0 : index_.find(hash, [&](std::uint32_t place) { return is(place, name, hash); });
}

// Of a name that has no number.
std::uint32_t& VarTable::unknown_cell(std::string_view name, std::uint32_t hash) {
  const auto cell = [&](std::string_view n, std::uint32_t h) -> std::uint32_t& {
    return index_.cell(h, [&](std::uint32_t place) { return is(place, n, h); });
  };
  if (!index_.room(unknown_)) {
    index_.grow();
    for (std::size_t i = 0; i < vars_.size(); ++i) {
      if (vars_[i].known == 0) cell(vars_[i].name, vars_[i].hash) = static_cast<std::uint32_t>(i + 1);
    }
  }
  return cell(name, hash);
}

bool VarTable::set(std::string_view name, std::uint32_t hash, std::string_view value, std::uint16_t known) {
  if (known >= places_.size()) known = 0;
  if (known == 0 && names_ != nullptr) known = names_->find(name, hash);
  std::uint32_t& place = known != 0 ? places_.data()[known] : unknown_cell(name, hash);
  if (place != 0) {
    Var& v = vars_.data()[place - 1];
    v.value = value;
    v.live = true;
    return true;
  }
  if (vars_.size() >= kMaxVariables) return false;
  vars_.push_back(Var{name, value, hash, known, true});
  place = static_cast<std::uint32_t>(vars_.size());
  if (known == 0) ++unknown_;
  return true;
}

void VarTable::clear(const KnownNames* names) {
  vars_.clear();
  names_ = names;
  places_.assign(names == nullptr ? 0 : names->last() + 1, 0U);
  if (unknown_ != 0) index_.clear();
  unknown_ = 0;
}

}  // namespace weir::rules
