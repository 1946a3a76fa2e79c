// What pieces of text say of items that need several of them, against the definition (requirement.h).

#include "rules/prefilter.h"

#include <gtest/gtest.h>

#include <random>

namespace weir::rules::testing {
namespace {

class Texts : public ::testing::Test {
 protected:
  // A filter of items that need nothing but texts, some of which need not be there where certain signs are.
  void make(bool all_texts) {
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

}  // namespace
}  // namespace weir::rules::testing
