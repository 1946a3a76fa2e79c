// Finds which of many pieces of text occur in a value, in one pass, without regard to ASCII case.
// Each piece is represented by its rarest window of up to four bytes; a hash of the bytes at each
// place of the value is looked up in a small table of bits (eight places at once, where the processor can). Where one
// is set, what stands beside the window is asked for: ordinary words hold very many windows of what nobody writes, and most
// of those are told by the kind of byte before or behind. Then eight bytes around the window are compared with those of
// each piece whose window has that hash, and only what is left in full. How many bits are set before one says where its
// pieces are, so that what is looked into lies close together: the first cache holds most of it.
//
// Of thousands of pieces a value of a certain sort can hold a few hundred (no quote, no quoted piece). Those that the
// caller chooses can be laid out by themselves (Selection): a tenth as many windows are asked about then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/factors.h"
#include "rules/regex_tree.h"

namespace weir::rules {

class PieceScanner {
 public:
  // Windows of this many bytes; a piece has one of them. Short windows (2 and 3) are looked for
  // only where the caller says so.
  static constexpr std::size_t kWindow = Piece::kLong;

  // A piece, and where its rarest window begins. The choice is most of what building costs: it is made once where
  // several scanners look for the same piece.
  struct Choice {
    const Piece* piece = nullptr;
    std::uint32_t window = 0;
  };
  static Choice choose(const Piece& piece);

  // A piece is at least two bytes long. Its number is its place in `pieces`. Keeps nothing of them.
  void build(std::span<const Choice> pieces);
  void build(const std::vector<Piece>& pieces);

  // Calls found(piece number) for each piece that occurs and for which matters(piece number) says true, in no
  // particular order; may repeat itself.
  template <class Matters, class Found>
  void scan(std::string_view text, bool short_ones, Matters matters, Found found) const {
    scan_for(all_, text, short_ones, matters, found);
  }

  // Some of the pieces, laid out by themselves.
  class Selection;
  // What is to be laid out. Kept from one selection to the next: nothing is allocated once it has been made.
  class Draft;
  // Those whose bits are set in `pieces`, which must stay until select(), for texts that hold bytes of `alphabet` alone.
  void draft(const std::uint64_t* pieces, const ByteSet& alphabet, Draft& out) const;
  // `memory`: draft.bytes(), aligned to eight, in which the selection lies. It is of this scanner alone, until build().
  void select(const Draft& draft, std::byte* memory, Selection& out) const;
  // Calls found(piece number) for each of them that occurs, as above. `short_ones`: as above, but may also be found otherwise.
  template <class Found>
  void scan(const Selection& selection, std::string_view text, bool short_ones, Found found) const;

  [[nodiscard]] std::size_t size() const { return pieces_.size(); }
  [[nodiscard]] std::string_view text(std::size_t piece) const {
    return std::string_view(text_).substr(pieces_[piece].begin, pieces_[piece].length);
  }
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] std::size_t bytes() const;

 private:
  // A piece that has the window. `around`: eight of its bytes with the window among them, from `offset` - `back` on, as
  // folded; where the piece is shorter, there are zeroes.
  struct Place {
    std::uint64_t around;
    std::uint32_t piece;
    std::uint16_t offset;  // of the window in the piece
    std::uint8_t back;     // at most kLead
    std::uint8_t missing;  // bits of `around` that the piece has not
  };
  [[nodiscard]] static Place place_of(const Choice& choice, std::uint32_t piece);
  // The pieces that have windows of one hash: those of places_ from `first` on, up to the next one's. Beside the window one of
  // them has a byte of these kinds, by bits (kind_of()).
  struct Windows {
    std::uint32_t first = 0;
    std::uint16_t before = 0, behind = 0;
  };
  struct Stored {
    std::uint32_t begin, length;  // in text_
    Piece::Edge left, right;
  };
  static constexpr std::size_t kLengths = 3;  // of windows: 4, 3 and 2 bytes
  // One length of window.
  struct Table {
    const std::uint64_t* bits = nullptr;
    const std::uint32_t* before = nullptr;  // by word of `bits`: how many are set before it
    const Windows* windows = nullptr;       // by set bit, and one more
    unsigned shift = 26;                    // of the 32-bit hash
  };
  // What is looked into.
  struct Index {
    std::array<Table, kLengths> tables;  // of windows of 4, 3 and 2 bytes
    const Place* places = nullptr;
    std::size_t lengths = 0;  // tables up to the last that has anything in it
    std::size_t least = SIZE_MAX;  // bytes of the shortest piece
    std::array<std::size_t, kLengths> begins{4, 3, 2};  // so many bytes are left where the last window begins, by table
  };
  // Of a window whose bit is set.
  [[nodiscard]] static const Windows* windows_of(const Table& table, std::uint32_t window) {
    const std::uint32_t h = hash(window) >> table.shift;
    const std::uint64_t lower = table.bits[h / 64] & ((std::uint64_t{1} << (h % 64)) - 1);
    return table.windows + table.before[h / 64] + static_cast<std::uint32_t>(__builtin_popcountll(lower));
  }
  // What kind of byte, 0 to 15, without regard to case.
  static unsigned kind_of(char c) { return kKinds[static_cast<std::uint8_t>(c)]; }
  static const std::array<std::uint8_t, 256> kKinds;
  static std::uint16_t kinds_beside(const Piece& piece, std::size_t window, std::size_t length, bool before);
  static constexpr char kNoByte = '\0';  // where the value begins or ends: zeroes stand behind one that is looked at

