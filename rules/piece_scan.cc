#include "rules/piece_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/base/octets.h"
#include "rules/ascii.h"

namespace weir::rules {

namespace {

// How rare a letter is behind another in English text and program text: minus the logarithm to base 2 of its share, as a
// hexadecimal digit, counted in the documents of a Debian system. A row for space and each letter in front, a column for
// space and each letter behind; the last row is of letters wherever they stand.
constexpr std::size_t kLetters = 27;
constexpr std::string_view kRarity =
    "f45345455477455449543565788"
    "48544885a5b6453a5b34366886a"
    "34757374836937947a5573ab749"
    "3485848936a448927c56467b66a"
    "14674289739968848c658699b8d"
    "2565465798a955486733596657b"
    "2587744ac2fd58837d4654bbb7f"
    "2685727754ac46456c556598b99"
    "339a82aba4ba68847b5846c8e9d"
    "55445555caa645246a6338676c6"
    "4287739995a9778368937395cbb"
    "2476718684ca68657b7465a7c9b"
    "33885378b27949948d955579b5a"
    "235873aaa4a955833ca576aba7e"
    "2494445395a678748ba4357aa7b"
    "37654846979754264e3554559a9"
    "33a6638765c748844b3545aa959"
    "28889899b6cc497a99677189bdd"
    "24956285a3e676648c544679c5c"
    "2596838954c8678559743599b6b"
    "24a6738a33c876946c4556b786a"
    "46556465b4c944394f333bab7c9"
    "3297a1a8a3ca96857d7779ab8bc"
    "239883a932e879649c558ab7bcd"
    "1595847995e986a73b8439a9379"
    "1687969897ca55553b5458b7bb8"
    "34798297648a5625ad9788bab76"
    "34655366548755445a444577779";
static_assert(kRarity.size() == (kLetters + 1) * kLetters);

// In a row or column of it; kLetters: neither a letter nor a space.
std::size_t letter(char c) {
  return c == ' ' ? 0 : c >= 'a' && c <= 'z' ? static_cast<std::size_t>(c - 'a') + 1 : kLetters;
}

// How rare the byte is behind `before`, in bits.
double rarity(std::size_t before, char c) {
  const std::size_t column = letter(c);
  if (column == kLetters) return -std::log2(commonness(std::string_view(&c, 1)));
  const char digit = kRarity[before * kLetters + column];
  return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

// The rarest window of `length` bytes. (Which one it is matters to the time that a look takes only: pieces are words and
// phrases, and most text is made of words.)
std::size_t rarest_window(std::string_view text, std::size_t length) {
  text = text.substr(0, 0xffff);  // a place is a number of 16 bits
  std::size_t best = 0;
  double most = -1;
  for (std::size_t i = 0; i + length <= text.size(); ++i) {
    double bits = rarity(kLetters, text[i]);
    for (std::size_t k = i + 1; k < i + length; ++k) bits += rarity(letter(text[k - 1]), text[k]);
    if (bits > most) {
      best = i;
      most = bits;
    }
  }
  return best;
}

bool is_word(char c) {
  return word_bytes()[static_cast<std::uint8_t>(c)];
}

// Kinds of bytes: letters by how often they stand in text, alone or some together, so that all kinds are about as frequent;
// what else is part of a word; what is not.
constexpr unsigned kDigits = 12;  // and '_'
constexpr unsigned kBlanks = 13;  // and NUL
constexpr unsigned kMarks = 14;   // of paths, names and addresses
constexpr unsigned kOthers = 15;
constexpr std::array<std::string_view, kDigits> kGroups = {"e",  "t",  "a",   "o",    "i",     "n",
                                                           "sx", "rq", "hlz", "dcuj", "mfpgw", "ybvk"};
constexpr std::array<std::uint8_t, 256> kinds() {
  std::array<std::uint8_t, 256> out{};
  for (std::uint8_t& kind : out) kind = kOthers;
  for (unsigned k = 0; k < kGroups.size(); ++k) {
    for (const char c : kGroups[k]) {
      out[static_cast<std::uint8_t>(c)] = static_cast<std::uint8_t>(k);
      out[static_cast<std::uint8_t>(c - 'a' + 'A')] = static_cast<std::uint8_t>(k);
    }
  }
  for (const char c : std::string_view("0123456789_")) out[static_cast<std::uint8_t>(c)] = kDigits;
  for (const char c : std::string_view("\0 \t\n\v\f\r", 7)) out[static_cast<std::uint8_t>(c)] = kBlanks;
  for (const char c : std::string_view("/.-:")) out[static_cast<std::uint8_t>(c)] = kMarks;
  return out;
}

// Is the edge as required, where `beside` is the byte there, or null at the end of the value?
bool edge_holds(Piece::Edge edge, const char* beside) {
  switch (edge) {
    case Piece::Edge::Open:
      return true;
    case Piece::Edge::Boundary:
      return beside == nullptr || !is_word(*beside);
    case Piece::Edge::End:
      return beside == nullptr;
  }
  return true;
}

#if defined(__x86_64__)

const bool kAvx2 = __builtin_cpu_supports("avx2") != 0;

// What is looked into for one length of window.
struct Lookup {
  const int* bits;
  unsigned shift;  // of the hash
  std::uint32_t keep;  // of the four bytes at a place, those of the window
};

// The words of the table that are asked for. (A gather is a loop of microcode on AMD's processors: an eighth slower, all in all.)
__attribute__((target("avx2"))) inline __m256i words_at(const int* table, __m256i indices) {
  const auto four = [table](__m128i of) __attribute__((target("avx2"))) {
    const auto two = [table](long long both) __attribute__((target("avx2"))) {
      const auto at = static_cast<std::uint64_t>(both);
      return _mm_insert_epi32(_mm_cvtsi32_si128(table[static_cast<std::uint32_t>(at)]), table[at >> 32], 1);
    };
    return _mm_unpacklo_epi64(two(_mm_cvtsi128_si64(of)), two(_mm_extract_epi64(of, 1)));
  };
  const __m128i low = four(_mm256_castsi256_si128(indices));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), four(_mm256_extracti128_si256(indices, 1)), 1);
}

// candidates() for eight places at a time. Reads 24 bytes beyond the last place.
template <std::size_t kLengths>
__attribute__((target("avx2"))) void candidates_avx2(const std::array<Lookup, kLengths>& lookups, std::uint32_t factor,
                                                     const char* p, std::size_t n, std::uint64_t* out) {
  const __m256i windows = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6,  //
                                           4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
  const __m256i fold = _mm256_set1_epi32(0x20202020);
  const __m256i mix = _mm256_set1_epi32(static_cast<int>(factor));
  const __m256i last = _mm256_set1_epi32(31);
  std::array<std::uint64_t, kLengths> found{};
  for (std::size_t i = 0; i < n; i += 8) {
    // By halves, each of which was stored in one go (Blocks).
    const auto half = [&](std::size_t at) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + at)); };
    const __m128i bytes = _mm_unpacklo_epi64(half(i), half(i + 8));
    const __m256i w = _mm256_or_si256(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), windows), fold);
    for (std::size_t k = 0; k < kLengths; ++k) {
      const __m256i window = _mm256_and_si256(w, _mm256_set1_epi32(static_cast<int>(lookups[k].keep)));
      const __m256i h = _mm256_srl_epi32(_mm256_mullo_epi32(window, mix), _mm_cvtsi32_si128(static_cast<int>(lookups[k].shift)));
      const __m256i word = words_at(lookups[k].bits, _mm256_srli_epi32(h, 5));
      // The bit that is meant becomes the sign.
      const __m256i sign = _mm256_sllv_epi32(word, _mm256_sub_epi32(last, _mm256_and_si256(h, last)));
      const auto eight = static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(sign)));
      found[k] |= static_cast<std::uint64_t>(eight) << i;
    }
  }
  std::copy(found.begin(), found.end(), out);
}

