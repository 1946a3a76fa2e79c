// Colours of a terminal (ECMA-48), where they are wanted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/options.h"

namespace weir::app {

enum class Color : std::uint8_t { Plain, Bold, Dim, Red, Green, Yellow };

[[nodiscard]] std::string painted(std::string_view text, Color color, bool wanted);

// Whether output to the file descriptor is to be coloured: as asked, else on a terminal unless the
// environment has a NO_COLOR that is not empty or TERM=dumb.
[[nodiscard]] bool use_color(ColorChoice choice, int descriptor);

}  // namespace weir::app
