// A request as people write it into a file: what the wire has, but perhaps with bare line feeds.
#pragma once

#include <string>
#include <string_view>

namespace weir::app {

// If there is no CR at all, line feeds of the head become CR LF; the body, behind the first empty line, stays as
// it is. Everything else is taken as it stands.
[[nodiscard]] std::string request_bytes(std::string_view text);

}  // namespace weir::app
