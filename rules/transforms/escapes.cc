// Escapes of CSS, JavaScript, C and HTML, and UTF-8.
#include "rules/transforms/detail.h"

namespace weir::rules::detail {

namespace {

// U+FF01…FF5E, the full-width forms of ASCII, given the digits of the high byte and the low byte.
std::uint8_t fold_full_width(std::uint8_t high, std::uint8_t low) {
  return static_cast<std::uint8_t>(high == 0xff && low > 0 && low < 0x5f ? low + 0x20 : low);
}

// The control characters that C and JavaScript write with a letter; other letters stand for
// themselves.
std::uint8_t control_letter(std::uint8_t c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return c;
  }
}

struct Octal {
  unsigned value = 0;
  std::size_t digits = 0;
};

// Up to three octal digits.
Octal read_octal(const Bytes& bytes, std::size_t i) {
  Octal octal;
  while (octal.digits < 3 && is_octal(bytes[i + octal.digits])) {
    octal.value = octal.value * 8 + bytes[i + octal.digits] - '0';
    ++octal.digits;
  }
  return octal;
}

// A transformation that changes nothing up to the first byte `trigger`, and then step by step:
// `step` gets the position of a trigger, writes, and returns the bytes consumed.
template <class Step>
Transformed decode_from(char trigger, std::string_view in, base::Arena& arena, Step step) {
  std::size_t at = find_byte(in, trigger);
  if (at == in.size()) return unchanged(in);
  Writer out(arena, in, in.size());
  if (!out.ok()) return Writer::failed();
  const Bytes bytes(in);
  std::size_t from = 0;
  while (at < in.size()) {
    out.put(in.substr(from, at - from));
    from = at + step(bytes, at, out);
    at = find_byte(in, trigger, from);
  }
  if (from < in.size()) out.put(in.substr(from));
  return out.finish();
}

std::size_t css_step(const Bytes& bytes, std::size_t i, Writer& out) {
  if (i + 1 == bytes.size()) return 1;  // a backslash at the end goes
  const std::size_t first = i + 1;
  std::size_t digits = 0;
  while (digits < 6 && is_hex(bytes[first + digits]))
    ++digits;
  if (digits == 0) {
    if (bytes[first] == '\n') return 2;  // continued line
    out.put(bytes[first]);
    return 2;
  }
  const std::size_t last = first + digits - 1;
  std::uint8_t c = digits == 1 ? hex_value(bytes[last]) : hex_pair(bytes[last - 1], bytes[last]);
  // The low byte counts; full-width forms only where what stands before the last four digits is
  // zero.
  const bool four = digits == 4 || (digits == 5 && bytes[first] == '0') ||
                    (digits == 6 && bytes[first] == '0' && bytes[first + 1] == '0');
  if (four) c = fold_full_width(hex_pair(bytes[last - 3], bytes[last - 2]), c);
  out.put(c);
  // One white-space byte belongs to the escape.
  const bool space = last + 1 < bytes.size() && is_space(bytes[last + 1]);
  return 1 + digits + (space ? 1 : 0);
}

std::size_t js_step(const Bytes& bytes, std::size_t i, Writer& out) {
  if (i + 1 == bytes.size()) {
    out.put('\\');
    return 1;
  }
  const std::uint8_t c = bytes[i + 1];
  if (c == 'u' && is_hex(bytes[i + 2]) && is_hex(bytes[i + 3]) && is_hex(bytes[i + 4]) &&
      is_hex(bytes[i + 5])) {
    out.put(fold_full_width(hex_pair(bytes[i + 2], bytes[i + 3]),
                            hex_pair(bytes[i + 4], bytes[i + 5])));
    return 6;
  }
  if (c == 'x' && is_hex(bytes[i + 2]) && is_hex(bytes[i + 3])) {
    out.put(hex_pair(bytes[i + 2], bytes[i + 3]));
    return 4;
  }
  if (is_octal(c)) {
    Octal octal = read_octal(bytes, i + 1);
    if (octal.digits == 3 && octal.value > 0377) octal = {octal.value / 8, 2};  // one byte at most
    out.put(static_cast<std::uint8_t>(octal.value));
    return 1 + octal.digits;
  }
  out.put(control_letter(c));
  return 2;
}

std::size_t escape_seq_step(const Bytes& bytes, std::size_t i, Writer& out) {
  if (i + 1 == bytes.size()) {
    out.put('\\');
    return 1;
  }
  const std::uint8_t c = bytes[i + 1];
  if (lower(c) == 'x' && is_hex(bytes[i + 2]) && is_hex(bytes[i + 3])) {
    out.put(hex_pair(bytes[i + 2], bytes[i + 3]));
    return 4;
  }
  if (is_octal(c)) {
    const Octal octal = read_octal(bytes, i + 1);
    out.put(static_cast<std::uint8_t>(octal.value));  // \777 wraps
    return 1 + octal.digits;
  }
  out.put(control_letter(c));  // an escape that means nothing loses its backslash
  return 2;
}

// The byte of a numeric entity: its low eight bits; values beyond 63 bits saturate, as strtol does.
class EntityNumber {
 public:
  explicit EntityNumber(std::uint64_t base) : base_(base) {}
  void put(std::uint8_t digit) {
    constexpr std::uint64_t kMax = 0x7fffffffffffffff;
    if (saturated_ || value_ > (kMax - digit) / base_) {
      saturated_ = true;
    } else {
      value_ = value_ * base_ + digit;
    }
  }
  [[nodiscard]] std::uint8_t byte() const {
    return saturated_ ? std::uint8_t{0xff} : static_cast<std::uint8_t>(value_);
  }

