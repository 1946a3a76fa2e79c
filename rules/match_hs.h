// Scanning ahead with Hyperscan: one database for many patterns; a scan yields the set of patterns
// that occur. Contract: no hit means that the pattern cannot match; a hit of an `exact` pattern is
// a match, any other hit is to be confirmed with PCRE2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace weir::rules {

struct HsPattern {
  std::string_view pattern;  // PCRE syntax; a literal must be escaped by the caller (hs_escape)
  bool caseless = false;
  bool multiline = false;
};

// Escapes every byte of a literal so that Hyperscan reads it as itself (the literal API of 5.4.0
// has bugs).
std::string hs_escape(std::string_view literal);

class HsScratch {
 public:
  HsScratch() = default;
  ~HsScratch();
  HsScratch(const HsScratch&) = delete;
  HsScratch& operator=(const HsScratch&) = delete;

 private:
  friend class HsDatabase;
  void* scratch_ = nullptr;
};

class HsDatabase {
 public:
  struct Compiled {
    std::unique_ptr<HsDatabase> database;  // null if no pattern could be compiled
    // For each input pattern: how it is in the database.
    enum class How : std::uint8_t {
      Exact,      // compiled as it is: hit == match
      Prefilter,  // over-approximated: a hit must be confirmed
      Left,       // not in the database (Hyperscan cannot take it): always evaluate it directly
    };
    std::vector<How> how;
  };
  // Block mode, DOTALL | ALLOWEMPTY | SINGLEMATCH; `$` gets DOLLAR_ENDONLY semantics by rewriting
  // to \z. `allow_prefilter`: patterns that do not compile exactly are tried with
  // HS_FLAG_PREFILTER.
  static Compiled compile(std::span<const HsPattern> patterns, bool allow_prefilter);

  // Serialised form, for the cache. restore() returns null for bytes that Hyperscan refuses (other
  // version, platform, or damaged); the caller has verified a digest before trusting them.
  [[nodiscard]] std::string serialise() const;
  static std::unique_ptr<HsDatabase> restore(std::string_view bytes);

  ~HsDatabase();
  HsDatabase(const HsDatabase&) = delete;
  HsDatabase& operator=(const HsDatabase&) = delete;

  // Makes `scratch` fit this database. Called once at use(), never per scan. False: out of memory.
  [[nodiscard]] bool prepare(HsScratch& scratch) const;

  // Sets bit i of `hits` (zeroed by the caller; at least (patterns + 63) / 64 words) for each
  // pattern i that occurs in `value`. False: the scan failed, treat every pattern as hit.
  [[nodiscard]] bool scan(std::string_view value, HsScratch& scratch,
                          std::span<std::uint64_t> hits) const;

  [[nodiscard]] std::size_t bytes() const;  // of the compiled form
  [[nodiscard]] std::size_t patterns() const {
    return patterns_;
  }  // what `hits` must have room for

 private:
  HsDatabase() = default;
  std::vector<void*> chunks_;   // hs_database_t*: more than one where the set is too large for one
  std::uint32_t patterns_ = 0;  // pattern ids are below
};

// What compiled databases depend on besides the patterns: Hyperscan's version and what the CPU can do.
[[nodiscard]] std::string hs_build();

// True if this CPU can run Hyperscan (SSSE3); else everything is evaluated by PCRE2.
[[nodiscard]] bool hs_available();

}  // namespace weir::rules
