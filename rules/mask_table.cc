#include "rules/mask_table.h"

#include <algorithm>
#include <new>

namespace weir::rules {

namespace {

// Room for selections: some times what all pieces take.
constexpr std::size_t kSelections = 4;
constexpr std::size_t kLeastRoom = std::size_t{256} << 10;
constexpr std::size_t kMostRoom = std::size_t{8} << 20;

}  // namespace

void MaskTable::prepare(const Prefilter& prefilter, Of of) {
  of_ = of;
  const std::size_t words = prefilter.words();
  const std::size_t chains = of == Of::Values ? prefilter.chains() : 0;
  const std::size_t each = sizeof(Prefilter::Verdict) + 3 * words * 8 + chains * sizeof(Prefilter::Verdict::Changed);
  std::size_t size = kMostVerdicts;
  while (size > 16 && size * each > kMostBytes)
    size /= 2;
  verdicts_.assign(size, {});
  second_.assign(size / 2, 0);
  asked_.assign(of == Of::Forms ? size / 2 : 0, 0);
  words_.assign((size * 3 + 1) * words, 0);
  changes_.assign(size * chains, {});
  for (std::size_t i = 0; i < size; ++i) {
    std::uint64_t* at = words_.data() + i * 3 * words;
    Prefilter::Verdict& v = verdicts_[i];
    v.possible = at;
    v.free = at + words;
    v.by_short = at + 2 * words;
    v.changed = changes_.data() + i * chains;
  }
  selected_after_ = prefilter.selected_after();
  if (selected_after_ == SIZE_MAX) return;
  // Pages of it that nobody needs are never touched.
  room_ = std::clamp(kSelections * prefilter.pieces().bytes(), kLeastRoom, kMostRoom);
  selections_ = std::make_unique_for_overwrite<std::byte[]>(room_);
  used_ = 0;
  chosen_.assign((prefilter.pieces().size() + 63) / 64, 0);
  chosen_possible_.assign(prefilter.found_words(), 0);
}

void MaskTable::make_selection(const Prefilter& prefilter, Prefilter::Verdict& verdict) {
  verdict.looks = 0;
  const std::size_t words = prefilter.found_words() * sizeof(std::uint64_t);
  std::fill(chosen_.begin(), chosen_.end(), std::uint64_t{0});
  prefilter.choose(verdict, chosen_.data(), chosen_possible_.data());
  prefilter.pieces().draft(chosen_.data(), bytes_of(verdict.mask), draft_);
  const std::size_t bytes = sizeof(Prefilter::Selection) + words + draft_.bytes();
  if (bytes > room_ / 2) return;  // others would have to go for it again and again
  if (bytes > room_ - used_) forget_selections();
  const auto take = [this](std::size_t n) {
    std::byte* const at = selections_.get() + used_;
    used_ += (n + 7) / 8 * 8;
    return at;
  };
  static_assert(sizeof(Prefilter::Selection) % 8 == 0);  // so that nothing is lost between the parts
  auto* const out = new (take(sizeof(Prefilter::Selection))) Prefilter::Selection;
  out->possible = reinterpret_cast<std::uint64_t*>(take(words));
  std::copy(chosen_possible_.begin(), chosen_possible_.end(), out->possible);
  prefilter.pieces().select(draft_, take(draft_.bytes()), out->pieces);
  verdict.selection = out;
}

void MaskTable::forget_selections() {
  for (Prefilter::Verdict& v : verdicts_) v.selection = nullptr;
  used_ = 0;
}

Prefilter::Verdict* MaskTable::find(std::uint64_t hash, ClassMask mask, const Prefilter::Wanted& wanted) {
  const std::size_t set = set_of(hash);
  Prefilter::Verdict* const two = verdicts_.data() + 2 * set;
  for (const std::uint8_t i : {std::uint8_t{0}, std::uint8_t{1}}) {
    if (two[i].mask != mask || two[i].wanted != &wanted) continue;
    second_.data()[set] = i;
    return &two[i];
  }
  return nullptr;
}

Prefilter::Verdict& MaskTable::add(std::uint64_t hash, const Prefilter& prefilter, ClassMask mask, const Prefilter::Wanted& wanted) {
  const std::size_t set = set_of(hash);
  std::uint8_t& second = second_.data()[set];
  second ^= 1U;
  Prefilter::Verdict& v = verdicts_[2 * set + second];
  if (of_ == Of::Forms) {
    prefilter.judge_items(mask, wanted, v);
  } else {
    prefilter.judge(mask, wanted, v, words_.data() + verdicts_.size() * 3 * prefilter.words());
  }
  return v;
}

Prefilter::Verdict* MaskTable::look_up_again(const Prefilter& prefilter, ClassMask mask, const Prefilter::Wanted& wanted) {
  const std::uint64_t hash = hash_of(mask, wanted);
  if (Prefilter::Verdict* const known = find(hash, mask, wanted); known != nullptr) return known;
  std::uint16_t& asked = asked_.data()[set_of(hash)];
  const auto now = static_cast<std::uint16_t>(hash >> 16);
  if (asked == now) return &add(hash, prefilter, mask, wanted);
  asked = now;
  return nullptr;
}

}  // namespace weir::rules
