#include "rules/beginnings.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "rules/factor_words.h"

namespace weir::rules {

namespace {

constexpr std::size_t kMostDrafts = 512;  // at any time
// Ordinary text shall have fewer places than this share of its bytes; a beginning that is so rare needs no more of its bytes.
constexpr double kMostOften = 1.0 / 32;
constexpr double kRare = 1e-6;
// Other places that need a closer look, in the same way.
constexpr double kMostLooks = 1.0 / 24;

// The first bytes of some matches.
struct Draft {
  std::vector<ByteSet> sets;
  double often = 1;     // at any one place of ordinary text, roughly
  bool begins = false;  // only where the value does
  bool closed = false;  // what follows is not told
};
using Drafts = std::vector<Draft>;

// Goes along the tree, and writes down what comes first.
class Expansion {
 public:
  Expansion(const RegexTree& tree, std::size_t depth) : tree_(tree), depth_(depth) {}

  // Adds what the node may begin with to those that are not closed. As deep as the tree, which is bounded.
  void follow(std::uint32_t index, Drafts& drafts) const {
    if (std::all_of(drafts.begin(), drafts.end(), [](const Draft& d) { return d.closed; })) return;
    const RegexNode& node = tree_.node(index);
    switch (node.kind) {
      case RegexNode::Kind::Empty:
      case RegexNode::Kind::WordBoundary: break;
      case RegexNode::Kind::Anything:
      case RegexNode::Kind::End: close(drafts); break;
      case RegexNode::Kind::Begin: begin(drafts); break;
      case RegexNode::Kind::Set: add(node.set, drafts); break;
      case RegexNode::Kind::Sequence:
        for (const std::uint32_t part : node.parts) follow(part, drafts);
        break;
      case RegexNode::Kind::Choice: choose(node, drafts); break;
      case RegexNode::Kind::Repeat: repeat(node, drafts); break;
    }
  }

 private:
  static void close(Drafts& drafts) {
    for (Draft& d : drafts) d.closed = true;
  }

  static void begin(Drafts& drafts) {
    std::erase_if(drafts, [](const Draft& d) { return !d.closed && !d.sets.empty(); });
    for (Draft& d : drafts) {
      if (!d.closed) d.begins = d.closed = true;
    }
  }

  void add(const ByteSet& set, Drafts& drafts) const {
    if (set.none()) std::erase_if(drafts, [](const Draft& d) { return !d.closed; });
    const double share = std::min(factors::share_of(set), 1.0);
    for (Draft& d : drafts) {
      if (d.closed) continue;
      d.sets.push_back(set);
      d.often *= share;
      d.closed = d.sets.size() == depth_ || d.often < kRare;
    }
  }

  static void append(Drafts more, Drafts& to) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }

  static Drafts take_open(Drafts& drafts) {
    const auto at = std::stable_partition(drafts.begin(), drafts.end(), [](const Draft& d) { return d.closed; });
    Drafts open(std::make_move_iterator(at), std::make_move_iterator(drafts.end()));
    drafts.erase(at, drafts.end());
    return open;
  }

  void choose(const RegexNode& node, Drafts& drafts) const {
    Drafts open = take_open(drafts);
    Drafts all;
    for (const std::uint32_t part : node.parts) {
      Drafts with = open;
      follow(part, with);
      append(std::move(with), all);
      if (drafts.size() + all.size() <= kMostDrafts) continue;
      close(open);
      all = std::move(open);
      break;
    }
    append(std::move(all), drafts);
  }

  void repeat(const RegexNode& node, Drafts& drafts) const {
    const std::uint32_t part = node.parts.front();
    const std::size_t least = std::min<std::size_t>(node.least, depth_);
    for (std::size_t i = 0; i < least; ++i) follow(part, drafts);
    if (node.most <= least) return;
    Drafts open = take_open(drafts);
    Drafts all = open;
    for (const Draft& d : open) {
      Drafts once{d};
      follow(part, once);
      for (Draft& more : once) {
        // (One that is as it was is among those that go on without.)
        if (!more.closed && more.sets.size() == d.sets.size()) continue;
        more.closed = more.closed || node.most > least + 1;
        all.push_back(std::move(more));
      }
    }
    if (drafts.size() + all.size() > kMostDrafts) {
      close(open);
      all = std::move(open);
    }
    append(std::move(all), drafts);
  }