 private:
  std::uint64_t base_;
  std::uint64_t value_ = 0;
  bool saturated_ = false;
};

struct Entity {
  std::string_view name;
  std::uint8_t byte;
};
constexpr Entity kEntities[] = {
    {"quot", '"'}, {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"nbsp", kNoBreakSpace}};

// The entity named by bytes [from, to), or null.
const Entity* find_entity(const Bytes& bytes, std::size_t from, std::size_t to) {
  for (const Entity& e : kEntities) {
    if (e.name.size() != to - from) continue;
    bool same = true;
    for (std::size_t i = 0; i < e.name.size() && same; ++i) {
      same = lower(bytes[from + i]) == static_cast<std::uint8_t>(e.name[i]);
    }
    if (same) return &e;
  }
  return nullptr;
}

void copy_bytes(const Bytes& bytes, std::size_t from, std::size_t to, Writer& out) {
  for (std::size_t i = from; i < to; ++i)
    out.put(bytes[i]);
}

std::size_t numeric_entity(const Bytes& bytes, std::size_t i, Writer& out) {
  const bool hex = lower(bytes[i + 2]) == 'x';
  const std::size_t first = i + (hex ? 3 : 2);
  EntityNumber number(hex ? 16 : 10);
  std::size_t j = first;
  while (j < bytes.size() && (hex ? is_hex(bytes[j]) : is_digit(bytes[j]))) {
    number.put(hex_value(bytes[j++]));
  }
  if (j == first) {  // no digit: "&#" or "&#x" as it stands
    const std::size_t end = first < bytes.size() ? first : bytes.size();
    copy_bytes(bytes, i, end, out);
    return end - i;
  }
  out.put(number.byte());
  return (j < bytes.size() && bytes[j] == ';' ? j + 1 : j) - i;
}

std::size_t entity_step(const Bytes& bytes, std::size_t i, Writer& out) {
  if (bytes[i + 1] == '#') return numeric_entity(bytes, i, out);
  std::size_t j = i + 1;
  while (j < bytes.size() && is_alnum(bytes[j]))
    ++j;
  if (const Entity* e = find_entity(bytes, i + 1, j)) {
    out.put(e->byte);
    return (j < bytes.size() && bytes[j] == ';' ? j + 1 : j) - i;
  }
  copy_bytes(bytes, i, j, out);
  return j - i;
}

}  // namespace

Transformed css_decode(std::string_view in, base::Arena& arena) {
  return decode_from('\\', in, arena, css_step);
}

Transformed js_decode(std::string_view in, base::Arena& arena) {
  return decode_from('\\', in, arena, js_step);
}

Transformed escape_seq_decode(std::string_view in, base::Arena& arena) {
  return decode_from('\\', in, arena, escape_seq_step);
}

Transformed html_entity_decode(std::string_view in, base::Arena& arena) {
  return decode_from('&', in, arena, entity_step);
}

namespace {

// A sequence whose lead byte and continuation bytes fit together, or length 0.
struct Sequence {
  std::size_t length = 0;
  std::uint32_t code = 0;
};

Sequence read_sequence(const Bytes& bytes, std::size_t i) {
  const std::uint8_t c = bytes[i];
  const std::size_t length = (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;
  std::uint32_t code = c & (0x7fU >> length);
  for (std::size_t k = 1; k < length; ++k) {
    if ((bytes[i + k] & 0xc0) != 0x80) return {};  // also past the end
    code = code << 6 | (bytes[i + k] & 0x3fU);
  }
  return {length, code};
}

// %u and the code point in hexadecimal, with four digits or more.
void put_unicode(std::uint32_t code, Writer& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out.put('%');
  out.put('u');
  unsigned shift = code > 0xfffff ? 20 : code > 0xffff ? 16 : 12;
  for (;; shift -= 4) {
    out.put(static_cast<std::uint8_t>(kDigits[code >> shift & 15]));
    if (shift == 0) break;
  }
}

bool is_overlong(const Sequence& s) {
  return (s.length == 2 && s.code < 0x80) || (s.length == 3 && s.code < 0x800) ||
         (s.length == 4 && s.code < 0x10000);
}

bool is_surrogate(const Sequence& s) {
  return s.code >= 0xd800 && s.code <= 0xdfff;
}

}  // namespace

// As ModSecurity 2 does it: NUL bytes go, a lead byte without its continuation goes (but one above
// f4 stays, also in front of the %u of its sequence), and the lead byte follows the %u of an
// overlong sequence or a surrogate.
Transformed utf8_to_unicode(std::string_view in, base::Arena& arena) {
  const std::size_t first = find_first(
      in, [](std::uint8_t c) { return static_cast<int>(c >= 0x80) | static_cast<int>(c == 0); });
  if (first == in.size()) return unchanged(in);
  // Only bytes above 7f grow, to four times themselves at most.
  const std::size_t high = count_bytes(in, [](std::uint8_t c) { return c >= 0x80; });
  Writer out(arena, in, in.size() + 3 * high);
  if (!out.ok()) return Writer::failed();
  out.put(in.substr(0, first));
  const Bytes bytes(in);
  for (std::size_t i = first; i < in.size();) {
    const std::uint8_t c = bytes[i];
    if (c == 0) {
      ++i;
    } else if (c < 0xc0 || c >= 0xf8) {  // ASCII, or no lead byte
      out.put(c);
      ++i;
    } else {
      if (c >= 0xf5) out.put(c);
      const Sequence s = read_sequence(bytes, i);
      if (s.length == 0) {
        ++i;
        continue;
      }
      put_unicode(s.code, out);
      if (is_surrogate(s)) out.put(c);
      if (is_overlong(s)) out.put(c);
      i += s.length;
    }
  }
  return out.finish();
}

}  // namespace weir::rules::detail
