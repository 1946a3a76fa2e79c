// The verdicts of one worker (prefilter.h), by classes of bytes and what is wanted, kept while they are in use: few masks
// make up most of the traffic. Of those that are asked most the pieces are laid out by themselves, too. One table is for
// values as they are, one for what chains make of them.
//
// What it answers never depends on what it holds, but for items that are ruled out sooner or later. Of fixed size; nothing
// is allocated after prepare(). What a selection costs to make is paid for by the looks that it takes to have it made,
// whatever a client sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rules/bits.h"
#include "rules/prefilter.h"

namespace weir::rules {

class MaskTable {
 public:
  enum class Of : std::uint8_t { Values, Forms };  // verdicts of forms say nothing of chains
  void prepare(const Prefilter& prefilter, Of of = Of::Values);
  [[nodiscard]] bool prepared() const { return !verdicts_.empty(); }
  // Valid until the next call.
  Prefilter::Verdict& look_up(const Prefilter& prefilter, ClassMask mask, const Prefilter::Wanted& wanted) {
    const std::uint64_t hash = hash_of(mask, wanted);
    Prefilter::Verdict* const known = find(hash, mask, wanted);
    return known != nullptr ? *known : add(hash, prefilter, mask, wanted);
  }
  // The same for masks that come again: null where this one has not been asked for lately. (What base64Decode makes of text has ever
  // other classes.)
  Prefilter::Verdict* look_up_again(const Prefilter& prefilter, ClassMask mask, const Prefilter::Wanted& wanted);
  // The selection of a verdict, which look_up() said last, for a look at so many bytes; null: it has none yet. Valid until the next
  // call.
  const Prefilter::Selection* select(const Prefilter& prefilter, Prefilter::Verdict& verdict, std::size_t bytes) {
    if (verdict.selection != nullptr) return verdict.selection;
    // A look at more bytes than these is worth several.
    constexpr std::size_t kBytesOfLook = 256;
    verdict.looks += 1 + bytes / kBytesOfLook;
    if (verdict.looks > selected_after_) make_selection(prefilter, verdict);
    return verdict.selection;
  }

 private:
  Prefilter::Verdict* find(std::uint64_t hash, ClassMask mask, const Prefilter::Wanted& wanted);
  Prefilter::Verdict& add(std::uint64_t hash, const Prefilter& prefilter, ClassMask mask, const Prefilter::Wanted& wanted);
  // Where it lies stands for what is wanted: a filter's stay where they are.
  static std::uint64_t hash_of(ClassMask mask, const Prefilter::Wanted& wanted) {
    std::uint64_t h = (mask ^ reinterpret_cast<std::uintptr_t>(&wanted) << 41) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 32;
    return h * 0xd6e8feb86659fd93ULL;
  }
  [[nodiscard]] std::size_t set_of(std::uint64_t hash) const { return (hash >> 40) & (verdicts_.size() / 2 - 1); }
  void make_selection(const Prefilter& prefilter, Prefilter::Verdict& verdict);
  void forget_selections();

  static constexpr std::size_t kMostVerdicts = 1024;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  Of of_ = Of::Values;
  std::vector<Prefilter::Verdict> verdicts_;  // in sets of two; those that are free want nothing
  std::vector<std::uint8_t> second_;  // by set: 1 if the second was used last, else 0
  std::vector<std::uint16_t> asked_;  // by set: a part of the hash of what was asked for last and was not there
  std::vector<std::uint64_t> words_;  // of the verdicts, and scratch
  std::vector<Prefilter::Verdict::Changed> changes_;
  std::size_t selected_after_ = SIZE_MAX;
  std::unique_ptr<std::byte[]> selections_;  // one after the other; when it is full, all are forgotten
  std::size_t room_ = 0, used_ = 0;          // bytes of it
  Bits chosen_, chosen_possible_;            // scratch: pieces, the items of Prefilter::Selection, ...
  PieceScanner::Draft draft_;                // ... and what is laid out
};

}  // namespace weir::rules
