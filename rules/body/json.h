// application/json (RFC 8259), incrementally: every scalar becomes an argument whose name is its path.
// Whatever way the body is cut into pieces, the calls to the sink are the same.
//
// Values: strings decoded (NUL and all escapes), numbers as written, "true", "false", and "" for null.
// Repeated keys are all reported, in order. A lone high surrogate becomes '?', a lone low one the three
// bytes of its code point, as yajl (ModSecurity's parser) has it.
//
// The grammar is exactly RFC 8259's (no comments, no byte order mark, no trailing comma), invalid UTF-8
// is an error. Where servers are more lenient the body is refused, never guessed at.
//
// A hand-written parser instead of simdjson, because that one needs the whole document, gives numbers as
// values instead of as text (DOM) or validates only what is visited (On-Demand); tests/ compares this one
// with it and with nlohmann::json.
//
// Memory: the longest string, the keys along the current path, 64 bytes a level. Time: linear in the body
// plus the names that are handed out; those are bounded by name_bytes each and by 256 KiB + 8 bytes for
// each byte of the body together, so that a long key over many values costs little. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/body/body_sink.h"

namespace weir::rules::body {

// How a path is written. For {"a":{"b":[1,{"c":2}]}}:
//   ModSecurity2   a.b.b    a.b.b.c             (elements repeat the array's name; a top-level array is
//                                                called "array", its elements "array.array"; a top-level
//                                                scalar has the empty name)
//   ModSecurity3   json.a.b.array_0    json.a.b.array_1.c   (an empty key is "empty-key", a top-level
//                                                scalar "json")
// One difference from 2.9.7 is kept: a key with dots in it counts as one step of the path. There it is cut
// at its last dot when its object ends, which leaves the rest in all later names.
enum class JsonNames : std::uint8_t { ModSecurity2, ModSecurity3 };

class JsonProcessor {
 public:
  // `sink` must live until finish().
  void begin(const BodyLimits& limits, JsonNames names, BodySink& sink);
  // False once an error was reported; further bytes are ignored.
  bool feed(std::string_view bytes);
  // The body has ended. `truncated`: more bytes exist but are withheld, so an unfinished document is no
  // error (an unfinished string is reported as far as it goes). An empty body is no error.
  bool finish(bool truncated = false);

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::uint64_t work() const { return work_; }
  [[nodiscard]] std::size_t memory() const {  // bytes from the heap
    return text_.capacity() + frames_.capacity() * sizeof(Frame) + keys_.capacity() + name_.capacity();
  }

 private:
  struct Frame {
    bool array;
    bool counted;              // in the depth (ModSecurity 2 does not count the outermost object)
    std::size_t name, name_end;  // what the container itself is called: a piece of keys_
    std::size_t key, key_end;    // the current key of an object
    std::uint64_t index;         // of the current element of an array
  };
  enum class Expect : std::uint8_t {
    Value, ValueOrEnd, Key, KeyOrEnd, Colon, CommaOrEnd, Nothing,
  };
  enum class Token : std::uint8_t {
    None, String, Escape, Unicode, Number, Literal,
  };
  enum class NumberPart : std::uint8_t {
    Minus, Zero, Integer, Point, Fraction, Exponent, ExponentSign, ExponentDigits,
  };

  bool fail(std::string_view message);
  bool take_whole_tokens(std::string_view& in);
  bool start_token(char c);
  bool start_value(char c);
  bool open(bool array);
  bool close(bool array);
  bool take_string(std::string_view& in);
  bool take_string_byte(unsigned char c);
  bool take_escape(char c);
  bool take_unicode(char c);
  void put_unit(std::uint32_t unit);
  void put_pending();
  bool end_string(std::string_view text);
  bool take_number(std::string_view& in);
  bool take_literal(std::string_view& in);
  bool emit(std::string_view value);
  void after_value();
  bool compose_name();
  void append_names2();
  void append_names3();

  BodyLimits limits_;
  JsonNames names_ = JsonNames::ModSecurity2;
  BodySink* sink_ = nullptr;
  bool failed_ = false;
  std::uint64_t bytes_ = 0, name_bytes_ = 0, work_ = 0;
  std::uint32_t depth_ = 0, arguments_ = 0;

  Expect expect_ = Expect::Value;
  Token token_ = Token::None;
  bool is_key_ = false;
  std::string text_;             // of the current token
  std::uint32_t unicode_ = 0;    // digits of a \u escape
  std::uint8_t digits_ = 0;
  std::uint32_t high_ = 0;       // a high surrogate that waits for its second half
  std::uint8_t continuation_ = 0;  // bytes of a UTF-8 character still to come
  unsigned char low_bound_ = 0, high_bound_ = 0;  // for the next of them
  NumberPart number_ = NumberPart::Minus;
  std::string_view literal_;     // "true", "false" or "null"
  std::size_t literal_at_ = 0;

  std::vector<Frame> frames_;
  std::string keys_;             // keys along the current path
  std::string name_;
  bool name_fits_path_ = false;  // name_ is the path of the innermost container's elements
  std::size_t prefix_ = 0;       // length of that path in name_
};

}  // namespace weir::rules::body
