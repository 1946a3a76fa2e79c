// Binding: from the syntax tree to a Program. Resolves chains, default actions, markers, removals and
// updates; makes operators and transformation chains; says what is wrong, at the exact place.
//
// Default actions: a rule inherits from the SecDefaultAction of its own phase, and, where its phase has
// none, from the last one before it (ModSecurity 2 knows only the last one; SecLang's manual and CRS speak
// of one for each phase).
#pragma once

#include <memory>

#include "rules/program.h"
#include "rules/ruleset.h"
#include "rules/syntax.h"

namespace weir::rules {

// Null if there are errors; everything found is appended to `out`. The program is not yet compiled
// (compile.h).
std::unique_ptr<Program> bind(const syntax::Unit& unit, const LoadOptions& options, Diagnostics& out);

}  // namespace weir::rules
