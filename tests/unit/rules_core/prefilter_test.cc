// What pieces of text say of items that need several of them, against the definition (requirement.h).

#include "rules/mask_table.h"

#include <gtest/gtest.h>

#include <random>

namespace weir::rules::testing {
namespace {

class Texts : public ::testing::Test {
 protected:
  // A filter of items that need nothing but texts, some of which need not be there where certain signs are.
  void make(bool all_texts, unsigned pieces_per_look = 0) {
    requirements_.assign(kItems, {});
    std::vector<Piece> pieces;
    numbers_.assign(kItems, {});
    for (std::size_t i = 0; i < kItems; ++i) {
      for (std::size_t t = 0; t < 1 + random_() % 3; ++t) {
        Requirement::Text text;
        text.unless = random_() % 3 == 0 ? class_of("._-"[random_() % 3]) : 0;
        numbers_[i].emplace_back();
        for (std::size_t n = 0; n < 1 + random_() % 3; ++n) {
          pieces.push_back({letters(random_() % 3 == 0 ? 2 : 4), Piece::Edge::Open, Piece::Edge::Open});
          text.pieces.push_back(pieces.back());
          numbers_[i].back().push_back(static_cast<std::uint32_t>(pieces.size() - 1));
        }
        requirements_[i].texts.push_back(std::move(text));
      }
    }
    std::vector<PieceScanner::Choice> choices;
    for (const Piece& p : pieces) choices.push_back(PieceScanner::choose(p));
    items_.clear();
    for (std::size_t i = 0; i < kItems; ++i) items_.push_back({0, &requirements_[i], &numbers_[i]});
    std::vector<const Prefilter::Item*> list;
    for (const Prefilter::Item& item : items_) list.push_back(&item);
    Optimisations use;
    use.all_texts = all_texts;
    use.pieces_per_look = pieces_per_look;
    filter_ = {};
    filter_.build(list, choices, {{}}, {0}, use);
  }

  std::string letters(std::size_t n) {
    std::string s;
    while (s.size() < n) s += "abc"[random_() % 3];
    return s;
  }

  std::string value() {
    std::string s = letters(random_() % (random_() % 8 == 0 ? 500 : 90));
    for (const char sign : {'.', '_', '-'}) {
      if (!s.empty() && random_() % 3 == 0) s[random_() % s.size()] = sign;
    }
    return s;
  }

  // What find_pieces() says of each item.
  std::vector<bool> found(const std::string& text, bool short_ones) {
    Bits hits(filter_.found_words());
    filter_.find_pieces(text, classes_of(text), short_ones, nullptr, hits.data());
    std::vector<bool> out;
    for (std::size_t i = 0; i < kItems; ++i) out.push_back(bit_of(hits.data(), i));
    return out;
  }

  // Does one of the item's texts need to be there?
  [[nodiscard]] bool is_free(std::size_t item, ClassMask mask) const {
    const auto& texts = requirements_[item].texts;
    return std::all_of(texts.begin(), texts.end(), [&](const Requirement::Text& t) { return (t.unless & mask) != 0; });
  }

