// application/x-www-form-urlencoded: query strings and bodies, as ModSecurity 2.9.7 reads them.
//
// The text is split at the separator only (';' is none unless SecArgumentSeparator says so), each piece at
// its first '='. '+' becomes a blank, %XX a byte (NUL included); a '%' without two hex digits stays as it
// is and raises on_urlencoded_error(), once. Order, repeats and empty names are kept; an empty piece is an
// argument with empty name and value, except behind a last separator.
//
// A pure function; one pass; not thread-bound. Text that needs no decoding is handed on as a view of
// `text`, decoded text lives in `arena`: names and values stay valid as long as both do.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/arena.h"
#include "rules/body/body_sink.h"

namespace weir::rules::body {

struct UrlencodedResult {
  bool ok = true;             // false: stopped after on_error()
  std::uint32_t arguments = 0;
  std::uint32_t invalid = 0;  // invalid percent sequences
  std::uint64_t work = 0;     // bytes looked at or written
};

// Errors: the argument limit (limits.arguments, or the sink's "stop"), or the arena is full.
UrlencodedResult parse_urlencoded(std::string_view text, const BodyLimits& limits,
                                  base::Arena& arena, BodySink& sink);

// Decodes one name or value into `arena`. Adds the invalid percent sequences to `invalid`. When the arena
// is full the result is empty and arena.exhausted() is true.
std::string_view decode_urlencoded(std::string_view text, base::Arena& arena, std::uint32_t& invalid);

}  // namespace weir::rules::body
