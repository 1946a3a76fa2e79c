// weir run: in front of servers, or listening, until it is told to stop.
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/commands/audit.h"
#include "app/commands/commands.h"
#include "app/config/memory.h"
#include "app/config/reader.h"
#include "app/formats/colors.h"
#include "app/live/audit_writer.h"
#include "app/live/event_writer.h"
#include "app/live/inputs.h"
#include "app/live/loader.h"
#include "app/live/predecessor.h"
#include "app/live/supervisor.h"
#include "app/report/report.h"
#include "rules/program.h"

namespace weir::app {
namespace {

// The same as load_configuration(), with what it has to say in colours and the warnings left to weir check.
std::shared_ptr<const Loaded> load(const RunOptions& options, ExitCode& exit) {
  std::ifstream in(options.config, std::ios::binary);
  if (!in) {
    complain(options.config + " cannot be read");
    exit = ExitCode::Environment;
    return nullptr;
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const ConfigResult read = parse_config(text, options.config);
  if (!read.config) {
    print_error(rendered(read.diagnostics, use_color(options.color, STDERR_FILENO)));
    exit = ExitCode::Usage;
    return nullptr;
  }
  if (read.config->workers() == 0) {
    complain(options.config + ": no input is configured: see inputs in docs/CONFIG.md");
    exit = ExitCode::Usage;
    return nullptr;
  }
  LoadOutcome outcome = load_configuration(text, options.config);
  if (!outcome.loaded) print_error(outcome.why);
  exit = outcome.exit;
  return outcome.loaded;
}

// The audit log, if one is wanted: what cannot be written there is known at start.
ExitCode open_audit(const Loaded& loaded, std::unique_ptr<AuditWriter>& writer, AuditShape& shape) {
  const AuditOptions options = audit_options(loaded.config.audit);
  if (!options.wanted()) return ExitCode::Fine;
  Result<AuditPlan> plan = plan_audit(options, loaded.policies.rules(0).rules->program().settings.audit, "weir run");
  if (!plan) {
    complain(plan.error().message);
    return ExitCode::Usage;
  }
  if (!plan->warning.empty()) complain(plan->warning);
  auto opened = AuditWriter::open(std::move(plan->places));
  if (!opened) {
    complain(opened.error().message);
    return ExitCode::Environment;
  }
  writer = std::move(*opened);
  shape = std::move(plan->shape);
  shape.boundary_key = random_key();
  return ExitCode::Fine;
}

// Whom to replace, and the queues that it gives away. What is wrong has been said.
ExitCode find_predecessor(const Config& config, std::unique_ptr<Predecessor>& predecessor, std::vector<GivenQueue>& given) {
  if (config.control.empty() || config.geneve) {
    complain(config.file + (config.geneve ? ": behind a gateway load balancer nobody is replaced: see drain in docs/CONFIG.md"
                                          : ": --replace finds the other one by `control`, which is not there"));
    return ExitCode::Usage;
  }
  auto found = Predecessor::find(config.control);
  if (!found || !*found) {
    complain(found ? "nobody listens on " + config.control + ": there is nobody to replace" : found.error().message);
    return ExitCode::Environment;
  }
  auto queues = (*found)->queues();
  if (!queues) {
    complain(queues.error().message);
    return ExitCode::Environment;
  }
  given = std::move(*queues);
  predecessor = std::move(*found);
  return ExitCode::Fine;
}

}  // namespace

ExitCode run_run(const RunOptions& options) {
  ExitCode exit = ExitCode::Fine;
  std::shared_ptr<const Loaded> loaded = load(options, exit);
  if (!loaded) return exit;
  // Gives back what loading took and is free again; workers, which are forked, keep theirs the same way.
  if (loaded->config.limits.memory != 0) keep_heap_small();
  EventWriter::Options writing;
  writing.file = loaded->config.events.file;
  writing.standard_output = loaded->config.events.standard_output;
  auto writer = EventWriter::open(writing);
  if (!writer) {
    complain(writer.error().message);
    return ExitCode::Environment;
  }
  std::unique_ptr<AuditWriter> audit;
  AuditShape shape;
  if (const ExitCode opened = open_audit(*loaded, audit, shape); opened != ExitCode::Fine) return opened;
  std::unique_ptr<Predecessor> predecessor;
  std::vector<GivenQueue> given;
  if (options.replace) {
    if (const ExitCode found = find_predecessor(loaded->config, predecessor, given); found != ExitCode::Fine) return found;
  }
  auto inputs = Inputs::open(loaded->config, std::move(given));
  if (!inputs) {
    complain(inputs.error().message);
    return ExitCode::Environment;
  }
  std::optional<Control> control;
  if (!loaded->config.control.empty() && !predecessor) {
    auto made = Control::listen(loaded->config.control);
    if (!made) {
      complain(made.error().message);
      return ExitCode::Environment;
    }
    control.emplace(std::move(*made));
  }
  Supervisor supervisor(std::move(loaded), std::move(*inputs), std::move(*writer), std::move(audit), std::move(shape),
                        std::move(control), std::move(predecessor));
  exit = supervisor.run();
  if (supervisor.busy()) {
    supervisor.hurry();
    ::_exit(static_cast<int>(exit));
  }
  return exit;
}

}  // namespace weir::app
