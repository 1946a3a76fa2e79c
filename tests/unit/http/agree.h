// What must hold between the parser and the oracle for any octets. Used by a property test and by
// fuzz targets; returns what is wrong, or nothing.
#pragma once

#include <string>
#include <vector>

#include "engine/http/parser.h"

namespace weir::http::test {

// Requests: what the oracle takes, the strict parser takes and reads alike; what the parser takes
// without any remark, the oracle takes. `seed` chooses the cuts.
[[nodiscard]] std::string disagreement_on_requests(const std::string& text, unsigned seed);
// Responses to requests with these methods; then the server ends its stream.
[[nodiscard]] std::string disagreement_on_responses(const std::string& text,
                                                    const std::vector<std::string>& methods,
                                                    unsigned seed);
// The same calls whole and cut, in both modes, with both directions, gaps and ends as `script`
// says: its octets are split into steps. Also bounds on calls and work.
[[nodiscard]] std::string dependence_on_cuts(const std::string& script, unsigned seed);

}  // namespace weir::http::test
