// weir: the program. Parses the command line, runs one command, and turns whatever escapes into a plain
// sentence and the right exit status.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <variant>

#include "app/commands/commands.h"
#include "app/config/memory.h"
#include "app/options.h"
#include "app/report/report.h"
#include "app/sinks/output.h"

namespace weir::app {
namespace {

ExitCode leave(const Leave& message) {
  if (message.code == 0) {
    Result<Output> output = Output::open({});
    output->write(message.text);
    const Result<void> written = output->finish();
    if (!written && !output->reader_gone()) {
      complain(written.error().message);
      return ExitCode::Environment;
    }
    return ExitCode::Fine;
  }
  complain(message.text);
  return static_cast<ExitCode>(message.code);
}

ExitCode run(int argc, char** argv) {
  const Command command = parse_command_line(argc, argv);
  if (const auto* message = std::get_if<Leave>(&command)) return leave(*message);
  if (const auto* run = std::get_if<RunOptions>(&command)) return run_run(*run);
  if (const auto* inspect = std::get_if<InspectOptions>(&command)) return run_inspect(*inspect);
  if (const auto* check = std::get_if<CheckOptions>(&command)) return run_check(*check);
  if (const auto* test = std::get_if<TestOptions>(&command)) return run_test(*test);
  if (const auto* explain = std::get_if<ExplainOptions>(&command)) return run_explain(*explain);
  if (const auto* bypass = std::get_if<BypassOptions>(&command)) return run_bypass(*bypass);
  return run_version();
}

// What happens inside the engine, which lets no exception out: the process is in an unknown state, so it
// says so and leaves without tidying up.
[[noreturn]] void give_up() {
  std::string sentence = "internal error, please report it";
  if (const std::exception_ptr error = std::current_exception()) {
    try {
      std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {
      sentence = "out of memory";
    } catch (const std::exception& e) {
      sentence += std::string(": ") + e.what();
    } catch (...) {
      sentence += ": an unknown exception";
    }
  }
  complain(sentence);
  std::_Exit(static_cast<int>(ExitCode::Bug));
}

// What it was compiled for (CMakeLists.txt).
bool processor_will_do() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("popcnt") != 0;
#else
  return true;
#endif
}

}  // namespace
}  // namespace weir::app

int main(int argc, char** argv) {
  weir::app::heap_for_rules();
  // A reader that went away is told by write(), and is no error.
  std::signal(SIGPIPE, SIG_IGN);
  std::set_terminate(weir::app::give_up);
  using weir::app::complain;
  using weir::app::ExitCode;
  if (!weir::app::processor_will_do()) {
    complain("this processor is too old: SSE 4.2 and POPCNT are needed (any x86-64 server since 2009 has them)");
    return static_cast<int>(ExitCode::Environment);
  }
  try {
    return static_cast<int>(weir::app::run(argc, argv));
  } catch (const std::bad_alloc&) {
    complain("out of memory");
    return static_cast<int>(ExitCode::Environment);
  } catch (const std::exception& error) {
    complain(std::string("internal error, please report it: ") + error.what());
  } catch (...) {
    complain("internal error, please report it");
  }
  return static_cast<int>(ExitCode::Bug);
}
