// Scanning ahead: what can rule a pattern out cheaply comes first. A *scan unit* is a chain of
// transformations together with the patterns that some rules apply after it; rules that are reached under
// the same conditions (the same skipAfter guards: a paranoia level, say) share a unit, so that levels that
// are switched off cost nothing. For each value that a unit reads: the bytes present and the length rule
// patterns out (byte_filter.h); if more than a few survive, Hyperscan scans the value once for all of them.
//
// Contract: a pattern without a hit cannot match the value; a hit is confirmed by the exact operator, in
// SecLang's order. What cannot be scanned ahead never comes here and is evaluated directly: negated
// operators, targets that rules write, macros, multiMatch, numeric operators.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "rules/byte_filter.h"
#include "rules/match_hs.h"
#include "rules/values.h"

namespace weir::rules {

struct Scanners;  // rules/scanners.h

// Where a link finds its verdict: bit `bit` of the hits of `group` (a target list under a unit).
struct ReadRef {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t group = kNone;
  std::uint32_t bit = 0;
  [[nodiscard]] bool scanned() const { return group != kNone; }
};

struct ScanUnit {
  std::uint16_t chain = 0;
  std::vector<std::uint32_t> patterns;  // bit -> link that stands for it
  ByteFilter bytes;
  std::vector<std::uint32_t> to_scan;   // bits of the patterns that are worth a scan (scanners.h)
  [[nodiscard]] std::size_t words() const { return (patterns.size() + 63) / 64; }
};

// Rules that read the same targets under the same unit share one answer: the union over all values.
struct ReadGroup {
  std::uint32_t unit = 0;
  std::uint32_t link = 0;  // any of them: its targets are everyone's
  std::uint8_t phase = 0;
};

struct Prefilter {
  std::vector<ScanUnit> units;
  std::vector<ReadGroup> groups;
};

// Hits of `unit` for one form of a value; computed once, kept with the form. `arena` holds the result;
// null if memory is out (then everything may match). `scanners` may be null: filters only.
const std::uint64_t* scan_form(const Prefilter& prefilter, const Scanners* scanners, std::uint32_t unit,
                               Form& form, base::Arena& arena, HsScratch& scratch, std::uint64_t& work);

}  // namespace weir::rules
