// JsonWriter: appends one JSON text (RFC 8259) to a string, on one line. Whatever bytes are written, the
// output is valid JSON in valid UTF-8, and nothing is cut at a NUL:
//   * valid UTF-8 passes as it is; quote, backslash and control characters are escaped;
//   * string(): a byte that is not part of valid UTF-8 becomes \u00XX, its value;
//   * text_or_bytes(): {"text": …} if the value is valid UTF-8, else {"bytes": base64} - loss-free.
// Calls that do not fit the structure (a value without key in an object, end without begin) are bugs of
// the caller: asserted. finish() closes whatever is still open, so that an early return stays valid.
//
//   std::string line;
//   JsonWriter json(line);
//   json.begin_object();
//   json.field("event_type", "alert");
//   json.key("http"); json.begin_object(); … json.end_object();
//   json.end_object();
//
// Nesting is bounded by kMaxDepth (asserted); no allocation besides the string. Not thread-safe.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::base {

class JsonWriter {
 public:
  static constexpr std::size_t kMaxDepth = 64;

  // Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  void begin_object() { open('{', true); }
  void end_object() { close('}'); }
  void begin_array() { open('[', false); }
  void end_array() { close(']'); }
  void finish();

  void key(std::string_view name);

  void string(std::string_view value);
  void boolean(bool value);
  void null();
  void number(double value);  // NaN and infinities, which JSON has not, become null
  template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>)
  void number(T value) {
    if constexpr (std::signed_integral<T>) {
      signed_number(static_cast<std::int64_t>(value));
    } else {
      unsigned_number(static_cast<std::uint64_t>(value));
    }
  }
  // {"text": …} or {"bytes": base64}. Of values longer than `limit` only the first bytes are written, with
  // "truncated": true beside them; a valid character is not cut in two.
  void text_or_bytes(std::string_view value, std::size_t limit = SIZE_MAX);

  // key() and value in one call.
  void field(std::string_view name, std::string_view value) { key(name), string(value); }
  void field(std::string_view name, const char* value) { key(name), string(value); }
  void field(std::string_view name, const std::string& value) { key(name), string(value); }
  void field(std::string_view name, std::same_as<bool> auto value) { key(name), boolean(value); }
  void field(std::string_view name, double value) { key(name), number(value); }
  template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>)
  void field(std::string_view name, T value) {
    key(name), number(value);
  }

 private:
  void open(char bracket, bool object);
  void close(char bracket);
  void before_value();
  void quoted(std::string_view value);
  void signed_number(std::int64_t value);
  void unsigned_number(std::uint64_t value);

  [[nodiscard]] bool bit(std::uint64_t word) const { return ((word >> depth_) & 1U) != 0; }

  std::string& out_;
  std::size_t depth_ = 0;        // open brackets; bit `depth_` of the words below is the innermost one
  std::uint64_t is_object_ = 0;
  std::uint64_t has_items_ = 0;
  bool after_key_ = false;
};

// Appends `value` as the inside of a JSON string (without the quotes), by string()'s rules.
void append_json_escaped(std::string& out, std::string_view value);

}  // namespace weir::base
