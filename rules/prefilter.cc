#include "rules/prefilter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <utility>

#include "rules/transforms/detail.h"
#include "rules/transforms/effect.h"

namespace weir::rules {

namespace {

bool any_of_both(const std::uint64_t* a, const std::uint64_t* b, std::size_t from, std::size_t to) {
  for (std::size_t w = from; w < to; ++w) {
    if ((a[w] & b[w]) != 0) return true;
  }
  return false;
}

bool any_in(const std::uint64_t* words, const ItemRange& range) {
  for (std::size_t w = range.first_word(); w <= range.last_word(); ++w) {
    if ((words[w] & range.mask(w)) != 0) return true;
  }
  return false;
}

}  // namespace

// Gives each chain its items' part of the needs.
void Prefilter::split(const std::vector<Need>& needs, std::vector<ChainNeed> Chain::*to) {
  for (Chain& chain : chains_) {
    if (chain.range.empty()) continue;
    for (const Need& need : needs) {
      for (std::size_t w = chain.range.first_word(); w <= chain.range.last_word(); ++w) {
        const std::uint64_t bits = need.items[w] & chain.range.mask(w);
        if (bits != 0) (chain.*to).push_back({need.mask, static_cast<std::uint32_t>(w), bits, need.by_short[w] & bits});
      }
    }
  }
}

namespace {

// Adds what a chain's items need to what those of all chains do.
void merge(const std::vector<Prefilter::ChainNeed>& chain, std::vector<Prefilter::ChainNeed>& all) {
  for (const Prefilter::ChainNeed& need : chain) {
    const auto same = std::find_if(all.begin(), all.end(), [&](const Prefilter::ChainNeed& n) {
      return n.mask == need.mask && n.word == need.word;
    });
    if (same == all.end()) {
      all.push_back(need);
    } else {
      same->items |= need.items;
      same->by_short |= need.by_short;
    }
  }
}

// Does `t`, where leaves() says that it leaves a value, leave it exactly?
bool leaves_exactly(Transform t) {
  return !only_case(t) && t != Transform::CmdLine;
}

}  // namespace

namespace {

// Of the item, the need that the fewest bytes meet; kAll: it has none.
ClassMask rarest_need(const std::vector<Prefilter::ChainNeed>& needs, std::size_t item) {
  ClassMask best = classes::kAll;
  std::size_t fewest = bytes_of(best).count();
  for (const Prefilter::ChainNeed& need : needs) {
    if (need.word != item / 64 || (need.items >> (item % 64) & 1U) == 0) continue;
    const std::size_t bytes = bytes_of(need.mask).count();
    if (bytes >= fewest) continue;
    best = need.mask;
    fewest = bytes;
  }
  return best;
}

// Prefilter::Decoding::sparks.
ClassMask sparks_of(const Prefilter::Decoding& d) {
  ClassMask quiet = classes::kAll;  // of these nothing is changed
  for (const Transform t : d.after) {
    for (ClassMask left = quiet; left != 0; left &= left - 1) {
      if (may_change(t, left & -left)) quiet &= ~(left & -left);
    }
    if (may_change(t, quiet)) return classes::kAll;
  }
  ClassMask sparks = classes::kAll & ~quiet;
  for (std::size_t item = 0; item < d.items.size() * 64; ++item) {
    if (bit_of(d.items.data(), item)) sparks |= rarest_need(d.needs, item);
  }
  return sparks;
}

}  // namespace

void Prefilter::gather_decodings() {
  constexpr std::size_t kLong = 1024;
  for (Chain& chain : chains_) {
    const auto at = std::find(chain.path.begin(), chain.path.end(), Transform::Base64Decode);
    const auto keeps_length = [](Transform t) { return output_bound(t, kLong) == kLong && output_bound(t, 0) == 0; };
    if (chain.range.empty() || at == chain.path.end() || !std::all_of(chain.path.begin(), at, leaves_exactly) ||
        !std::all_of(at + 1, chain.path.end(), keeps_length)) {
      continue;
    }
    // Of what comes between, leaves() has not seen the text without white space.
    const auto blanks = std::find(chain.path.begin(), at, Transform::RemoveWhitespace);
    if (blanks != at && blanks + 1 != at) continue;
    chain.kind = blanks == at ? 0 : 1;
    Decoding& d = decodings_[chain.kind];
    d.items.resize(words_);
    d.range.include(chain.range);
    for (std::size_t w = chain.range.first_word(); w <= chain.range.last_word(); ++w) d.items[w] |= chain.range.mask(w);
    for (auto t = chain.path.begin(); t != at; ++t) {
      if (*t != Transform::RemoveWhitespace) d.before |= std::uint64_t{1} << static_cast<unsigned>(*t);
    }
    const bool packs = chain.path.back() == Transform::RemoveWhitespace;
    for (auto t = at + 1; t != chain.path.end() - (packs ? 1 : 0); ++t) {
      if (std::find(d.after.begin(), d.after.end(), *t) == d.after.end()) d.after.push_back(*t);
    }
    merge(chain.needs, d.needs);
    merge(chain.texts, d.texts);
  }
  for (unsigned kinds = 0; kinds < decoded_items_.size(); ++kinds) {
    Bits& items = decoded_items_[kinds];
    items.assign(words_, 0);
    for (std::size_t kind = 0; kind < kDecodings; ++kind) {
      const Bits& more = decodings_[kind].items;
      for (std::size_t w = 0; w < more.size() && (kinds >> kind & 1U) != 0; ++w) items[w] |= more[w];
    }
  }
  for (Decoding& d : decodings_) d.sparks = sparks_of(d);
}

namespace {

// What none_decoded() knows of what comes of a decoded value in the end.
struct Outcome {
  ClassMask mask = 0;
  bool more = false;  // than plus signs and backslashes of a text in which nothing is encoded once more may be changed
};

// Whatever the order in which they come, and whether they come at all.
Outcome outcome_of(const std::vector<Transform>& after, std::string_view text, ClassMask decoded) {
  const bool plain = !text.empty() && nothing_encoded(text, decoded);
  bool changes = false;
  Outcome out{decoded};
  for (ClassMask before = 0; before != out.mask;) {
    before = out.mask;
    for (const Transform t : after) {
      if (!may_change(t, out.mask)) continue;
      if (plain && decodes_url_or_js(t)) {
        changes = true;
        if ((out.mask & class_of('+')) != 0) out.mask |= class_of(' ');
        continue;
      }
      if (!changes && !out.more && !text.empty() && leaves(t, text, out.mask)) continue;
      out.more = true;
      out.mask |= outcome(t, out.mask);
    }
  }
  return out;
}

// The signs of which a plain text has fewer, or others, after decoders and removeWhitespace.
struct Signs {
  static constexpr bool has(std::uint8_t c) { return c == '+' || c == '\\' || detail::is_blank(c); }
#if defined(__SSE2__)
  static __m128i in(__m128i sixteen) {
    const __m128i plus = _mm_cmpeq_epi8(sixteen, _mm_set1_epi8('+'));
    const __m128i backslash = _mm_cmpeq_epi8(sixteen, _mm_set1_epi8('\\'));
    return _mm_or_si128(detail::Blanks::in(sixteen), _mm_or_si128(plus, backslash));
  }
#endif
};

// Copies a text without them: whichever of the transformations come, and in which order, what is left of it is the same. Returns
// how many bytes that is; `out` has room for all.
std::size_t squeeze(std::string_view text, char* out) { return detail::pack<Signs>(text, out); }

}  // namespace

bool Prefilter::none_decoded(std::size_t kind, ClassMask decoded, std::string_view text, const Wanted& asked,
                             std::uint64_t* left, std::uint64_t* scratch) const {
  const Decoding& d = decodings_[kind];
  const Outcome out = outcome_of(d.after, text, decoded);
  std::uint64_t any = 0;
  const std::size_t from = d.range.first_word();
  const std::size_t to = d.range.last_word() + 1;
  std::fill_n(left, words_, std::uint64_t{0});
  for (std::size_t w = from; w < to; ++w) left[w] = d.items[w] & asked[w];
  for (const ChainNeed& need : d.needs) {
    if ((need.mask & out.mask) == 0) left[need.word] &= ~need.items;
  }
  for (std::size_t w = from; w < to; ++w) any |= left[w];
  if (any == 0 || out.more || text.empty()) return any == 0;
  std::copy(left + from, left + to, scratch + from);
  for (const ChainNeed& need : d.texts) {
    if ((need.mask & out.mask) == 0) scratch[need.word] &= ~need.items;
  }
  if (any_of_both(left, scratch, from, to)) return false;
  std::array<char, sizeof(Glimpse::begins)> squeezed;  // NOLINT: filled as far as it is read
  const std::string_view in(squeezed.data(), squeeze(text, squeezed.data()));
  std::fill_n(scratch, found_words(), std::uint64_t{0});
  bool several = false;
  for (const std::uint32_t piece : d.assumed) several |= speak_for(piece, scratch);
  d.pieces.scan(in, true, [](std::uint32_t) { return true; },
                [&](std::uint32_t piece) { several |= speak_for(d.numbers[piece], scratch); });
  if (several) demand_all_texts(out.mask, true, scratch);
  return !any_of_both(left, scratch, from, to);
}

void Prefilter::build(const std::vector<const Item*>& items, std::span<const PieceScanner::Choice> pieces,
                      std::vector<std::vector<Transform>> paths, const std::vector<std::uint16_t>& parents,
                      const Optimisations& use) {
  trust_effects_ = use.unchanged;
  chains_.resize(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    chains_[i].path = std::move(paths[i]);
    chains_[i].parent = parents[i];
  }
  for (Chain& chain : chains_) {
    std::uint64_t before = 0;
    for (const Transform t : chain.path) {
      // A digest is longer than what is shorter than itself.
      constexpr std::size_t kLong = 1024;
      if (output_bound(t, kLong) != kLong || output_bound(t, 0) != 0) chain.resizers.push_back({t, before});
      before |= std::uint64_t{1} << static_cast<unsigned>(t);
    }
  }
  items_ = items.size();
  words_ = (items_ + 63) / 64;
  everything_.assign(words_, 0);
  sqli_.assign(words_, 0);
  by_length_.assign(kLengths * words_, 0);
  std::map<ClassMask, Need> needs;
  std::map<ClassMask, Need> texts;
  const auto add = [&](std::map<ClassMask, Need>& to, ClassMask mask, std::size_t item, bool by_short) {
    Need& need = to[mask];
    need.mask = mask;
    need.items.resize(words_);
    need.by_short.resize(words_);
    set_bit(need.items.data(), item);
    if (by_short) set_bit(need.by_short.data(), item);
  };
  for (std::uint32_t i = 0; i < items_; ++i) {
    const Requirement& r = *items[i]->requirement;
    chains_[items[i]->chain].range.include({i, i + 1});
    set_bit(everything_.data(), i);
    if (r.sqli && use.injection) {
      set_bit(sqli_.data(), i);
      sqli_range_.include({i, i + 1});
    }
    for (std::size_t l = std::min(r.least, kLengths - 1); l < kLengths; ++l) {
      set_bit(&by_length_[l * words_], i);
    }
    if (use.classes) {
      for (const ClassMask mask : r.bytes)
        add(needs, mask, i, false);
    }
    if (!use.pieces) continue;
    for (const Requirement::Text& t : r.texts) add(texts, t.unless, i, t.has_short());
  }
  for (auto& [mask, need] : needs) needs_.push_back(std::move(need));
  for (auto& [mask, need] : texts) texts_.push_back(std::move(need));
  split(needs_, &Chain::needs);
  split(texts_, &Chain::texts);
  gather_decodings();
  if (use.pieces) build_pieces(items, pieces, use);
}

// The scanner of the pieces that some item speaks of, and which items do.
void Prefilter::build_pieces(const std::vector<const Item*>& items, std::span<const PieceScanner::Choice> pieces,
                             const Optimisations& use) {
  several_.assign(words_, 0);
  first_text_.assign(1, 0);
  std::uint32_t bit = static_cast<std::uint32_t>(words_) * 64;
  std::vector<std::uint32_t> speaking(pieces.size(), 0);  // for how many texts, by piece
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& texts = items[i]->requirement->texts;
    for (const auto& text : *items[i]->pieces) {
      for (const std::uint32_t piece : text) ++speaking[piece];
    }
    if (texts.size() > 1 && use.all_texts) {
      set_bit(several_.data(), i);
      for (const Requirement::Text& t : texts) item_texts_.push_back({t.unless, bit++, t.has_short()});
    }
    first_text_.push_back(static_cast<std::uint32_t>(item_texts_.size()));
  }
  text_words_ = (item_texts_.size() + 63) / 64;
  std::vector<std::uint32_t> next(pieces.size(), 0);  // place in spoken_, by piece
  std::vector<PieceScanner::Choice> own;
  std::uint32_t places = 0;
  for (std::size_t piece = 0; piece < pieces.size(); ++piece) {
    if (speaking[piece] == 0) continue;
    own.push_back(pieces[piece]);
    first_spoken_.push_back(places);
    next[piece] = places;
    places += speaking[piece];
  }
  first_spoken_.push_back(places);
  spoken_.resize(places);
  for (std::uint32_t i = 0; i < items.size(); ++i) {
    const ItemText* text = item_texts_.data() + first_text_[i];
    for (const auto& numbers : *items[i]->pieces) {
      const std::uint32_t as = bit_of(several_.data(), i) ? text++->bit : kOnly;
      for (const std::uint32_t piece : numbers) spoken_[next[piece]++] = {i, as};
    }
  }
  pieces_.build(own);
  for (const PieceScanner::Choice& c : own) piece_classes_.push_back(lowered(classes_of(c.piece->text)));
  if (use.pieces_per_look > 0) selected_after_ = own.size() / use.pieces_per_look;
  squeeze_decodings();
}

