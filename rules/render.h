// Diagnostics as a compiler prints them:
//
//   rules/local.conf:12:17: error: unknown variable 'ARG' (did you mean 'ARGS'?) [unknown-variable]
//     12 | SecRule ARG "@rx x" "id:1"
//        |         ^
#pragma once

#include <string>

#include "rules/diagnostic.h"

namespace weir::rules {

// Ends with a line end. `colour`: with ANSI escape sequences. Long lines are cut around the caret;
// control characters and bytes above ASCII that are no UTF-8 are shown as '?', so that a rule file
// cannot steer the terminal.
[[nodiscard]] std::string render(const Diagnostic& diagnostic, bool colour);

// "3 errors, 1 warning"; notes are counted only if there is nothing else. Empty if there is
// nothing.
[[nodiscard]] std::string summary(const Diagnostics& diagnostics);

}  // namespace weir::rules