  const RegexTree& tree_;
  std::size_t depth_;
};

using Beginning = std::vector<ByteSet>;

// Bytes by their halves: all that have one of some lower, and one of some upper halves.
struct Rectangle {
  std::uint16_t low = 0, high = 0;

  void add(const ByteSet& set) {
    for (std::size_t c = set._Find_first(); c < set.size(); c = set._Find_next(c)) {
      low = static_cast<std::uint16_t>(low | 1U << (c & 15));
      high = static_cast<std::uint16_t>(high | 1U << (c >> 4));
    }
  }
  void add(const Rectangle& more) {
    low |= more.low;
    high |= more.high;
  }
  [[nodiscard]] double often() const {
    static const auto kShares = [] {
      std::array<double, 256> shares{};
      for (std::size_t c = 0; c < shares.size(); ++c) {
        ByteSet one;
        // Small letters are much oftener than capitals, and have the same share.
        const bool capital = c >= 'A' && c <= 'Z';
        shares[c] = capital ? factors::share_of(one.set(c)) / 8 : factors::share_of(one.set(c));
      }
      return shares;
    }();
    double sum = 0;
    for (unsigned h = high; h != 0; h &= h - 1) {
      for (unsigned l = low; l != 0; l &= l - 1) sum += kShares[static_cast<std::size_t>(std::countr_zero(h) << 4 | std::countr_zero(l))];
    }
    return std::min(sum, 1.0);
  }
};

constexpr Rectangle kAnyByte{0xffff, 0xffff};

// What some beginnings have at each of the first bytes, as far as all of them go.
struct Lot {
  std::array<Rectangle, Beginnings::kTogether> bytes;
  std::size_t length = 0;

  explicit Lot(const Beginning& b) : length(std::min(b.size(), bytes.size())) {
    for (std::size_t i = 0; i < length; ++i) bytes[i].add(b[i]);
  }
  void add(const Lot& more) {
    length = std::min(length, more.length);
    for (std::size_t i = 0; i < length; ++i) bytes[i].add(more.bytes[i]);
  }
  // At how many places of ordinary text, roughly, such bytes are; with those of another, too.
  [[nodiscard]] double often() const { return often_with(*this); }
  [[nodiscard]] double often_with(const Lot& other) const {
    double share = 1;
    for (std::size_t i = 0; i < std::min(length, other.length); ++i) {
      Rectangle both = bytes[i];
      both.add(other.bytes[i]);
      share *= both.often();
    }
    return share;
  }
};

// The same in parts whose first bytes are rectangles, which a lot tells exactly: `\n` and '{' are of one with 'j'.
std::vector<Beginning> in_rectangles(const Beginning& b) {
  std::array<std::uint16_t, 16> lows{};
  for (std::size_t c = 0; c < 256; ++c) {
    if (b.front()[c]) lows[c >> 4] = static_cast<std::uint16_t>(lows[c >> 4] | 1U << (c & 15));
  }
  std::vector<Beginning> out;
  for (std::size_t high = 0; high < lows.size(); ++high) {
    const auto here = lows.begin() + static_cast<std::ptrdiff_t>(high);
    if (*here == 0 || std::find(lows.begin(), here, *here) != here) continue;
    Beginning part = b;
    for (std::size_t c = 0; c < 256; ++c) part.front()[c] = part.front()[c] && lows[c >> 4] == lows[high];
    out.push_back(std::move(part));
  }
  return out;
}

// Without those that begin as another does. `often`: how often ordinary text has one of them at any one place, roughly.
std::vector<Beginning> least_of(Drafts drafts, double& often) {
  std::stable_sort(drafts.begin(), drafts.end(), [](const Draft& a, const Draft& b) { return a.sets.size() < b.sets.size(); });
  std::vector<Beginning> out;
  const auto begins_as = [](const Beginning& b, const Beginning& shorter) {
    return std::equal(shorter.begin(), shorter.end(), b.begin(), [](const ByteSet& wide, const ByteSet& set) { return (set & ~wide).none(); });
  };
  often = 0;
  for (Draft& d : drafts) {
    if (std::any_of(out.begin(), out.end(), [&](const auto& other) { return begins_as(d.sets, other); })) continue;
    often += d.often;
    out.push_back(std::move(d.sets));
  }
  return out;
}

// All in so many lots, of which text shall have few places: ever the two that cost the least together become one.
std::vector<Lot> in_lots(const std::vector<Beginning>& beginnings, std::size_t count) {
  constexpr std::size_t kMostPairs = 64;  // of lots
  std::vector<Lot> lots;
  const auto put = [&](const Lot& one) {
    // Those that end alike differ in what is in front of it, and there are too many to ask of each pair.
    const auto alike = [&](const Lot& lot) {
      if (lot.length != one.length) return false;
      const Rectangle& a = lot.bytes[lot.length - 1];
      const Rectangle& b = one.bytes[lot.length - 1];
      return lots.size() >= kMostPairs || (a.low == b.low && a.high == b.high && lot.length > 1);
    };
    const auto like = std::find_if(lots.begin(), lots.end(), alike);
    if (like != lots.end()) {
      like->add(one);
    } else {
      lots.push_back(one);
    }
  };
  for (const Beginning& b : beginnings) {
    for (const Beginning& part : in_rectangles(b)) put(Lot(part));
  }
  // By pair: how much oftener a place is of the two when they are one lot.
  std::vector<std::vector<double>> more(lots.size());
  const auto ask = [&](std::size_t i, std::size_t k) { return lots[i].often_with(lots[k]) - lots[i].often() - lots[k].often(); };
  for (std::size_t i = 0; i < lots.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) more[i].push_back(ask(i, k));
  }
  while (lots.size() > count) {
    std::size_t first = 0;
    std::size_t second = 1;
    for (std::size_t i = 0; i < lots.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (more[i][k] >= more[second][first]) continue;
        first = k;
        second = i;
      }
    }
    lots[first].add(lots[second]);
    lots.erase(lots.begin() + static_cast<std::ptrdiff_t>(second));
    more.erase(more.begin() + static_cast<std::ptrdiff_t>(second));
    for (std::size_t i = second; i < lots.size(); ++i) more[i].erase(more[i].begin() + static_cast<std::ptrdiff_t>(second));
    for (std::size_t i = 0; i < lots.size(); ++i) {
      if (i != first) more[std::max(i, first)][std::min(i, first)] = ask(i, first);
    }
  }
  return lots;
}

}  // namespace