void Prefilter::squeeze_decodings() {
  for (Decoding& d : decodings_) {
    const auto speaks = [&](std::uint32_t piece) {
      return std::any_of(spoken_.begin() + first_spoken_[piece], spoken_.begin() + first_spoken_[piece + 1],
                         [&](const Spoken& s) { return bit_of(d.items.data(), s.item); });
    };
    std::vector<Piece> squeezed;
    for (std::uint32_t piece = 0; piece < pieces_.size() && !d.items.empty(); ++piece) {
      if (!speaks(piece)) continue;
      // What stands beside it may be gone as well.
      Piece p;
      p.text.resize(pieces_.text(piece).size());
      p.text.resize(squeeze(pieces_.text(piece), p.text.data()));
      if (p.text.size() < 2) {
        d.assumed.push_back(piece);
        continue;
      }
      squeezed.push_back(std::move(p));
      d.numbers.push_back(piece);
    }
    d.pieces.build(squeezed);
  }
}

// Takes the items out of `hits` of whose texts some, though they need to be there, are not.
void Prefilter::demand_all_texts(ClassMask mask, bool short_ones, std::uint64_t* hits) const {
  const std::uint32_t* const first = first_text_.data();
  const std::uint64_t* const several = several_.data();
  const auto missing = [&](std::size_t item) {
    for (std::uint32_t t = first[item]; t < first[item + 1]; ++t) {
      const ItemText& text = item_texts_.data()[t];
      if ((text.unless & mask) == 0 && (short_ones || !text.has_short) && !bit_of(hits, text.bit)) return true;
    }
    return false;
  };
  for (std::size_t w = 0; w < words_; ++w) {
    for (std::uint64_t bits = hits[w] & several[w]; bits != 0; bits &= bits - 1) {
      if (missing(w * 64 + static_cast<std::size_t>(std::countr_zero(bits)))) hits[w] &= ~(bits & -bits);
    }
  }
}

