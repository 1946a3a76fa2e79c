#include "rules/piece_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/base/octets.h"
#include "rules/ascii.h"
#include "rules/bits.h"

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

bool is_word(char c) {
  static constexpr auto kKind = kinds();
  return kKind[static_cast<std::uint8_t>(c)] <= kDigits;
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

void PieceScanner::candidates(const Index& index, std::size_t lengths, const char* p, std::size_t n, std::uint64_t* out) {
  const auto keep = [](std::size_t k) { return 0xffffffffU >> (8 * k); };
#if defined(__x86_64__)
  if (kAvx2) {
    const auto lookup = [&](std::size_t k) {
      return Lookup{reinterpret_cast<const int*>(index.tables[k].bits), index.tables[k].shift, keep(k)};
    };
    if (lengths == 1) return candidates_avx2<1>({lookup(0)}, kHash, p, n, out);
    if (lengths == 2) return candidates_avx2<2>({lookup(0), lookup(1)}, kHash, p, n, out);
    return candidates_avx2<kLengths>({lookup(0), lookup(1), lookup(2)}, kHash, p, n, out);
  }
#endif
  std::fill_n(out, lengths, std::uint64_t{0});
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t window = folded(p + i, kWindow);
    for (std::size_t k = 0; k < lengths; ++k) {
      const std::uint32_t h = hash(window & keep(k)) >> index.tables[k].shift;
      out[k] |= (index.tables[k].bits[h / 64] >> (h % 64) & 1U) << i;
    }
  }
}

namespace {

// By how many bits a table for so many windows is told from: about three in a hundred are set, as long as the first cache holds
// them; of very many windows, one in eight.
unsigned bits_for(std::size_t windows) {
  constexpr unsigned kLeastBits = 10;
  constexpr unsigned kFirstCache = 18;  // 32 KiB
  constexpr unsigned kMostBits = 20;
  unsigned log = kLeastBits;
  while (log < kFirstCache && (std::size_t{1} << log) < 32 * windows) ++log;
  while (log < kMostBits && (std::size_t{1} << log) < 8 * windows) ++log;
  return log;
}

// Memory that is handed out from its beginning, in pieces of eight bytes.
class Room {
 public:
  explicit Room(std::byte* begin) : at_(begin) {}
  template <class T>
  static std::size_t bytes(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= 8);
    return (n * sizeof(T) + 7) / 8 * 8;
  }
  template <class T>
  T* take(std::size_t n) {
    auto* const out = reinterpret_cast<T*>(at_);
    std::uninitialized_value_construct_n(out, n);
    at_ += bytes<T>(n);
    return out;
  }

 private:
  std::byte* at_;
};

}  // namespace

std::size_t PieceScanner::bytes_for(const Counts& counts) {
  std::size_t n = 0;
  for (const std::size_t pieces : counts) {
    const std::size_t words = (std::size_t{1} << bits_for(pieces)) / 64;
    n += Room::bytes<std::uint64_t>(words) + Room::bytes<std::uint32_t>(words) + Room::bytes<Windows>(pieces + 1) +
         Room::bytes<Place>(pieces);
  }
  return n;
}

// What may stand behind a piece; zeroes are read behind the value.
PieceScanner::Behind PieceScanner::behind_pieces(const ByteSet& alphabet) {
  Behind behind{};
  for (const Piece::Edge edge : {Piece::Edge::Open, Piece::Edge::Boundary, Piece::Edge::End}) {
    auto& bytes = behind[static_cast<std::size_t>(edge)];
    bytes[0x20] = true;  // zero, as folded
    for (unsigned c = 0; c < alphabet.size(); ++c) {
      const char byte = static_cast<char>(c);
      if (alphabet[c] && edge_holds(edge, &byte)) bytes[c | 0x20U] = true;
    }
  }
  return behind;
}

