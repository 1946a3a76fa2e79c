// Any bytes as weir.yaml: a configuration, or at least one error with a place inside the text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "app/config/reader.h"
#include "app/config/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const weir::app::ConfigResult result = weir::app::parse_config(text, "fuzz.yaml");
  bool errors = false;
  for (const weir::rules::Diagnostic& d : result.diagnostics) {
    errors = errors || d.severity == weir::rules::Severity::Error;
    if (d.message.empty() || d.code.empty()) std::abort();
    if (!d.excerpt.empty() && d.excerpt != weir::app::yaml::line_of(text, d.line)) std::abort();
  }
  if (errors == result.config.has_value()) std::abort();
  return 0;
}