// Adds what the piece speaks for. True: a text of an item that has several.
bool Prefilter::speak_for(std::uint32_t piece, std::uint64_t* hits) const {
  bool several = false;
  const Spoken* const end = spoken_.data() + first_spoken_.data()[piece + 1];
  for (const Spoken* s = spoken_.data() + first_spoken_.data()[piece]; s != end; ++s) {
    set_bit(hits, s->item);
    if (s->text == kOnly) continue;
    set_bit(hits, s->text);
    several = true;
  }
  return several;
}

void Prefilter::find_pieces(std::string_view text, ClassMask mask, bool short_ones, const std::uint64_t* possible,
                            std::uint64_t* hits) const {
  const std::uint32_t* const first = first_spoken_.data();
  const Spoken* const spoken = spoken_.data();
  const auto matters = [&](std::uint32_t piece) {
    if (possible == nullptr) return true;
    for (std::uint32_t i = first[piece]; i < first[piece + 1]; ++i) {
      if (bit_of(possible, spoken[i].item)) return true;
    }
    return false;
  };
  bool several = false;
  pieces_.scan(text, short_ones, matters, [&](std::uint32_t piece) { several |= speak_for(piece, hits); });
  if (several) demand_all_texts(mask, short_ones, hits);
}

void Prefilter::find_pieces(std::string_view text, ClassMask mask, bool short_ones,
                            const PieceScanner::Selection& selection, std::uint64_t* hits) const {
  bool several = false;
  pieces_.scan(selection, text, short_ones, [&](std::uint32_t piece) { several |= speak_for(piece, hits); });
  if (several) demand_all_texts(mask, short_ones, hits);
}

