#include "engine/base/json_writer.h"

#include <array>
#include <cassert>
#include <charconv>
#include <cmath>

#include "engine/base/base64.h"
#include "engine/base/utf8.h"

namespace weir::base {
namespace {

void append_u00(std::string& out, unsigned char byte) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u00";
  out += kHex[byte >> 4U];
  out += kHex[byte & 15U];
}

void append_special(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\b': out += "\\b"; break;
    case '\f': out += "\\f"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default: append_u00(out, static_cast<unsigned char>(c));
  }
}

// What is written as it is. A table: texts are long, and a look costs less than four comparisons.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7F; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

bool plain(unsigned char c) {
  return kPlain[c];
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view s) {
  std::size_t at = 0;
  while (at < s.size()) {
    std::size_t run = at;
    while (run < s.size() && plain(static_cast<unsigned char>(s[run]))) ++run;
    out.append(s, at, run - at);
    at = run;
    if (at == s.size()) break;
    const auto c = static_cast<unsigned char>(s[at]);
    if (c <= 0x7FU) {
      append_special(out, s[at]);
      ++at;
      continue;
    }
    const Utf8Char decoded = decode_utf8(s, at);
    if (decoded.length == 0) {
      append_u00(out, c);
      ++at;
    } else {
      out.append(s, at, decoded.length);
      at += decoded.length;
    }
  }
}

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  assert(!bit(is_object_) && "a value in an object needs a key");
  if (bit(has_items_)) out_ += ',';
  has_items_ |= std::uint64_t{1} << depth_;
}

void JsonWriter::open(char bracket, bool object) {
  before_value();
  assert(depth_ + 1 < kMaxDepth);
  ++depth_;
  const std::uint64_t mask = std::uint64_t{1} << depth_;
  is_object_ = object ? (is_object_ | mask) : (is_object_ & ~mask);
  has_items_ &= ~mask;
  out_ += bracket;
}

void JsonWriter::close(char bracket) {
  assert(depth_ > 0 && !after_key_);
  assert((bracket == '}') == bit(is_object_));
  out_ += bracket;
  --depth_;
}

void JsonWriter::finish() {
  if (after_key_) null();
  while (depth_ > 0) close(bit(is_object_) ? '}' : ']');
}

void JsonWriter::key(std::string_view name) {
  assert(bit(is_object_) && !after_key_);
  if (bit(has_items_)) out_ += ',';
  has_items_ |= std::uint64_t{1} << depth_;
  quoted(name);
  out_ += ':';
  after_key_ = true;
}

void JsonWriter::quoted(std::string_view value) {
  out_ += '"';
  append_json_escaped(out_, value);
  out_ += '"';
}

void JsonWriter::string(std::string_view value) {
  before_value();
  quoted(value);
}

void JsonWriter::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
}

void JsonWriter::null() {
  before_value();
  out_ += "null";
}

void JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  before_value();
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out_.append(text, end);
}

void JsonWriter::signed_number(std::int64_t value) {
  before_value();
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out_.append(text, end);
}

void JsonWriter::unsigned_number(std::uint64_t value) {
  before_value();
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out_.append(text, end);
}

void JsonWriter::text_or_bytes(std::string_view value, std::size_t limit) {
  begin_object();
  // Text is judged on what is written: bytes behind the limit do not turn a text into bytes.
  const bool truncated = value.size() > limit;
  const std::string_view shown = cut_utf8(value, limit);
  if (is_valid_utf8(shown)) {
    field("text", shown);
  } else {
    key("bytes");
    before_value();
    out_ += '"';
    append_base64(out_, value.substr(0, limit));
    out_ += '"';
  }
  if (truncated) field("truncated", true);
  end_object();
}

}  // namespace weir::base
