#include "app/live/inputs.h"

#include <sys/random.h>

#include <array>
#include <utility>

#include "app/live/clock.h"
#include "app/report/report.h"
#include "capture/pcap_live.h"

namespace weir::app {
namespace {

// A system call for each costs less than what the others of a batch wait for while rules judge (docs/PERFORMANCE.md).
constexpr std::uint32_t kVerdictsAtOnce = 4;

capture::NfqueueOptions nfqueue_options(const NfqueueConfig& config, std::uint32_t queue, std::uint32_t held) {
  capture::NfqueueOptions options;
  options.queue = static_cast<std::uint16_t>(queue);
  options.copy_range = static_cast<std::uint32_t>(config.copy_range);
  options.queue_length = config.queue_length;
  options.socket_buffer = config.socket_buffer;
  options.fail_open = config.fail_open;
  options.gso = config.gso;
  options.sides = config.sides;
  options.mark_bit = config.mark_bit;
  options.most_held = held;
  options.clock = time_now;
  options.verdicts_at_once = kVerdictsAtOnce;
  return options;
}

// Null: not wanted, or not to be had.
std::shared_ptr<capture::UploadRanges> open_uploads(const Config& config) {
  const inspect::ReleaseOptions& wanted = config.release;
  if ((!wanted.requests && !wanted.responses) || !config.nfqueue) return nullptr;
  const std::string without = wanted.requests ? "uploads are not released" : "acknowledgements of released responses come by";
  auto opened = capture::UploadRanges::open(config.nfqueue->pins);
  if (!opened) {
    complain("warning: " + without + ": " + opened.error().message);
    return nullptr;
  }
  if ((*opened)->replaced()) {
    complain("warning: " + config.nfqueue->pins +
             " was another version's: " + without + " until weir-firewall has set its rules up again");
  }
  return std::move(*opened);
}

Result<std::unique_ptr<capture::NfqueueSocket>> queue_of(const capture::NfqueueOptions& options, std::vector<GivenQueue>& given) {
  for (GivenQueue& one : given) {
    if (one.number == options.queue && one.socket.valid()) return capture::NfqueueSocket::take_over(one.socket.release(), one.number);
  }
  return capture::NfqueueSocket::open(options);
}

void add_gateway(const Config& config, const std::shared_ptr<GatewayGroup>& group, std::vector<WorkerInput>& workers) {
  for (std::size_t i = 0; i < group->ports.size(); ++i) {
    WorkerInput input;
    input.name = "geneve:" + std::to_string(i);
    if (config.geneve->profile == GatewayProfile::Mirror) input.stance = inspect::Stance::Passive;
    input.uploads = input.stance == inspect::Stance::Inline;
    input.open = [group, i](Fate stale) -> Result<std::unique_ptr<PacketPort>> {
      static_cast<void>(stale);  // what an earlier worker left unanswered is gone with it
      return std::unique_ptr<PacketPort>(std::move(group->ports[i]));
    };
    workers.push_back(std::move(input));
  }
}

// Each worker has its own handles on the interfaces; the kernel spreads connections over them.
void add_mirror(const MirrorConfig& config, std::vector<WorkerInput>& workers) {
  capture::PcapLiveOptions options;
  options.interfaces = config.interfaces;
  options.filter = config.filter;
  options.buffer = config.buffer;
  options.snaplen = static_cast<std::uint32_t>(config.snaplen);
  options.promiscuous = config.promiscuous;
  options.ignore_outgoing = config.ignore_outgoing;
  if (config.workers > 1) options.group = static_cast<std::uint16_t>(random_key().k0 % 60'000 + 1);
  std::string names;
  for (const std::string& name : config.interfaces) names += (names.empty() ? "" : ",") + name;
  for (std::uint32_t i = 0; i < config.workers; ++i) {
    WorkerInput input;
    input.name = names;
    input.stance = inspect::Stance::Passive;
    input.open = [options](Fate stale) -> Result<std::unique_ptr<PacketPort>> {
      static_cast<void>(stale);
      auto port = capture::PcapLivePort::open(options);
      if (!port) return fail(port.error().message);
      return std::unique_ptr<PacketPort>(std::move(*port));
    };
    workers.push_back(std::move(input));
  }
}

}  // namespace

base::SipKey random_key() {
  std::array<std::uint64_t, 2> words{};
  // Before the kernel's pool is ready it waits; it cannot fail otherwise for so few bytes.
  while (::getrandom(words.data(), sizeof words, 0) != static_cast<ssize_t>(sizeof words)) {
  }
  return {words[0], words[1]};
}

Result<Inputs> Inputs::open(const Config& config, std::vector<GivenQueue> given) {
  Inputs inputs;
  std::string wrong;
  if (config.nfqueue) {
    const std::shared_ptr<capture::UploadRanges> uploads = open_uploads(config);
    for (const std::uint32_t queue : config.nfqueue->queues) {
      capture::NfqueueOptions options = nfqueue_options(*config.nfqueue, queue, config.limits.fragments.packets);
      options.uploads = uploads;
      auto socket = queue_of(options, given);
      if (!socket) {
        wrong += (wrong.empty() ? "" : "; ") + socket.error().message;
        continue;
      }
      const capture::NfqueueSocket& bound = *inputs.queues_.emplace_back(std::move(*socket));
      WorkerInput input;
      input.name = "nfqueue:" + std::to_string(queue);
      input.uploads = uploads != nullptr;
      input.open = [options, &bound](Fate stale) -> Result<std::unique_ptr<PacketPort>> {
        capture::NfqueueOptions own = options;
        own.stale = stale;
        own.key = random_key();
        auto port = capture::NfqueuePort::open(own, bound);
        if (!port) return fail(port.error().message);
        return std::unique_ptr<PacketPort>(std::move(*port));
      };
      inputs.workers_.push_back(std::move(input));
    }
  }
  if (config.geneve) {
    auto group = open_gateway(config);
    if (group) inputs.gateway_ = std::move(*group);
    else wrong += (wrong.empty() ? "" : "; ") + group.error().message;
  }
  if (!wrong.empty()) return fail(wrong);
  if (inputs.gateway_) add_gateway(config, inputs.gateway_, inputs.workers_);
  if (config.mirror) add_mirror(*config.mirror, inputs.workers_);
  return inputs;
}

}  // namespace weir::app
