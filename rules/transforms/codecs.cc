// Base64, hexadecimal and URL encodings, and the Unicode best-fit table.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

#include "engine/base/octets.h"
#include "rules/transforms/detail.h"
#include "rules/transforms/effect.h"

namespace weir::rules {

namespace {

bool is_separator(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Digits at the front of `s` as a number; 0 if there are none. Saturates.
unsigned leading_number(std::string_view s, unsigned base) {
  std::uint64_t value = 0;
  for (const char ch : s) {
    const auto c = static_cast<std::uint8_t>(ch);
    if (base == 10 ? !detail::is_digit(c) : !detail::is_hex(c)) break;
    value = std::min<std::uint64_t>(value * base + detail::hex_value(c), 0xffffffffU);
  }
  return static_cast<unsigned>(value);
}

}  // namespace

bool parse_unicode_map(std::string_view text, unsigned code_page, UnicodeMap& out) {
  out.fill(-1);
  // RFC 3490, section 3.1: these are dots as well.
  for (const std::size_t dot : {0x3002U, 0xff61U, 0xff0eU, 0x002eU})
    out[dot] = 0x2e;
  // "20127 (US-ASCII)", then "00a0:20 00a1:21 …" in one line or several; the next word without a
  // colon ends the page.
  bool found = false;
  bool mapping = false;
  std::size_t i = 0;
  while (i < text.size()) {
    if (is_separator(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !is_separator(text[end]))
      ++end;
    const std::string_view word = text.substr(i, end - i);
    i = end;
    const std::size_t colon = word.find(':');
    if (colon == std::string_view::npos) {
      if (mapping) return true;
      if (leading_number(word, 10) == code_page) found = true;
    } else if (found) {
      mapping = true;
      const unsigned code = leading_number(word.substr(0, colon), 16);
      const unsigned byte = leading_number(word.substr(colon + 1), 16);
      if (code < out.size() && byte < 256) out[code] = static_cast<std::int16_t>(byte);
    }
  }
  return mapping;
}

namespace detail {

namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNotBase64 = 0xff;

constexpr std::array<std::uint8_t, 256> kBase64Value = [] {
  std::array<std::uint8_t, 256> table{};
  for (auto& entry : table)
    entry = kNotBase64;
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    table[static_cast<std::uint8_t>(kBase64[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

std::uint8_t base64_value(char c) {
  return kBase64Value[static_cast<std::uint8_t>(c)];
}

// Writes the full bytes of a stream of six-bit groups; left-over bits are lost.
class SixBits {
 public:
  explicit SixBits(Writer& out) : out_(out) {}
  void put(std::uint8_t six) {
    bits_ = (bits_ << 6 | six) & 0xffff;
    have_ += 6;
    if (have_ >= 8) {
      have_ -= 8;
      out_.put(static_cast<std::uint8_t>(bits_ >> have_));
    }
    ++groups_;
  }
  [[nodiscard]] std::size_t groups() const { return groups_; }

 private:
  Writer& out_;
  unsigned bits_ = 0;
  unsigned have_ = 0;
  std::size_t groups_ = 0;
};

#if defined(__SSE2__)
// Which of sixteen bytes are of the alphabet.
struct Sixteen {
  explicit Sixteen(__m128i bytes)
      : upper(base::octets_within(bytes, 'A', 'Z')),
        lower(base::octets_within(bytes, 'a', 'z')),
        digit(base::octets_within(bytes, '0', '9')),
        plus(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('+'))),
        slash(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'))) {}
  [[nodiscard]] unsigned valid() const {
    const __m128i letters = _mm_or_si128(upper, lower);
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letters, digit), _mm_or_si128(plus, slash))));
  }
  __m128i upper, lower, digit, plus, slash;
};

// Which of them removeWhitespace takes away.
unsigned blanks_of(__m128i bytes) {
  return static_cast<unsigned>(_mm_movemask_epi8(Blanks::in(bytes)));
}
#endif

// Takes the groups of six bits off a value that base64Decode would decode; with `solid`, as if there were no white space.
class SixTaker {
 public:
  SixTaker(std::string_view in, bool solid) : in_(in), solid_(solid) {}
  [[nodiscard]] bool more() const { return !in_.empty(); }

  static constexpr std::size_t kBeyond = 16;
  // At most `room`, which is sixteen or more, to `out`; gives back how many. There may be more even if there were none. Up to
  // kBeyond bytes behind `room` are written to.
  std::size_t take(std::uint8_t* out, std::size_t room) {
    std::size_t n = 0;
#if defined(__SSE2__)
    // NUL is not of the alphabet.
    while (n + kBlock <= room && !in_.empty()) n += take_block(std::min(in_.size(), kBlock), out + n);
#else
    for (; n < room && !in_.empty(); in_.remove_prefix(1)) {
      const std::uint8_t six = base64_value(in_.front());
      out[n] = six;
      if (six != kNotBase64) {
        ++n;
      } else if (!solid_ || !is_blank(static_cast<std::uint8_t>(in_.front()))) {
        in_ = {};
        break;
      }
    }
#endif
    return n;
  }

 private:
#if defined(__SSE2__)
  static constexpr std::size_t kBlock = 16;
  // Of the next `n` bytes, sixteen or all that are left. Writes sixteen, of which so many are meant.
  std::size_t take_block(std::size_t n, std::uint8_t* out) {
    const __m128i bytes = base::up_to_sixteen(in_.data(), n);
    const auto add = [&](__m128i where, int what) { return _mm_and_si128(where, _mm_set1_epi8(static_cast<char>(what))); };
    const Sixteen of(bytes);
    const __m128i letters = _mm_or_si128(add(of.upper, -'A'), add(of.lower, 26 - 'a'));
    const __m128i others =
        _mm_or_si128(add(of.digit, 52 - '0'), _mm_or_si128(add(of.plus, 62 - '+'), add(of.slash, 63 - '/')));
    const __m128i six = _mm_add_epi8(bytes, _mm_or_si128(letters, others));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), six);
    in_.remove_prefix(n);
    const unsigned meant = 0xffffU >> (kBlock - n);
    const unsigned bad = ~of.valid() & meant;
    if (bad == 0) return n;
    const unsigned stop = solid_ ? bad & ~blanks_of(bytes) : bad;
    std::size_t end = n;
    if (stop != 0) {
      in_ = {};
      end = static_cast<std::size_t>(std::countr_zero(stop));
    }
    return pack(six, bad & ~(0xffffffffU << end), end, out);
  }
  // Leaves those of the bits in `gaps` out.
  static std::size_t pack(__m128i six, unsigned gaps, std::size_t end, std::uint8_t* out) {
    std::array<std::uint8_t, 2 * kBlock> from;  // NOLINT: what is read of the second half is not meant
    _mm_storeu_si128(reinterpret_cast<__m128i*>(from.data()), six);
    std::size_t n = 0;
    std::size_t at = 0;
    const auto copy = [&](std::size_t to) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + n), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from.data() + at)));
      n += to - at;
      at = to + 1;
    };
    for (; gaps != 0; gaps &= gaps - 1) copy(static_cast<std::size_t>(std::countr_zero(gaps)));
    copy(end);
    return n;
  }
