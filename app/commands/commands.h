// The commands. Each returns the exit status; what goes wrong is said on standard error in plain words.
#pragma once

#include "app/exit_code.h"
#include "app/options.h"

namespace weir::app {

ExitCode run_run(const RunOptions& options);
ExitCode run_inspect(const InspectOptions& options);
ExitCode run_check(const CheckOptions& options);
ExitCode run_test(const TestOptions& options);
ExitCode run_explain(const ExplainOptions& options);
ExitCode run_bypass(const BypassOptions& options);
ExitCode run_version();

}  // namespace weir::app