std::unique_ptr<const Beginnings> Beginnings::of(const RegexTree& tree) {
  for (const std::size_t depth : {std::size_t{8}, std::size_t{4}}) {
    Drafts drafts(1);
    Expansion(tree, depth).follow(tree.root(), drafts);
    const std::size_t at_start = std::erase_if(drafts, [](const Draft& d) { return d.begins; });
    double often = 0;
    const std::vector<Beginning> beginnings = least_of(std::move(drafts), often);
    if (often > kMostOften) continue;
    std::vector<Lot> lots = in_lots(beginnings, kLots);
    double looks = 0;
    for (const Lot& lot : lots) looks += lot.often();
    if (looks - often > kMostLooks) return nullptr;  // fewer bytes would leave more
    auto out = std::make_unique<Beginnings>();
    out->at_start_ = at_start != 0;
    out->grow(beginnings);
    if (out->nodes_.empty() && !beginnings.empty()) continue;
    std::stable_sort(lots.begin(), lots.end(), [](const Lot& a, const Lot& b) { return a.length < b.length; });
    for (std::size_t i = 0; i < lots.size(); ++i) {
      Eight& eight = out->lots_[i / 8];
      eight.length = std::max(eight.length, lots[i].length);
      const auto bit = static_cast<std::uint8_t>(1U << (i % 8));
      for (std::size_t k = 0; k < kTogether; ++k) {
        const Rectangle& bytes = k < lots[i].length ? lots[i].bytes[k] : kAnyByte;
        for (std::size_t half = 0; half < 16; ++half) {
          if ((bytes.low >> half & 1U) != 0) eight.bytes[k].low[half] |= bit;
          if ((bytes.high >> half & 1U) != 0) eight.bytes[k].high[half] |= bit;
        }
      }
    }
    return out;
  }
  return nullptr;
}

