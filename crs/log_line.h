// A rule's match as mod_security2 writes it into Apache's error log: what the regression tests of
// the CRS, and tools that watch that log, have their regular expressions for.
#pragma once

#include <string>

#include "engine/event.h"

namespace weir::crs {

// One line, without line end:
//   ModSecurity: Warning. Matched at ARGS:id. [file "…"] [line "…"] [id "…"] [rev "…"] [msg "…"]
//   [data "…"] [severity "CRITICAL"] [ver "…"] [tag "…"]… [hostname "…"] [uri "…"] [unique_id "…"]
// Fields that a rule has not are left out. Quotes and backslashes are escaped with a backslash,
// octets that are no printable ASCII become \xHH.
[[nodiscard]] std::string log_line(const RuleHit& hit, const HttpPart& http,
                                   std::string_view unique_id);

}  // namespace weir::crs