void Prefilter::choose(const Verdict& v, std::uint64_t* chosen, std::uint64_t* possible) const {
  const ClassMask there = lowered(v.mask);
  std::fill_n(possible, found_words(), std::uint64_t{0});
  bool several = false;
  for (std::uint32_t piece = 0; piece < piece_classes_.size(); ++piece) {
    if ((piece_classes_[piece] & ~there) != 0) continue;
    for (std::uint32_t i = first_spoken_[piece]; i < first_spoken_[piece + 1]; ++i) {
      if (!bit_of(v.possible, spoken_[i].item) || bit_of(v.free, spoken_[i].item)) continue;
      set_bit(chosen, piece);
      several |= speak_for(piece, possible);
      break;
    }
  }
  // As if a value had all of them.
  if (several) demand_all_texts(v.mask, true, possible);
  for (std::size_t w = 0; w < words_; ++w) possible[w] = (possible[w] | v.free[w]) & v.possible[w];
}

void Prefilter::possible_items(ClassMask mask, std::uint64_t* out) const {
  std::copy(everything_.begin(), everything_.end(), out);
  for (const Need& need : needs_) {
    if ((need.mask & mask) != 0) continue;
    for (std::size_t w = 0; w < words_; ++w)
      out[w] &= ~need.items[w];
  }
}

