#include "rules/operators/sqli_words.h"

#include <memory>

#include "rules/ascii.h"

// libinjection's table, a name of rules/libinjection.cmake's; that also tells how long it is.
struct LibinjectionKeyword {
  const char* word;  // in capitals
  char type;
};
extern "C" const LibinjectionKeyword weir_libinjection_keywords[];

namespace weir::rules::operators {

namespace {

constexpr std::size_t kKeywords = WEIR_LIBINJECTION_KEYWORDS_BYTES / sizeof(LibinjectionKeyword);
static_assert(WEIR_LIBINJECTION_KEYWORDS_BYTES % sizeof(LibinjectionKeyword) == 0);
constexpr char kFingerprint = 'F';

using Types = std::array<TokenType, 256>;

constexpr Types kTypeOf = [] {
  Types out{};
  for (std::size_t t = 1; t < kTokenTypes; ++t) {
    out[static_cast<std::uint8_t>(kTokenLetters[t])] = static_cast<TokenType>(t);
  }
  return out;
}();

// In the table's fingerprints all letters are capitals.
constexpr Types kTypeOfCapital = [] {
  Types out = kTypeOf;
  for (unsigned c = 'A'; c <= 'Z'; ++c) {
    if (kTypeOf[c + ('a' - 'A')] != TokenType::None) out[c] = kTypeOf[c + ('a' - 'A')];
  }
  return out;
}();

}  // namespace

const SqlWords& SqlWords::instance() {
  static const std::unique_ptr<const SqlWords> words(new SqlWords());
  return *words;
}

SqlWords::SqlWords() {
  constexpr std::size_t kAbout = 1200;
  entries_.reserve(kAbout);
  for (std::size_t i = 0; i < kKeywords; ++i) {
    const LibinjectionKeyword& k = weir_libinjection_keywords[i];
    if (k.type == kFingerprint) {
      add_fingerprint(k.word + 1);
      continue;
    }
    const std::string_view word(k.word);
    const TokenType type = kTypeOf[static_cast<std::uint8_t>(k.type)];
    if (word.size() == 2) {
      const auto at = [&](std::size_t c) { return static_cast<std::size_t>(static_cast<std::uint8_t>(word[c])) - ' '; };
      signs_[at(0) * kSigns + at(1)] = type;
    }
    add(word, type);
  }
  // A phrase's beginnings need not be words of the table themselves.
  const std::size_t words = entries_.size();
  for (std::size_t i = 0; i < words; ++i) {
    const std::string_view text = entries_[i].word.text;
    for (std::size_t blank = text.find(' '); blank != std::string_view::npos; blank = text.find(' ', blank + 1)) {
      mark(text.substr(0, blank), SqlWord::kBegins);
      const std::string_view rest = text.substr(blank + 1);
      mark(rest.substr(0, rest.find(' ')), SqlWord::kGoesOn);
    }
    const std::size_t dot = text.find('.');
    if (dot != std::string_view::npos) mark(text.substr(0, dot), SqlWord::kDots);
  }
  mark("NOT", SqlWord::kUnary);
  for (const char* word : {"IN", "NOT IN"}) mark(word, SqlWord::kIn);
  for (const char* word : {"LIKE", "NOT LIKE"}) mark(word, SqlWord::kLike);
  for (const char* word : {"USER_ID", "USER_NAME", "DATABASE", "PASSWORD", "USER", "CURRENT_USER", "CURRENT_DATE",
                           "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"}) {
    mark(word, SqlWord::kNames);
  }
  mark("USER", SqlWord::kUser);
}

void SqlWords::add(std::string_view word, TokenType type) {
  if (word.size() > SqlWord::kLongest) return;
  const Ends ends = ends_of(word);
  entries_.push_back({ends, {word, type, 0}});
  const std::uint64_t h = hash_of(ends);
  std::size_t i = place_of(h);
  while (slots_[i] != 0) i = (i + 1) % kSlots;
  slots_[i] = tag_of(h) << kNumber | static_cast<std::uint32_t>(entries_.size());
}

void SqlWords::mark(std::string_view word, SqlWord::Marks marks) {
  if (word.size() > SqlWord::kLongest) return;
  if (number_of(word) == 0) add(word, TokenType::None);
  entries_[number_of(word) - 1].word.marks |= marks;
}

// Those with tokens that are always left to libinjection are left out.
void SqlWords::add_fingerprint(std::string_view letters) {
  std::uint32_t packed_types = 0;
  for (const char c : letters) {
    const TokenType type = kTypeOfCapital[static_cast<std::uint8_t>(c)];
    if (type == TokenType::None) return;
    packed_types = packed(packed_types, type);
  }
  std::size_t i = place_of_fingerprint(packed_types);
  while (fingerprints_[i] != 0) i = (i + 1) % kFingerprints;
  fingerprints_[i] = packed_types;
}

bool SqlWords::same(std::string_view a, std::string_view b) {
  return fold_equal(a, b);
}

}  // namespace weir::rules::operators
