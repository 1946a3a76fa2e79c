#include "app/config/memory.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <variant>

#include "app/config/policies.h"
#include "capture/nfqueue.h"
#include "engine/base/huge_pages.h"
#include "geneve/flows.h"

namespace weir::app {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
// Of limits.memory: for rules.
constexpr std::uint64_t kRulesShare = 10;
// They are there twice while a reload is under way.
constexpr std::uint64_t kOldAndNew = 2;
// Of a process, resident: code and data of the program and its libraries, stacks (6 to 8 MiB), and PCRE2's interpreter,
// whose heap is limited (rules/match_re.cc); or, in the supervisor, what compiling a database takes (20 MiB with CRS 4).
constexpr std::uint64_t kProcess = 24 * kMiB;
// Of memory that is taken in pieces of all sizes one part in so many is between them.
constexpr std::uint64_t kWaste = 8;
constexpr double kMostFactor = 64, kLeastFactor = 1.0 / 4096;

// A limit that the factor is applied to, and between what.
using Number = std::variant<std::uint32_t*, std::uint64_t*>;
struct Scaled {
  std::string_view path;
  std::uint64_t least, most;
  Number (*of)(LimitsConfig&);
};

constexpr std::uint64_t kMany = 16'777'216;
const std::array kScaled{
    Scaled{"limits.flows", 1'024, kMany, [](LimitsConfig& l) -> Number { return &l.flow.flows; }},
    Scaled{"limits.half_open", 1'024, kMany, [](LimitsConfig& l) -> Number { return &l.flow.half_open; }},
    Scaled{"limits.handshake_extras", 64, kMany, [](LimitsConfig& l) -> Number { return &l.flow.handshake_extras; }},
    Scaled{"limits.buffered", 4 * kMiB, 1024ULL << 30U, [](LimitsConfig& l) -> Number { return &l.flow.buffered_bytes; }},
    Scaled{"limits.fragment_datagrams", 64, 1'048'576, [](LimitsConfig& l) -> Number { return &l.fragments.datagrams; }},
    Scaled{"limits.fragment_bytes", kMiB / 2, 16ULL << 30U, [](LimitsConfig& l) -> Number { return &l.fragments.bytes; }},
    Scaled{"limits.fragment_packets", 512, 1'048'576, [](LimitsConfig& l) -> Number { return &l.fragments.packets; }},
    Scaled{"limits.transactions", 32, 1'048'576, [](LimitsConfig& l) -> Number { return &l.transactions; }},
    Scaled{"limits.transaction_memory", 16 * kMiB, 1024ULL << 30U, [](LimitsConfig& l) -> Number { return &l.transaction_memory; }},
    Scaled{"limits.decoders", 4 * kMiB, 256 * kMiB, [](LimitsConfig& l) -> Number { return &l.decoders; }},
};

std::uint64_t get(LimitsConfig& limits, const Scaled& one) {
  return std::visit([](const auto* number) { return std::uint64_t{*number}; }, one.of(limits));
}
void put(LimitsConfig& limits, const Scaled& one, std::uint64_t value) {
  std::visit([value](auto* number) { *number = static_cast<std::remove_pointer_t<decltype(number)>>(value); }, one.of(limits));
}

using Chosen = std::function<bool(std::string_view)>;

void scale(LimitsConfig& limits, double factor, const Chosen& chosen) {
  LimitsConfig defaults;
  for (const Scaled& one : kScaled) {
    if (chosen(one.path)) continue;
    const double wanted = std::floor(static_cast<double>(get(defaults, one)) * factor);
    put(limits, one, std::clamp(static_cast<std::uint64_t>(wanted), one.least, one.most));
  }
  if (chosen("limits.direction_buffered")) return;
  const std::uint64_t all = limits.flow.buffered_bytes;
  limits.flow.direction_bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(defaults.flow.direction_bytes, all));
}

std::uint64_t divided(Config config, double factor, const Chosen& chosen) {
  scale(config.limits, factor, chosen);
  return plan_memory(config, nullptr).divided();
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + "MiB"; }

// Workers, the supervisor, and its helper where there is one.
std::uint64_t processes_of(const Config& config) {
  return kProcess * (std::max(config.workers(), 1U) + (config.has_helper() ? 2 : 1));
}

// All but rules and processes; and the other way round.
std::uint64_t share_of(std::uint64_t memory, std::uint64_t processes) {
  const std::uint64_t rest = memory / kRulesShare + processes;
  return memory > rest ? memory - rest : 0;
}
std::uint64_t memory_for(std::uint64_t share) { return (share + kRulesShare - 2) / (kRulesShare - 1) * kRulesShare; }

std::uint64_t rules_room(const Config& config) { return config.limits.memory / kRulesShare / (std::max(config.workers(), 1U) + 1) / kOldAndNew; }

// Which of the limits that were set would have to be less.
std::string culprits(const Config& config, std::uint64_t room, const Chosen& chosen) {
  std::string alone, all;
  const auto name = [](std::string& list, std::string_view path) {
    if (!list.empty()) list += ", ";
    list += path.substr(path.find('.') + 1);
  };
  for (const Scaled& one : kScaled) {
    if (!chosen(one.path)) continue;
    name(all, one.path);
    const auto but_this = [&](std::string_view path) { return path != one.path && chosen(path); };
    if (divided(config, kLeastFactor, but_this) <= room) name(alone, one.path);
  }
  return alone.empty() ? all : alone;
}

// Of one worker, its socket's buffer included.
std::uint64_t gateway_memory(const GatewayConfig& gateway) {
  constexpr std::uint64_t kSlots = 64ULL * 69'696;
  constexpr std::uint64_t kCopy = 9'472;
  constexpr std::uint64_t kInbox = 256 * (kCopy + 20);
  return kSlots + gateway.copies * kCopy + kInbox + gateway.connections * sizeof(geneve::Connection) + gateway.receive_buffer;
}

}  // namespace

inspect::Stance stance_of(const Config& config) {
  const bool echo = config.geneve && config.geneve->profile != GatewayProfile::Mirror;
  return config.nfqueue || echo ? inspect::Stance::Inline : inspect::Stance::Passive;
}

MemoryPlan plan_memory(const Config& config, const LoadedPolicies* loaded) {
  MemoryPlan plan;
  plan.workers = std::max(config.workers(), 1U);
  const inspect::InspectorOptions options = inspector_options(config, stance_of(config));
  plan.stores = inspect::ceiling(options, nullptr);
  if (loaded != nullptr) {
    std::uint64_t rules = 0;
    for (const LoadedRules& set : loaded->sets) {
      rules += set.rules->stats().memory_bytes + set.rules->scanner_stats().bytes;
      plan.stores.transactions = std::max(plan.stores.transactions, inspect::ceiling(options, set.rules.get()).transactions);
    }
    plan.rules = rules * (1 + plan.workers) * kOldAndNew;
  } else {
    plan.stores.transactions = options.transaction_bytes;
  }
  if (config.nfqueue) {
    plan.input = config.nfqueue->socket_buffer + capture::NfqueuePort::most_memory(config.limits.fragments);
  }
  if (config.mirror) plan.input = std::max(plan.input, config.mirror->buffer * config.mirror->interfaces.size());
  if (config.geneve) plan.input = std::max(plan.input, gateway_memory(*config.geneve));
  plan.events = config.events.buffer;
  plan.audit = config.audit.wanted() ? config.audit.buffer : 0;
  plan.waste = (plan.stores.transactions + plan.stores.sessions + plan.stores.decoders) / kWaste;
  plan.collections = config.collections.memory * (config.collections.shared ? 1 : plan.workers);
  plan.processes = processes_of(config);
  return plan;
}

Result<void> divide_memory(Config& config, const Chosen& chosen) {
  const std::uint64_t memory = config.limits.memory;
  if (memory == 0) return {};
  const std::uint64_t processes = processes_of(config);
  const std::uint64_t room = share_of(memory, processes);
  if (const std::uint64_t least = divided(config, kLeastFactor, chosen); least > room) {
    const std::string which = culprits(config, room, chosen);
    return fail("is too little: at least " + mebibytes(memory_for(least + processes)) + " with what else is set" +
                (which.empty() ? "" : " (what does not fit: " + which + ")"));
  }
  // From below, for what is counted is reserved for a moment.
  double below = kLeastFactor, above = 2 * below;
  while (above < kMostFactor && divided(config, above, chosen) <= room) {
    below = above;
    above *= 2;
  }
  while (above < kMostFactor && above - below > below / 256) {
    const double middle = (below + above) / 2;
    (divided(config, middle, chosen) <= room ? below : above) = middle;
  }
  scale(config.limits, below, chosen);
  return {};
}

Result<void> fits(const Config& config, const MemoryPlan& plan) {
  const std::uint64_t memory = config.limits.memory;
  if (memory == 0 || plan.sum() <= memory) return {};
  const std::uint64_t least = std::max(plan.rules * kRulesShare, plan.sum());
  return fail("limits.memory: " + mebibytes(memory) + " is too little: rules take " + mebibytes(plan.rules) + ", " +
              std::to_string(plan.processes / kProcess) + " processes " + mebibytes(plan.processes) + ", all else " +
              mebibytes(plan.divided()) + "; at least " + mebibytes(least));
}

void bound_scanners(const Config& config, const LoadedPolicies& loaded) {
  if (config.limits.memory == 0 || loaded.sets.empty()) return;
  std::uint64_t filters = 0;
  for (const LoadedRules& set : loaded.sets) filters += set.rules->stats().memory_bytes;
  const std::uint64_t room = rules_room(config);
  const std::uint64_t each = room > filters ? (room - filters) / loaded.sets.size() : 0;
  for (const LoadedRules& set : loaded.sets) set.rules->limit_scanners(each);
}

std::string left_out(const LoadedPolicies& loaded) {
  std::size_t out = 0, wanted = 0;
  for (const LoadedRules& set : loaded.sets) {
    const rules::ScannerStats stats = set.rules->scanner_stats();
    out += stats.left_out;
    wanted += stats.wanted;
  }
  if (out == 0) return {};
  return std::to_string(out) + " of " + std::to_string(wanted) +
         " databases of Hyperscan's do not fit into limits.memory's part for rules: what they would look for is searched for without, more slowly";
}

void keep_heap_small() {
  static_cast<void>(::mallopt(M_ARENA_MAX, 2));
  static_cast<void>(::mallopt(M_MMAP_THRESHOLD, 256 * 1024));  // else it grows with what is freed
  static_cast<void>(::mallopt(M_TRIM_THRESHOLD, 1 << 20));
  static_cast<void>(::malloc_trim(1 << 20));
}

void heap_for_rules() { base::heap_on_huge_pages(std::size_t{32} << 20); }
void heap_for_transactions(unsigned workers) { base::heap_on_huge_pages(workers * (std::size_t{16} << 20)); }

}  // namespace weir::app