#endif

}  // namespace

const std::array<std::uint8_t, 256> PieceScanner::kKinds = kinds();

// Of the byte beside a window: the piece's own, or what its edge allows.
std::uint16_t PieceScanner::kinds_beside(const Piece& piece, std::size_t window, std::size_t length, bool before) {
  const bool inside = before ? window > 0 : window + length < piece.text.size();
  if (inside) return static_cast<std::uint16_t>(1U << kind_of(piece.text[before ? window - 1 : window + length]));
  const auto allowed = [](Piece::Edge edge) {
    auto kinds = static_cast<std::uint16_t>(1U << kind_of(kNoByte));
    for (unsigned c = 0; c < 256; ++c) {
      const char byte = static_cast<char>(c);
      if (edge_holds(edge, &byte)) kinds |= static_cast<std::uint16_t>(1U << kind_of(byte));
    }
    return kinds;
  };
  static const std::array<std::uint16_t, 3> kAllowed = {allowed(Piece::Edge::Open), allowed(Piece::Edge::Boundary),
                                                        allowed(Piece::Edge::End)};
  return kAllowed[static_cast<std::size_t>(before ? piece.left : piece.right)];
}

PieceScanner::Blocks::Blocks(std::string_view text) : text_(text) {
  if (text.size() >= kBlock + kBeyond) end_at_ = (text.size() - kBeyond) / kBlock * kBlock;
  const char* const from = text.data() + end_at_;
  const std::size_t n = text.size() - end_at_;
  char* const end = end_.data() + kLead;
#if defined(__SSE2__)
  // Sixteen bytes at a time, the last of them with zeroes behind, as they are read then: what was written in parts cannot be read as
  // a whole at once.
  constexpr std::size_t kStep = 16;
  static_assert(2 * kStep >= kBeyond);
  static_assert((kBlock + kBeyond - 1) / kStep * kStep + 3 * kStep + kLead <= sizeof(end_));
  const auto store = [end](std::size_t at, __m128i bytes) { _mm_storeu_si128(reinterpret_cast<__m128i*>(end + at), bytes); };
  std::size_t at = 0;
  for (; at + kStep <= n; at += kStep) store(at, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)));
  store(at, base::up_to_sixteen(from + at, n - at));
  store(at + kStep, _mm_setzero_si128());
  store(at + 2 * kStep, _mm_setzero_si128());
