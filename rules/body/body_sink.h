// What a body processor tells of a request (or response) body. All views are valid during the call.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::rules::body {

// Multipart anomalies: ModSecurity's MULTIPART_* flags (reference manual, MULTIPART_STRICT_ERROR).
enum class MultipartFlag : std::uint8_t {
  BoundaryQuoted,
  BoundaryWhitespace,
  DataBefore,
  DataAfter,
  HeaderFolding,
  LfLine,
  CrlfLfLines,
  MissingSemicolon,
  InvalidQuoting,
  InvalidPart,
  InvalidHeaderFolding,
  FileLimitExceeded,
  UnmatchedBoundary,
};

class BodySink {
 public:
  virtual ~BodySink() = default;
  // An argument (ARGS_POST), in order of appearance. False: stop, the argument limit is reached; the
  // processor then reports "SecArgumentsLimit exceeded" through on_error() and stops.
  virtual bool on_argument(std::string_view name, std::string_view value) = 0;
  // Multipart only: a file part. `content` is what inspection may see of it (bounded), `size` all of it.
  virtual void on_file(std::string_view name, std::string_view filename, std::string_view content,
                       std::uint64_t size) {
    (void)name, (void)filename, (void)content, (void)size;
  }
  // Multipart only: one header line of a part (MULTIPART_PART_HEADERS:name), without line end.
  virtual void on_part_header(std::string_view part, std::string_view line) { (void)part, (void)line; }
  virtual void on_multipart_flag(MultipartFlag flag) { (void)flag; }
  // Multipart only: MULTIPART_NAME / MULTIPART_FILENAME of each part.
  virtual void on_part_name(std::string_view name, std::string_view filename) {
    (void)name, (void)filename;
  }
  // XML only: XML:/* (once: all text of the document) and XML://@* (each attribute value).
  virtual void on_xml_text(std::string_view text) { (void)text; }
  virtual void on_xml_attribute(std::string_view value) { (void)value; }
  // Urlencoded only: an invalid percent sequence was seen (URLENCODED_ERROR).
  virtual void on_urlencoded_error() {}
  // The body does not follow its grammar, or a bound was passed (REQBODY_ERROR, REQBODY_ERROR_MSG).
  // The processor stops after it.
  virtual void on_error(std::string_view message) = 0;
};

struct BodyLimits {
  std::uint32_t arguments = 1000;   // SecArgumentsLimit
  std::uint32_t json_depth = 512;   // SecRequestBodyJsonDepthLimit
  std::uint32_t xml_depth = 256;
  std::uint32_t xml_nodes = 1'000'000;
  std::uint32_t parts = 1024;       // multipart parts
  std::uint32_t files = 100;        // SecUploadFileLimit
  char argument_separator = '&';    // SecArgumentSeparator
  std::uint32_t name_bytes = 4096;  // JSON and XML: length of a composed name (json.a.b.c)
  std::uint32_t part_header_bytes = 16'384;  // multipart: all header lines of one part
  std::uint32_t part_headers = 100;          // multipart: header fields of one part
  std::uint32_t file_content = 65'536;       // multipart: what on_file() shows of one file at most
};

}  // namespace weir::rules::body
