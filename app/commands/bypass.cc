// weir bypass: asks a running `weir run` to stop inspecting, or to begin again.
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

#include "app/commands/commands.h"
#include "app/config/reader.h"
#include "app/formats/colors.h"
#include "app/live/control.h"
#include "app/report/report.h"
#include "app/sinks/output.h"

namespace weir::app {

ExitCode run_bypass(const BypassOptions& options) {
  std::ifstream in(options.config, std::ios::binary);
  if (!in) {
    complain(options.config + " cannot be read");
    return ExitCode::Environment;
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const ConfigResult read = parse_config(text, options.config);
  if (!read.config) {
    print_error(rendered(read.diagnostics, use_color(options.color, STDERR_FILENO)));
    return ExitCode::Usage;
  }
  if (read.config->control.empty()) {
    complain(options.config + " names no control socket: see control in docs/CONFIG.md");
    return ExitCode::Usage;
  }
  const Result<std::string> answer = ask(read.config->control, "bypass " + options.word, seconds(10));
  if (!answer) {
    complain(answer.error().message);
    return ExitCode::Environment;
  }
  Result<Output> output = Output::open({});
  output->write(*answer);
  const Result<void> written = output->finish();
  if (written || output->reader_gone()) return ExitCode::Fine;
  complain(written.error().message);
  return ExitCode::Environment;
}

}  // namespace weir::app
