// Transformations that look at one byte at a time, digests, and cmdLine.
#include <bit>
#include <charconv>

#include <md5.h>
#include <sha1.h>

#include "engine/base/octets.h"
#include "rules/transforms/detail.h"

namespace weir::rules::detail {

namespace {

bool is_upper(std::uint8_t c) {
  return static_cast<std::uint8_t>(c - 'A') < 26;
}
bool is_lower(std::uint8_t c) {
  return static_cast<std::uint8_t>(c - 'a') < 26;
}

// Bytes before `from` are copied, the others mapped one to one.
template <class Map>
Transformed map_bytes(std::string_view in, std::size_t from, base::Arena& arena, Map map) {
  if (from == in.size()) return unchanged(in);
  char* out = arena.allocate(in.size());
  if (out == nullptr) return Writer::failed();
  std::memcpy(out, in.data(), from);
  for (std::size_t i = from; i < in.size(); ++i) {
    out[i] = static_cast<char>(map(static_cast<std::uint8_t>(in[i])));
  }
  return {{out, in.size()}, true};
}

// Copies all but the unwanted bytes.
template <class Unwanted>
Transformed remove_bytes(std::string_view in, base::Arena& arena, Unwanted unwanted) {
  const std::size_t first = find_first(in, unwanted);
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  for (std::size_t i = first + 1; i < in.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(in[i]);
    if (!unwanted(c)) out.put(c);
  }
  return out.finish();
}

}  // namespace

Transformed lowercase(std::string_view in, base::Arena& arena) {
  return map_bytes(in, find_first(in, is_upper), arena, [](std::uint8_t c) { return lower(c); });
}

Transformed uppercase(std::string_view in, base::Arena& arena) {
  return map_bytes(in, find_first(in, is_lower), arena, [](std::uint8_t c) {
    return static_cast<std::uint8_t>(is_lower(c) ? c - 0x20 : c);
  });
}

Transformed trim(std::string_view in, bool left, bool right) {
  std::string_view out = in;
  if (left) {
    while (!out.empty() && is_space(static_cast<std::uint8_t>(out.front())))
      out.remove_prefix(1);
  }
  if (right) {
    while (!out.empty() && is_space(static_cast<std::uint8_t>(out.back())))
      out.remove_suffix(1);
  }
  return {out, out.size() != in.size()};
}

Transformed remove_nulls(std::string_view in, base::Arena& arena) {
  if (find_byte(in, '\0') == in.size()) return unchanged(in);
  return remove_bytes(in, arena, [](std::uint8_t c) { return c == 0; });
}

Transformed replace_nulls(std::string_view in, base::Arena& arena) {
  return map_bytes(in, find_byte(in, '\0'), arena,
                   [](std::uint8_t c) { return c == 0 ? std::uint8_t{' '} : c; });
}

Transformed remove_whitespace(std::string_view in, base::Arena& arena) {
  const std::size_t first = find_first(in, is_blank);
  if (first == in.size()) return unchanged(in);
  char* const out = arena.allocate(in.size());
  if (out == nullptr) return Writer::failed();
  std::memcpy(out, in.data(), first);
  const std::size_t n = first + pack<Blanks>(in.substr(first), out + first);
  arena.shrink(out, in.size(), n);
  return {{out, n}, true};
}

Transformed compress_whitespace(std::string_view in, base::Arena& arena) {
  // Single blanks stay as they are: look for a pair, or for white space of another kind.
  std::size_t first = 0;
  for (;; ++first) {
    first = find_first(in, is_blank, first);
    if (first == in.size()) return unchanged(in);
    if (in[first] != ' ') break;
    if (first + 1 < in.size() && is_blank(static_cast<std::uint8_t>(in[first + 1]))) break;
  }
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  bool blank = false;
  for (std::size_t i = first; i < in.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(in[i]);
    const bool is = is_blank(c);
    if (!is) {
      out.put(c);
    } else if (!blank) {
      out.put(' ');
    }
    blank = is;
  }
  return out.finish();
}

Transformed parity_7bit(Transform t, std::string_view in, base::Arena& arena) {
  const auto map = [t](std::uint8_t c) {
    if (t == Transform::ParityZero7bit) return static_cast<std::uint8_t>(c & 0x7f);
    // Parity is taken over all eight bits of the input byte, and then put into the top bit.
    const bool odd = __builtin_parity(c) != 0;
    const bool set = (t == Transform::ParityEven7bit) == odd;
    return static_cast<std::uint8_t>(set ? c | 0x80 : c & 0x7f);
  };
  const std::size_t first = find_first(in, [&map](std::uint8_t c) { return map(c) != c; });
  return map_bytes(in, first, arena, map);
}

Transformed length(std::string_view in, base::Arena& arena) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, in.size());
  static_cast<void>(error);  // 20 digits hold every size_t
  Writer out(arena, in, sizeof digits);
  if (!out.ok()) return Writer::failed();
  out.put(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  return out.finish();
}

