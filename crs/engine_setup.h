// The SecLang that Weir adds to a rule set, as texts.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "crs/distribution.h"

namespace weir::crs {

// Engine on, bodies inspected within the limits that ModSecurity recommends, body processors by
// content type, malformed bodies denied. Rules whose ids the operator's files use already are left out:
// theirs replace them. audit: with what the audit log shows where the operator's files say nothing of it.
std::string engine_setup(const std::set<long>& ids_in_use, bool audit = false);

// The SecAction that sets the tuning's variables for this CRS version; empty if nothing is tuned.
std::string tuning_text(const Tuning& tuning, std::string_view version);

// The settings of tests/regression/README.md in the CRS sources.
std::string suite_text(std::string_view version, int paranoia_level = 4);

std::string mode_text(Mode mode);

}  // namespace weir::crs
