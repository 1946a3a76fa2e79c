// multipart/form-data (RFC 7578), incrementally, as ModSecurity 2.9.7 reads it: the same parts, names,
// values, flags and errors. Whatever way the body is cut into pieces, the calls to the sink are the same.
//
// Where it goes beyond 2.9.7, always towards telling the rules more:
//   * fields are reported when their part ends, so those before an error are seen too, and so is the
//     unfinished last part of a body without final boundary;
//   * bytes behind the final boundary raise DataAfter, however they are cut;
//   * part headers and parts are bounded (BodyLimits).
//
// Memory: one line (4 KiB), one part's headers and one field's value (the caller bounds the body); the
// buffers are kept from body to body. Time: linear. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rules/body/body_sink.h"
#include "rules/body/multipart_header.h"

namespace weir::rules::body {

struct MultipartOptions {
  // ModSecurity 2.9.8 and later refuse a part header whose name has bytes outside 0x21..0x7e ("Multipart:
  // Invalid part header (contains invalid character)."); 2.9.7 leaves it to rules (CRS 922130). If true,
  // the part's header lines are reported first, then the error.
  bool refuse_invalid_header_names = false;
};

class MultipartProcessor {
 public:
  static constexpr std::size_t kLineBytes = 4096;

  // Starts a body. `sink` must live until finish(); `content_type` is the header's value. False: the
  // header is unusable; it was reported, and the bytes that follow are ignored.
  bool begin(std::string_view content_type, const BodyLimits& limits, BodySink& sink,
             const MultipartOptions& options = {});
  // False once an error was reported; further bytes are ignored.
  bool feed(std::string_view bytes);
  // The body has ended. `truncated`: more bytes exist but are withheld (SecRequestBodyLimitAction
  // ProcessPartial), so a missing final boundary is no error. False if any error was reported.
  bool finish(bool truncated = false);

  [[nodiscard]] bool failed() const { return failed_; }
  // Bytes of part headers and fields, not of files (for SecRequestBodyNoFilesLimit).
  [[nodiscard]] std::uint64_t no_files_length() const { return no_files_length_; }
  [[nodiscard]] std::uint64_t work() const { return work_; }
  [[nodiscard]] std::size_t memory() const {  // bytes from the heap
    return line_.capacity() + header_text_.capacity() + fields_.capacity() * sizeof(Field) + content_.capacity();
  }

 private:
  // One header field of the current part; offsets into header_text_.
  struct Field {
    std::size_t line, name_size, value, end;
    bool folded;
  };
  enum class Where : std::uint8_t { Preamble, Headers, Content, Epilogue };
  enum class Ending : std::uint8_t { None, Lf, CrLf };

  bool fail(std::string message);
  void raise(MultipartFlag flag);
  void note_line_end(bool crlf);
  bool flush(bool cut);
  bool take_line(bool cut, std::string_view line);
  bool looks_like_boundary(std::string_view line, bool& consumed);
  bool matched_boundary(std::string_view line, bool& consumed);
  bool mismatched_boundary(std::string_view line);
  bool start_part();
  bool end_part();
  bool take_header(std::string_view line);
  bool new_header(std::string_view line);
  bool fold_header(std::string_view line);
  bool end_headers();
  void report_headers(std::string_view part);
  void take_content(std::string_view line);
  void append_content(std::string_view bytes);
  [[nodiscard]] const Field* find_field(std::string_view name) const;

  BodyLimits limits_;
  MultipartOptions options_;
  BodySink* sink_ = nullptr;
  std::string delimiter_;  // "--" boundary
  MultipartFlags raised_;
  bool failed_ = false;
  bool seen_bytes_ = false;
  bool crlf_seen_ = false, lf_seen_ = false;

  std::string line_;              // bytes of the current line, or of a piece of it, up to kLineBytes
  bool at_line_start_ = true;     // line_ starts a line
  bool after_bare_lf_ = false;    // the line before ended in LF without CR
  char last_byte_ = 0;            // in front of line_

  Where where_ = Where::Preamble;
  bool content_started_ = false;
  std::uint32_t boundaries_ = 0, files_ = 0, parts_ = 0, arguments_ = 0;

  // The current part.
  std::string header_text_;
  std::vector<Field> fields_;
  ContentDisposition disposition_;
  bool is_file_ = false;
  Ending held_ = Ending::None;    // a line end that belongs to the content unless a boundary follows
  std::string content_;
  std::uint64_t size_ = 0;

  std::uint64_t no_files_length_ = 0;
  std::uint64_t work_ = 0;
};

}  // namespace weir::rules::body
