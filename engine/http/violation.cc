#include "engine/http/violation.h"

#include <array>

namespace weir::http {
namespace {

struct Row {
  Violation violation;
  std::string_view name;
  Disposition disposition;
  std::string_view text;
};

constexpr auto kNote = Disposition::Note;
constexpr auto kRefuse = Disposition::Refuse;
using enum Violation;

constexpr std::array<Row, kViolationCount> kRows{{
    {NotHttp, "not-http", kRefuse, "the first bytes are no HTTP request"},
    {TlsHello, "tls-hello", kRefuse, "TLS where clear-text HTTP is expected"},
    {Http2Preface, "http2-preface", kRefuse, "HTTP/2 with prior knowledge (RFC 9113 3.3)"},
    {Http09Request, "http09-request", kRefuse, "request line without a version (HTTP/0.9)"},
    {LeadingCrlf, "leading-crlf", kNote, "empty lines before the request line (RFC 9112 2.2)"},
    {LeadingCrlfExcess, "leading-crlf-excess", kRefuse,
     "too many empty lines before the request line (RFC 9112 2.2)"},
    {RequestLineInvalid, "request-line-invalid", kRefuse,
     "no request line where the next request is due (RFC 9112 3)"},
    {RequestLineTooLong, "request-line-too-long", kRefuse, "request line exceeds the limit"},
    {RequestLineWhitespace, "request-line-whitespace", kRefuse,
     "request line not divided by exactly one SP each (RFC 9112 3)"},
    {MethodInvalid, "method-invalid", kRefuse, "method is no token (RFC 9110 9.1)"},
    {TargetInvalid, "target-invalid", kRefuse,
     "request target has no form that the method takes (RFC 9112 3.2)"},
    {TargetControlChar, "target-control-char", kRefuse, "control octet in the request target"},
    {TargetNonAscii, "target-non-ascii", kNote,
     "octet above 0x7e in the request target (RFC 3986 2.1)"},
    {TargetUnescapedChar, "target-unescaped-char", kNote,
     "character in the request target that URIs must percent-encode (RFC 3986 2)"},
    {TargetFragment, "target-fragment", kRefuse, "fragment in the request target (RFC 9110 7.1)"},
    {VersionInvalid, "version-invalid", kRefuse, "malformed HTTP version (RFC 9112 2.3)"},
    {VersionUnsupported, "version-unsupported", kRefuse,
     "HTTP version other than 1.0 and 1.1 (RFC 9110 2.5)"},
    {StatusLineInvalid, "status-line-invalid", kRefuse, "malformed status line (RFC 9112 4)"},
    {StatusLineTooLong, "status-line-too-long", kRefuse, "status line exceeds the limit"},
    {BareLf, "bare-lf", kNote, "line ends in LF without CR (RFC 9112 2.2)"},
    {BareCr, "bare-cr", kRefuse, "CR without LF (RFC 9112 2.2)"},
    {HeaderNoColon, "header-no-colon", kRefuse, "field line without a colon (RFC 9112 5)"},
    {HeaderNameEmpty, "header-name-empty", kRefuse, "field line without a name (RFC 9112 5)"},
    {HeaderNameInvalid, "header-name-invalid", kRefuse, "field name is no token (RFC 9110 5.1)"},
    {HeaderSpaceBeforeColon, "header-space-before-colon", kRefuse,
     "white space between field name and colon (RFC 9112 5.1)"},
    {HeaderControlChar, "header-control-char", kRefuse,
     "control octet in a field value (RFC 9110 5.5)"},
    {HeaderFolded, "header-folded", kRefuse, "obsolete line folding (RFC 9112 5.2)"},
    {HeaderLeadingSpace, "header-leading-space", kRefuse,
     "white space before the first field line (RFC 9112 2.2)"},
    {HeaderLineTooLong, "header-line-too-long", kRefuse, "field line exceeds the limit"},
    {HeadersTooLarge, "headers-too-large", kRefuse, "header section exceeds the limit"},
    {HeadersTooMany, "headers-too-many", kRefuse, "more header fields than the limit"},
    {HostMissing, "host-missing", kRefuse, "HTTP/1.1 request without Host (RFC 9112 3.2)"},
    {HostDuplicate, "host-duplicate", kRefuse, "more than one Host field (RFC 9112 3.2)"},
    {HostInvalid, "host-invalid", kRefuse, "malformed Host field (RFC 9110 7.2)"},
    {HostMismatch, "host-mismatch", kNote,
     "request target and Host name different hosts (RFC 9112 3.2.2)"},
    {ConnectionNamesFraming, "connection-names-framing", kRefuse,
     "Connection lists a field that all need (RFC 9110 7.6.1)"},
    {ContentLengthInvalid, "content-length-invalid", kRefuse,
     "malformed Content-Length (RFC 9110 8.6)"},
    {ContentLengthDuplicate, "content-length-duplicate", kNote,
     "Content-Length repeated with the same value (RFC 9110 8.6)"},
    {ContentLengthConflict, "content-length-conflict", kRefuse,
     "different Content-Length values (RFC 9112 6.3)"},
    {ContentLengthWithTransferEncoding, "content-length-with-transfer-encoding", kRefuse,
     "both Content-Length and Transfer-Encoding (RFC 9112 6.1)"},
    {TransferEncodingUnknown, "transfer-encoding-unknown", kRefuse,
     "transfer coding other than chunked (RFC 9112 7)"},
    {TransferEncodingDuplicate, "transfer-encoding-duplicate", kRefuse,
     "chunked applied more than once (RFC 9112 6.1)"},
    {TransferEncodingNotFinal, "transfer-encoding-not-final", kRefuse,
     "chunked is not the final transfer coding (RFC 9112 6.3)"},
    {TransferEncodingVersion, "transfer-encoding-version", kRefuse,
     "Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1)"},
    {FramingLookalike, "framing-lookalike", kRefuse,
     "field name that resembles a framing field, e.g. Content_Length"},
    {EndInHeaders, "end-in-headers", kRefuse,
     "the client ended its stream inside a header section (RFC 9112 8)"},
    {FramingForbidden, "framing-forbidden", kNote,
     "framing field in a response that has no body (RFC 9110 8.6, RFC 9112 6.1)"},
    {ConnectWithBody, "connect-with-body", kRefuse,
     "CONNECT or TRACE request with a body (RFC 9110 9.3.6, 9.3.8)"},
    {ChunkSizeInvalid, "chunk-size-invalid", kRefuse, "malformed chunk size (RFC 9112 7.1)"},
    {ChunkSizeOverflow, "chunk-size-overflow", kRefuse, "chunk size too large (RFC 9112 7.1)"},
    {ChunkSizeWhitespace, "chunk-size-whitespace", kRefuse,
     "white space around the chunk size (RFC 9112 7.1.1)"},
    {ChunkExtension, "chunk-extension", kNote, "chunk extension (RFC 9112 7.1.1)"},
    {ChunkExtensionInvalid, "chunk-extension-invalid", kRefuse,
     "malformed chunk extension (RFC 9112 7.1.1)"},
    {ChunkExtensionTooLong, "chunk-extension-too-long", kRefuse,
     "chunk extension exceeds the limit (RFC 9112 7.1.1)"},
    {ChunkBareLf, "chunk-bare-lf", kRefuse, "chunk framing line ends in LF without CR"},
    {ChunkBareCr, "chunk-bare-cr", kRefuse, "CR without LF in chunk framing"},
    {ChunkDataUnterminated, "chunk-data-unterminated", kRefuse,
     "chunk data not followed by CRLF (RFC 9112 7.1)"},
    {TrailerForbidden, "trailer-forbidden", kRefuse,
     "framing, routing or content field in the trailer section (RFC 9110 6.5.1)"},
    {ContentCodingUnknown, "content-coding-unknown", kRefuse, "content coding that is not undone"},
    {ContentCodingLayers, "content-coding-layers", kRefuse, "too many layers of content coding"},
    {ContentCodingCorrupt, "content-coding-corrupt", kRefuse,
     "content-coded body breaks its format or check value"},
    {ContentCodingTruncated, "content-coding-truncated", kRefuse,
     "body ends inside the content-coded stream"},
    {ContentCodingTrailing, "content-coding-trailing", kRefuse,
     "octets after the end of the content-coded stream"},
    {ContentCodingMislabelled, "content-coding-mislabelled", kRefuse,
     "body is not in the content coding that it is labelled with"},
    {ContentCodingBomb, "content-coding-bomb", kRefuse,
     "decoded body exceeds the bound on size or ratio"},
    {ContentCodingMemory, "content-coding-memory", kRefuse,
     "the memory set aside for decoding bodies is used up"},
    {PipelineTooDeep, "pipeline-too-deep", kRefuse, "more pipelined requests than the limit"},
    {ResponseWithoutRequest, "response-without-request", kNote,
     "response octets while no request waits for one (RFC 9112 9.2)"},
    {RequestAfterClose, "request-after-close", kNote,
     "octets after a request that said Connection: close (RFC 9112 9.6)"},
    {ExpectUnknown, "expect-unknown", kNote, "Expect other than 100-continue (RFC 9110 10.1.1)"},
    {UpgradeEarlyData, "upgrade-early-data", kNote,
     "octets after Upgrade before the server agreed (RFC 9110 7.8)"},
    {ConnectEarlyData, "connect-early-data", kRefuse,
     "octets after CONNECT before it was answered (RFC 9110 9.3.6)"},
    {ConnectAnswerDoubtful, "connect-answer-doubtful", kRefuse,
     "an answer to CONNECT that opens a tunnel for some and none for others (RFC 9110 9.3.6)"},
    {UpgradeToHttp2, "upgrade-to-http2", kNote, "the client offers to switch to HTTP/2"},
    {SwitchToHttp2, "switch-to-http2", kRefuse, "the server switched to HTTP/2, which is not read"},
    {SwitchUnasked, "switch-unasked", kRefuse,
     "101 to a request that did not ask for it (RFC 9110 15.2.2)"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].violation) != i || kRows[i].name.empty()) return false;
  }
  return true;
}
static_assert(in_order(), "the table follows the enum");

