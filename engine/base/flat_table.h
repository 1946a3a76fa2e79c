// FlatTable: an index from a keyed hash to a 32-bit record number, by open addressing.
//
// It holds no keys: the caller compares the whole key of the record it names, so the hash is never an
// identity. Use a keyed hash (engine/base/siphash.h) where an attacker chooses keys. Linear probing with
// backward-shift deletion: no tombstones, no rehashing, no allocation after construction.
//
// Several records with equal keys may coexist; find() answers the one inserted first.
// Not thread-safe; one owner.
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/base/pool.h"

namespace weir::base {

class FlatTable {
 public:
  // Room for `most` records; the table is kept at most half full. most <= 2^30.
  explicit FlatTable(std::size_t most)
      : cells_(std::bit_ceil(most < 4 ? std::size_t{8} : most * 2)), most_(most) {
    mask_ = static_cast<std::uint32_t>(cells_.size() - 1);
  }

  // The record for which `same(record)` holds among those inserted under `hash`, or kNone.
  template <class Same>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, Same&& same) const {
    for (std::uint32_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Cell& cell = cells_[i];
      if (cell.record == kNone) return kNone;
      if (cell.hash == hash && same(cell.record)) return cell.record;
    }
  }

  // false when the table is full.
  [[nodiscard]] bool insert(std::uint32_t hash, std::uint32_t record) {
    assert(record != kNone);
    if (size_ >= most_) return false;
    std::uint32_t i = hash & mask_;
    while (cells_[i].record != kNone) i = (i + 1) & mask_;
    cells_[i] = {hash, record};
    ++size_;
    return true;
  }

  // Names another record where `from` was named. false if `from` is not there.
  bool replace(std::uint32_t hash, std::uint32_t from, std::uint32_t to) {
    const std::uint32_t i = locate(hash, from);
    if (i == kNone) return false;
    cells_[i].record = to;
    return true;
  }

  bool erase(std::uint32_t hash, std::uint32_t record) {
    std::uint32_t hole = locate(hash, record);
    if (hole == kNone) return false;
    for (std::uint32_t i = (hole + 1) & mask_; cells_[i].record != kNone; i = (i + 1) & mask_) {
      // A cell may move back into the hole unless its home lies cyclically after the hole.
      const std::uint32_t home = cells_[i].hash & mask_;
      if (((i - home) & mask_) >= ((i - hole) & mask_)) {
        cells_[hole] = cells_[i];
        hole = i;
      }
    }
    cells_[hole] = {};
    --size_;
    return true;
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return most_; }
  [[nodiscard]] std::size_t memory() const { return cells_.size() * sizeof(Cell); }

 private:
  struct Cell {
    std::uint32_t hash = 0;
    std::uint32_t record = kNone;
  };

  [[nodiscard]] std::uint32_t locate(std::uint32_t hash, std::uint32_t record) const {
    for (std::uint32_t i = hash & mask_;; i = (i + 1) & mask_) {
      if (cells_[i].record == kNone) return kNone;
      if (cells_[i].record == record) return i;
    }
  }

  std::vector<Cell, HugePageAllocator<Cell>> cells_;  // written to its end at once, then looked at anywhere
  std::uint32_t mask_ = 0;
  std::size_t size_ = 0;
  std::size_t most_;
};

}  // namespace weir::base
