// The bytes that go-ftw sends for a test, exactly: what it completes, encodes and converts.
#pragma once

#include <string>
#include <string_view>

#include "crs/ftw_suite.h"
#include "engine/result.h"

namespace weir::crs {

// Errors: a template or base64 text that cannot be expanded.
Result<std::string> build_request(const FtwInput& input);

// Expands {{ … }} as Go's text/template with sprig does, as far as the CRS tests use it: string
// literals, numbers, `repeat`, `upper`, `lower`, `b64enc`, `b64dec`, in calls and pipelines;
// comments and the trim marks `{{-` and `-}}`. Anything else is an error. Output is bounded (16
// MiB).
Result<std::string> expand_template(std::string_view text);

// Form data as go-ftw encodes it: unchanged if un-escaping it changes something or fails, else each
// name and value percent-encoded.
[[nodiscard]] std::string encode_form(std::string_view data);

}  // namespace weir::crs
