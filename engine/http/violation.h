// The named deviations from RFC 9110/9112 (and from what Weir follows of them), and what an inline
// Weir does about each by default. A name is stable: it is written into events, metrics and
// configuration.
//
// Dispositions follow one rule: where real servers differ on what the bytes mean (so that Weir's
// view could differ from the endpoint's), the default is Refuse; where everyone who accepts the
// bytes reads them the same way, or where the rules can judge the content themselves, it is Note.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::http {

enum class Violation : std::uint8_t {
  // What the connection carries.
  NotHttp,        // the client's first bytes are no HTTP request line
  TlsHello,       // a TLS (or SSLv2-style) ClientHello
  Http2Preface,   // HTTP/2 with prior knowledge ("PRI * HTTP/2.0")
  Http09Request,  // "GET /" without a version
  // Request line (RFC 9112 3).
  LeadingCrlf,        // 1 to 4 empty lines before a request line
  LeadingCrlfExcess,  // more of them
  RequestLineInvalid,  // no request line where a later request of the connection is due
  RequestLineTooLong,
  RequestLineWhitespace,  // anything but single SPs between the three parts, or around them
  MethodInvalid,          // not a token
  TargetInvalid,          // none of the four forms, or a form that the method does not take
  TargetControlChar,      // a control octet (also NUL, DEL)
  TargetNonAscii,         // an octet above 0x7e, which URIs must percent-encode
  TargetUnescapedChar,    // one of " < > \ ^ ` { | }, which URIs must percent-encode
  TargetFragment,         // '#', which is never sent: for some servers the path ends there
  VersionInvalid,         // not "HTTP/" DIGIT "." DIGIT
  VersionUnsupported,     // well-formed, neither 1.0 nor 1.1
  // Status line (RFC 9112 4).
  StatusLineInvalid,
  StatusLineTooLong,
  // Header section (RFC 9112 5).
  BareLf,  // a line of request line, status line or header section ends in LF alone
  BareCr,  // CR not followed by LF
  HeaderNoColon,
  HeaderNameEmpty,
  HeaderNameInvalid,  // not a token
  HeaderSpaceBeforeColon,
  HeaderControlChar,   // NUL or another control octet but HTAB in a value
  HeaderFolded,        // obsolete line folding
  HeaderLeadingSpace,  // white space before the first field line
  HeaderLineTooLong,
  HeadersTooLarge,  // the section exceeds its limit
  HeadersTooMany,
  HostMissing,  // HTTP/1.1 request without Host
  HostDuplicate,
  HostInvalid,             // not uri-host [ ":" port ], empty, or percent-encoded
  HostMismatch,            // absolute-form or authority-form target names another host
  ConnectionNamesFraming,  // Connection lists Host, Content-Length or Transfer-Encoding
  // Message body length (RFC 9112 6).
  ContentLengthInvalid,    // not 1*DIGIT, or beyond 2^63-1
  ContentLengthDuplicate,  // several equal values
  ContentLengthConflict,   // several different values
  ContentLengthWithTransferEncoding,
  TransferEncodingUnknown,    // anything but "chunked"
  TransferEncodingDuplicate,  // "chunked" more than once
  TransferEncodingNotFinal,   // chunked is not the last coding
  TransferEncodingVersion,    // in an HTTP/1.0 message
  FramingLookalike,           // Content_Length, Transfer_Encoding and the like
  EndInHeaders,      // the client ended its stream inside a header section; some servers go on
  FramingForbidden,  // Content-Length or Transfer-Encoding in a 1xx, 204 or 2xx to CONNECT
  ConnectWithBody,   // CONNECT or TRACE request with a body
  // Chunked transfer coding (RFC 9112 7.1).
  ChunkSizeInvalid,       // not 1*HEXDIG
  ChunkSizeOverflow,      // more than 16 digits, or beyond 2^63-1
  ChunkSizeWhitespace,    // white space around the size
  ChunkExtension,         // a well-formed extension
  ChunkExtensionInvalid,  // one with control octets
  ChunkExtensionTooLong,
  ChunkBareLf,  // chunk framing line that ends in LF alone
  ChunkBareCr,
  ChunkDataUnterminated,  // chunk data not followed by CRLF
  TrailerForbidden,       // framing, routing or content fields in the trailer section
  // Content coding (RFC 9110 8.4).
  ContentCodingUnknown,
  ContentCodingLayers,       // more layers than are undone
  ContentCodingCorrupt,      // the stream breaks its own format, or its check value is wrong
  ContentCodingTruncated,    // the body ends inside the coded stream
  ContentCodingTrailing,     // octets after the end of the coded stream
  ContentCodingMislabelled,  // the body is not what the label says
  ContentCodingBomb,         // bound on output size or ratio reached
  ContentCodingMemory,       // the memory set aside for decoding is used up
  // Exchanges and connection (RFC 9110 7.8, 15; RFC 9112 9).
  PipelineTooDeep,
  ResponseWithoutRequest,  // response octets while no request waits for one
  RequestAfterClose,       // octets after a request that said Connection: close
  ExpectUnknown,           // Expect other than 100-continue
  UpgradeEarlyData,        // octets after Upgrade before the server agreed
  ConnectEarlyData,        // octets after CONNECT before it was answered
  ConnectAnswerDoubtful,   // 2xx to CONNECT with a body, or with the word that there is none
  UpgradeToHttp2,          // the client offers h2c
  SwitchToHttp2,           // the server agreed to h2c
  SwitchUnasked,           // 101 to a request without Upgrade
};

inline constexpr std::size_t kViolationCount =
    static_cast<std::size_t>(Violation::SwitchUnasked) + 1;

// What an inline Weir does. A detecting (passive) one notes everything and reads on.
enum class Disposition : std::uint8_t {
  Note,    // report it, go on
  Refuse,  // report it; that side of the connection is read no further, the inspector rejects
};

// Stable kebab-case name, e.g. "content-length-conflict".
[[nodiscard]] std::string_view name(Violation violation) noexcept;
[[nodiscard]] std::optional<Violation> violation_of(std::string_view name) noexcept;
// One line for people: what it is and where the standard says so.
[[nodiscard]] std::string_view describe(Violation violation) noexcept;
// For a client's bytes; a server's are refused only where its framing cannot be followed.
[[nodiscard]] Disposition default_disposition(Violation violation) noexcept;
[[nodiscard]] Disposition default_response_disposition(Violation violation) noexcept;

// A set of violations: what an option refuses or tolerates, what a message had.
class ViolationSet {
 public:
  void insert(Violation v) noexcept { bits_.set(static_cast<std::size_t>(v)); }
  void erase(Violation v) noexcept { bits_.reset(static_cast<std::size_t>(v)); }
  [[nodiscard]] bool contains(Violation v) const noexcept {
    return bits_.test(static_cast<std::size_t>(v));
  }
  [[nodiscard]] bool empty() const noexcept { return bits_.none(); }
  [[nodiscard]] std::size_t size() const noexcept { return bits_.count(); }
  void clear() noexcept { bits_.reset(); }
  void insert(const ViolationSet& others) noexcept { bits_ |= others.bits_; }
  bool operator==(const ViolationSet&) const = default;
  // Calls f(Violation) for each member, in the order of the enumeration.
  template <class F>
  void for_each(F&& f) const {
    if (bits_.none()) return;
    for (std::size_t i = 0; i < kViolationCount; ++i) {
      if (bits_.test(i)) f(static_cast<Violation>(i));
    }
  }

 private:
  std::bitset<kViolationCount> bits_;
};

}  // namespace weir::http
