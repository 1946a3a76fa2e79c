// Values that recur from one transaction to the next: host names, user agents, names of fields. What
// the filter said of one, and what the operators said that looked at it since, is remembered by one
// worker, for the same bytes read by the same rules. It says which operators do not match, and
// nothing else.
//
// Nobody can poison it: an entry is used only for exactly its bytes (they are compared), and what it
// says follows from them alone. Somebody can push entries out, which costs time only. Fixed size;
// nothing is allocated after prepare(). One for each worker and rule set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::rules {

class ValueCache {
 public:
  static constexpr std::size_t kMostWords = 256;  // filters with more items than fit are not served
  static constexpr std::size_t kLongest = 192;   // bytes of a value

  struct Entry {
    std::uint64_t hash = 0;
    const std::uint64_t* wanted = nullptr;  // null: the entry is free
    std::uint32_t length = 0;
    std::uint32_t added = 0;  // which addition it is of: tells whether it still is what it was
    std::uint64_t used = 0;
    bool none = false;        // no item is left
    std::uint64_t* hits = nullptr;  // as many words as prepare() was told
    std::array<char, kLongest> text;  // NOLINT: filled as far as `length` says
  };

  // Values of arguments and cookies, of which there may be thousands in a request, do not push out
  // what stands in the head of most.
  enum class Kind : std::uint8_t { Head, Argument };

  // Forgets everything; `use`: whether anything is to be remembered from now on, `words`: the most that any
  // filter has. Entries stay where they are: transactions under way still hold pointers to them, and see from
  // `added` what became of them.
  void prepare(bool use, std::size_t words);
  // Is a filter with so many words served?
  [[nodiscard]] bool serves(std::size_t words) const { return in_use_ && words <= words_; }

  // What is asked for: a text and the items in `wanted` (a filter's, whose address stands for filter and items).
  struct Key {
    Key(std::string_view t, const std::uint64_t* w, Kind k) : text(t), wanted(w), kind(k), hash(hash_of(t, w)) {}
    std::string_view text;
    const std::uint64_t* wanted;
    Kind kind;
    std::uint64_t hash;
  };
  // What is known of it; null: nothing.
  [[nodiscard]] Entry* find(const Key& key);
  // Has the same been asked before, a while ago at most? Most values never come again, and are not worth remembering.
  // (What this says decides about time alone.)
  [[nodiscard]] bool recurs(const Key& key) {
    std::uint16_t& last = asked_.data()[(key.hash >> 40) % kAsked];
    const auto now = tag_of(key.hash);
    const bool again = last == now;
    last = now;
    return again;
  }
  // Remembers it; `words` of hits. REQUIRES: key.text.size() <= kLongest, serves(words).
  Entry& add(const Key& key, const std::uint64_t* hits, std::size_t words);

 private:
  static constexpr std::size_t kSets = 256;  // of each kind
  static constexpr std::size_t kWays = 2;
  static constexpr std::size_t kAsked = 4096;
  static std::uint64_t hash_of(std::string_view text, const std::uint64_t* wanted);
  // The first entry of the set.
  [[nodiscard]] static std::size_t set_of(std::uint64_t hash, Kind kind) {
    return ((kind == Kind::Head ? 0 : kSets) + (hash >> 32) % kSets) * kWays;
  }
  static std::uint16_t tag_of(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 16); }

  std::vector<Entry> entries_;
  std::vector<std::uint16_t> tags_;  // of each entry's hash: most of what is not there is told by these, which lie close together
  std::vector<std::uint64_t> hits_;  // of all entries
  std::vector<std::uint16_t> asked_;  // a part of the hash of what was asked last, by another
  std::size_t words_ = 0;            // of each
  bool in_use_ = false;
  std::uint64_t clock_ = 0;
  std::uint32_t additions_ = 0;
};

}  // namespace weir::rules
