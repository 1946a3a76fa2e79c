#include "rules/value_cache.h"

#include <algorithm>
#include <cstring>

namespace weir::rules {

void ValueCache::prepare(bool use, std::size_t words) {
  in_use_ = use && words <= kMostWords;
  if (!in_use_) return;
  words_ = words;
  entries_.assign(2 * kSets * kWays, Entry{});
  hits_.assign(entries_.size() * words, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i)
    entries_[i].hits = hits_.data() + i * words;
}

std::uint64_t ValueCache::hash_of(std::string_view text, const std::uint64_t* wanted) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15ULL;
  constexpr std::size_t kWord = 8;
  std::uint64_t h = (reinterpret_cast<std::uintptr_t>(wanted) >> 3) * kMix + text.size();
  const auto take = [&](std::size_t at, std::size_t n) {
    std::uint64_t w = 0;
    std::memcpy(&w, text.data() + at, n);
    h = (h ^ w) * kMix;
    h ^= h >> 29;
  };
  std::size_t i = 0;
  for (; i + kWord <= text.size(); i += kWord)
    take(i, kWord);
  if (i < text.size() && text.size() >= kWord) {
    take(text.size() - kWord, kWord);
  } else {
    for (; i < text.size(); ++i)
      take(i, 1);
  }
  return h * kMix;
}

ValueCache::Entry* ValueCache::find(const Key& key) {
  Entry* const set = set_of(key.hash, key.kind);
  for (std::size_t i = 0; i < kWays; ++i) {
    Entry& e = set[i];
    if (e.hash == key.hash && e.wanted == key.wanted && e.length == key.text.size() &&
        std::string_view(e.text.data(), e.length) == key.text) {
      e.used = ++clock_;
      return &e;
    }
  }
  return nullptr;
}

ValueCache::Entry& ValueCache::add(const Key& key, const std::uint64_t* hits, std::size_t words) {
  Entry* const set = set_of(key.hash, key.kind);
  Entry& e = *std::min_element(set, set + kWays,
                               [](const Entry& a, const Entry& b) { return a.used < b.used; });
  e.hash = key.hash;
  e.wanted = key.wanted;
  e.length = static_cast<std::uint32_t>(key.text.size());
  e.added = ++additions_;
  e.used = ++clock_;
  e.none = std::all_of(hits, hits + words, [](std::uint64_t w) { return w == 0; });
  std::copy_n(hits, words, e.hits);
  if (!key.text.empty()) std::memcpy(e.text.data(), key.text.data(), key.text.size());
  return e;
}

}  // namespace weir::rules