#endif
  std::string_view in_;
  bool solid_;
};

// put_bytes() reads and writes so many bytes more.
constexpr std::size_t kBytesBeyond = 16;

// What `n` groups come to.
void put_bytes(const std::uint8_t* groups, std::size_t n, char* out) {
#if defined(__SSSE3__)
  const __m128i in_order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  for (std::size_t i = 0; i < n; i += 16, out += 12) {
    const __m128i six = _mm_loadu_si128(reinterpret_cast<const __m128i*>(groups + i));
    const __m128i twelve = _mm_maddubs_epi16(six, _mm_set1_epi32(0x01400140));
    const __m128i twenty_four = _mm_madd_epi16(twelve, _mm_set1_epi32(0x00011000));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(twenty_four, in_order));
  }
#else
  for (std::size_t i = 0; i < n; i += 4, groups += 4, out += 3) {
    const unsigned three = static_cast<unsigned>(groups[0]) << 18 | static_cast<unsigned>(groups[1]) << 12 |
                           static_cast<unsigned>(groups[2]) << 6 | groups[3];
    out[0] = static_cast<char>(three >> 16);
    out[1] = static_cast<char>(three >> 8);
    out[2] = static_cast<char>(three);
  }
#endif
}

// Characters that are decoded at a time.
constexpr std::size_t kLot = 128;

