#include "rules/value_cache.h"

#include <cstring>

#include "rules/bits.h"

namespace weir::rules {

void ValueCache::prepare(bool use, std::size_t words) {
  in_use_ = use && words <= kMostWords;
  if (!in_use_) return;
  words_ = words;
  entries_.assign(2 * kSets * kWays, Entry{});
  tags_.assign(entries_.size(), 0);
  asked_.assign(kAsked, 0);
  hits_.assign(entries_.size() * words, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i)
    entries_[i].hits = hits_.data() + i * words;
}

namespace {

// REQUIRES: so many bytes from `at` on.
template <class Word>
Word word_at(std::string_view text, std::size_t at) {
  Word w;
  std::memcpy(&w, text.data() + at, sizeof w);
  return w;
}

}  // namespace

std::uint64_t ValueCache::hash_of(std::string_view text, const std::uint64_t* wanted) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15ULL;
  constexpr std::size_t kWord = 8;
  std::uint64_t h = (reinterpret_cast<std::uintptr_t>(wanted) >> 3) * kMix + text.size();
  const auto take = [&](std::uint64_t word) {
    h = (h ^ word) * kMix;
    h ^= h >> 29;
  };
  const std::size_t n = text.size();
  if (n >= kWord) {
    for (std::size_t i = 0; i + kWord < n; i += kWord) take(word_at<std::uint64_t>(text, i));
    take(word_at<std::uint64_t>(text, n - kWord));
  } else if (n >= kWord / 2) {
    take(std::uint64_t{word_at<std::uint32_t>(text, 0)} << 32 | word_at<std::uint32_t>(text, n - kWord / 2));
  } else if (n > 0) {
    const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<std::uint8_t>(text[i])}; };
    take(byte(0) << 16 | byte(n / 2) << 8 | byte(n - 1));
  }
  return h * kMix;
}

ValueCache::Entry* ValueCache::find(const Key& key) {
  const std::size_t first = set_of(key.hash, key.kind);
  for (std::size_t i = first; i < first + kWays; ++i) {
    if (tags_.data()[i] != tag_of(key.hash)) continue;
    Entry& e = entries_.data()[i];
    if (e.hash == key.hash && e.wanted == key.wanted && e.length == key.text.size() &&
        (e.length == 0 || std::memcmp(e.text.data(), key.text.data(), e.length) == 0)) {
      e.used = ++clock_;
      return &e;
    }
  }
  return nullptr;
}

ValueCache::Entry& ValueCache::add(const Key& key, const std::uint64_t* hits, std::size_t words) {
  static_assert(kWays == 2);
  std::size_t at = set_of(key.hash, key.kind);
  if (entries_[at + 1].used < entries_[at].used) ++at;
  Entry& e = entries_[at];
  tags_[at] = tag_of(key.hash);
  e.hash = key.hash;
  e.wanted = key.wanted;
  e.length = static_cast<std::uint32_t>(key.text.size());
  e.added = ++additions_;
  e.used = ++clock_;
  e.none = none_of(hits, words);
  if (!e.none) std::memcpy(e.hits, hits, words * sizeof(*hits));
  if (!key.text.empty()) std::memcpy(e.text.data(), key.text.data(), key.text.size());
  return e;
}

}  // namespace weir::rules
