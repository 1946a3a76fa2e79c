#include "rules/value_scan.h"

#include <algorithm>
#include <array>

#include "rules/operators/sqli_filter.h"
#include "rules/transforms/effect.h"

namespace weir::rules {

namespace {

using Verdict = Prefilter::Verdict;

// One value, all forms of it that need a look.
class Scan {
 public:
  Scan(TransactionState& tx, const Prefilter::Wanted& wanted)
      : tx_(tx),
        prefilter_(*tx.filter),
        wanted_(wanted),
        words_(prefilter_.words()) {}

  void run(Slot& slot, ValueCache::Kind kind);

 private:
  void scan(Slot& slot);
  // Items that the value's text does not rule out, as if no chain changed it, into `out`, which has room for found_words().
  void look(std::string_view text, Verdict& v, std::uint64_t* out);
  // Takes those of `items` that look for SQL injection out, if there can be none in `text`.
  void ask_words(std::string_view text, std::uint64_t* items, std::size_t first, std::size_t last);
  // The chains that may change the value. `hits` holds what is possible if they do not.
  void change(Slot& slot, const Verdict& v, std::uint64_t* hits);
  bool none_decoded(const Verdict& v, std::size_t kind, const Glimpse& decoded);
  unsigned decode(const Slot& slot, const Verdict& v, std::uint64_t altering, std::uint64_t* hits);
  [[nodiscard]] bool hopeless(const Slot& slot, const Verdict::Changed& c) const;
  void look_changed(std::size_t chain, Form& form, std::uint64_t* hits);
  // What the classes of a form say of items, as in a verdict; that, where there is one.
  struct Judged {
    const std::uint64_t *possible, *free, *by_short;
    Verdict* verdict;
  };
  Judged judge_changed(std::size_t chain, ClassMask mask);
  // A text that chains have made of the value, and what it holds.
  struct Seen {
    const char* data;
    std::size_t size;
    ClassMask mask;
    std::uint64_t* found;  // items that pieces in it speak for
    std::uint8_t looked;   // kLong, kShort: which pieces were looked for
  };
  static constexpr std::uint8_t kLong = 1, kShort = 2;
  Seen& seen(Form& form);

