#include "rules/operators/sqli_filter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "rules/ascii.h"

// libinjection ships no header in Debian; unchanged since 3.0. The state is used for fingerprints
// only.
extern "C" char libinjection_sqli_lookup_word(void* state, int lookup_type, const char* word,
                                              std::size_t length);

namespace weir::rules::operators {

namespace {

constexpr int kLookUpWord = 1;
// Longer values are left to libinjection, which looks at the first few words only.
constexpr std::size_t kLongestValue = 512;
// So many bare words from the beginning on, and the rest is not looked at: libinjection stops at the
// fifth.
constexpr unsigned kEnoughWords = 8;

enum class Kind : std::uint8_t {
  Other,      // quotes, parentheses, …: left to libinjection
  Word,       // a letter, an underscore, a byte above ASCII
  Digit,
  Dot,
  Space,
  Separator,  // commas and the like, each a token of its own
  Operator,
  At,         // begins a variable
};

constexpr std::array<Kind, 256> kKinds = [] {
  std::array<Kind, 256> kinds{};
  for (unsigned b = 0; b < 256; ++b) {
    const bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
    if (letter || b == '_' || (b >= 0x80 && b != 0xa0)) kinds[b] = Kind::Word;
    if (b >= '0' && b <= '9') kinds[b] = Kind::Digit;
  }
  kinds['.'] = Kind::Dot;
  kinds[' '] = Kind::Space;
  for (const char c : {',', '?'})
    kinds[static_cast<std::uint8_t>(c)] = Kind::Separator;
  for (const char c : {'-', ':', '=', '+', '/', '%', '<', '>'})
    kinds[static_cast<std::uint8_t>(c)] = Kind::Operator;
  kinds['@'] = Kind::At;
  return kinds;
}();

Kind kind_of(char c) {
  return kKinds[static_cast<std::uint8_t>(c)];
}

// The first words of keywords like GROUP BY, as far as both words alone are harmless.
bool begins_keyword(std::string_view word) {
  constexpr std::string_view kFirst[] = {"current", "full",  "group",    "if",    "left",
                                         "lock",    "natural", "next",   "order", "previous",
                                         "right",   "sounds", "waitfor", "with"};
  return std::any_of(std::begin(kFirst), std::end(kFirst),
                     [&](std::string_view first) { return fold_equal(first, word); });
}

// An underscore and a digit, as in names that are numbered: no keyword has that.
bool has_number(std::string_view word) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (word[i - 1] == '_' && kind_of(word[i]) == Kind::Digit) return true;
  }
  return false;
}

// Goes through a value's words as libinjection does, or over more of them where its way is not worth
// following.
class Walk {
 public:
  Walk(std::string_view value, WordTypes& types) : value_(value), types_(types) {}

  bool may_be_sqli();

 private:
  bool word(std::size_t at, std::size_t end);
  bool number(std::size_t at, std::size_t end);
  bool run(std::size_t at, std::size_t end);

  std::string_view value_;
  WordTypes& types_;
};

// From `at` on, which is a letter: a word, or several where a keyword stands before a dot.
bool Walk::word(std::size_t at, std::size_t end) {
  const std::size_t last = std::min(end, at + WordTypes::kLongest + 1);
  for (std::size_t dot = at + 1; dot < last; ++dot) {
    if (value_[dot] != '.') continue;
    const std::string_view before = value_.substr(at, dot - at);
    if (!types_.ends_at_dot(before)) continue;
    return types_.matters(before) || run(dot, end);
  }
  return types_.matters(value_.substr(at, end - at));
}

// From `at` on, which is a digit. A number may go on with letters (0x1f, 1e5, 1d); where it ends a
// word may begin at once.
bool Walk::number(std::size_t at, std::size_t end) {
  while (at < end && kind_of(value_[at]) == Kind::Digit)
    ++at;
  if (at == end) return false;
  if (value_[at] == '.') return run(at, end);
  constexpr std::string_view kOfNumbers = "0123456789abcdefABCDEFxX";
  constexpr unsigned kMostBeginnings = 4;
  unsigned beginnings = 0;
  for (; at < end; ++at) {
    const Kind kind = kind_of(value_[at]);
    if (kind == Kind::Dot) return run(at, end);
    if (kind == Kind::Word) {
      if (++beginnings > kMostBeginnings || word(at, end)) return true;
    }
    if (kOfNumbers.find(value_[at]) == std::string_view::npos) return false;
  }
  return false;
}

// Bytes without a blank or an operator among them.
bool Walk::run(std::size_t at, std::size_t end) {
  while (at < end && value_[at] == '.')
    ++at;
  if (at == end) return false;
  return kind_of(value_[at]) == Kind::Digit ? number(at, end) : word(at, end);
}

