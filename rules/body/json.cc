#include "rules/body/json.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/base/octets.h"
#include "engine/base/utf8.h"
#include "rules/body/message.h"

namespace weir::rules::body {
namespace {

constexpr std::size_t kKeepBytes = 256 * 1024;  // capacity that buffers keep from body to body
constexpr std::uint64_t kNameAllowance = 256 * 1024;
constexpr std::uint64_t kNameFactor = 8;

void recycle(std::string& s) {
  if (s.capacity() > kKeepBytes) std::string().swap(s);
  s.clear();
}

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20U && byte < 0x80U && c != '"' && c != '\\';
}

// How many bytes at the beginning of `in` are plain.
std::size_t plain_run(std::string_view in) {
  std::size_t run = 0;
#ifdef __SSE2__
  for (; run + 16 <= in.size(); run += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in.data() + run));
    // As signed numbers, bytes of characters beyond ASCII are below the blank, too.
    const __m128i other = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
                                       _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
    const auto bits = static_cast<unsigned>(_mm_movemask_epi8(other));
    if (bits != 0) return run + static_cast<std::size_t>(std::countr_zero(bits));
  }
#endif
  for (; run + 8 <= in.size(); run += 8) {
    std::uint64_t w = 0;
    std::memcpy(&w, in.data() + run, 8);
    const std::uint64_t other = (w & base::kTopBits) | base::octets_below(w, 0x20) | base::octets_equal(w, '"') |
                                base::octets_equal(w, '\\');
    if (other == 0) continue;
    if constexpr (std::endian::native == std::endian::little) {
      return run + static_cast<std::size_t>(std::countr_zero(other)) / 8;
    }
    break;
  }
  while (run < in.size() && is_plain(in[run])) ++run;
  return run;
}

// The length of the number that `in` begins with; 0: it has none, one of a rarer kind, or one that may not be over.
std::size_t plain_number(std::string_view in) {
  std::size_t i = in.front() == '-' ? 1 : 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < in.size() && is_digit(in[i])) ++i;
    return i - from;
  };
  const std::size_t begins = i;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && in[begins] == '0')) return 0;
  if (i < in.size() && in[i] == '.') {
    ++i;
    if (digits() == 0) return 0;
  }
  return i < in.size() && in[i] != 'e' && in[i] != 'E' ? i : 0;
}

}  // namespace

void JsonProcessor::begin(const BodyLimits& limits, JsonNames names, BodySink& sink) {
  limits_ = limits;
  names_ = names;
  sink_ = &sink;
  failed_ = false;
  bytes_ = name_bytes_ = work_ = 0;
  arguments_ = 0;
  depth_ = 0;
  expect_ = Expect::Value;
  token_ = Token::None;
  recycle(text_);
  recycle(keys_);
  high_ = 0;
  continuation_ = 0;
  frames_.clear();
  name_.clear();
  name_fits_path_ = false;
}

bool JsonProcessor::fail(std::string_view message) {
  failed_ = true;
  sink_->on_error("JSON parsing error: " + std::string(message));
  return false;
}

bool JsonProcessor::feed(std::string_view in) {
  if (failed_) return false;
  bytes_ += in.size();
  work_ += in.size();
  while (!in.empty()) {
    bool fine = true;
    switch (token_) {
      case Token::None:
        fine = take_whole_tokens(in);
        break;
      case Token::String:
      case Token::Escape:
      case Token::Unicode:
        fine = take_string(in);
        break;
      case Token::Number:
        fine = take_number(in);
        break;
      case Token::Literal:
        fine = take_literal(in);
        break;
    }
    if (!fine) return false;
  }
  return true;
}

bool JsonProcessor::finish(bool truncated) {
  if (failed_) return false;
  if (bytes_ == 0) return true;
  if (truncated) {
    const bool in_string =
        token_ == Token::String || token_ == Token::Escape || token_ == Token::Unicode;
    const bool unfinished = (in_string && !is_key_) || token_ == Token::Number;
    return !unfinished || emit(text_);
  }
  if (token_ == Token::Number) {
    std::string_view end(" ");  // only the end of the body can end a top-level number
    if (!take_number(end)) return false;
  }
  if (token_ == Token::None && expect_ == Expect::Nothing) return true;
  return fail("parse error: premature EOF");
}

