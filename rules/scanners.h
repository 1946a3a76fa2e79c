// Scanners: the Hyperscan databases of a program's scan units. They take seconds to compile where the program
// takes milliseconds, and nothing needs them: without them PCRE2 alone confirms what the filters in front
// let through. So a rule set serves at once, and its scanners are swapped in when they have been compiled
// or read from the cache. Verdicts are the same before and after (tests/unit/rules_core/scanners_test.cc).
//
// Threads: one thread at a time compiles (others wait); any number read what is published. Published
// scanners are immutable and live as long as the ScannerSet.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rules/match_hs.h"
#include "rules/ruleset.h"

namespace weir::rules {

struct CachedDatabase;  // rules/cached_scanner.h
struct ScanUnit;        // rules/prefilter.h

struct UnitScanner {
  static constexpr std::uint32_t kLeft = 0xffffffff;
  std::unique_ptr<const HsDatabase> database;
  std::vector<std::uint32_t> bits;     // pattern of the database -> bit of the unit, or kLeft
  std::vector<std::uint64_t> scanned;  // bits of the unit that the database answers for
};

struct Scanners {
  std::vector<std::shared_ptr<const UnitScanner>> units;  // by scan unit; null: none
  // Makes `scratch` fit all of them. A scan that finds it too small fails, and everything counts as a hit.
  void prepare(HsScratch& scratch) const;
};

class ScannerSet {
 public:
  // `program` must outlive the set and stay as it is. `directory`: of the cache; empty: none.
  ScannerSet(const Program& program, std::string directory);
  ScannerSet(const ScannerSet&) = delete;
  ScannerSet& operator=(const ScannerSet&) = delete;

  // The latest; null: none yet.
  [[nodiscard]] const Scanners* current() const { return current_.load(std::memory_order_acquire); }

  [[nodiscard]] const std::string& directory() const { return directory_; }

  // RuleSet::limit_scanners().
  void limit(std::size_t bytes);
  [[nodiscard]] std::size_t most() const { return most_.load(std::memory_order_relaxed); }

  // Makes the machine code of all patterns.
  void warm() const;
  // Publishes what the cache holds.
  void restore();
  // Compiles what is missing, publishes each database and saves it to the cache. Looks at `stop` between
  // two databases. True: nothing is missing any more.
  bool compile(const std::atomic<bool>* stop);

  [[nodiscard]] ScannerStats stats() const;

 private:
  [[nodiscard]] std::vector<HsPattern> patterns_of(const ScanUnit& unit) const;
  // False: there is no room for it.
  bool take(std::size_t unit, CachedDatabase made);
  void publish();

  const Program& program_;
  const std::string directory_;
  std::atomic<std::size_t> most_{SIZE_MAX};
  std::mutex making_;          // guards these:
  Scanners next_;              // as far as it is known
  std::vector<bool> settled_;  // by unit: there is nothing more to be had for it
  std::vector<std::unique_ptr<const Scanners>> published_;
  mutable std::mutex counting_;  // guards this:
  ScannerStats stats_;
  std::atomic<const Scanners*> current_{nullptr};
};

}  // namespace weir::rules
