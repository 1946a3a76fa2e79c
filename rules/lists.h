// Target lists, operators and action lists: what stands inside the arguments of SecRule.
#pragma once

#include <string_view>
#include <vector>

#include "rules/lexer.h"
#include "rules/reporter.h"
#include "rules/syntax.h"

namespace weir::rules::syntax {

// Where the bytes of a list stand. Either in a word of a logical line, or `at` and what follows it.
class Locator {
 public:
  explicit Locator(Position at) : at_(at) {}
  Locator(const LogicalLine& line, const Word& word) : line_(&line), word_(&word) {}
  [[nodiscard]] Position operator()(std::size_t offset) const;

 private:
  const LogicalLine* line_ = nullptr;
  const Word* word_ = nullptr;
  Position at_;
};

struct ListContext {
  Semantics semantics;
  Reporter& report;
};

std::vector<Target> targets_of(std::string_view text, const Locator& where, ListContext& context);
std::vector<Action> actions_of(std::string_view text, const Locator& where, ListContext& context);
// "!@rx abc", "@pm a b", "abc" (an implicit rx).
Operator operator_of(std::string_view text, const Locator& where, ListContext& context);

}  // namespace weir::rules::syntax
