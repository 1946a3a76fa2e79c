#include "rules/factors.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "rules/ascii.h"

namespace weir::rules {

namespace {

// A language is described by words over bytes (lower case) and these marks, so that each of its
// strings is described by some word.
using Symbol = char16_t;
using Word = std::u16string;
using Words = std::vector<Word>;
constexpr Symbol kGap = 0x100;       // any bytes, or none
constexpr Symbol kNoWord = 0x101;    // one or more bytes that are none of a word
constexpr Symbol kBoundary = 0x102;  // \b: stands for no byte
constexpr Symbol kBegin = 0x103;     // the value begins here
constexpr Symbol kEnd = 0x104;       // the value ends here

constexpr std::size_t kMostWords = 4096;      // that describe one language
constexpr std::size_t kMostSymbols = 65536;   // in all of them
constexpr std::size_t kMostProduct = 512;     // words that come of joining two languages
constexpr std::size_t kMostSpelled = 8;       // bytes of a set that are spelled out
constexpr std::size_t kMostSpelledMarks = 3;  // of a set without bytes of a word
constexpr std::size_t kMostSets = 8;
constexpr std::size_t kMostLength = 1U << 20;
constexpr std::uint32_t kMostCopies = 4;  // of what is repeated

bool is_byte(Symbol s) {
  return s < 0x100;
}
bool is_word_symbol(Symbol s) {
  return is_byte(s) && word_bytes()[s];
}
bool takes_room(Symbol s) {
  return s <= kNoWord;
}

// Rough shares of bytes in the text, paths, numbers and tokens that requests carry.
constexpr std::array<double, 256> shares() {
  std::array<double, 256> out{};
  for (double& s : out)
    s = .0008;
  constexpr std::string_view kLetters = "etaoinsrhldcumfpgwybvkxjqz";
  constexpr double kLetterShares[] = {.085, .065, .06,  .055, .055, .05,  .05,  .05, .035,
                                      .035, .03,  .03,  .025, .025, .02,  .02,  .02, .018,
                                      .018, .015, .012, .012, .005, .004, .003, .003};
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    out[static_cast<std::uint8_t>(kLetters[i])] = kLetterShares[i];
  }
  for (std::size_t b = '0'; b <= '9'; ++b)
    out[b] = .025;
  out[' '] = .06;
  for (const char c : {'/', '.', '-'})
    out[static_cast<std::uint8_t>(c)] = .02;
  for (const char c : {'_', ',', '='})
    out[static_cast<std::uint8_t>(c)] = .01;
  for (const char c : {':', ';', '(', ')', '&', '%', '+'})
    out[static_cast<std::uint8_t>(c)] = .003;
  return out;
}
constexpr std::array<double, 256> kShares = shares();

// Letters keep company: after the first, each is more likely than alone.
double next_share(double s) {
  return std::min(1.0, 2.5 * s);
}

// What names, headers and addresses are full of, though their letters are rare.
constexpr std::string_view kOften[] = {
    "json.",        "http",    "https://",    "://",     "www.",  ".com",      "text/",      "html",
    "application/", "mozilla", "applewebkit", "windows", "gecko", "form-data", "multipart/", "_id",
    "name",         "user",    "data",        "value",   "type",  "content",   "like"};
constexpr double kOftenShare = .002;
constexpr std::size_t kLongestOften = 12;

constexpr std::size_t triple(std::string_view text) {
  std::size_t h = 0;
  for (std::size_t i = 0; i < 3; ++i) h = h * 31 + static_cast<std::uint8_t>(text[i]);
  return h % 1024;
}

// Which beginnings of three bytes may be in one of them.
constexpr std::array<bool, 1024> often_triples() {
  std::array<bool, 1024> out{};
  for (const std::string_view s : kOften) {
    for (std::size_t i = 0; i + 3 <= s.size(); ++i) out[triple(s.substr(i))] = true;
  }
  return out;
}
constexpr std::array<bool, 1024> kOftenTriples = often_triples();

bool is_often(std::string_view text) {
  if (text.size() < 3 || !kOftenTriples[triple(text)] || !kOftenTriples[triple(text.substr(text.size() - 3))]) {
    return false;
  }
  return std::any_of(std::begin(kOften), std::end(kOften), [&](std::string_view s) {
    return s.find(text) != std::string_view::npos;
  });
}

double edge_share(Piece::Edge e) {
  return e == Piece::Edge::Open ? 1.0 : e == Piece::Edge::Boundary ? .3 : .05;
}

// What stands between two marks of a word that take room, without the marks at its ends.
struct Part {
  std::size_t from = 0, to = 0;
  Piece::Edge left = Piece::Edge::Open, right = Piece::Edge::Open;
  double cost = 1;
};

std::string text_of(const Word& word, const Part& part) {
  std::string text;
  for (std::size_t i = part.from; i < part.to; ++i) {
    if (is_byte(word[i])) text += static_cast<char>(word[i]);
  }
  return text;
}

// A word boundary next to a word's byte says that no such byte stands on its other side.
Piece::Edge edge_at(bool beside_no_word, bool boundary, bool end, Symbol next) {
  if (end) return Piece::Edge::End;
  return beside_no_word || (boundary && is_word_symbol(next)) ? Piece::Edge::Boundary
                                                              : Piece::Edge::Open;
}

// False if the part of `word` from `from` to `to` holds no byte.
bool read_part(const Word& word, std::size_t from, std::size_t to, Part& part) {
  const bool no_word_left = from > 0 && word[from - 1] == kNoWord;
  const bool no_word_right = to < word.size() && word[to] == kNoWord;
  bool left_mark = false;
  bool right_mark = false;
  bool begins = false;
  bool ends = false;
  for (; from < to && !is_byte(word[from]); ++from) {
    begins = begins || word[from] == kBegin;
    left_mark = left_mark || word[from] == kBoundary;
  }
  for (; to > from && !is_byte(word[to - 1]); --to) {
    ends = ends || word[to - 1] == kEnd;
    right_mark = right_mark || word[to - 1] == kBoundary;
  }
  if (from == to) return false;
  part = {from, to, edge_at(no_word_left, left_mark, begins, word[from]),
          edge_at(no_word_right, right_mark, ends, word[to - 1]), 1};
  for (std::size_t i = from; i < to; ++i) {
    if (is_byte(word[i])) part.cost *= i == from ? kShares[word[i]] : next_share(kShares[word[i]]);
  }
  part.cost *= edge_share(part.left) * edge_share(part.right);
  if (to - from <= kLongestOften && is_often(text_of(word, part))) {
    part.cost = std::max(part.cost, kOftenShare);
  }
  return true;
}

// The rarest of the parts of a word; false if it holds no byte.
bool rarest_part(const Word& word, Part& best) {
  bool found = false;
  for (std::size_t from = 0; from <= word.size();) {
    std::size_t to = from;
    while (to < word.size() && word[to] != kGap && word[to] != kNoWord)
      ++to;
    Part part;
    if (read_part(word, from, to, part) && (!found || part.cost < best.cost)) {
      best = part;
      found = true;
    }
    from = to + 1;
  }
  return found;
}

// How often ordinary text holds what the words require, at any one place.
double cost_of(const Words& words) {
  double cost = 0;
  for (const Word& w : words) {
    Part part;
    if (!rarest_part(w, part)) return 1;
    cost += part.cost;
  }
  return std::min(cost, 1.0);
}

// Does `general` occur wherever `special` does?
bool implies(const Piece& special, const Piece& general) {
  if (general.left != Piece::Edge::Open || general.right != Piece::Edge::Open) {
    return special == general;
  }
  return special.text.find(general.text) != std::string::npos;
}

void tidy(std::vector<Piece>& pieces) {
  std::sort(pieces.begin(), pieces.end());
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
}

// Leaves out pieces that hold another one. Looking at every pair is quadratic; long lists are lists
// of words or phrases, where it hardly ever helps.
void simplify(std::vector<Piece>& pieces) {
  constexpr std::size_t kMostPieces = 256;
  tidy(pieces);
  if (pieces.size() > kMostPieces) return;
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.text.size() < b.text.size(); });
  std::vector<Piece> kept;
  for (Piece& p : pieces) {
    const bool covered =
        std::any_of(kept.begin(), kept.end(), [&](const Piece& k) { return implies(p, k); });
    if (!covered) kept.push_back(std::move(p));
  }
  pieces = std::move(kept);
  std::sort(pieces.begin(), pieces.end());
}

