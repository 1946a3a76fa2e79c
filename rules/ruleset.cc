#include "rules/ruleset.h"

#include <exception>
#include <new>

#include "rules/bind.h"
#include "rules/compile.h"
#include "rules/foregone.h"
#include "rules/listed_names.h"
#include "rules/number_names.h"
#include "rules/parser.h"
#include "rules/program.h"
#include "rules/scanners.h"

namespace weir::rules {

LoadResult RuleSet::load(const std::vector<Source>& sources, const LoadOptions& options) {
  LoadResult result;
  syntax::ParseOptions parse;
  parse.semantics = options.semantics;
  const syntax::Unit unit = syntax::parse(sources, parse, result.diagnostics);
  // Binding goes on after errors of the parser: all are reported at once.
  std::unique_ptr<Program> program = bind(unit, options, result.diagnostics);
  if (program == nullptr || has_errors(result.diagnostics)) return result;
  number_names(*program);
  if (options.optimisations.listed) find_listed_names(*program);
  compile(*program, options);
  if (options.optimisations.foregone) {
    program->foregone = find_foregone(*program);
    program->stats.memory_bytes += program->foregone->bytes();
  }
  const auto made = std::make_shared<const RuleSet>(std::move(program), options.cache_directory);
  made->scanners_->restore();
  if (!options.scanners_later) made->compile_scanners();
  result.rules = made;
  return result;
}

RuleSet::RuleSet(std::unique_ptr<const Program> program, std::string cache_directory)
    : program_(std::move(program)),
      scanners_(std::make_unique<ScannerSet>(*program_, std::move(cache_directory))) {}
RuleSet::~RuleSet() = default;

const LoadStats& RuleSet::stats() const { return program_->stats; }

std::size_t RuleSet::scanners_missing() const {
  const ScannerStats s = scanners_->stats();
  return s.wanted - s.ready - s.left_out;
}
bool RuleSet::compile_scanners(const std::atomic<bool>* stop) const { return scanners_->compile(stop); }
void RuleSet::restore_scanners() const { scanners_->restore(); }
void RuleSet::limit_scanners(std::size_t bytes) const { scanners_->limit(bytes); }
void RuleSet::warm() const { scanners_->warm(); }
void RuleSet::after_fork() const {
  // What is locked cannot be taken down: it is left where it is.
  const ScannerSet* lost = scanners_.release();
  scanners_ = std::make_unique<ScannerSet>(*program_, lost->directory());
  scanners_->limit(lost->most());
}
ScannerStats RuleSet::scanner_stats() const { return scanners_->stats(); }
const Scanners* RuleSet::scanners() const { return scanners_->current(); }

}  // namespace weir::rules