// Takes what `in` begins with until a token has begun that is not plain, or may go on in the next piece.
bool JsonProcessor::take_whole_tokens(std::string_view& in) {
  while (token_ == Token::None && !in.empty()) {
    const char c = in.front();
    if (is_json_space(c)) {
      in.remove_prefix(1);
      continue;
    }
    const bool value = expect_ == Expect::Value || expect_ == Expect::ValueOrEnd;
    if (c == '"' && (value || expect_ == Expect::Key || expect_ == Expect::KeyOrEnd)) {
      const std::string_view rest = in.substr(1);
      const std::size_t run = plain_run(rest);
      if (run < rest.size() && rest[run] == '"') {
        in.remove_prefix(run + 2);
        is_key_ = !value;
        if (!end_string(rest.substr(0, run))) return false;
        continue;
      }
    } else if (value && (is_digit(c) || c == '-')) {
      if (const std::size_t length = plain_number(in); length != 0) {
        const std::string_view number = in.substr(0, length);
        in.remove_prefix(length);
        if (!emit(number)) return false;
        continue;
      }
    }
    in.remove_prefix(1);
    if (!start_token(c)) return false;
  }
  return true;
}

bool JsonProcessor::start_token(char c) {
  switch (expect_) {
    case Expect::Nothing:
      return fail("parse error: trailing garbage");
    case Expect::Value:
      return start_value(c);
    case Expect::ValueOrEnd:
      return c == ']' ? close(true) : start_value(c);
    case Expect::KeyOrEnd:
    case Expect::Key:
      if (c == '}' && expect_ == Expect::KeyOrEnd) return close(false);
      if (c != '"') return fail("parse error: invalid object key (must be a string)");
      token_ = Token::String;
      is_key_ = true;
      text_.clear();
      return true;
    case Expect::Colon:
      if (c != ':') {
        return fail("parse error: object key and value must be separated by a colon (':')");
      }
      expect_ = Expect::Value;
      return true;
    case Expect::CommaOrEnd: {
      const bool array = frames_.back().array;
      if (c == ',') {
        expect_ = array ? Expect::Value : Expect::Key;
        return true;
      }
      if (c == (array ? ']' : '}')) return close(array);
      return fail(array ? "parse error: after array element, I expect ',' or ']'"
                        : "parse error: after key and value, inside map, I expect ',' or '}'");
    }
  }
  return true;
}

bool JsonProcessor::start_value(char c) {
  text_.clear();
  switch (c) {
    case '{': return open(false);
    case '[': return open(true);
    case '"':
      token_ = Token::String;
      is_key_ = false;
      return true;
    case 't':
    case 'f':
    case 'n':
      token_ = Token::Literal;
      literal_ = c == 't' ? "true" : c == 'f' ? "false" : "null";
      literal_at_ = 1;
      return true;
    case ']':
    case '}':
    case ',':
    case ':':
      return fail("parse error: unallowed token at this point in JSON text");
    default:
      break;
  }
  if (c != '-' && !is_digit(c)) return fail("lexical error: invalid char in json text.");
  token_ = Token::Number;
  number_ = c == '-' ? NumberPart::Minus : c == '0' ? NumberPart::Zero : NumberPart::Integer;
  text_ += c;
  return true;
}

bool JsonProcessor::open(bool array) {
  Frame frame{};
  frame.array = array;
  frame.counted = array || !frames_.empty() || names_ == JsonNames::ModSecurity3;
  if (!frames_.empty()) {
    // A container is called after its key, or, as an array's element, after that array.
    const Frame& parent = frames_.back();
    frame.name = parent.array ? parent.name : parent.key;
    frame.name_end = parent.array ? parent.name_end : parent.key_end;
  } else if (array) {
    keys_ = "array";
    frame.name_end = keys_.size();
  }
  frame.key = frame.key_end = keys_.size();
  if (frame.counted && ++depth_ > limits_.json_depth) return fail("JSON depth limit exceeded");
  frames_.push_back(frame);
  name_fits_path_ = false;
  expect_ = array ? Expect::ValueOrEnd : Expect::KeyOrEnd;
  return true;
}

bool JsonProcessor::close(bool array) {
  if (frames_.back().array != array) {
    return fail("parse error: unallowed token at this point in JSON text");
  }
  if (frames_.back().counted) --depth_;
  keys_.resize(frames_.back().key);
  frames_.pop_back();
  name_fits_path_ = false;
  after_value();
  return true;
}

void JsonProcessor::after_value() {
  if (frames_.empty()) {
    expect_ = Expect::Nothing;
    return;
  }
  if (frames_.back().array) ++frames_.back().index;
  expect_ = Expect::CommaOrEnd;
}

