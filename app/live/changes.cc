#include "app/live/changes.h"

namespace weir::app {

std::string needs_restart(const Config& now, const Config& next) {
  std::string out;
  const auto add = [&out](bool differs, const char* name) {
    if (differs) out += (out.empty() ? "" : ", ") + std::string(name);
  };
  add(now.nfqueue != next.nfqueue || now.mirror != next.mirror || now.geneve != next.geneve, "inputs");
  add(now.health != next.health, "health");
  add(now.cpus != next.cpus, "cpus");
  add(now.ports != next.ports, "ports");
  add(now.client_address != next.client_address, "client_address");
  add(now.failures.open != next.failures.open || now.failures.chosen != next.failures.chosen ||
          now.midstream_grace != next.midstream_grace,
      "on_failure, failures and midstream_grace");
  add(now.rehearsal != next.rehearsal, "rehearse");
  add(now.release != next.release, "release");
  add(now.block_page != next.block_page, "block_page");
  add(now.limits != next.limits, "limits");
  add(now.timeouts != next.timeouts, "timeouts");
  add(now.audit != next.audit, "audit");
  add(now.control != next.control, "control");
  add(now.collections != next.collections, "collections");
  add(now.events.file != next.events.file || now.events.standard_output != next.events.standard_output ||
          now.events.buffer != next.events.buffer,
      "events.file, events.stdout and events.buffer");
  return out;
}

}  // namespace weir::app
