#include "rules/prescan.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "rules/foregone.h"
#include "rules/scanners.h"
#include "rules/value_scan.h"
#include "rules/variables.h"

namespace weir::rules {

namespace {

ValueCache::Kind kind_of(Variable v) {
  switch (v) {
    case Variable::REQUEST_HEADERS:
    case Variable::REQUEST_HEADERS_NAMES:
    case Variable::RESPONSE_HEADERS:
    case Variable::RESPONSE_HEADERS_NAMES:
    case Variable::REQUEST_METHOD:
    case Variable::REQUEST_PROTOCOL:
    case Variable::REQUEST_COOKIES_NAMES: return ValueCache::Kind::Head;
    default: return ValueCache::Kind::Argument;
  }
}

const Prefilter::Wanted& wanted_for(const Prefilter& prefilter, Variable v, std::uint16_t header) {
  if (v == Variable::REQUEST_HEADERS || v == Variable::RESPONSE_HEADERS) {
    return prefilter.header_wanted[header];
  }
  return prefilter.wanted[static_cast<std::size_t>(v)];
}

// What of `source` there is: adds to `hits`.
class SourceScan {
 public:
  SourceScan(TransactionState& tx, const ReadSource& source, std::uint64_t* hits)
      : tx_(tx), prefilter_(*tx.filter), source_(source), hits_(hits) {}

  // True if any value may match anything.
  bool run() {
    ListView list;
    if (variable_list(tx_, source_.variable, list)) {
      if (!source_.keyed) {
        all_of(list);
        return any_;
      }
      for (std::size_t i = 0; i < list.count; ++i) {
        Entry& e = list.entries[i];
        if (source_.header != 0 ? e.header != source_.header : !fold_equal(e.name.text, source_.key)) continue;
        add(list.names ? e.name : e.value, e.header);
      }
    } else if (Slot* slot = static_scalar(tx_, source_.variable); slot != nullptr) {
      add(*slot, 0);
    }
    return any_;
  }

 private:
  void all_of(const ListView& list) {
    std::vector<std::uint32_t>& live = tx_.scratch.live.add(source_.variable, tx_.filter_number, list.count);
    for (std::size_t i = 0; i < list.count; ++i) {
      Entry& e = list.entries[i];
      Slot& slot = list.names ? e.name : e.value;
      add(slot, e.header);
      if (slot.hits != nullptr) live.push_back(static_cast<std::uint32_t>(i));
    }
  }

  void add(Slot& slot, std::uint16_t header) {
    if (slot.scanned_by != tx_.filter_number) {
      scan_value(tx_, wanted_for(prefilter_, source_.variable, header), slot, kind_of(source_.variable));
    }
    if (slot.hits == nullptr) return;
    any_ = true;
    std::uint64_t* const __restrict all = hits_;
    const std::uint64_t* const own = slot.hits;
    const std::size_t words = prefilter_.words();
    for (std::size_t w = 0; w < words; ++w) all[w] |= own[w];
  }

