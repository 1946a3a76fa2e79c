// What patterns and phrase lists require of a value (requirement.h), by way of the cache on disk (cache_file.h):
// working it out takes most of a load. A file holds the requirements of one rule set's operators; its name
// depends on all of them and on the sources of the analysis itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/requirement.h"

namespace weir::rules {

// The requirement of each operator, as requirement_of() has it. `directory` empty: no cache.
std::vector<Requirement> requirements_of(const std::vector<const Operator*>& operators,
                                         const std::string& directory);

// The content of such a file. Decoding what is not exactly `count` requirements gives nothing.
std::string encode(const std::vector<Requirement>& requirements);
std::optional<std::vector<Requirement>> decode_requirements(std::string_view content, std::size_t count);

}  // namespace weir::rules
