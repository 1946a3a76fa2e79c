// What the program says to its operator on standard error: diagnostics of rule files, plain sentences.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "app/options.h"
#include "rules/diagnostic.h"

namespace weir::app {

// "weir: sentence." on standard error.
void complain(std::string_view sentence);
// Text as it is, on standard error.
void print_error(std::string_view text);

struct DiagnosticCounts {
  std::size_t errors = 0;
  std::size_t warnings = 0;
};

[[nodiscard]] DiagnosticCounts count(const rules::Diagnostics& diagnostics);

// file:line:column: error: message, with the line and a caret below, as compilers do it. Of more than
// `most` warnings the rest is only counted; errors are all shown.
[[nodiscard]] std::string rendered(const rules::Diagnostics& diagnostics, bool colored,
                                   std::size_t most_warnings = SIZE_MAX);

}  // namespace weir::app