// One piece of each word; none if some word holds no byte.
std::vector<Piece> pieces_of(const Words& words) {
  std::vector<Piece> out;
  for (const Word& w : words) {
    Part part;
    if (!rarest_part(w, part)) return {};
    out.push_back({text_of(w, part), part.left, part.right});
  }
  simplify(out);
  return out;
}

double weight(const ByteSet& s) {
  double w = 0;
  for (std::size_t b = s._Find_first(); b < s.size(); b = s._Find_next(b)) {
    w += kShares[static_cast<std::uint8_t>(fold(static_cast<char>(b)))];
  }
  return w;
}

// Letters and digits are in almost every value: sets without them tell more than any with them, and are what
// the byte classes ask for. (Of "(String|Module)[.]x" and "[(]y" as a choice `.` and `(` are left, not `g` and `(`.)
double rank(const ByteSet& set) {
  static const ByteSet common = byte_range('a', 'z') | byte_range('A', 'Z') | byte_range('0', '9');
  return weight(set) + ((set & common).any() ? 1 : 0);
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

void tidy(Words& words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
}

// Can what surrounds the place `at` stand there? (Marks that contradict what is beside them.)
bool fits(const Word& seam, std::size_t at) {
  std::size_t from = at;
  while (from > 0 && !takes_room(seam[from - 1]))
    --from;
  std::size_t to = at;
  while (to < seam.size() && !takes_room(seam[to]))
    ++to;
  const bool before = from > 0 && seam[from - 1] != kGap;
  const bool after = to < seam.size() && seam[to] != kGap;
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
      const bool merge = !x.empty() && !y.empty() && x.back() == y.front() &&
                         (y.front() == kNoWord || y.front() == kGap);
      Word seam = x;
      seam.append(y, merge ? 1 : 0);
      if (fits(seam, x.size())) out.push_back(std::move(seam));
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
  if (a.words.size() == 1 || b.words.size() == 1 ||
      a.words.size() * b.words.size() <= kMostProduct) {
    a.words = joined(a.words, b.words);
  } else if (cost_of(a.words) <= cost_of(b.words)) {
    a.words = joined(a.words, gap);
  } else {
    a.words = joined(gap, b.words);
  }
  if (a.words.empty()) return impossible();
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
  for (Known& k : options) {
    out.least = std::min(out.least, k.least);
    std::move(k.words.begin(), k.words.end(), std::back_inserter(out.words));
  }
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

  // The depth of the tree is bounded (RegexTree::kMostDepth).
  [[nodiscard]] Known known(std::uint32_t index) const {
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
  [[nodiscard]] Known set(const RegexNode& n) const {
    Known k;
    k.words = spelled(n.set, absent_);
    if (k.words.empty()) return impossible();
    k.least = 1;
    const ByteSet bytes = n.set & ~absent_;
    if (!bytes.all()) k.bytes = {bytes};
    return k;
  }

  [[nodiscard]] Known repeat(const RegexNode& n) const {
    if (n.most == 0) return Known{};
    Known body = known(n.parts.front());
    if (!body.possible) return n.least == 0 ? Known{} : impossible();
    if (n.least == 0) {
      if (n.most > 1 || body.words.size() > kMostProduct) return symbol(kGap);
      body.words.push_back(Word());
      tidy(body.words);
      body.least = 0;
      body.bytes.clear();
      return body;
    }
    const std::size_t least = std::min(body.least * n.least, kMostLength);
    const bool run = body.words.size() == 1 && body.words.front() == Word(1, kNoWord);
    if (!run) {  // that mark stands for any number of such bytes
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

  const RegexTree& tree_;
  const ByteSet& absent_;
};

// From here on a literal is worth looking for.
constexpr double kUseless = 0.2;

}  // namespace

bool operator<(const Piece& a, const Piece& b) {
  return std::tie(a.text, a.left, a.right) < std::tie(b.text, b.left, b.right);
}

namespace {

double commonness(std::string_view text, double edges) {
  double c = 1;
  bool first = true;
  for (const char ch : text) {
    const double s = kShares[static_cast<std::uint8_t>(ch)];
    c *= first ? s : next_share(s);
    first = false;
  }
  c *= edges;
  return c < kOftenShare && text.size() <= kLongestOften && is_often(text) ? kOftenShare : c;
}

}  // namespace

double commonness(const Piece& piece) {
  return commonness(piece.text, edge_share(piece.left) * edge_share(piece.right));
}

double commonness(std::string_view text) { return commonness(text, 1); }

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
  Known k = Walk(tree, absent).known(tree.root());
  Factors out;
  out.possible = k.possible;
  if (!k.possible) return out;
  out.least = k.least;
  out.cost = cost_of(k.words);
  if (out.cost < kUseless) out.pieces = pieces_of(k.words);
  keep_rarest(k.bytes);
  out.bytes = std::move(k.bytes);
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
