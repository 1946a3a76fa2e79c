// Scanning ahead: what can rule an operator out for a value cheaply comes first. An *item* is an
// operator after a chain of transformations; what a value must hold for it to match (requirement.h)
// is known at load. Each value is looked at once: its classes of bytes and its length rule most
// items out, one pass over its text (piece_scan.h) those that need a piece of text which is not
// there. What is left is confirmed by the exact operator, in SecLang's order. A rule none of whose
// values is left is not looked at at all.
//
// The form of a value after a chain is made only where the chain may change it
// (transforms/effect.h) and where one of its items could survive then.
//
// There is a filter for each level of rules (CRS's paranoia levels: what `SecRule TX:x "@lt n"` jumps
// over), so that nobody looks for what rules above the present level would look for. Which one is
// used is a guess from TX at the time: where a rule is reached that the filter does not know, a wider
// one takes its place (prescan.h).
//
// Contract: an item that is ruled out does not match. What cannot be scanned ahead never comes here
// and is evaluated directly: targets that rules write, counts, numeric operators on the moment's
// variables.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/bits.h"
#include "rules/byte_classes.h"
#include "rules/collections.h"
#include "rules/names.h"
#include "rules/piece_scan.h"
#include "rules/requirement.h"
#include "rules/ruleset.h"
#include "rules/transforms/transform.h"

namespace weir::rules {

// Items with numbers next to each other.
struct ItemRange {
  std::uint32_t first = 0, last = 0;
  [[nodiscard]] bool empty() const { return first == last; }
  [[nodiscard]] std::size_t first_word() const { return first / 64; }
  [[nodiscard]] std::size_t last_word() const { return (last - 1) / 64; }  // REQUIRES: not empty
  // Widens it by what comes no sooner.
  void include(const ItemRange& more) {
    if (empty()) first = more.first;
    last = more.last;
  }
  // The bits of word `w`, which is one of them.
  [[nodiscard]] std::uint64_t mask(std::size_t w) const {
    std::uint64_t bits = ~std::uint64_t{0};
    if (w == first_word()) bits &= ~std::uint64_t{0} << (first % 64);
    if (w == last_word()) bits &= ~std::uint64_t{0} >> (63 - (last - 1) % 64);
    return bits;
  }
};

// Where a link's items are: one, or with multiMatch one for the value as it is and one for each
// step.
struct ReadRef {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t item = kNone;  // the first; the others follow in `steps`
  std::vector<std::uint32_t> steps;
  std::uint32_t unit = kNone;  // where Hyperscan may be asked
  std::uint32_t unit_bit = 0;
  // Of a negated list of phrases, whose `item` is never ruled out: that of the list. Where it is, the rule matches.
  std::uint32_t denied = kNone;
  [[nodiscard]] bool scanned() const { return item != kNone; }
  [[nodiscard]] bool asks() const { return scanned() || denied != kNone; }
};

// Patterns under one chain that are reached under the same conditions (the same skipAfter guards: a
// paranoia level, say): what Hyperscan looks for at once in a long value.
struct ScanUnit {
  std::uint16_t chain = 0;
  std::vector<std::uint32_t> patterns;  // bit -> link that stands for it
  std::vector<std::uint32_t> to_scan;   // bits of the patterns that are worth a scan (scanners.h)
  std::vector<std::uint32_t> items;     // by bit: of the rule set
  [[nodiscard]] std::size_t words() const { return (patterns.size() + 63) / 64; }
};

// Values that some rules of a phase read: all of a variable, or those with a key.
struct ReadSource {
  struct Reader {
    std::uint32_t item = 0;
    std::uint32_t step = 0;  // of the phase
  };
  Variable variable{};
  bool keyed = false;
  std::string key;
  std::uint16_t header = 0;     // of request and response headers: Prefilters::headers, 0 for all
  std::vector<Reader> readers;  // heads of rules, in order of their items
};

class Prefilter {
 public:
  // What build() reads must live that long.
  struct Item {
    std::uint16_t chain = 0;
    const Requirement* requirement = nullptr;
    const std::vector<std::vector<std::uint32_t>>* pieces = nullptr;  // of each of its texts: numbers, each once
  };
  using Range = ItemRange;