bool JsonProcessor::take_string(std::string_view& in) {
  if (token_ == Token::String && continuation_ == 0) {
    const std::size_t run = plain_run(in);
    if (text_.empty() && high_ == 0 && run < in.size() && in[run] == '"') {  // as most are: nothing need be copied
      const std::string_view whole = in.substr(0, run);
      in.remove_prefix(run + 1);
      return end_string(whole);
    }
    if (run > 0) {
      put_pending();
      text_ += in.substr(0, run);
      in.remove_prefix(run);
      if (in.empty()) return true;
    }
  }
  const char c = in.front();
  in.remove_prefix(1);
  if (token_ == Token::Escape) return take_escape(c);
  if (token_ == Token::Unicode) return take_unicode(c);
  return take_string_byte(static_cast<unsigned char>(c));
}

bool JsonProcessor::take_string_byte(unsigned char c) {
  if (continuation_ > 0) {
    if (c < low_bound_ || c > high_bound_) {
      return fail("lexical error: invalid bytes in UTF8 string.");
    }
    text_ += static_cast<char>(c);
    --continuation_;
    low_bound_ = 0x80;
    high_bound_ = 0xBF;
    return true;
  }
  if (c == '"') {
    put_pending();
    return end_string(text_);
  }
  if (c == '\\') {
    token_ = Token::Escape;
    return true;
  }
  if (c < 0x20U) return fail("lexical error: invalid character inside string.");
  // RFC 3629 section 4: the bounds of the second byte exclude overlong forms and surrogates.
  if (c < 0xC2U || c > 0xF4U) return fail("lexical error: invalid bytes in UTF8 string.");
  continuation_ = c < 0xE0U ? 1 : c < 0xF0U ? 2 : 3;
  low_bound_ = c == 0xE0U ? 0xA0 : c == 0xF0U ? 0x90 : 0x80;
  high_bound_ = c == 0xEDU ? 0x9F : c == 0xF4U ? 0x8F : 0xBF;
  put_pending();
  text_ += static_cast<char>(c);
  return true;
}

bool JsonProcessor::take_escape(char c) {
  if (c == 'u') {
    token_ = Token::Unicode;
    unicode_ = 0;
    digits_ = 0;
    return true;
  }
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
  const std::size_t at = kLetters.find(c);
  if (at == std::string_view::npos) {
    return fail(
        "lexical error: inside a string, '\\' occurs before a character which it may not.");
  }
  put_pending();
  text_ += kValues[at];
  token_ = Token::String;
  return true;
}

bool JsonProcessor::take_unicode(char c) {
  const int digit = hex_value(c);
  if (digit < 0) {
    return fail("lexical error: invalid (non-hex) character occurs after '\\u' inside string.");
  }
  unicode_ = unicode_ * 16 + static_cast<std::uint32_t>(digit);
  if (++digits_ == 4) {
    put_unit(unicode_);
    token_ = Token::String;
  }
  return true;
}

// One UTF-16 code unit out of an escape.
void JsonProcessor::put_unit(std::uint32_t unit) {
  const bool low = unit >= 0xDC00U && unit <= 0xDFFFU;
  if (low && high_ != 0) {
    base::append_utf8(text_, 0x10000U + ((high_ - 0xD800U) << 10U) + (unit - 0xDC00U));
    high_ = 0;
    return;
  }
  put_pending();
  if (unit >= 0xD800U && unit <= 0xDBFFU) {
    high_ = unit;
  } else if (low) {
    text_ += static_cast<char>(0xE0U | (unit >> 12U));
    text_ += static_cast<char>(0x80U | ((unit >> 6U) & 0x3FU));
    text_ += static_cast<char>(0x80U | (unit & 0x3FU));
  } else {
    base::append_utf8(text_, unit);
  }
}

void JsonProcessor::put_pending() {
  if (high_ == 0) return;
  high_ = 0;
  text_ += '?';
}

bool JsonProcessor::end_string(std::string_view text) {
  token_ = Token::None;
  if (!is_key_) return emit(text);
  Frame& frame = frames_.back();
  keys_.resize(frame.key);
  keys_ += text;
  frame.key_end = keys_.size();
  work_ += text.size();
  expect_ = Expect::Colon;
  return true;
}