// Adds the windows of so many bytes that the piece of the place may begin. False: they are too many.
bool PieceScanner::extend(std::size_t place, std::size_t length, const Behind& behind, std::vector<Extended>& out) const {
  const Stored& piece = pieces_[places_[place].piece];
  const auto& beside = behind[static_cast<std::size_t>(piece.right)];
  const auto& any = behind[static_cast<std::size_t>(Piece::Edge::Open)];
  const std::uint32_t begin = folded(text_.data() + piece.begin, piece.length);
  const auto add = [&](std::uint32_t window) {
    if (out.size() == Draft::kMostExtended) return false;
    out.push_back({hash(window), static_cast<std::uint32_t>(place)});
    return true;
  };
  for (std::uint32_t c = 0; c < beside.size(); ++c) {
    if (!beside[c]) continue;
    const std::uint32_t with = begin | c << (8 * piece.length);
    if (piece.length + 1 == length) {
      if (!add(with)) return false;
      continue;
    }
    for (std::uint32_t d = 0; d < any.size(); ++d) {
      if (any[d] && !add(with | d << 24)) return false;
    }
  }
  return true;
}

// The chosen pieces that are shorter than those of `table`, as windows of it. False: they are too many.
bool PieceScanner::extend_all(std::size_t table, const Behind& behind, Draft& out) const {
  out.extended_.clear();
  out.table_ = table;
  for (std::size_t i = first_[table + 1]; i < places_.size(); ++i) {
    if (bit_of(out.pieces_, places_[i].piece) && !extend(i, kWindow - table, behind, out.extended_)) return false;
  }
  std::sort(out.extended_.begin(), out.extended_.end(),
            [](const Extended& a, const Extended& b) { return a.hash != b.hash ? a.hash < b.hash : a.place < b.place; });
  return true;
}

void PieceScanner::draft(const std::uint64_t* pieces, const ByteSet& alphabet, Draft& out) const {
  out.pieces_ = pieces;
  out.counts_ = {};
  out.extended_.clear();
  for (std::size_t k = 0; k < kLengths; ++k) {
    for (std::size_t i = first_[k]; i < first_[k + 1]; ++i) out.counts_[k] += bit_of(pieces, places_[i].piece) ? 1 : 0;
  }
  const Behind behind = behind_pieces(alphabet);
  for (std::size_t table = 0; table + 1 < kLengths; ++table) {
    if (!extend_all(table, behind, out)) continue;
    if (out.extended_.empty()) return;
    out.counts_[table] += out.extended_.size();
    std::fill(out.counts_.begin() + static_cast<std::ptrdiff_t>(table) + 1, out.counts_.end(), 0);
    return;
  }
  out.extended_.clear();
}

namespace {

// The parts of an index while they are filled, in order of hashes.
template <class Windows>
class Filler {
 public:
  Filler(std::uint64_t* bits, Windows* windows, unsigned shift) : bits_(bits), windows_(windows), shift_(shift) {}
  // `place`: its number among those of the index.
  void add(std::uint32_t hash, std::uint32_t place, std::uint16_t before, std::uint16_t behind) {
    const std::uint32_t h = hash >> shift_;
    if (h != last_) windows_[set_++].first = place;
    last_ = h;
    windows_[set_ - 1].before |= before;
    windows_[set_ - 1].behind |= behind;
    bits_[h / 64] |= std::uint64_t{1} << (h % 64);
  }
  void end(std::uint32_t place) { windows_[set_].first = place; }

 private:
  std::uint64_t* bits_;
  Windows* windows_;
  unsigned shift_;
  std::size_t set_ = 0;
  std::uint32_t last_ = ~std::uint32_t{0};  // no hash is that, without its lower bits
};

}  // namespace

