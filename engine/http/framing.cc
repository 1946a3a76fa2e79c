#include "engine/http/framing.h"

#include <algorithm>
#include <limits>

#include "engine/http/message.h"
#include "engine/http/syntax.h"

namespace weir::http {
namespace {

enum class Known : std::uint8_t {
  None,
  ContentLength,
  TransferEncoding,
  Host,
  Connection,
  Upgrade,
  Expect,
  ContentEncoding,
};

Known known_field(std::string_view name) {
  switch (name.size()) {
    case 4:
      return equals_ignoring_case(name, "host") ? Known::Host : Known::None;
    case 6:
      return equals_ignoring_case(name, "expect") ? Known::Expect : Known::None;
    case 7:
      return equals_ignoring_case(name, "upgrade") ? Known::Upgrade : Known::None;
    case 10:
      return equals_ignoring_case(name, "connection") ? Known::Connection : Known::None;
    case 14:
      return equals_ignoring_case(name, "content-length") ? Known::ContentLength : Known::None;
    case 16:
      return equals_ignoring_case(name, "content-encoding") ? Known::ContentEncoding : Known::None;
    case 17:
      return equals_ignoring_case(name, "transfer-encoding") ? Known::TransferEncoding
                                                             : Known::None;
    default:
      return Known::None;
  }
}

// Whether the letters alone spell `letters`: Content_Length, Transfer-Encoding with a stray octet,
// …
bool spells(std::string_view name, std::string_view letters) {
  std::size_t i = 0;
  for (const char c : name) {
    const char lower = to_lower(c);
    if (lower < 'a' || lower > 'z') continue;
    if (i >= letters.size() || lower != letters[i]) return false;
    ++i;
  }
  return i == letters.size();
}

bool resembles_framing(std::string_view name) {
  return name.size() >= 13 && (spells(name, "contentlength") || spells(name, "transferencoding"));
}

template <class Integer>
void count_up(Integer& n) {
  if (n < std::numeric_limits<Integer>::max()) ++n;
}

constexpr auto kMaxLength = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

// The number at the start of the text, an optional '+' skipped, bounded by kMaxLength.
std::uint64_t leading_number(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  std::uint64_t n = 0;
  for (const char c : text) {
    if (!is_digit(c)) break;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (n > (kMaxLength - digit) / 10) return kMaxLength;
    n = n * 10 + digit;
  }
  return n;
}

}  // namespace

bool is_forbidden_in_trailer(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 26> kForbidden{"transfer-encoding",
                                                               "content-length",
                                                               "host",
                                                               "connection",
                                                               "upgrade",
                                                               "expect",
                                                               "te",
                                                               "trailer",
                                                               "keep-alive",
                                                               "content-encoding",
                                                               "content-type",
                                                               "content-range",
                                                               "range",
                                                               "authorization",
                                                               "cookie",
                                                               "set-cookie",
                                                               "cache-control",
                                                               "max-forwards",
                                                               "location",
                                                               "pragma",
                                                               "www-authenticate",
                                                               "if-match",
                                                               "if-none-match",
                                                               "if-modified-since",
                                                               "proxy-authorization",
                                                               "x-forwarded-for"};
  return resembles_framing(name) ||
         std::any_of(kForbidden.begin(), kForbidden.end(), [name](std::string_view forbidden) {
           return equals_ignoring_case(name, forbidden);
         });
}

void MessageFacts::reset() noexcept {
  authority_.clear();
  authority_.shrink_to_fit();
  content_length_ = 0;
  content_codings_ = {};
  transfer_codings_ = {};
  chunked_ = hosts_ = 0;
  has_length_ = transfer_encoding_ = chunked_last_ = false;
  close_ = upgrade_ = upgrade_h2c_ = false;
}

void MessageFacts::add(Side side, std::string_view name, std::string_view value,
                       ViolationSet& out) {
  switch (known_field(name)) {
    case Known::ContentLength:
      add_content_length(value, out);
      return;
    case Known::TransferEncoding:
      add_transfer_encoding(value, out);
      return;
    case Known::Connection:
      add_connection(value, out);
      return;
    case Known::Host:
      if (side == Side::Request) add_host(value, out);
      return;
    case Known::Upgrade:
      upgrade_ = true;
      for_each_element(value, [this](std::string_view protocol) {
        if (starts_ignoring_case(protocol, "h2")) upgrade_h2c_ = true;
      });
      return;
    case Known::Expect:
      if (side == Side::Request && !equals_ignoring_case(value, "100-continue")) {
        out.insert(Violation::ExpectUnknown);
      }
      return;
    case Known::ContentEncoding:
      for_each_element(value, [this](std::string_view coding) { content_codings_.add(coding); });
      return;
    case Known::None:
      if (resembles_framing(name)) out.insert(Violation::FramingLookalike);
      return;
  }
}

void MessageFacts::add_content_length(std::string_view value, ViolationSet& out) noexcept {
  bool valid = !value.empty() && value.size() <= 19;
  for (const char c : value)
    valid = valid && is_digit(c);
  const std::uint64_t length = leading_number(value);
  if (!valid || (value.size() == 19 && length == kMaxLength && value != "9223372036854775807")) {
    out.insert(Violation::ContentLengthInvalid);
    // A number may still be found by a lenient server; without one the field says nothing.
    if (value.empty() || (!is_digit(value.front()) && value.front() != '+')) return;
  }
  if (has_length_) {
    // The first one counts: most servers that do not refuse go by it.
    out.insert(length == content_length_ ? Violation::ContentLengthDuplicate
                                         : Violation::ContentLengthConflict);
    return;
  }
  has_length_ = true;
  content_length_ = length;
}

void MessageFacts::add_transfer_encoding(std::string_view value, ViolationSet& out) noexcept {
  transfer_encoding_ = true;
  for_each_element(value, [this, &out](std::string_view coding) {
    chunked_last_ = equals_ignoring_case(coding, "chunked");
    if (chunked_last_) {
      count_up(chunked_);
      return;
    }
    out.insert(Violation::TransferEncodingUnknown);
    transfer_codings_.add(coding);
  });
}

void MessageFacts::add_connection(std::string_view value, ViolationSet& out) noexcept {
  for_each_element(value, [this, &out](std::string_view option) {
    if (equals_ignoring_case(option, "close")) {
      close_ = true;
    } else if (equals_ignoring_case(option, "content-length") ||
               equals_ignoring_case(option, "transfer-encoding") ||
               equals_ignoring_case(option, "host")) {
      out.insert(Violation::ConnectionNamesFraming);
    }
  });
}

void MessageFacts::add_host(std::string_view value, ViolationSet& out) {
  count_up(hosts_);
  if (hosts_ > 1) out.insert(Violation::HostDuplicate);
  if (!is_valid_host(value)) out.insert(Violation::HostInvalid);
  if (!authority_.empty() && !same_authority(authority_, value)) {
    out.insert(Violation::HostMismatch);
  }
}

// Returns whether the body is chunked.
bool MessageFacts::check_framing(bool http10, ViolationSet& out) noexcept {
  if (!transfer_encoding_) return false;
  if (http10) out.insert(Violation::TransferEncodingVersion);
  if (has_length_) out.insert(Violation::ContentLengthWithTransferEncoding);
  if (chunked_ > 1) out.insert(Violation::TransferEncodingDuplicate);
  if (!chunked_last_) out.insert(Violation::TransferEncodingNotFinal);
  return chunked_ > 0;
}

Framing MessageFacts::request_framing(bool http10, bool needs_host, ViolationSet& out) noexcept {
  if (needs_host && hosts_ == 0) out.insert(Violation::HostMissing);
  if (check_framing(http10, out)) return Framing::Chunked;
  return has_length_ && content_length_ > 0 ? Framing::Length : Framing::None;
}

Framing MessageFacts::response_framing(bool http10, bool bodiless, ViolationSet& out) noexcept {
  if (bodiless) return Framing::None;
  const bool chunked = check_framing(http10, out);
  // RFC 9112 6.3: a response whose final coding is not chunked ends with the connection.
  // "identity" alone, of RFC 2616, says nothing.
  if (chunked || !transfer_codings_.empty()) {
    return chunked_last_ ? Framing::Chunked : Framing::UntilClose;
  }
  if (!has_length_) return Framing::UntilClose;
  return content_length_ > 0 ? Framing::Length : Framing::None;
}

CodingList MessageFacts::codings() const noexcept {
  CodingList all = content_codings_;
  all.append(transfer_codings_);
  return all;
}

}  // namespace weir::http
