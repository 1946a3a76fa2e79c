// weir.yaml to a Config. Strict: an unknown key, a key given twice, a missing unit, a bad value is an
// error with its place; all of them are reported at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/config/config.h"
#include "rules/diagnostic.h"

namespace weir::app {

struct ConfigResult {
  std::optional<Config> config;    // nothing: the diagnostics say why
  rules::Diagnostics diagnostics;  // errors and warnings
  bool unreadable = false;         // the file itself could not be read
};

[[nodiscard]] ConfigResult read_config(const std::string& file);
// The same for a text; `file` is what to call it.
[[nodiscard]] ConfigResult parse_config(std::string_view text, const std::string& file);

}  // namespace weir::app
