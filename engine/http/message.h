// The syntax of start lines and field lines (RFC 9112 3, 4, 5): pure functions over one line
// without its line end. Each reads leniently, the way the servers that accept the line read it, and
// lists in `violations` in what it differs from the standard.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/http/sink.h"
#include "engine/http/violation.h"

namespace weir::http {

enum class RequestLineKind : std::uint8_t {
  Http,
  Http09,        // no version
  Http2Preface,  // "PRI * HTTP/2.0"
  NotHttp,
};

enum class TargetForm : std::uint8_t { Origin, Absolute, Authority, Asterisk, Invalid };

struct ParsedRequestLine {
  RequestLineKind kind = RequestLineKind::NotHttp;
  TargetForm form = TargetForm::Invalid;
  RequestLine line;            // views into the input
  std::string_view authority;  // host[:port] of an absolute-form or authority-form target
  bool http10 = false;
  ViolationSet violations;
};

[[nodiscard]] ParsedRequestLine parse_request_line(std::string_view line) noexcept;
// A line longer than the limit: `head` is its beginning, `tail` its end, where the version may be.
[[nodiscard]] ParsedRequestLine parse_cut_request_line(std::string_view head,
                                                       std::string_view tail) noexcept;

// The request line with which `line` ends, if it does: METHOD target HTTP/x.y, with a known method right behind whatever is
// before it. Otherwise nothing.
[[nodiscard]] std::string_view request_line_at_end(std::string_view line) noexcept;

struct ParsedStatusLine {
  bool valid = false;  // it can be read as a status line, perhaps with violations
  StatusLine line;
  bool http10 = false;
  ViolationSet violations;
};

[[nodiscard]] ParsedStatusLine parse_status_line(std::string_view line) noexcept;

struct ParsedField {
  std::string_view name;   // a line without a colon is all name
  std::string_view value;  // without surrounding white space
  ViolationSet violations;
};

[[nodiscard]] ParsedField parse_field(std::string_view line) noexcept;
// The same. REQUIRES: no control octet is in the line.
[[nodiscard]] ParsedField parse_clean_field(std::string_view line) noexcept;

// uri-host [ ":" port ] with the host as registered name of letters, digits, "-._~" and %XX, IPv4
// or
// "[" IPv6 "]". The sub-delims that RFC 3986 also allows are refused by most servers.
[[nodiscard]] bool is_valid_host(std::string_view host) noexcept;
// Whether two authorities name the same host and port, when ports 80 and 443 may be left out.
[[nodiscard]] bool same_authority(std::string_view a, std::string_view b) noexcept;

// A method of RFC 9110 or of WebDAV: what resynchronisation takes for the start of a request.
[[nodiscard]] bool is_known_method(std::string_view method) noexcept;

}  // namespace weir::http