  TransactionState& tx_;
  const Prefilter& prefilter_;
  const Prefilter::Wanted& wanted_;
  std::size_t words_;
  static constexpr std::size_t kMostSeen = Scratch::State::kTexts;
  std::array<Seen, kMostSeen> seen_;  // NOLINT: filled as far as seen_count_ says
  std::size_t seen_count_ = 0;
};

// Of items that are possible and fit: whether any is left, any that needs a piece of text, any that needs a short one. (These
// loops have nothing in them that keeps the compiler from taking several words at a time.)
struct Left {
  std::uint64_t any = 0, texts = 0, texts_short = 0;
};
Left left_of(const Verdict& v, const std::uint64_t* possible, const std::uint64_t* fitting, std::size_t words) {
  const std::uint64_t* const free = v.free;
  const std::uint64_t* const by_short = v.by_short;
  Left left;
  for (std::size_t w = 0; w < words; ++w) {
    const std::uint64_t fits = possible[w] & fitting[w];
    left.any |= fits;
    left.texts |= fits & ~free[w];
    left.texts_short |= fits & by_short[w];
  }
  return left;
}

// Leaves of `found`, to which those come that need no piece of text, what is possible and fits.
void keep_fitting(const Verdict& v, const std::uint64_t* possible, const std::uint64_t* fitting, std::size_t words,
                  std::uint64_t* __restrict found) {
  const std::uint64_t* const free = v.free;
  for (std::size_t w = 0; w < words; ++w) found[w] = (found[w] | free[w]) & possible[w] & fitting[w];
}

void Scan::look(std::string_view text, Verdict& v, std::uint64_t* out) {
  const std::uint64_t* const fitting = prefilter_.fitting(text.size());
  // Who watches shall see the same each time.
  const Prefilter::Selection* selection = tx_.trace == nullptr ? v.selection : nullptr;
  const std::uint64_t* possible = selection != nullptr ? selection->possible : v.possible;
  const Left left = left_of(v, possible, fitting, words_);
  std::fill(out, out + (left.texts != 0 ? prefilter_.found_words() : words_), std::uint64_t{0});
  if (left.any == 0) return;
  if (left.texts != 0) {
    if (selection == nullptr && tx_.trace == nullptr) selection = tx_.masks->select(prefilter_, v, text.size());
    if (selection != nullptr) {
      possible = selection->possible;
      prefilter_.find_pieces(text, v.mask, left.texts_short != 0, selection->pieces, out);
    } else {
      prefilter_.find_pieces(text, v.mask, left.texts_short != 0, possible, out);
    }
    tx_.work += text.size();
  }
  keep_fitting(v, possible, fitting, words_, out);
  ask_words(text, out, 0, words_ - 1);
}

void Scan::ask_words(std::string_view text, std::uint64_t* items, std::size_t first, std::size_t last) {
  const std::uint64_t* const sqli = prefilter_.sqli();
  const ItemRange& range = prefilter_.sqli_range();
  if (range.empty()) return;
  first = std::max(first, range.first_word());
  last = std::min(last, range.last_word());
  std::uint64_t any = 0;
  for (std::size_t w = first; w <= last; ++w) any |= items[w] & sqli[w];
  if (any == 0) return;
  tx_.work += text.size();
  if (operators::may_be_sqli(text)) return;
  for (std::size_t w = first; w <= last; ++w) items[w] &= ~sqli[w];
}

// Different chains often come to the same text.
Scan::Seen& Scan::seen(Form& form) {
  const std::string_view text = form.text;
  for (std::size_t i = 0; i < seen_count_; ++i) {
    if (seen_[i].data == text.data() && seen_[i].size == text.size()) return seen_[i];
  }
  const std::size_t at = seen_count_ < kMostSeen ? seen_count_++ : kMostSeen - 1;
  tx_.work += text.size();
  seen_[at] = {text.data(), text.size(), FormContext::mask_of(form),
               tx_.scratch.found.data() + at * prefilter_.found_words(), 0};
  std::fill_n(seen_[at].found, prefilter_.found_words(), std::uint64_t{0});
  return seen_[at];
}

constexpr unsigned kAllDecodings = (1U << Prefilter::kDecodings) - 1;
constexpr std::uint64_t kDecodesBase64 = std::uint64_t{1} << static_cast<unsigned>(Transform::Base64Decode);
constexpr std::uint64_t kRemovesBlanks = std::uint64_t{1} << static_cast<unsigned>(Transform::RemoveWhitespace);

void clear_range(const ItemRange& range, std::uint64_t* words) {
  for (std::size_t w = range.first_word(); w <= range.last_word(); ++w)
    words[w] &= ~range.mask(w);
}

// Replaces a chain's items in `hits` by those that its form does not rule out.
void Scan::look_changed(std::size_t chain, Form& form, std::uint64_t* hits) {
  const std::string_view text = form.text;
  const ItemRange& range = prefilter_.items_of(chain);
  std::uint64_t* const possible = tx_.scratch.possible.data();
  Seen& s = seen(form);
  const Judged judged = judge_changed(chain, s.mask);
  const std::uint64_t* const fitting = prefilter_.fitting(text.size());
  const std::uint64_t* const wanted = wanted_.data();
  std::uint64_t texts = 0;
  std::uint64_t texts_short = 0;
  for (std::size_t w = range.first_word(); w <= range.last_word(); ++w) {
    possible[w] = judged.possible[w] & wanted[w] & fitting[w] & range.mask(w);
    texts |= possible[w] & ~judged.free[w];
    texts_short |= possible[w] & judged.by_short[w];
  }
  const std::uint8_t look_for = texts == 0 ? 0 : texts_short == 0 ? kLong : kLong | kShort;
  if ((look_for & ~s.looked) != 0) {
    // What is found is for all chains that come to the same text.
    const Prefilter::Selection* const selection =
        judged.verdict == nullptr ? nullptr : tx_.form_masks->select(prefilter_, *judged.verdict, text.size());
    if (selection != nullptr) {
      prefilter_.find_pieces(text, s.mask, texts_short != 0, selection->pieces, s.found);
    } else {
      prefilter_.find_pieces(text, s.mask, texts_short != 0, nullptr, s.found);
    }
    s.looked = static_cast<std::uint8_t>(s.looked | look_for);
    tx_.work += text.size();
  }
  for (std::size_t w = range.first_word(); w <= range.last_word(); ++w) {
    possible[w] &= texts != 0 ? judged.free[w] | s.found[w] : judged.free[w];
  }
  ask_words(text, possible, range.first_word(), range.last_word());
  for (std::size_t w = range.first_word(); w <= range.last_word(); ++w) {
    hits[w] = (hits[w] & ~range.mask(w)) | possible[w];
  }
}

// Of the chain's items, where the chain has changed the value to one of these classes.
Scan::Judged Scan::judge_changed(std::size_t chain, ClassMask mask) {
  // Who watches shall see the same each time.
  Verdict* const v = tx_.trace == nullptr ? tx_.form_masks->look_up_again(prefilter_, mask, wanted_) : nullptr;
  if (v != nullptr) return {v->selection != nullptr ? v->selection->possible : v->possible, v->free, v->by_short, v};
  auto& scratch = tx_.scratch;
  prefilter_.judge_changed(chain, mask, scratch.possible.data(), scratch.free.data(), scratch.by_short.data());
  return {scratch.possible.data(), scratch.free.data(), scratch.by_short.data(), nullptr};
}

// Do the classes of what the chain's last transformation is given rule all of its items out? Known only where that
// has been made. Most chains end in several decoders, of which only the first finds anything to decode.
bool Scan::hopeless(const Slot& slot, const Verdict::Changed& c) const {
  if (c.parent == 0 || slot.made.forms() == nullptr || !prefilter_.trusts_effects()) return false;
  Form* const from = slot.made.forms()->at(c.parent);
  if (from == nullptr) return false;
  ClassMask may = FormContext::mask_of(*from);
  if (may_change(c.last, may)) may |= outcome(c.last, may);
  std::uint64_t* const possible = tx_.scratch.possible.data();
  const std::uint64_t* const wanted = wanted_.data();
  prefilter_.judge_changed(c.chain, may, possible, tx_.scratch.free.data(), tx_.scratch.by_short.data());
  const ItemRange& range = prefilter_.items_of(c.chain);
  for (std::size_t w = range.first_word(); w <= range.last_word(); ++w) {
    if ((possible[w] & wanted[w]) != 0) return false;
  }
  return true;
}

// Of Prefilter::decoding(): can no item of the kind match what the value decodes to?
bool Scan::none_decoded(const Verdict& v, std::size_t kind, const Glimpse& decoded) {
  if (decoded.length < v.least_decoded[kind]) return true;
  tx_.work += decoded.length;
  if (decoded.mask != 0 && (decoded.mask & prefilter_.decoding(kind).sparks) == 0) return true;
  const bool whole = decoded.length <= decoded.begins.size();
  const std::string_view text(decoded.begins.data(), whole ? decoded.length : 0);
  return prefilter_.none_decoded(kind, decoded.mask, text, wanted_, tx_.scratch.possible.data(), tx_.scratch.free.data());
}

// The kinds of Prefilter::decoding(), by bits, none of whose items can match what is decoded: takes them out of
// `hits`. `altering`: the transformations that change the value as it is.
unsigned Scan::decode(const Slot& slot, const Verdict& v, std::uint64_t altering, std::uint64_t* hits) {
  if (!prefilter_.trusts_effects() || (altering & kDecodesBase64) == 0) return 0;
  unsigned out = 0;
  Glimpse decoded;
  bool known = false;
  const std::size_t least = std::min(v.least_decoded[0], v.least_decoded[1]);
  // Most are too short to tell for that alone.
  const Base64Bound bound = slot.text.size() * 6 / 8 < least ? Base64Bound{} : base64_bound(slot.text);
  for (std::size_t kind = 0; kind < Prefilter::kDecodings; ++kind) {
    const Prefilter::Decoding& d = prefilter_.decoding(kind);
    if (d.items.empty()) out |= 1U << kind;
    if (d.items.empty() || (altering & d.before) != 0) continue;
    const bool solid = kind == 1 && (altering & kRemovesBlanks) != 0;
    if ((solid ? bound.solid : bound.plain) >= v.least_decoded[kind]) {
      if (!known || solid) decode_base64(slot.text, solid, least, decoded);
      known = true;
      if (!none_decoded(v, kind, decoded)) continue;
    }
    out |= 1U << kind;
  }
  const std::uint64_t* const items = prefilter_.decoded_items(out).data();
  for (std::size_t w = 0; w < words_; ++w) hits[w] &= ~items[w];
  return out;
}

void Scan::change(Slot& slot, const Verdict& v, std::uint64_t* hits) {
  std::uint64_t altering = v.alter;
  for (std::uint64_t bits = v.checks; bits != 0; bits &= bits - 1) {
    if (!leaves(static_cast<Transform>(std::countr_zero(bits)), slot.text, v.mask)) altering |= bits & -bits;
  }
  if (altering == 0) return;
  const unsigned none = decode(slot, v, altering, hits);
  if (none == kAllDecodings && (altering & v.other_checks) == 0) return;
  std::size_t decoded = Prefilter::kUnmeasured;
  for (std::uint32_t i = 0; i < v.changes; ++i) {
    const Verdict::Changed& c = v.changed[i];
    if ((c.checks & altering) == 0 || (none >> prefilter_.decoding_of(c.chain) & 1U) != 0) continue;
    if (c.none || hopeless(slot, c) || (c.least > 0 && prefilter_.longest(c.chain, altering, slot.text, decoded) < c.least)) {
      // Whatever comes out, none of them can match it.
      clear_range(prefilter_.items_of(c.chain), hits);
      continue;
    }
    Form& form = tx_.forms.form(slot, c.chain);
    if (form.same && prefilter_.trusts_effects()) continue;
    look_changed(c.chain, form, hits);
  }
}

// `hits` is scratch: what it says is copied.
void Scan::scan(Slot& slot) {
  std::uint64_t* const hits = tx_.scratch.hits.data();
  const ClassMask mask = classes_of(slot.text);
  slot.made.classify(mask);
  Verdict& v = tx_.masks->look_up(prefilter_, mask, wanted_);
  tx_.work += slot.text.size() + words_;
  look(slot.text, v, hits);
  if (v.changes != 0) change(slot, v, hits);
}

void Scan::run(Slot& slot, ValueCache::Kind kind) {
  slot.scanned_by = tx_.filter_number;
  slot.hits = nullptr;
  slot.entry = nullptr;
  ValueCache& cache = tx_.memory->recurring;
  ValueCache::Entry* entry = nullptr;
  const std::uint64_t* hits = tx_.scratch.hits.data();
  // Who watches shall see the same each time.
  if (cache.serves(words_) && tx_.trace == nullptr && slot.text.size() <= ValueCache::kLongest) {
    const ValueCache::Key key(slot.text, wanted_.data(), kind);
    entry = cache.find(key);
    if (entry != nullptr) {
      tx_.work += slot.text.size();
    } else {
      scan(slot);
      if (cache.recurs(key)) entry = &cache.add(key, hits, words_);
    }
  } else {
    scan(slot);
  }
  if (entry != nullptr) {
    if (entry->none) return;
    hits = entry->hits;
    slot.entry = entry;
    slot.added = entry->added;
  } else if (none_of(hits, words_)) {
    return;
  }
  char* p = tx_.arena.allocate(words_ * 8, 8);
  // Without memory nothing is ruled out; nothing writes through this pointer.
  slot.hits = p == nullptr ? const_cast<std::uint64_t*>(prefilter_.everything())
                           : reinterpret_cast<std::uint64_t*>(p);
  if (p != nullptr) std::copy_n(hits, words_, slot.hits);
}

}  // namespace

void scan_value(TransactionState& tx, const Prefilter::Wanted& wanted, Slot& slot, ValueCache::Kind kind) {
  Scan(tx, wanted).run(slot, kind);
}

}  // namespace weir::rules
