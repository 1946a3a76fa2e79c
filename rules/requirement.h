// What a value must hold for an operator to match it: classes of bytes, pieces of text, a length.
// Asked of the operator once, at load.
//
// Contract: a value for which the requirement does not hold is not matched. Case is disregarded, so
// that it is the same for a value and for the value in small letters.
#pragma once

#include <algorithm>
#include <vector>

#include "rules/byte_classes.h"
#include "rules/factors.h"
#include "rules/operators/operator.h"

namespace weir::rules {

struct Requirement {
  // If no byte of these classes is in the value, one of the pieces is.
  struct Text {
    ClassMask unless = 0;
    std::vector<Piece> pieces;  // each at least two bytes long
    [[nodiscard]] bool has_short() const {
      return std::any_of(pieces.begin(), pieces.end(), [](const Piece& p) { return p.is_short(); });
    }
  };
  std::size_t least = 0;         // bytes
  std::vector<ClassMask> bytes;  // of each, one class is in the value
  std::vector<Text> texts;
  bool sqli = false;  // may_be_sqli() (operators/sqli_filter.h) says true: a look at the value's words
};

// False: it holds for every value.
[[nodiscard]] inline bool demands_anything(const Requirement& r) {
  return r.least > 0 || !r.bytes.empty() || !r.texts.empty();
}

Requirement requirement_of(const Operator& op);

// Its two steps: what the operator's regular expression or phrases say, which is dear to work out and depends
// on nothing else (requirement_cache.h), and to that what the operator says itself.
Requirement pattern_requirement(const Operator& op);
Requirement completed(const Operator& op, Requirement requirement);

// Does the requirement hold for `value`? By the definition; what tests compare the prefilter with.
bool holds(const Requirement& requirement, std::string_view value);

}  // namespace weir::rules
