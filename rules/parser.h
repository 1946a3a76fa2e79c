// Rule files to a syntax tree: follows Include, collects every diagnostic, resolves names.
//
//   Diagnostics diagnostics;
//   syntax::Unit unit = syntax::parse({Source::file("rules.conf")}, {}, diagnostics);
//   if (has_errors(diagnostics)) …
//
// Containers: <IfModule security2_module> and its like are accepted with a note, since files made
// for Apache have them; the contents of <IfModule !security2_module> are skipped. Other containers
// would confine rules to a part of a site, which Weir has not: an error.
//
// Invariants: linear time in the bytes read; no recursion; bounded by ParseOptions. Reads files,
// nothing else. Tested by tests/unit/rules_syntax and tests/fuzz/rules_syntax.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"
#include "rules/syntax.h"

namespace weir::rules::syntax {

struct ParseOptions {
  Semantics semantics = Semantics::ModSecurity2;
  bool follow_includes = true;  // false: an Include is an error
  std::size_t file_bytes = std::size_t{16} << 20;    // of one file
  std::size_t total_bytes = std::size_t{256} << 20;  // of all files
  std::size_t line_bytes = std::size_t{1} << 20;     // of a line with its continuations
  std::size_t files = 4096;                          // opened in all
  std::size_t depth = 32;                            // of nested Includes
};

// Sources in their order, as if they were one file after another. The statements that could be made
// out are there even if there are errors.
Unit parse(const std::vector<Source>& sources, const ParseOptions& options,
           Diagnostics& diagnostics);

inline Unit parse(const std::vector<Source>& sources, Diagnostics& diagnostics) {
  return parse(sources, ParseOptions{}, diagnostics);
}

}  // namespace weir::rules::syntax
