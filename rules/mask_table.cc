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
}

void MaskTable::make_selection(const Prefilter& prefilter, Prefilter::Verdict& verdict) {
  const auto take = [this](std::size_t bytes) {
    std::byte* const at = selections_.get() + used_;
    used_ += (bytes + 7) / 8 * 8;
    return at;
  };
  verdict.asked = 0;
  std::fill(chosen_.begin(), chosen_.end(), std::uint64_t{0});
  const std::size_t words = prefilter.found_words() * sizeof(std::uint64_t);
  if (room_ - used_ < sizeof(Prefilter::Selection) + words) forget_selections();
  const std::size_t before = used_;
  auto* const out = new (take(sizeof(Prefilter::Selection))) Prefilter::Selection;
  out->possible = reinterpret_cast<std::uint64_t*>(take(words));
  prefilter.choose(verdict, chosen_.data(), out->possible);
  prefilter.pieces().draft(chosen_.data(), bytes_of(verdict.mask), draft_);
  const std::size_t bytes = draft_.bytes();
  if (bytes > room_ - used_) {
    used_ = before;
    // Another time, when there is room.
    if (bytes < room_ / 2) forget_selections();
    return;
  }
  prefilter.pieces().select(draft_, take(bytes), out->pieces);
  verdict.selection = out;
}

void MaskTable::forget_selections() {
  for (Prefilter::Verdict& v : verdicts_) v.selection = nullptr;
  used_ = 0;
}

Prefilter::Verdict& MaskTable::look_up(const Prefilter& prefilter, ClassMask mask,
                                              const Prefilter::Wanted& wanted) {
  // Where it lies stands for what it says: a filter's stay where they are.
  std::uint64_t h = (mask ^ reinterpret_cast<std::uintptr_t>(&wanted) << 41) * 0x9e3779b97f4a7c15ULL;
  h ^= h >> 32;
  const std::size_t set =
      static_cast<std::size_t>(h * 0xd6e8feb86659fd93ULL >> 40) & (verdicts_.size() / 2 - 1);
  Prefilter::Verdict* const two = verdicts_.data() + 2 * set;
  std::uint8_t& second = second_.data()[set];
  for (const std::uint8_t i : {std::uint8_t{0}, std::uint8_t{1}}) {
    if (two[i].mask != mask || two[i].wanted != &wanted) continue;
    second = i;
    return two[i];
  }
  second ^= 1U;
  Prefilter::Verdict& v = two[second];
  if (of_ == Of::Forms) {
    prefilter.judge_items(mask, wanted, v);
  } else {
    prefilter.judge(mask, wanted, v, words_.data() + verdicts_.size() * 3 * prefilter.words());
  }
  return v;
}

}  // namespace weir::rules