constexpr const Row& row(Violation v) {
  return kRows[static_cast<std::size_t>(v) % kViolationCount];
}

}  // namespace

std::string_view name(Violation violation) noexcept {
  return row(violation).name;
}

std::string_view describe(Violation violation) noexcept {
  return row(violation).text;
}

Disposition default_disposition(Violation violation) noexcept {
  return row(violation).disposition;
}

Disposition default_response_disposition(Violation violation) noexcept {
  switch (violation) {
    case NotHttp:
    case ConnectAnswerDoubtful:
    case StatusLineInvalid:
    case StatusLineTooLong:
    case BareCr:
    case ContentLengthInvalid:
    case ContentLengthConflict:
    case ContentLengthWithTransferEncoding:
    case TransferEncodingUnknown:
    case TransferEncodingDuplicate:
    case TransferEncodingNotFinal:
    case TransferEncodingVersion:
    case ChunkSizeInvalid:
    case ChunkSizeOverflow:
    case ChunkBareLf:
    case ChunkBareCr:
    case ChunkDataUnterminated:
    case SwitchToHttp2:
    case SwitchUnasked:
      return kRefuse;
    default:
      return kNote;
  }
}

std::optional<Violation> violation_of(std::string_view name) noexcept {
  for (const Row& r : kRows) {
    if (r.name == name) return r.violation;
  }
  return std::nullopt;
}

}  // namespace weir::http
