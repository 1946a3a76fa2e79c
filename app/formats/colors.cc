#include "app/formats/colors.h"

#include <unistd.h>

#include <cstdlib>

namespace weir::app {

std::string painted(std::string_view text, Color color, bool wanted) {
  const char* start = "";
  switch (color) {
    case Color::Plain: break;
    case Color::Bold: start = "\x1b[1m"; break;
    case Color::Dim: start = "\x1b[2m"; break;
    case Color::Red: start = "\x1b[1;31m"; break;
    case Color::Green: start = "\x1b[32m"; break;
    case Color::Yellow: start = "\x1b[33m"; break;
  }
  if (!wanted || color == Color::Plain) return std::string(text);
  // The reset goes before a line end, so that every line stands alone.
  const bool line = !text.empty() && text.back() == '\n';
  if (line) text.remove_suffix(1);
  return start + std::string(text) + "\x1b[0m" + (line ? "\n" : "");
}

bool use_color(ColorChoice choice, int descriptor) {
  if (choice != ColorChoice::Auto) return choice == ColorChoice::Always;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* terminal = std::getenv("TERM");
  if (terminal != nullptr && std::string_view(terminal) == "dumb") return false;
  return isatty(descriptor) == 1;
}

}  // namespace weir::app
