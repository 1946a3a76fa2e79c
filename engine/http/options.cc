#include "engine/http/options.h"

namespace weir::http {

ParserOptions ParserOptions::passive() noexcept {
  return {};
}

ParserOptions ParserOptions::inline_strict() noexcept {
  ParserOptions options;
  for (std::size_t i = 0; i < kViolationCount; ++i) {
    const auto v = static_cast<Violation>(i);
    if (default_disposition(v) == Disposition::Refuse) options.refuse(Side::Request, v);
    if (default_response_disposition(v) == Disposition::Refuse) options.refuse(Side::Response, v);
  }
  options.both_sides = true;
  return options;
}

}  // namespace weir::http