// What base64Decode makes of a value, lot by lot: take(bytes, how many). Of the last, worth(how many) is asked first. `solid`: after
// removeWhitespace.
template <class Worth, class Take>
void decode_lots(std::string_view value, bool solid, Worth worth, Take take) {
  constexpr std::size_t kBeyond = std::max(SixTaker::kBeyond, kBytesBeyond);
  SixTaker taker(value, solid);
  std::array<std::uint8_t, kLot + kBeyond> groups;  // NOLINT: filled as far as `n` says
  std::array<char, kLot + kBeyond> bytes;           // NOLINT: the same
  std::size_t kept = 0;                             // groups, of four that are not together yet
  do {
    const std::size_t n = kept + taker.take(groups.data() + kept, kLot - kept);
    kept = taker.more() ? n % 4 : 0;
    const std::size_t made = 6 * (n - kept) / 8;
    if (!taker.more() && !worth(made)) return;
    std::array<std::uint8_t, 4> rest;  // NOLINT: so many are
    std::copy_n(groups.data() + n - kept, 4, rest.data());
    if (kept == 0) std::fill_n(groups.data() + n, 4, std::uint8_t{0});
    put_bytes(groups.data(), n - kept, bytes.data());
    take(bytes.data(), made);
    std::copy_n(rest.data(), kept, groups.data());
  } while (taker.more());
}

constexpr std::string_view kHexLower = "0123456789abcdef";

bool plain_in_url(std::uint8_t c) {
  return c == '*' || is_alnum(c);
}

}  // namespace

Transformed base64_encode(std::string_view in, base::Arena& arena) {
  if (in.empty()) return unchanged(in);
  Writer out(arena, in, output_bound(Transform::Base64Encode, in.size()));
  if (!out.ok()) return Writer::failed();
  const Bytes bytes(in);
  for (std::size_t i = 0; i < in.size(); i += 3) {
    const unsigned three = static_cast<unsigned>(bytes[i]) << 16 |
                           static_cast<unsigned>(bytes[i + 1]) << 8 | bytes[i + 2];
    const std::size_t left = in.size() - i;
    out.put(static_cast<std::uint8_t>(kBase64[three >> 18 & 63]));
    out.put(static_cast<std::uint8_t>(kBase64[three >> 12 & 63]));
    out.put(static_cast<std::uint8_t>(left > 1 ? kBase64[three >> 6 & 63] : '='));
    out.put(static_cast<std::uint8_t>(left > 2 ? kBase64[three & 63] : '='));
  }
  return out.finish();
}

// Up to the first byte that is not of the alphabet (APR's decoder).
Transformed base64_decode(std::string_view in, base::Arena& arena) {
  if (in.empty()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  decode_lots(in, false, [](std::size_t) { return true; }, [&](const char* bytes, std::size_t n) { out.put(std::string_view(bytes, n)); });
  return out.finish();
}

// Bytes outside the alphabet are passed over. Padding after the first character of a group of four
// makes the value empty. Unlike ModSecurity 2, which stops at a NUL byte, NUL is passed over too
// (as in 3).
Transformed base64_decode_ext(std::string_view in, base::Arena& arena) {
  if (in.empty()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  SixBits bits(out);
  const Bytes bytes(in);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == '=') {
      if (bits.groups() % 4 == 1 && bytes[i + 1] != '=') {
        out.resize(0);
        return out.finish();
      }
      continue;
    }
    const std::uint8_t six = base64_value(in[i]);
    if (six != kNotBase64) bits.put(six);
  }
  return out.finish();
}

Transformed hex_encode(std::string_view in, base::Arena& arena) {
  if (in.empty()) return unchanged(in);
  Writer out(arena, in, 2 * in.size());
  if (!out.ok()) return Writer::failed();
  for (const char ch : in) {
    const auto c = static_cast<std::uint8_t>(ch);
    out.put(static_cast<std::uint8_t>(kHexLower[c >> 4]));
    out.put(static_cast<std::uint8_t>(kHexLower[c & 15]));
  }
  return out.finish();
}

