// Which rules matched in a transaction, in order. Most matches are those of rules that are foregone (foregone.h), the same
// in every transaction, and of most transactions nobody asks which they were: they are not copied, but spoken of
// where they lie, until somebody does.
//
// Owned by one transaction and used by one thread at a time, all() included. clear() keeps the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "rules/transaction.h"

namespace weir::rules {

class MatchLog {
 public:
  // Matches that come about in every transaction. They outlive the log's content.
  struct Foregone {
    std::span<const Match> matches;
    const std::uint8_t* of_client = nullptr;  // for each: its value is the client's address
    bool logged = false, audited = false;  // may any of them be?
  };

  void clear();
  [[nodiscard]] std::size_t size() const { return size_; }
  void add(const Match& match);
  void add(const Foregone& foregone);
  // Forgets all but the first `size`.
  void truncate(std::size_t size);

  // False: none of them is to be logged, or is relevant for the audit log.
  [[nodiscard]] bool may_be_logged() const { return logged_; }
  [[nodiscard]] bool may_be_audited() const { return audited_; }
  // All of them; valid until something is added or forgotten. `client`: the client's address.
  [[nodiscard]] std::span<const Match> all(std::string_view client) const;

  // How many it keeps memory for, and how much that is.
  [[nodiscard]] std::size_t capacity() const { return own_.capacity() + list_.capacity(); }
  [[nodiscard]] std::size_t memory() const { return capacity() * sizeof(Match) + runs_.capacity() * sizeof(Run); }

 private:
  // Matches that follow each other.
  struct Run {
    const Match* foregone = nullptr;  // null: they are own_'s
    const std::uint8_t* of_client = nullptr;
    std::size_t count = 0;
  };
  std::vector<Run> runs_;
  std::vector<Match> own_;
  std::size_t size_ = 0;
  bool logged_ = false, audited_ = false;
  mutable std::vector<Match> list_;  // what all() made, ...
  mutable bool listed_ = false;      // ... unless something has changed since
};

}  // namespace weir::rules