#else
  std::memcpy(end, from, n);
  std::memset(end + n, 0, kBeyond);
#endif
  if (end_at_ != 0) std::memcpy(end_.data(), from - kLead, kLead);
}

void PieceScanner::candidates(bool short_ones, const char* p, std::size_t n, std::uint64_t* out) const {
  const std::size_t lengths = short_ones ? kLengths : 1;
  const auto keep = [](std::size_t k) { return 0xffffffffU >> (8 * k); };
#if defined(__x86_64__)
  if (kAvx2) {
    const auto lookup = [&](std::size_t k) {
      return Lookup{reinterpret_cast<const int*>(tables_[k].bits.data()), tables_[k].shift, keep(k)};
    };
    if (!short_ones) return candidates_avx2<1>({lookup(0)}, kHash, p, n, out);
    return candidates_avx2<kLengths>({lookup(0), lookup(1), lookup(2)}, kHash, p, n, out);
  }
#endif
  std::fill_n(out, lengths, std::uint64_t{0});
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t window = folded(p + i, kWindow);
    for (std::size_t k = 0; k < lengths; ++k) {
      const std::uint32_t h = hash(window & keep(k)) >> tables_[k].shift;
      out[k] |= (tables_[k].bits[h / 64] >> (h % 64) & 1U) << i;
    }
  }
}

void PieceScanner::Table::reserve(std::size_t expected) {
  // About three bits in a hundred are set, as long as the first cache holds them; of very many windows, one in eight.
  constexpr unsigned kLeastBits = 10;
  constexpr unsigned kFirstCache = 18;  // 32 KiB
  constexpr unsigned kMostBits = 20;
  unsigned log = kLeastBits;
  while (log < kFirstCache && (std::size_t{1} << log) < 32 * expected) ++log;
  while (log < kMostBits && (std::size_t{1} << log) < 8 * expected) ++log;
  shift = 32 - log;
  bits.assign((std::size_t{1} << log) / 64, 0);
  before.assign(bits.size(), 0);
  windows.clear();
}