// What there is to say of a chain's wanted items, of which these are possible after a change.
Prefilter::Verdict::Changed Prefilter::changed_chain(std::size_t chain, const Wanted& asked,
                                                     const std::uint64_t* possible) const {
  const Range& range = chains_[chain].range;
  const auto any = [&](const std::uint64_t* words) {
    for (std::size_t w = range.first_word(); w <= range.last_word(); ++w) {
      if ((possible[w] & asked[w] & range.mask(w) & words[w]) != 0) return true;
    }
    return false;
  };
  Verdict::Changed out;
  out.chain = static_cast<std::uint16_t>(chain);
  out.parent = chains_[chain].parent;
  if (!chains_[chain].path.empty()) out.last = chains_[chain].path.back();
  out.none = !any(everything_.data());
  while (!out.none && !any(fitting(out.least)))
    ++out.least;
  return out;
}

void Prefilter::judge_items(ClassMask mask, const Wanted& asked, Verdict& v) const {
  v.mask = mask;
  v.wanted = &asked;
  possible_items(mask, v.possible);
  for (std::size_t w = 0; w < words_; ++w)
    v.by_short[w] = v.free[w] = v.possible[w] &= asked[w];
  // One need of text that long pieces speak for is enough.
  for (const Need& text : texts_) {
    if ((text.mask & mask) != 0) continue;
    for (std::size_t w = 0; w < words_; ++w) {
      v.free[w] &= ~text.items[w];
      v.by_short[w] &= ~text.items[w] | text.by_short[w];
    }
  }
  for (std::size_t w = 0; w < words_; ++w) v.by_short[w] &= ~v.free[w];
  v.selection = nullptr;
  v.looks = 0;
}