  static constexpr std::uint32_t kHash = 0x9e3779b1U;
  static std::uint32_t hash(std::uint32_t window) { return window * kHash; }
  static std::uint32_t folded(const char* p, std::size_t n);
  [[nodiscard]] bool occurs(const Stored& piece, std::string_view text, std::size_t at) const;
  static constexpr std::size_t kBlock = 64;    // places that are looked at together
  static constexpr std::size_t kBeyond = 24;   // so many bytes behind them are read, ...
  static constexpr std::size_t kLead = 8;      // ... and as many before a window
  // A text, with the blocks at its end, behind which nothing may be read, once more. (What is before it is there once
  // more, too, or stands for nothing.)
  class Blocks {
   public:
    explicit Blocks(std::string_view text);
    [[nodiscard]] std::string_view text() const { return text_; }
    // The bytes from `at` on: a block's, if it begins there, and kBeyond more; in any case eight. In front of them are
    // kLead, unless `at` is less than that and end_at_ is not 0.
    [[nodiscard]] const char* from(std::size_t at) const {
      return at >= end_at_ ? end_.data() + kLead + (at - end_at_) : text_.data() + at;
    }

   private:
    std::string_view text_;
    std::size_t end_at_ = 0;
    std::array<char, kLead + 2 * kBlock> end_;  // NOLINT: filled as far as anything in it means something
  };
  // Pieces that have been found in a text: those that come last of many. Words recur.
  class Recent {
   public:
    Recent() { pieces_.fill(kNone); }
    [[nodiscard]] bool has(std::uint32_t piece) const { return pieces_[piece % kMost] == piece; }
    void add(std::uint32_t piece) { pieces_[piece % kMost] = piece; }

   private:
    static constexpr std::size_t kMost = 32;
    static constexpr std::uint32_t kNone = 0xffffffff;
    std::array<std::uint32_t, kMost> pieces_;
  };
  // A text that is gone through.
  struct Pass {
    explicit Pass(std::string_view text) : blocks(text) {}
    Blocks blocks;
    Recent recent;
  };
  template <class Matters, class Found>
  void look(const Place* places, const Windows* windows, Pass& pass, std::size_t at, Matters& matters,
            Found& found) const;
  // The places of the block at `at` that are in `may`, for windows of so much less than kWindow.
  template <std::size_t kShorter, class Matters, class Found>
  void look_at(const Index& index, Pass& pass, std::size_t at, std::uint64_t may, Matters& matters, Found& found) const;
  template <class Matters, class Found>
  void scan_for(const Index& index, std::string_view text, bool short_ones, Matters& matters, Found& found) const;
  // Of `n` places from `p` on, at most kBlock: those whose window may be one of the first `lengths` tables', by bits,
  // into `out`, for each length; bits behind those mean nothing. Reads kBeyond bytes more.
  static void candidates(const Index& index, std::size_t lengths, const char* p, std::size_t n, std::uint64_t* out);

  // What an index is made of, besides places_: of each of them. They are in order of the length of their windows, longest
  // first, and of their hashes.
  struct Keyed {
    std::uint32_t hash;
    std::uint16_t before, behind;  // as in Windows
  };
  using Counts = std::array<std::size_t, kLengths>;  // windows, by length
  // A window that begins with a shorter piece.
  struct Extended {
    std::uint32_t hash;
    std::uint32_t place;  // of the piece
  };
  void fill(std::size_t length, std::span<const Choice> pieces);
  using Behind = std::array<std::array<bool, 256>, 3>;  // bytes as folded, by the edge of the piece in front
  static Behind behind_pieces(const ByteSet& alphabet);
  bool extend(std::size_t place, std::size_t length, const Behind& behind, std::vector<Extended>& out) const;
  bool extend_all(std::size_t table, const Behind& behind, Draft& out) const;
  [[nodiscard]] static std::size_t bytes_for(const Counts& counts);
  // `draft`: null for all pieces, whose places are places_ then.
  void lay_out(const Draft* draft, const Counts& counts, std::byte* memory, Index& out) const;

  std::vector<Place> places_;
  std::vector<Keyed> keyed_;             // by place
  std::array<std::size_t, kLengths + 1> first_{};  // place of each length, and where they end
  std::vector<Stored> pieces_;
  std::string text_;
  std::unique_ptr<std::byte[]> memory_;  // all_ lies in it
  Index all_;
};