Transformed md5(std::string_view in, base::Arena& arena) {
  char* out = arena.allocate(MD5_DIGEST_LENGTH);
  if (out == nullptr) return Writer::failed();
  MD5_CTX context;
  MD5Init(&context);
  MD5Update(&context, reinterpret_cast<const std::uint8_t*>(in.data()), in.size());
  MD5Final(reinterpret_cast<std::uint8_t*>(out), &context);
  return {{out, MD5_DIGEST_LENGTH}, true};
}

Transformed sha1(std::string_view in, base::Arena& arena) {
  char* out = arena.allocate(SHA1_DIGEST_LENGTH);
  if (out == nullptr) return Writer::failed();
  SHA1_CTX context;
  SHA1Init(&context);
  SHA1Update(&context, reinterpret_cast<const std::uint8_t*>(in.data()), in.size());
  SHA1Final(reinterpret_cast<std::uint8_t*>(out), &context);
  return {{out, SHA1_DIGEST_LENGTH}, true};
}

namespace {

#if defined(__SSE2__)
// Of cmd_line(): the beginning of sixteen bytes, up to the first one that is more than a letter to be lowered or one blank. `blank`:
// there is one before them. Writes sixteen, and returns how many are meant.
std::size_t plain_command(const char* p, bool& blank, char* out) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  __m128i other = _mm_setzero_si128();
  for (const char c : {'"', '\'', '\\', '^', ',', ';', '\t', '\r', '\n', '/', '('}) {
    other = _mm_or_si128(other, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
  }
  const auto spaces = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '))));
  const unsigned again = spaces & (spaces << 1 | (blank ? 1U : 0U));
  const unsigned stop = static_cast<unsigned>(_mm_movemask_epi8(other)) | again;
  const __m128i lowered = _mm_or_si128(bytes, _mm_and_si128(base::octets_within(bytes, 'A', 'Z'), _mm_set1_epi8(0x20)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), lowered);
  const std::size_t n = stop == 0 ? 16 : static_cast<std::size_t>(std::countr_zero(stop));
  if (n != 0) blank = (spaces >> (n - 1) & 1U) != 0;
  return n;
}
#endif

}  // namespace

// Deletes " ' \ ^, lowers letters, makes one blank of a run of white space, commas and semicolons,
// and deletes that blank before / and (. Unlike ModSecurity 2, which stops at a NUL byte (its C
// string ends there), the rest is looked at too: `x%00;rm` must not hide anything. Version 3 does
// the same.
Transformed cmd_line(std::string_view in, base::Arena& arena) {
  // Deleted bytes do not end a run of blanks.
  const std::size_t first = find_first(in, [](std::uint8_t c) {
    return static_cast<int>(is_upper(c)) | static_cast<int>(c == '"') |
           static_cast<int>(c == '\'') | static_cast<int>(c == '\\') | static_cast<int>(c == '^') |
           static_cast<int>(c == ',') | static_cast<int>(c == ';') | static_cast<int>(c == ' ') |
           static_cast<int>(static_cast<std::uint8_t>(c - '\t') < 5);
  });
  if (first == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  bool blank = false;
  for (std::size_t i = first; i < in.size(); ++i) {
#if defined(__SSE2__)
    while (i + 16 <= in.size()) {
      const std::size_t n = plain_command(in.data() + i, blank, out.next());
      out.skip(n);
      i += n;
      if (n != 16) break;
    }
    if (i == in.size()) break;
#endif
    const auto c = static_cast<std::uint8_t>(in[i]);
    switch (c) {
      case '"':
      case '\'':
      case '\\':
      case '^':
        break;
      case ' ':
      case ',':
      case ';':
      case '\t':
      case '\r':
      case '\n':
        if (!blank) out.put(' ');
        blank = true;
        break;
      case '/':
      case '(':
        if (blank) out.drop();
        blank = false;
        out.put(c);
        break;
      default:
        out.put(lower(c));
        blank = false;
    }
  }
  return out.finish();
}

}  // namespace weir::rules::detail
