// Supervisor: what it tells of itself, and what the operator asks it for (app/live/control.h).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "app/formats/jsonl.h"
#include "app/live/clock.h"
#include "app/live/supervisor.h"
#include "app/report/report.h"

namespace weir::app {

FigureSums Supervisor::sums() const {
  FigureSums sums = past_;
  for (const Slot& slot : slots_) {
    Figures figures;
    if (slot.process != 0 && slot.shared().figures.read(figures)) sums.add(figures, true);
  }
  return sums;
}

void Supervisor::stats_record() {
  if (!loaded_->config.events.stats) return;
  const FigureSums sums = this->sums();
  std::vector<std::string> names;
  std::vector<StatsCounter> counters;
  const std::span<const Figure> table = figure_table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    counters.push_back({table[i].name, sums.at(i)});
    if (table[i].name == "audit.lost") {
      counters.push_back({"audit.written", audit_ ? audit_->written() : 0});
      counters.push_back({"audit.failed", audit_ ? audit_->lost() : 0});
    } else if (table[i].name == "bypass.packets") {
      counters.push_back({"bypass.on", bypass_ ? 1U : 0U});
      counters.push_back({"bypass.switched", bypass_switched_});
      counters.push_back({"bypass.stood_in", pulse_ ? pulse_->flags().stood_in.load() : 0});
      counters.push_back({"bypass.taken_over", pulse_ ? pulse_->flags().taken_over.load() : 0});
    }
  }
  // Behind the table's own of a worker: an object's name comes once only.
  counters.push_back({"worker.restarts", restarts_});
  counters.push_back({"worker.stuck", stuck_});
  if (store_) {
    const SharedStoreStats s = store_->stats();
    for (const auto& [name, value] : {std::pair{"collections.records", s.records}, {"collections.expired", s.expired},
                                      {"collections.evicted", s.evicted}, {"collections.refused", s.refused},
                                      {"collections.busy", s.busy}, {"collections.emptied", s.emptied}}) {
      counters.push_back({name, value});
    }
  }
  std::uint64_t left_out = 0;
  for (const LoadedRules& set : loaded_->policies.sets) left_out += set.rules->scanner_stats().left_out;
  counters.push_back({"scanners.left_out", left_out});
  counters.push_back({"reload.done", reloads_});
  counters.push_back({"reload.failed", reloads_failed_});
  names.reserve(kFailureCauses * 3);
  for (std::size_t cause = 0; cause < kFailureCauses; ++cause) {
    for (const FailureAction action : {FailureAction::Pass, FailureAction::Drop, FailureAction::Reset}) {
      const std::uint64_t n = sums.failures()[cause][static_cast<std::size_t>(action)];
      if (n == 0) continue;
      names.push_back("failure." + std::string(name(static_cast<FailureCause>(cause))) + "." +
                      std::string(name(action)));
      counters.push_back({names.back(), n});
    }
  }
  Event event;
  event.type = EventType::Stats;
  event.origin.time = time_now();
  event.stats.uptime = static_cast<std::uint64_t>((monotonic_now() - began_) / seconds(1).ns);
  event.stats.counters = counters;
  std::string line;
  JsonlFormat().append(event, {}, line);
  static_cast<void>(writer_->put(line));
}

void Supervisor::stats_line() {
  const FigureSums s = sums();
  std::string out = "up " + std::to_string((monotonic_now() - began_) / seconds(1).ns) + " s";
  for (const char* name : {"port.packets", "port.bytes", "port.lost", "tcp.flows", "http.transactions", "http.refused",
                           "inline.dropped", "events.lost"}) {
    out += std::string(", ") + name + " " + std::to_string(s.of(name));
  }
  complain(out + ", worker.restarts " + std::to_string(restarts_) + (bypass_ ? ", bypass on" : ""));
}

// --- the operator ---

Answer Supervisor::asked(std::string_view request) {
  if (request == "queues") return give_queues();
  if (request == "leave") {
    complain("another weir run takes the place of this one");
    control_->withdraw();
    begin_stop();
    return {"leaving\n", {}, true};
  }
  if (request == "bypass on" || request == "bypass off") {
    set_bypass(request == "bypass on");
  } else if (request != "bypass show") {
    return {"this Weir does not know what is asked\n"};
  }
  const std::uint64_t packets = sums().of("bypass.packets") + (pulse_ ? pulse_->flags().stood_in.load() : 0);
  return {std::string("bypass is ") + (bypass_ ? "on" : "off") + "; " + std::to_string(packets) +
          " packets have passed without inspection\n"};
}

// As they are: while anybody has them, packets wait in them.
Answer Supervisor::give_queues() const {
  Answer out{"queues", {}, true};
  for (const auto& queue : inputs_.queues()) {
    if (out.descriptors.size() == kMostDescriptors) break;
    out.text += " " + std::to_string(queue->queue());
    out.descriptors.push_back(queue->descriptor());
  }
  return out;
}

// Workers look at it each time that they come round; so does whoever stands in for them.
void Supervisor::set_bypass(bool on) {
  if (on == bypass_) return;
  bypass_ = on;
  ++bypass_switched_;
  for (const Slot& slot : slots_) slot.shared().bypass.store(on);
  if (pulse_) pulse_->flags().bypass.store(on);
  complain(on ? "bypass: nothing is inspected until weir bypass off" : "bypass is over: traffic is inspected again");
  stats_record();
}

}  // namespace weir::app