void PieceScanner::fill(std::size_t length, std::span<const Choice> pieces) {
  struct Keyed {
    std::uint32_t hash, piece;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(pieces.size());
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    const std::string& text = pieces[i].piece->text;
    if (std::min(text.size(), kWindow) != length) continue;
    keyed.push_back({hash(folded(text.data() + pieces[i].window, length)), i});
  }
  std::sort(keyed.begin(), keyed.end(),
            [](const Keyed& a, const Keyed& b) { return a.hash != b.hash ? a.hash < b.hash : a.piece < b.piece; });
  Table& table = tables_[kWindow - length];
  table.reserve(keyed.size());
  std::uint32_t last = ~std::uint32_t{0};  // no hash is that, without its lower bits
  for (const Keyed& k : keyed) {
    const std::uint32_t h = k.hash >> table.shift;
    if (h != last) table.windows.push_back({static_cast<std::uint32_t>(places_.size())});
    last = h;
    const Choice& choice = pieces[k.piece];
    table.windows.back().before |= kinds_beside(*choice.piece, choice.window, length, true);
    table.windows.back().behind |= kinds_beside(*choice.piece, choice.window, length, false);
    table.bits[h / 64] |= std::uint64_t{1} << (h % 64);
    places_.push_back(place_of(choice, k.piece));
  }
  table.windows.push_back({static_cast<std::uint32_t>(places_.size())});
  std::uint32_t set = 0;
  for (std::size_t w = 0; w < table.bits.size(); ++w) {
    table.before[w] = set;
    set += static_cast<std::uint32_t>(std::popcount(table.bits[w]));
  }
}

PieceScanner::Place PieceScanner::place_of(const Choice& choice, std::uint32_t piece) {
  constexpr std::size_t kAround = sizeof(Place::around);
  const std::string& text = choice.piece->text;
  Place p{};
  p.piece = piece;
  p.offset = static_cast<std::uint16_t>(choice.window);
  // As far before the window as it takes for all eight to lie in the piece.
  const std::size_t behind = text.size() - choice.window;
  p.back = static_cast<std::uint8_t>(behind >= kAround ? 0 : std::min<std::size_t>(choice.window, kAround - behind));
  std::array<char, kAround> bytes{};
  const std::size_t from = choice.window - p.back;
  const std::size_t n = std::min(kAround, text.size() - from);
  p.missing = static_cast<std::uint8_t>(8 * (kAround - n));  // a piece has two bytes or more
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<char>(text[from + i] | 0x20);
  std::memcpy(&p.around, bytes.data(), kAround);
  return p;
}

PieceScanner::Choice PieceScanner::choose(const Piece& piece) {
  const std::size_t length = std::min(piece.text.size(), kWindow);
  return {&piece, static_cast<std::uint32_t>(rarest_window(piece.text, length))};
}

void PieceScanner::build(std::span<const Choice> pieces) {
  places_.clear();
  pieces_.clear();
  text_.clear();
  places_.reserve(pieces.size());
  pieces_.reserve(pieces.size());
  for (const Choice& c : pieces) {
    const Piece& p = *c.piece;
    pieces_.push_back({static_cast<std::uint32_t>(text_.size()),
                       static_cast<std::uint32_t>(p.text.size()), p.left, p.right});
    text_ += p.text;
  }
  for (std::size_t length = 2; length <= kWindow; ++length) fill(length, pieces);
}

void PieceScanner::build(const std::vector<Piece>& pieces) {
  std::vector<Choice> choices;
  choices.reserve(pieces.size());
  for (const Piece& p : pieces) choices.push_back(choose(p));
  build(choices);
}

bool PieceScanner::occurs(const Stored& piece, std::string_view text, std::size_t at) const {
  if (text.size() < piece.length || at > text.size() - piece.length) return false;
  const char* const p = text.data() + at;
  const char* const want = text_.data() + piece.begin;
  for (std::size_t i = 0; i < piece.length; ++i) {
    if (fold(p[i]) != want[i]) return false;
  }
  const std::size_t end = at + piece.length;
  return edge_holds(piece.left, at == 0 ? nullptr : p - 1) &&
         edge_holds(piece.right, end == text.size() ? nullptr : text.data() + end);
}

std::size_t PieceScanner::bytes() const {
  std::size_t n = text_.size() + places_.size() * sizeof(Place) + pieces_.size() * sizeof(Stored);
  for (const Table& t : tables_)
    n += t.bits.size() * 8 + t.before.size() * 4 + t.windows.size() * sizeof(Windows);
  return n;
}

}  // namespace weir::rules