  TransactionState& tx_;
  const Prefilter& prefilter_;
  const ReadSource& source_;
  std::uint64_t* hits_;
  bool any_ = false;
};

}  // namespace

Scratch::State::Memory& Scratch::State::memory_for(const std::shared_ptr<const RuleSet>& rules) {
  ++turns;
  Memory* oldest = memories.data();
  for (Memory& m : memories) {
    if (!m.of.owner_before(rules) && !rules.owner_before(m.of)) {
      m.used = turns;
      return m;
    }
    if (m.used < oldest->used) oldest = &m;
  }
  const auto& filters = rules->program().prefilter.filters;
  oldest->of = rules;
  oldest->used = turns;
  for (auto* tables : {&oldest->masks, &oldest->form_masks}) {
    tables->clear();
    tables->resize(filters.size());
  }
  std::size_t of_filter = 1;
  std::size_t of_texts = 1;
  for (const Prefilter& f : filters) {
    of_filter = std::max(of_filter, f.words());
    of_texts = std::max(of_texts, f.found_words());
  }
  oldest->recurring.prepare(rules->program().optimisations.recurring, of_filter);
  const std::size_t most = std::max(hits.size(), of_texts);
  for (auto* bits : {&hits, &possible, &free, &by_short})
    bits->resize(most);
  found.resize(kTexts * most);
  return *oldest;
}

bool may_match(TransactionState& tx, const TargetValue& value, std::uint32_t item) {
  const std::uint32_t own = tx.filter->own_item[item];
  if (own == Prefilter::kUnknown) return true;
  Slot& slot = *value.slot;
  if (slot.scanned_by != tx.filter_number) {
    scan_value(tx, wanted_for(*tx.filter, value.variable, value.header), slot, kind_of(value.variable));
  }
  return slot.hits != nullptr && bit_of(slot.hits, own);
}

void rule_out(TransactionState& tx, const TargetValue& value, std::uint32_t item) {
  const std::uint32_t own = tx.filter->own_item[item];
  Slot& slot = *value.slot;
  if (own == Prefilter::kUnknown || slot.scanned_by != tx.filter_number || slot.hits == nullptr) return;
  if (slot.hits != tx.filter->everything()) clear_bit(slot.hits, own);
  ValueCache::Entry* const e = slot.entry;
  if (e == nullptr || e->added != slot.added) return;
  clear_bit(e->hits, own);
  e->none = none_of(e->hits, tx.filter->words());
}

namespace {

// Shorter values, and fewer patterns, are left to each pattern's own search: a scan costs what all patterns of the
// unit cost. (Forms of 123 KB at paranoia level 4, instructions: 100 million with 3, 91 with 8; more than twice the
// time with 16.)
constexpr std::size_t kLongValue = 512;
constexpr int kFewPatterns = 8;

int patterns_left(const Prefilter& filter, const ScanUnit& unit, const UnitScanner& scanner,
                  const Slot& slot) {
  int n = 0;
  for (std::size_t bit = 0; bit < unit.items.size(); ++bit) {
    const std::uint32_t item = filter.own_item[unit.items[bit]];
    if (item == Prefilter::kUnknown || !bit_of(scanner.scanned.data(), bit)) continue;
    if (bit_of(slot.hits, item)) ++n;
  }
  return n;
}

}  // namespace

const std::uint64_t* scan_unit(TransactionState& tx, std::uint32_t index, const Slot& slot,
                               Form& form) {
  for (const UnitHits* h = form.hits; h != nullptr; h = h->next) {
    if (h->unit == index) return h->words;
  }
  if (form.text.size() < kLongValue || slot.hits == nullptr ||
      slot.scanned_by != tx.filter_number) {
    return nullptr;
  }
  const ScanUnit& unit = tx.program->prefilter.units[index];
  const UnitScanner* scanner = tx.scanners->units[index].get();
  if (scanner == nullptr || patterns_left(*tx.filter, unit, *scanner, slot) < kFewPatterns) return nullptr;
  const std::size_t words = unit.words();
  const std::size_t found_words = (scanner->database->patterns() + 63) / 64;
  auto* all = reinterpret_cast<std::uint64_t*>(tx.arena.allocate((words + found_words) * 8, 8));
  auto* hits = all == nullptr ? nullptr : tx.arena.make<UnitHits>();
  if (hits == nullptr) return nullptr;
  std::uint64_t* const found = all + words;
  std::fill_n(all, words, ~std::uint64_t{0});
  std::fill_n(found, found_words, std::uint64_t{0});
  tx.work += form.text.size();
  std::optional<ProfileSpan> span;
  if (tx.profile != nullptr) span.emplace(*tx.profile, tx.profile->unit(index));
  if (scanner->database->scan(form.text, tx.scratch.hs, {found, found_words})) {
    for (std::size_t i = 0; i < scanner->bits.size(); ++i) {
      const std::uint32_t bit = scanner->bits[i];
      if (bit == UnitScanner::kLeft || bit_of(found, i)) continue;
      all[bit / 64] &= ~(std::uint64_t{1} << (bit % 64));
    }
  }
  *hits = {index, all, form.hits};
  form.hits = hits;
  return all;
}

namespace {

void use_filter(TransactionState& tx, std::size_t number) {
  tx.filter = &tx.program->prefilter.filters[number];
  tx.filter_number = static_cast<std::uint8_t>(number + 1);
  tx.memory = &tx.scratch.memory_for(tx.rules);
  tx.masks = &tx.memory->masks[number];
  tx.form_masks = &tx.memory->form_masks[number];
  if (tx.masks->prepared()) return;
  tx.masks->prepare(*tx.filter);
  tx.form_masks->prepare(*tx.filter, MaskTable::Of::Forms);
}

// The level that TX says; nullopt: it says nothing yet.
std::optional<std::int64_t> level_of(const TransactionState& tx) {
  const Prefilters& p = tx.program->prefilter;
  const VarTable::Var* v = tx.tx.find(p.level_name, p.level_hash);
  if (v == nullptr) return std::nullopt;
  return leading_integer(v->value);
}

void fill_steps(TransactionState& tx, Phase phase) {
  std::optional<ProfileSpan> span;
  if (tx.profile != nullptr) span.emplace(*tx.profile, tx.profile->filter());
  const Prefilter& filter = *tx.filter;
  const auto p = static_cast<std::size_t>(phase);
  tx.scratch.live.clear();
  tx.steps_to_run.assign(filter.always[p].begin(), filter.always[p].end());
  if (filter.words() == 0) return;
  std::uint64_t* hits = reinterpret_cast<std::uint64_t*>(tx.arena.allocate(filter.words() * 8, 8));
  for (const ReadSource& source : filter.sources[p]) {
    if (hits == nullptr) {
      for (const ReadSource::Reader& r : source.readers)
        set_bit(tx.steps_to_run.data(), r.step);
      continue;
    }
    std::fill_n(hits, filter.words(), std::uint64_t{0});
    if (!SourceScan(tx, source, hits).run()) continue;
    auto reader = source.readers.begin();
    const auto end = source.readers.end();
    for (std::size_t w = 0; w < filter.words(); ++w) {
      for (std::uint64_t bits = hits[w]; bits != 0; bits &= bits - 1) {
        const auto item = static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
        reader = std::lower_bound(reader, end, item,
                                  [](const ReadSource::Reader& r, std::uint32_t i) { return r.item < i; });
        for (; reader != end && reader->item == item; ++reader) set_bit(tx.steps_to_run.data(), reader->step);
      }
    }
  }
}

}  // namespace

void prescan(TransactionState& tx, Phase phase) {
  const Prefilters& p = tx.program->prefilter;
  if (phase == Phase::ResponseHeaders || phase == Phase::ResponseBody) {
    use_filter(tx, p.response());
  } else if (p.levels.empty()) {
    use_filter(tx, p.whole_request());
  } else if (const auto level = level_of(tx); level) {
    use_filter(tx, p.for_level(*level));
  } else {
    // The rules that set the level come first; most often it is foregone which.
    const bool first = phase == Phase::RequestHeaders;
    const auto foretold = first && tx.course != nullptr ? tx.course->level : std::nullopt;
    use_filter(tx, foretold ? p.for_level(*foretold) : first ? 0 : p.whole_request());
  }
  fill_steps(tx, phase);
}

bool widen(TransactionState& tx, Phase phase, std::size_t step) {
  const auto number = static_cast<std::size_t>(phase);
  if (tx.filter->knows(number, step)) return false;
  const Prefilters& p = tx.program->prefilter;
  use_filter(tx, p.for_level(level_of(tx).value_or(p.levels.empty() ? 0 : p.levels.back())));
  if (!tx.filter->knows(number, step)) use_filter(tx, p.whole_request());
  fill_steps(tx, phase);
  return true;
}

}  // namespace weir::rules