  static constexpr std::size_t kItems = 150;
  std::mt19937 random_{11};
  std::vector<Requirement> requirements_;
  std::vector<std::vector<std::vector<std::uint32_t>>> numbers_;
  std::vector<Prefilter::Item> items_;
  Prefilter filter_;
};

TEST_F(Texts, AllThatAnItemNeedsMustBeThere) {
  std::size_t kept = 0;
  std::size_t ruled_out = 0;
  for (int round = 0; round < 30; ++round) {
    make(true);
    for (int i = 0; i < 60; ++i) {
      const std::string text = value();
      const std::vector<bool> told = found(text, true);
      for (std::size_t item = 0; item < kItems; ++item) {
        if (is_free(item, classes_of(text))) continue;
        ASSERT_EQ(told[item], holds(requirements_[item], text)) << item << " in " << text;
        ++(told[item] ? kept : ruled_out);
      }
    }
  }
  EXPECT_GT(kept, 1000U);
  EXPECT_GT(ruled_out, 1000U);
}

// Where short pieces are not looked for, nothing is said of texts that have some.
TEST_F(Texts, WhatIsNotLookedForIsNotMissed) {
  std::size_t kept = 0;
  for (int round = 0; round < 30; ++round) {
    make(true);
    for (int i = 0; i < 60; ++i) {
      const std::string text = value();
      const ClassMask mask = classes_of(text);
      const std::vector<bool> told = found(text, false);
      for (std::size_t item = 0; item < kItems; ++item) {
        const auto& texts = requirements_[item].texts;
        const bool long_one = std::any_of(texts.begin(), texts.end(), [&](const Requirement::Text& t) {
          return (t.unless & mask) == 0 && !t.has_short();
        });
        if (!long_one || !holds(requirements_[item], text)) continue;
        ASSERT_TRUE(told[item]) << item << " in " << text;
        ++kept;
      }
    }
  }
  EXPECT_GT(kept, 1000U);
}

TEST_F(Texts, AnyOneIsEnoughWithoutThat) {
  make(false);
  std::size_t more = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string text = value();
    const std::vector<bool> told = found(text, true);
    for (std::size_t item = 0; item < kItems; ++item) {
      const bool needed = holds(requirements_[item], text);
      if (needed && !is_free(item, classes_of(text))) { ASSERT_TRUE(told[item]); }
      if (!needed && told[item]) ++more;
    }
  }
  EXPECT_GT(more, 100U);
}

// What a worker asks a selection for: of items that the value's classes leave and that need a piece, those that are found.
TEST_F(Texts, ASelectionSaysWhatAllPiecesSay) {
  std::size_t kept = 0;
  std::size_t ruled_out_by_classes = 0;
  for (int round = 0; round < 30; ++round) {
    make(round % 3 != 0, UINT_MAX);
    MaskTable table;
    table.prepare(filter_);
    Bits asked(filter_.words());
    for (std::size_t item = 0; item < kItems; ++item) {
      if (random_() % 4 != 0) set_bit(asked.data(), item);
    }
    for (int i = 0; i < 60; ++i) {
      const std::string text = value();
      Prefilter::Verdict& v = table.look_up(filter_, classes_of(text), asked);
      const Prefilter::Selection* const selection = table.select(filter_, v, text.size());
      ASSERT_NE(selection, nullptr);
      ASSERT_EQ(table.look_up(filter_, classes_of(text), asked).selection, selection);
      for (const bool short_ones : {true, false}) {
        Bits all(filter_.found_words());
        Bits some(filter_.found_words());
        filter_.find_pieces(text, v.mask, short_ones, v.possible, all.data());
        filter_.find_pieces(text, v.mask, short_ones, selection->pieces, some.data());
        for (std::size_t item = 0; item < kItems; ++item) {
          if (!bit_of(v.possible, item)) { ASSERT_FALSE(bit_of(selection->possible, item)); }
          if (!bit_of(v.possible, item) || bit_of(v.free, item)) continue;
          const bool found = bit_of(some.data(), item) && bit_of(selection->possible, item);
          ruled_out_by_classes += bit_of(selection->possible, item) ? 0 : 1;
          if (!bit_of(selection->possible, item)) { ASSERT_FALSE(holds(requirements_[item], text)) << item << " in " << text; }
          // One that is missing for its classes may be passed on by a look that does not ask for short pieces.
          if (short_ones || found) { ASSERT_EQ(found, bit_of(all.data(), item)) << item << " in " << text; }
          if (found) ++kept;
        }
      }
    }
  }
  EXPECT_GT(kept, 1000U);
  EXPECT_GT(ruled_out_by_classes, 1000U);
}

// A selection is made when it has been asked for often enough; all are forgotten when there is no more room, and made again.
TEST_F(Texts, SelectionsComeAndGo) {
  make(true, 100);
  const std::size_t after = filter_.selected_after();
  ASSERT_GT(after, 3U);
  MaskTable table;
  table.prepare(filter_);
  Bits asked(filter_.words());
  std::fill(asked.begin(), asked.end(), ~std::uint64_t{0});
  const ClassMask first = classes_of("abc");
  for (std::size_t i = 0; i < after; ++i) ASSERT_EQ(table.select(filter_, table.look_up(filter_, first, asked), 0), nullptr) << i;
  ASSERT_NE(table.select(filter_, table.look_up(filter_, first, asked), 0), nullptr);
  // A look at a long text is worth many.
  const ClassMask other = classes_of("{}");
  ASSERT_EQ(table.select(filter_, table.look_up(filter_, other, asked), 0), nullptr);
  ASSERT_NE(table.select(filter_, table.look_up(filter_, other, asked), 256 * after), nullptr);
  std::size_t made = 2;
  while (made < 1000 && table.look_up(filter_, first, asked).selection != nullptr) {
    // Letters, and any of thirty signs.
    const ClassMask mask = first | (static_cast<ClassMask>(made) * 2654435761U % (ClassMask{1} << 30) << 6);
    for (std::size_t i = 0; i <= after; ++i) static_cast<void>(table.select(filter_, table.look_up(filter_, mask, asked), 0));
    ++made;
  }
  EXPECT_GT(made, 5U);
  EXPECT_LT(made, 1000U);
  // Now there is room again.
  const Prefilter::Selection* again = nullptr;
  for (std::size_t i = 0; i <= after; ++i) again = table.select(filter_, table.look_up(filter_, first, asked), 0);
  ASSERT_NE(again, nullptr);
  Bits found(filter_.found_words());
  filter_.find_pieces("abcabcabcabc", first, true, again->pieces, found.data());
  Bits all(filter_.found_words());
  filter_.find_pieces("abcabcabcabc", first, true, nullptr, all.data());
  EXPECT_EQ(found, all);
}

// Verdicts of forms are made for masks that come again, and say what those of values say of items.
TEST_F(Texts, VerdictsOfFormsAreOfMasksThatComeAgain) {
  make(true, UINT_MAX);
  MaskTable values;
  MaskTable forms;
  values.prepare(filter_);
  forms.prepare(filter_, MaskTable::Of::Forms);
  Bits asked(filter_.words(), ~std::uint64_t{0});
  asked[0] = 0x5555555555555555;
  std::size_t again = 0;
  for (int i = 0; i < 5000; ++i) {
    const ClassMask mask = classes_of(value()) | (i % 3 == 0 ? random_() & classes::kAll : 0);
    Prefilter::Verdict* form = forms.look_up_again(filter_, mask, asked);
    again += form != nullptr ? 1 : 0;
    if (form == nullptr) form = forms.look_up_again(filter_, mask, asked);
    ASSERT_NE(form, nullptr);
    const Prefilter::Verdict& v = values.look_up(filter_, mask, asked);
    ASSERT_EQ(form->mask, mask);
    for (std::size_t w = 0; w < filter_.words(); ++w) {
      ASSERT_EQ(form->possible[w], v.possible[w]);
      ASSERT_EQ(form->free[w], v.free[w]);
      ASSERT_EQ(form->by_short[w], v.by_short[w]);
    }
    ASSERT_NE(forms.select(filter_, *form, 0), nullptr);
  }
  EXPECT_GT(again, 2000U);
  EXPECT_LT(again, 4500U);
}

TEST_F(Texts, WithoutThatThereAreNoSelections) {
  make(true, 0);
  MaskTable table;
  table.prepare(filter_);
  Bits asked(filter_.words(), ~std::uint64_t{0});
  for (int i = 0; i < 100000; ++i) ASSERT_EQ(table.select(filter_, table.look_up(filter_, classes_of("abc"), asked), 1000000), nullptr);
}

}  // namespace
}  // namespace weir::rules::testing
