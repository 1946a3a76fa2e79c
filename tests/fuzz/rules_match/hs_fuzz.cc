// Pattern, NUL, value: Hyperscan against PCRE2. No hit means no match, always; where a pattern is
// compiled exactly, a hit is a match.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "rules/match_hs.h"
#include "rules/match_re.h"

using namespace weir::rules;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string all(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = all.find('\0');
  if (cut == std::string::npos || cut == 0 || cut > 64 || size > 4096) return 0;
  const std::string pattern = all.substr(1, cut - 1);
  const std::string value = all.substr(cut + 1);
  const bool caseless = (data[0] & 1) != 0;
  const bool multiline = (data[0] & 2) != 0;
  auto regex = Regex::compile(pattern, {.caseless = caseless, .multiline = multiline});
  if (!regex) return 0;
  // What large repeats of repeats become takes Hyperscan seconds; no rule is like that.
  std::size_t repeats = 0;
  for (const char c : pattern)
    repeats += c == '{' ? 1U : 0U;
  if (repeats > 2) return 0;
  const HsPattern given[] = {{pattern, caseless, multiline}};
  const auto compiled = HsDatabase::compile(given, true);
  if (compiled.database == nullptr) return 0;
  HsScratch scratch;
  std::vector<std::uint64_t> hits(1);
  if (!compiled.database->prepare(scratch) || !compiled.database->scan(value, scratch, hits)) {
    std::abort();
  }
  static ReScratch re;
  const ReResult result = (*regex)->search(value, re, {});
  const bool exact = compiled.how[0] == HsDatabase::Compiled::How::Exact;
  if (result == ReResult::LimitExceeded) return 0;
  const bool match = result == ReResult::Match;
  if ((match && hits[0] == 0) || (exact && match != (hits[0] != 0))) {
    std::fprintf(stderr, "pattern '%s' (%s%s%s): Hyperscan %d, PCRE2 %d\n", pattern.c_str(),
                 exact ? "exact" : "prefilter", caseless ? ", caseless" : "",
                 multiline ? ", multiline" : "", static_cast<int>(hits[0]),
                 static_cast<int>(match));
    std::abort();
  }
  return 0;
}
