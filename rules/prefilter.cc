#include "rules/prefilter.h"

#include <algorithm>

#include "rules/scanners.h"

namespace weir::rules {

namespace {

// Fewer survivors than this are confirmed directly: cheaper than a scan for all patterns.
constexpr int kFewSurvivors = 3;

int count(const std::uint64_t* words, const std::vector<std::uint64_t>& mask) {
  int n = 0;
  for (std::size_t i = 0; i < mask.size(); ++i) n += __builtin_popcountll(words[i] & mask[i]);
  return n;
}

void scan(const UnitScanner& unit, std::string_view text, HsScratch& scratch, base::Arena& arena,
          std::uint64_t* words) {
  const std::size_t db_words = (unit.database->patterns() + 63) / 64;
  char* p = arena.allocate(db_words * 8, 8);
  if (p == nullptr) return;  // every survivor stays
  auto* hits = reinterpret_cast<std::uint64_t*>(p);
  std::fill_n(hits, db_words, std::uint64_t{0});
  if (unit.database->scan(text, scratch, {hits, db_words})) {
    for (std::size_t d = 0; d < unit.bits.size(); ++d) {
      if ((hits[d / 64] >> (d % 64) & 1U) != 0) continue;
      const std::uint32_t bit = unit.bits[d];
      if (bit == UnitScanner::kLeft) continue;
      words[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
    }
  }
  arena.shrink(p, db_words * 8, 0);
}

}  // namespace

const std::uint64_t* scan_form(const Prefilter& prefilter, const Scanners* scanners,
                               std::uint32_t unit_index, Form& form, base::Arena& arena,
                               HsScratch& scratch, std::uint64_t& work) {
  for (const Hits* h = form.hits; h != nullptr; h = h->next) {
    if (h->unit == unit_index) return h->words;
  }
  const ScanUnit& unit = prefilter.units[unit_index];
  const std::size_t words = unit.words();
  char* p = arena.allocate(words * 8, 8);
  Hits* hits = p == nullptr ? nullptr : arena.make<Hits>();
  if (hits == nullptr) return nullptr;
  hits->unit = unit_index;
  hits->words = reinterpret_cast<std::uint64_t*>(p);
  if (!form.looked) {
    form.present = bytes_present(form.text);
    form.looked = true;
    work += form.text.size();
  }
  unit.bytes.survivors(form.text.size(), form.present, hits->words);
  work += words;
  const UnitScanner* scanner = scanners != nullptr ? scanners->units[unit_index].get() : nullptr;
  if (scanner != nullptr && count(hits->words, scanner->scanned) >= kFewSurvivors) {
    scan(*scanner, form.text, scratch, arena, hits->words);
    work += form.text.size();
  }
  hits->next = form.hits;
  form.hits = hits;
  return hits->words;
}

}  // namespace weir::rules
