// What loading a rule set has to say: errors stop the load, warnings do not. All are reported at once,
// in the form of a compiler's messages (app/report renders them with the line and a caret).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::rules {

// A place in a rule file. Lines and columns start at 1; columns count bytes. `file` indexes
// SourceMap::files, so that a position costs 12 bytes in the program.
struct Position {
  std::uint32_t file = 0;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

enum class Severity : std::uint8_t { Error, Warning, Note };

struct Diagnostic {
  Severity severity = Severity::Error;
  std::string file;           // as the operator would name it
  std::uint32_t line = 0;     // 0: the message concerns the file as a whole
  std::uint32_t column = 0;
  std::string code;           // stable, kebab-case: "unknown-action", "missing-data-file", …
  std::string message;        // one sentence, no full stop; "(did you mean 'severity'?)" where it helps
  std::string excerpt;        // the physical line, without line end, for the caret display
};

using Diagnostics = std::vector<Diagnostic>;

[[nodiscard]] bool has_errors(const Diagnostics& diagnostics);

}  // namespace weir::rules
