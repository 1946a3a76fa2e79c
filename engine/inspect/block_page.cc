#include "engine/inspect/block_page.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weir::inspect {
namespace {

constexpr std::string_view kOwnPage =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Request refused</title></head>\n"
    "<body>\n<h1>Request refused</h1>\n<p>This request was not passed on to the server. If you think that it "
    "should have been, tell whoever runs this site, with this number:</p>\n"
    "<p><code>{{transaction_id}}</code></p>\n</body>\n</html>\n";
constexpr std::string_view kIdMark = "{{transaction_id}}";
constexpr std::string_view kStatusMark = "{{status}}";
constexpr std::size_t kMostType = 128;

std::string_view reason_phrase(std::uint16_t status) {
  switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return "Refused";
  }
}

// Appends to a fixed buffer; what does not fit is left out, and full() tells.
class Writer {
 public:
  explicit Writer(std::span<char> out) : out_(out) {}
  Writer& operator<<(std::string_view text) {
    if (text.size() > out_.size() - length_) {
      full_ = true;
      return *this;
    }
    std::copy(text.begin(), text.end(), out_.begin() + static_cast<std::ptrdiff_t>(length_));
    length_ += text.size();
    return *this;
  }
  Writer& number(std::uint64_t n, std::size_t width = 0) {
    std::array<char, 20> digits{};
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), n).ptr;
    const auto count = static_cast<std::size_t>(end - digits.data());
    for (std::size_t i = count; i < width; ++i) *this << "0";
    return *this << std::string_view(digits.data(), count);
  }
  [[nodiscard]] std::size_t length() const { return length_; }
  [[nodiscard]] bool full() const { return full_; }

 private:
  std::span<char> out_;
  std::size_t length_ = 0;
  bool full_ = false;
};

// IMF-fixdate (RFC 9110 5.6.7). Days to a civil date by counting eras of 400 years from 1 March 0000.
void write_date(Writer& out, Timestamp now) {
  constexpr std::array<std::string_view, 7> kDays{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto at = static_cast<std::uint64_t>(std::max<std::int64_t>(now.ns, 0)) / 1'000'000'000U;
  const std::uint64_t days = at / 86400;
  const std::uint64_t second = at % 86400;
  const std::uint64_t since = days + 719'468;  // from 0000-03-01 to the epoch
  const std::uint64_t era = since / 146'097;
  const std::uint64_t of_era = since % 146'097;
  const std::uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const std::uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::uint64_t shifted = (5 * of_year + 2) / 153;  // 0 = March
  const std::uint64_t day = of_year - (153 * shifted + 2) / 5 + 1;
  const std::uint64_t month = shifted < 10 ? shifted + 2 : shifted - 10;  // 0 = January
  const std::uint64_t year = year_of_era + era * 400 + (month < 2 ? 1 : 0);
  out << "Date: " << kDays[days % 7] << ", ";
  out.number(day, 2) << " " << kMonths[month] << " ";
  out.number(year, 4) << " ";
  out.number(second / 3600, 2) << ":";
  out.number(second / 60 % 60, 2) << ":";
  out.number(second % 60, 2) << " GMT\r\n";
}

// RFC 3986 2: everything else is percent-encoded, so that no line of the head can be ended or begun.
void write_location(Writer& out, std::string_view location) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  out << "Location: ";
  for (const char c : location) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > 0x20 && octet < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' &&
        c != '`' && c != '{' && c != '|' && c != '}') {
      out << std::string_view(&c, 1);
    } else {
      const std::array<char, 3> coded{'%', kHex[octet >> 4U], kHex[octet & 15U]};
      out << std::string_view(coded.data(), coded.size());
    }
  }
  out << "\r\n";
}

bool is_redirect(std::uint16_t status) { return status >= 300 && status < 400 && status != 304; }

