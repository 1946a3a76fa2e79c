#include "rules/byte_filter.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

namespace weir::rules {

namespace {

// How common a byte is in what requests carry, in rough steps; rare bytes make good filters.
unsigned commonness(unsigned b) {
  constexpr std::string_view kCommon = "eatoinsrhldcum";
  const char c = static_cast<char>(b);
  if (b >= 'a' && b <= 'z') return kCommon.find(c) != std::string_view::npos ? 12U : 7U;
  if (b >= 'A' && b <= 'Z') return 3;
  if (b >= '0' && b <= '9') return 7;
  if (c == ' ' || c == '/' || c == '.' || c == '-' || c == ',' || c == '_' || c == '=') return 6;
  if (b > 0x20 && b < 0x7f) return 2;
  return 1;
}

unsigned weight(const ByteSet& s) {
  unsigned n = 0;
  for (unsigned b = 0; b < 256; ++b) {
    if (s[b]) n += commonness(b);
  }
  return n;
}

void sort_sets(std::vector<ByteSet>& sets) {
  std::vector<std::pair<unsigned, ByteSet>> keyed;
  keyed.reserve(sets.size());
  for (const ByteSet& s : sets) {
    const bool there = std::any_of(keyed.begin(), keyed.end(),
                                   [&](const auto& k) { return k.second == s; });
    if (!there && !s.all()) keyed.emplace_back(weight(s), s);
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  sets.clear();
  for (const auto& k : keyed) sets.push_back(k.second);
}

constexpr std::size_t kMostSets = 12;
constexpr std::size_t kMostLength = 1U << 20;

ByteSet range_set(unsigned from, unsigned to) {
  ByteSet s;
  for (unsigned b = from; b <= to && b < 256; ++b) s[b] = true;
  return s;
}

ByteSet word_set() {
  return range_set('a', 'z') | range_set('A', 'Z') | range_set('0', '9') | range_set('_', '_');
}
ByteSet space_set() { return range_set(9, 13) | range_set(' ', ' '); }

void fold_case(ByteSet& s) {
  for (unsigned b = 'a'; b <= 'z'; ++b) {
    const bool either = s[b] || s[b - 32];
    s[b] = s[b - 32] = either;
  }
}

// Reads a pattern by recursive descent (patterns are the operator's, and the depth is bounded). Whatever it
// does not know makes it give up.
class Analyser {
 public:
  Analyser(std::string_view pattern, bool caseless) : p_(pattern), caseless_(caseless) {}

  Necessary run() {
    Necessary n = alternation(0);
    if (failed_ || at_ != p_.size()) return {};
    sort_sets(n.sets);
    return n;
  }

 private:
  [[nodiscard]] bool more() const { return at_ < p_.size() && !failed_; }
  [[nodiscard]] bool looking_at(std::string_view s) const { return p_.substr(at_, s.size()) == s; }

  Necessary alternation(int depth);
  Necessary sequence(int depth);
  Necessary atom(int depth);
  Necessary group(int depth);
  bool flags();
  Necessary escape();
  Necessary char_class();
  bool class_escape(ByteSet& set, int& single);
  bool posix_class(ByteSet& set);
  void quantifier(Necessary& n);
  int hex_escape();
  Necessary one_of(ByteSet s) const {
    if (caseless_) fold_case(s);
    return {1, {s}};
  }
  Necessary give_up() {
    failed_ = true;
    return {};
  }
  static Necessary either(std::vector<Necessary> options);

  std::string_view p_;
  bool caseless_;
  std::size_t at_ = 0;
  bool failed_ = false;
  static constexpr int kMostDepth = 100;
};

// A match of one of several: the i-th best sets of all of them, united.
Necessary Analyser::either(std::vector<Necessary> options) {
  if (options.size() == 1) return std::move(options.front());
  Necessary out;
  out.min_length = kMostLength;
  std::size_t most = 0;
  bool any_empty = false;
  for (Necessary& n : options) {
    out.min_length = std::min(out.min_length, n.min_length);
    sort_sets(n.sets);
    any_empty = any_empty || n.sets.empty();
    most = std::max(most, n.sets.size());
  }
  if (any_empty) return out;
  for (std::size_t i = 0; i < std::min(most, kMostSets); ++i) {
    ByteSet s;
    for (const Necessary& n : options) s |= n.sets[std::min(i, n.sets.size() - 1)];
    out.sets.push_back(s);
  }
  return out;
}

Necessary Analyser::alternation(int depth) {
  if (depth > kMostDepth) return give_up();
  std::vector<Necessary> options;
  options.push_back(sequence(depth));
  while (more() && p_[at_] == '|') {
    ++at_;
    options.push_back(sequence(depth));
  }
  return either(std::move(options));
}

Necessary Analyser::sequence(int depth) {
  Necessary out;
  while (more() && p_[at_] != '|' && p_[at_] != ')') {
    Necessary n = atom(depth);
    quantifier(n);
    out.min_length = std::min(out.min_length + n.min_length, kMostLength);
    out.sets.insert(out.sets.end(), n.sets.begin(), n.sets.end());
    if (out.sets.size() > 4 * kMostSets) {
      sort_sets(out.sets);
      if (out.sets.size() > kMostSets) out.sets.resize(kMostSets);
    }
  }
  return out;
}

void Analyser::quantifier(Necessary& n) {
  while (more()) {
    std::size_t least = 1;
    const char c = p_[at_];
    if (c == '*' || c == '?') {
      least = 0;
      ++at_;
    } else if (c == '+') {
      ++at_;
    } else if (c == '{') {
      std::size_t i = at_ + 1;
      std::size_t low = 0;
      bool digits = false;
      for (; i < p_.size() && p_[i] >= '0' && p_[i] <= '9' && low < 100000; ++i) {
        low = low * 10 + static_cast<std::size_t>(p_[i] - '0');
        digits = true;
      }
      if (!digits) return;  // a literal brace
      if (i < p_.size() && p_[i] == ',') {
        for (++i; i < p_.size() && p_[i] >= '0' && p_[i] <= '9';) ++i;
      }
      if (i >= p_.size() || p_[i] != '}') return;
      at_ = i + 1;
      least = low;
    } else {
      return;
    }
    if (more() && (p_[at_] == '?' || p_[at_] == '+')) ++at_;  // lazy, possessive
    if (least == 0) n.sets.clear();
    n.min_length = std::min(n.min_length * least, kMostLength);
  }
}

Necessary Analyser::atom(int depth) {
  const char c = p_[at_];
  switch (c) {
    case '(': return group(depth);
    case '[': return char_class();
    case '\\': return escape();
    case '.': ++at_; return {1, {}};
    case '^':
    case '$': ++at_; return {};
    case '*':
    case '+':
    case '?': return give_up();
    default: {
      ++at_;
      const auto b = static_cast<std::uint8_t>(c);
      return one_of(range_set(b, b));
    }
  }
}

// (?i), (?s-i:…): what stands between "(?" and ")" or ":". False: not only flags that are understood.
bool Analyser::flags() {
  bool on = true;
  while (more()) {
    switch (p_[at_]) {
      case '-': on = false; break;
      case 'i': caseless_ = on; break;
      case 's':
      case 'm':
      case 'U':
      case 'J': break;
      default: return true;
    }
    ++at_;
  }
  return false;
}

Necessary Analyser::group(int depth) {
  ++at_;
  const bool saved = caseless_;
  bool zero_width = false;
  if (looking_at("*")) return give_up();
  if (looking_at("?#")) {
    at_ = p_.find(')', at_);
    if (at_ == std::string_view::npos) return give_up();
    ++at_;
    return {};
  }
  if (looking_at("?:") || looking_at("?>")) {
    at_ += 2;
  } else if (looking_at("?=") || looking_at("?!")) {
    at_ += 2;
    zero_width = true;
  } else if (looking_at("?<=") || looking_at("?<!")) {
    at_ += 3;
    zero_width = true;
  } else if (looking_at("?P<") || looking_at("?<")) {
    at_ = p_.find('>', at_);
    if (at_ == std::string_view::npos) return give_up();
    ++at_;
  } else if (looking_at("?")) {
    ++at_;
    if (!flags() || !more()) return give_up();
    if (p_[at_] == ')') {  // holds until the end of the group around it
      ++at_;
      return {};
    }
    if (p_[at_] != ':') return give_up();
    ++at_;
  }
  Necessary n = alternation(depth + 1);
  if (failed_ || at_ >= p_.size() || p_[at_] != ')') return give_up();
  ++at_;
  caseless_ = saved;
  return zero_width ? Necessary{} : n;
}

// After "\x": two digits or {…}.
int Analyser::hex_escape() {
  int n = 0;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (at_ < p_.size() && p_[at_] == '{') {
    for (++at_; at_ < p_.size() && p_[at_] != '}'; ++at_) {
      const int d = digit(p_[at_]);
      if (d < 0 || n > 255) return -1;
      n = n * 16 + d;
    }
    ++at_;
    return n > 255 || at_ > p_.size() ? -1 : n;
  }
  for (int i = 0; i < 2 && at_ < p_.size() && digit(p_[at_]) >= 0; ++i) n = n * 16 + digit(p_[at_++]);
  return n;
}

// One escape that stands for a byte or a class; at_ is behind the backslash. False: something else.
bool Analyser::class_escape(ByteSet& set, int& single) {
  single = -1;
  const char c = p_[at_++];
  switch (c) {
    case 'd': set = range_set('0', '9'); return true;
    case 'D': set = ~range_set('0', '9'); return true;
    case 'w': set = word_set(); return true;
    case 'W': set = ~word_set(); return true;
    case 's': set = space_set(); return true;
    case 'S': set = ~space_set(); return true;
    case 'h': set = range_set(9, 9) | range_set(' ', ' ') | range_set(0xa0, 0xa0); return true;
    case 'v': set = range_set(10, 13) | range_set(0x85, 0x85); return true;
    case 'n': single = '\n'; break;
    case 'r': single = '\r'; break;
    case 't': single = '\t'; break;
    case 'f': single = '\f'; break;
    case 'a': single = 7; break;
    case 'e': single = 27; break;
    case 'x': single = hex_escape(); break;
    default:
      if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return false;
      single = static_cast<std::uint8_t>(c);
  }
  if (single < 0) return false;
  set = range_set(static_cast<unsigned>(single), static_cast<unsigned>(single));
  return true;
}

Necessary Analyser::escape() {
  ++at_;
  if (at_ >= p_.size()) return give_up();
  const char c = p_[at_];
  if (c == 'b' || c == 'B' || c == 'A' || c == 'z' || c == 'Z' || c == 'G') {
    ++at_;
    return {};
  }
  if (c >= '1' && c <= '9') {  // a back-reference (or octal): may be empty
    while (more() && p_[at_] >= '0' && p_[at_] <= '9') ++at_;
    return {};
  }
  ByteSet set;
  int single = -1;
  if (!class_escape(set, single)) return give_up();
  return one_of(set);
}

bool Analyser::posix_class(ByteSet& set) {
  const std::size_t end = p_.find(":]", at_ + 2);
  if (end == std::string_view::npos) return false;
  const std::string_view name = p_.substr(at_ + 2, end - at_ - 2);
  if (name == "alpha") set |= range_set('a', 'z') | range_set('A', 'Z');
  else if (name == "digit") set |= range_set('0', '9');
  else if (name == "alnum") set |= range_set('a', 'z') | range_set('A', 'Z') | range_set('0', '9');
  else if (name == "space") set |= space_set();
  else if (name == "upper") set |= range_set('A', 'Z');
  else if (name == "lower") set |= range_set('a', 'z');
  else if (name == "word") set |= word_set();
  else if (name == "xdigit") set |= range_set('0', '9') | range_set('a', 'f') | range_set('A', 'F');
  else if (name == "cntrl") set |= range_set(0, 31) | range_set(127, 127);
  else if (name == "print") set |= range_set(32, 126);
  else if (name == "graph") set |= range_set(33, 126);
  else if (name == "blank") set |= range_set(9, 9) | range_set(' ', ' ');
  else if (name == "punct") set |= range_set(33, 47) | range_set(58, 64) | range_set(91, 96) | range_set(123, 126);
  else return false;
  at_ = end + 2;
  return true;
}

Necessary Analyser::char_class() {
  ++at_;
  bool negated = false;
  if (looking_at("^")) {
    negated = true;
    ++at_;
  }
  ByteSet all;
  int from = -1;  // a byte that a range may begin with
  bool first = true;
  for (;; first = false) {
    if (at_ >= p_.size()) return give_up();
    const char c = p_[at_];
    if (c == ']' && !first) break;
    if (c == '-' && from >= 0 && at_ + 1 < p_.size() && p_[at_ + 1] != ']') {
      ++at_;
      int to = static_cast<std::uint8_t>(p_[at_]);
      if (p_[at_] == '\\') {
        ++at_;
        if (at_ >= p_.size()) return give_up();
        ByteSet set;
        if (p_[at_] == 'b') {
          ++at_;
          to = 8;
        } else if (!class_escape(set, to) || to < 0) {
          return give_up();
        }
      } else if (looking_at("[:")) {
        return give_up();
      } else {
        ++at_;
      }
      if (to < from) return give_up();
      all |= range_set(static_cast<unsigned>(from), static_cast<unsigned>(to));
      from = -1;
      continue;
    }
    if (looking_at("[:")) {
      if (!posix_class(all)) return give_up();
      from = -1;
      continue;
    }
    if (c == '\\') {
      ++at_;
      if (at_ >= p_.size()) return give_up();
      ByteSet set;
      if (p_[at_] == 'b') {
        ++at_;
        set = range_set(8, 8);
        from = 8;
      } else if (!class_escape(set, from)) {
        return give_up();
      }
      all |= set;
      continue;
    }
    from = static_cast<std::uint8_t>(c);
    all[static_cast<std::size_t>(from)] = true;
    ++at_;
  }
  ++at_;
  if (caseless_) fold_case(all);
  return {1, {negated ? ~all : all}};
}

}  // namespace

Necessary necessary_of(std::string_view pattern, bool caseless) {
  return Analyser(pattern, caseless).run();
}

Necessary necessary_of_phrases(const std::vector<std::string>& phrases) {
  Necessary out;
  if (phrases.empty()) return out;
  out.min_length = kMostLength;
  // Any one of the phrases: the i-th rarest byte of each.
  std::vector<std::vector<ByteSet>> sets;
  std::size_t most = 0;
  for (const std::string& phrase : phrases) {
    if (phrase.empty()) return {};
    out.min_length = std::min(out.min_length, phrase.size());
    std::vector<ByteSet> own;
    for (const char c : phrase) {
      ByteSet s;
      s[static_cast<std::uint8_t>(c)] = true;
      fold_case(s);
      own.push_back(s);
    }
    sort_sets(own);
    most = std::max(most, own.size());
    sets.push_back(std::move(own));
  }
  for (std::size_t i = 0; i < std::min(most, kMostSets); ++i) {
    ByteSet s;
    for (const auto& own : sets) s |= own[std::min(i, own.size() - 1)];
    out.sets.push_back(s);
  }
  sort_sets(out.sets);
  return out;
}

void ByteFilter::build(const std::vector<Necessary>& patterns) {
  patterns_ = patterns.size();
  words_ = (patterns_ + 63) / 64;
  table_.assign(kPlanes * 256 * words_, 0);
  always_.assign(kPlanes * words_, 0);
  by_length_.assign(kLengths * words_, 0);
  for (std::size_t i = 0; i < patterns_; ++i) {
    const Necessary& n = patterns[i];
    const std::size_t word = i / 64;
    const std::uint64_t bit = std::uint64_t{1} << (i % 64);
    for (std::size_t plane = 0; plane < kPlanes; ++plane) {
      if (plane >= n.sets.size()) {
        always_[plane * words_ + word] |= bit;
        continue;
      }
      for (std::size_t b = 0; b < 256; ++b) {
        if (n.sets[plane][b]) table_[(plane * 256 + b) * words_ + word] |= bit;
      }
    }
    for (std::size_t l = std::min(n.min_length, kLengths - 1); l < kLengths; ++l) {
      by_length_[l * words_ + word] |= bit;
    }
  }
}

BytesPresent bytes_present(std::string_view value) {
  BytesPresent present{};
  for (const char c : value) {
    const auto b = static_cast<std::uint8_t>(c);
    present[b / 64] |= std::uint64_t{1} << (b % 64);
  }
  return present;
}

void ByteFilter::survivors(std::size_t length, const BytesPresent& present,
                           std::uint64_t* out) const {
  const std::size_t row = std::min(length, kLengths - 1);
  for (std::size_t word = 0; word < words_; ++word) {
    std::uint64_t alive = by_length_[row * words_ + word];
    // The first plane holds the rarest sets: it mostly decides alone.
    for (std::size_t plane = 0; plane < kPlanes && alive != 0; ++plane) {
      std::uint64_t has = always_[plane * words_ + word];
      for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        const std::size_t base = plane * 256 + quarter * 64;
        for (std::uint64_t bits = present[quarter]; bits != 0; bits &= bits - 1) {
          has |= table_[(base + static_cast<std::size_t>(std::countr_zero(bits))) * words_ + word];
        }
      }
      alive &= has;
    }
    out[word] = alive;
  }
}

}  // namespace weir::rules
