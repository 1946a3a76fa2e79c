#include "rules/factors.h"

#include <algorithm>
#include <utility>

#include "rules/ascii.h"
#include "rules/factor_words.h"

namespace weir::rules {

namespace {

using namespace factors;

constexpr std::size_t kMostWords = 4096;      // that describe one language
constexpr std::size_t kMostSymbols = 65536;   // in all of them
constexpr std::size_t kMostProduct = 512;     // words that come of joining two languages
constexpr std::size_t kMostSpelled = 8;       // bytes of a set that are spelled out
constexpr std::size_t kMostSpelledMarks = 3;  // of a set without bytes of a word
constexpr std::size_t kMostSets = 8;
constexpr std::size_t kMostMarks = 64;  // of sets
constexpr std::size_t kMostLength = 1U << 20;
constexpr std::uint32_t kMostCopies = 4;  // of what is repeated

// Letters and digits are in almost every value: sets without them tell more than any with them, and are what
// the byte classes ask for. (Of "(String|Module)[.]x" and "[(]y" as a choice `.` and `(` are left, not `g` and `(`.)
double rank(const ByteSet& set) {
  static const ByteSet common = byte_range('a', 'z') | byte_range('A', 'Z') | byte_range('0', '9');
  return share_of(set) + ((set & common).any() ? 1 : 0);
}

void keep_rarest(std::vector<ByteSet>& sets) {
  std::vector<std::pair<double, ByteSet>> keyed;
  for (const ByteSet& s : sets) {
    const bool there =
        std::any_of(keyed.begin(), keyed.end(), [&](const auto& k) { return k.second == s; });
    if (!there && !s.all()) keyed.emplace_back(rank(s), s);
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (keyed.size() > kMostSets) keyed.resize(kMostSets);
  sets.clear();
  for (const auto& k : keyed)
    sets.push_back(k.second);
}

// What is known of the language of a part of the pattern.
struct Known {
  bool possible = true;
  std::size_t least = 0;
  Words words{Word()};
  Words also;  // if any: its strings are described by some of these, too
  std::vector<ByteSet> bytes;
};

Known impossible() {
  Known k;
  k.possible = false;
  k.words.clear();
  return k;
}

Known symbol(Symbol s) {
  Known k;
  k.words = {Word(1, s)};
  return k;
}

// Can what surrounds the place `at` stand there? (Marks that contradict what is beside them.)
bool fits(const Word& seam, std::size_t at) {
  std::size_t from = at;
  while (from > 0 && !takes_room(seam[from - 1]))
    --from;
  std::size_t to = at;
  while (to < seam.size() && !takes_room(seam[to]))
    ++to;
  const bool before = from > 0 && !is_gap(seam[from - 1]);
  const bool after = to < seam.size() && !is_gap(seam[to]);
  for (std::size_t i = from; i < to; ++i) {
    if (seam[i] == kBegin && before) return false;
    if (seam[i] == kEnd && after) return false;
    if (seam[i] == kBoundary && before && after &&
        is_word_symbol(seam[from - 1]) == is_word_symbol(seam[to])) {
      return false;
    }
  }
  return true;
}

Words joined(const Words& a, const Words& b) {
  Words out;
  out.reserve(a.size() * b.size());
  for (const Word& x : a) {
    for (const Word& y : b) {
      const bool beside = !x.empty() && !y.empty();
      const bool merge = beside && ((x.back() == y.front() && (y.front() == kNoWord || is_gap(y.front()))) ||
                                    (y.front() == kGap && is_gap(x.back())));
      Word seam = x;
      if (beside && !merge && x.back() == kGap && is_gap(y.front())) seam.pop_back();
      const std::size_t at = seam.size();
      seam.append(y, merge ? 1 : 0);
      if (fits(seam, at)) out.push_back(std::move(seam));
    }
  }
  tidy(out);
  return out;
}

bool too_many(const Words& words) {
  if (words.size() > kMostWords) return true;
  std::size_t n = 0;
  for (const Word& w : words)
    n += w.size();
  return n > kMostSymbols;
}

// Where there are too many words: the rarest part of each, in a gap; if there are still too many,
// nothing.
void reduce(Words& words) {
  if (!too_many(words)) return;
  for (Word& w : words) {
    Part part;
    const bool some = rarest_part(w, part);
    Word short_word(1, kGap);
    if (some) short_word.append(w, part.from, part.to - part.from) += kGap;
    w = std::move(short_word);
  }
  tidy(words);
  if (too_many(words)) words = {Word(1, kGap)};
}

void join_bytes(std::vector<ByteSet>& out, const std::vector<ByteSet>& more) {
  out.insert(out.end(), more.begin(), more.end());
  if (out.size() > 4 * kMostSets) keep_rarest(out);
}

Known sequence(Known a, const Known& b) {
  if (!a.possible || !b.possible) return impossible();
  a.least = std::min(a.least + b.least, kMostLength);
  join_bytes(a.bytes, b.bytes);
  const Words gap{Word(1, kGap)};
  const Words* also = &b.also;
  if (a.words.size() == 1 || b.words.size() == 1 ||
      a.words.size() * b.words.size() <= kMostProduct) {
    a.words = joined(a.words, b.words);
  } else if (cost_of(a.words) <= cost_of(b.words)) {
    a.words = joined(a.words, gap);
    also = &b.words;
  } else {
    if (a.also.empty()) a.also = joined(a.words, gap);
    a.words = joined(gap, b.words);
  }
  if (a.words.empty()) return impossible();
  if (a.also.empty() && !also->empty()) a.also = *also;
  reduce(a.words);
  return a;
}

// A match of one of several: the i-th rarest sets of all of them, united.
void unite_bytes(std::vector<Known>& options, std::vector<ByteSet>& out) {
  std::size_t most = 0;
  for (Known& k : options) {
    keep_rarest(k.bytes);
    if (k.bytes.empty()) return;
    most = std::max(most, k.bytes.size());
  }
  for (std::size_t i = 0; i < most; ++i) {
    ByteSet s;
    for (const Known& k : options)
      s |= k.bytes[std::min(i, k.bytes.size() - 1)];
    out.push_back(s);
  }
}

Known choice(std::vector<Known> options) {
  std::erase_if(options, [](const Known& k) { return !k.possible; });
  if (options.empty()) return impossible();
  if (options.size() == 1) return std::move(options.front());
  Known out;
  out.words.clear();
  out.least = kMostLength;
  const bool also = std::any_of(options.begin(), options.end(), [](const Known& k) { return !k.also.empty(); });
  for (Known& k : options) {
    out.least = std::min(out.least, k.least);
    if (also) {
      const Words& more = k.also.empty() ? k.words : k.also;
      out.also.insert(out.also.end(), more.begin(), more.end());
    }
    std::move(k.words.begin(), k.words.end(), std::back_inserter(out.words));
  }
  tidy(out.also);
  if (too_many(out.also)) out.also.clear();
  tidy(out.words);
  reduce(out.words);
  unite_bytes(options, out.bytes);
  return out;
}

// What becomes of a set where some bytes are absent: the lower-case bytes that are spelled out, or
// a mark.
Words spelled(const ByteSet& set, const ByteSet& absent) {
  const ByteSet bytes = set & ~absent;
  if (bytes.count() > 2 * kMostSpelled) {
    return {Word(1, (bytes & word_bytes()).none() ? kNoWord : kGap)};
  }
  Words words;
  for (std::size_t b = bytes._Find_first(); b < bytes.size(); b = bytes._Find_next(b)) {
    const auto lower = static_cast<std::uint8_t>(fold(static_cast<char>(b)));
    words.push_back(Word(1, static_cast<Symbol>(lower)));
  }
  tidy(words);
  const bool no_word = (bytes & word_bytes()).none();
  if (words.size() <= (no_word ? kMostSpelledMarks : kMostSpelled)) return words;
  return {Word(1, no_word ? kNoWord : kGap)};
}

class Walk {
 public:
  Walk(const RegexTree& tree, const ByteSet& absent) : tree_(tree), absent_(absent) {}

  [[nodiscard]] const std::vector<ByteSet>& sets() const { return sets_; }

  // The depth of the tree is bounded (RegexTree::kMostDepth).
  [[nodiscard]] Known known(std::uint32_t index) {
    const RegexNode& n = tree_.node(index);
    switch (n.kind) {
      case RegexNode::Kind::Empty:
        return Known{};
      case RegexNode::Kind::Anything:
        return symbol(kGap);
      case RegexNode::Kind::Set:
        return set(n);
      case RegexNode::Kind::Begin:
        return symbol(kBegin);
      case RegexNode::Kind::End:
        return symbol(kEnd);
      case RegexNode::Kind::WordBoundary:
        return symbol(kBoundary);
      case RegexNode::Kind::Repeat:
        return repeat(n);
      case RegexNode::Kind::Sequence: {
        Known out;
        for (const std::uint32_t part : n.parts) {
          out = sequence(std::move(out), known(part));
          if (!out.possible) break;
        }
        return out;
      }
      case RegexNode::Kind::Choice: {
        std::vector<Known> options;
        for (const std::uint32_t part : n.parts)
          options.push_back(known(part));
        return choice(std::move(options));
      }
    }
    return symbol(kGap);
  }

 private:
  [[nodiscard]] Known set(const RegexNode& n) {
    Known k;
    k.words = spelled(n.set, absent_);
    if (k.words.empty()) return impossible();
    k.least = 1;
    const ByteSet bytes = n.set & ~absent_;
    if (k.words.front() == Word(1, kGap)) k.words.front().front() = mark_of(bytes);
    if (!bytes.all()) k.bytes = {bytes};
    return k;
  }

  [[nodiscard]] Known repeat(const RegexNode& n) {
    if (n.most == 0) return Known{};
    Known body = known(n.parts.front());
    if (!body.possible) return n.least == 0 ? Known{} : impossible();
    if (n.least == 0) {
      if (n.most > 1 || body.words.size() > kMostProduct) return symbol(kGap);
      body.words.push_back(Word());
      body.also.clear();
      tidy(body.words);
      body.least = 0;
      body.bytes.clear();
      return body;
    }
    const std::size_t least = std::min(body.least * n.least, kMostLength);
    const bool run = body.words.size() == 1 && body.words.front().size() == 1 &&
                     (body.words.front().front() == kNoWord || is_gap(body.words.front().front()));
    if (!run) {  // those marks stand for any number of bytes
      const bool exact = n.least <= kMostCopies && n.most == n.least;
      const Known one = body;
      for (std::uint32_t i = 1; i < std::min(n.least, kMostCopies); ++i) {
        body = sequence(std::move(body), one);
      }
      if (!exact) body = sequence(std::move(body), symbol(kGap));
    }
    body.least = least;
    return body;
  }

  // Of a set without letters: of one with letters is a byte in every text.
  [[nodiscard]] Symbol mark_of(const ByteSet& set) {
    static const ByteSet letters = byte_range('a', 'z') | byte_range('A', 'Z');
    if ((set & letters).any()) return kGap;
    const auto there = std::find(sets_.begin(), sets_.end(), set);
    const auto number = static_cast<std::size_t>(there - sets_.begin());
    if (number >= kMostMarks) return kGap;
    if (there == sets_.end()) sets_.push_back(set);
    return static_cast<Symbol>(kSet + number);
  }

  const RegexTree& tree_;
  const ByteSet& absent_;
  std::vector<ByteSet> sets_;  // of marks, by number
};

// From here on a literal is worth looking for.
constexpr double kUseless = 0.2;
// So many more pieces are too many.
constexpr std::size_t kMostMore = 48;

// Is it worth asking for the second text, too? Not where mostly the same pieces are in both.
bool tells_more(const Text& first, const Text& second) {
  if (second.pieces.empty() && second.bytes.none()) return false;
  double same = 0;
  std::size_t more = 0;
  for (const Piece& p : second.pieces) {
    if (std::binary_search(first.pieces.begin(), first.pieces.end(), p)) {
      same += commonness(p);
    } else {
      ++more;
    }
  }
  return more <= kMostMore && 2 * same < first.cost;
}

}  // namespace

bool absence_matters(const RegexTree& tree, const ByteSet& absent) {
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const RegexNode& n = tree.node(i);
    if (n.kind != RegexNode::Kind::Set || (n.set & absent).none()) continue;
    if ((n.set & ~absent).count() > 2 * kMostSpelled && (n.set & ~absent & word_bytes()).any())
      continue;
    if (spelled(n.set, absent) != spelled(n.set, {})) return true;
  }
  return false;
}

Factors factors_of(const RegexTree& tree, const ByteSet& absent) {
  Walk walk(tree, absent);
  Known k = walk.known(tree.root());
  Factors out;
  out.possible = k.possible;
  if (!k.possible) return out;
  out.least = k.least;
  keep_rarest(k.bytes);
  out.bytes = std::move(k.bytes);
  out.cost = cost_of(k.words);
  if (out.cost >= kUseless) return out;
  Text first = text_of(k.words);
  out.cost = first.cost;
  Text second = second_text_of(k.also.empty() ? k.words : k.also, first, walk.sets());
  if (tells_more(first, second)) {
    out.second = std::move(second.pieces);
    out.second_bytes = second.bytes;
  }
  out.pieces = std::move(first.pieces);
  return out;
}

Factors factors_of_phrases(const std::vector<std::string>& phrases) {
  Factors out;
  out.least = kMostLength;
  for (const std::string& phrase : phrases) {
    if (phrase.empty()) return {};
    out.least = std::min(out.least, phrase.size());
    Piece piece;
    piece.text = lower(phrase);
    out.pieces.push_back(std::move(piece));
  }
  if (phrases.empty()) return {};
  tidy(out.pieces);
  out.cost = 0;
  for (const Piece& p : out.pieces)
    out.cost += commonness(p);
  return out;
}

}  // namespace weir::rules