bool JsonProcessor::take_number(std::string_view& in) {
  while (!in.empty()) {
    const char c = in.front();
    bool more = false;
    switch (number_) {
      case NumberPart::Minus:
        if (!is_digit(c)) {
          return fail("lexical error: malformed number, a digit is required after the minus sign.");
        }
        number_ = c == '0' ? NumberPart::Zero : NumberPart::Integer;
        more = true;
        break;
      case NumberPart::Zero:
      case NumberPart::Integer:
        if (is_digit(c) && number_ == NumberPart::Integer) {
          more = true;
        } else if (c == '.') {
          number_ = NumberPart::Point;
          more = true;
        } else if (c == 'e' || c == 'E') {
          number_ = NumberPart::Exponent;
          more = true;
        }
        break;
      case NumberPart::Point:
        if (!is_digit(c)) {
          return fail(
              "lexical error: malformed number, a digit is required after the decimal point.");
        }
        number_ = NumberPart::Fraction;
        more = true;
        break;
      case NumberPart::Fraction:
        more = is_digit(c);
        if (c == 'e' || c == 'E') {
          number_ = NumberPart::Exponent;
          more = true;
        }
        break;
      case NumberPart::Exponent:
      case NumberPart::ExponentSign:
        if ((c == '+' || c == '-') && number_ == NumberPart::Exponent) {
          number_ = NumberPart::ExponentSign;
        } else if (is_digit(c)) {
          number_ = NumberPart::ExponentDigits;
        } else {
          return fail("lexical error: malformed number, a digit is required after the exponent.");
        }
        more = true;
        break;
      case NumberPart::ExponentDigits:
        more = is_digit(c);
        break;
    }
    if (!more) {
      token_ = Token::None;
      return emit(text_);  // `c` is the next token's
    }
    text_ += c;
    in.remove_prefix(1);
  }
  return true;
}

bool JsonProcessor::take_literal(std::string_view& in) {
  while (!in.empty() && literal_at_ < literal_.size()) {
    if (in.front() != literal_[literal_at_]) return fail("lexical error: invalid string in json text.");
    ++literal_at_;
    in.remove_prefix(1);
  }
  if (literal_at_ < literal_.size()) return true;
  token_ = Token::None;
  return emit(literal_ == "null" ? std::string_view() : literal_);
}

bool JsonProcessor::emit(std::string_view value) {
  if (!compose_name()) return false;
  work_ += value.size() + name_.size();
  if (arguments_++ >= limits_.arguments || !sink_->on_argument(name_, value)) {
    failed_ = true;
    sink_->on_error(kArgumentsLimitMessage);
    return false;
  }
  after_value();
  return true;
}

// Writes the path of the current value into name_.
bool JsonProcessor::compose_name() {
  // The length first: a path that is too long must not cost its length again for each value.
  std::uint64_t length = 0;
  if (!name_fits_path_) {
    for (const Frame& f : frames_) length += f.name_end - f.name + (f.array ? 24 : 1);
    if (length <= limits_.name_bytes + 24 * frames_.size()) {
      name_.clear();
      names_ == JsonNames::ModSecurity2 ? append_names2() : append_names3();
      prefix_ = name_.size();
      work_ += prefix_ + frames_.size();
      name_fits_path_ = true;
    }
  }
  if (name_fits_path_) {
    name_.resize(prefix_);
    if (frames_.empty()) {
      if (names_ == JsonNames::ModSecurity3) name_ = "json";
    } else if (const Frame& f = frames_.back(); names_ == JsonNames::ModSecurity2) {
      const std::size_t from = f.array ? f.name : f.key;
      name_.append(keys_, from, (f.array ? f.name_end : f.key_end) - from);
    } else if (f.array) {
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, f.index).ptr;
      name_.append(digits, end);
    } else if (f.key == f.key_end) {
      name_ += "empty-key";
    } else {
      name_.append(keys_, f.key, f.key_end - f.key);
    }
  }
  if (!name_fits_path_ || name_.size() > limits_.name_bytes) {
    return fail("name of a value is longer than " + std::to_string(limits_.name_bytes) + " bytes");
  }
  name_bytes_ += name_.size();
  if (name_bytes_ > kNameAllowance + kNameFactor * bytes_) {
    return fail("names of the values are too long for the size of the body");
  }
  return true;
}

void JsonProcessor::append_names2() {
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const Frame& f = frames_[i];
    if (i == 0 && !f.array) continue;  // the outermost object has no name
    name_.append(keys_, f.name, f.name_end - f.name);
    name_ += '.';
  }
}

void JsonProcessor::append_names3() {
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    const Frame& f = frames_[i];
    if (i == 0) {
      name_ += "json";
    } else if (!frames_[i - 1].array) {
      if (f.name == f.name_end) {
        name_ += "empty-key";
      } else {
        name_.append(keys_, f.name, f.name_end - f.name);
      }
    }
    name_ += f.array ? ".array_" : ".";
    if (f.array && i + 1 < frames_.size()) {
      char digits[24];
      const auto end = std::to_chars(digits, digits + sizeof digits, f.index).ptr;
      name_.append(digits, end);
    }
  }
}

}  // namespace weir::rules::body
