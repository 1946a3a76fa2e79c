// The two header fields that a multipart/form-data body hangs on, read with ModSecurity 2.9.7's grammar
// (RFC 2046 section 5.1.1 and RFC 7578, and the deviations that the MULTIPART_* flags report).
// Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rules/body/body_sink.h"

namespace weir::rules::body {

// A set of MultipartFlag.
class MultipartFlags {
 public:
  void add(MultipartFlag flag) { bits_ |= bit(flag); }
  [[nodiscard]] bool has(MultipartFlag flag) const { return (bits_ & bit(flag)) != 0; }

 private:
  static std::uint32_t bit(MultipartFlag flag) { return 1U << static_cast<unsigned>(flag); }
  std::uint32_t bits_ = 0;
};

struct Boundary {
  std::string_view text;     // a view of the header; empty if there is an error
  MultipartFlags flags;      // BoundaryQuoted, BoundaryWhitespace, MissingSemicolon
  const char* error = nullptr;  // a sentence, or null
};

// The boundary out of a Content-Type header's value. Exactly one boundary parameter, right behind
// "multipart/form-data" and nothing behind it; anything that servers read differently is an error.
[[nodiscard]] Boundary parse_boundary(std::string_view content_type);

struct ContentDisposition {
  int code = 0;            // 1: fine; negative: ModSecurity's number for what is wrong
  bool has_name = false;
  bool has_filename = false;
  bool invalid_quoting = false;
  std::string name, filename;  // unescaped

  void clear() {
    code = 0;
    has_name = has_filename = invalid_quoting = false;
    name.clear(), filename.clear();
  }
};

// The value of a part's Content-Disposition. Only `form-data` with `name` and `filename` is known:
// filename* (RFC 5987), repeats and unknown parameters are errors, since servers differ on them.
void parse_content_disposition(std::string_view value, ContentDisposition& out);

}  // namespace weir::rules::body