void Prefilter::judge(ClassMask mask, const Wanted& asked, Verdict& v, std::uint64_t* after) const {
  judge_items(mask, asked, v);
  v.changes = 0;
  v.alter = v.checks = v.other_checks = 0;
  v.least_decoded.fill(kLengths - 1);
  // What is possible after a change; recomputed only where the classes differ from the last
  // chain's.
  ClassMask after_mask = 0;
  bool computed = false;
  for (std::size_t chain = 0; chain < chains_.size(); ++chain) {
    const Range& range = chains_[chain].range;
    if (range.empty() || !any_in(asked.data(), range)) continue;
    std::uint64_t checks = 0;
    ClassMask may = mask;
    for (const Transform t : chains_[chain].path) {
      if (!trust_effects_ || may_change(t, mask))
        checks |= std::uint64_t{1} << static_cast<unsigned>(t);
      if (!trust_effects_ || may_change(t, may)) may |= outcome(t, may);
    }
    if (checks == 0) continue;
    if (!computed || may != after_mask) possible_items(may, after);
    computed = true;
    after_mask = may;
    Verdict::Changed c = changed_chain(chain, asked, after);
    if (c.none && !any_in(v.possible, range)) continue;
    c.checks = checks;
    for (std::uint64_t bits = checks; bits != 0; bits &= bits - 1) {
      const bool told = !trust_effects_ || told_by_classes(static_cast<Transform>(std::countr_zero(bits)));
      (told ? v.alter : v.checks) |= bits & -bits;
    }
    const std::size_t kind = chains_[chain].kind;
    if (kind == kDecodings) {
      v.other_checks |= checks;
    } else if (!c.none) {
      v.least_decoded[kind] = std::min(v.least_decoded[kind], c.least);
    }
    v.changed[v.changes++] = c;
  }
}

void Prefilter::judge_changed(std::size_t index, ClassMask mask, std::uint64_t* possible, std::uint64_t* free,
                              std::uint64_t* by_short) const {
  const Chain& chain = chains_.data()[index];
  for (std::size_t w = chain.range.first_word(); w <= chain.range.last_word(); ++w) {
    possible[w] = chain.range.mask(w);
  }
  for (const ChainNeed& need : chain.needs) {
    if ((need.mask & mask) == 0) possible[need.word] &= ~need.items;
  }
  for (std::size_t w = chain.range.first_word(); w <= chain.range.last_word(); ++w) {
    by_short[w] = free[w] = possible[w];
  }
  for (const ChainNeed& text : chain.texts) {
    if ((text.mask & mask) != 0) continue;
    free[text.word] &= ~text.items;
    by_short[text.word] &= ~text.items | text.by_short;
  }
  for (std::size_t w = chain.range.first_word(); w <= chain.range.last_word(); ++w) by_short[w] &= ~free[w];
}

std::size_t Prefilter::resized(const Chain& chain, std::uint64_t altering, std::string_view value,
                               std::size_t& decoded) {
  std::size_t length = value.size();
  bool as_it_is = true;
  for (const Resizer& r : chain.resizers) {
    as_it_is = as_it_is && (altering & r.before) == 0;
    if (as_it_is && (altering >> static_cast<unsigned>(r.transform) & 1U) == 0) continue;
    if (!as_it_is) {
      length = output_bound(r.transform, length);
    } else if (r.transform == Transform::Base64Decode) {
      if (decoded == kUnmeasured) decoded = result_bound(r.transform, value);
      length = decoded;
    } else {
      length = result_bound(r.transform, value);
    }
    as_it_is = false;
  }
  return length;
}

std::size_t Prefilter::bytes() const {
  std::size_t n = pieces_.bytes() + first_spoken_.size() * 4 + spoken_.size() * sizeof(Spoken) +
                  first_text_.size() * 4 + item_texts_.size() * sizeof(ItemText) + piece_classes_.size() * sizeof(ClassMask);
  n +=
      (by_length_.size() + everything_.size() + (needs_.size() + texts_.size()) * (words_ + 4)) * 8;
  return n;
}

}  // namespace weir::rules
