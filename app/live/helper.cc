#include "app/live/helper.h"

#include <sys/prctl.h>
#include <time.h>

#include <string>
#include <utility>

#include "app/health/server.h"
#include "app/live/stop_signal.h"
#include "app/report/report.h"

namespace weir::app {
namespace {

HealthOptions health_options(const HealthConfig& config) {
  HealthOptions options;
  if (config.address) options.address = *config.address;
  options.http_port = config.http_port;
  options.https_port = config.https_port;
  options.tcp_port = config.tcp_port;
  options.certificate_file = config.certificate;
  options.key_file = config.key;
  return options;
}

}  // namespace

Helper::Helper(const Config& config, GatewayGroup* gateway, std::vector<const WorkerShared*> workers,
               const Pulse& pulse)
    : config_(config), gateway_(gateway), workers_(std::move(workers)), pulse_(pulse), beats_(workers_.size()) {}

ExitCode Helper::run() {
  take_stop_signal();
  ::prctl(PR_SET_NAME, "weir-helper");
  const std::int64_t now = monotonic_ns();
  for (std::uint32_t i = 0; i < pulse_.workers(); ++i) pulse_.worker(i).beat.store(now);
  std::unique_ptr<SelfTest> test;
  std::unique_ptr<StandIn> stand_in;
  const auto broken = [](const Error& error) {
    complain(error.message);
    return ExitCode::Environment;
  };
  // Health of workers of other inputs is told by their loops; a self-test goes through those of the gateway.
  if (gateway_ != nullptr && workers_.size() == gateway_->ports.size() && config_.geneve->profile != GatewayProfile::Mirror) {
    auto opened = SelfTest::open(gateway_->options);
    if (!opened) return broken(opened.error());
    test = std::move(*opened);
  }
  if (gateway_ != nullptr && workers_.size() == gateway_->ports.size() && config_.stands_in()) {
    auto opened = StandIn::open(gateway_->ports, pulse_, config_.geneve->stuck_after);
    if (!opened) return broken(opened.error());
    stand_in = std::move(*opened);
  }
  HealthMonitor monitor(pulse_, std::move(test));
  auto server = HealthServer::start(health_options(config_.health), monitor);
  if (!server) return broken(server.error());
  while (!stop_asked()) {
    sample();
    if (stand_in && (config_.failures.open || pulse_.flags().bypass.load())) {
      stand_in->run_once();
      report(*stand_in);
    } else {
      const timespec wait{0, 20'000'000};
      ::nanosleep(&wait, nullptr);
    }
  }
  return ExitCode::Fine;
}

// From what the workers show to what the monitor and the stand-in read.
void Helper::sample() {
  const std::int64_t now = monotonic_ns();
  bool ready = true;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    WorkerPulse& pulse = pulse_.worker(static_cast<std::uint32_t>(i));
    const std::uint64_t beats = workers_[i]->beats.load(std::memory_order_relaxed);
    if (beats != beats_[i]) {
      beats_[i] = beats;
      pulse.beat.store(now, std::memory_order_relaxed);
    }
    Figures figures;
    if (workers_[i]->figures.read(figures)) pulse.moved.store(figures.port.forwarded, std::memory_order_relaxed);
    ready = ready && workers_[i]->state.load(std::memory_order_acquire) == WorkerState::Running;
  }
  // A worker that is being replaced makes Weir unready only if nobody stands in for it.
  if (ready) pulse_.flags().ready.store(true);
}

void Helper::report(const StandIn& stand_in) {
  PulseFlags& flags = pulse_.flags();
  flags.stood_in.fetch_add(stand_in.echoed() - counted_echoed_);
  counted_echoed_ = stand_in.echoed();
  if (stand_in.taken_over() != told_taken_over_) {
    flags.taken_over.fetch_add(stand_in.taken_over() - told_taken_over_);
    told_taken_over_ = stand_in.taken_over();
    complain("a worker does not come round: its packets are echoed without inspection");
    tell_at_ = monotonic_ns() + 1'000'000'000;
  }
  if (stand_in.echoed() != told_echoed_ && monotonic_ns() > tell_at_) {
    complain(std::to_string(stand_in.echoed() - told_echoed_) + " packets were echoed without inspection");
    told_echoed_ = stand_in.echoed();
    tell_at_ = monotonic_ns() + 1'000'000'000;
  }
}

}  // namespace weir::app
