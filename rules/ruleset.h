// RuleSet: stock SecLang, compiled once into an immutable program that any number of workers share.
//
//   auto loaded = RuleSet::load({Source::file("/etc/modsecurity/crs/crs-setup.conf"), …}, {});
//   if (!loaded.rules) report(loaded.diagnostics);   // every error at once
//   Scratch scratch;                                 // one for each worker thread
//   Transaction tx(scratch);  tx.begin(loaded.rules, …);
//
// Thread safety: a RuleSet is immutable and may be shared by threads; load() uses no global state.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rules/diagnostic.h"

namespace weir::rules {

// Where engines differ and users depend on it. ModSecurity2 is the reference (it passes every CRS test);
// docs/RULES.md lists what the switch changes.
enum class Semantics : std::uint8_t { ModSecurity2, ModSecurity3 };

struct Source {
  std::string name;  // path of a SecLang file, or what to call `text` in messages
  std::string text;  // used instead of a file when in_memory
  bool in_memory = false;

  static Source file(std::string path) { return {std::move(path), {}, false}; }
  static Source memory(std::string name, std::string text) {
    return {std::move(name), std::move(text), true};
  }
};

// Switches of the optimisations, all of which keep every verdict (tests hold them to that, one by one).
struct Optimisations {
  bool prefilter = true;        // Hyperscan and literals in front of the exact evaluation
  bool transform_cache = true;  // a chain is applied once to a value
};

struct LoadOptions {
  Semantics semantics = Semantics::ModSecurity2;
  Optimisations optimisations;
  std::string cache_directory;  // for compiled databases; empty: no cache on disk
  std::string unicode_map_file; // used if no SecUnicodeMapFile names one; empty: Debian's place, if there
};

struct LoadStats {
  std::size_t rules = 0;          // SecRule and SecAction heads
  std::size_t chained = 0;        // further links of chains
  std::size_t markers = 0;
  std::size_t patterns = 0;       // distinct @rx patterns
  std::size_t patterns_prefiltered = 0;  // of them, scanned ahead by Hyperscan
  std::size_t phrases = 0;        // @pm phrases
  std::size_t files = 0;
  std::size_t memory_bytes = 0;   // compiled program and databases
  double seconds = 0;             // load time
  bool from_cache = false;
};

class Program;  // rules/program.h: the engine's own
class RuleSet;

struct LoadResult {
  std::shared_ptr<const RuleSet> rules;  // null if there are errors
  Diagnostics diagnostics;               // errors, and warnings also on success
};

class RuleSet {
 public:
  static LoadResult load(const std::vector<Source>& sources, const LoadOptions& options);

  explicit RuleSet(std::unique_ptr<const Program> program);
  ~RuleSet();
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;

  [[nodiscard]] const LoadStats& stats() const;
  [[nodiscard]] const Program& program() const { return *program_; }

 private:
  std::unique_ptr<const Program> program_;
};

}  // namespace weir::rules
