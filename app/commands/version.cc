#include <string>

#include "app/commands/commands.h"
#include "app/report/report.h"
#include "app/sinks/output.h"
#include "weir_version.h"

namespace weir::app {

ExitCode run_version() {
  Result<Output> output = Output::open({});
  output->write(std::string("weir ") + kVersion + "\ncompiler: " + kCompiler + "\nbuild: " + kBuildType + "\n");
  const Result<void> written = output->finish();
  if (written || output->reader_gone()) return ExitCode::Fine;
  complain(written.error().message);
  return ExitCode::Environment;
}

}  // namespace weir::app