  // Items come ordered by chain. `pieces`: those that items speak of, by number, which several filters share.
  // `paths` holds the transformations of each chain, `parents` the chain without the last of them.
  void build(const std::vector<const Item*>& items, std::span<const PieceScanner::Choice> pieces,
             std::vector<std::vector<Transform>> paths, const std::vector<std::uint16_t>& parents,
             const Optimisations& use);

  [[nodiscard]] std::size_t items() const { return items_; }
  [[nodiscard]] std::size_t words() const { return words_; }
  [[nodiscard]] const Range& items_of(std::size_t chain) const { return chains_.data()[chain].range; }
  [[nodiscard]] const std::uint64_t* everything() const { return everything_.data(); }
  [[nodiscard]] const std::uint64_t* fitting(std::size_t length) const {
    return &by_length_[std::min(length, kLengths - 1) * words_];
  }
  // Adds the items to `hits` that the pieces in `text`, whose classes are `mask`, speak for. `short_ones`: also of pieces
  // that are shorter than most, which costs as much again; `possible`: no others than these need be added (null: all).
  // `hits` has room for found_words(): behind the items' bits are those of texts, which whoever asks anew about the same
  // text leaves as they are.
  void find_pieces(std::string_view text, ClassMask mask, bool short_ones, const std::uint64_t* possible,
                   std::uint64_t* hits) const;
  [[nodiscard]] std::size_t found_words() const { return words_ + text_words_; }
  [[nodiscard]] const PieceScanner& pieces() const { return pieces_; }
  // Items that what may_be_sqli() (operators/sqli_filter.h) says of a text rules out.
  [[nodiscard]] const std::uint64_t* sqli() const { return sqli_.data(); }
  [[nodiscard]] const Range& sqli_range() const { return sqli_range_; }  // those, and others between them; may be empty
  // May transformations that leave a value as it is be told so (Optimisations::unchanged)?
  [[nodiscard]] bool trusts_effects() const { return trust_effects_; }

  using Wanted = Bits;  // items that a value is asked for

  // A need of one chain's items: the words from `word` on.
  struct ChainNeed {
    ClassMask mask = 0;
    std::uint32_t word = 0;
    std::uint64_t items = 0;
    std::uint64_t by_short = 0;  // of a need of text: those of the items that short pieces may speak for
  };

  static constexpr std::size_t kDecodings = 2;  // kinds of decoding()

  // What a verdict says of pieces: those that a value of its classes can hold, and that an item which it leaves asks for.
  struct Selection {
    PieceScanner::Selection pieces;
    std::uint64_t* possible = nullptr;  // the verdict's items, without those of which a text has no piece among these
  };

