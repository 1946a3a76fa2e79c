// @validateByteRange, @validateUrlEncoding, @validateUtf8Encoding: they match what is *not* valid
// (trap 38); an empty value is valid.
#include <bitset>

#include "rules/operators/factories.h"

namespace weir::rules::operators {

namespace {

class ByteRange final : public Operator {
 public:
  explicit ByteRange(const std::bitset<256>& allowed) : allowed_(allowed) {}
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    for (const char c : value) {
      if (!allowed_[static_cast<std::uint8_t>(c)]) return true;
    }
    return false;
  }
  std::vector<ByteSet> necessary_bytes() const override { return {~allowed_}; }

 private:
  std::bitset<256> allowed_;
};

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t'))
    s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t'))
    s.remove_suffix(1);
  return s;
}

// 0 … 255, or -1.
int byte_number(std::string_view s) {
  s = trimmed(s);
  if (s.empty() || s.size() > 3) return -1;
  int value = 0;
  for (const char c : s) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value <= 255 ? value : -1;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

class UrlEncoding final : public Operator {
 public:
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    for (std::size_t i = value.find('%'); i != std::string_view::npos; i = value.find('%', i + 3)) {
      if (i + 2 >= value.size() || !is_hex(value[i + 1]) || !is_hex(value[i + 2])) return true;
    }
    return false;
  }
  std::vector<ByteSet> necessary_bytes() const override { return {byte_range('%', '%')}; }
};

// Length of the well-formed sequence at the front of `s` (RFC 3629, section 4), or 0.
std::size_t utf8_length(std::string_view s) {
  const auto at = [s](std::size_t i) { return static_cast<std::uint8_t>(s[i]); };
  const std::uint8_t c = at(0);
  if (c < 0x80) return 1;
  const std::size_t length = c >= 0xc2 && c <= 0xdf   ? 2
                             : (c & 0xf0) == 0xe0     ? 3
                             : c >= 0xf0 && c <= 0xf4 ? 4
                                                      : 0;
  if (length == 0 || s.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms and surrogates show in the second byte. U+110000 and above, in four bytes
  // beginning with f4, pass, as they do in ModSecurity.
  if (c == 0xe0 && at(1) < 0xa0) return 0;
  if (c == 0xed && at(1) > 0x9f) return 0;
  if (c == 0xf0 && at(1) < 0x90) return 0;
  return length;
}

class Utf8Encoding final : public Operator {
 public:
  bool match(std::string_view value, OperatorContext& context) const override {
    add_work(context, value.size());
    while (!value.empty()) {
      const std::size_t length = utf8_length(value);
      if (length == 0) return true;
      value.remove_prefix(length);
    }
    return false;
  }
  std::vector<ByteSet> necessary_bytes() const override { return {byte_range(0x80, 0xff)}; }
};

}  // namespace

Made make_validate_byte_range(const OperatorSpec& spec, OperatorFiles&) {
  std::bitset<256> allowed;
  std::string_view rest = spec.argument;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (item.empty()) continue;
    const std::size_t dash = item.find('-');
    const int first = byte_number(item.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : byte_number(item.substr(dash + 1));
    if (first < 0 || last < 0) {
      return fail("'" + std::string(item) + "' is no byte (0 to 255) and no range of bytes");
    }
    if (first > last) return fail("the range '" + std::string(item) + "' ends before it begins");
    for (int i = first; i <= last; ++i)
      allowed.set(static_cast<std::size_t>(i));
  }
  return std::unique_ptr<Operator>(new ByteRange(allowed));
}

Made make_validate_url_encoding(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new UrlEncoding());
}

Made make_validate_utf8_encoding(const OperatorSpec&, OperatorFiles&) {
  return std::unique_ptr<Operator>(new Utf8Encoding());
}

}  // namespace weir::rules::operators