class PieceScanner::Draft {
 public:
  Draft() { extended_.reserve(kMostExtended); }
  [[nodiscard]] std::size_t bytes() const { return bytes_for(counts_); }

 private:
  friend class PieceScanner;
  static constexpr std::size_t kMostExtended = 2048;
  const std::uint64_t* pieces_ = nullptr;
  Counts counts_{};
  // Where a text can hold few bytes a short piece is followed by few things: it is looked for as what it makes with each of them,
  // among the windows of four bytes, so that a place of a text is looked up once and not three times; if these are too many, among
  // those of three, and twice. In order of hashes.
  std::vector<Extended> extended_;
  std::size_t table_ = 0;  // whose windows they are
};

class PieceScanner::Selection {
 public:
  // The shortest of its pieces, in bytes; SIZE_MAX: it has none.
  [[nodiscard]] std::size_t least() const { return index_.least; }

 private:
  friend class PieceScanner;
  Index index_;
};

// Every byte with bit 5 set: small letters for capitals. (It also makes one of a few signs; pieces
// are compared in full.)
inline std::uint32_t PieceScanner::folded(const char* p, std::size_t n) {
  std::uint32_t w = 0;
  __builtin_memcpy(&w, p, n);
  return (w | 0x20202020U) & (0xffffffffU >> (8 * (4 - n)));
}

template <class Matters, class Found>
void PieceScanner::look(const Place* places, const Windows* windows, Pass& pass, std::size_t at, Matters& matters,
                        Found& found) const {
  constexpr std::uint64_t kFold = 0x2020202020202020U;
  const char* const window = pass.blocks.from(at);
  const std::size_t readable = at < kLead ? at : kLead;  // before it
  const Place* const end = places + windows[1].first;
  for (const Place* place = places + windows[0].first; place != end; ++place) {
    if (place->back > readable) continue;
    std::uint64_t here = 0;
    __builtin_memcpy(&here, window - place->back, sizeof(here));
    if (((here | kFold) ^ place->around) << place->missing != 0) continue;
    if (place->offset > at || pass.recent.has(place->piece) || !matters(place->piece)) continue;
    if (!occurs(pieces_.data()[place->piece], pass.blocks.text(), at - place->offset)) continue;
    pass.recent.add(place->piece);
    found(place->piece);
  }
}

template <std::size_t kShorter, class Matters, class Found>
void PieceScanner::look_at(const Index& index, Pass& pass, std::size_t at, std::uint64_t may, Matters& matters,
                           Found& found) const {
  constexpr std::size_t kLength = kWindow - kShorter;
  const Blocks& blocks = pass.blocks;
  const std::size_t left = blocks.text().size() - at;
  const std::size_t begins = index.begins[kShorter];
  const std::size_t places = left < begins ? 0 : left - begins + 1;
  if (places < kBlock) may &= (std::uint64_t{1} << places) - 1;
  std::uint64_t last = ~std::uint64_t{0};  // no window is that
  const Windows* windows = nullptr;
  for (; may != 0; may &= may - 1) {
    const std::size_t place = at + static_cast<std::size_t>(__builtin_ctzll(may));
    const char* const here = blocks.from(place);
    const std::uint32_t window = folded(here, kLength);
    if (window != last) {  // the same again in long runs of one byte
      last = window;
      windows = windows_of(index.tables[kShorter], window);
    }
    const unsigned before = kind_of(place == 0 ? kNoByte : here[-1]);
    const unsigned behind = kind_of(here[kLength]);
    if (((windows->before >> before) & (windows->behind >> behind) & 1U) == 0) continue;
    look(index.places, windows, pass, place, matters, found);
  }
}

template <class Matters, class Found>
void PieceScanner::scan_for(const Index& index, std::string_view text, bool short_ones, Matters& matters, Found& found) const {
  const std::size_t lengths = short_ones ? index.lengths : index.lengths < 1 ? index.lengths : 1;
  if (text.size() < index.least || lengths == 0) return;
  Pass pass(text);
  for (std::size_t at = 0; at < text.size(); at += kBlock) {
    const std::size_t n = text.size() - at < kBlock ? text.size() - at : kBlock;
    std::array<std::uint64_t, kLengths> may;  // NOLINT: as many as are asked for
    candidates(index, lengths, pass.blocks.from(at), n, may.data());
    look_at<0>(index, pass, at, may[0], matters, found);
    if (lengths > 1) look_at<1>(index, pass, at, may[1], matters, found);
    if (lengths > 2) look_at<2>(index, pass, at, may[2], matters, found);
  }
}

template <class Found>
void PieceScanner::scan(const Selection& selection, std::string_view text, bool short_ones, Found found) const {
  const auto each = [](std::uint32_t) { return true; };
  scan_for(selection.index_, text, short_ones, each, found);
}

}  // namespace weir::rules