  // What a value's classes of bytes say of the items that are wanted.
  struct Verdict {
    struct Changed {
      std::uint16_t chain = 0;
      std::uint16_t parent = 0;  // the chain without its last transformation, ...
      Transform last{};          // ... and that
      std::uint8_t least = 0;    // shorter results match none of its items; ...
      bool none = false;         // ... nor does any result
      std::uint64_t checks = 0;  // transformations that may change the value: bits by Transform
    };
    ClassMask mask = 0;
    const Wanted* wanted = nullptr;
    std::array<std::uint8_t, kDecodings> least_decoded{};  // shorter results match none of decoding()'s items
    std::uint64_t* possible = nullptr;  // items that the classes do not rule out, as if nothing changed
    std::uint64_t* free = nullptr;      // of them, those that need no piece of text, ...
    std::uint64_t* by_short = nullptr;  // ... and those that are known only when short pieces have been looked for
    Changed* changed = nullptr;  // chains that may change the value, if an item of theirs is possible either way
    std::uint32_t changes = 0;
    std::uint64_t alter = 0;   // of all their checks, those of which the classes tell that they do change it, ...
    std::uint64_t checks = 0;  // ... and those for which a look at the value can tell that they do not
    std::uint64_t other_checks = 0;  // checks, of whatever sort, of chains that are of no decoding()
    const Selection* selection = nullptr;  // MaskTable's, ...
    std::size_t looks = 0;                 // ... and the looks that were made without one
  };
  // `verdict` has room as in MaskTable, `scratch` for words().
  void judge(ClassMask mask, const Wanted& asked, Verdict& verdict, std::uint64_t* scratch) const;
  // The same without what chains may make of the value.
  void judge_items(ClassMask mask, const Wanted& asked, Verdict& verdict) const;
  // The same for the items of one chain, after it has changed the value to one of these classes:
  // only their bits in `possible`, `free` and `by_short` are set.
  void judge_changed(std::size_t chain, ClassMask mask, std::uint64_t* possible, std::uint64_t* free,
                     std::uint64_t* by_short) const;
  // Sets in `chosen`, which is clear and has room for all, the bits of the pieces of the verdict's selection, and in `possible`,
  // which has room for found_words(), those of its items.
  void choose(const Verdict& verdict, std::uint64_t* chosen, std::uint64_t* possible) const;
  // Looks at values of some classes after which a selection is worth making; SIZE_MAX: none ever is.
  [[nodiscard]] std::size_t selected_after() const { return selected_after_; }
  // find_pieces() for a selection.
  void find_pieces(std::string_view text, ClassMask mask, bool short_ones, const PieceScanner::Selection& selection,
                   std::uint64_t* hits) const;
  // A bound of the value's length after `chain`, of whose transformations only `altering` (bits by
  // Transform) change it as it is.
  // `decoded` keeps, from one chain of the value to the next, how much of it is base64; begins as
  // kUnmeasured.
  [[nodiscard]] std::size_t longest(std::size_t chain, std::uint64_t altering,
                                    std::string_view value, std::size_t& decoded) const {
    const Chain& c = chains_.data()[chain];
    return c.resizers.empty() ? value.size() : resized(c, altering, value, decoded);
  }
  static constexpr std::size_t kUnmeasured = SIZE_MAX;
  [[nodiscard]] std::size_t chains() const { return chains_.size(); }

  // Chains that decode base64, which nearly every value could be, and before that do nothing else that changes the
  // value. What comes of it can be told without making it, for all of them at once.
  struct Decoding {
    Bits items;                    // theirs; empty: there are none
    Range range;                   // those, and others between them
    std::uint64_t before = 0;      // what they do before, bits by Transform, but for removeWhitespace
    std::vector<Transform> after;  // what any of them does then; none makes the result longer
    // Where the decoded value has none of these classes, and is not empty, nothing that follows changes it, and each item
    // misses one that it needs.
    ClassMask sparks = classes::kAll;
    std::vector<ChainNeed> needs, texts;  // of the items
    // The pieces that they speak of, squeezed: as they are found in a squeezed text, whatever of a plain text's signs is decoded
    // or removed.
    PieceScanner pieces;
    std::vector<std::uint32_t> numbers;  // theirs among all pieces
    std::vector<std::uint32_t> assumed;  // of those of which too little is left
  };
  // The second kind removes white space before.
  [[nodiscard]] const Decoding& decoding(std::size_t kind) const { return decodings_[kind]; }
  // The items of the kinds of which the bits are set.
  [[nodiscard]] const Bits& decoded_items(unsigned kinds) const { return decoded_items_[kinds]; }
  // Of a chain: the kind that it is of; kDecodings: of none.
  [[nodiscard]] std::size_t decoding_of(std::size_t chain) const { return chains_.data()[chain].kind; }
  // Does every item of the kind that is asked for miss a class, or a piece of text, that it needs, of what comes of a
  // decoded value with these classes? `text`: the decoded value, or empty where that is not at hand. `left` has room for words(),
  // `scratch` for found_words().
  [[nodiscard]] bool none_decoded(std::size_t kind, ClassMask decoded, std::string_view text, const Wanted& asked,
                                  std::uint64_t* left, std::uint64_t* scratch) const;

  [[nodiscard]] std::size_t bytes() const;

  static constexpr std::size_t kLengths = 32;  // values of so many bytes and longer fit alike

  // Filled by compile.cc.
  std::array<std::vector<ReadSource>, 6> sources;  // by phase
  std::array<Bits, 6> always;    // by phase: steps that the filter cannot rule out
  std::array<Bits, 6> outside;   // by phase: of them, those that it knows nothing of
  std::array<Wanted, 256> wanted;  // by variable: items that may ever ask for one of its values
  std::vector<Wanted> header_wanted;  // the same by header, with those of all headers
  static constexpr std::uint32_t kUnknown = 0xffffffff;
  std::vector<std::uint32_t> own_item;  // by item of the rule set: this filter's number, or kUnknown

