// RuleSet: stock SecLang, compiled once into an immutable program that any number of workers share.
//
//   auto loaded = RuleSet::load({Source::file("/etc/modsecurity/crs/crs-setup.conf"), …}, {});
//   if (!loaded.rules) report(loaded.diagnostics);   // every error at once
//   Scratch scratch;                                 // one for each worker thread
//   Transaction tx(scratch);  tx.begin(loaded.rules, …);
//
// A set is ready when load() returns. Its Hyperscan databases, which take seconds to compile, may come later:
// `scanners_later`, then compile_scanners() in a thread of the caller's. No verdict depends on them.
//
// Thread safety: a RuleSet is immutable but for its scanners, which are published atomically; it may be shared
// by threads. load() uses no global state.
#pragma once

#include <atomic>
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
  bool prefilter = true;        // everything that rules operators out before the exact evaluation
  bool classes = true;          // ... by the classes of bytes that a value holds
  bool pieces = true;           // ... by pieces of text that it would have to hold
  bool all_texts = true;        // ... each of the texts that it needs, where that is several
  // ... laid out by themselves, where a value of some sort can hold few of them, once such values have been looked at as
  // often as there are pieces, divided by this; 0: never
  unsigned pieces_per_look = 16;
  bool levels = true;           // ... only for rules that the present level does not jump over
  bool recurring = true;        // ... and what is known of a value that came before
  bool unchanged = true;        // transformations that change nothing are not carried out
  bool hyperscan = true;        // long values are scanned for many patterns at once
  bool linear = true;           // patterns that are dear, and long values, are searched for in linear time first
  bool whole = true;            // ... and where that tells the whole match PCRE2 is not asked for it
  bool transform_cache = true;  // a chain is applied once to a value
  bool numbers = true;          // comparisons of TX variables that fail are done with at once
  bool foregone = true;         // rules that look at nothing of a message are run once, at load
  bool hopeful = true;          // ... those of scores too, while no score has been set
  bool listed = true;           // chains that ask for names on a list are not run where none is
  bool hurdles = true;          // what is cheap to ask of a rule is asked before it is run
  bool injection = true;        // libinjection is asked only about what could be an injection
};

struct LoadOptions {
  Semantics semantics = Semantics::ModSecurity2;
  Optimisations optimisations;
  std::string cache_directory;  // for compiled databases; empty: no cache on disk
  bool scanners_later = false;  // load() reads scanners from the cache, but compiles none
  std::string unicode_map_file; // used if no SecUnicodeMapFile names one; empty: Debian's place, if there
};

struct LoadStats {
  std::size_t rules = 0;          // SecRule and SecAction heads
  std::size_t chained = 0;        // further links of chains
  std::size_t markers = 0;
  std::size_t patterns = 0;       // distinct @rx patterns
  std::size_t phrases = 0;        // @pm phrases
  std::size_t files = 0;
  std::size_t memory_bytes = 0;   // filters and what is foregone; without the scanners' databases
};

struct ScannerStats {
  std::size_t wanted = 0;    // databases
  std::size_t ready = 0;     // of them, compiled or restored
  std::size_t restored = 0;  // of them, from the cache
  std::size_t patterns = 0;  // that they scan for, counted once for each database
  std::size_t bytes = 0;     // of the databases
  std::size_t left_out = 0;  // of those wanted: there was no room (limit_scanners())
};

class Program;  // rules/program.h: the engine's own
class ScannerSet;  // rules/scanners.h: the same
struct Scanners;
class RuleSet;

struct LoadResult {
  std::shared_ptr<const RuleSet> rules;  // null if there are errors
  Diagnostics diagnostics;               // errors, and warnings also on success
};

class RuleSet {
 public:
  static LoadResult load(const std::vector<Source>& sources, const LoadOptions& options);

  // `cache_directory`: of the scanners; empty: none.
  RuleSet(std::unique_ptr<const Program> program, std::string cache_directory);
  ~RuleSet();
  RuleSet(const RuleSet&) = delete;
  RuleSet& operator=(const RuleSet&) = delete;

  [[nodiscard]] const LoadStats& stats() const;
  [[nodiscard]] const Program& program() const { return *program_; }

  // Databases that would speed this set up and are not there yet.
  [[nodiscard]] std::size_t scanners_missing() const;
  // Makes the machine code of all patterns (which is otherwise made when it is first needed), compiles
  // the databases (seconds of CPU time), saves them to the cache and puts them to use: transactions that
  // begin from then on are scanned with them. Any thread; may be called at any time while others run
  // transactions. `stop` (may be null) is looked at between two databases. True: none is missing.
  bool compile_scanners(const std::atomic<bool>* stop = nullptr) const;
  // Puts to use what another process has compiled into the cache meanwhile; milliseconds.
  void restore_scanners() const;
  // Bytes that the databases may take together. What does not fit is left out for good, restored or compiled, and PCRE2
  // goes on doing its work: no verdict depends on it. Before any transaction uses the set: what it has may have to go.
  void limit_scanners(std::size_t bytes) const;
  // Only the machine code: some tens of milliseconds. A process that forks while a thread of its compiles
  // databases does this before, so that the child finds no pattern half made.
  void warm() const;
  // In the child of a process that forked while another of its threads was in compile_scanners(): that thread is
  // gone, and what it held locked stays so. Begins without databases; before anything else is asked of the set.
  void after_fork() const;
  [[nodiscard]] ScannerStats scanner_stats() const;
  // What a transaction that begins now scans with; null: nothing. Lives as long as the set.
  [[nodiscard]] const Scanners* scanners() const;

 private:
  std::unique_ptr<const Program> program_;
  mutable std::unique_ptr<ScannerSet> scanners_;  // changes its place in after_fork() only
};

}  // namespace weir::rules
