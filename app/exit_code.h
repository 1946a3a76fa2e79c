// What the program's exit status means, for every command.
#pragma once

namespace weir::app {

enum class ExitCode : int {
  Fine = 0,
  Negative = 1,     // the question was answered, and the answer is no (--fail-on-block saw one)
  Usage = 2,        // usage, configuration or rule error
  Environment = 3,  // a file, the system: not something that a different command line would mend
  Bug = 70,         // our own mistake (EX_SOFTWARE of sysexits.h)
};

}  // namespace weir::app