// Pairs, whatever they are; an odd last byte is lost.
Transformed hex_decode(std::string_view in, base::Arena& arena) {
  if (in.empty()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  const Bytes bytes(in);
  for (std::size_t i = 0; i + 1 < in.size(); i += 2)
    out.put(hex_pair(bytes[i], bytes[i + 1]));
  return out.finish();
}

// 0x414243 -> ABC. The byte after a decoded run is taken as it is (`0x410x42` -> `A0x42`). Unlike
// ModSecurity, decoded and plain NUL bytes do not end the value.
Transformed sql_hex_decode(std::string_view in, base::Arena& arena) {
  const Bytes bytes(in);
  const auto run_at = [&bytes](std::size_t i) {
    return bytes[i] == '0' && lower(bytes[i + 1]) == 'x' && is_hex(bytes[i + 2]) &&
           is_hex(bytes[i + 3]);
  };
  std::size_t first = find_byte(in, '0');
  while (first < in.size() && !run_at(first))
    first = find_byte(in, '0', first + 1);
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  std::size_t i = first;
  while (i < in.size()) {
    if (run_at(i)) {
      for (i += 2; is_hex(bytes[i]) && is_hex(bytes[i + 1]); i += 2) {
        out.put(hex_pair(bytes[i], bytes[i + 1]));
      }
      if (i == in.size()) break;
    }
    out.put(bytes[i++]);
  }
  return out.finish();
}

Transformed url_encode(std::string_view in, base::Arena& arena) {
  const std::size_t escaped = count_bytes(in, [](std::uint8_t c) { return !plain_in_url(c); });
  if (escaped == 0) return unchanged(in);
  Writer out(arena, in, in.size() + 2 * escaped);
  if (!out.ok()) return Writer::failed();
  for (const char ch : in) {
    const auto c = static_cast<std::uint8_t>(ch);
    if (c == ' ') {
      out.put('+');
    } else if (plain_in_url(c)) {
      out.put(c);
    } else {
      out.put('%');
      out.put(static_cast<std::uint8_t>(kHexLower[c >> 4]));
      out.put(static_cast<std::uint8_t>(kHexLower[c & 15]));
    }
  }
  return out.finish();
}

namespace {

std::size_t first_url_escape(std::string_view in) {
  return find_first(
      in, [](std::uint8_t c) { return static_cast<int>(c == '%') | static_cast<int>(c == '+'); });
}

// `%HH` at i is decoded; else the percent sign is copied. Returns the bytes consumed.
std::size_t url_step(const Bytes& bytes, std::size_t i, Writer& out) {
  if (is_hex(bytes[i + 1]) && is_hex(bytes[i + 2])) {
    out.put(hex_pair(bytes[i + 1], bytes[i + 2]));
    return 3;
  }
  out.put('%');
  return 1;
}

// The byte that stands for %uHHHH: the mapping's, else the low byte, with U+FF01…FF5E (full-width
// forms) folded to ASCII.
std::uint8_t best_fit(const Bytes& bytes, std::size_t i, const UnicodeMap* map) {
  const std::uint8_t high = hex_pair(bytes[i], bytes[i + 1]);
  const std::uint8_t low = hex_pair(bytes[i + 2], bytes[i + 3]);
  if (map != nullptr) {
    const std::int16_t mapped = (*map)[static_cast<std::size_t>(high) << 8 | low];
    if (mapped >= 0) return static_cast<std::uint8_t>(mapped);
  }
  const bool full_width = high == 0xff && low > 0 && low < 0x5f;
  return static_cast<std::uint8_t>(full_width ? low + 0x20 : low);
}

}  // namespace

namespace {

// Puts what is before the next percent sign, with spaces for plus signs. Returns how many bytes that were.
std::size_t put_plain(std::string_view in, Writer& out) {
  const std::size_t n = base::copy_replacing(in, '%', '+', ' ', out.next());
  out.skip(n);
  return n;
}

}  // namespace

Transformed url_decode(std::string_view in, base::Arena& arena) {
  const std::size_t first = first_url_escape(in);
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  const Bytes bytes(in);
  for (std::size_t i = first; i < in.size();) {
    if (bytes[i] == '%') {
      i += url_step(bytes, i, out);
    } else {
      i += put_plain(in.substr(i), out);
    }
  }
  return out.finish();
}

Transformed url_decode_uni(std::string_view in, base::Arena& arena, const UnicodeMap* map) {
  const std::size_t first = first_url_escape(in);
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  const Bytes bytes(in);
  for (std::size_t i = first; i < in.size();) {
    if (bytes[i] != '%') {
      i += put_plain(in.substr(i), out);
    } else if (lower(bytes[i + 1]) != 'u') {
      i += url_step(bytes, i, out);
    } else if (is_hex(bytes[i + 2]) && is_hex(bytes[i + 3]) && is_hex(bytes[i + 4]) &&
               is_hex(bytes[i + 5])) {
      out.put(best_fit(bytes, i + 2, map));
      i += 6;
    } else {  // "%u" without four digits stays, both bytes
      out.put('%');
      out.put(bytes[i + 1]);
      i += 2;
    }
  }
  return out.finish();
}

}  // namespace detail

