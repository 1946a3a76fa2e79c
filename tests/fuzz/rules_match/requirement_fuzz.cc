// Pattern, NUL, value: what a pattern requires, what the scanner finds of it, and the linear search, against
// PCRE2. A value that matches holds what is required, and is found no later than it begins.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "rules/bits.h"
#include "rules/linear_search.h"
#include "rules/match_re.h"
#include "rules/piece_scan.h"
#include "rules/requirement.h"

using namespace weir::rules;

namespace {

class Rx : public Operator {
 public:
  explicit Rx(const Regex& regex) : regex_(regex) {}
  bool match(std::string_view, OperatorContext&) const override { return false; }
  const Regex* regex() const override { return &regex_; }

 private:
  const Regex& regex_;
};

// The same by a selection of all pieces that a text of these bytes can hold.
bool selection_finds(const PieceScanner& scanner, std::string_view value) {
  Bits chosen((scanner.size() + 63) / 64);
  const ClassMask mask = classes_of(value);
  for (std::size_t p = 0; p < scanner.size(); ++p) {
    if ((lowered(classes_of(scanner.text(p))) & ~lowered(mask)) == 0) set_bit(chosen.data(), p);
  }
  PieceScanner::Draft draft;
  scanner.draft(chosen.data(), bytes_of(mask), draft);
  const auto memory = std::make_unique<std::byte[]>(draft.bytes());
  PieceScanner::Selection selection;
  scanner.select(draft, memory.get(), selection);
  bool found = false;
  scanner.scan(selection, value, true, [&](std::uint32_t) { found = true; });
  return found;
}

// As the prefilter asks.
bool scanner_agrees(const Requirement& r, std::string_view value) {
  for (const Requirement::Text& t : r.texts) {
    if ((t.unless & classes_of(value)) != 0) continue;
    PieceScanner scanner;
    scanner.build(t.pieces);
    bool found = false;
    scanner.scan(value, true, [](std::uint32_t) { return true; }, [&](std::uint32_t) { found = true; });
    if (!found || !selection_finds(scanner, value)) return false;
  }
  return true;
}

// Too many repetitions make RE2 slow, and are no matter here.
bool linear_agrees(const Regex& regex, std::string_view value, bool matches, std::string_view match) {
  if (regex.pattern().find('{') != std::string::npos) return true;
  const auto tree = RegexTree::parse(regex.pattern(), regex.options().caseless, regex.options().multiline);
  if (!tree) return true;
  const auto linear = LinearSearch::compile(*tree);
  if (linear == nullptr) return true;
  if (linear->exact()) {
    const std::string_view told = linear->find(value);
    if (told.data() != match.data() || told.size() != match.size()) return false;
  }
  if (!matches) return true;
  const std::size_t first = linear->first(value);
  return linear->may_match(value) && first != std::string_view::npos &&
         first <= static_cast<std::size_t>(match.data() - value.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string all(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = all.find('\0');
  if (cut == std::string::npos || cut == 0 || cut > 256 || size > 4096) return 0;
  const std::string pattern = all.substr(1, cut - 1);
  const std::string value = all.substr(cut + 1);
  auto regex =
      Regex::compile(pattern, {.caseless = (data[0] & 1) != 0, .multiline = (data[0] & 2) != 0});
  if (!regex) return 0;
  const Requirement r = requirement_of(Rx(**regex));
  const bool may = holds(r, value);
  static ReScratch re;
  std::string_view match;
  std::size_t count = 0;
  const bool matches = (*regex)->search(value, re, {}, &match, 1, &count) == ReResult::Match;
  if (matches && match.data() == nullptr) return 0;  // \K in a look-ahead
  if (!linear_agrees(**regex, value, matches, match)) {
    std::fprintf(stderr, "pattern '%s': not found, or something else\n", pattern.c_str());
    std::abort();
  }
  if ((may || !matches) && (!may || scanner_agrees(r, value))) return 0;
  std::fprintf(stderr, "pattern '%s': the requirement says %d\n", pattern.c_str(),
               static_cast<int>(may));
  std::abort();
}