// Nodes for all of them, those that follow one of them next to each other. None, if too many differ in the first byte.
void Beginnings::grow(const std::vector<std::vector<ByteSet>>& beginnings) {
  struct Branch {
    std::size_t node, depth;
    std::vector<const Beginning*> all;
  };
  std::vector<Branch> branches(1);
  for (const Beginning& b : beginnings) branches.front().all.push_back(&b);
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const Branch branch = std::move(branches[i]);
    const std::size_t first = nodes_.size();
    std::vector<Branch> parts;
    for (const Beginning* b : branch.all) {
      if (b->size() == branch.depth) continue;
      const ByteSet& set = (*b)[branch.depth];
      std::size_t at = first;
      while (at < nodes_.size() && nodes_[at].set != set) ++at;
      if (at == nodes_.size()) {
        nodes_.push_back({set});
        parts.push_back({at, branch.depth + 1, {}});
      }
      parts[at - first].all.push_back(b);
    }
    if (i == 0 && nodes_.size() > kMostRoots) return nodes_.clear();
    if (i == 0) {
      for (std::size_t c = 0; c < roots_.size(); ++c) {
        for (std::size_t root = 0; root < nodes_.size(); ++root) roots_[c] |= std::uint64_t{nodes_[root].set[c]} << root;
      }
    } else {
      nodes_[branch.node].first = static_cast<std::uint32_t>(first);
      nodes_[branch.node].count = static_cast<std::uint32_t>(nodes_.size() - first);
    }
    branches.insert(branches.end(), std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  }
}

// As deep as a beginning is long.
bool Beginnings::goes_on(const Node& node, std::string_view rest) const {
  if (node.count == 0) return true;
  if (rest.empty()) return false;
  const Node* const first = nodes_.data() + node.first;
  return std::any_of(first, first + node.count, [&](const Node& next) {
    return next.set[static_cast<std::uint8_t>(rest.front())] && goes_on(next, rest.substr(1));
  });
}

bool Beginnings::begins(std::string_view value, std::size_t at) const {
  for (std::uint64_t roots = roots_[static_cast<std::uint8_t>(value[at])]; roots != 0; roots &= roots - 1) {
    if (goes_on(nodes_[static_cast<std::size_t>(std::countr_zero(roots))], value.substr(at + 1))) return true;
  }
  return false;
}

#if defined(__x86_64__)

namespace {

const bool kAvx2 = __builtin_cpu_supports("avx2") != 0;

__attribute__((target("avx2"))) inline __m256i in_both_lanes(const std::array<std::uint8_t, 16>& table) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table.data())));
}

}  // namespace

// Thirty-two places at a time: a table of sixteen is a register.
__attribute__((target("avx2"))) std::size_t Beginnings::next_by_step(std::string_view value, std::size_t from) const {
  constexpr std::size_t kStep = 32;
  std::array<char, kStep + kTogether - 1> end;  // NOLINT: filled where it is needed
  const __m256i half = _mm256_set1_epi8(15);
  for (std::size_t at = from; at < value.size(); at += kStep) {
    const std::size_t left = value.size() - at;
    const char* p = value.data() + at;
    if (left < end.size()) {  // zeroes behind it: no beginning goes on there, whatever they are of
      std::memcpy(end.data(), p, left);
      std::memset(end.data() + left, 0, end.size() - left);
      p = end.data();
    }
    __m256i none = _mm256_set1_epi8(-1);
    for (const Eight& eight : lots_) {
      __m256i lots = _mm256_set1_epi8(-1);
      for (std::size_t k = 0; k < eight.length; ++k) {
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + k));
        const __m256i low = _mm256_shuffle_epi8(in_both_lanes(eight.bytes[k].low), _mm256_and_si256(bytes, half));
        const __m256i high =
            _mm256_shuffle_epi8(in_both_lanes(eight.bytes[k].high), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
        lots = _mm256_and_si256(lots, _mm256_and_si256(low, high));
      }
      if (eight.length != 0) none = _mm256_and_si256(none, _mm256_cmpeq_epi8(lots, _mm256_setzero_si256()));
    }
    auto places = ~static_cast<std::uint32_t>(_mm256_movemask_epi8(none));
    if (left < kStep) places &= (1U << left) - 1;
    for (; places != 0; places &= places - 1) {
      const auto place = at + static_cast<std::size_t>(std::countr_zero(places));
      if (begins(value, place)) return place;
    }
  }
  return std::string_view::npos;
}

#endif

std::size_t Beginnings::next(std::string_view value, std::size_t from) const {
  if (from == 0 && at_start_) return 0;
  if (nodes_.empty()) return std::string_view::npos;
#if defined(__x86_64__)
  if (kAvx2) return next_by_step(value, from);
#endif
  for (std::size_t at = from; at < value.size(); ++at) {
    if (begins(value, at)) return at;
  }
  return std::string_view::npos;
}

}  // namespace weir::rules
