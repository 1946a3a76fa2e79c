// What the HTTP/1 parser tells of one connection, in the order of the bytes. Implemented by
// engine/inspect (feed) and by recording sinks in tests. Views are valid during the call only.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/http/violation.h"

namespace weir::http {

// Numbers the request/response pairs of one connection: 0, 1, 2, …
using ExchangeId = std::uint64_t;

enum class Side : std::uint8_t { Request = 0, Response = 1 };

struct RequestLine {
  std::string_view method;   // as sent
  std::string_view target;   // as sent: origin, absolute, authority or asterisk form
  std::string_view version;  // as sent, e.g. "HTTP/1.1"; empty for HTTP/0.9
};

struct StatusLine {
  std::string_view version;
  std::uint16_t status = 0;
  std::string_view reason;
};

// Why a message ended.
enum class MessageEnd : std::uint8_t {
  Complete,    // as its framing said
  Incomplete,  // the connection ended, a gap could not be bridged, or the framing broke inside it
};

struct MessageLengths {
  std::uint64_t body_wire =
      0;  // body bytes without chunk framing, as sent (before content decoding)
  std::uint64_t body_decoded = 0;  // after content decoding; equal to body_wire without a coding
  std::uint64_t body_missing = 0;  // bytes of the body that fell into a gap
};

class HttpSink {
 public:
  HttpSink() = default;
  HttpSink(const HttpSink&) = delete;
  HttpSink& operator=(const HttpSink&) = delete;
  virtual ~HttpSink() = default;

  // Header fields come one by one, in order, name as sent, value without surrounding white space
  // (RFC 9112 5.1), obsolete folds replaced by SP. Trailer fields come after the body, before done.
  virtual void on_request_line(ExchangeId id, const RequestLine& line) = 0;
  // Final responses, and 101: that is the end of HTTP here. HTTP/0.9: version empty, status 200.
  virtual void on_status_line(ExchangeId id, const StatusLine& line) = 0;
  virtual void on_header(ExchangeId id, Side side, std::string_view name,
                         std::string_view value) = 0;
  virtual void on_headers_done(ExchangeId id, Side side) = 0;
  // Body after transfer decoding and, where a supported content coding applies and decoding is on,
  // after content decoding. Any number of calls.
  virtual void on_body(ExchangeId id, Side side, std::string_view bytes) = 0;
  virtual void on_trailer(ExchangeId id, Side side, std::string_view name,
                          std::string_view value) = 0;
  // Once for each message whose first line was told. An incomplete request may have been acted upon
  // by the server all the same: it is to be judged as well.
  virtual void on_message_done(ExchangeId id, Side side, MessageEnd end,
                               const MessageLengths& lengths) = 0;
  // An interim (1xx but 101) response was seen for the exchange; its fields are not reported.
  virtual void on_interim(ExchangeId id, std::uint16_t status) = 0;
  // A deviation from RFC 9112, once for each kind and message. The exchange may not have a request
  // line yet, and may never get one.
  virtual void on_violation(ExchangeId id, Side side, Violation violation) = 0;
  // The server agreed to leave HTTP (101, or 2xx to CONNECT): nothing more is parsed on either
  // side.
  virtual void on_tunnel(ExchangeId id) = 0;
};

}  // namespace weir::http
