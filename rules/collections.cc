#include "rules/collections.h"

#include <algorithm>

namespace weir::rules {

std::size_t VarTable::slot_of(std::string_view name, std::uint32_t hash) const {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = hash & mask;
  const std::uint32_t* const index = index_.data();
  while (index[at] != 0) {
    const Var& v = vars_.data()[index[at] - 1];
    if (v.hash == hash && fold_equal(v.name, name)) break;
    at = (at + 1) & mask;
  }
  return at;
}

const VarTable::Var* VarTable::find(std::string_view name, std::uint32_t hash) const {
  if (index_.empty()) return nullptr;
  const std::size_t at = slot_of(name, hash);
  if (index_[at] == 0) return nullptr;
  const Var& v = vars_[index_[at] - 1];
  return v.live ? &v : nullptr;
}

bool VarTable::set(std::string_view name, std::uint32_t hash, std::string_view value) {
  if ((vars_.size() + 1) * 2 > index_.size()) grow();
  const std::size_t at = slot_of(name, hash);
  if (index_[at] != 0) {
    Var& v = vars_[index_[at] - 1];
    v.value = value;
    v.live = true;
    return true;
  }
  if (vars_.size() >= kMaxVariables) return false;
  vars_.push_back(Var{name, value, hash, true});
  index_[at] = static_cast<std::uint32_t>(vars_.size());
  return true;
}

void VarTable::unset(std::string_view name, std::uint32_t hash) {
  if (index_.empty()) return;
  const std::size_t at = slot_of(name, hash);
  if (index_[at] != 0) vars_[index_[at] - 1].live = false;
}

void VarTable::clear() {
  vars_.clear();
  // One transaction with very many names must not make clearing slow for ever.
  if (index_.size() > 4096) {
    index_.clear();
  } else {
    std::fill(index_.begin(), index_.end(), 0U);
  }
}

void VarTable::grow() {
  const std::size_t size = std::max<std::size_t>(256, index_.size() * 2);
  index_.assign(size, 0U);
  for (std::size_t i = 0; i < vars_.size(); ++i) {
    index_[slot_of(vars_[i].name, vars_[i].hash)] = static_cast<std::uint32_t>(i + 1);
  }
}

}  // namespace weir::rules
