// Gives the names of TX variables that a rule set speaks of their numbers (collections.h).
#pragma once

#include "rules/program.h"

namespace weir::rules {

// Fills program.tx_names, and what refers to it in targets, macros and setvar. At load, once.
void number_names(Program& program);

}  // namespace weir::rules
