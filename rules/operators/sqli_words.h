// The words that libinjection knows, read from the table in its own object (rules/libinjection.cmake): about a thousand
// words of SQL and eight thousand fingerprints, which it searches by halves, byte by byte. Here a word that it does not
// know costs a few instructions.
//
// Made once, when first asked for; then never changed, and shared by all threads.
// Held to libinjection's own look-up word by word: tests/unit/rules_match/sqli_filter_test.cc.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "engine/base/octets.h"

namespace weir::rules::operators {

// libinjection's types of tokens, but for those that its table and ordinary text do not give (strings, comments, …).
enum class TokenType : std::uint8_t {
  None,
  Bare,
  Number,
  Keyword,
  Function,
  Operator,
  Logic,
  Expression,
  Union,
  Group,
  SqlType,
  Tsql,
  Variable,
  Collate,
  Comma,
  Colon,
  Semicolon,
  Dot,
  Unknown,
  Open,   // (
  Close,  // )
};
constexpr std::size_t kTokenTypes = 21;
// The letter that stands for each in a fingerprint.
inline constexpr std::array<char, kTokenTypes + 1> kTokenLetters = {"\0n1kfo&EUBtTvA,:;.?()"};

// A set of types.
constexpr std::uint32_t types(TokenType t) {
  return std::uint32_t{1} << static_cast<unsigned>(t);
}
template <typename... Types>
constexpr std::uint32_t types(TokenType t, Types... more) {
  return types(t) | types(more...);
}

struct SqlWord {
  static constexpr std::size_t kLongest = 31;  // bytes; longer words are never keywords

  // What is special about a word where words are put together.
  using Marks = std::uint16_t;
  static constexpr Marks kBegins = 1;   // with a word behind it, it may be a phrase of the table
  static constexpr Marks kGoesOn = 2;   // behind another, it may be part of one
  static constexpr Marks kDots = 4;     // the same with a dot and a word behind it
  static constexpr Marks kUnary = 8;    // NOT, and the signs + - ! ~
  static constexpr Marks kIn = 16;      // IN, NOT IN
  static constexpr Marks kLike = 32;    // LIKE, NOT LIKE
  static constexpr Marks kCast = 64;    // ::
  static constexpr Marks kNames = 128;  // a function where a parenthesis follows
  static constexpr Marks kUser = 256;   // USER, one of these

  std::string_view text;  // in capitals
  TokenType type = TokenType::None;  // None: no keyword, but begins one
  Marks marks = 0;

  [[nodiscard]] bool is_keyword() const { return type != TokenType::None; }
};

class SqlWords {
 public:
  [[nodiscard]] static const SqlWords& instance();

  // The word, in whatever case, or null. REQUIRES: letters, digits, '_', '.', '$', bytes above ASCII; blanks between.
  [[nodiscard]] const SqlWord* find(std::string_view word) const;
  // The operator that two signs are, or None.
  [[nodiscard]] TokenType signs(char first, char second) const;
  // The types of up to five tokens, as one number; types that fingerprints do not tell apart are one.
  [[nodiscard]] static constexpr std::uint32_t packed(std::uint32_t before, TokenType type) {
    return before << 5 | static_cast<std::uint32_t>(type == TokenType::Tsql ? TokenType::SqlType : type);
  }
  // Is that a fingerprint of SQL injection?
  [[nodiscard]] bool is_fingerprint(std::uint32_t packed) const;

