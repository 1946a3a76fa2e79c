#include "engine/base/arena.h"

#include <algorithm>

namespace weir::base {

char* Arena::allocate_slow(std::size_t n) {
  // Blocks kept from earlier transactions come first; those too small for n are stepped over.
  const std::size_t next = blocks_.empty() ? 0 : current_ + 1;
  for (std::size_t i = next; i < blocks_.size(); ++i) {
    if (blocks_[i].size >= n) {
      std::swap(blocks_[next], blocks_[i]);
      current_ = next;
      used_ = n;
      return blocks_[current_].bytes.get();
    }
  }
  const std::size_t size = std::max(n, block_size_);
  if (size > limit_ || reserved_ > limit_ - size) {
    exhausted_ = true;
    return nullptr;
  }
  // new char[] is aligned for every fundamental type, hence the 16 of allocate()'s contract.
  blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(next),
                 Block{std::unique_ptr<char[]>(new char[size]), size});
  reserved_ += size;
  current_ = next;
  used_ = n;
  return blocks_[current_].bytes.get();
}

void Arena::reset() {
  // One oversized transaction must not pin its memory for ever.
  std::erase_if(blocks_, [this](const Block& b) {
    if (b.size <= block_size_) return false;
    reserved_ -= b.size;
    return true;
  });
  current_ = 0;
  used_ = 0;
  exhausted_ = false;
}

}  // namespace weir::base
