// What evaluating an operator in a test needs.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "rules/operators/operator.h"

namespace weir::rules {

class TestFiles : public OperatorFiles {
 public:
  Result<std::string> read(std::string_view name) override {
    const auto at = contents.find(std::string(name));
    if (at == contents.end()) return fail("cannot read '" + std::string(name) + "'");
    return at->second;
  }
  std::map<std::string, std::string> contents;
};

struct Evaluation {
  bool matched = false;
  std::vector<std::string> groups;  // those set
  bool limit_exceeded = false;
};

class TestOperator {
 public:
  explicit TestOperator(std::string name, std::string argument = {}, bool has_macros = false,
                        bool v3 = false) {
    name_ = std::move(name);
    argument_ = std::move(argument);
    auto made = make_operator({name_, argument_, has_macros, v3}, files);
    if (made) {
      op = std::move(*made);
    } else {
      error = made.error().message;
    }
  }
  TestOperator(TestFiles given, std::string name, std::string argument) : files(std::move(given)) {
    name_ = std::move(name);
    argument_ = std::move(argument);
    auto made = make_operator({name_, argument_, false, false}, files);
    if (made) {
      op = std::move(*made);
    } else {
      error = made.error().message;
    }
  }

  Evaluation run(std::string_view value, std::string_view expansion = {}, ReLimits limits = {}) {
    Evaluation e;
    arena.reset();
    Captures captures;
    OperatorContext context{re, arena, expansion};
    context.captures = &captures;
    context.limits = limits;
    context.limit_exceeded = &e.limit_exceeded;
    e.matched = op->match(value, context);
    for (std::size_t i = 0; i < captures.count; ++i)
      e.groups.emplace_back(captures.groups[i]);
    // Without captures the verdict is the same.
    context.captures = nullptr;
    if (op->match(value, context) != e.matched)
      throw std::logic_error("captures change the verdict");
    return e;
  }
  bool matches(std::string_view value, std::string_view expansion = {}) {
    return run(value, expansion).matched;
  }

  TestFiles files;
  std::unique_ptr<Operator> op;
  std::string error;

 private:
  std::string name_, argument_;
  ReScratch re;
  base::Arena arena;
};

}  // namespace weir::rules
