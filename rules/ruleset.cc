#include "rules/ruleset.h"

#include <exception>
#include <new>

#include "rules/bind.h"
#include "rules/compile.h"
#include "rules/parser.h"
#include "rules/program.h"

namespace weir::rules {

LoadResult RuleSet::load(const std::vector<Source>& sources, const LoadOptions& options) {
  LoadResult result;
  syntax::ParseOptions parse;
  parse.semantics = options.semantics;
  const syntax::Unit unit = syntax::parse(sources, parse, result.diagnostics);
  // Binding goes on after errors of the parser: all are reported at once.
  std::unique_ptr<Program> program = bind(unit, options, result.diagnostics);
  if (program == nullptr || has_errors(result.diagnostics)) return result;
  compile(*program, options);
  result.rules = std::make_shared<const RuleSet>(std::move(program));
  return result;
}

RuleSet::RuleSet(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
RuleSet::~RuleSet() = default;

const LoadStats& RuleSet::stats() const { return program_->stats; }

}  // namespace weir::rules