void decode_base64(std::string_view value, bool solid, std::size_t least, Glimpse& seen) {
  static_assert(detail::kLot * 6 / 8 >= Glimpse::kLeast);
  seen.length = 0;
  seen.mask = 0;
  const auto worth = [&](std::size_t made) {
    if (seen.length + made >= least) return true;
    seen.length += made;
    return false;
  };
  detail::decode_lots(value, solid, worth, [&](const char* bytes, std::size_t made) {
    // Hardly two of them are of one class, so that each is looked up.
    ClassMask mask = 0;
    for (std::size_t i = 0; i < made; ++i) mask |= kClassOf[static_cast<std::uint8_t>(bytes[i])];
    seen.mask |= mask;
    // A whole lot, whatever of it is meant: that is known to the compiler.
    constexpr std::size_t kWhole = detail::kLot * 6 / 8;
    if (seen.length + kWhole <= seen.begins.size()) {
      std::memcpy(seen.begins.data() + seen.length, bytes, kWhole);
    } else if (seen.length < seen.begins.size()) {
      std::copy_n(bytes, std::min(made, seen.begins.size() - seen.length), seen.begins.data() + seen.length);
    }
    seen.length += made;
  });
}

Base64Bound base64_bound(std::string_view value) {
  constexpr std::size_t kFirst = 16;
  const std::size_t n = std::min(value.size(), kFirst);
  const unsigned meant = 0xffffU >> (kFirst - n);
  unsigned valid = 0;
  unsigned blank = 0;
#if defined(__SSE2__)
  const __m128i bytes = base::up_to_sixteen(value.data(), n);  // NUL is not of the alphabet
  valid = detail::Sixteen(bytes).valid();
  blank = detail::blanks_of(bytes);
#else
  for (std::size_t i = 0; i < n; ++i) {
    valid |= static_cast<unsigned>(detail::base64_value(value[i]) != detail::kNotBase64) << i;
    blank |= static_cast<unsigned>(detail::is_blank(static_cast<std::uint8_t>(value[i]))) << i;
  }
#endif
  // Up to `stop`, or, where there is none, all that follows as well.
  const auto bytes_to = [&](unsigned stop) {
    const unsigned before = stop == 0 ? meant : ~(~0U << static_cast<unsigned>(std::countr_zero(stop)));
    const std::size_t behind = stop == 0 ? value.size() - n : 0;
    return (static_cast<std::size_t>(std::popcount(valid & before)) + behind) * 6 / 8;
  };
  return {bytes_to(~valid & meant), bytes_to(~valid & ~blank & meant)};
}

std::size_t base64_reach(std::string_view value) {
  const auto other = std::find_if(value.begin(), value.end(), [](char c) { return detail::base64_value(c) == detail::kNotBase64; });
  return static_cast<std::size_t>(other - value.begin());
}

}  // namespace weir::rules