bool Walk::may_be_sqli() {
  unsigned words = 0;  // bare ones since the beginning
  bool only_words = true;
  bool variables = false;
  bool operators = false;
  for (std::size_t i = 0; i < value_.size();) {
    const Kind kind = kind_of(value_[i]);
    if (kind == Kind::Other) return true;
    if (kind == Kind::Space) {
      ++i;
      continue;
    }
    if (kind == Kind::Separator || kind == Kind::Operator || kind == Kind::At) {
      if (value_.substr(i, 2) == "--") return true;  // a comment
      variables = variables || kind == Kind::At;
      operators = operators || kind == Kind::Operator;
      if (variables && operators) return true;
      only_words = false;
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    bool plain = kind == Kind::Word;
    for (; end < value_.size(); ++end) {
      const Kind k = kind_of(value_[end]);
      if (k != Kind::Word && k != Kind::Digit && k != Kind::Dot) break;
      plain = plain && k != Kind::Dot;
    }
    // What `plain` is has no dot, and begins with a letter: one word.
    if (plain ? types_.matters(value_.substr(i, end - i)) : run(i, end)) return true;
    only_words = only_words && plain;
    i = end;
    if (only_words && ++words >= kEnoughWords) {
      // What follows matters only if the value may also be read as inside of quotes.
      return std::any_of(value_.begin() + static_cast<std::ptrdiff_t>(i), value_.end(),
                         [](char c) { return c == '\'' || c == '"' || c == '`'; });
    }
  }
  return false;
}

// Up to eight bytes, in order, with zeroes behind them.
std::uint64_t eight(const char* p, std::size_t n) {
  const auto load = [](const char* from, auto type) {
    std::memcpy(&type, from, sizeof type);
    return static_cast<std::uint64_t>(type);
  };
  if constexpr (std::endian::native == std::endian::little) {
    if (n >= 8) return load(p, std::uint64_t{});
    if (n >= 4) return load(p, std::uint32_t{}) | load(p + n - 4, std::uint32_t{}) << (8 * (n - 4));
  }
  std::uint64_t w = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(n, 8); ++i) {
    w |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(p[i])) << (8 * i);
  }
  return w;
}

// REQUIRES: word.size() <= 32.
std::array<std::uint64_t, 4> padded(std::string_view word) {
  std::array<std::uint64_t, 4> key{};
  std::size_t i = 0;
  for (std::size_t at = 0; at < word.size(); at += 8, ++i) {
    key[i] = eight(word.data() + at, word.size() - at);
  }
  return key;
}

}  // namespace

std::uint8_t WordTypes::look_up(std::string_view word) {
  if (word.empty() || word.size() > kLongest) return kKnown;
  if (entries_.empty()) entries_.resize(kEntries);
  const std::array<std::uint64_t, 4> key = padded(word);
  std::uint64_t h = (key[0] ^ (key[1] * 0x9e3779b97f4a7c15ULL)) + key[2] * 0xd6e8feb86659fd93ULL + key[3];
  h *= 0x9e3779b97f4a7c15ULL;
  Entry& e = entries_[static_cast<std::size_t>(h >> 40) % kEntries];
  constexpr unsigned kShift = 56;  // the last byte
  constexpr std::uint64_t kText = (std::uint64_t{1} << kShift) - 1;
  if (e.words[0] == key[0] && e.words[1] == key[1] && e.words[2] == key[2] &&
      (e.words[3] & kText) == key[3] && e.words[3] >> kShift != 0) {
    return static_cast<std::uint8_t>(e.words[3] >> kShift);
  }
  const char type = has_number(word) ? '\0'
                                     : libinjection_sqli_lookup_word(nullptr, kLookUpWord,
                                                                     word.data(), word.size());
  const bool harmless = type == '\0' || type == 'n' || type == 'f' || type == '1';
  std::uint8_t known = kKnown;
  if (!harmless || begins_keyword(word)) known |= kMatters;
  if (type != '\0' && type != 'n') known |= kKeyword;
  e.words = key;
  e.words[3] |= std::uint64_t{known} << kShift;
  return known;
}

bool WordTypes::matters(std::string_view word) {
  return (look_up(word) & kMatters) != 0;
}

bool WordTypes::ends_at_dot(std::string_view word) {
  return (look_up(word) & kKeyword) != 0;
}

bool may_be_sqli(std::string_view value, WordTypes& types) {
  if (value.size() > kLongestValue) return true;
  return Walk(value, types).may_be_sqli();
}

}  // namespace weir::rules::operators
