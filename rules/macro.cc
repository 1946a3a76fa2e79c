#include "rules/macro.h"

#include <algorithm>
#include <span>

#include "rules/ascii.h"
#include "rules/collections.h"
#include "rules/transaction_state.h"
#include "rules/variables.h"

namespace weir::rules {

Macro Macro::compile(std::string_view text) {
  Macro m;
  m.text_ = text;
  const auto literal = [&](std::string_view s) {
    if (s.empty()) return;
    if (!m.parts_.empty() && !m.parts_.back().is_variable) {
      m.parts_.back().text += s;
    } else {
      Part part;
      part.text = s;
      m.parts_.push_back(std::move(part));
    }
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = text.find("%{", at);
    const std::size_t close = open == std::string_view::npos ? open : text.find('}', open + 2);
    if (close == std::string_view::npos) break;
    literal(text.substr(at, open - at));
    const std::string_view inside = text.substr(open + 2, close - open - 2);
    const std::size_t dot = inside.find_first_of(".:");
    Part part;
    part.is_variable = true;
    part.variable = find_variable(inside.substr(0, dot));
    if (dot != std::string_view::npos) {
      part.text = inside.substr(dot + 1);
      part.lower_key = lower(part.text);
      part.key_hash = fold_hash(part.text);
    }
    m.parts_.push_back(std::move(part));
    m.has_variables_ = true;
    at = close + 1;
  }
  literal(text.substr(at));
  return m;
}

void Macro::number(KnownNames& names) {
  for (Part& p : parts_) {
    if (p.is_variable && p.variable == Variable::TX && !p.text.empty()) p.known = names.add(p.text);
  }
}

std::string_view Macro::expand(TransactionState& tx) const {
  if (!has_variables_) return text_;
  const auto value = [&](const Part& p) -> std::string_view {
    if (!p.is_variable) return p.text;
    if (!p.variable) return {};
    if (p.known != 0) {
      const VarTable::Var* v = tx.tx.find(p.text, p.key_hash, p.known);
      return v == nullptr ? std::string_view() : v->value;
    }
    return first_value(tx, *p.variable, !p.text.empty(), p.text, p.key_hash)
        .value_or(std::string_view());
  };
  if (parts_.size() == 1) return value(parts_.front()).substr(0, kMaxExpansion);
  std::string& s = tx.scratch.text;
  // Values are made first: making one may use the same string (FULL_REQUEST).
  std::string_view views[16];
  const std::size_t n = std::min<std::size_t>(parts_.size(), 16);
  std::size_t length = 0;
  for (std::size_t i = 0; i < n; ++i) {
    views[i] = value(parts_[i]);
    length += views[i].size();
  }
  if (n == parts_.size() && length <= kMaxExpansion) return tx.join(std::span(views, n));
  s.clear();
  for (std::size_t i = 0; i < parts_.size() && s.size() < kMaxExpansion; ++i) {
    if (i < n) {
      s += views[i].substr(0, kMaxExpansion - s.size());
    } else {
      const std::string_view v = value(parts_[i]);
      s += v.substr(0, kMaxExpansion - s.size());
    }
  }
  return tx.arena.copy(s);
}

}  // namespace weir::rules
