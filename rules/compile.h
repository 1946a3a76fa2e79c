// Compiling a program's prefilter: which links can be scanned ahead, in which units, with which databases.
#pragma once

#include "rules/program.h"

namespace weir::rules {

// Fills program.prefilter and the links' ReadRefs, and the statistics. Cannot fail: a pattern that cannot
// be compiled for scanning is evaluated directly.
void compile(Program& program, const LoadOptions& options);

}  // namespace weir::rules