void PieceScanner::lay_out(const Draft* draft, const Counts& counts, std::byte* memory, Index& out) const {
  constexpr std::uint16_t kAnyKind = 0xffff;
  Room room(memory);
  Place* places = nullptr;  // copies of those that are chosen
  if (draft != nullptr) places = room.take<Place>(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  std::uint32_t count = 0;
  out = {};
  out.places = places != nullptr ? places : places_.data();
  for (std::size_t k = 0; k < kLengths; ++k) {
    const unsigned log = bits_for(counts[k]);
    const std::size_t words = (std::size_t{1} << log) / 64;
    auto* const bits = room.take<std::uint64_t>(words);
    auto* const before = room.take<std::uint32_t>(words);
    auto* const windows = room.take<Windows>(counts[k] + 1);
    Filler filler(bits, windows, 32 - log);
    const auto add = [&](std::uint32_t hash, std::size_t place, std::uint16_t behind) {
      filler.add(hash, count, keyed_[place].before, behind);
      if (places != nullptr) places[count] = places_[place];
      ++count;
      out.least = std::min<std::size_t>(out.least, pieces_[places_[place].piece].length);
      out.lengths = k + 1;
    };
    const std::vector<Extended> none;
    const std::vector<Extended>& extended = draft != nullptr && k == draft->table_ ? draft->extended_ : none;
    auto next = extended.begin();
    for (std::size_t i = first_[k]; i < first_[k + 1] && counts[k] != 0; ++i) {
      if (draft != nullptr && !bit_of(draft->pieces_, places_[i].piece)) continue;
      for (; next != extended.end() && next->hash < keyed_[i].hash; ++next) add(next->hash, next->place, kAnyKind);
      add(keyed_[i].hash, i, keyed_[i].behind);
    }
    for (; next != extended.end(); ++next) add(next->hash, next->place, kAnyKind);
    filler.end(count);
    std::uint32_t sum = 0;
    for (std::size_t w = 0; w < words; ++w) {
      before[w] = sum;
      sum += static_cast<std::uint32_t>(std::popcount(bits[w]));
    }
    out.tables[k] = {bits, before, windows, 32 - log};
  }
  if (draft != nullptr && !draft->extended_.empty()) out.begins[draft->table_] = out.least;
}

void PieceScanner::select(const Draft& draft, std::byte* memory, Selection& out) const {
  lay_out(&draft, draft.counts_, memory, out.index_);
}

// The places of the pieces that have windows of this length.
void PieceScanner::fill(std::size_t length, std::span<const Choice> pieces) {
  struct Hashed {
    std::uint32_t hash, piece;
  };
  std::vector<Hashed> hashed;
  hashed.reserve(pieces.size());
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    const std::string& text = pieces[i].piece->text;
    if (std::min(text.size(), kWindow) != length) continue;
    hashed.push_back({hash(folded(text.data() + pieces[i].window, length)), i});
  }
  std::sort(hashed.begin(), hashed.end(),
            [](const Hashed& a, const Hashed& b) { return a.hash != b.hash ? a.hash < b.hash : a.piece < b.piece; });
  for (const Hashed& h : hashed) {
    const Choice& choice = pieces[h.piece];
    keyed_.push_back({h.hash, kinds_beside(*choice.piece, choice.window, length, true),
                      kinds_beside(*choice.piece, choice.window, length, false)});
    places_.push_back(place_of(choice, h.piece));
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
  keyed_.clear();
  pieces_.clear();
  text_.clear();
  places_.reserve(pieces.size());
  keyed_.reserve(pieces.size());
  pieces_.reserve(pieces.size());
  for (const Choice& c : pieces) {
    const Piece& p = *c.piece;
    pieces_.push_back({static_cast<std::uint32_t>(text_.size()),
                       static_cast<std::uint32_t>(p.text.size()), p.left, p.right});
    text_ += p.text;
  }
  Counts counts{};
  for (std::size_t k = 0; k < kLengths; ++k) {
    first_[k] = places_.size();
    fill(kWindow - k, pieces);
    counts[k] = places_.size() - first_[k];
  }
  first_[kLengths] = places_.size();
  memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes_for(counts));
  lay_out(nullptr, counts, memory_.get(), all_);
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
  Counts counts{};
  for (std::size_t k = 0; k < kLengths; ++k) counts[k] = first_[k + 1] - first_[k];
  return text_.size() + pieces_.size() * sizeof(Stored) + keyed_.size() * sizeof(Keyed) + bytes_for(counts);
}

}  // namespace weir::rules