 private:
  // A word's first and last eight bytes, without regard to case.
  struct Ends {
    std::uint64_t first = 0, last = 0;
    bool operator==(const Ends&) const = default;
  };
  struct Entry {
    Ends ends;
    SqlWord word;
  };
  SqlWords();
  void add(std::string_view word, TokenType type);
  void add_fingerprint(std::string_view letters);
  void mark(std::string_view word, SqlWord::Marks marks);
  static Ends ends_of(std::string_view word);
  static std::uint64_t hash_of(const Ends& ends);
  // Where to begin to look, and what of the hash is kept there.
  static std::size_t place_of(std::uint64_t hash) { return hash >> (64 - kSlotBits); }
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) & kMostTags; }
  static std::size_t place_of_fingerprint(std::uint32_t packed) {
    constexpr std::uint32_t kMix = 0x9e3779b1U;
    return (packed * kMix) >> (32 - kFingerprintBits);
  }
  [[nodiscard]] std::size_t number_of(std::string_view word) const;  // of an entry, from 1 on; 0: none
  [[nodiscard]] static bool same(std::string_view a, std::string_view b);

  static constexpr unsigned kSlotBits = 12;  // four times as many as there are words
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr unsigned kFingerprintBits = 14;  // twice as many as there are fingerprints
  static constexpr std::size_t kFingerprints = std::size_t{1} << kFingerprintBits;
  static constexpr unsigned kNumber = 16;  // bits for an entry's number
  static constexpr std::uint32_t kMostWords = (1U << kNumber) - 1;
  static constexpr std::uint32_t kMostTags = (1U << (32 - kNumber)) - 1;
  static constexpr std::size_t kInEnds = 16;  // bytes that Ends hold
  static constexpr std::size_t kSigns = 96;   // from ' ' on
  std::vector<Entry> entries_;
  std::array<std::uint32_t, kSlots> slots_{};  // a tag and the number of an entry; 0: none
  std::array<std::uint32_t, kFingerprints> fingerprints_{};
  std::array<TokenType, kSigns * kSigns> signs_{};
};

inline SqlWords::Ends SqlWords::ends_of(std::string_view word) {
  // Of the bytes that words hold only letters of different case become one.
  constexpr std::uint64_t kSmall = 0x2020202020202020ULL;
  const char* const p = word.data();
  const std::size_t n = word.size();
  if (n <= 8) return {base::up_to_eight(p, n) | kSmall, 0};
  return {base::up_to_eight(p, 8) | kSmall, base::up_to_eight(p + n - 8, 8) | kSmall};
}

inline std::uint64_t SqlWords::hash_of(const Ends& ends) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15ULL;
  return (ends.first ^ std::rotl(ends.last, 29)) * kMix;
}

inline std::size_t SqlWords::number_of(std::string_view word) const {
  const Ends ends = ends_of(word);
  const std::uint64_t h = hash_of(ends);
  for (std::size_t i = place_of(h);; i = (i + 1) % kSlots) {
    const std::uint32_t slot = slots_[i];
    if (slot == 0) return 0;
    if (slot >> kNumber != tag_of(h)) continue;
    const std::size_t number = slot & kMostWords;
    const Entry& e = entries_[number - 1];
    if (e.ends == ends && e.word.text.size() == word.size() && (word.size() <= kInEnds || same(e.word.text, word))) {
      return number;
    }
  }
}

inline const SqlWord* SqlWords::find(std::string_view word) const {
  if (word.size() > SqlWord::kLongest) return nullptr;
  const std::size_t number = number_of(word);
  return number == 0 ? nullptr : &entries_[number - 1].word;
}

inline TokenType SqlWords::signs(char first, char second) const {
  const auto a = static_cast<unsigned>(static_cast<std::uint8_t>(first)) - ' ';
  const auto b = static_cast<unsigned>(static_cast<std::uint8_t>(second)) - ' ';
  return a < kSigns && b < kSigns ? signs_[a * kSigns + b] : TokenType::None;
}

inline bool SqlWords::is_fingerprint(std::uint32_t packed) const {
  if (packed == 0) return false;
  for (std::size_t i = place_of_fingerprint(packed);; i = (i + 1) % kFingerprints) {
    if (fingerprints_[i] == packed) return true;
    if (fingerprints_[i] == 0) return false;
  }
}

}  // namespace weir::rules::operators