bool valid_type(std::string_view type) {
  return !type.empty() && type.size() <= kMostType &&
         std::all_of(type.begin(), type.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

BlockPage::BlockPage(const BlockOptions& options) : type_(options.content_type) {
  const bool own = options.page.empty() || !check(options);
  if (own || !valid_type(type_)) type_ = "text/html; charset=utf-8";
  compile(own ? kOwnPage : std::string_view(options.page));
}

Result<void> BlockPage::check(const BlockOptions& options) {
  if (options.page.size() > kMostPage) {
    return fail("the page has " + std::to_string(options.page.size()) + " bytes; at most " +
                std::to_string(kMostPage) + " can be sent");
  }
  if (!valid_type(options.content_type)) {
    return fail("the content type is empty, longer than " + std::to_string(kMostType) +
                " characters, or has other characters than a header field may have");
  }
  std::string_view rest = options.page;
  for (std::size_t at = rest.find("{{"); at != std::string_view::npos; at = rest.find("{{")) {
    rest.remove_prefix(at);
    const std::size_t end = rest.find("}}");
    const std::string_view mark = rest.substr(0, end == std::string_view::npos ? 2 : end + 2);
    if (mark.find('\n') == std::string_view::npos && end != std::string_view::npos && mark != kIdMark &&
        mark != kStatusMark) {
      return fail("the page has " + std::string(mark.substr(0, 40)) +
                  "; only {{transaction_id}} and {{status}} are known");
    }
    rest.remove_prefix(2);
  }
  return {};
}

void BlockPage::compile(std::string_view page) {
  page_ = page;
  const std::string_view text = page_;
  std::size_t done = 0;
  while (done < text.size()) {
    const std::size_t id = text.find(kIdMark, done);
    const std::size_t status = text.find(kStatusMark, done);
    const std::size_t at = std::min({id, status, text.size()});
    if (at > done) parts_.push_back({Kind::Text, done, at - done});
    done = at;
    if (at == text.size()) break;
    parts_.push_back({at == id ? Kind::TransactionId : Kind::Status, 0, 0});
    done += at == id ? kIdMark.size() : kStatusMark.size();
  }
}

std::size_t BlockPage::write_head(std::span<char, kMostHead> out, PageFacts& facts,
                                  std::string_view location, Timestamp now) const {
  // 1xx is not final, 204, 205 and 304 have no body, and three digits it must be (RFC 9110 15).
  if (facts.status < 200 || facts.status > 599 || facts.status == 204 || facts.status == 205 ||
      facts.status == 304) {
    facts.status = 403;
  }
  bool moves = !location.empty() && location.size() <= kMostLocation;
  for (;;) {
    if (is_redirect(facts.status) && !moves) facts.status = 403;
    Writer head(out);
    head << "HTTP/1.1 ";
    head.number(facts.status) << " " << reason_phrase(facts.status) << "\r\n";
    write_date(head, now);
    head << "Content-Type: " << type_ << "\r\nContent-Length: ";
    head.number(full_length(facts)) << "\r\nCache-Control: no-store\r\nConnection: close\r\n";
    if (is_redirect(facts.status)) write_location(head, location);
    head << "\r\n";
    if (!head.full()) return head.length();
    moves = false;  // only a location can be too long
  }
}

std::size_t BlockPage::full_length(const PageFacts& facts) const {
  std::size_t n = 0;
  for (const Part& part : parts_) {
    switch (part.kind) {
      case Kind::Text: n += part.length; break;
      case Kind::TransactionId: n += facts.id_length; break;
      case Kind::Status: n += 3; break;
    }
  }
  return n;
}

std::size_t BlockPage::body_length(const PageFacts& facts) const {
  return facts.head_only ? 0 : full_length(facts);
}

std::size_t BlockPage::copy_body(std::span<std::uint8_t> out, std::size_t from,
                                 const PageFacts& facts) const {
  std::array<char, 3> digits{};
  std::to_chars(digits.data(), digits.data() + digits.size(), facts.status);
  std::size_t written = 0;
  std::size_t at = 0;  // of the part, in the body
  for (const Part& part : parts_) {
    std::string_view text;
    switch (part.kind) {
      case Kind::Text: text = std::string_view(page_).substr(part.from, part.length); break;
      case Kind::TransactionId: text = facts.transaction_id(); break;
      case Kind::Status: text = {digits.data(), digits.size()}; break;
    }
    const std::size_t end = at + text.size();
    if (end > from + written) {
      text.remove_prefix(from + written - at);
      text = text.substr(0, out.size() - written);
      if (!text.empty()) std::memcpy(out.data() + written, text.data(), text.size());
      written += text.size();
      if (written == out.size()) break;
    }
    at = end;
  }
  return written;
}

}  // namespace weir::inspect
