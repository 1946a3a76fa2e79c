#include "rules/factor_words.h"

#include <algorithm>
#include <array>
#include <queue>
#include <tuple>
#include <utility>

#include "rules/ascii.h"

namespace weir::rules {

bool operator<(const Piece& a, const Piece& b) {
  return std::tie(a.text, a.left, a.right) < std::tie(b.text, b.left, b.right);
}

namespace factors {

namespace {

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

// Does `general` occur wherever `special` does?
bool implies(const Piece& special, const Piece& general) {
  if (general.left != Piece::Edge::Open || general.right != Piece::Edge::Open) {
    return special == general;
  }
  return special.text.find(general.text) != std::string::npos;
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

// Calls take(part) for each part of the word.
template <class Take>
void for_parts(const Word& word, Take take) {
  for (std::size_t from = 0; from <= word.size();) {
    std::size_t to = from;
    while (to < word.size() && !is_gap(word[to]) && word[to] != kNoWord) ++to;
    Part part;
    if (read_part(word, from, to, part)) take(part);
    from = to + 1;
  }
}

Piece piece_of(const Word& word, const Part& part) { return {text_of(word, part), part.left, part.right}; }

// What looking for one more piece costs, in places of ordinary text that hold it. (Short lists are preferred: "alter" for
// a hundred things that can be altered.)
constexpr double kEach = 1.5e-6;
// Bytes of a wider set are in most texts.
constexpr double kWidest = .3;

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// Something that one of the words can be known by.
struct Sign {
  Piece piece;
  Symbol set = 0;  // or one of those marks
  double cost = 1;
  std::vector<std::uint32_t> words;  // that have it

  [[nodiscard]] auto key() const { return std::tie(set, piece); }
  // A letter tells nothing.
  [[nodiscard]] bool tells() const { return set != 0 || piece.text.size() > 1 || !is_letter(piece.text.front()); }
  [[nodiscard]] double price() const { return cost + kEach; }
};

// Signs by what they are, each with all its words.
std::vector<Sign> united(std::vector<Sign> signs) {
  std::stable_sort(signs.begin(), signs.end(), [](const Sign& a, const Sign& b) { return a.key() < b.key(); });
  std::vector<Sign> out;
  for (Sign& s : signs) {
    if (!out.empty() && out.back().key() == s.key()) {
      if (out.back().words.back() != s.words.front()) out.back().words.push_back(s.words.front());
    } else {
      out.push_back(std::move(s));
    }
  }
  return out;
}

// Signs so that each of `n` words has one, whose costs add up to little: the one that costs least for each word that has
// none yet, again and again. By their places; empty if some word has none.
std::vector<std::size_t> cover(const std::vector<Sign>& signs, std::size_t n) {
  using Candidate = std::pair<double, std::size_t>;  // its cost for each word when it was looked at, and its place
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  for (std::size_t i = 0; i < signs.size(); ++i) {
    queue.emplace(signs[i].price() / static_cast<double>(signs[i].words.size()), i);
  }
  std::vector<bool> covered(n);
  std::vector<std::size_t> out;
  std::size_t left = n;
  while (left > 0 && !queue.empty()) {
    const auto [ratio, place] = queue.top();
    queue.pop();
    const Sign& sign = signs[place];
    const auto open = std::count_if(sign.words.begin(), sign.words.end(), [&](std::uint32_t w) { return !covered[w]; });
    if (open == 0) continue;
    const double now = sign.price() / static_cast<double>(open);
    if (now > ratio) {  // others have taken words of it meanwhile
      queue.emplace(now, place);
      continue;
    }
    for (const std::uint32_t w : sign.words) {
      left -= covered[w] ? 0 : 1;
      covered[w] = true;
    }
    out.push_back(place);
  }
  if (left > 0) out.clear();
  return out;
}

Text chosen(const std::vector<Sign>& signs, std::size_t words, const std::vector<ByteSet>& sets) {
  Text text;
  const std::vector<std::size_t> places = cover(signs, words);
  if (places.empty()) return text;
  text.cost = 0;
  for (const std::size_t place : places) {
    const Sign& sign = signs[place];
    text.cost += sign.cost;
    if (sign.set != 0) {
      text.bytes |= sets[sign.set - kSet];
    } else {
      text.pieces.push_back(sign.piece);
    }
  }
  text.cost = std::min(text.cost, 1.0);
  simplify(text.pieces);
  return text;
}

}  // namespace

bool is_word_symbol(Symbol s) { return is_byte(s) && word_bytes()[s]; }

double share_of(const ByteSet& set) {
  double sum = 0;
  for (std::size_t b = set._Find_first(); b < set.size(); b = set._Find_next(b)) {
    sum += kShares[static_cast<std::uint8_t>(fold(static_cast<char>(b)))];
  }
  return sum;
}

bool rarest_part(const Word& word, Part& best) {
  bool found = false;
  for_parts(word, [&](const Part& part) {
    if (found && part.cost >= best.cost) return;
    best = part;
    found = true;
  });
  return found;
}

double cost_of(const Words& words) {
  double cost = 0;
  for (const Word& w : words) {
    Part part;
    if (!rarest_part(w, part)) return 1;
    cost += part.cost;
  }
  return std::min(cost, 1.0);
}

Text text_of(const Words& words) {
  std::vector<Sign> signs;
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    for_parts(words[i], [&](const Part& part) { signs.push_back({piece_of(words[i], part), 0, part.cost, {i}}); });
  }
  return chosen(united(std::move(signs)), words.size(), {});
}

Text second_text_of(const Words& words, const Text& first, const std::vector<ByteSet>& sets) {
  std::vector<Sign> signs;
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    const std::size_t before = signs.size();
    std::vector<Sign> same;
    std::vector<Sign> brief;  // only where there is nothing else: looking for short pieces is a pass of its own
    for_parts(words[i], [&](const Part& part) {
      Sign sign{piece_of(words[i], part), 0, part.cost, {i}};
      if (std::binary_search(first.pieces.begin(), first.pieces.end(), sign.piece)) {
        same.push_back(std::move(sign));
      } else if (sign.tells()) {
        (sign.piece.text.size() == 1 || !sign.piece.is_short() ? signs : brief).push_back(std::move(sign));
      }
    });
    for (const Symbol s : words[i]) {
      if (s < kSet) continue;
      const double share = share_of(sets[s - kSet]);
      if (share <= kWidest) signs.push_back({{}, s, share, {i}});
    }
    if (signs.size() == before) std::move(brief.begin(), brief.end(), std::back_inserter(signs));
    if (signs.size() == before) std::move(same.begin(), same.end(), std::back_inserter(signs));
  }
  return chosen(united(std::move(signs)), words.size(), sets);
}

}  // namespace factors

namespace {

using namespace factors;

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

}  // namespace weir::rules
