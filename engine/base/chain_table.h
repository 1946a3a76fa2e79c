// ChainTable: an index from a keyed hash to 32-bit record numbers, by chains that run through the records.
//
// Four bytes for each record that there may be, and the four that a record spends on its link: as dense an index as
// there is. (FlatTable takes 16 to 32, and a search in it stays in its own memory.) It holds neither keys nor hashes:
// the caller compares the whole key of the record it names, so the hash is never an identity. Use a keyed hash
// (engine/base/siphash.h) where an attacker chooses keys: then chains are as long as chance makes them, one record on
// the average of a full table.
//
// Of several records with equal keys find() answers the one inserted last. Nothing is allocated after construction.
// Not thread-safe; one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/base/pool.h"

namespace weir::base {

// LinkOf: a callable (std::uint32_t record) -> std::uint32_t&, the link that a record keeps for the table.
template <class LinkOf>
class ChainTable {
 public:
  // For about `most` records, of which none is kNone.
  ChainTable(LinkOf link_of, std::size_t most) : link_of_(link_of), heads_(most == 0 ? 1 : most, kNone) {}

  // The record for which `same(record)` holds among those inserted under `hash`, or kNone.
  template <class Same>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, Same&& same) const {
    std::uint32_t record = heads_[place(hash)];
    while (record != kNone && !same(record)) record = link_of_(record);
    return record;
  }

  void insert(std::uint32_t hash, std::uint32_t record) {
    std::uint32_t& head = heads_[place(hash)];
    link_of_(record) = head;
    head = record;
  }

  // Names another record where `from` was named. false if `from` is not there.
  bool replace(std::uint32_t hash, std::uint32_t from, std::uint32_t to) {
    std::uint32_t* const at = locate(hash, from);
    if (at == nullptr) return false;
    link_of_(to) = link_of_(from);
    *at = to;
    return true;
  }

  bool erase(std::uint32_t hash, std::uint32_t record) {
    std::uint32_t* const at = locate(hash, record);
    if (at == nullptr) return false;
    *at = link_of_(record);
    return true;
  }

  [[nodiscard]] std::size_t memory() const { return heads_.size() * sizeof(std::uint32_t); }

 private:
  [[nodiscard]] std::size_t place(std::uint32_t hash) const {
    return static_cast<std::size_t>((std::uint64_t{hash} * heads_.size()) >> 32U);
  }
  // What names `record`, or null.
  [[nodiscard]] std::uint32_t* locate(std::uint32_t hash, std::uint32_t record) {
    std::uint32_t* at = &heads_[place(hash)];
    while (*at != record) {
      if (*at == kNone) return nullptr;
      at = &link_of_(*at);
    }
    return at;
  }

  LinkOf link_of_;
  std::vector<std::uint32_t, HugePageAllocator<std::uint32_t>> heads_;  // written to its end at once, then looked at anywhere
};

}  // namespace weir::base
