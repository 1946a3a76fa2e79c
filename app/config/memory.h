// How much memory a configuration takes at most, in all its processes, and one number for all of it: limits.memory.
//
// With that number, limits that nobody has set are their defaults times one factor, the largest with which everything
// fits; a tenth is kept for rules, and something for the processes themselves. What rules take is known when they are
// loaded: they must fit then (fits()), and so many of Hyperscan's databases are used as do (bound_scanners()).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "app/config/config.h"
#include "engine/inspect/ceiling.h"
#include "engine/inspect/options.h"
#include "engine/result.h"

namespace weir::app {

struct LoadedPolicies;

// Bytes.
struct MemoryPlan {
  unsigned workers = 1;
  // Of each worker:
  inspect::Ceiling stores;
  std::uint64_t input = 0;
  std::uint64_t events = 0;
  std::uint64_t audit = 0;
  std::uint64_t waste = 0;  // what the heap cannot use, of what is taken from it in pieces of all sizes
  // Of all together:
  std::uint64_t collections = 0;
  std::uint64_t rules = 0;      // once in each worker, and once where they are loaded; all that twice, while others are loaded
  std::uint64_t processes = 0;  // code, stacks, what libraries take for themselves while they search

  [[nodiscard]] std::uint64_t worker() const { return stores.sum() + input + events + audit + waste; }
  // What limits.memory divides: without rules and processes.
  [[nodiscard]] std::uint64_t divided() const { return worker() * workers + collections; }
  [[nodiscard]] std::uint64_t rest() const { return rules + processes; }
  [[nodiscard]] std::uint64_t sum() const { return divided() + rest(); }
};

// Inline if an input of the configuration is.
[[nodiscard]] inspect::Stance stance_of(const Config& config);
// `loaded` may be null. Reserves and gives back what it counts, so for a start, not for the path of a packet.
[[nodiscard]] MemoryPlan plan_memory(const Config& config, const LoadedPolicies* loaded);

// Where limits.memory is set: sets the limits for which `chosen` (by their paths) says false. Error: a sentence for
// limits.memory, with the least that works, and which of the others do not fit.
Result<void> divide_memory(Config& config, const std::function<bool(std::string_view)>& chosen);

// Whether rules and all fit into limits.memory, if that is set. Error: a sentence with the least that works.
[[nodiscard]] Result<void> fits(const Config& config, const MemoryPlan& plan);

// Where limits.memory is set: what databases may take, the same in each process. Before the rules are used.
void bound_scanners(const Config& config, const LoadedPolicies& loaded);
// A sentence about those that did not fit; empty: none.
[[nodiscard]] std::string left_out(const LoadedPolicies& loaded);

// Has the heap give back what it does not need, at the price of time for large pieces. Also for processes
// that are forked from then on.
void keep_heap_small();
// Pages for what loading a Core Rule Set takes, for a program that is about to, as its first step; and for what transactions
// take, once the tables are there that mostly stay empty (base::heap_on_huge_pages()).
void heap_for_rules();
void heap_for_transactions(unsigned workers);

}  // namespace weir::app