  // Is the step none of this filter's?
  [[nodiscard]] bool knows(std::size_t phase, std::size_t step) const {
    return !bit_of(outside[phase].data(), step);
  }

 private:
  struct Need {
    ClassMask mask = 0;
    Bits items;
    Bits by_short;  // as ChainNeed's
  };
  // A transformation with a bound other than its input's length; `before`: those on the way to it, bits by
  // Transform.
  struct Resizer {
    Transform transform{};
    std::uint64_t before = 0;
  };
  struct Chain {
    Range range;
    std::uint16_t parent = 0;
    std::vector<Transform> path;
    std::vector<Resizer> resizers;
    std::vector<ChainNeed> needs, texts;
    std::size_t kind = kDecodings;
  };
  [[nodiscard]] Verdict::Changed changed_chain(std::size_t chain, const Wanted& asked,
                                               const std::uint64_t* possible) const;
  void split(const std::vector<Need>& needs, std::vector<ChainNeed> Chain::*to);
  void gather_decodings();
  void build_pieces(const std::vector<const Item*>& items, std::span<const PieceScanner::Choice> pieces,
                    const Optimisations& use);
  void squeeze_decodings();
  void demand_all_texts(ClassMask mask, bool short_ones, std::uint64_t* hits) const;
  [[nodiscard]] static std::size_t resized(const Chain& chain, std::uint64_t altering, std::string_view value,
                                           std::size_t& decoded);
  void possible_items(ClassMask mask, std::uint64_t* out) const;
  bool speak_for(std::uint32_t piece, std::uint64_t* hits) const;

  std::size_t items_ = 0;
  std::size_t words_ = 0;
  std::vector<Chain> chains_;
  std::array<Decoding, kDecodings> decodings_;
  std::array<Bits, std::size_t{1} << kDecodings> decoded_items_;  // by kinds, as bits
  std::vector<Need> needs_;  // items that need one of these classes
  std::vector<Need> texts_;  // items that need a piece of text unless one of these is there
  Bits by_length_;           // [length][word]
  Bits everything_;
  bool trust_effects_ = true;
  PieceScanner pieces_;
  Bits sqli_;
  Range sqli_range_;
  // What a piece speaks for.
  struct Spoken {
    std::uint32_t item = 0;
    std::uint32_t text = kOnly;  // of all items' texts, as a bit behind those of the items
  };
  static constexpr std::uint32_t kOnly = 0;  // the item has no more than one
  std::vector<std::uint32_t> first_spoken_;  // by piece: in spoken_
  std::vector<Spoken> spoken_;
  std::vector<ClassMask> piece_classes_;  // by piece, without regard to case (lowered())
  std::size_t selected_after_ = SIZE_MAX;
  // One of an item's several texts.
  struct ItemText {
    ClassMask unless = 0;
    std::uint32_t bit = 0;
    bool has_short = false;
  };
  Bits several_;                           // items with several texts, ...
  std::vector<std::uint32_t> first_text_;  // ... by item: in item_texts_
  std::vector<ItemText> item_texts_;
  std::size_t text_words_ = 0;
};

// The filters of a rule set.
struct Prefilters {
  NumberedNames headers;  // that rules name; 0 stands for all others
  std::vector<ScanUnit> units;

  // TX:level_name says which rules are reached; levels[i] is the least value for what filters[i + 1]
  // knows and filters[i] does not. filters[levels.size()] knows all rules of the request's phases and
  // of logging, the next one those of the response's. Empty: nothing is ruled out.
  std::string level_name;
  std::uint32_t level_hash = 0;
  std::vector<std::int64_t> levels;  // ascending
  std::vector<Prefilter> filters;

  [[nodiscard]] std::size_t whole_request() const { return levels.size(); }
  [[nodiscard]] std::size_t response() const { return levels.size() + 1; }
  // The filter of the request's phases for a value of TX:level_name.
  [[nodiscard]] std::size_t for_level(std::int64_t value) const {
    std::size_t i = 0;
    while (i < levels.size() && levels[i] <= value)
      ++i;
    return i;
  }
};

}  // namespace weir::rules
